"""CO2 by the real eco2AI, with each of its traps laid out: what it must not do is made to raise in its process."""

import csv
import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from contest.console import quiet
from contest.emissions.rows import EmissionsFileError, read_rows
from contest.emissions.tracking import CountryCodeError, Emissions, Status, country_code, tell
from contest.emissions.tracking import track as track_with

ROOT = Path(__file__).parents[3]
COLUMNS = [
    *("id", "project_name", "experiment_description", "epoch", "start_time", "duration(s)"),
    *("power_consumption(kWh)", "CO2_emissions(kg)", "CPU_name", "GPU_name", "OS", "region/country", "cost"),
]
RU_KG_PER_MWH = 347.451
TICKS = 0.05  # the kernel counts processor time in hundredths of a second, cut off for each process and mode

track = partial(track_with, patience=120)  # what is tested here is not how busy the machine is

# Loaded by Python itself when the measuring process starts: it forbids what a slim, offline, read-only image forbids.
FORBIDDING = """
    import os, sys

    def forbid(event, arguments):
        if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
            note(f"{event} {arguments}")
            raise OSError("no network here")
        if event == "subprocess.Popen" and "top" in str(arguments[0]):
            note("top was run")
        if event == "open" and isinstance(arguments[0], str) and isinstance(arguments[1], str):
            if "site-packages" in arguments[0] and set(arguments[1]) & set("wax+"):
                note(f"written: {arguments[0]}")
                raise PermissionError(13, "read-only", arguments[0])

    def note(line):
        handle = os.open(os.environ["FORBIDDEN_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(handle, (line + "\\n").encode())
        os.close(handle)

    sys.addaudithook(forbid)
"""


def work(seconds: float) -> float:
    """Keep one core busy for so much processor time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(1000))
    return seconds


@pytest.fixture
def forbidding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(textwrap.dedent(FORBIDDING))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("FORBIDDEN_LOG", str(tmp_path / "forbidden"))
    monkeypatch.setenv("PATH", str(folder))  # neither top nor lscpu nor anything else
    return tmp_path / "forbidden"


def settings_file() -> Path:
    found = importlib.util.find_spec("eco2ai")
    assert found is not None, "eco2ai is a requirement"
    assert found.origin is not None
    return Path(found.origin).parent / "data" / "config.txt"


def test_a_short_run_offline_read_only_without_top_and_with_the_file_open(tmp_path: Path, forbidding: Path) -> None:
    before = hashlib.sha256(settings_file().read_bytes()).hexdigest()
    path = tmp_path / "run" / "emissions.csv"
    path.parent.mkdir()
    path.write_text(",".join(COLUMNS) + "\n" + ",".join(["old"] * 5 + ["1.5", "0.25", "0.125"] + ["x"] * 5) + "\n")
    with open(path), track("Проект", "2.7B, 'tuned'", path, "RU", final=True, tdp_watts=100) as tracking:
        work(0.3)
    outcome = tracking.outcome
    assert outcome is not None
    assert not forbidding.exists(), forbidding.read_text()
    assert hashlib.sha256(settings_file().read_bytes()).hexdigest() == before
    assert (outcome.status, outcome.reasons, outcome.csv_path) == (Status.MEASURED, (), path)

    old, row = read_rows(path)
    assert (old.description, old.co2_kg, old.is_final) == ("old", 0.125, False)
    assert (row.project, row.description, row.country) == ("Проект", "2.7B, 'tuned' TargetValue", "RU")
    assert row.is_final
    assert 0.3 <= row.duration_s < 60
    assert row.co2_kg == pytest.approx(row.energy_kwh * RU_KG_PER_MWH / 1000)
    assert (outcome.co2_kg, outcome.energy_kwh, outcome.coefficient) == (row.co2_kg, row.energy_kwh, RU_KG_PER_MWH)

    # All of the processor time counts, though eco2AI was not even loaded while the run lasted.
    cpu = outcome.readings[0]
    assert cpu.device == "cpu"
    assert cpu.method.startswith(f"processor time x TDP (100 W over {os.cpu_count()} logical processors, as set)")
    assert cpu.energy_kwh is not None
    assert 0.3 - TICKS <= cpu.energy_kwh * 3.6e6 * (os.cpu_count() or 1) / 100 < 1.5
    assert cpu.co2_kg == pytest.approx(cpu.energy_kwh * RU_KG_PER_MWH / 1000)
    (own,) = json.loads((path.parent / "emissions.csv.readings.json").read_text())
    assert own["readings"][0]["energy_kwh"] == cpu.energy_kwh
    assert (row.id, tracking.row_id) == (own["id"], own["id"])
    assert outcome.cpu_watts == 100 * int(row.cpu.rsplit("/", 1)[1].split()[0])
    assert sorted(entry.name for entry in path.parent.iterdir()) == [
        "emissions.csv",
        "emissions.csv.readings.json",
        "encoded_emissions.csv",
    ]


def test_the_encoded_file_is_eco2ai_s_own_encoding_of_the_same_row(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    with track("a", "ёж, \"b\" 'c'", path, "RU"):
        pass
    from eco2ai.utils import encode

    with open(path, newline="") as plain, open(tmp_path / "encoded_e.csv", newline="") as encoded:
        (row,), (secret,) = list(csv.DictReader(plain)), list(csv.DictReader(encoded))
    assert list(row) == COLUMNS
    assert secret == {name: encode(value) for name, value in row.items()}
    with pytest.raises(EmissionsFileError, match=r"row 1.*is it the encoded file"):
        read_rows(tmp_path / "encoded_e.csv")


def test_two_trackers_share_a_file_and_children_s_time_counts(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    busy = "import time\nwhile time.process_time() < 1.0: pass"
    both = partial(track, csv_path=path, tdp_watts=100, period=0.2)
    with both("p", "outer", country="RU") as outer, both("p", "inner", country="FR") as inner:
        subprocess.run([sys.executable, "-c", busy], check=True)
        assert wait_for(lambda: inner.so_far().status is Status.PARTIAL)
    assert outer.outcome is not None
    assert inner.outcome is not None
    assert {outer.outcome.status, inner.outcome.status} == {Status.MEASURED}
    assert sorted((row.description, row.country) for row in read_rows(path)) == [("inner", "FR"), ("outer", "RU")]
    energy = inner.outcome.readings[0].energy_kwh
    assert energy is not None
    assert energy * 3.6e6 * (os.cpu_count() or 1) / 100 >= 1.0 - TICKS


def test_a_run_that_is_killed_leaves_its_row(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    code = f"""
        import time
        from contest.emissions.tracking import track
        with track("p", "killed", {str(path)!r}, "RU", period=0.2):
            time.sleep(60)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT)
    try:
        assert wait_for(path.exists)
    finally:
        process.kill()
        process.wait()
    assert read_rows(path)[0].description == "killed"


