"""Task folders become tables that are read by number: joined by id, made once, made anew when their sources change."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import training.tune.data.sources
import training.tune.data.table
from contest.errors import ContestFileError
from contest.ground_truth import GroundTruth, References
from contest.items import Item, Sample
from contest.shards import ShardError, ShardRow, shard_name, write_shard
from training.tune.data.cache_folder import cache_folder
from training.tune.data.records import Record, TrainingDataError
from training.tune.data.table import open_table


def text(content: str) -> dict:
    return {"type": "text", "content": content}


def image(content: str) -> dict:
    return {"type": "image", "content": content}


QUESTIONS = {
    "1": [text("Что это?"), image("images/a.jpg")],
    "2": [image("images/a.jpg"), image("images/b.jpg"), text("Кто"), text("это?")],
    "3": [text("Нарисуй кота")],
}
ANSWERS = {"1": [text("кот")], "2": [{"type": "text", "content": ["a", "пёс"]}], "3": image("images/c.jpg")}
RECORDS = [
    Record("1", "Что это?", ("кот",), "images/a.jpg"),
    Record("2", "Кто это?", ("a", "пёс"), "images/b.jpg"),
    Record("3", "Нарисуй кота", (), "images/c.jpg"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vqa").mkdir()
    lay(tmp_path / "vqa", QUESTIONS, ANSWERS)
    return tmp_path / "vqa"


def lay(folder: Path, questions: object, answers: object) -> None:
    for name, document in (("vqa_train.json", questions), ("vqa_train_answer.json", answers)):
        content = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
        (folder / name).write_text(content, encoding="utf-8")


def records(folder: Path) -> list[Record]:
    table = open_table(folder, "vqa", "train", folder.parent)
    return [table.record(number) for number in range(len(table))]


@pytest.mark.parametrize("order", ["123", "321", "213"])
@pytest.mark.parametrize("at_once", [1, 2, 1024])
def test_answers_are_joined_by_id_in_any_order(
    order: str, at_once: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training.tune.data.sources, "ROWS_AT_ONCE", at_once)
    monkeypatch.setattr(training.tune.data.table, "ROWS_AT_ONCE", at_once)
    lay(folder, QUESTIONS, {number: ANSWERS[number] for number in order})
    assert records(folder) == RECORDS


def test_records_are_found_by_number(folder: Path) -> None:
    table = open_table(folder, "vqa", "train", folder.parent)
    assert (len(table), table.record(2), table.has_pictures) == (3, RECORDS[2], True)
    for number in (-1, 3):
        with pytest.raises(IndexError):
            table.record(number)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by an entry with each table that is made."""
    made: list[int] = []
    original = training.tune.data.table._make
    monkeypatch.setattr(training.tune.data.table, "_make", lambda *arguments: (made.append(1), original(*arguments)))
    return made


