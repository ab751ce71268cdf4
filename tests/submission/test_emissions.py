"""The run's CO2: logged on demand, told at the end, kept when the run fails, and never in the run's way."""

from pathlib import Path

import pytest

from contest.emissions.rows import read_rows
from tests.submission.conftest import Start, Write, text


def test_a_run_logs_its_co2_on_demand(submit: Start, write_input: Write, tmp_path: Path) -> None:
    run = submit(write_input({"0": [text("два")]}), "--emissions", str(tmp_path / "co2" / "run.csv"), "--country", "kz")
    assert run.status == 0
    assert sorted(run.predictions) == ["0"]
    assert "emissions measured: " in run.stderr
    (row,) = read_rows(tmp_path / "co2" / "run.csv")
    assert (row.project, row.country) == ("FBC2 submission", "KZ")
    assert "profile tuned" in row.description
    assert row.co2_kg > 0


def test_a_run_that_fails_logs_what_it_used(submit: Start, tmp_path: Path) -> None:
    run = submit(tmp_path / "nowhere", "--emissions", str(tmp_path / "run.csv"))
    assert run.status == 2
    assert "emissions measured: " in run.stderr
    assert len(read_rows(tmp_path / "run.csv")) == 1


def test_unmeasured_run_goes_on(
    submit: Start, write_input: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "eco2ai.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    run = submit(write_input({"0": [text("два")]}), "--emissions", str(tmp_path / "run.csv"))
    assert run.status == 0
    assert "emissions not measured; " in run.stderr
    assert "ImportError: not here" in run.stderr


def test_without_the_option_nothing_is_measured(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contest.emissions.tracking.track", None)
    run = submit(write_input({"0": [text("два")]}))
    assert (run.status, "emissions" in run.stderr) == (0, False)


def test_a_country_that_is_none_is_refused_at_once(submit: Start, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        submit(Path("x"), "--country", "Russia")
    assert stopped.value.code == 2
    assert "no code of a country, such as RU" in capsys.readouterr().err