def test_an_interrupt_of_the_run_still_gives_a_whole_measurement(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    tracking = None

    def interrupted() -> None:
        nonlocal tracking
        with track("p", "interrupted", path, "RU") as tracking:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert tracking is not None
    assert tracking.outcome is not None
    assert tracking.outcome.status is Status.MEASURED


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 120
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise ImportError('broken on purpose')", "status 1 (ImportError: broken on purpose)"),
        ("__version__ = '9.9'\nfrom types import ModuleType", "status 1 (ImportError: cannot import name"),
        ("import time\ntime.sleep(60)", "did not finish within 1.5 s and was ended"),
        ("import os\nos.abort()", "status -6"),
    ],
)
def test_a_broken_eco2ai_stops_nothing_and_is_told(
    source: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "eco2ai").mkdir()
    (tmp_path / "eco2ai" / "__init__.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with track("p", "d", tmp_path / "e.csv", "RU", patience=1.5 if "sleep" in source else 120) as tracking:
        done = work(0.01)
    assert done == 0.01
    assert tracking.outcome is not None
    assert tracking.outcome.status is Status.NOT_MEASURED
    assert reason in str(tracking.outcome)
    assert not (tmp_path / "e.csv").exists()


@pytest.mark.parametrize("country", ["", "ru", "Russia", "R1", None])
def test_without_a_country_nothing_is_started(country: str, tmp_path: Path) -> None:
    with track("p", "d", tmp_path / "e.csv", country) as tracking:
        pass
    assert tracking.outcome is not None
    assert "is not two capital letters" in tracking.outcome.reasons[0]
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_somebody_else_s_stays_as_it_is_and_an_unknown_country_is_told(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text("name,score\nx,1\n")
    with track("p", "d", path, "XX") as tracking:
        pass
    outcome = tracking.outcome
    assert outcome is not None
    assert (outcome.status, outcome.csv_path, outcome.coefficient) == (Status.PARTIAL, None, 436.529)
    assert outcome.co2_kg is not None
    assert "does not know the country XX" in outcome.reasons[0]
    assert "other columns than eco2AI's" in outcome.reasons[1]
    assert path.read_text() == "name,score\nx,1\n"


def test_no_temporary_folder_no_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with track("p", "d", tmp_path / "e.csv", "RU") as tracking:
        pass
    assert tracking.outcome is not None
    assert "can not be started" in str(tracking.outcome)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name,score\nx,1\n", "no column 'id'"),
        (",".join(COLUMNS) + "\n" + ",".join(["x"] * 13) + "\n", "row 1: could not convert"),
        (",".join(COLUMNS) + "\n" + ",".join(["x"] * 5 + ["1", "nan", "1"] + ["x"] * 5) + "\n", r"row 1: .* is nan"),
        (",".join(COLUMNS) + "\na,b\n", "row 1"),
    ],
)
def test_a_file_that_is_not_eco2ai_s_is_refused_by_name(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(EmissionsFileError, match=rf"x\.csv: {problem}"):
        read_rows(path)


def test_country_codes() -> None:
    assert country_code("ru") == "RU"
    with pytest.raises(CountryCodeError, match="no code of a country"):
        country_code("Russia")


@pytest.mark.parametrize(
    ("status", "wants_quiet", "told"),
    [
        (Status.MEASURED, False, "here: emissions measured\n"),
        (Status.MEASURED, True, ""),
        (Status.PARTIAL, True, "here: emissions partial; stopped\n"),
        (Status.NOT_MEASURED, True, "here: emissions not measured; stopped\n"),
    ],
)
def test_quiet_leaves_out_a_whole_measurement_alone(
    status: Status, wants_quiet: bool, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with quiet(wants_quiet):
        tell(Emissions(status, () if status is Status.MEASURED else ("stopped",)), "here")
    assert capsys.readouterr().err == told
