"""Scores a run: the cases of each task through its metric, intervals, S. Knows nothing of any one metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from contest.tasks import TASKS, Task, integral_score
from evaluation.errors import NeedsInput, NoSamples, NotANumber, some
from evaluation.joining import Files, join
from evaluation.metrics.base import Case, Mode, TaskMetric
from evaluation.results import Result, TaskResult
from evaluation.sharding import ALONE, Processes, noticing_losses
from evaluation.statistics import Resampling, intervals

MetricOf: TypeAlias = Callable[[Task], TaskMetric]
"""Returns a fresh metric for a task; `evaluation.tasks.Metrics` is the usual one."""

LOOKS_AT_INPUT = ("ruclip_and_fid", "meteor_and_ruclip")
"""Metrics that compare an answer with the picture or caption it was asked for."""


def score_run(
    files: Files,
    metric_of: MetricOf,
    *,
    mode: Mode = "official",
    tasks: Collection[str] | None = None,
    resampling: Resampling | None = None,
    processes: Processes = ALONE,
) -> Result:
    """Score predictions and return what each task got.

    Args:
        files: what is scored.
        metric_of: gives the metric of each task, in the same mode.
        mode: `official` (the organisers' scripts, number for number) or `strict` (what the rules say).
        tasks: keys of the tasks to score; all that the ids name if None.
        resampling: how confidence intervals are made.
        processes: who scores a share each; every one of them must call this, and gets the whole result.

    Raises:
        ContestFileError, IdsDiffer, NoSamples, AttemptAborted: as `evaluation.joining.join`.
        NeedsInput: for tasks that look at what was asked, where `files.input` is None.
        NotANumber: if a metric gives NaN or infinity.

    """
    joined = processes.together(lambda: join(files, mode))
    chosen = {task: cases for task, cases in joined.cases.items() if tasks is None or task.key in tasks}
    if not chosen:
        raise NoSamples("none of the samples belongs to the chosen tasks", "choose tasks that the ids name")
    _demand_input(files, chosen)
    # All before any: what one of them lacks is told at once.
    metrics = processes.together(lambda: {task: metric_of(task) for task in chosen})
    results = {}
    for task, cases in chosen.items():
        processes.together(lambda: _score_share(task, cases, metrics[task], mode, processes))  # noqa: B023 - called now
        with noticing_losses():
            results[task.key] = _result_of(task, metrics[task])
    found = intervals(
        {key: list(result.samples.values()) for key, result in results.items()}, resampling or Resampling()
    )
    with_intervals = {key: replace(result, interval=found[key]) for key, result in results.items()}
    scores = {key: result.score for key, result in results.items()}
    whole = len(scores) == len(TASKS)
    outside = [key for key, score in scores.items() if not 0 <= score <= 1]
    warnings = joined.warnings
    if outside:
        warnings += (f"a score outside [0, 1] enters S as the nearer end: {some(outside)}",)
    return Result(
        mode,
        joined.test,
        with_intervals,
        integral_score({key: min(1.0, max(0.0, score)) for key, score in scores.items()}) if whole else None,
        found.get("integral"),
        warnings,
    )


def _demand_input(files: Files, chosen: Iterable[Task]) -> None:
    """Raise NeedsInput if tasks that look at what was asked have nothing to look at."""
    looking = [task.key for task in chosen if task.metric in LOOKS_AT_INPUT]
    if looking and files.input is None:
        raise NeedsInput(
            f"{', '.join(looking)}: the score looks at the pictures or captions of the input, and none was given",
            "name its folder with --input, or choose other tasks with --tasks",
        )


def _score_share(task: Task, cases: Sequence[Case], metric: TaskMetric, mode: Mode, processes: Processes) -> None:
    metric.check_all(cases)
    places = processes.share(task, cases, mode)
    if places:
        metric.update(cases[places.start : places.stop], places)


def _result_of(task: Task, metric: TaskMetric) -> TaskResult:
    """Return what a task got. Every process must call it: the metric gathers what the others found."""
    samples = metric.sample_scores()
    score = float(metric.compute())
    broken = [sample_id for sample_id, value in samples.items() if not math.isfinite(value)]
    if broken or not math.isfinite(score):
        raise NotANumber(f"{task.key}: the score is not a number, at samples: {some(broken)}", "check their pictures")
    return TaskResult(
        task.key,
        score,
        metric.signature(),
        samples,
        notes=tuple(metric.notes),
        comparable=metric.comparable,
        parts=metric.parts(),
        remarks=tuple(metric.remarks()),
    )
