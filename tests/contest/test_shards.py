"""Parquet shards of samples: what is written is read again, and what is no such shard is named."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contest.errors import ContestFileError
from contest.ground_truth import GroundTruth, References
from contest.items import Item, Sample
from contest.shards import (
    ROWS_IN_A_GROUP,
    SCHEMA,
    ShardError,
    ShardRow,
    find_shards,
    holds_pictures,
    read_pictures,
    read_shard,
    shard_name,
    write_shard,
)


def row(number: int, picture: bytes | None = None) -> ShardRow:
    items = (Item("text", "Что здесь?"), Item("image", f"images/{number}.jpg"))
    truth = GroundTruth(str(number), (References("text", ("кот", "котик")),))
    return ShardRow(Sample(str(number), items), truth, picture)


@pytest.mark.parametrize("count", [0, 1, ROWS_IN_A_GROUP + 1])
def test_samples_come_back(count: int, tmp_path: Path) -> None:
    rows = [row(number) for number in range(count)]
    write_shard(tmp_path / "vqa.parquet", "vqa", iter(rows))
    assert list(read_shard(tmp_path / "vqa.parquet", "vqa")) == rows
    assert not holds_pictures(tmp_path / "vqa.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["vqa.parquet"]


def test_pictures_come_back_by_row(tmp_path: Path) -> None:
    last = ROWS_IN_A_GROUP + 44
    write_shard(tmp_path / "s", "vqa", (row(i, None if i == 2 else b"%d" % i) for i in range(last + 1)))
    assert holds_pictures(tmp_path / "s")
    assert list(read_pictures(tmp_path / "s", {last, 2, 0})) == [(0, b"0"), (2, None), (last, b"%d" % last)]
    assert next(iter(read_shard(tmp_path / "s", "vqa"))).picture is None


def test_a_set_is_found_whole_or_not_at_all(tmp_path: Path) -> None:
    assert find_shards(tmp_path, "vqa", "train") == []
    names = [shard_name("vqa", "train", index, 3) for index in range(3)]
    assert names[1] == "vqa_train-00001-of-00003.parquet"
    for name in [*names, "vqa_train-notes.parquet", "vqa_val-00000-of-00001.parquet"]:
        (tmp_path / name).touch()
    assert find_shards(tmp_path, "vqa", "train") == [tmp_path / name for name in names]
    (tmp_path / names[1]).unlink()
    with pytest.raises(ShardError, match=r"00001-of-00003.parquet is missing"):
        find_shards(tmp_path, "vqa", "train")


def test_shards_of_two_sets_are_not_mixed(tmp_path: Path) -> None:
    for count in (1, 2):
        (tmp_path / shard_name("vqa", "train", 0, count)).touch()
    with pytest.raises(ShardError, match="is missing or of another set"):
        find_shards(tmp_path, "vqa", "train")


def test_a_failed_write_leaves_what_stood_there(tmp_path: Path) -> None:
    write_shard(tmp_path / "s", "vqa", [row(1)])

    def broken():  # type: ignore[no-untyped-def]
        yield row(2)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write_shard(tmp_path / "s", "vqa", broken())
    assert list(read_shard(tmp_path / "s", "vqa")) == [row(1)]
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def table(**columns: object) -> pa.Table:
    sound = {
        "id": ["1"],
        "task": ["vqa"],
        "items": [[{"type": "text", "content": "?"}]],
        "answers": [[{"type": "text", "content": ["да"]}]],
        "picture": [None],
    }
    return pa.table({**sound, **columns}, SCHEMA)


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"items": [[]]}, "[SAMPLE_EMPTY] {file}, sample '1'"),
        ({"items": [None]}, "[SAMPLE_NOT_A_LIST] {file}, sample '1': the sample is null"),
        ({"items": [[{"type": "text", "content": None}]]}, "[CONTENT_NOT_A_STRING] {file}, sample '1', item 0"),
        ({"items": [[{"type": "sound", "content": ""}]]}, "[ITEM_TYPE_UNKNOWN] {file}, sample '1', item 0"),
        ({"answers": [[{"type": "text", "content": []}]]}, "[REFERENCES_EMPTY] {file}, sample '1', item 0"),
        ({"id": ["a/b"]}, "[ID_UNUSABLE] {file}, sample 'a/b'"),
    ],
)
def test_bad_samples_are_named(columns: dict, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    pq.write_table(table(**columns), path)
    with pytest.raises(ContestFileError) as caught:
        list(read_shard(path, "vqa"))
    assert complaint.format(file=path) in str(caught.value)


def test_another_tasks_shard_is_refused(tmp_path: Path) -> None:
    pq.write_table(table(task=["textqa"]), tmp_path / "s")
    with pytest.raises(ShardError, match="s, sample '1': its task is 'textqa', not 'vqa'"):
        list(read_shard(tmp_path / "s", "vqa"))


def test_other_files_are_no_shards(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["1"], "text": ["?"]}), tmp_path / "other")
    write_shard(tmp_path / "damaged", "vqa", (row(i, b"%d" % i * 500) for i in range(2 * ROWS_IN_A_GROUP)))
    data = bytearray((tmp_path / "damaged").read_bytes())
    (tmp_path / "cut").write_bytes(data[: len(data) // 2])
    data[4:2000] = bytes(1996)
    (tmp_path / "damaged").write_bytes(data)
    for name, complaint in (
        ("other", "other: not a shard of samples, its columns are id: string, text: string"),
        ("damaged", "damaged: not a Parquet file that can be read"),
        ("cut", "cut: not a Parquet file that can be read"),
        ("none", "none: no such file"),
        (".", "not a Parquet file that can be read"),
    ):
        with pytest.raises(ShardError, match=complaint):
            list(read_shard(tmp_path / name, "vqa"))
