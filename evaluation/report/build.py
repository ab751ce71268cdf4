"""Builds the report's page from a result and the files it was scored from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment

from contest.tasks import TASKS
from contest.writing import write_bytes
from evaluation.co2 import Summary, read_emissions
from evaluation.comparing import TaskComparison, compare
from evaluation.cost import FIGURES, shown
from evaluation.joining import Joined
from evaluation.report.charts import ScoreBar, histogram, score_bar
from evaluation.report.notes import NoteGroup, grouped_notes
from evaluation.report.samples import Album, Change, ReportFiles, SampleCard, best_and_worst, changes, read_shelf
from evaluation.report.search import as_json, search_index
from evaluation.results import Result, TaskResult
from evaluation.statistics import Resampling
from pages import page_environment

REPORT_NAME = "report.html"
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class TaskPart:
    """Everything that the page shows of one task."""

    result: TaskResult
    bar: ScoreBar
    histogram: str
    best: tuple[SampleCard, ...]
    worst: tuple[SampleCard, ...]
    notes: tuple[NoteGroup, ...]

    @property
    def cards(self) -> list[tuple[str, SampleCard]]:
        """The samples that the page shows whole, each behind its anchor there."""
        sides = {"worst": self.worst, "best": self.best}
        key = self.result.key
        return [(f"{side}-{key}-{place}", card) for side, cards in sides.items() for place, card in enumerate(cards)]


@dataclass(frozen=True, slots=True)
class Differences:
    """One task of two runs, or S, which has no samples of its own: the figures, and the samples that changed most."""

    title: str
    comparison: TaskComparison
    alike: bool
    gains: tuple[Change, ...]
    losses: tuple[Change, ...]

    @property
    def of_scores(self) -> bool:
        """Whether the difference is that of the two scores, not only of the samples' means (a Frechet distance)."""
        gap = self.comparison.second - self.comparison.first
        return math.isclose(gap, self.comparison.difference.difference, abs_tol=1e-6)


def build(
    result: Result,
    directory: Path,
    *,
    predictions: Path,
    ground_truth: Path,
    input_root: Path | None = None,
    joined: Joined | None = None,
    other: Result | None = None,
    other_predictions: Path | None = None,
    emissions: Sequence[Path] = (),
    resampling: Resampling | None = None,
) -> Path:
    """Write `report.html` into a folder (made if it is not there) and return its path.

    Args:
        result: what was scored.
        directory: where the report goes.
        predictions: the predictions that were scored; their pictures lie in its folder.
        ground_truth: the references; their pictures lie in its folder.
        input_root: the folder with `input.json`, or that file; None shows no questions.
        joined: what was read of these files to score them; None reads them here.
        other: an earlier result of the same test set: the page shows what changed from it to `result`.
        other_predictions: the predictions of `other`, to show its answers too.
        emissions: eco2AI's files of the training, the submission, the scoring.
        resampling: of the differences' intervals.

    Raises:
        ContestFileError, ContestError: for files that can not be read or written.
        NotComparableError: if `other` is of another test set.
        EmissionsError: for a file that is not eco2AI's.

    """
    ids = {sample_id for task in result.tasks.values() for sample_id in task.samples}
    before = None if other_predictions is None else read_shelf(other_predictions, ids)
    if joined is None:
        files = ReportFiles.read(predictions, ground_truth, input_root, before, ids)
    else:
        files = ReportFiles.of(joined, predictions, ground_truth, input_root, before)
    album = Album()
    parts = tuple(_task_part(task, files, album) for task in result.tasks.values())
    page = _page(
        result,
        parts,
        differences=() if other is None else _differences(other, result, files, album, resampling),
        emissions=tuple(read_emissions(path) for path in emissions),
        left_out=album.left_out,
        index=search_index(list(result.tasks.values()), files, {part.result.key: part.cards for part in parts}),
    )
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / REPORT_NAME
    # An answer may hold half a surrogate pair only if it came around the readers; it must not cost the report.
    write_bytes(path, page.encode("utf-8", errors="replace"))
    return path


def overview(result: Result) -> str:
    """Return the page of a result without any sample or reference, for those who must not see them."""
    parts = tuple(
        TaskPart(task, score_bar(task), histogram(list(task.samples.values()), task.score), (), (), _counts(task))
        for task in result.tasks.values()
    )
    return _page(result, parts)


def _page(
    result: Result,
    parts: Sequence[TaskPart],
    *,
    differences: Sequence[Differences] = (),
    emissions: Sequence[Summary] | None = None,
    left_out: int = 0,
    index: dict[str, Any] | None = None,
) -> str:
    """Render the page; without an index nothing in it is searched for, and no script runs."""
    return template_environment().get_template("report.html").render(
        result=result,
        tasks=parts,
        below=tuple(task.key for task in result.tasks.values() if task.eligible is False),
        open_missing=tuple(task.key for task in TASKS if not task.is_hidden and task.key not in result.tasks),
        differences=differences,
        emissions=emissions,
        left_out=left_out,
        index=index,
        script=None if index is None else (TEMPLATES / "report.js").read_text("utf-8"),
        cost_figures=FIGURES,
        cost_shown=shown,
    )  # fmt: skip


def template_environment() -> Environment:
    """Return what renders the templates: what strangers wrote stays text."""
    environment = page_environment(TEMPLATES)
    environment.filters["short"] = lambda value: f"{value:.3g}"
    environment.filters["score"] = lambda value: f"{value:.4f}"
    environment.filters["signed"] = lambda value: f"{value:+.4f}"
    environment.filters["duration"] = _duration
    environment.filters["as_json"] = as_json
    return environment


def _task_part(task: TaskResult, files: ReportFiles, album: Album) -> TaskPart:
    best, worst = best_and_worst(task, files, album)
    scores = list(task.samples.values())
    return TaskPart(task, score_bar(task), histogram(scores, task.score), best, worst, grouped_notes(task.notes))


def _counts(task: TaskResult) -> tuple[NoteGroup, ...]:
    return tuple(replace(group, first=()) for group in grouped_notes(task.notes))


def _differences(
    before: Result, after: Result, files: ReportFiles, album: Album, resampling: Resampling | None
) -> tuple[Differences, ...]:
    comparison = compare(before, after, different_signatures=True, resampling=resampling)
    found = []
    for task in comparison.tasks:
        if task.key == "integral":
            found.append(Differences("S", task, not comparison.unlike, (), ()))
            continue
        gains, losses = changes(before.tasks[task.key], after.tasks[task.key], files, album)
        title = after.tasks[task.key].task.title
        found.append(Differences(title, task, task.key not in comparison.unlike, gains, losses))
    return tuple(found)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
