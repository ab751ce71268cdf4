"""The report of a training's CO2: sums over stretches, both plots, one page, and the leaderboard's figure."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from contest.emissions import Reading
from contest.training_emissions import TrainingEmissions, TrainingEmissionsError, read_training_emissions
from tests.contest.test_emissions import COLUMNS
from training.__main__ import main as training
from training.co2_report.charts import unit_of
from training.co2_report.figures import gather
from training.tune.watching.co2_log import HEADER

CPU = "processor time x TDP (100 W over 2 logical processors, as set)"
FILES = ("co2_by_epoch.png", "loss_by_co2.png", "co2_report.html", "training_emissions.json")


def eco2ai_row(row_id: str, seconds: float, kwh: float, kg: float) -> str:
    return ",".join([row_id, "contest", "RUDOLPH TargetValue", "N/A", "2026", *map(str, (seconds, kwh, kg)), *"cgorx"])


def own_row(stretch: str, part: str, step: int, epoch: int, loss: str, validation: str, kg: str, at: int) -> str:
    kwh = str(float(kg) * 2) if kg else ""
    return f"t{at},{stretch},{part},{step},{epoch},{loss},{validation},cpu,{CPU},{kwh},{kg}".replace(CPU, f'"{CPU}"')


def stretch(row_id: str, started: str, status: str | None, *reasons: str) -> dict[str, object]:
    return {"id": row_id, "started": started, "ended": None, "status": status, "reasons": reasons}


def write_run(
    folder: Path, stretches: list[dict[str, object]], rows: list[str], own: list[str], **about: object
) -> Path:
    record = {
        "project_name": "contest",
        "experiment_description": "RUDOLPH <b>мой</b> TargetValue",
        "parameters": 1234567,
        "country": "RU",
        "final": True,
        "emissions_file": "emissions.csv",
        "stretches": stretches,
    }
    (folder / "co2_run.json").write_text(json.dumps({**record, **about}))
    (folder / "emissions.csv").write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    (folder / "co2.csv").write_text("\n".join([",".join(HEADER), *own]) + "\n")
    readings = [
        {"id": name, "readings": [{"device": "cpu", "method": CPU, "energy_kwh": 0.5, "co2_kg": 0.25}]}
        for name in ("a", "b", "other")
    ]
    (folder / "emissions.csv.readings.json").write_text(json.dumps(readings))
    return folder


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A run of two stretches: the first was killed behind step 6 and its last checkpoint was that of step 4."""
    run = tmp_path / "run"
    run.mkdir()
    return write_run(
        run,
        [stretch("a", "2026-11-21T10:00:00+00:00", None), stretch("b", "2026-11-21T11:00:00+00:00", "measured")],
        [
            eco2ai_row("a", 100, 0.75, 0.25),
            eco2ai_row("other", 9, 8, 7),  # another run in the same file
            eco2ai_row("b", 50, 0.25, 0.125),
        ],
        [
            own_row("a", "preparation", 0, 0, "", "", "0.01", 1),
            own_row("a", "training", 4, 1, "4.0", "", "0.02", 2),
            own_row("a", "training", 4, 1, "", "3.5", "0.03", 3),
            own_row("a", "training", 6, 2, "3.0", "", "0.04", 4),
            own_row("b", "preparation", 4, 1, "", "", "0.01", 5),
            own_row("b", "training", 5, 2, "1.0", "", "0.05", 6),
            own_row("b", "training", 8, 2, "2.0", "", "0.06", 7),
            own_row("b", "training", 8, 2, "", "2.5", "0.07", 8),
            own_row("b", "end", 8, 2, "", "", "0.08", 9),
        ],
    )


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


def test_figures_are_sums_over_stretches(killed: Path) -> None:
    figures = gather(killed)
    summary = figures.summary
    assert (summary.stretches, summary.duration_s, summary.energy_kwh, summary.co2_kg) == (2, 150.0, 1.0, 0.375)
    assert summary.readings == (Reading("cpu", CPU, 1.0, 0.5),)
    assert summary.own_co2_kg == 0.5
    assert summary.problems == (
        "stretch 1 (from 2026-11-21T10:00:00+00:00) did not end itself: its figures stop with the last period of "
        "measurement",
    )
    parts = {part.label: part for part in figures.parts}
    assert list(parts) == ["preparation", "1", "2", "end"]
    assert [part.co2_kg for part in figures.parts] == pytest.approx([0.02, 0.05, 0.22, 0.08])
    assert [part.energy_kwh for part in figures.parts] == pytest.approx([0.04, 0.1, 0.44, 0.16])
    # Epoch 2: steps 5 and 6 of the lost stretch, and 5 to 8 of the other; each row's loss counts for its steps.
    assert (parts["1"].steps, parts["1"].loss, parts["1"].validation_loss) == (4, 4.0, 3.5)
    assert (parts["2"].steps, parts["2"].loss, parts["2"].validation_loss) == (6, (3 * 2 + 1 + 2 * 3) / 6, 2.5)


