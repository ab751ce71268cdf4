"""A real training, killed without warning and started again: what its logs, its CO2 and its report say afterwards."""

import contextlib
import csv
import io
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

from contest.emissions.rows import read_readings, read_rows
from contest.emissions.training_summary import read_training_emissions
from tests.training.watched_training import CHECKPOINT, command, steps_logged
from training.__main__ import main as training
from training.co2_report.figures import gather
from training.tune.callbacks.co2_log import read_co2_log
from training.tune.callbacks.csv_log import read_log

ROOT = Path(__file__).parents[2]


def test_every_step_stands_in_the_log_once(watched: Path) -> None:
    before = json.loads((watched.parent / "before.json").read_text())["steps"]
    steps = steps_logged(watched)
    assert steps == list(range(1, steps[-1] + 1))
    # Seven steps behind the last checkpoint that was whole; what the killed session did behind it was done again.
    resumed = steps[-1] - 7
    assert resumed % CHECKPOINT == 0
    assert before[-1] - CHECKPOINT <= resumed <= before[-1]
    kept = [row for row in read_log(watched.parent / "log_before.csv") if row.step <= resumed]
    assert read_log(watched / "log.csv")[: len(kept)] == kept
    names = {row.name for row in read_log(watched / "log.csv")}
    assert {"loss", "rate", "samples_per_second", "tokens_per_second", "peak_rss_gib", "textqa.right"} <= names


def test_each_validation_can_be_read_and_is_drawn(watched: Path) -> None:
    last = steps_logged(watched)[-1]
    text = (watched / "validation" / f"{last:07d}.txt").read_text()
    assert text.startswith(f"step {last}, loss ")
    assert "=== textqa  loss " in text
    assert "token F1" in text
    assert sorted(path.name for path in (watched / "plots").iterdir()) == [
        "learning_rate.png",
        "loss.png",
        "validation.png",
    ]


def test_tensorboard_has_the_values_of_the_log(watched: Path) -> None:
    scalars: dict[tuple[str, int], float] = {}
    for path in sorted((watched / "tensorboard").iterdir(), key=lambda path: path.stat().st_mtime):
        for event in events(path.read_bytes()):
            for value in event.summary.value:
                scalars[value.tag, event.step] = value.simple_value
    for row in read_log(watched / "log.csv"):
        assert scalars[row.name.replace(".", "/"), row.step] == pytest.approx(row.value, rel=1e-6)


def events(data: bytes) -> list[Event]:
    """Records of a TensorBoard file: length (8 bytes), its checksum (4), an event, its checksum (4)."""
    found, place = [], 0
    while place + 12 <= len(data):
        (length,) = struct.unpack("<Q", data[place : place + 8])
        record = data[place + 12 : place + 12 + length]
        if len(record) == length:  # a kill may cut the last one short
            found.append(Event.FromString(record))
        place += 16 + length
    return found


