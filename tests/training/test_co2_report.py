"""The report of a training's CO2: sums over sessions, both plots, one page, and the leaderboard's figure."""

import csv
import json
import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from contest.emissions.training_summary import TrainingEmissions, TrainingEmissionsError, read_training_emissions
from training.__main__ import main as training
from training.co2_report.charts import unit_of
from training.co2_report.figures import gather

FILES = ("co2_by_epoch.png", "loss_by_co2.png", "co2_report.html", "training_emissions.json")
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:5e5e\nsize 12\n"
HEAVY = ("checkpoints", "rudolph", "tensorboard", "plots", "validation", "co2_report")


@pytest.fixture
def killed(watched: Path, tmp_path: Path) -> Path:
    """A copy of a real run of two sessions, of which the first was killed: for reading, and to be damaged."""
    return shutil.copytree(watched, tmp_path / "run", ignore=shutil.ignore_patterns(*HEAVY))


@pytest.fixture(scope="module")
def unmeasured(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run whose eco2AI can not be loaded."""
    folder = tmp_path_factory.mktemp("unmeasured")
    (folder / "eco2ai").mkdir()
    (folder / "eco2ai" / "__init__.py").write_text("raise ImportError('broken on purpose')")
    settings = [f"output={folder}/run", "steps=2", "validation.every=2", "logging.every=1", "logging.plots=false"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(folder))
        config = str(root / "settings.yaml")
        assert training(["tune", "--config", config, *settings, "emissions.file=emissions.csv"]) == 0
    return folder / "run"


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def total(rows: list[dict[str, str]], column: str) -> float:
    return sum(float(row[column]) for row in rows if row[column])


class Page(HTMLParser):
    """What a page refers to, its words, and its table of epochs."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open, self.sources, self.words, self.tags = [], [], [], set()
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.sources += [value or "" for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_figures_are_sums_over_sessions(killed: Path) -> None:
    figures, rows, own = gather(killed), table(killed / "emissions.csv"), table(killed / "co2.csv")
    summary = figures.summary
    assert summary.stretches == len(rows) == 2
    assert summary.duration_s == pytest.approx(total(rows, "duration(s)"))
    assert summary.energy_kwh == pytest.approx(total(rows, "power_consumption(kWh)"))
    assert summary.co2_kg == pytest.approx(total(rows, "CO2_emissions(kg)"))
    readings = [run["readings"][0] for run in json.loads((killed / "emissions.csv.readings.json").read_text())]
    (reading,) = summary.readings
    assert (reading.device, reading.method) == ("cpu", readings[1]["method"])
    assert reading.energy_kwh == pytest.approx(sum(one["energy_kwh"] for one in readings))
    assert summary.own_co2_kg == pytest.approx(sum(one["co2_kg"] for one in readings))
    (problem,) = summary.problems
    assert problem.startswith("session 1 (from 20")
    assert problem.endswith(") did not end itself: its figures stop with the last period of measurement")
    parts = {part.label: part for part in figures.parts}
    epochs = sorted({int(row["epoch"]) for row in own if row["part"] == "training"})
    assert list(parts) == ["preparation", *map(str, epochs), "end"]
    # The steps of a lost session were made, and count beside those that did them again.
    for epoch in epochs:
        of_epoch = [row for row in own if row["part"] == "training" and int(row["epoch"]) == epoch]
        part, losses = parts[str(epoch)], [float(row["loss"]) for row in of_epoch if row["loss"]]
        assert part.steps == len(losses)
        assert part.loss == pytest.approx(sum(losses) / len(losses))
        assert part.co2_kg == pytest.approx(total(of_epoch, "co2_kg"))
        assert part.energy_kwh == pytest.approx(total(of_epoch, "energy_kwh"))
        validated = [float(row["validation_loss"]) for row in of_epoch if row["validation_loss"]]
        assert part.validation_loss == (validated[-1] if validated else None)
    for name in ("preparation", "end"):
        assert parts[name].co2_kg == pytest.approx(total([row for row in own if row["part"] == name], "co2_kg"))
    assert sum(part.co2_kg or 0.0 for part in figures.parts) == pytest.approx(total(own, "co2_kg"))


def test_loss_against_co2_includes_lost_steps(killed: Path) -> None:
    figures, own = gather(killed), table(killed / "co2.csv")
    for points, column in ((figures.training, "loss"), (figures.validation, "validation_loss")):
        places = [place for place, row in enumerate(own) if row[column]]
        assert [(point.step, point.loss) for point in points] == [
            (int(own[place]["step"]), float(own[place][column])) for place in places
        ]
        assert [point.co2_kg for point in points] == pytest.approx(
            [total(own[: place + 1], "co2_kg") for place in places]
        )
    steps = [point.step for point in figures.training]
    assert len(steps) > len(set(steps)) == steps[-1]


def test_the_command_writes_plots_a_page_and_a_summary(killed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert training(["co2-report", str(killed)]) == 0
    folder = killed / "co2_report"
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(folder / name) for name in FILES]
    assert "did not end itself" in said.err
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in FILES[:2])
    assert read_training_emissions(folder / FILES[3]) == gather(killed).summary
    html = (folder / FILES[2]).read_text()
    page = Page(html)
    assert page.open == []
    assert all(source.startswith("data:") for source in page.sources)
    assert sum(source.startswith("data:image/png;base64,") for source in page.sources) == 2
    assert "RUDOLPH <b>мой</b>; 57516 parameters" in page.text  # a stranger's text stays text
    for words in (
        "57,516 parameters",
        "each of its 2 sessions has a row of its own",
        "The rules count the last row with the key phrase alone",
        "cut off",
        "processor time x TDP (100 W over ",
    ):
        assert words in page.text
    for pattern in (
        r"[\d.]+ (g|mg|µg) CO2 by eco2AI",
        r"[\d.]+ (Wh|mWh|µWh) energy by eco2AI",
        r"[\d.]+ (g|mg|µg) CO2 by our own reading",
        r"\d+ min \d+ s in 2 sessions, RU",
    ):
        assert re.search(pattern, page.text), (pattern, page.text)
    assert "is not marked as the training that counts" not in page.text


def test_another_folder_may_be_named(killed: Path, tmp_path: Path) -> None:
    assert training(["co2-report", str(killed), "--output", str(tmp_path / "elsewhere")]) == 0
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == sorted(FILES)


def test_machines_are_added_up(killed: Path) -> None:
    """A second machine measures as the first does; it is told nothing of steps."""
    before = gather(killed)
    record = json.loads((killed / "co2_run.json").read_text())
    stretch = record["stretches"][1] | {"id": "c"}
    second = record | {"emissions_file": "emissions.node1.csv", "stretches": [stretch]}
    (killed / "co2_run.node1.json").write_text(json.dumps(second))
    row = table(killed / "emissions.csv")[1] | {"id": "c"}
    write_table(killed / "emissions.node1.csv", [row])
    whole = table(killed / "co2.csv")[-1] | {"stretch": "c", "part": "whole", "co2_kg": "0.5"}
    write_table(killed / "co2.node1.csv", [whole])
    figures = gather(killed)
    assert before.summary.co2_kg is not None
    assert figures.summary.co2_kg == pytest.approx(before.summary.co2_kg + float(row["CO2_emissions(kg)"]))
    assert figures.summary.stretches == 2
    assert [(part.label, part.co2_kg) for part in figures.parts[-1:]] == [("other machines", 0.5)]
    assert figures.validation == before.validation


def test_each_node_has_a_line_and_their_sum(killed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads((killed / "co2_run.json").read_text())
    rows = table(killed / "emissions.csv")
    for node in (1, 10):  # not in the order of the files' names
        session = record["stretches"][1] | {"id": f"n{node}", "host": f"host-{node}", "nodes": 12}
        own = record | {"emissions_file": f"emissions.node{node}.csv", "stretches": [session]}
        (killed / f"co2_run.node{node}.json").write_text(json.dumps(own))
        write_table(killed / f"emissions.node{node}.csv", [rows[1] | {"id": f"n{node}", "CO2_emissions(kg)": "0.001"}])
    record["stretches"][1] |= {"host": "host-0", "nodes": 12}
    (killed / "co2_run.json").write_text(json.dumps(record))
    assert training(["co2-report", str(killed)]) == 0
    captured = capsys.readouterr()
    told = [line for line in captured.out.splitlines() if " CO2" in line]
    first = math.fsum(float(row["CO2_emissions(kg)"]) for row in rows)
    name = record["stretches"][0]["host"]
    assert told == [
        f"node 0 ({name}, host-0): {first * 1000:.4g} g CO2 in 2 sessions",
        "node 1 (host-1): 1 g CO2 in 1 session",
        "node 10 (host-10): 1 g CO2 in 1 session",
        f"all 3 nodes: {first * 1000 + 2:.4g} g CO2",
    ]
    assert "12 nodes trained, and 3 measured what they used" in captured.err
    assert "node 10 (host-10)" in Page((killed / "co2_report" / "co2_report.html").read_text()).text


def test_nothing_measured_is_said_and_is_no_zero(unmeasured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert training(["co2-report", str(unmeasured)]) == 1
    assert "(ImportError: broken on purpose)" in capsys.readouterr().err
    folder = unmeasured / "co2_report"
    assert sorted(path.name for path in folder.iterdir()) == ["co2_report.html", "training_emissions.json"]
    summary = read_training_emissions(folder / "training_emissions.json")
    assert (summary.co2_kg, summary.energy_kwh, summary.duration_s, summary.own_co2_kg) == (None,) * 4
    text = Page((folder / "co2_report.html").read_text()).text
    for words in (
        "not measured CO2 by eco2AI",
        "not measured CO2 by our own reading",
        "There is no plot of CO2 by epoch",
        "There is no plot of the loss against CO2",
        "is not marked as the training that counts",
        "not measured not measured",
    ):
        assert words in text


def test_a_row_of_zeros_is_not_taken_for_a_measurement(killed: Path) -> None:
    """eco2AI writes zeros first: a run that is killed then leaves them, and no row of our own."""
    first, second = table(killed / "emissions.csv")
    zeros = dict.fromkeys(("power_consumption(kWh)", "CO2_emissions(kg)"), "0")
    write_table(killed / "emissions.csv", [first | zeros, second])
    head = (killed / "co2.csv").read_text().splitlines()[0]
    (killed / "co2.csv").write_text(head + "\n")
    summary = gather(killed).summary
    assert summary.co2_kg == pytest.approx(float(second["CO2_emissions(kg)"]))
    assert summary.duration_s == pytest.approx(float(second["duration(s)"]))
    assert any("eco2AI's row says 0: it ended before anything was measured" in one for one in summary.problems)
    assert "co2.csv has no rows: there are no figures by epoch" in summary.problems


def test_a_copy_of_the_record_is_not_counted(killed: Path) -> None:
    figure = gather(killed).summary.co2_kg
    (killed / "co2_run.old.json").write_bytes((killed / "co2_run.json").read_bytes())
    assert gather(killed).summary.co2_kg == figure


def test_missing_eco2ai_file_is_named(killed: Path) -> None:
    (killed / "emissions.csv").unlink()
    summary = gather(killed).summary
    assert summary.co2_kg is None
    assert any(problem.startswith("eco2AI's file can not be read: ") for problem in summary.problems)


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("co2_run.json", None, "there is no co2_run.json; train with emissions.file=emissions.csv"),
        ("co2_run.json", "[]", "co2_run.json: no record of a run's measurement"),
        ("co2_run.json", "{", "co2_run.json: no record of a run's measurement"),
        ("co2_run.json", "5", "co2_run.json: no record of a run's measurement"),
        ("co2_run.json", '{"stretches": []}', "project_name, experiment_description, country, emissions_file, "),
        ("co2_run.json", '{"stretches": 5}', "co2_run.json: no record of a run's measurement"),
        ("co2_run.json", '{"stretches": [{}]}', "stretches.0.id, stretches.0.started, stretches.0.status"),
        ("co2_run.json", '{"stretches": ["a"]}', "stretches.0 missing or of a wrong type"),
        ("co2_run.json", "", "co2_run.json: the file is empty; fetch it again"),
        (
            "co2_run.json",
            POINTER,
            "co2_run.json: a Git LFS pointer stands in for the file; fetch it with `git lfs pull`",
        ),
        ("co2.csv", POINTER, "co2.csv: a Git LFS pointer stands in for the file; fetch it with `git lfs pull`"),
        ("co2.csv", "<!DOCTYPE html>\n", "co2.csv: an HTML page stands in for the file"),
        ("co2.csv", "a,b\n", "co2.csv: line 1: the columns are not"),
    ],
)
def test_unreadable_files_end_with_status_2(
    killed: Path, file: str, text: str | None, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is None:
        (killed / file).unlink()
    else:
        (killed / file).write_text(text)
    assert training(["co2-report", str(killed)]) == 2
    assert complaint in capsys.readouterr().err
    assert not (killed / "co2_report").exists()


@pytest.mark.parametrize(
    ("kilograms", "unit"), [(12.0, "kg"), (1.0, "kg"), (0.5, "g"), (2e-4, "mg"), (3e-8, "µg"), (1e-12, "µg")]
)
def test_units(kilograms: float, unit: str) -> None:
    assert unit_of(kilograms)[1] == unit


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"format": "x"}, '"format" is not'),
        ({"co2_kg": -1}, "a figure is -1"),
        ({"co2_kg": "much"}, "'co2_kg' is the string 'much', and no number"),
        ({"readings": [{"device": "cpu"}]}, 'no "energy_kwh"'),
        ({"parameters": None}, "'parameters' is null, and no number"),
    ],
)
def test_a_summary_that_is_none_is_refused_by_name(change: dict[str, object], complaint: str, tmp_path: Path) -> None:
    from contest.emissions.training_summary import write_training_emissions

    path = tmp_path / "t.json"
    write_training_emissions(path, TrainingEmissions("p", "d", 1, False, 1, 1.0, 1.0, 1.0, (), ()))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(TrainingEmissionsError, match=complaint):
        read_training_emissions(path)
