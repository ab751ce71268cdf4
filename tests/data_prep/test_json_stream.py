"""The JSON stream gives what json.load gives, for any size of its window, and names the place of a fault."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contest import json_stream
from data_prep.json_stream import elements
from data_prep.records import SourceError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.lists(VALUES, max_size=6) | st.dictionaries(TEXTS, VALUES, max_size=4)


def taken_apart(document):
    """The elements that a document has, by definition."""
    if isinstance(document, list):
        return [("", str(index), value) for index, value in enumerate(document)]
    parts = []
    for section, value in document.items():
        if isinstance(value, list):
            parts += [(section, str(index), inner) for index, inner in enumerate(value)]
        elif isinstance(value, dict):
            parts += [(section, name, inner) for name, inner in value.items()]
        else:
            parts.append((section, "", value))
    return parts


@given(DOCUMENTS, st.sampled_from([None, 1, "\t"]), st.booleans(), st.sampled_from([1, 2, 7, 1000]))
def test_document_comes_element_by_element(tmp_path_factory, document, indent, ascii_only, window):
    file = tmp_path_factory.mktemp("json") / "d.json"
    file.write_text(json.dumps(document, indent=indent, ensure_ascii=ascii_only), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "CHUNK_BYTES", window)
        assert [tuple(element) for element in elements(file)] == taken_apart(document)


def test_byte_order_mark_is_no_part_of_the_document(tmp_path):
    file = tmp_path / "d.json"
    file.write_bytes(b"\xef\xbb\xbf[1]")
    assert [element.value for element in elements(file)] == [1]


def test_elements_before_the_fault_are_handed_over(tmp_path):
    file = tmp_path / "d.json"
    file.write_text('{"a": [1,\n 2,\n  oops]}', "utf-8")
    stream = elements(file)
    assert [next(stream).value, next(stream).value] == [1, 2]
    with pytest.raises(SourceError, match=r"d\.json, line 3, character 3: not JSON from here on"):
        next(stream)


FAULTS = [
    ("", "line 1, character 1"),
    ("[", "line 1, character 2"),
    ("[1,", "line 1, character 4"),
    ('{"a" 1}', "line 1, character 6"),
    ("{1: 2}", "line 1, character 2"),
    ("[1] 2", "line 1, character 5"),
    ("[NaN]", "line 1, character 2"),
    ('["a\nb"]', "line 1, character 4"),
    ('[\n\n  "cut', "line 3, character 3"),
    ("[" * 100_000, "line 1, character 2"),
]


@pytest.mark.parametrize(
    ("text", "place", "window"),
    [(text, place, window) for text, place in FAULTS for window in (1, 1 << 20) if len(text) < 100 or window > 1],
)
def test_fault_has_a_place(tmp_path, monkeypatch, text, place, window):
    monkeypatch.setattr(json_stream, "CHUNK_BYTES", window)
    file = tmp_path / "d.json"
    file.write_text(text, "utf-8")
    with pytest.raises(SourceError, match=place):
        list(elements(file))


def test_list_inside_objects_is_streamed_too(tmp_path):
    document = {
        "version": 1,
        "data": [
            {"title": "a", "paragraphs": [1, {"x": 2}]},
            {"paragraphs": []},
            {"id": 5},
            {"paragraphs": {"y": 1}},
            7,
        ],
    }
    file = tmp_path / "d.json"
    file.write_text(json.dumps(document), "utf-8")
    assert [(element.place, element.value) for element in elements(file, inside="paragraphs")] == [
        ("version[]", 1),
        ("data[0].paragraphs[0]", 1),
        ("data[0].paragraphs[1]", {"x": 2}),
        ("data[2]", {"id": 5}),
        ("data[3]", {"paragraphs": {"y": 1}}),
        ("data[4]", 7),
    ]


@pytest.mark.parametrize("document", [[["x" * 50] for _ in range(1000)], [{"paragraphs": [["x" * 50]] * 1000}]])
def test_memory_holds_one_element_not_the_document(tmp_path, monkeypatch, document):
    monkeypatch.setattr(json_stream, "CHUNK_BYTES", 100)
    file = tmp_path / "d.json"
    file.write_text(json.dumps(document), "utf-8")
    windows = []
    read_on = json_stream.JSONReader._read_on
    monkeypatch.setattr(
        json_stream.JSONReader, "_read_on", lambda reader: (read_on(reader), windows.append(len(reader.text)))[0]
    )
    assert sum(1 for _ in elements(file, "paragraphs")) == 1000
    longest = max(windows)
    assert longest < 300
