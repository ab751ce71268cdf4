"""Compares two results sample by sample.

Scores are compared only where their signatures are equal, unless one asks for it by name.
"""

from __future__ import annotations

from dataclasses import dataclass

from contest.console import counted
from evaluation.errors import NotComparableError, some
from evaluation.results import Result, TaskResult
from evaluation.settings import INTEGRAL
from evaluation.statistics import Difference, Resampling, holm, paired_differences
from evaluation.table import columns

SIGNIFICANT = 0.05
SIGNIFICANT_LINE = "! significant at 5 % (randomisation test by document; tasks corrected for their number by Holm)"


@dataclass(frozen=True, slots=True)
class TaskComparison:
    """One task of two runs (or S, under the key "integral", which has no samples of its own).

    `p_corrected` is corrected for the number of tasks (Holm); S is asked about once, so that its own stands.
    """

    key: str
    first: float
    second: float
    difference: Difference
    p_corrected: float
    better: int = 0
    worse: int = 0
    equal: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """The tasks that both runs have, S if it is among them, and the tasks whose signatures differ."""

    tasks: tuple[TaskComparison, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    unlike: tuple[str, ...]


def compare(
    first: Result, second: Result, *, different_signatures: bool = False, resampling: Resampling | None = None
) -> Comparison:
    """Return how far the second run is above the first, task by task.

    Raises NotComparableError if the runs share no task, if test set or samples differ, or if a task's signatures do
    (unless `different_signatures`).
    """
    shared = [key for key in first.tasks if key in second.tasks]
    if not shared:
        raise NotComparableError("the two results share no task", "compare runs of one test set")
    if first.test != second.test:
        raise NotComparableError("the two results are of different test sets", "compare runs of one test set")
    unlike = tuple(key for key in shared if first.tasks[key].signature != second.tasks[key].signature)
    if unlike and not different_signatures:
        lines = [f"{key}: {first.tasks[key].signature} against {second.tasks[key].signature}" for key in unlike]
        raise NotComparableError(
            f"the scores do not measure the same: {'; '.join(lines)}",
            "score both in one way, or ask with --different-signatures",
        )
    for key in shared:
        apart = first.tasks[key].samples.keys() ^ second.tasks[key].samples.keys()
        if apart:
            raise NotComparableError(
                f"{key}: one result only has {counted(len(apart), 'sample')}: {some(sorted(apart))}",
                "compare runs of one test set",
            )
    pairs = {
        key: [(score, second.tasks[key].samples[name]) for name, score in first.tasks[key].samples.items()]
        for key in shared
    }
    differences = paired_differences(
        {key: [a for a, _ in scores] for key, scores in pairs.items()},
        {key: [b for _, b in scores] for key, scores in pairs.items()},
        resampling or Resampling(),
        {key: first.tasks[key].documents or _in_order_of(first.tasks[key], second.tasks[key]) for key in shared},
    )
    corrected = dict(zip(shared, holm([differences[key].p for key in shared]), strict=True))
    tasks = [
        TaskComparison(
            key,
            first.tasks[key].score,
            second.tasks[key].score,
            differences[key],
            corrected[key],
            better=sum(b > a for a, b in pairs[key]),
            worse=sum(b < a for a, b in pairs[key]),
            equal=sum(b == a for a, b in pairs[key]),
        )
        for key in shared
    ]
    if first.integral is not None and second.integral is not None:
        gap = differences[INTEGRAL]
        tasks.append(TaskComparison(INTEGRAL, first.integral, second.integral, gap, gap.p))
    return Comparison(
        tuple(tasks),
        tuple(key for key in first.tasks if key not in second.tasks),
        tuple(key for key in second.tasks if key not in first.tasks),
        unlike,
    )


def _in_order_of(first: TaskResult, second: TaskResult) -> tuple[int, ...] | None:
    """Return the documents that only the second result knows, in the order of the first one's samples."""
    if second.documents is None:
        return None
    numbers = dict(zip(second.samples, second.documents, strict=True))
    return tuple(numbers[name] for name in first.samples)


HEADER = ("task", "first", "second", "change", "95 % interval", "p", "p Holm", "better/worse/equal")


def comparison_table(comparison: Comparison) -> str:
    """Return the comparison as text of at most 100 columns; `!` marks what is significant at 5 %, by Holm."""
    rows = [HEADER]
    for task in comparison.tasks:
        gap = task.difference
        significant = task.p_corrected < SIGNIFICANT
        interval = "-" if gap.interval is None else f"{gap.interval[0]:+.4f} .. {gap.interval[1]:+.4f}"
        counts = "" if task.key == INTEGRAL else f"{task.better}/{task.worse}/{task.equal}"
        rows.append(
            (
                ("S" if task.key == INTEGRAL else task.key) + ("~" if task.key in comparison.unlike else ""),
                f"{task.first:.4f}",
                f"{task.second:.4f}",
                f"{gap.difference:+.4f}" + (" !" if significant else "  "),
                interval,
                f"{gap.p:.4f}",
                f"{task.p_corrected:.4f}",
                counts,
            )
        )
    lines = [columns(rows), SIGNIFICANT_LINE]
    if comparison.unlike:
        lines.append("~ the signatures differ: the two scores do not measure the same")
    for name, keys in (("first", comparison.only_first), ("second", comparison.only_second)):
        if keys:
            lines.append(f"only in the {name}: {', '.join(keys)}")
    return "\n".join(lines)