def test_the_loss_stands_against_all_co2_so_far_lost_steps_included(killed: Path) -> None:
    figures = gather(killed)
    assert [(point.step, point.loss) for point in figures.validation] == [(4, 3.5), (8, 2.5)]
    assert [point.co2_kg for point in figures.validation] == pytest.approx([0.06, 0.29])
    assert [(point.step, point.loss) for point in figures.training] == [(4, 4.0), (6, 3.0), (5, 1.0), (8, 2.0)]
    assert [point.co2_kg for point in figures.training] == pytest.approx([0.03, 0.1, 0.16, 0.22])


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
    assert "RUDOLPH <b>мой</b> TargetValue" in page.text  # a stranger's text stays text
    for words in (
        "375 g CO2 by eco2AI",
        "1 kWh energy by eco2AI",
        "500 g CO2 by our own reading",
        "1,234,567 parameters",
        "2 min 30 s in 2 stretches, RU",
        "each of its 2 stretches has a row of its own",
        "The rules count the last row with the key phrase alone",
        "2 6 2.1667 2.5000 440 Wh 220 g",
        "cut off",
        CPU,
    ):
        assert words in page.text
    assert "is not marked as the training that counts" not in page.text


def test_another_folder_may_be_named(killed: Path, tmp_path: Path) -> None:
    assert training(["co2-report", str(killed), "--out", str(tmp_path / "elsewhere")]) == 0
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == sorted(FILES)


def test_machines_are_added_up(killed: Path) -> None:
    record = json.loads((killed / "co2_run.json").read_text())
    second = record | {"emissions_file": "emissions.node1.csv", "stretches": [stretch("c", "2026", "measured")]}
    (killed / "co2_run.node1.json").write_text(json.dumps(second))
    (killed / "emissions.node1.csv").write_text(f"{','.join(COLUMNS)}\n{eco2ai_row('c', 10, 2.0, 1.0)}\n")
    own = own_row("c", "whole", 0, 0, "", "", "0.5", 1)
    (killed / "co2.node1.csv").write_text(f"{','.join(HEADER)}\n{own}\n")
    figures = gather(killed)
    assert (figures.summary.co2_kg, figures.summary.stretches) == (1.375, 2)
    assert [(part.label, part.co2_kg) for part in figures.parts[-1:]] == [("other machines", 0.5)]
    assert [point.co2_kg for point in figures.validation] == pytest.approx([0.06, 0.29])


def test_nothing_measured_is_said_and_is_no_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = [
        own_row("a", "training", step, 1, "2.0", "1.5", "", step).replace(CPU, "not measured: eco2AI is not installed")
        for step in (1, 2)
    ]
    failed = stretch("a", "2026", "not measured", "eco2AI is not installed")
    run = write_run(tmp_path, [failed], [], own, final=False)
    (run / "emissions.csv.readings.json").unlink()
    assert training(["co2-report", str(run)]) == 1
    assert "stretch 1 (from 2026): eco2AI is not installed" in capsys.readouterr().err
    folder = run / "co2_report"
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
        "1 1 2.0000 1.5000 not measured not measured",
    ):
        assert words in text


def test_a_row_of_zeros_is_not_taken_for_a_measurement(tmp_path: Path) -> None:
    rows = [eco2ai_row("a", 1, 0, 0), eco2ai_row("b", 50, 0.25, 0.125)]
    run = write_run(tmp_path, [stretch("a", "2026", None), stretch("b", "2027", "measured")], rows, [])
    summary = gather(run).summary
    assert (summary.co2_kg, summary.duration_s) == (0.125, 50.0)
    assert "stretch 1 (from 2026): eco2AI's row says 0: it ended before anything was measured" in summary.problems
    assert "co2.csv has no rows: there are no figures by epoch" in summary.problems


def test_a_copy_of_the_record_is_not_counted(killed: Path) -> None:
    figure = gather(killed).summary.co2_kg
    (killed / "co2_run.old.json").write_bytes((killed / "co2_run.json").read_bytes())
    assert gather(killed).summary.co2_kg == figure


def test_an_eco2ai_file_that_is_gone_is_told(killed: Path) -> None:
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
        ("co2_run.json", '{"stretches": [{}]}', "stretch 1: id, stretch 1: started, stretch 1: status"),
        ("co2_run.json", '{"stretches": ["a"]}', "stretch 1: an object missing or of a wrong type"),
        ("co2.csv", "a,b\n", "co2.csv: line 1: the columns are not"),
    ],
)
def test_what_can_not_be_read_ends_with_a_message_and_status_2(
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
    from contest.training_emissions import write_training_emissions

    path = tmp_path / "t.json"
    write_training_emissions(path, TrainingEmissions("p", "d", 1, False, 1, 1.0, 1.0, 1.0, (), ()))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(TrainingEmissionsError, match=complaint):
        read_training_emissions(path)