def test_table_is_made_anew_when_a_source_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = counted(monkeypatch)
    assert records(folder) == records(folder) == RECORDS
    assert len(made) == 1
    lay(folder, QUESTIONS, ANSWERS | {"1": [text("кит")]})  # of the same length
    os.utime(folder / "vqa_train_answer.json", ns=(1, 1))
    assert records(folder)[0].references == ("кит",)
    assert len(made) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"x" * 100,
        lambda data: data[:-60] + b"\xff" * 50 + data[-10:],  # its table of contents
    ],
)
def test_a_damaged_table_is_made_anew(damage, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records(folder)
    made = counted(monkeypatch)
    (path,) = folder.parent.glob("*.arrow")
    path.write_bytes(damage(path.read_bytes()))
    assert records(folder) == RECORDS
    assert len(made) == 1


def test_nothing_is_left_of_a_table_that_could_not_be_made(folder: Path) -> None:
    lay(folder, QUESTIONS, {"1": [text("кот")]})
    with pytest.raises(TrainingDataError):
        records(folder)
    assert [path.suffix for path in folder.parent.iterdir() if path.is_file()] == [".lock"]


def test_folders_of_one_name_do_not_meet_in_one_cache(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "vqa"
    other.mkdir(parents=True)
    lay(other, {"9": QUESTIONS["1"]}, {"9": ANSWERS["1"]})
    assert records(folder) == RECORDS
    assert open_table(other, "vqa", "train", tmp_path).record(0).id == "9"
    assert records(folder) == RECORDS


@pytest.mark.parametrize(
    ("questions", "answers", "complaint"),
    [
        ({}, {}, "vqa_train.json: the task has no samples"),
        (QUESTIONS, {"3": ANSWERS["3"]}, r"_answer.json: no answer for sample '1' \(2 in all\)"),
        ({"1": QUESTIONS["1"]}, ANSWERS, "train.json: no sample '2', whose answer vqa_train_answer.json holds"),
        ("{", ANSWERS, "NOT_JSON.*vqa_train.json"),
        (QUESTIONS, "[]", "NOT_AN_OBJECT.*vqa_train_answer.json"),
        ({"1": []}, ANSWERS, "SAMPLE_EMPTY.*vqa_train.json, sample '1'"),
        ('{"1": [], "1": []}', ANSWERS, "DUPLICATE_ID.*vqa_train.json, sample '1'"),
        (QUESTIONS, ANSWERS | {"2": [{"type": "text", "content": []}]}, "REFERENCES_EMPTY.*answer.json, sample '2'"),
    ],
)
def test_bad_files_are_named(questions: object, answers: object, complaint: str, folder: Path) -> None:
    lay(folder, questions, answers)
    with pytest.raises((TrainingDataError, ContestFileError), match=complaint):
        records(folder)


@pytest.mark.parametrize("missing", ["vqa_train.json", "vqa_train_answer.json"])
def test_missing_files_are_named(missing: str, folder: Path) -> None:
    (folder / missing).unlink()
    with pytest.raises(TrainingDataError, match=f"{missing}: no such file"):
        records(folder)


def test_missing_data_folder_and_bad_cache_are_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match=r"nowhere: no such data folder; set data.folder=FOLDER"):
        cache_folder(tmp_path / "nowhere", None)
    (tmp_path / "file").touch()
    with pytest.raises(TrainingDataError, match=r"the cache folder can not be made .*; set data.cache=FOLDER"):
        cache_folder(tmp_path, str(tmp_path / "file"))


def shard_rows() -> list[ShardRow]:
    return [
        ShardRow(
            Sample(number, tuple(Item(item["type"], item["content"]) for item in QUESTIONS[number])),
            GroundTruth(number, (References("text", ("кот",)),)),
        )
        for number in "12"
    ]


def test_shards_are_read_like_json(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    first, second = (folder / shard_name("vqa", "train", index, 2) for index in range(2))
    write_shard(first, "vqa", shard_rows())
    third = Sample("3", (Item("text", "?"), Item("image", "x")))
    write_shard(second, "vqa", [ShardRow(third, GroundTruth("3", (References("text", ("да",)),)), b"bytes")])
    assert records(folder) == [
        Record("1", "Что это?", ("кот",), "images/a.jpg"),
        Record("2", "Кто это?", ("кот",), "images/b.jpg"),
        Record("3", "?", ("да",), "x", second.name, 0),
    ]
    write_shard(second, "vqa", shard_rows())
    with pytest.raises(TrainingDataError, match="sample '1' stands more than once in the shards"):
        records(folder)
    second.unlink()
    with pytest.raises(ShardError, match=r"00001-of-00002\.parquet is missing"):
        records(folder)


def test_json_beside_shards_is_refused(folder: Path) -> None:
    write_shard(folder / shard_name("vqa", "train", 0, 1), "vqa", shard_rows())
    with pytest.raises(TrainingDataError, match="lie side by side"):
        records(folder)


PEAK = """
import sys
from pathlib import Path
from training.tune.data.table import open_table
table = open_table(Path(sys.argv[1]), "vqa", "train", Path(sys.argv[2]))
assert table.record(len(table) - 1).left.startswith("слово")
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) - int(status["RssFile"].split()[0]))
"""


def test_memory_does_not_grow_with_the_task(folder: Path, tmp_path: Path) -> None:
    peaks = {}
    for count in (100, 10_000):  # 0.2 MB and 22 MB
        sample = json.dumps([text("слово " * 200)], ensure_ascii=False)
        lay(
            folder,
            "{" + ",".join(f'"{i}": {sample}' for i in range(count)) + "}",
            "{" + ",".join(f'"{i}": [{{"type": "text", "content": "да"}}]' for i in range(count)) + "}",
        )
        cache = tmp_path / f"cache{count}"
        cache.mkdir()
        run = subprocess.run([sys.executable, "-c", PEAK, folder, cache], capture_output=True, text=True, check=True)
        peaks[count] = int(run.stdout)
    assert peaks[10_000] - peaks[100] < 24 * 1024  # KiB; as Python objects it would be 60 MB