def test_both_sessions_are_in_eco2ai_s_file_and_counted(watched: Path) -> None:
    stretches = json.loads((watched / "co2_run.json").read_text())["stretches"]
    assert [stretch["status"] for stretch in stretches] == [None, "measured"]
    rows = read_rows(watched / "emissions.csv")
    assert [row.id for row in rows] == [stretch["id"] for stretch in stretches]
    assert all(row.is_final and row.co2_kg > 0 and "57516 parameters" in row.description for row in rows)
    with (watched / "encoded_emissions.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 2


def test_readings_by_step_add_up_to_the_run(watched: Path) -> None:
    rows, readings = read_co2_log(watched / "co2.csv"), read_readings(watched / "emissions.csv")
    stretches = list(dict.fromkeys(row.stretch for row in rows))
    assert list(readings) == stretches
    killed, last = (
        sum(row.energy_kwh or 0.0 for row in rows if row.stretch == name and row.device == "cpu") for name in stretches
    )
    whole = [next(one.energy_kwh for one in readings[name] if one.device == "cpu") for name in stretches]
    # 100 W over the processors: a second of processor time in kWh.
    second = 100 / (os.cpu_count() or 1) / 3.6e6
    assert whole[0] is not None
    assert whole[1] is not None
    assert killed > 0
    assert killed == pytest.approx(whole[0], abs=2 * second)  # up to a period, and to what was done between two rows
    assert last == pytest.approx(whole[1], abs=0.5 * second)
    parts = [row.part for row in rows if row.stretch == stretches[1]]
    assert (parts[0], parts[-1], set(parts)) == ("preparation", "end", {"preparation", "training", "end"})


def test_nothing_of_the_lost_session_is_taken_back(watched: Path) -> None:
    kept = json.loads((watched.parent / "before.json").read_text())["co2"]
    rows = read_co2_log(watched / "co2.csv")
    first = rows[0].stretch
    assert kept <= sum(row.stretch == first for row in rows) <= kept + 1


def test_the_report_is_made_of_both(watched: Path, tmp_path: Path) -> None:
    run = shutil.copytree(watched, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints", "tensorboard"))
    assert training(["co2-report", str(run)]) == 0
    summary = read_training_emissions(run / "co2_report" / "training_emissions.json")
    assert summary == gather(watched).summary
    assert (summary.stretches, summary.parameters, summary.final) == (2, 57516, True)
    assert summary.co2_kg == pytest.approx(sum(row.co2_kg for row in read_rows(watched / "emissions.csv")))
    assert "did not end itself" in summary.problems[0]
    assert (run / "co2_report" / "co2_by_epoch.png").is_file()
    assert (run / "co2_report" / "loss_by_co2.png").is_file()


def test_broken_eco2ai_stops_no_training(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "eco2ai").mkdir()
    (tmp_path / "eco2ai" / "__init__.py").write_text("raise ImportError('broken on purpose')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    out = tmp_path / "run"
    settings = [f"output={out}", "steps=2", "validation.every=2", "logging.plots=false", "emissions.file=emissions.csv"]
    assert training(["tune", "--config", str(root / "settings.yaml"), *settings]) == 0
    told = capsys.readouterr().err
    assert "emissions not measured; " in told
    assert "the measuring process ended with status 1 (ImportError: broken on purpose)" in told
    rows = read_co2_log(out / "co2.csv")
    assert {(row.energy_kwh, row.co2_kg) for row in rows} == {(None, None)}
    assert all("broken on purpose" in row.method for row in rows)
    assert training(["co2-report", str(out)]) == 1
    assert read_training_emissions(out / "co2_report" / "training_emissions.json").co2_kg is None


@pytest.mark.parametrize(
    ("content", "file", "said"),
    [
        (None, "/", "/ is a folder"),
        (b"a,b\n1,2\n", "emissions.csv", "emissions.csv has other columns than eco2AI's; it stays as it is"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:5e\n",
            "emissions.csv",
            "a Git LFS pointer stands in",
        ),
    ],
)
def test_unwritable_emissions_file_is_named_first(
    root: Path, tmp_path: Path, content: bytes | None, file: str, said: str
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    if content is not None:
        (out / file).write_bytes(content)
    settings = ["steps=1", "validation.samples=0", "logging.plots=false", f"emissions.file={file}"]
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(printed):
        assert training(["tune", "--config", str(root / "settings.yaml"), f"output={out}", *settings]) == 0
    before, _, after = printed.getvalue().partition("step 1/1 ")
    assert "CO2: the row of this run can not be added: " in before
    assert said in before
    assert after.count("emissions ") == 1
    assert "emissions measured" not in after
    if content is not None:
        assert (out / file).read_bytes() == content


@pytest.mark.slow
def test_the_processes_of_one_machine_are_measured_as_one(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    start = command(root, out, "until=4", "logging.plots=false")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *start[1:]]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(torchrun, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert steps_logged(out) == [1, 2, 3, 4]
    (stretch,) = json.loads((out / "co2_run.json").read_text())["stretches"]
    (row,) = read_rows(out / "emissions.csv")
    assert (stretch["id"], stretch["status"]) == (row.id, "measured")
    rows = read_co2_log(out / "co2.csv")
    whole = next(one.energy_kwh for one in read_readings(out / "emissions.csv")[row.id] if one.device == "cpu")
    second = 100 / (os.cpu_count() or 1) / 3.6e6
    assert sum(one.energy_kwh or 0.0 for one in rows if one.device == "cpu") == pytest.approx(whole, abs=second)
