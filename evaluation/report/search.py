"""What the report's page knows of every sample, so that one can be found by its id: bounded, whatever the test's size.

Ids and scores come first. Texts follow while their share of the page lasts, those of the lowest scores first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from json.encoder import encode_basestring
from typing import Any

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from evaluation.report.notes import grouped_notes, kind_of
from evaluation.report.samples import ReportFiles, SampleCard
from evaluation.results import TaskResult

IDS_BYTES, TEXTS_BYTES = 6_000_000, 4_000_000
SAMPLE_BYTES = 30  # of a score, the places of notes and cards, and the signs between them, as the page has them
SIDES_BYTES = 30  # of the signs between the texts of a sample
TEXT_CHARACTERS = 400
HTML_SIGNS = "<>&'"  # which `as_json` escapes
ESCAPE_BYTES = len(r"\u003c")
TEXTS = 3  # of a question, an answer or the references


def search_index(
    tasks: Sequence[TaskResult],
    files: ReportFiles,
    cards: Mapping[str, Sequence[tuple[str, SampleCard]]],
    *,
    ids_bytes: int = IDS_BYTES,
    texts_bytes: int = TEXTS_BYTES,
) -> dict[str, Any]:
    """Return the index as JSON has it.

    Args:
        tasks: the tasks with the scores of their samples.
        files: what the texts are taken from.
        cards: by a task's key its cards, each behind the anchor that it has in the page.
        ids_bytes: room for ids and scores; samples beyond it are counted in `left_out`.
        texts_bytes: room for texts, an equal share for each task.

    Returns:
        `tasks`, each with `key`, `title`, `ids`, `scores`, `kinds` of notes, and by a sample's place among the ids (as
        a text) its `notes` (places among the kinds), `texts` (question, answer, references; lists of texts) and
        `cards` (an anchor).

    """
    left_out, free = 0, ids_bytes
    found = []
    for task in tasks:
        ids = []
        for name in task.samples:
            free -= _bytes(name) + SAMPLE_BYTES
            if free < 0:
                break
            ids.append(name)
        left_out += len(task.samples) - len(ids)
        places = {name: place for place, name in enumerate(ids)}
        found.append(
            {
                "key": task.key,
                "title": task.task.title,
                "ids": ids,
                "scores": [round(task.samples[name], 4) for name in ids],
                **_notes(task, places),
                "texts": _texts(task, files, places, texts_bytes // len(tasks)),
                "cards": {
                    str(places[card.id]): anchor for anchor, card in cards.get(task.key, ()) if card.id in places
                },
            }
        )
    return {"tasks": found, "left_out": left_out}


def _notes(task: TaskResult, places: Mapping[str, int]) -> dict[str, Any]:
    kinds = [group.kind for group in grouped_notes(task.notes)]
    numbers = {kind: number for number, kind in enumerate(kinds)}
    found: dict[str, dict[int, None]] = {}
    for note in task.notes:
        if note.sample_id in places:
            number = numbers.get(kind_of(note), len(kinds) - 1)
            found.setdefault(str(places[note.sample_id]), {})[number] = None
    return {"kinds": kinds, "notes": {place: list(numbers) for place, numbers in found.items()}}


def _texts(task: TaskResult, files: ReportFiles, places: Mapping[str, int], room: int) -> dict[str, list[list[str]]]:
    found = {}
    for name in sorted(places, key=lambda name: task.samples[name]):
        entries = (files.questions.entries.get(name), files.answers.entries.get(name), files.truths.entries.get(name))
        texts = [[] if entry is None else [_cut(text) for text in entry.texts[:TEXTS]] for entry in entries]
        room -= SIDES_BYTES + sum(_bytes(text) for side in texts for text in side)
        if room < 0:
            break
        found[str(places[name])] = texts
    return found


def _bytes(text: str) -> int:
    """Return the room that a text takes in the page, with the escapes that keep it text."""
    if text.isascii() and text.isalnum():  # as most ids are: nothing to escape
        return len(text) + 2
    signs = sum(map(text.count, HTML_SIGNS))
    return len(encode_basestring(text).encode("utf-8", errors="replace")) + signs * (ESCAPE_BYTES - 1)


def as_json(value: object) -> Markup:
    """Return a value as JSON that may stand inside of a script element."""
    return htmlsafe_json_dumps(value, dumps=partial(json.dumps, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_CHARACTERS else f"{text[:TEXT_CHARACTERS]}…"
