"""Scores a run: the cases of each task through its metric, intervals, S."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

from contest.tasks import TASKS, Task, integral_score
from evaluation.documents import documents_of
from evaluation.errors import NeedsInputError, NoSamplesError, NotANumberError, some
from evaluation.joining import Joined, ScoringFiles, join
from evaluation.metrics.base import TaskMetric
from evaluation.metrics.cases import Case, Mode, Stage
from evaluation.results import Result, TaskResult
from evaluation.sharding import ALONE, ScoringProcesses
from evaluation.statistics import Resampling, integral_interval, intervals

MetricOf: TypeAlias = Callable[[Task], TaskMetric]
"""Returns a fresh metric for a task; `evaluation.tasks.Metrics` is the usual one."""
OnTask: TypeAlias = Callable[[Task, Sequence[Case], TaskResult], None]
"""Hears of a task that is scored: its cases, and its result without intervals."""
OnJoined: TypeAlias = Callable[[Joined], None]
"""Hears of what was read of the files."""

LOOKS_AT_INPUT = ("ruclip_and_fid", "meteor_and_ruclip")
"""Metrics that compare an answer with the picture or caption it was asked for."""


def score_run(
    files: ScoringFiles,
    metric_of: MetricOf,
    *,
    mode: Mode = "official",
    stage: Stage = "full",
    tasks: Collection[str] | None = None,
    resampling: Resampling | None = None,
    processes: ScoringProcesses = ALONE,
    on_joined: OnJoined | None = None,
    on_task: OnTask | None = None,
) -> Result:
    """Score predictions and return what each task got.

    Args:
        files: what is scored.
        metric_of: gives the metric of each task, in the same mode.
        mode: `official` (the organisers' scripts, number for number) or `strict` (what the rules say).
        stage: in mode `official`, the organisers' whole pipeline (`full`: their splitting of the files raises on
            malformed answers) or their evaluation alone (`evaluate`); without meaning in mode `strict`.
        tasks: keys of the tasks to score; all that the ids name if None.
        resampling: which confidence the intervals have; they need no resamples.
        processes: who scores a share each; every one of them must call this, and gets the whole result.
        on_joined: called in the first process before anything is scored; whoever keeps what it hears need not read the
            files again, and holds all of them in memory.
        on_task: called in the first process after each task, so that nothing of it need be kept till the end.

    Raises:
        ContestFileError, IdsDifferError, NoSamplesError, AttemptAbortedError: as `evaluation.joining.join`.
        NeedsInputError: for tasks that look at what was asked, where `files.input` is None.
        NotANumberError: if a metric gives NaN or infinity.

    """
    with _kept_from_collector() as all_is_read:
        joined = processes.together(lambda: join(files, mode, stage))
        all_is_read()
        if on_joined is not None and processes.is_first:
            on_joined(joined)
        return _score_joined(files, joined, metric_of, mode, stage, tasks, resampling, processes, on_task)


@contextmanager
def _kept_from_collector() -> Iterator[Callable[[], None]]:
    """Keep what is made until the yielded function is called from the collector of cyclic garbage, until all ends.

    It is a great many objects that stay and have no cycles: going through them again and again takes a fifth of the
    time that scoring takes. What the caller has kept from the collector stays so.
    """
    was_on, others = gc.isenabled(), gc.get_freeze_count()
    gc.disable()

    def all_is_made() -> None:
        if not others:  # there is one such place for all, and what is ours must leave it
            gc.freeze()
        if was_on:
            gc.enable()

    try:
        yield all_is_made
    finally:
        if not others:
            gc.unfreeze()
        if was_on:
            gc.enable()


def _score_joined(
    files: ScoringFiles,
    joined: Joined,
    metric_of: MetricOf,
    mode: Mode,
    stage: Stage,
    tasks: Collection[str] | None,
    resampling: Resampling | None,
    processes: ScoringProcesses,
    on_task: OnTask | None,
) -> Result:
    chosen = {task: cases for task, cases in joined.cases.items() if tasks is None or task.key in tasks}
    if not chosen:
        raise NoSamplesError("none of the samples belongs to the chosen tasks", "choose tasks that the ids name")
    _require_input(files, chosen)
    # All before any: what one of them lacks ends the scoring at once.
    metrics = processes.together(lambda: {task: metric_of(task) for task in chosen})
    results = {}
    for task, cases in chosen.items():
        metric = metrics[task]
        metric.stage = stage
        processes.together(lambda: _score_share(task, cases, metric, mode, processes))  # noqa: B023 - called now
        metric.samples = processes.gathered(metric.samples)
        scored = results[task.key] = _result_of(task, metric)
        processes.together(lambda: on_task(task, cases, scored) if on_task and processes.is_first else None)  # noqa: B023
    documents = {task.key: documents_of(task, cases) for task, cases in chosen.items()}
    with_intervals = _with_intervals(results, documents, (resampling or Resampling()).confidence)
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
        integral_interval(scores, {key: result.interval for key, result in with_intervals.items()}) if whole else None,
        warnings,
        stage if mode == "official" else None,
        truth_faults=joined.truth_faults,
    )


def _with_intervals(
    results: Mapping[str, TaskResult], documents: Mapping[str, tuple[int, ...] | None], confidence: float
) -> dict[str, TaskResult]:
    samples = {key: list(result.samples.values()) for key, result in results.items()}
    found = intervals(samples, confidence, documents)
    whole = {}
    for key, result in results.items():
        made = found[key]
        whole[key] = replace(
            result,
            interval=None if made is None else (made.low, made.high),
            interval_method=None if made is None else made.method,
            documents=documents[key],
        )
    return whole


def _require_input(files: ScoringFiles, chosen: Iterable[Task]) -> None:
    """Raise NeedsInputError if tasks that look at what was asked have nothing to look at."""
    looking = [task.key for task in chosen if task.metric in LOOKS_AT_INPUT]
    if looking and files.input is None:
        raise NeedsInputError(
            f"{', '.join(looking)}: the score looks at the pictures or captions of the input, and none was given",
            "name its folder with --input, or choose other tasks with --tasks",
        )


def _score_share(
    task: Task, cases: Sequence[Case], metric: TaskMetric, mode: Mode, processes: ScoringProcesses
) -> None:
    metric.check_all(cases)
    places = processes.share(task, cases, mode)
    if places:
        metric.update(cases[places.start : places.stop], places)


def _result_of(task: Task, metric: TaskMetric) -> TaskResult:
    found = metric.result()
    broken = [sample_id for sample_id, value in found.samples.items() if not math.isfinite(value)]
    if broken or not math.isfinite(found.score):
        what = f"{task.key}: the score is not a number, at samples: {some(broken)}"
        raise NotANumberError(what, "check their pictures")
    return TaskResult(
        task.key,
        found.score,
        metric.signature(),
        found.samples,
        notes=found.notes,
        comparable=metric.comparable,
        parts=found.parts,
        remarks=found.remarks,
        part_signatures=found.part_signatures,
    )
