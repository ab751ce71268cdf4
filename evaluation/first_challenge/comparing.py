"""Compares two runs of the first challenge sample by sample, from the counts that their results hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.confidence import Floats, weighted_interval
from evaluation.errors import NotComparableError
from evaluation.first_challenge.board import RESULT_REMEDY
from evaluation.first_challenge.files import SUBTASKS
from evaluation.first_challenge.scoring import is_share, score_of, width_of
from evaluation.json_values import (
    WrongValueError,
    dict_of,
    entry,
    list_of,
    mapping,
    number,
    optional,
    read_json,
    reading,
    text,
)
from evaluation.statistics import (
    Difference,
    Resampling,
    holm,
    interval_of_gaps,
    p_value,
    percentile_interval,
    randomisation_p,
)
from evaluation.table import columns

HEADER = ("subtask", "first", "second", "change", "95 % interval", "p", "p Holm")
SUM = "sum"
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class StoredSubtask:
    """What a result file holds of a subtask that has a score: `rows` are the counts by sample."""

    score: float
    signature: str
    test: str
    rows: dict[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class SubtaskComparison:
    """One subtask of two runs, or the sum of all four, which is one question and keeps its own p."""

    subtask: str
    first: float
    second: float
    difference: Difference
    p_corrected: float


def is_challenge_result(path: Path) -> bool:
    """Return whether a file is a result of the first challenge; False also for one that can not be read."""
    try:
        value = read_json(path)
    except (OSError, WrongValueError):
        return False
    return isinstance(value, dict) and value.get("challenge") == "fbc1"


def read_subtasks(path: Path) -> dict[str, StoredSubtask]:
    """Return the subtasks with a score of a result. Raises ResultFileError."""
    with reading(path, "result", RESULT_REMEDY):
        subtasks = entry(mapping(read_json(path), "the top level"), "subtasks", mapping)
        stored = {name: _stored(name, mapping(value, f"subtask {name[:40]!r}")) for name, value in subtasks.items()}
    return {name: subtask for name, subtask in stored.items() if subtask is not None}


def compare_challenges(
    first: dict[str, StoredSubtask],
    second: dict[str, StoredSubtask],
    resampling: Resampling,
    *,
    different_signatures: bool = False,
) -> list[SubtaskComparison]:
    """Return how far the second run is above the first in each subtask that both have, and with all four in the sum.

    Samples are swapped between the runs for p, and the scores taken of the sums. Intervals are those of the mean gap
    where a score is a share of right samples; of the others by drawing samples anew in pairs. Raises
    NotComparableError if no subtask is shared, or test set or (unless `different_signatures`) signature differ.
    """
    shared = [name for name in SUBTASKS if name in first and name in second]
    if not shared:
        raise NotComparableError("the two results share no subtask", "compare runs of one test set")
    for name in shared:
        one, other = first[name], second[name]
        if one.test != other.test or one.rows.keys() != other.rows.keys():
            raise NotComparableError(f"{name}: the results are of different test sets", "compare runs of one test set")
        if one.signature != other.signature and not different_signatures:
            raise NotComparableError(
                f"{name}: the scores do not measure the same: {one.signature} against {other.signature}",
                "score both in one way, or ask with --different-signatures",
            )
    gaps = {name: _gaps(name, first[name], second[name], resampling) for name in shared}
    corrected = holm([gap.difference.p for gap in gaps.values()])
    found = [
        SubtaskComparison(name, first[name].score, second[name].score, gaps[name].difference, p)
        for name, p in zip(shared, corrected, strict=True)
    ]
    if tuple(shared) == SUBTASKS:
        gap = _sum_of(list(gaps.values()))
        totals = [math.fsum(run[name].score for name in shared) for run in (first, second)]
        found.append(SubtaskComparison(SUM, totals[0], totals[1], gap, gap.p))
    return found


def challenge_comparison_table(comparisons: Sequence[SubtaskComparison]) -> str:
    """Return the comparison as text; `!` marks what is significant at 5 %."""
    rows = [HEADER]
    for it in comparisons:
        gap = it.difference
        significant = it.p_corrected < SIGNIFICANT
        interval = "-" if gap.interval is None else f"{gap.interval[0]:+.4f} .. {gap.interval[1]:+.4f}"
        change = f"{gap.difference:+.4f}{' !' if significant else '  '}"
        scores = f"{it.first:.3f}", f"{it.second:.3f}"
        rows.append((it.subtask, *scores, change, interval, f"{gap.p:.4f}", f"{it.p_corrected:.4f}"))
    return f"{columns(rows)}\n! significant at 5 % by the randomisation test, corrected for the subtasks (Holm)"


@dataclass(frozen=True, slots=True)
class _Gaps:
    """The difference of a subtask, and the differences under the swaps of the randomisation test, [resamples]."""

    difference: Difference
    swapped: Floats


def _gaps(name: str, first: StoredSubtask, second: StoredSubtask, resampling: Resampling) -> _Gaps:
    one = np.array([first.rows[key] for key in first.rows])  # [samples, counts]
    other = np.array([second.rows[key] for key in first.rows])
    generator = np.random.default_rng([resampling.seed, SUBTASKS.index(name)])
    gap = _gap(name, one, other)
    drawn, swapped = np.empty(resampling.resamples), np.empty(resampling.resamples)
    for place in range(resampling.resamples):
        samples = generator.integers(len(one), size=len(one))
        drawn[place] = _gap(name, one[samples], other[samples])
        swap = generator.integers(2, size=(len(one), 1), dtype=np.int8).astype(bool)
        swapped[place] = _gap(name, np.where(swap, other, one), np.where(swap, one, other))
    if is_share(name):
        of_each = other[:, 0] - one[:, 0]
        made = interval_of_gaps(of_each, resampling.confidence)
        interval = None if made is None else (made.low, made.high)
        p = randomisation_p(of_each / len(of_each), generator, resampling.resamples)
    else:
        interval = percentile_interval(drawn, resampling.confidence) if len(one) > 1 else None
        p = p_value(gap, swapped)
    return _Gaps(Difference(gap, interval, p), swapped)


def _sum_of(gaps: Sequence[_Gaps]) -> Difference:
    """Return the difference of the sums: the subtasks' samples are independent of each other."""
    total = math.fsum(gap.difference.difference for gap in gaps)
    differences = [(gap.difference.difference, gap.difference.interval) for gap in gaps]
    # A bootstrap's ends may both lie on one side of the difference itself.
    parts = [(gap, min(bounds[0], gap), max(bounds[1], gap)) for gap, bounds in differences if bounds is not None]
    interval = weighted_interval(parts, [1.0] * len(parts)) if len(parts) == len(gaps) else None
    return Difference(total, interval, p_value(total, np.sum([gap.swapped for gap in gaps], axis=0)))


def _gap(name: str, one: Floats, other: Floats) -> float:
    score: Callable[[Sequence[float]], float] = score_of(name)
    return score(other.sum(axis=0).tolist()) - score(one.sum(axis=0).tolist())


def _stored(name: str, value: dict[str, Any]) -> StoredSubtask | None:
    score = entry(value, "score", optional(number))
    if score is None:
        return None
    if name not in SUBTASKS:
        raise WrongValueError(f"there is no subtask {name[:40]!r}")
    rows = entry(value, "rows", dict_of(list_of(number)))
    widths = {len(row) for row in rows.values()}
    if widths != {width_of(name)}:
        raise WrongValueError(f'"rows" of {name} are not its counts')
    return StoredSubtask(score, entry(value, "signature", text), entry(value, "test", text), rows)
