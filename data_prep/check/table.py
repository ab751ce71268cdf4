"""The check's result as a table for the terminal and as JSON."""

from __future__ import annotations

from typing import Any

from contest.console import one_line, printable
from data_prep.check.checking import CheckReport
from data_prep.check.rules import Rule

PRINTED = 3  # findings of a rule


def table(report: CheckReport) -> str:
    """Splits with their sizes, rules with how often they were broken, and the first findings of each."""
    lines = [f"{'folder':<40} {'split':<5} {'samples':>8} {'p95 chars':>9} {'p95 tokens':>10}"]
    for part in report.splits:
        characters = part.characters.summary().get("p95", "-")
        tokens = part.tokens.summary().get("p95", "-")
        name = one_line(str(part.folder.path))
        shown = name if len(name) <= 40 else f"...{name[-37:]}"
        lines.append(f"{shown:<40} {part.split:<5} {part.samples:>8} {characters:>9} {tokens:>10}")
    lines += ["", f"{'rule':<13} {'found':>7}  "]
    for rule in Rule:
        lines.append(f"{rule.name:<13} {_count(report, rule):>7}  {rule.meaning}")
    for rule, findings in report.findings.items():
        lines.append("")
        lines += [str(finding) for finding in findings[:PRINTED]]
        if report.counts[rule] > PRINTED:
            lines.append(f"... and {report.counts[rule] - PRINTED} more of {rule.name}")
    return "\n".join(lines)


def to_json(report: CheckReport) -> dict[str, Any]:
    """The result as JSON."""
    return {
        "errors": report.errors,
        "splits": [
            {
                "folder": one_line(str(part.folder.path)),
                "task": part.folder.task,
                "split": part.split,
                "samples": part.samples,
                "kinds": dict(part.kinds),
                "left_characters": part.characters.summary(),
                "left_tokens": part.tokens.summary(),
            }
            for part in report.splits
        ],
        "rules": {rule.name: report.counts[rule] for rule in Rule if _count(report, rule) != "-"},
        "findings": [
            {
                "rule": rule.name,
                "place": one_line(found.place),
                "sample": found.sample_id,
                "detail": printable(found.detail),
            }
            for rule, findings in report.findings.items()
            for found in findings
        ],
    }


def _count(report: CheckReport, rule: Rule) -> str:
    """How often a rule was broken; "-" for one that was not looked at, which is not the same as never."""
    if rule is Rule.LONG and not report.counted_tokens:
        return "-"
    return str(report.counts[rule])
