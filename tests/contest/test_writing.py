"""Contest files are written whole or not at all."""

import errno
import json
import os
from pathlib import Path

import pytest

from contest.errors import Code, ContestError
from contest.ground_truth import GroundTruth, References
from contest.items import Item, Sample
from contest.writing import (
    ground_truth_to_json,
    ids_to_json,
    require_writable,
    require_writable_folder,
    samples_to_json,
    write_bytes,
    write_json,
)

# (value, code)
UNWRITABLE_VALUES = (
    ({"0": float("nan")}, Code.NOT_FINITE),
    ({"0": float("-inf")}, Code.NOT_FINITE),
    ({"0": "\ud800"}, Code.CONTENT_NOT_UNICODE),
)

# (path below a folder that holds the file `file` and the folder `folder`, code)
UNWRITABLE_PATHS = (
    ("missing/out.json", Code.WRITE_FAILED),
    ("file/out.json", Code.WRITE_FAILED),
    ("folder", Code.WRITE_FAILED),
    ("nul\0.json", Code.WRITE_FAILED),
    ("long" * 100, Code.WRITE_FAILED),
)

# (what the operating system says, code)
REFUSALS = (
    (errno.ENOSPC, Code.DISK_FULL),
    (errno.EDQUOT, Code.DISK_FULL),
    (errno.EACCES, Code.WRITE_FAILED),
    (errno.EROFS, Code.WRITE_FAILED),
    (errno.EIO, Code.WRITE_FAILED),
)


@pytest.mark.parametrize("name", ["missing/out.json", "file/out.json", "folder", "long" * 100])
def test_what_could_not_be_written_is_told_before(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(ContestError) as caught:
        require_writable(tmp_path / name)
    assert (caught.value.code, caught.value.file) == (Code.WRITE_FAILED, str(tmp_path / name))


@pytest.mark.parametrize(("name", "could"), [("folder", True), ("new/new", True), ("file", False), ("file/new", False)])
def test_a_folder_that_could_not_be_made_is_told_before(name: str, could: bool, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    if could:
        require_writable_folder(tmp_path / name)
    else:
        with pytest.raises(ContestError) as caught:
            require_writable_folder(tmp_path / name)
        assert caught.value.code == Code.WRITE_FAILED
    require_writable(tmp_path / "file")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_json_is_utf8_and_readable_by_eye(tmp_path: Path) -> None:
    write_json(tmp_path / "out.json", {"0": [{"type": "text", "content": "ёж"}]})
    assert (tmp_path / "out.json").read_bytes() == '{"0": [{"type": "text", "content": "ёж"}]}\n'.encode()
    assert os.listdir(tmp_path) == ["out.json"]


def test_others_may_read_the_file_as_the_umask_says(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_json(tmp_path / "out.json", {})
    assert (tmp_path / "out.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(("value", "code"), UNWRITABLE_VALUES)
def test_values_that_no_json_file_holds(value: object, code: Code, tmp_path: Path) -> None:
    write_json(tmp_path / "out.json", "before")
    with pytest.raises(ContestError) as caught:
        write_json(tmp_path / "out.json", value)
    assert (caught.value.code, caught.value.file) == (code, str(tmp_path / "out.json"))
    assert json.loads((tmp_path / "out.json").read_text()) == "before"


@pytest.mark.parametrize(("path", "code"), UNWRITABLE_PATHS)
def test_paths_that_can_not_be_written(path: str, code: Code, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ContestError) as caught:
        write_json(tmp_path / path, {})
    assert (caught.value.code, caught.value.file) == (code, str(tmp_path / path))
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


@pytest.mark.parametrize(("number", "code"), REFUSALS)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_no_litter(
    call: str, number: int, code: Code, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    write_bytes(tmp_path / "out.bin", b"old")
    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(ContestError) as caught:
        write_bytes(tmp_path / "out.bin", b"new")
    assert caught.value.code is code
    assert (tmp_path / "out.bin").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out.bin"]


def test_an_interrupt_leaves_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_json(tmp_path / "out.json", {})
    assert os.listdir(tmp_path) == []


def test_wire_forms() -> None:
    answer = Sample("2", (Item("text", "кот"), Item("image", "images/image_2.jpg")))
    assert samples_to_json([answer, Sample("3", ())]) == {
        "2": [{"type": "text", "content": "кот"}, {"type": "image", "content": "images/image_2.jpg"}],
        "3": [],
    }
    assert ground_truth_to_json(
        [
            GroundTruth("0", (References("text", ("a", "b")),)),
            GroundTruth("1", (References("image", ("images/1.jpg",), True),), is_bare_item=True),
        ]
    ) == {
        "0": [{"type": "text", "content": ["a", "b"]}],
        "1": {"type": "image", "content": "images/1.jpg"},
    }
    assert ids_to_json({"0": 11}) == {"0": 11}


def test_one_id_is_written_once() -> None:
    for write in (
        lambda: samples_to_json([Sample("7", ()), Sample("7", ())]),
        lambda: ground_truth_to_json([GroundTruth("7", (References("text", ("a",)),))] * 2),
    ):
        with pytest.raises(ContestError) as caught:
            write()
        assert (caught.value.code, caught.value.sample_id) == (Code.DUPLICATE_ID, "7")


def test_unknown_tasks_are_not_written() -> None:
    with pytest.raises(ContestError, match="TASK_UNKNOWN"):
        ids_to_json({"7": 12})


@pytest.mark.parametrize(
    ("contents", "is_bare_string"), [((), False), ((), True), (("a", "b"), True)]
)  # fmt: skip
def test_references_that_no_file_could_hold(contents: tuple[str, ...], is_bare_string: bool) -> None:
    with pytest.raises(ValueError, match="references"):
        References("text", contents, is_bare_string)


@pytest.mark.parametrize(("count", "is_bare_item"), [(0, False), (0, True), (2, True)])
def test_ground_truths_that_no_file_could_hold(count: int, is_bare_item: bool) -> None:
    with pytest.raises(ValueError, match="ground truth"):
        GroundTruth("7", (References("text", ("a",)),) * count, is_bare_item)
