"""Groups a task's notes by their kind, so that a page shows each kind once, with its count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evaluation.metrics.cases import Note
from evaluation.metrics.defects import DEFECTS

NOTES_NAMED = 5  # of one kind; the rest are counted
KINDS = 20  # of one task; the rest are counted together
KIND_CHARACTERS = 120
OTHER_KINDS = "of other kinds"


@dataclass(frozen=True, slots=True)
class NoteGroup:
    """Notes of one kind: how many there are, and the first of them."""

    kind: str
    count: int
    first: tuple[Note, ...]


def kind_of(note: Note) -> str:
    """Return what notes of one kind have in common: the difference that struck, or their words up to a colon.

    >>> kind_of(Note("7", None, "the answer is unsound, scored 0: item 1 is null"))
    'the answer is unsound, scored 0'
    >>> kind_of(Note("7", 2, "the answer has no items"))[:35]
    'difference 2 between code and rules'
    """
    if note.defect is not None:
        return f"difference {note.defect} between code and rules ({DEFECTS[note.defect]})"
    kind = note.message.partition(": ")[0]
    return kind if len(kind) <= KIND_CHARACTERS else f"{kind[:KIND_CHARACTERS]}…"


def grouped_notes(notes: Iterable[Note]) -> tuple[NoteGroup, ...]:
    """Return the notes by kind, the most frequent kind first; what is beyond KINDS kinds makes a last group."""
    groups: dict[str, list[Note]] = {}
    for note in notes:
        groups.setdefault(kind_of(note), []).append(note)
    ordered = sorted(groups.items(), key=lambda pair: -len(pair[1]))
    named = [NoteGroup(kind, len(found), tuple(found[:NOTES_NAMED])) for kind, found in ordered[:KINDS]]
    rest = [note for _, found in ordered[KINDS:] for note in found]
    if rest:
        named.append(NoteGroup(OTHER_KINDS, len(rest), tuple(rest[:NOTES_NAMED])))
    return tuple(named)
