"""Builds the leaderboard as pages that need nothing else: a table, a page a run, pictures side by side."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from markupsafe import Markup

from contest.reading import read_input_lenient
from contest.tasks import TASKS
from contest.writing import write_bytes
from evaluation.cost import shown
from evaluation.errors import LeaderboardError, some
from evaluation.joining import input_json_of
from evaluation.leaderboard import KEYS, RANK_METHOD, LeaderboardRun, grouped
from evaluation.report.build import template_environment
from evaluation.report.charts import history_line, interval_line
from evaluation.report.cost_page import COST_PAGE, cost_page, has_costs
from evaluation.report.samples import Album, Shelf, Side, read_shelf
from evaluation.settings import BASELINE_INTEGRAL

INDEX, PICTURES = "index.html", "pictures.html"
PROMPTS = 24
"""So many prompts stand on the page of pictures."""
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A run as the pages show it: `line` is its interval of S drawn, `page` and `report` are links."""

    run: LeaderboardRun
    group: int
    rank: int | None
    span: tuple[int, int] | None
    line: Markup
    page: str
    report: str | None
    team_page: str


@dataclass(frozen=True, slots=True)
class History:
    """What a team's runs of one group got over time, in the order they were added; `chart` draws it."""

    group: int
    rows: tuple[BoardRow, ...]
    chart: Markup


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt, and what each chosen run drew for it, in the order of the runs."""

    id: str
    texts: tuple[str, ...]
    drawn: tuple[Side, ...]


def build_board(
    runs: Sequence[LeaderboardRun],
    directory: Path,
    *,
    reports: Mapping[int, Path] | None = None,
    predictions: Mapping[int, Path] | None = None,
    input_root: Path | None = None,
) -> Path:
    """Write the pages into a folder (made if it is not there) and return the path of the first, `index.html`.

    Args:
        runs: all runs of the leaderboard.
        directory: where the pages go.
        reports: by a run's number its report, one HTML file, which is copied into the folder.
        predictions: by a run's number its predictions, in the folder of its pictures, to stand side by side.
        input_root: the folder with `input.json`, or that file, for the prompts; without it there are no pictures.

    Raises:
        LeaderboardError: if a number is that of no run.
        ContestFileError, ContestError: for files that can not be read or written.

    """
    reports, predictions = reports or {}, predictions or {}
    _require_known(runs, [*reports, *predictions])
    directory.mkdir(parents=True, exist_ok=True)
    for number, path in reports.items():
        shutil.copyfile(path, directory / _report_name(number))
    rows = _rows(runs, reports)
    has_pictures = bool(predictions) and input_root is not None
    environment = template_environment()
    keys = [key for key in KEYS if any(key in run.scores for run in runs)]
    script = (TEMPLATES / "board.js").read_text("utf-8")
    groups = grouped(runs)
    costs = COST_PAGE if has_costs(groups) else None
    common = {
        "pictures": PICTURES if has_pictures else None,
        "costs": costs,
        "titles": {task.key: task.title for task in TASKS},
    }
    page = environment.get_template("board.html").render(
        rows=rows,
        keys=keys,
        baseline={task.key: task.baseline for task in TASKS},
        baseline_integral=BASELINE_INTEGRAL,
        cost_shown=shown,
        teams=_choices(run.team for run in runs),
        profiles=_choices(run.provenance.profile for run in runs),
        machines=_choices(run.provenance.hardware for run in runs),
        groups=sorted({row.group for row in rows}),
        method=RANK_METHOD,
        script=script,
        **common,
    )
    _write(directory / INDEX, page)
    for row in rows:
        page = environment.get_template("board_run.html").render(
            row=row,
            origin={name: value for name, value in asdict(row.run.provenance).items() if value is not None},
            lines={key: interval_line(score.score, score.low, score.high) for key, score in row.run.scores.items()},
            **common,
        )
        _write(directory / row.page, page)
    if costs is not None:
        _write(directory / COST_PAGE, cost_page(groups, {row.run.id: row.page for row in rows}, environment))
    for address, histories in _histories(rows).items():
        page = environment.get_template("board_team.html").render(
            team=histories[0].rows[0].run.team, histories=histories, **common
        )
        _write(directory / address, page)
    if predictions and input_root is not None:
        album = Album()
        prompts = _prompts(predictions, input_root, album)
        chosen = [row for number in predictions for row in rows if row.run.id == number]
        page = environment.get_template("board_pictures.html").render(
            prompts=prompts, chosen=chosen, left_out=album.left_out, **common
        )
        _write(directory / PICTURES, page)
    return directory / INDEX


def _rows(runs: Sequence[LeaderboardRun], reports: Mapping[int, Path]) -> list[BoardRow]:
    rows = []
    teams = {
        team: f"team-{number}.html" for number, team in enumerate(dict.fromkeys(run.team for run in runs), start=1)
    }
    for number, group in enumerate(grouped(runs), start=1):
        scale = _scale(group.runs)
        for rank, span, run in zip(group.ranks, group.spans, group.runs, strict=True):
            line = interval_line(run.integral, run.low, run.high, scale)
            report = _report_name(run.id) if run.id in reports else None
            rows.append(BoardRow(run, number, rank, span, line, f"run-{run.id}.html", report, teams[run.team]))
    return rows


def _histories(rows: Sequence[BoardRow]) -> dict[str, list[History]]:
    """Return by the address of each team's page its histories: scores that measure the same stand in one chart."""
    teams: dict[str, dict[int, list[BoardRow]]] = {}
    for row in sorted(rows, key=lambda row: row.run.id):
        teams.setdefault(row.team_page, {}).setdefault(row.group, []).append(row)
    return {
        address: [
            History(
                number,
                tuple(members),
                history_line([(row.run.integral, row.run.low, row.run.high) for row in members]),
            )
            for number, members in groups.items()
        ]
        for address, groups in teams.items()
    }


def _scale(runs: Sequence[LeaderboardRun]) -> tuple[float, float]:
    """Return the scale on which the runs of a group are drawn: from the lowest to the highest end of an interval."""
    ends = [end for run in runs for end in (run.integral, run.low, run.high) if end is not None]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    return (low, high) if low < high else (low - 0.5, low + 0.5)


def _prompts(predictions: Mapping[int, Path], input_root: Path, album: Album) -> tuple[Prompt, ...]:
    """Return the first prompts that any of the runs drew a picture for, in the order of the first run's answers."""
    file = input_json_of(input_root)
    questions = Shelf(read_input_lenient(file).valid, file.parent, is_ours=True)
    shelves = [read_shelf(path, questions.entries.keys()) for path in predictions.values()]
    names = list(dict.fromkeys(name for shelf in shelves for name, entry in shelf.entries.items() if entry.images))
    return tuple(
        Prompt(name, questions.side(name, album).texts, tuple(shelf.side(name, album) for shelf in shelves))
        for name in names[:PROMPTS]
    )


def _require_known(runs: Sequence[LeaderboardRun], numbers: Sequence[int]) -> None:
    known = {run.id for run in runs}
    unknown = [number for number in numbers if number not in known]
    if unknown:
        raise LeaderboardError(f"the leaderboard has no run {some(unknown)}", "see the numbers that `add` printed")


def _choices(values: Iterable[str | None]) -> list[str]:
    return sorted({value for value in values if value})


def _report_name(number: int) -> str:
    return f"report-{number}.html"


def _write(path: Path, page: str) -> None:
    write_bytes(path, page.encode("utf-8", errors="replace"))
