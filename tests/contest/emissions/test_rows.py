"""eco2AI's files as its versions wrote them and as spreadsheets save them; where a run can not add its row to one."""

import csv
import io
import json
from pathlib import Path

import pytest

from contest.emissions.rows import COLUMNS, EmissionsFileError, append_problem, read_readings, read_rows
from contest.emissions.tracking import Status, track
from contest.emissions.training_summary import TrainingEmissionsError, read_training_emissions
from evaluation.co2 import EmissionsError, read_emissions

ROW = {
    "id": "0b5e",
    "project_name": "Проект; первый",
    "experiment_description": "2.7B, TargetValue",
    "epoch": "N/A",
    "start_time": "2022-11-01 12:00:00",
    "duration(s)": "61.5",
    "power_consumption(kWh)": "0.0025",
    "CO2_emissions(kg)": "8.686e-04",
    "CPU_name": "Xeon/2 device(s), TDP:125.0",
    "GPU_name": "Tesla A100 1 device(s)",
    "OS": "Linux",
    "region/country": "RU/Russia",
    "cost": "N/A",
}
# Columns as eco2AI wrote them before 0.3 (no ids, no epochs, the energy misspelt), and in its first version.
OLDER = {
    "project_name": "project_name",
    "experiment_description": "experiment_description",
    "start_time": "start_time",
    "duration(s)": "duration(s)",
    "power_consumption(kWTh)": "power_consumption(kWh)",
    "CO2_emissions(kg)": "CO2_emissions(kg)",
    "CPU_name": "CPU_name",
    "GPU_name": "GPU_name",
    "OS": "OS",
    "country": "region/country",
}
FIRST = {
    "project_name": "project_name",
    "experiment_description": "experiment_description",
    "time(s)": "duration(s)",
    "power_consumption(kWTh)": "power_consumption(kWh)",
    "CO2_emissions(kg)": "CO2_emissions(kg)",
}


def table(columns=COLUMNS, delimiter=",", decimal=".", start="", named=None):
    """The row in a form; `named` tells which of today's columns stands under each name."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n" if delimiter == ";" else "\n")
    writer.writerow(columns)
    cells = [ROW[(named or {}).get(name, name)] for name in columns]
    figures = ("61.5", "0.0025", "8.686e-04")
    writer.writerow([cell.replace(".", decimal) if cell in figures else cell for cell in cells])
    return (start + text.getvalue()).encode()


FORMS = {
    "as it is": table(),
    "byte order mark": table(start="\ufeff"),
    "semicolons": table(delimiter=";"),
    "semicolons and decimal commas": table(delimiter=";", decimal=",", start="\ufeff"),
    "a line for spreadsheets": table(delimiter=";", decimal=",", start="\ufeffsep=;\r\n"),
    "tabs": table(delimiter="\t", decimal=","),
    "another order": table(columns=sorted(COLUMNS)),
    "without cost": table(columns=COLUMNS[:-1]),
    "older": table(columns=tuple(OLDER), named=OLDER),
    "first": table(columns=tuple(FIRST), named=FIRST),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(form: str, tmp_path: Path) -> None:
    path = tmp_path / "emissions.csv"
    path.write_bytes(FORMS[form])
    (row,) = read_rows(path)
    assert (row.project, row.description, row.is_final) == ("Проект; первый", "2.7B, TargetValue", True)
    assert (row.duration_s, row.energy_kwh, row.co2_kg) == (61.5, 0.0025, 8.686e-04)
    assert row.id == ("row 1" if form in ("older", "first") else "0b5e")
    assert row.country == ("" if form == "first" else "RU/Russia")
    assert read_emissions(path).counted == row


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ("as it is", None),
        ("byte order mark", None),
        ("another order", None),
        ("semicolons", "is written with semicolons where eco2AI writes commas; it stays as it is"),
        ("tabs", "is written with tabs where eco2AI writes commas"),
        ("without cost", "has other columns than eco2AI's of today, as an older version wrote them"),
        ("older", "has other columns than eco2AI's of today, as an older version wrote them"),
    ],
)
def test_whether_a_row_can_be_added_is_known_before(form: str, problem: str | None, tmp_path: Path) -> None:
    path = tmp_path / "emissions.csv"
    path.write_bytes(FORMS[form])
    found = append_problem(path)
    assert found is None if problem is None else f"{path} {problem}" in str(found)
    assert path.read_bytes() == FORMS[form]


def test_a_run_says_at_its_start_that_a_file_can_not_take_its_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "emissions.csv"
    path.write_bytes(FORMS["semicolons"])
    with track("p", "d", path, "RU", patience=120) as tracking:
        said = capsys.readouterr().err
    assert said == (
        f"CO2: the row of this run can not be added: {path} is written with semicolons where eco2AI writes commas; "
        "it stays as it is; name another file\n"
    )
    assert tracking.outcome is not None
    assert tracking.outcome.status is Status.PARTIAL
    assert path.read_bytes() == FORMS["semicolons"]


def test_a_row_is_added_in_the_file_s_own_order_and_its_mark_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "emissions.csv"
    path.write_bytes(table(columns=sorted(COLUMNS), start="\ufeff"))
    with track("p", "added", path, "RU", patience=120) as tracking:
        pass
    assert capsys.readouterr().err == ""
    assert tracking.outcome is not None
    assert tracking.outcome.status is Status.MEASURED
    assert path.read_bytes().startswith(table(columns=sorted(COLUMNS), start="\ufeff"))
    assert [row.description for row in read_rows(path)] == ["2.7B, TargetValue", "added"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer stands in for the file"),
        (b"<!doctype html>", "an HTML page stands in for the file"),
        (b"\n", "the file is empty"),
        (b"\xff\xfei\0d\0", "not a CSV file in UTF-8"),
        ((",".join(COLUMNS) + "\n" + "x," * 13).encode(), "row 1 has 14 cells, and there are 13 columns"),
    ],
)
def test_what_is_no_file_of_eco2ai_s_is_called_what_it_is(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "emissions.csv"
    path.write_bytes(content)
    with pytest.raises(EmissionsFileError, match=said):
        read_rows(path)
    assert said in str(append_problem(path))
    with pytest.raises(EmissionsError, match=said) as caught:
        read_emissions(path)
    assert str(caught.value).count(";") <= 2  # what is wrong, and one remedy


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[" * 100_000, "no file of readings"),
        ('[{"id": "a", "readings": [{"device": "cpu"}]}]', "an entry has no 'energy_kwh'"),
        ('{"id": "a"}', "no file of readings"),
        ("version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
    ],
)
def test_readings_that_are_none_are_named(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "e.csv.readings.json").write_text(content, "utf-8")
    with pytest.raises(EmissionsFileError, match=said):
        read_readings(tmp_path / "e.csv")
    assert said in str(append_problem(tmp_path / "e.csv"))


@pytest.mark.parametrize("parameters", ["Infinity", "1e400", "[]", "[" * 100_000])
def test_a_summary_of_a_training_with_odd_values_is_named(parameters: str, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    figures = '"duration_s": 1, "energy_kwh": 1, "co2_kg": 1, "project_name": "p", "experiment_description": "d"'
    rest = f'"final": true, "stretches": 1, "readings": [], "problems": [], "parameters": {parameters}'
    path.write_text(json.dumps({"format": "fbc2 training emissions 1"})[:-1] + f", {figures}, {rest}}}", "utf-8")
    with pytest.raises(TrainingEmissionsError, match="no summary of a training's emissions"):
        read_training_emissions(path)
