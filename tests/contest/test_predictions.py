"""Predictions of a stranger: what is kept of them is bounded, and what is valid is all there."""

import json
import tracemalloc
from pathlib import Path

import pytest

from contest import limits, predictions
from contest.errors import Code, ContestFileError
from contest.items import Item, Sample
from contest.predictions import read_answers

TEXT = '{"type": "text", "content": "да"}'
ANSWER = (Item("text", "да"),)


def written(folder: Path, text: str) -> Path:
    path = folder / "predictions.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_answers_to_what_was_asked_are_kept_and_others_counted(tmp_path: Path) -> None:
    entries = ",".join(f'"{number}": [{TEXT}]' for number in range(20))
    found = read_answers(written(tmp_path, f'{{{entries}, "x": [NaN], "odd": 7}}'), ("3", "odd", "17", "missing"))
    assert found.valid == {"3": Sample("3", ANSWER), "17": Sample("17", ANSWER)}
    assert found.invalid == {"odd": 7}
    assert [(error.code, error.sample_id) for error in found.errors] == [(Code.SAMPLE_NOT_A_LIST, "odd")]
    assert (found.surplus, found.first_surplus) == (19, ("0", "1", "2", "4", "5"))


@pytest.mark.parametrize(
    ("first", "last", "valid", "invalid"),
    [
        ("[]", f"[{TEXT}]", {"a": Sample("a", ANSWER)}, {}),
        ("7", f"[{TEXT}]", {"a": Sample("a", ANSWER)}, {}),
        (f"[{TEXT}]", "7", {}, {"a": 7}),
    ],
)
def test_the_last_of_an_id_counts(first: str, last: str, valid: object, invalid: object, tmp_path: Path) -> None:
    found = read_answers(written(tmp_path, f'{{"a": {first}, "a": {last}, "a": {last}}}'), {"a"})
    assert (found.valid, found.invalid, found.repeated) == (valid, invalid, ("a",))
    assert sum(error.code is Code.DUPLICATE_ID for error in found.errors) == 1


def test_a_sample_with_a_great_many_items_is_read_in_part(tmp_path: Path) -> None:
    found = read_answers(written(tmp_path, f'{{"a": [{",".join([TEXT] * 101)}]}}'), {"a"})
    assert found.valid == {}
    assert len(found.invalid["a"]) == limits.MAX_ITEMS
    assert [(error.code, error.message) for error in found.errors] == [
        (Code.ITEMS_TOO_MANY, "the sample has 101 items; 100 are read")
    ]
    assert read_answers(written(tmp_path, f'{{"a": [{",".join([TEXT] * 100)}]}}'), {"a"}).errors == ()


def test_of_a_sample_s_errors_a_few_are_kept_and_the_others_counted(tmp_path: Path) -> None:
    found = read_answers(written(tmp_path, '{"a": [0, 0, 0, 0, 0, 0, 0, 0], "b": [0]}'), {"a", "b"})
    assert [(error.sample_id, error.item, error.message) for error in found.errors] == [
        *(("a", item, "the item is the number 0") for item in range(4)),
        ("a", None, "and 4 more errors"),
        ("b", 0, "the item is the number 0"),
    ]


HOSTILE = {
    "one sample of numbers": '{"1": [' + "0, " * 400_000 + "0]}",
    "one sample of empty lists": '{"1": [' + "[], " * 300_000 + "[]]}",
    "samples of bad items": "{" + ", ".join(f'"{i}": [{"0, " * 4_000}0]' for i in range(100)) + "}",
    "samples of valid items": "{" + ", ".join(f'"{i}": [{", ".join([TEXT] * 500)}]' for i in range(100)) + "}",
    "samples nobody asked for": "{" + ", ".join(f'"{i}": 0' for i in range(100, 40_000)) + "}",
    "one long text": '{"1": [{"type": "text", "content": "' + "x" * 3_000_000 + '"}]}',
    "one long id": '{"' + "x" * 3_000_000 + '": 0}',
    "white space": '{"1": ' + " " * 3_000_000 + "0}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_memory_is_bounded(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, HOSTILE[name])
    asked = {str(number) for number in range(100)}
    tracemalloc.start()
    try:
        found = read_answers(path, asked)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60_000_000
    assert kept < 8_000_000
    assert len(found.errors) <= 5 * len(asked)
    assert all(len(str(error)) < 1000 for error in found.errors)


DISHONEST = [
    ('{"a": [' + "0," * 11_000_000 + "0]}", Code.ENTRY_TOO_LARGE),
    ('["' + "x" * 21_000_000, Code.ENTRY_TOO_LARGE),
    ("{" + ", ".join(f'"{number}": 0' for number in range(100_001)) + "}", Code.ENTRIES_TOO_MANY),
]


@pytest.mark.parametrize(("text", "code"), DISHONEST, ids=["an entry", "no object", "entries"])
def test_what_no_honest_file_has_is_refused(text: str, code: Code, tmp_path: Path) -> None:
    with pytest.raises(ContestFileError) as raised:
        read_answers(written(tmp_path, text), {"a"})
    assert [error.code for error in raised.value.errors] == [code]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": ' + "7" * 5000 + "}", "a number has more digits than are read: line 1 column 7 (char 6)"),
        ('{"a": [', "Expecting value: line 1 column 8 (char 7)"),
    ],
)
def test_what_is_no_json(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ContestFileError) as raised:
        read_answers(written(tmp_path, text), {"a"})
    assert [error.message for error in raised.value.errors] == [message]
    assert predictions.SURPLUS_NAMED == 5


def test_nothing_else_is_lost(tmp_path: Path) -> None:
    content = {str(number): [{"type": "image", "content": f"images/image_{number}.jpg"}] for number in range(3000)}
    found = read_answers(written(tmp_path, json.dumps(content)), content)
    assert list(found.valid) == list(content)
    assert (found.errors, found.invalid, found.repeated, found.surplus) == ((), {}, (), 0)
