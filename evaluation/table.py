"""Tables as text, and that of a result: tasks, S, what to know about them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

from contest.console import counted, one_line
from contest.tasks import OPEN_TASKS
from evaluation.cost import cost_line
from evaluation.errors import some
from evaluation.metrics.defects import DEFECTS, DIFFERENCES_PAGE
from evaluation.results import Interval, Result, TaskResult
from evaluation.settings import BASELINE_INTEGRAL

MAX_NAMED = 20
MAX_WIDTH = 100
HEADER = ("task", "n", "score", "95 % interval", "baseline", "threshold", "eligible")


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)


def cut(text: str, columns: int) -> str:
    """Return a text of at most so many columns on one line, with an ellipsis where something is missing."""
    text = one_line(text)
    if width(text) <= columns:
        return text
    while width(text) >= columns:
        text = text[: min(len(text) - 1, columns)]
    return f"{text}…"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as text in columns as wide as their widest cell; the first is left-aligned, a rule under row one."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        gaps = [" " * (most - width(cell)) for cell, most in zip(row, widths, strict=True)]
        right = (gap + cell for gap, cell in zip(gaps[1:], row[1:], strict=True))
        lines.append("  ".join([row[0] + gaps[0], *right]).rstrip())
    return "\n".join([lines[0], "-" * width(lines[0]), *lines[1:]])


def blocks(rows: Sequence[Sequence[str]], *, repeated: int, empty: str = "-") -> str:
    """Return a table that is too wide for a terminal as several below each other, none wider than MAX_WIDTH.

    Args:
        rows: the header, then the rows.
        repeated: how many columns stand in each part: those that say what a row is about.
        empty: what a cell without a value holds; a column that has no other cell is left out.

    """
    table = list(zip(*rows, strict=True))
    kept = [column for place, column in enumerate(table) if place < repeated or set(column[1:]) != {empty}]
    widths = [max(map(width, column)) for column in kept]
    first = sum(widths[:repeated]) + 2 * (repeated - 1)
    parts: list[list[int]] = [[]]
    taken = first
    for place in range(repeated, len(kept)):
        if parts[-1] and taken + 2 + widths[place] > MAX_WIDTH:
            parts.append([])
            taken = first
        parts[-1].append(place)
        taken += 2 + widths[place]
    chosen = [[*range(repeated), *part] for part in parts]
    return "\n\n".join(columns(list(zip(*(kept[place] for place in part), strict=True))) for part in chosen)


def result_table(result: Result, *, verbose: bool = False) -> str:
    """Return the table of a result and at most four lines: cost, what is missing, eligible, substituted.

    `verbose`: the parts of scores and the signatures as well.
    """
    rows = [HEADER, *(_row(task) for task in result.tasks.values()), _integral_row(result)]
    above = [f"mode: {result.mode_name}", columns(rows), *_cost(result, verbose)]
    more = _details(result) if verbose else []
    return "\n".join([*above, *_verdicts(result), *_flags(result, verbose), *more])


def _cost(result: Result, verbose: bool) -> list[str]:
    if result.cost is None:
        return []
    method = [f"energy: {one_line(result.cost.energy_method)}"] if verbose else []
    return [cost_line(result.cost), *method]


def result_problems(result: Result, *, verbose: bool = False) -> list[str]:
    """Return what cost samples their score, or may have: lines `warning: ...` or `error: ...` for the standard error.

    It is one line at most, or with `verbose` a line each; what is wrong with the scorer's own file comes first.
    """
    faults = [f"warning: {one_line(fault)}" for fault in result.truth_faults]
    return faults + (_notes(result) if verbose else _summary(result))


def _row(result: TaskResult) -> tuple[str, ...]:
    task = result.task
    return (
        task.key + ("" if result.comparable else " *"),
        str(result.n),
        f"{result.score:.4f}",
        _interval(result.interval),
        f"{task.baseline:.2f}",
        "" if task.threshold is None else f"{task.threshold:.2f}",
        {True: "yes", False: "no", None: ""}[result.eligible],
    )


def _integral_row(result: Result) -> tuple[str, ...]:
    score = "-" if result.integral is None else f"{result.integral:.4f}"
    samples = str(sum(task.n for task in result.tasks.values()))
    name = "S" + ("" if result.comparable else " *")
    return (name, samples, score, _interval(result.integral_interval), f"{BASELINE_INTEGRAL:.2f}", "", "")


def _interval(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval[0]:.4f} .. {interval[1]:.4f}"


def _verdicts(result: Result) -> list[str]:
    lines = []
    if result.missing_tasks:
        lines.append(f"S needs all twelve tasks; missing: {', '.join(result.missing_tasks)}")
    scored = [result.tasks[task.key] for task in OPEN_TASKS if task.key in result.tasks]
    below = [task.key for task in scored if not task.eligible]
    if below:
        lines.append(f"not eligible for a prize: below the threshold in {', '.join(below)}")
    elif len(scored) == len(OPEN_TASKS):
        lines.append("eligible for a prize: every open task reaches its threshold")
    return lines


def _flags(result: Result, verbose: bool) -> list[str]:
    substituted = [task.key for task in result.tasks.values() if not task.comparable]
    if not substituted:
        return []
    where = "see the signature" if verbose else "--verbose shows the signatures"
    return [f"* not comparable with the contest's scores ({', '.join(substituted)}): {where}"]


def _summary(result: Result) -> list[str]:
    """One line about all that `verbose` would tell, none if that is nothing to worry about."""
    notes = [(task.key, note) for task in result.tasks.values() for note in task.notes]
    others = len(result.warnings) + sum(len(task.remarks) for task in result.tasks.values())
    if result.mode == "strict" and notes:
        lost = dict.fromkeys(f"{key} {note.sample_id!r}" for key, note in notes)
        beside = f", {counted(others, 'other warning')}" if others else ""
        return [f"error: {counted(len(lost), 'sample')} lost a score: {some(lost)}{beside}; --verbose tells why"]
    struck = sorted({note.defect for _, note in notes if note.defect is not None})
    others += sum(note.defect is None for _, note in notes)
    parts = []
    if struck:
        times = counted(sum(note.defect is not None for _, note in notes), "time")
        numbers = ", ".join(map(str, struck))
        word = "difference" if len(struck) == 1 else "differences"
        parts.append(f"code and rules differ {times} ({word} {numbers} of {DIFFERENCES_PAGE})")
    if others:
        parts.append(counted(others, "other warning" if struck else "warning"))
    return [f"warning: {', '.join(parts)}; --verbose tells more"] if parts else []


def _details(result: Result) -> list[str]:
    lines = []
    for task in result.tasks.values():
        lines += [f"{task.key}: {one_line(remark)}" for remark in task.remarks]
        if task.parts:
            parts = ", ".join(f"{name} {value:.4f}" for name, value in task.parts.items())
            lines.append(f"{task.key}: {one_line(parts)}")
    for task in result.tasks.values():
        lines += [f"{task.key}: {one_line(task.signature)}", f"{task.key}: {one_line(task.statistics)}"]
        lines += [f"{task.key}: {one_line(signature)}" for signature in task.part_signatures.values()]
    return lines


def _notes(result: Result) -> list[str]:
    """Warnings; then in `official` how often each difference struck, in `strict` the samples that lost their score."""
    lines = [f"warning: {one_line(warning)}" for warning in result.warnings]
    for task in result.tasks.values():
        if result.mode == "official":
            strikes = Counter(note.defect for note in task.notes if note.defect is not None)
            lines += [
                f"warning: {task.key}: {count} x difference {defect} of code and rules: {DEFECTS[defect]}"
                for defect, count in sorted(strikes.items())
            ]
        named = [note for note in task.notes if result.mode == "strict" or note.defect is None]
        word = "error" if result.mode == "strict" else "warning"
        lines += [
            f"{word}: {task.key}: sample {note.sample_id!r}: {one_line(note.message)}" for note in named[:MAX_NAMED]
        ]
        if len(named) > MAX_NAMED:
            lines.append(f"{word}: {task.key}: and {len(named) - MAX_NAMED} more")
    return lines
