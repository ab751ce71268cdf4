"""Which samples share a document: questions on one passage, or about one picture.

Their scores are not independent: who misreads a passage misses all its questions. Intervals and tests that took them
for independent would promise too much, so each document counts as one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Sequence
from pathlib import Path

from contest.errors import ContestError
from contest.pictures import resolve_picture
from contest.tasks import Task
from evaluation.metrics.cases import Case

PASSAGE_CHARACTERS = 100
"""From here on the longest text of a TextQA sample is a passage; instructions and questions are shorter."""


def documents_of(task: Task, cases: Sequence[Case]) -> tuple[int, ...] | None:
    """Return the number of each case's document, counted from 0; None where each has its own, or nothing is known.

    Found from the input: of TextQA (and its variant) the longest text, of tasks about a picture the picture's file or,
    where files are of one size, its bytes. Mathematics and generation have no documents. A picture that can not be
    read is known by its path: that it is missing is said where it is needed.
    """
    if task.kind == "image_to_text":
        keys = _by_picture(cases)
    elif task.metric == "token_f1":
        keys = [_passage(case) for case in cases]
    else:
        return None
    numbers: dict[Hashable, int] = {}
    found = tuple(numbers.setdefault(key, len(numbers)) for key in keys)
    return found if len(numbers) < len(found) else None


def _passage(case: Case) -> Hashable:
    texts = () if case.asked is None else case.asked.texts
    longest = max(texts, key=len, default="")
    return longest if len(longest) >= PASSAGE_CHARACTERS else ("sample", case.id)


def _by_picture(cases: Sequence[Case]) -> list[Hashable]:
    paths = [_path(case) for case in cases]
    sizes = {path: _size(path) for path in paths if path is not None}
    of_size = Counter(size for size in sizes.values() if size is not None)
    digests: dict[Path, Hashable] = {
        path: _digest(path) if size is not None and of_size[size] > 1 else path for path, size in sizes.items()
    }
    return [("sample", case.id) if path is None else digests[path] for case, path in zip(cases, paths, strict=True)]


def _path(case: Case) -> Path | None:
    if case.asked is None or case.input_root is None or not case.asked.images:
        return None
    try:
        return resolve_picture(case.input_root, case.asked.images[0], follow_links=True)
    except ContestError:  # no path that leads to a picture: the sample has no document that could be known
        return None


def _size(path: Path) -> int | None:
    """Return the size of a file, None where it can not be read."""
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def _digest(path: Path) -> Hashable:
    """Return what stands for the bytes of a file: their digest, or its path where it can not be read."""
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return path
