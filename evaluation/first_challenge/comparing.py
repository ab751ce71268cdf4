"""Compares two runs of the first challenge sample by sample, from the counts that their results hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.errors import NotComparableError, ResultFileError
from evaluation.first_challenge.files import SUBTASKS
from evaluation.first_challenge.scoring import score_of, width_of
from evaluation.json_values import WrongValueError, dict_of, entry, list_of, mapping, number, optional, read_json, text
from evaluation.statistics import Difference, Floats, Resampling, p_value, percentile_interval
from evaluation.table import columns

HEADER = ("subtask", "first", "second", "change", "95 % interval", "p")
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
    """One subtask of two runs."""

    subtask: str
    first: float
    second: float
    difference: Difference


def is_challenge_result(path: Path) -> bool:
    """Return whether a file is a result of the first challenge; False also for one that can not be read."""
    try:
        value = read_json(path)
    except (OSError, WrongValueError):
        return False
    return isinstance(value, dict) and value.get("challenge") == "fbc1"


def read_subtasks(path: Path) -> dict[str, StoredSubtask]:
    """Return the subtasks with a score of a result. Raises ResultFileError."""
    try:
        subtasks = entry(mapping(read_json(path), "the top level"), "subtasks", mapping)
        stored = {name: _stored(name, mapping(value, f"subtask {name[:40]!r}")) for name, value in subtasks.items()}
    except OSError as error:
        raise ResultFileError(f"{path} can not be read: {error.strerror}", "check the path") from error
    except WrongValueError as error:
        remedy = error.remedy or "give a file that `evaluation score --challenge fbc1 --json` wrote"
        raise ResultFileError(f"{path} is no result: {error.message}", remedy) from error
    return {name: subtask for name, subtask in stored.items() if subtask is not None}


def compare_challenges(
    first: dict[str, StoredSubtask],
    second: dict[str, StoredSubtask],
    resampling: Resampling,
    *,
    different_signatures: bool = False,
) -> list[SubtaskComparison]:
    """Return how far the second run is above the first in each subtask that both have.

    Samples are drawn anew in pairs, or swapped between the runs, and the scores taken of the sums. Raises
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
    return [_compared(name, first[name], second[name], resampling) for name in shared]


def challenge_comparison_table(comparisons: Sequence[SubtaskComparison]) -> str:
    """Return the comparison as text; `!` marks what is significant at 5 %."""
    rows = [HEADER]
    for it in comparisons:
        gap = it.difference
        significant = gap.p < SIGNIFICANT
        interval = "-" if gap.interval is None else f"{gap.interval[0]:+.4f} .. {gap.interval[1]:+.4f}"
        change = f"{gap.difference:+.4f}{' !' if significant else '  '}"
        rows.append((it.subtask, f"{it.first:.3f}", f"{it.second:.3f}", change, interval, f"{gap.p:.4f}"))
    return f"{columns(rows)}\n! significant at 5 % by the randomisation test"


def _compared(name: str, first: StoredSubtask, second: StoredSubtask, resampling: Resampling) -> SubtaskComparison:
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
    interval = percentile_interval(drawn, resampling.confidence) if len(one) > 1 else None
    difference = Difference(gap, interval, p_value(gap, swapped))
    return SubtaskComparison(name, first.score, second.score, difference)


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
