"""Samples that stay in their file are those that are read from it as a whole, with the same complaints."""

import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

import contest.stored_samples as stored_samples_module
from contest.errors import ContestFileError
from contest.items import Item, Sample
from contest.reading import read_input_lenient
from contest.stored_samples import InputChangedError, StoredSample, stored_input

TEXT = '{"type": "text", "content": "Что это?"}'
IMAGE = '{"type": "image", "content": "images/a.png"}'
LONG = json.dumps({"type": "text", "content": 'слово \\ "и" 🙂\n' * 50_000}, ensure_ascii=False)  # several windows


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("{}", 0),
        (f'{{"0": [{TEXT}, {IMAGE}], "1": [{TEXT}]}}', 2),
        (f'\ufeff {{\n "я": [{TEXT}] ,\r\n\t"1":\n[ {IMAGE} , {TEXT} ] }}\n', 2),  # a mark, and white space
        (f'{{"0": [{LONG}], "1": [{TEXT}], "2": [{LONG}, {IMAGE}], "3": [{TEXT}]}}', 4),
        ('{"\\u044f": [{"type": "text", "content": "\\ud83d\\ude00\\u0430"}]}', 1),
        (f'{{"0": [{TEXT}], "1": [], "2": 3, "a/b": [{TEXT}], "3": [{{"type": "text"}}], "4": [{IMAGE}]}}', 2),
        (f'{{"0": [{TEXT}], "1": [{IMAGE}], "0": [{IMAGE}]}}', 2),  # the last one counts
        (f'{{"0": [{TEXT}], "1": [{IMAGE}], "0": []}}', 1),
        ('{"0": [{"type": "text", "content": "a", "content": "b"}]}', 0),
        ('{"0": [{"type": "text", "content": "a", "more": [[[NaN]]]}], "1": [{"type": "text", "content": "a"}]}', 1),
    ],
)
def test_the_same_samples_and_errors(tmp_path: Path, text: str, stored: int) -> None:
    path = tmp_path / "input.json"
    path.write_text(text, encoding="utf-8")
    whole = read_input_lenient(path)
    with stored_input(path) as found:
        assert list(found.valid) == list(whole.valid)
        assert [str(error) for error in found.errors] == [str(error) for error in whole.errors]
        assert sum(isinstance(sample, StoredSample) for sample in found.valid.values()) == stored
        for sample_id, sample in found.valid.items():
            before = whole.valid[sample_id]
            assert (sample.id, sample.items, sample.has_image) == (before.id, before.items, before.has_image)
            assert (sample.texts, sample.images) == (before.texts, before.images)
            assert sample == before == sample
            assert hash(sample) == hash(before)


@pytest.mark.parametrize("text", ["", "[]", '{"0": [', '{"0": [{"type": "text", "content": "a"}], "1": 3, ', None])
def test_no_json_is_told_as_ever(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "input.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ContestFileError) as whole:
        read_input_lenient(path)
    with pytest.raises(ContestFileError) as found, stored_input(path):
        pass
    assert str(found.value) == str(whole.value)


@pytest.mark.parametrize("more", ["", ', "wrong": 3'])
def test_no_items_are_held(tmp_path: Path, more: str) -> None:
    path = tmp_path / "input.json"
    samples = ", ".join(f'"{number}": [{LONG}]' for number in range(3))
    path.write_text(f"{{{samples}{more}}}", encoding="utf-8")
    tracemalloc.start()
    try:
        with stored_input(path) as found:
            held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(found.valid), len(found.errors)) == (3, 1 if more else 0)
    assert held < 100_000 < len(LONG) < most


def test_a_pipe_gives_its_bytes_once() -> None:
    reading, writing = os.pipe()
    os.write(writing, f'{{"0": [{TEXT}], "1": 3}}'.encode())
    os.close(writing)
    try:
        with stored_input(f"/dev/fd/{reading}") as found:
            assert list(found.valid.values()) == [Sample("0", (Item("text", "Что это?"),))]
            assert [error.sample_id for error in found.errors] == ["1"]
    finally:
        os.close(reading)


@pytest.mark.parametrize(
    ("later", "replaced"),
    [(f'{{\n"2": [{IMAGE}],\n"0": [{TEXT}]}}', True), (f'{{ "0":[{TEXT}]}}', False)],  # by one of the same length
)
def test_a_file_that_changes_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: str, replaced: bool
) -> None:
    path, parse = tmp_path / "input.json", stored_samples_module.parse_sample
    path.write_text(f'{{"0": [{TEXT}]}}', encoding="utf-8")
    os.utime(path, (1, 1))

    def parse_late(*given: Any, **options: Any) -> Any:
        changed = tmp_path / "new" if replaced else path
        changed.write_text(later, encoding="utf-8")
        changed.replace(path)
        return parse(*given, **options)

    monkeypatch.setattr(stored_samples_module, "parse_sample", parse_late)
    with stored_input(path) as found:
        assert {key: sample.items for key, sample in found.valid.items()} == {
            key: sample.items for key, sample in read_input_lenient(path).valid.items()
        }
        assert not any(isinstance(sample, StoredSample) for sample in found.valid.values())


def test_a_file_that_is_replaced_or_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "input.json"
    path.write_text(f'{{"0": [{TEXT}], "1": [{IMAGE}]}}', encoding="utf-8")
    items = (Item("text", "Что это?"),)
    with stored_input(path) as found:
        path.rename(tmp_path / "other.json")
        path.write_text("{}", encoding="utf-8")
        assert found.valid["0"] == Sample("0", items)  # what was opened is still there
        (tmp_path / "other.json").write_text(f'{{"0": [{TEXT}], "1": [{IMAGE.upper()}]}}', encoding="utf-8")
        assert found.valid["0"].items == items
        with pytest.raises(InputChangedError, match="'1' was changed since it was read; put the file back"):
            _ = found.valid["1"].items
        (tmp_path / "other.json").write_bytes(b"")
        assert found.valid["1"].has_image
        with pytest.raises(InputChangedError):
            _ = found.valid["0"].texts
