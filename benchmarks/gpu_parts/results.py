"""A part's rows as a JSON file, and all of them as one page of tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DONE = "done"


def write_result(output: Path, name: str, status: str, seconds: float, rows: list[dict[str, Any]]) -> None:
    """Write a part's file whole or not at all: its process may be killed at any time."""
    result = {"part": name, "status": status, "seconds": round(seconds, 1), "rows": rows}
    new = output / f"{name}.json.new"
    new.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    new.replace(output / f"{name}.json")


def read_result(output: Path, name: str) -> dict[str, Any]:
    """A part's file; one without rows where the part wrote none."""
    path = output / f"{name}.json"
    if not path.is_file():
        return {"part": name, "status": "nothing was written", "seconds": 0.0, "rows": []}
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


def report(output: Path, names: list[str]) -> dict[str, str]:
    """Write `report.json` and `report.md` over some parts; return why those that failed did, by name."""
    results = [read_result(output, name) for name in names]
    failed = {result["part"]: result["status"] for result in results if result["status"] != DONE}
    data = {"failed": failed, "parts": results}
    (output / "report.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    pages = ["# What the GPU showed", summary(results, failed), *(section(result) for result in results)]
    (output / "report.md").write_text("\n\n".join(pages) + "\n", encoding="utf-8")
    return failed


def summary(results: list[dict[str, Any]], failed: dict[str, str]) -> str:
    """How each part ended, and those that failed with their reasons."""
    rows = [[result[name] for name in ("part", "seconds", "status")] for result in results]
    table = [_line(["part", "seconds", "how it ended"]), _line(["---"] * 3), *map(_line, rows)]
    reasons = [f"- {part}: {reason}" for part, reason in failed.items()] or ["none"]
    return "\n".join([*table, "", "Failed parts:", "", *reasons])


def section(result: dict[str, Any]) -> str:
    """One part: a heading, how it ended, and a table for each run of rows with the same columns."""
    lines = [f"## {result['part']}", "", f"{result['status']}; {result['seconds']} s"]
    columns: list[str] = []
    for row in result["rows"]:
        if list(row) != columns:
            columns = list(row)
            lines += ["", _line(columns), _line(["---"] * len(columns))]
        lines.append(_line(list(row.values())))
    return "\n".join(lines)


def _line(cells: list[Any]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "/").replace("\n", " ") for cell in cells) + " |"
