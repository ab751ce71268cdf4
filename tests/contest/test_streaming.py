"""Reading contest files one sample at a time: the same samples and complaints as reading them whole, in flat memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import contest.json_stream
import contest.streaming
from contest.errors import Code, ContestFileError
from contest.items import Item, Sample
from contest.reading import read_ground_truth, read_input
from contest.streaming import stream_ground_truth, stream_input

TEXTS = st.text(max_size=12)
ITEMS = st.fixed_dictionaries({"type": st.sampled_from(["text", "image"]), "content": TEXTS})
REFERENCES = st.fixed_dictionaries({"type": st.just("text"), "content": st.one_of(TEXTS, st.lists(TEXTS, max_size=2))})
DOCUMENTS = st.dictionaries(TEXTS, st.one_of(st.lists(ITEMS, max_size=3), st.lists(REFERENCES, max_size=2), REFERENCES))
LAYOUTS = st.sampled_from([{}, {"indent": 1}, {"ensure_ascii": False}, {"separators": (",", ":")}])


def outcome(read, path: Path) -> object:
    """What a reader returns, or the errors it raises; of several that break it off either may meet one first."""
    try:
        return list(read(path))
    except ContestFileError as errors:
        fatal = {Code.NOT_JSON, Code.NESTED_TOO_DEEPLY, Code.NOT_AN_OBJECT, Code.NOT_UTF8}
        if any(error.code in fatal for error in errors.errors):
            return "broken"
        return sorted((error.code.name, error.message, error.sample_id or "", error.item) for error in errors.errors)


def same_in_both(path: Path) -> None:
    assert outcome(stream_input, path) == outcome(lambda p: read_input(p).values(), path)
    assert outcome(stream_ground_truth, path) == outcome(lambda p: read_ground_truth(p).values(), path)


@given(document=DOCUMENTS, layout=LAYOUTS, chunk=st.integers(1, 40))
def test_the_same_as_reading_whole(
    document: object, layout: dict, chunk: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "document.json"
    path.write_text(json.dumps(document, **layout), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contest.json_stream, "CHUNK_BYTES", chunk)
        same_in_both(path)


@given(document=DOCUMENTS, chunk=st.integers(1, 40), data=st.data())
def test_the_same_for_damaged_files(
    document: object, chunk: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sound = json.dumps(document, ensure_ascii=False).encode()
    start = data.draw(st.integers(0, len(sound)))
    length = data.draw(st.integers(0, 4))
    put = data.draw(st.sampled_from([b"", b"\xff", b"{", b"}", b"]", b'"', b",", b"NaN", b"1", b"\\", b"\n", b"\0"]))
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    path.write_bytes(sound[:start] + put + sound[start + length :])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contest.json_stream, "CHUNK_BYTES", chunk)
        same_in_both(path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "[NOT_JSON] {file}: Expecting value: line 1 column 1 (char 0)"),
        (b"[1, 2]", "[NOT_AN_OBJECT] {file}: the top level is a list of 2"),
        (b"12 ", "[NOT_AN_OBJECT] {file}: the top level is the number 12"),
        (b'{"a": [', "[NOT_JSON] {file}: Expecting value: line 1 column 8 (char 7)"),
        (b'{"a": []\n "b": []}', "[NOT_JSON] {file}: Expecting ',' delimiter: line 2 column 2 (char 10)"),
        (b'{"a" []}', "[NOT_JSON] {file}: Expecting ':' delimiter: line 1 column 6 (char 5)"),
        (b'{"a": []} {', "[NOT_JSON] {file}: Extra data: line 1 column 11 (char 10)"),
        (b"{1: []}", "[NOT_JSON] {file}: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b'{"a": [\xd0]}', "[NOT_UTF8] {file}: byte 7 is not UTF-8"),
        (b'{"a": NaN}', "[NOT_FINITE] {file}, sample 'a': NaN stands in the file"),
        (b'{"a": [], "a": []}', "[DUPLICATE_ID] {file}, sample 'a': the id stands more than once"),
        (b'{"a": ' + b"[" * 100_000, "[NESTED_TOO_DEEPLY] {file}: the JSON is nested too deeply"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_what_is_wrong_and_where(
    content: bytes, complaint: str, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contest.json_stream, "CHUNK_BYTES", chunk)
    path = tmp_path / "input.json"
    path.write_bytes(content)
    with pytest.raises(ContestFileError) as caught:
        list(stream_input(path))
    assert complaint.format(file=path) in str(caught.value)


@pytest.mark.parametrize("path", ["nowhere.json", ".", "a\0b"])
def test_files_that_can_not_be_read(path: str, tmp_path: Path) -> None:
    assert outcome(stream_input, tmp_path / path) == outcome(lambda p: read_input(p).values(), tmp_path / path)


def test_sound_samples_come_before_the_errors(tmp_path: Path) -> None:
    path = tmp_path / "input.json"
    path.write_text(
        '\ufeff{"a": [{"type": "text", "content": "да"}], "b": 3, "c": [{"type": "text", "content": "нет"}]}'
    )
    stream = stream_input(path)
    assert next(stream) == Sample("a", (Item("text", "да"),))
    assert next(stream) == Sample("c", (Item("text", "нет"),))
    with pytest.raises(ContestFileError, match="sample 'b': the sample is the number 3"):
        next(stream)


def test_repeated_ids_are_found_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contest.streaming, "SORTED_AT_ONCE", 10)
    path = tmp_path / "input.json"
    sample = '[{"type": "text", "content": "?"}]'
    path.write_text("{" + ",".join(f'"{i % 70}": {sample}' for i in range(100)) + "}")
    with pytest.raises(ContestFileError) as caught:
        list(stream_input(path))
    assert [error.sample_id for error in caught.value.errors] == [str(i) for i in range(30)]


def test_a_file_of_errors_alone_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "input.json"
    path.write_text(json.dumps({str(i): 3 for i in range(5000)}))
    with pytest.raises(ContestFileError) as caught:
        list(stream_input(path))
    assert len(caught.value.errors) == contest.streaming.MAX_ERRORS + 1


PEAK = """
import sys
from contest.streaming import stream_input
count = sum(1 for _ in stream_input(sys.argv[1]))
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(count, status["VmHWM"].split()[0])
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    text = json.dumps([{"type": "text", "content": "слово " * 200}], ensure_ascii=False)
    peaks = {}
    for count in (100, 20_000):  # 0.2 MB and 44 MB
        path = tmp_path / f"{count}.json"
        path.write_text("{" + ",".join(f'"{i}": {text}' for i in range(count)) + "}", encoding="utf-8")
        run = subprocess.run([sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True)
        found, peaks[count] = map(int, run.stdout.split())
        assert found == count
    assert peaks[20_000] - peaks[100] < 16 * 1024  # KiB
