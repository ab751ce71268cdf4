"""A run's result as a table, as JSON and as CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from contest.console import Cell
from contest.writing import write_bytes, write_json
from evaluation.first_challenge.scoring import ChallengeResult, SubtaskResult
from evaluation.metrics.fbc1.overall import MINIMA, MINIMUM, PUBLISHED_CO2, prize
from evaluation.results import csv_text
from evaluation.table import columns

HEADER = ("subtask", "n", "score", "95 % interval", "minimum", "above it")
CSV_COLUMNS = ("subtask", "score", "low", "high", "n", "minimum", "above_minimum", "signature", "failure")
MAX_NAMED = 20


def challenge_table(result: ChallengeResult, *, place: int | None = None, verbose: bool = False) -> str:
    """Return the table, the sum, and what keeps a run from a prize; `place` asks for the prize of that place.

    Raises OverallError for a place below 1.
    """
    lines = [columns([HEADER, *(_row(subtask) for subtask in result.subtasks.values())]), ""]
    lines += _sum_lines(result, place)
    lines += [f"{it.subtask} has no score: {it.failure}" for it in result.subtasks.values() if it.failure]
    for subtask in result.subtasks.values():
        lines += _note_lines(subtask, verbose)
    if verbose:
        lines += _details(result)
    return "\n".join(lines)


def challenge_to_json(result: ChallengeResult) -> dict[str, Any]:
    """Return the result for a JSON file; `rows` are the counts that scores are functions of the sums of."""
    return {
        "challenge": "fbc1",
        "mode": result.mode,
        "total": None if result.total is None else result.total.total,
        "total_interval": result.total_interval,
        "minimum": MINIMUM,
        "below_minimum": None if result.total is None else list(result.total.below),
        "subtasks": {
            name: {
                "score": it.score,
                "n": len(it.ids),
                "interval": it.interval,
                "statistics": it.statistics,
                "minimum": MINIMA[name],
                "signature": it.signature,
                "test": it.test,
                "parts": dict(it.parts),
                "notes": [asdict(note) for note in it.notes],
                "failure": it.failure or None,
                "rows": dict(zip(it.ids, it.rows, strict=True)),
            }
            for name, it in result.subtasks.items()
        },
    }


def write_challenge_json(path: Path, result: ChallengeResult) -> None:
    """Write the result as JSON. Raises OSError."""
    write_json(path, challenge_to_json(result), indent=1)


def write_challenge_csv(path: Path, result: ChallengeResult) -> None:
    """Write a row a subtask, and one for the sum. Raises OSError."""
    rows: list[Sequence[Cell]] = [CSV_COLUMNS]
    for name, it in result.subtasks.items():
        low, high = it.interval or (None, None)
        above = None if it.score is None else it.score > MINIMA[name]
        rows.append([name, it.score, low, high, len(it.ids), MINIMA[name], above, it.signature, it.failure or None])
    total = None if result.total is None else result.total.total
    above_all = None if result.total is None else not result.total.below
    low, high = result.total_interval or (None, None)
    rows.append(["sum", total, low, high, None, MINIMUM, above_all, None, None])
    write_bytes(path, csv_text(rows).encode())


def _row(it: SubtaskResult) -> tuple[str, ...]:
    minimum = MINIMA[it.subtask]
    if it.score is None:
        return it.subtask, "-", "-", "-", f"{minimum:g}", "-"
    interval = "-" if it.interval is None else f"{it.interval[0]:.3f} .. {it.interval[1]:.3f}"
    above = "yes" if it.score > minimum else "no"
    return it.subtask, str(len(it.ids)), f"{it.score:.3f}", interval, f"{minimum:g}", above


def _sum_lines(result: ChallengeResult, place: int | None) -> list[str]:
    if result.total is None:
        missing = [name for name in MINIMA if name not in result.subtasks or result.subtasks[name].score is None]
        return [f"no sum: {', '.join(missing)} not scored"]
    total = result.total
    between = ""
    if result.total_interval is not None:
        between = ", 95 %: {:.3f} .. {:.3f}".format(*result.total_interval)
    lines = [f"sum: {total.total:.3f} of {len(MINIMA)}, minimum {MINIMUM:g}{between}"]
    if total.below:
        lines.append(f"no prize for all four: {', '.join(total.below)} not above the minimum")
    if place is not None:
        roubles = prize(total.total, place) if not total.below else 0
        lines.append(f"prize at place {place}: {roubles:,} roubles")
    return lines


def _note_lines(it: SubtaskResult, verbose: bool) -> list[str]:
    if not verbose:
        counts = Counter(note.message for note in it.notes)
        return [f"{it.subtask}: {count} x {message}" for message, count in counts.most_common(4)]
    lines = [f"{it.subtask}, {note.sample_id}: {note.message} (difference {note.difference})" for note in it.notes]
    more = len(lines) - MAX_NAMED
    return lines[:MAX_NAMED] + ([f"{it.subtask}: and {more} more"] if more > 0 else [])


def _details(result: ChallengeResult) -> Sequence[str]:
    lines = [line for it in result.subtasks.values() for line in (it.signature, it.statistics) if line]
    for it in result.subtasks.values():
        if it.parts:
            lines.append(f"{it.subtask}: {', '.join(f'{name} {value:.4f}' for name, value in it.parts.items())}")
    co2 = ", ".join(f"{row.setup} {row.kilograms:g} kg" for row in PUBLISHED_CO2)
    return [*lines, f"CO2 of training the published baseline: {co2}"]
