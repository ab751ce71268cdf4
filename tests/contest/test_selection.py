"""Selections are to their users the lists that they stand for, and ids are found by their hashes."""

import random

import pytest

from contest import id_index
from contest.id_index import ABSENT, IdIndex
from contest.selection import Selection, merged, where

LETTERS = list("abcdefgh")


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection.of(LETTERS), LETTERS),
        (Selection.of(LETTERS)[2:5], ["c", "d", "e"]),
        (Selection.of(LETTERS, (6, 0)), ["g", "a"]),
        (Selection.of(Selection.of(LETTERS, (6, 0, 3)), (2, 1)), ["d", "a"]),
        (Selection.of(LETTERS, ()), []),
        (where(LETTERS, lambda letter: letter in "bfh"), ["b", "f", "h"]),
        (where(Selection.of(LETTERS)[::-1], lambda letter: letter > "e"), ["h", "g", "f"]),
        (Selection.of(LETTERS)[:3].that([True, False, True]), ["a", "c"]),
        (merged(Selection.of(LETTERS)[5:], Selection.of(LETTERS, (1, 6, 0))), ["f", "g", "h", "b", "a"]),
        (merged(Selection.of(LETTERS, ())), []),
    ],
)
def test_a_selection_is_a_list(selection: Selection[str], expected: list[str]) -> None:
    assert list(selection) == [selection[number] for number in range(len(selection))] == expected == selection
    assert (len(selection), bool(selection), list(selection[1:])) == (len(expected), bool(expected), expected[1:])
    assert selection != [*expected, "z"]
    with pytest.raises(IndexError):
        _ = selection[len(expected)]


def test_entries_are_asked_for_each_time() -> None:
    letters = LETTERS[:]
    selection = where(letters, lambda letter: letter in "bf")
    letters[1] = "new"
    assert list(selection) == ["new", "f"]


@pytest.mark.parametrize("bits", [0, 7, id_index._HASH])  # kept of a hash: with none all ids are compared
def test_ids_are_found_whatever_their_hashes(monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    monkeypatch.setattr(id_index, "_HASH", bits)
    ids = [f"{number}" for number in range(60)]
    random.Random(0).shuffle(ids)
    index = IdIndex(ids)
    assert [index.row(sample_id) for sample_id in ids] == list(range(60))
    assert {index.row(other) for other in ("60", "", None, 5, "\ud800")} == {ABSENT}
    assert not index.has_repeated()
    assert IdIndex([*ids, "17"]).has_repeated()
    assert (IdIndex([]).row("0"), IdIndex([]).has_repeated(), len(index)) == (ABSENT, False, 60)
