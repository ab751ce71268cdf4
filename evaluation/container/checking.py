"""Looks through what a submission wrote: whether its predictions are sound, and what it says of itself.

Runs in a process of its own (`evaluation.container.judging`): pictures of strangers are decoded here.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from contest.complete import prediction_errors
from contest.limits import PREDICTIONS_NAME
from contest.reading import read_input
from evaluation.container.judging import ChildFailedError, ChildTimeoutError, answer, judged

MEMORY_BYTES = 8 * 10**9
MAX_PROBLEMS = 1000  # of a verdict; nobody reads on
RUN_REPORT_NAME, MAX_RUN_REPORT_BYTES = "run.json", 16 * 10**6
MAX_HINT_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class CheckedOutput:
    """What is wrong with predictions, and a hint by the submission itself that it could not do its work."""

    problems: tuple[str, ...] = ()
    hint: str | None = None


def check_output(input_json: Path, output: Path, seconds: float) -> CheckedOutput:
    """Look through a folder of plain files that a submission wrote."""
    question = {"input": str(input_json), "output": str(output)}
    try:
        found = judged("evaluation.container.checking", question, seconds)
    except ChildTimeoutError:
        return CheckedOutput(
            (f"looking through the predictions and their pictures was not done after {seconds:g} s (limit `checking`)",)
        )
    except ChildFailedError as error:
        last = (error.words.splitlines() or [""])[-1]
        return CheckedOutput(
            (f"looking through the predictions and their pictures broke off: {error}; {last}".rstrip("; "),)
        )
    return CheckedOutput(tuple(found["problems"]), found["hint"])


def main() -> NoReturn:
    """Run as the child."""
    answer(_look, MEMORY_BYTES)


def _look(question: Mapping[str, str]) -> dict[str, Any]:
    output = Path(question["output"])
    samples = read_input(question["input"])
    try:
        errors = prediction_errors(output / PREDICTIONS_NAME, samples)
    except MemoryError:
        return {"problems": [f"its predictions need more than {MEMORY_BYTES} bytes of memory to be read"], "hint": None}
    problems = [str(error) for error in errors[:MAX_PROBLEMS]]
    if len(errors) > MAX_PROBLEMS:
        problems.append(f"and {len(errors) - MAX_PROBLEMS} more problems with its predictions")
    return {"problems": problems, "hint": _hint(output / RUN_REPORT_NAME, len(samples))}


def _hint(path: Path, samples: int) -> str | None:
    """What a run report says of a failure: only a hint, for anybody may have written it. None without one."""
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_RUN_REPORT_BYTES:
            return None
        report = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError, MemoryError):
        return None  # it need not write one, and what is none of ours says nothing
    if not isinstance(report, dict):
        return None
    error = report.get("error")
    because = f" ({error[:MAX_HINT_CHARACTERS]})" if isinstance(error, str) and error else ""
    if report.get("ended") == "failed":
        return f"its run.json says that it failed{because}"
    missing = report.get("missing")
    lacking = missing.get("answers") if isinstance(missing, dict) else None
    if isinstance(lacking, list) and lacking and len(lacking) >= samples:
        return f"its run.json says that every answer is a fallback{because}"
    return None
