"""Per-sample records as lm-evaluation-harness logs them (`--log_samples`): one JSON object a line, a line a sample.

Keys and their meaning are the harness's. `task` names the task, as one file holds all of them; `notes` say what struck
a sample. `doc_id` is the sample's place among those of its task, and its own id stands in `doc`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path
from typing import Any

from contest.atomic import replacing
from contest.tasks import Task
from contest.writing import writing
from evaluation.metrics.cases import Case, Note
from evaluation.results import TaskResult

FILTER = "none"
_as_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_LINE_ENDS = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""What some readers take for the end of a line, inside of JSON's strings."""


class SampleLog:
    """Writes the samples of one task after another into an open file."""

    def __init__(self, stream: BufferedWriter) -> None:
        self._stream = stream

    def __call__(self, task: Task, cases: Sequence[Case], result: TaskResult) -> None:
        """Write the samples of a task, in the order of its cases. Raises OSError."""
        notes: dict[str, list[Note]] = {}
        for note in result.notes:
            notes.setdefault(note.sample_id, []).append(note)
        for place, case in enumerate(cases):
            line = record(task, place, case, result.samples[case.id], notes.get(case.id, ()))
            self._stream.write(_encoded(line))


@contextmanager
def sample_log(path: Path) -> Iterator[SampleLog]:
    """Yield a log whose file takes its place when all was written, and not at all otherwise.

    Raises ContestError (DISK_FULL, WRITE_FAILED).
    """
    with writing(path), replacing(path, sync=True) as temporary, temporary.open("wb") as stream:
        yield SampleLog(stream)


def record(task: Task, place: int, case: Case, score: float, notes: Sequence[Note]) -> dict[str, Any]:
    """Return what the harness would log of a sample; a sample without an answer has an empty one."""
    asked = [] if case.asked is None else [{"type": item.type, "content": item.content} for item in case.asked.items]
    doc = {"id": case.id, "items": asked}
    prompt = "\n".join(item["content"] for item in asked)
    target = list(case.truth.images if task.kind == "text_to_image" else case.truth.texts)
    answers = _answers(task, case)
    return {
        "task": task.key,
        "doc_id": place,
        "doc": doc,
        "target": target,
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {}}},
        "resps": [answers],
        "filtered_resps": [answers[0] if answers else ""],
        "filter": FILTER,
        "metrics": [task.metric],
        "doc_hash": _hash(indented(case.id, asked)),
        "prompt_hash": _hash(prompt),
        "target_hash": _hash(str(target)),
        task.metric: score,
        "notes": [note.message for note in notes],
    }


def indented(name: str, asked: Sequence[Mapping[str, str]]) -> str:
    """Return `doc` as the harness hashes it: as `json.dumps(doc, indent=2, ensure_ascii=False)`, and far quicker.

    >>> indented("1", [])
    '{\\n  "id": "1",\\n  "items": []\\n}'
    """
    items = [
        f'    {{\n      "type": {_as_json(item["type"])},\n      "content": {_as_json(item["content"])}\n    }}'
        for item in asked
    ]
    listed = "[\n" + ",\n".join(items) + "\n  ]" if items else "[]"
    return f'{{\n  "id": {_as_json(name)},\n  "items": {listed}\n}}'


def _answers(task: Task, case: Case) -> list[str]:
    if case.answer is None:
        return []
    return list(case.answer.images if task.kind == "text_to_image" else case.answer.texts)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()


def _encoded(line: Mapping[str, Any]) -> bytes:
    """Return a line in UTF-8; one with half a surrogate pair, which has no such form, in escapes."""
    try:
        text = _as_json(line)
        for sign, escape in _LINE_ENDS.items():
            text = text.replace(sign, escape)
        return f"{text}\n".encode()
    except UnicodeEncodeError:
        return (json.dumps(line, allow_nan=False) + "\n").encode()
