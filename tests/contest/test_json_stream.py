"""The JSON reader takes values one after the other, whatever its window cuts, and names the place of a fault."""

import io
import json

import pytest

from contest import json_stream
from contest.json_stream import JSONPlace, JSONReader, NestedTooDeeplyError, NotJSONError, ValueTooLongError

WINDOWS = pytest.mark.parametrize("window", [1, 2, 3, 1 << 20])


def reader_of(document: str, longest: int | None = None) -> JSONReader:
    return JSONReader(io.BytesIO(document.encode()), longest=longest)


@WINDOWS
@pytest.mark.parametrize(
    "value",
    [0, -12, 1.5e300, 1e-9, True, None, "", 'да\n"\\😀', [], {}, [[1, 2.5e10]], {"а": {"b": [3]}}, float("inf")],
)
@pytest.mark.parametrize("is_escaped", [False, True])
def test_values_come_one_after_the_other(
    value: object, is_escaped: bool, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "CHUNK_BYTES", window)
    text = json.dumps(value, ensure_ascii=is_escaped)
    reader = reader_of(f"\ufeff {{ {json.dumps('ключ')} : [{text},\n{text} ] }} ")
    assert reader.peek() == "{"
    for key in reader.member_names():
        assert key == "ключ"
        for index in reader.element_indices():
            place = reader.place()
            assert (place.line, reader.value()) == (index + 1, value)
            assert reader.not_finite == (["Infinity"] if value == float("inf") else [])
    reader.require_end()


@WINDOWS
@pytest.mark.parametrize(
    ("text", "problem", "place"),
    [
        ("", "Expecting value", (1, 1, 0)),
        ("[1 2]", "Expecting ',' delimiter", (1, 4, 3)),
        ("[1,\n  2", "Expecting ',' delimiter", (2, 4, 7)),
        ("[1, ]", "Expecting value", (1, 5, 4)),
        ('["дом\n', "Invalid control character at", (1, 6, 5)),
        ('[\n\n "cut', "Unterminated string starting at", (3, 2, 4)),
        ("[1] x", "Extra data", (1, 5, 4)),
        (f"[{'9' * 5000}]", "a number has more digits than are read", (1, 2, 1)),
    ],
)
def test_a_fault_has_its_place(
    text: str, problem: str, place: tuple[int, int, int], window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> None:
        reader = reader_of(text)
        if reader.peek() == "[":
            for _ in reader.element_indices():
                reader.value()
            reader.require_end()
        else:
            reader.value()

    monkeypatch.setattr(json_stream, "CHUNK_BYTES", window)
    with pytest.raises(NotJSONError) as caught:
        read()
    assert (caught.value.problem, caught.value.place) == (problem, JSONPlace(*place))
    assert str(caught.value) == "{}: line {} column {} (char {})".format(problem, *place)


@WINDOWS
def test_a_value_that_is_too_long_is_not_read_to_its_end(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "CHUNK_BYTES", window)
    assert reader_of('"12345678"', longest=10).value() == "12345678"
    stream = io.BytesIO(b'"' + b"1" * 1000 + b'"')
    with pytest.raises(ValueTooLongError, match="more than 10 characters"):
        JSONReader(stream, longest=10).value()
    assert stream.tell() <= max(20, window)


def test_nesting_without_end_is_a_fault_of_its_own() -> None:
    with pytest.raises(NestedTooDeeplyError) as caught:
        reader_of(" " + "[" * 100_000).value()
    assert caught.value.place == JSONPlace(1, 2, 1)


@WINDOWS
def test_what_is_not_utf_8_has_its_byte(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "CHUNK_BYTES", window)
    with pytest.raises(UnicodeDecodeError) as caught:
        JSONReader(io.BytesIO('\ufeff"да'.encode() + b'\xff"')).value()
    assert caught.value.start == 8
