"""What the readers of contest files accept, and what they say of the rest."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contest.errors import Code, ContestFileError
from contest.ground_truth import GroundTruth, References
from contest.items import Item, Sample
from contest.reading import (
    read_ground_truth,
    read_ids,
    read_input,
    read_input_lenient,
    read_predictions,
    read_predictions_lenient,
)
from contest.writing import ground_truth_to_json, ids_to_json, samples_to_json, write_json

Reader = Callable[[Path], Any]
Place = tuple[Code, str | None, int | None]
READERS: tuple[Reader, ...] = (read_input, read_predictions, read_ground_truth, read_ids)

TEXT = '{"type": "text", "content": "кот"}'
IMAGE = '{"type": "image", "content": "images/1.jpg"}'

# (bytes of the file, code): a file with no sound part, for every reader alike.
BAD_FILES: tuple[tuple[bytes, Code], ...] = (
    (b"", Code.NOT_JSON),
    (b"{", Code.NOT_JSON),
    (b'{"0": []} {}', Code.NOT_JSON),
    (b'{"0": ' + b"1" * 5000 + b"}", Code.NOT_JSON),
    ("{}".encode("utf-16-le"), Code.NOT_JSON),
    ("{}".encode("utf-16"), Code.NOT_UTF8),
    ('{"0": "кот"}'.encode("cp1251"), Code.NOT_UTF8),
    (b"[" * 200_000, Code.NESTED_TOO_DEEPLY),
    (b'{"0":' * 200_000, Code.NESTED_TOO_DEEPLY),
    (b"[]", Code.NOT_AN_OBJECT),
    (b"null", Code.NOT_AN_OBJECT),
    (b'"text"', Code.NOT_AN_OBJECT),
    (b"0", Code.NOT_AN_OBJECT),
    (b"NaN", Code.NOT_FINITE),
)

# (reader, text of the file, every error's code, sample id and item).
BAD_ENTRIES: tuple[tuple[Reader, str, list[Place]], ...] = (
    (read_input, '{"7": {}}', [(Code.SAMPLE_NOT_A_LIST, "7", None)]),
    (read_input, '{"7": null}', [(Code.SAMPLE_NOT_A_LIST, "7", None)]),
    (read_input, f'{{"7": {TEXT}}}', [(Code.SAMPLE_NOT_A_LIST, "7", None)]),
    (read_input, '{"7": []}', [(Code.SAMPLE_EMPTY, "7", None)]),
    (read_input, f'{{"7": [{TEXT}, "кот"]}}', [(Code.ITEM_NOT_AN_OBJECT, "7", 1)]),
    (read_input, f'{{"7": [{TEXT}, [{TEXT}]]}}', [(Code.ITEM_NOT_AN_OBJECT, "7", 1)]),
    (read_input, '{"7": [{}]}', [(Code.ITEM_KEY_MISSING, "7", 0), (Code.ITEM_KEY_MISSING, "7", 0)]),
    (read_input, '{"7": [{"type": "text"}]}', [(Code.ITEM_KEY_MISSING, "7", 0)]),
    (read_input, '{"7": [{"content": "кот"}]}', [(Code.ITEM_KEY_MISSING, "7", 0)]),
    (read_input, '{"7": [{"type": "audio", "content": "кот"}]}', [(Code.ITEM_TYPE_UNKNOWN, "7", 0)]),
    (read_input, '{"7": [{"type": "Text", "content": "кот"}]}', [(Code.ITEM_TYPE_UNKNOWN, "7", 0)]),
    (read_input, '{"7": [{"type": ["text"], "content": "кот"}]}', [(Code.ITEM_TYPE_UNKNOWN, "7", 0)]),
    (read_input, '{"7": [{"type": null, "content": "кот"}]}', [(Code.ITEM_TYPE_UNKNOWN, "7", 0)]),
    (read_input, '{"7": [{"type": "text", "content": null}]}', [(Code.CONTENT_NOT_A_STRING, "7", 0)]),
    (read_input, '{"7": [{"type": "text", "content": 5}]}', [(Code.CONTENT_NOT_A_STRING, "7", 0)]),
    (read_input, f'{{"7": [{{"type": "text", "content": {"9" * 4000}}}]}}', [(Code.CONTENT_NOT_A_STRING, "7", 0)]),
    (read_input, '{"7": [{"type": "text", "content": ["кот"]}]}', [(Code.CONTENT_NOT_A_STRING, "7", 0)]),
    (
        read_input,
        '{"7": [{"type": "text", "content": NaN}]}',
        [(Code.NOT_FINITE, "7", None), (Code.CONTENT_NOT_A_STRING, "7", 0)],
    ),
    (
        read_input,
        f'{{"7": [{TEXT}, {{"type": "text", "content": "к", "score": -Infinity}}]}}',
        [(Code.NOT_FINITE, "7", None)],
    ),
    (
        read_input,
        f'{{"7": [{TEXT}], "8": NaN, "9": {{"a": [[Infinity]]}}, "9": [{TEXT}]}}',
        [
            (Code.NOT_FINITE, "8", None),
            (Code.NOT_FINITE, "9", None),
            (Code.DUPLICATE_ID, "9", None),
            (Code.SAMPLE_NOT_A_LIST, "8", None),
        ],
    ),
    (read_input, '{"7": [NaN], "8"', [(Code.NOT_FINITE, "7", None), (Code.NOT_JSON, None, None)]),
    (read_input, '{"7": [{"type": "text", "content": "\\ud800"}]}', [(Code.CONTENT_NOT_UNICODE, "7", 0)]),
    (
        read_input,
        '{"7": [{"type": "text", "type": "image", "content": "кот"}]}',
        [(Code.ITEM_KEY_REPEATED, "7", 0)],
    ),
    (read_input, f'{{"7": [{TEXT}], "8": [{TEXT}], "7": [{TEXT}]}}', [(Code.DUPLICATE_ID, "7", None)]),
    (read_input, f'{{"": [{TEXT}]}}', [(Code.ID_UNUSABLE, "", None)]),
    (read_input, f'{{"../7": [{TEXT}]}}', [(Code.ID_UNUSABLE, "../7", None)]),
    (read_input, f'{{"7\\u0000": [{TEXT}]}}', [(Code.ID_UNUSABLE, "7\0", None)]),
    (read_input, f'{{"\\udfff": [{TEXT}]}}', [(Code.ID_UNUSABLE, "\udfff", None)]),
    (read_input, f'{{"{"7" * 246}": [{TEXT}]}}', [(Code.ID_UNUSABLE, "7" * 246, None)]),
    (read_input, f'{{"{"к" * 123}": [{TEXT}]}}', [(Code.ID_UNUSABLE, "к" * 123, None)]),
    (
        read_input,
        f'{{"1": [], "2": [{TEXT}], "3": [{{"type": "x", "content": ""}}, 0], "a/b": null, "1": 4}}',
        [
            (Code.DUPLICATE_ID, "1", None),
            (Code.SAMPLE_NOT_A_LIST, "1", None),
            (Code.ITEM_TYPE_UNKNOWN, "3", 0),
            (Code.ITEM_NOT_AN_OBJECT, "3", 1),
            (Code.ID_UNUSABLE, "a/b", None),
            (Code.SAMPLE_NOT_A_LIST, "a/b", None),
        ],
    ),
    (read_predictions, '{"7": "a)"}', [(Code.SAMPLE_NOT_A_LIST, "7", None)]),
    (read_predictions, f'{{"7": {TEXT}}}', [(Code.SAMPLE_NOT_A_LIST, "7", None)]),
    (read_predictions, f'{{"7": [{IMAGE}, null]}}', [(Code.ITEM_NOT_AN_OBJECT, "7", 1)]),
    (read_predictions, '{"7": [{"type": "text", "content": ["a)"]}]}', [(Code.CONTENT_NOT_A_STRING, "7", 0)]),
    (read_ground_truth, '{"7": "a)"}', [(Code.SAMPLE_NOT_A_LIST, "7", None)]),
    (read_ground_truth, '{"7": []}', [(Code.SAMPLE_EMPTY, "7", None)]),
    (read_ground_truth, '{"7": ["a)"]}', [(Code.ITEM_NOT_AN_OBJECT, "7", 0)]),
    (read_ground_truth, '{"7": {"type": "text"}}', [(Code.ITEM_KEY_MISSING, "7", 0)]),
    (read_ground_truth, '{"7": {"type": "text", "content": []}}', [(Code.REFERENCES_EMPTY, "7", 0)]),
    (read_ground_truth, '{"7": {"type": "text", "content": 3}}', [(Code.CONTENT_NOT_A_STRING, "7", 0)]),
    (
        read_ground_truth,
        '{"7": {"type": "text", "content": ["a", 1, "b", null]}}',
        [(Code.CONTENT_NOT_A_STRING, "7", 0), (Code.CONTENT_NOT_A_STRING, "7", 0)],
    ),
    (read_ids, '{"7": 12}', [(Code.TASK_UNKNOWN, "7", None)]),
    (read_ids, '{"7": -1}', [(Code.TASK_UNKNOWN, "7", None)]),
    (read_ids, '{"7": 1.0}', [(Code.TASK_UNKNOWN, "7", None)]),
    (read_ids, '{"7": true}', [(Code.TASK_UNKNOWN, "7", None)]),
    (read_ids, '{"7": "twelve"}', [(Code.TASK_UNKNOWN, "7", None)]),
    (read_ids, '{"7": "²"}', [(Code.TASK_UNKNOWN, "7", None)]),
    (read_ids, f'{{"7": "{"1" * 5000}"}}', [(Code.TASK_UNKNOWN, "7", None)]),
    (read_ids, '{"7": null}', [(Code.TASK_UNKNOWN, "7", None)]),
    (read_ids, '{"7": 1, "7": 1}', [(Code.DUPLICATE_ID, "7", None)]),
)


def codes_of_bad_paths(folder: Path) -> list[tuple[Path, Code]]:
    """Paths under a folder that no reader can read, and what each is called."""
    return [
        (folder / "missing.json", Code.FILE_MISSING),
        (folder / "missing" / "input.json", Code.FILE_MISSING),
        (folder, Code.FILE_UNREADABLE),
        (folder / "nul\0.json", Code.FILE_UNREADABLE),
        (folder / ("long" * 100), Code.FILE_UNREADABLE),
    ]


def places(caught: ContestFileError) -> list[Place]:
    return [(error.code, error.sample_id, error.item) for error in caught.errors]


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "file.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("content", "code"), BAD_FILES)
def test_a_file_without_a_sound_part(reader: Reader, content: bytes, code: Code, tmp_path: Path) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ContestFileError) as caught:
        reader(path)
    assert caught.value.errors[0].code is code
    assert {(error.file, error.sample_id, error.item) for error in caught.value.errors} == {(str(path), None, None)}


@pytest.mark.parametrize("reader", READERS)
def test_paths_that_can_not_be_read(reader: Reader, tmp_path: Path) -> None:
    for path, code in codes_of_bad_paths(tmp_path):
        with pytest.raises(ContestFileError) as caught:
            reader(path)
        assert [(error.code, error.file) for error in caught.value.errors] == [(code, str(path))]


@pytest.mark.parametrize(("reader", "text", "expected"), BAD_ENTRIES)
def test_each_error_is_named_with_its_place(reader: Reader, text: str, expected: list[Place], tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ContestFileError) as caught:
        reader(path)
    assert places(caught.value) == expected
    assert {error.file for error in caught.value.errors} == {str(path)}


def test_input_as_the_contest_writes_it(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """{"0": [{"type": "text", "content": "Определи правильный ответ по тексту."},
                  {"type": "text", "content": "Река впадает в море."}, {"type": "text", "content": "Куда?"}],
            "1": [{"type": "image", "content": "images/00001.jpg"}, {"type": "text", "content": ""}],
            "ab-2 c": [{"content": "кот", "type": "text", "language": "ru", "more": {"a": [1]}}]}""",
    )
    assert list(read_input(path).items()) == [
        ("0", Sample("0", tuple(Item("text", t) for t in ("Определи правильный ответ по тексту.",
                                                          "Река впадает в море.", "Куда?")))),
        ("1", Sample("1", (Item("image", "images/00001.jpg"), Item("text", "")))),
        ("ab-2 c", Sample("ab-2 c", (Item("text", "кот"),))),
    ]  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
def test_a_byte_order_mark_and_no_samples_are_tolerated(reader: Reader, tmp_path: Path) -> None:
    assert reader(written(tmp_path, b"\xef\xbb\xbf{}\r\n")) == {}


@pytest.mark.parametrize("sample_id", ["7" * 245, "к" * 122, ".", "..", "a\\b", " ", "\n", "007", "-1"])
def test_any_id_that_fits_a_file_name_is_an_id(sample_id: str, tmp_path: Path) -> None:
    assert list(read_ids(written(tmp_path, json.dumps({sample_id: 3})))) == [sample_id]


def test_an_answer_may_be_an_empty_list(tmp_path: Path) -> None:
    assert read_predictions(written(tmp_path, '{"7": []}')) == {"7": Sample("7", ())}


GROUND_TRUTHS = (
    ('[{"type": "text", "content": ["a", "a на"]}]', GroundTruth("7", (References("text", ("a", "a на")),))),
    ('{"type": "text", "content": ["a"]}', GroundTruth("7", (References("text", ("a",)),), is_bare_item=True)),
    ('[{"type": "text", "content": "a"}]', GroundTruth("7", (References("text", ("a",), is_bare_string=True),))),
    ('[{"type": "text", "content": ""}]', GroundTruth("7", (References("text", ("",), is_bare_string=True),))),
    (
        '{"type": "image", "content": "images/2.jpg"}',
        GroundTruth("7", (References("image", ("images/2.jpg",), is_bare_string=True),), is_bare_item=True),
    ),
    (
        '[{"type": "text", "content": ["a"]}, {"type": "image", "content": ["images/2.jpg"]}]',
        GroundTruth("7", (References("text", ("a",)), References("image", ("images/2.jpg",)))),
    ),
)


@pytest.mark.parametrize(("value", "expected"), GROUND_TRUTHS)
def test_ground_truth_in_each_of_its_forms(value: str, expected: GroundTruth, tmp_path: Path) -> None:
    assert read_ground_truth(written(tmp_path, f'{{"7": {value}}}')) == {"7": expected}


def test_ground_truth_by_type() -> None:
    truth = GroundTruth("7", (References("text", ("a", "b")), References("image", ("1.jpg",)), References("text", "c")))
    assert truth.texts == ("a", "b", "c")
    assert truth.images == ("1.jpg",)


def test_task_ids_as_numbers_or_digits(tmp_path: Path) -> None:
    assert read_ids(written(tmp_path, '{"a": 0, "b": "11", "c": "05", "d": 6}')) == {"a": 0, "b": 11, "c": 5, "d": 6}


def test_lenient_reading_keeps_the_valid_samples(tmp_path: Path) -> None:
    path = written(tmp_path, f'{{"1": [{TEXT}], "2": [{TEXT}, 0], "3": [{IMAGE}], "4": [], "1": [{IMAGE}]}}')
    answers = read_predictions_lenient(path)
    assert list(answers.valid) == ["1", "3", "4"]
    assert answers.valid["1"].images == ("images/1.jpg",)  # of a repeated id the last value stays
    assert [error.code for error in answers.errors] == [Code.DUPLICATE_ID, Code.ITEM_NOT_AN_OBJECT]
    samples = read_input_lenient(path)
    assert list(samples.valid) == ["1", "3"]
    assert [(error.code, error.sample_id) for error in samples.errors][1:] == [
        (Code.ITEM_NOT_AN_OBJECT, "2"),
        (Code.SAMPLE_EMPTY, "4"),
    ]


def test_every_error_of_a_large_file_is_kept(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps({str(number): [] for number in range(100_000)}))
    with pytest.raises(ContestFileError) as caught:
        read_input(path)
    assert len(caught.value.errors) == 100_000
    assert len(str(caught.value).splitlines()) == 22


ids = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=12
)  # fmt: skip
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
types = st.sampled_from(["text", "image"])
items = st.builds(Item, types, texts)
references = st.one_of(
    st.builds(References, types, st.lists(texts, min_size=1, max_size=3).map(tuple)),
    st.builds(References, types, st.tuples(texts), st.just(True)),
)


@settings(max_examples=50)
@given(
    samples=st.dictionaries(ids, st.lists(items, min_size=1, max_size=4).map(tuple), max_size=4),
    truths=st.dictionaries(ids, st.lists(references, min_size=1, max_size=3).map(tuple), max_size=4),
    bare=st.booleans(),
    task_ids=st.dictionaries(ids, st.integers(0, 11), max_size=4),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    samples: dict[str, tuple[Item, ...]],
    truths: dict[str, tuple[References, ...]],
    bare: bool,
    task_ids: dict[str, int],
) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.json"
    expected = {id_: Sample(id_, content) for id_, content in samples.items()}
    write_json(path, samples_to_json(expected.values()))
    assert list(read_input(path).items()) == list(expected.items())
    assert list(read_predictions(path).items()) == list(expected.items())

    expected_truths = {id_: GroundTruth(id_, some, bare and len(some) == 1) for id_, some in truths.items()}
    write_json(path, ground_truth_to_json(expected_truths.values()))
    assert list(read_ground_truth(path).items()) == list(expected_truths.items())

    write_json(path, ids_to_json(task_ids))
    assert list(read_ids(path).items()) == list(task_ids.items())
