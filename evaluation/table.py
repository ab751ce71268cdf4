"""The printed table of a result: tasks, S, and what to know about them. Knows nothing of how scores come about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from contest.tasks import OPEN_TASKS
from evaluation.metrics.defects import DEFECTS
from evaluation.nomination import BASELINE_INTEGRAL
from evaluation.results import Interval, Result, TaskResult

MAX_NAMED = 20
HEADER = ("task", "n", "score", "95 % interval", "baseline", "threshold", "eligible")


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as text in columns as wide as their widest cell; the first is left-aligned, a rule under row one."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def result_table(result: Result) -> str:
    """Return the table of a result, S below it, then flags, signatures, and what struck how often."""
    rows = [HEADER, *(_row(task) for task in result.tasks.values()), _integral_row(result)]
    parts = [f"mode: {result.mode}", columns(rows), *_verdicts(result), *_flags(result), *_notes(result)]
    return "\n".join(parts)


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


def _flags(result: Result) -> list[str]:
    lines = []
    substituted = [task.key for task in result.tasks.values() if not task.comparable]
    if substituted:
        lines.append(f"* not comparable with the contest's scores ({', '.join(substituted)}): see the signature")
    for task in result.tasks.values():
        lines += [f"{task.key}: {remark}" for remark in task.remarks]
        if task.parts:
            lines.append(f"{task.key}: " + ", ".join(f"{name} {value:.4f}" for name, value in task.parts.items()))
    return [*lines, *(f"{task.key}: {task.signature}" for task in result.tasks.values())]


def _notes(result: Result) -> list[str]:
    """Warnings; then in `official` how often each defect struck, in `strict` the samples that lost their score."""
    lines = [f"warning: {warning}" for warning in result.warnings]
    for task in result.tasks.values():
        if result.mode == "official":
            strikes = Counter(note.defect for note in task.notes if note.defect is not None)
            lines += [
                f"warning: {task.key}: {count} x difference {defect} of code and rules: {DEFECTS[defect]}"
                for defect, count in sorted(strikes.items())
            ]
        named = [note for note in task.notes if result.mode == "strict" or note.defect is None]
        word = "error" if result.mode == "strict" else "warning"
        lines += [f"{word}: {task.key}: sample {note.sample_id!r}: {note.message}" for note in named[:MAX_NAMED]]
        if len(named) > MAX_NAMED:
            lines.append(f"{word}: {task.key}: and {len(named) - MAX_NAMED} more")
    return lines
