"""Shards that others wrote, Parquet files and WebDatasets: what is what, what is refused, and how little is read."""

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.training.small_world import TINY
from tests.training.test_distributed import by_processes
from training.__main__ import main as training
from training.tune.callbacks.csv_log import read_log
from training.tune.checkpoints import last_checkpoint
from training.tune.data import parquet_shards, tar_shards
from training.tune.data.external_shards import named_shards
from training.tune.data.parquet_shards import read_column
from training.tune.data.records import Record, TrainingDataError
from training.tune.data.table import open_table
from training.tune.data.tar_shards import read_members, read_samples
from training.tune.settings import ColumnSettings

LONG = "pictures/" + "a" * 120  # a name that needs a header of its own
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
CAPTIONS = ColumnSettings(picture="jpg;png", answer="json/caption;txt", prompt="Что это?")


def picture(number: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), (40 * number % 256, 255 - 30 * number % 256, 90)).save(stream, "PNG")
    return stream.getvalue()


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def pairs(numbers: Iterable[int]) -> list[tuple[str, bytes]]:
    return [member for n in numbers for member in ((f"{n:06}.png", picture(n)), (f"{n:06}.txt", f"кот {n}".encode()))]


def records(folder: Path, pattern: str, columns: ColumnSettings = CAPTIONS) -> list[Record]:
    table = open_table(folder, "captioning", "train", folder.parent, None, pattern, columns)
    return [table.record(number) for number in range(len(table))]


def test_samples_of_a_webdataset(tmp_path: Path) -> None:
    members = [
        ("README", b"no sample"),
        ("._hidden.txt", b"no sample"),
        ("1.png", picture(1)),
        ("1.txt", "кот".encode()),
        (f"{LONG}.JPG", b"jpeg"),
        (f"{LONG}.json", json.dumps({"caption": ["пёс", "собака"], "width": 5}).encode()),
    ]
    write_tar(tmp_path / "set" / "0.tar", members)
    first, second = records(tmp_path / "set", "0.tar")
    assert (first.id, first.left, first.references) == ("0.tar:1", "Что это?", ("кот",))
    assert (second.id, second.references) == (f"0.tar:{LONG}", ("пёс", "собака"))
    assert (first.picture, second.picture) == ("1.png", f"{LONG}.JPG")
    rows = [record.row for record in (first, second) if record.row is not None]
    assert dict(read_members(str(tmp_path / "set" / "0.tar"), rows)) == {rows[0]: picture(1), rows[1]: b"jpeg"}


ROWS: Mapping[str, list[Any]] = {
    "key": ["a", "b", "c"],
    "image": [{"bytes": picture(n), "path": f"{n}.png"} for n in range(3)],
    "raw": [picture(n) for n in range(3)],
    "text": ["кот", "пёс", "дом"],
    "meta": [{"answers": ["1", "один"]}, {"answers": ["2"]}, {"answers": ["3"]}],
    "number": [7, 8, 9],
}


@pytest.mark.parametrize(
    ("columns", "expected", "column"),
    [
        (
            ColumnSettings(picture="image", left="text"),
            Record("0.parquet:1", "пёс", (), "image/bytes", "0.parquet", 1),
            "image/bytes",
        ),
        (
            ColumnSettings(picture="png;raw", left="text", id="key"),
            Record("b", "пёс", (), "raw", "0.parquet", 1),
            "raw",
        ),
        (ColumnSettings(answer="number", left="text"), Record("0.parquet:1", "пёс", ("8",), None), ""),
        (ColumnSettings(answer="meta/answers", prompt="?"), Record("0.parquet:1", "?", ("2",), None), ""),
    ],
)
def test_rows_of_a_parquet_file(tmp_path: Path, columns: ColumnSettings, expected: Record, column: str) -> None:
    (tmp_path / "set").mkdir()
    pq.write_table(pa.table(ROWS), tmp_path / "set" / "0.parquet", row_group_size=2)
    assert records(tmp_path / "set", "*.parquet", columns)[1] == expected
    if column:
        found = dict(read_column(str(tmp_path / "set" / "0.parquet"), column, {0, 2}))
        assert found == {0: picture(0), 2: picture(2)}


def test_pictures_beside_a_parquet_file(tmp_path: Path) -> None:
    (tmp_path / "set" / "deep").mkdir(parents=True)
    pq.write_table(pa.table({"file": ["x/1.png"], "text": ["кот"]}), tmp_path / "set" / "deep" / "0.parquet")
    columns = ColumnSettings(picture="file", answer="text")
    assert records(tmp_path / "set", "deep/0.parquet", columns)[0].picture == "deep/x/1.png"


def test_patterns_name_shards_in_order(tmp_path: Path) -> None:
    for number in range(12):
        write_tar(tmp_path / "a" / f"{number:03}.tar", pairs([number]))
    names = [path.name for path in named_shards(tmp_path, "a/{008..011}.tar")]
    assert names == ["008.tar", "009.tar", "010.tar", "011.tar"]
    (tmp_path / "a" / "unpacked.tar").mkdir()
    assert len(named_shards(tmp_path, "*/*.tar")) == 12
    assert len(named_shards(tmp_path, "a/*{0..1}*.tar")) == 12  # each once, though most have both digits
    (tmp_path / "b\udcff.tar").touch()
    with pytest.raises(TrainingDataError, match=r"b.udcff.tar: has a name that is no plain text"):
        named_shards(tmp_path, "*.tar")


def test_names_in_a_tar_file_need_not_be_utf8(tmp_path: Path) -> None:
    write_tar(tmp_path / "set" / "0.tar", [("\udcff.png", picture(1)), ("\udcff.txt", b"x")])
    (record,) = records(tmp_path / "set", "0.tar")
    assert (record.id, record.picture, record.references) == (r"0.tar:\udcff", r"\udcff.png", ("x",))


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def spoil(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)


# What is done to a set of two tars with samples 0, 1 and 2, 3 -> what is said of it.
BROKEN: Mapping[str, tuple[Callable[[Path], object], str]] = {
    "a missing shard": (lambda p: (p / "1.tar").unlink(), "1.tar: no such shard"),
    "an LFS pointer": (lambda p: (p / "1.tar").write_bytes(LFS), "1.tar: a Git LFS pointer stands in for the file"),
    "an empty file": (lambda p: (p / "1.tar").write_bytes(b""), "1.tar: the file is empty"),
    "a packed file": (lambda p: (p / "1.tar").write_bytes(b"\x1f\x8b" + bytes(600)), "1.tar: the file is packed with"),
    "cut in a member": (lambda p: cut(p / "1.tar", 700), "1.tar: breaks off in or behind 000002.png"),
    "cut between members": (lambda p: cut(p / "1.tar", 2048), "1.tar: breaks off in or behind 000002.txt"),
    "a damaged header": (lambda p: spoil(p / "1.tar", 1024 + 5), "1.tar: is damaged at byte 1024, behind 000002.png"),
    "no picture": (
        lambda p: write_tar(p / "1.tar", pairs([2])[1:]),
        "1.tar, sample '000002': has no jpg;png; repair the shard",
    ),
    "an empty picture": (
        lambda p: write_tar(p / "1.tar", [("2.png", b""), ("2.txt", b"x")]),
        "sample '2': 2.png has no bytes",
    ),
    "no text": (lambda p: write_tar(p / "1.tar", pairs([2])[:1]), "sample '000002': has no json/caption;txt"),
    "text that is none": (
        lambda p: write_tar(p / "1.tar", [("2.png", picture(2)), ("2.txt", b"\xff")]),
        "sample '2': 2.txt is not UTF-8 (byte 0)",
    ),
    "JSON that is none": (
        lambda p: write_tar(p / "1.tar", [("2.png", picture(2)), ("2.json", b"{")]),
        "sample '2': 2.json is not JSON",
    ),
    "half a surrogate pair": (
        lambda p: write_tar(p / "1.tar", [("2.png", picture(2)), ("2.json", b'{"caption": "\\ud83d"}')]),
        "sample '2': json/caption is no text: it holds half a surrogate pair",
    ),
    "a member twice": (
        lambda p: write_tar(p / "1.tar", [*pairs([2]), ("000002.png", b"y")]),
        "sample '000002': 000002.png stands twice",
    ),
    "a sample twice": (
        lambda p: write_tar(p / "1.tar", [*pairs([2]), *pairs([3]), *pairs([2])]),
        "sample '1.tar:000002' stands more than once in the shards",
    ),
    "a long text": (
        lambda p: write_tar(p / "1.tar", [("2.txt", bytes(2**20 + 1)), ("2.png", picture(2))]),
        "1.tar: 2.txt has 1048577 bytes, and is to be read as text",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_webdataset_is_named(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "set"
    for shard in range(2):
        write_tar(folder / f"{shard}.tar", pairs([2 * shard, 2 * shard + 1]))
    harm, words = BROKEN[what]
    harm(folder)
    with pytest.raises(TrainingDataError) as caught:
        records(folder, "{0..1}.tar")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("data", "pattern", "columns", "words"),
    [
        (ROWS, "0.parquet", CAPTIONS, "0.parquet: has no column json/caption;txt; its columns are key, image"),
        (ROWS, "0.parquet", ColumnSettings(picture="jpg", answer="text"), "0.parquet: has no column jpg; its columns"),
        (LFS, "0.parquet", CAPTIONS, "0.parquet: a Git LFS pointer stands in for the file; fetch it with `git lfs"),
        (b"PAR1 and no more", "0.parquet", CAPTIONS, "0.parquet: not a Parquet file that can be read"),
        (ROWS, "../set/0.parquet", CAPTIONS, "does not stay in"),
        (ROWS, "*.zip", CAPTIONS, "no file is named *.zip"),
        (ROWS, "{5..1}.tar", CAPTIONS, "{5..1} is no range"),
        (ROWS, "0.*", CAPTIONS, "0.txt: is neither a .tar nor a .parquet file"),
        (
            {"text": ["a", None, ""], "answer": ["b", "c", "d"]},
            "0.parquet",
            ColumnSettings(left="text", answer="answer"),
            "2 samples can not be used:",
        ),
        (
            {"text": [True], "answer": ["b"]},
            "0.parquet",
            ColumnSettings(left="text", answer="answer"),
            "0.parquet, row 0: text is no text",
        ),
        (
            {"text": ["a", "b"], "answer": [1.5, float("nan")]},
            "0.parquet",
            ColumnSettings(left="text", answer="answer"),
            "0.parquet, row 1: answer is nan",
        ),
        (
            {"file": ["../x.png"], "answer": ["b"]},
            "0.parquet",
            ColumnSettings(picture="file", answer="answer"),
            "0.parquet, row 0: the path '../x.png' holds '..'",
        ),
        (
            {"text": ["a", "b"], "raw": [[b"x"], [b"y"]]},
            "0.parquet",
            ColumnSettings(picture="raw", left="text"),
            "0.parquet: raw holds list<",
        ),
        (
            {"text": pa.array([b"a", b"b\xff"]).view(pa.string())},
            "0.parquet",
            ColumnSettings(left="text", answer="text"),
            "0.parquet: row 1 holds a text that is not UTF-8 (byte 1)",
        ),
        (ROWS, "{0..99999}-{0..99999}-{0..99999}.parquet", CAPTIONS, "0-0-0.parquet: no such shard"),
    ],
)
def test_broken_parquet_file_is_named(
    tmp_path: Path, data: Any, pattern: str, columns: ColumnSettings, words: str
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "0.txt").touch()
    if isinstance(data, bytes):
        (folder / "0.parquet").write_bytes(data)
    else:
        pq.write_table(pa.table(data), folder / "0.parquet")
    with pytest.raises(TrainingDataError) as caught:
        records(folder, pattern, columns)
    assert words in str(caught.value)


def test_group_too_large_to_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table(ROWS), tmp_path / "0.parquet")
    monkeypatch.setattr(parquet_shards, "LARGEST_GROUP", 100)
    with pytest.raises(TrainingDataError, match=r"group 0 of its rows holds 0.0 GiB of raw, which are read at once"):
        list(read_column(str(tmp_path / "0.parquet"), "raw", [1]))


def test_little_is_held_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a tar file one sample at a time; of a Parquet file a group of rows, each read once."""
    write_tar(tmp_path / "0.tar", pairs(range(50)))
    reads: list[str] = []
    read = tar_shards._read
    monkeypatch.setattr(
        tar_shards, "_read", lambda path, archive, info: reads.append(info.name) or read(path, archive, info)
    )
    samples = read_samples(str(tmp_path / "0.tar"), {"txt"})
    for number in range(3):
        next(samples)
        assert len(reads) <= number + 1
    assert sum(1 for _ in samples) == 47
    assert all(name.endswith(".txt") for name in reads)

    table = pa.table({"raw": [picture(n) for n in range(100)], "text": [str(n) for n in range(100)]})
    pq.write_table(table, tmp_path / "0.parquet", row_group_size=40)
    groups: list[int] = []
    read_group = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_group", lambda self, i, **kw: groups.append(i) or read_group(self, i, **kw)
    )
    for start in range(0, 100, 8):  # as pictures are asked for, a few at a time
        assert len(list(read_column(str(tmp_path / "0.parquet"), "raw", range(start, min(start + 8, 100))))) > 0
    assert groups == [0, 1, 2]


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """The same twelve pictures and captions as a WebDataset and as Parquet files."""
    for split, numbers in (("train", range(9)), ("val", range(9, 12))):
        for shard in range(3):
            own = numbers[len(numbers) // 3 * shard : len(numbers) // 3 * (shard + 1)]
            write_tar(tmp_path / "tars" / f"{split}-{shard}.tar", pairs(own))
            rows = {"image": [{"bytes": picture(n), "path": None} for n in own], "txt": [f"кот {n}" for n in own]}
            (tmp_path / "parquet").mkdir(exist_ok=True)
            pq.write_table(pa.table(rows), tmp_path / "parquet" / f"{split}-{shard}.parquet", row_group_size=2)
    return tmp_path


def command(root: Path, world: Path, kind: str, picture_name: str, *more: str) -> list[str]:
    suffix = "tar" if kind == "tars" else "parquet"
    settings = f"""
weights: {root}/weights
output: {world}/run_{kind}
data: {{folder: {world}, cache: {world}/cache_{kind}}}
model: {{scratch: {root}/tiny.json}}
steps: 3
checkpoint: {{every: 1}}
compute: {{dtype: float32}}
logging: {{every: 1, plots: false, tensorboard: false}}
validation: {{samples: 0}}
tasks:
  captioning:
    folder: {world}/{kind}
    samples: 2
    train_shards: train-{{0..2}}.{suffix}
    val_shards: val-*.{suffix}
    columns: {{picture: {picture_name}, answer: txt, prompt: 'Что это?'}}
  generation:
    folder: {world}/{kind}
    samples: 2
    train_shards: train-{{0..2}}.{suffix}
    val_shards: val-*.{suffix}
    columns: {{picture: {picture_name}, left: txt}}
"""
    (world / f"{kind}.yaml").write_text(settings)
    return ["--config", str(world / f"{kind}.yaml"), *more]


def losses(out: Path) -> dict[tuple[int, str], float]:
    return {(row.step, row.name): row.value for row in read_log(out / "log.csv") if row.name == "loss"}


def test_trained_on_shards_of_either_kind(root: Path, world: Path) -> None:
    """Both make the same steps; one goes on where it was interrupted, and its pictures were encoded in two shares."""
    for number in range(2):
        assert training(["encode", *command(root, world, "tars", "png", "--shard", f"{number}/2")]) == 0
    assert training(["merge", *command(root, world, "tars", "png")]) == 0
    assert training(["tune", *command(root, world, "tars", "png", "until=2")]) == 0
    assert training(["tune", *command(root, world, "tars", "png")]) == 0
    assert training(["tune", *command(root, world, "parquet", "image")]) == 0
    tars, parquet = losses(world / "run_tars"), losses(world / "run_parquet")
    assert tars == parquet
    assert [step for step, _ in tars] == [1, 2, 3]
    assert last_checkpoint(world / "run_tars") is not None


@pytest.mark.slow
def test_two_processes_take_turns_at_the_same_shards(root: Path, world: Path) -> None:
    still = ["compute.accumulate=1", f"model.scratch={root}/still.json"]
    replace(TINY, attention_dropout_prob=0.0, output_dropout_prob=0.0).save(root / "still.json")
    assert training(["tune", *command(root, world, "tars", "png", *still, f"output={world}/alone")]) == 0
    ended = by_processes(2, ["tune", *command(root, world, "tars", "png", *still, f"output={world}/two")])
    assert ended.returncode == 0, ended.stderr
    assert losses(world / "two") == pytest.approx(losses(world / "alone"), rel=1e-5)


def test_picture_that_is_none_is_named_with_its_member(root: Path, world: Path, capsys: Any) -> None:
    write_tar(world / "tars" / "train-1.tar", [("5.png", LFS), ("5.txt", b"x"), *pairs([3])])
    assert training(["encode", *command(root, world, "tars", "png")]) == 2
    said = capsys.readouterr().err
    assert "train-1.tar" in said
    assert "sample 'train-1.tar:5'" in said


def test_null_picture_is_named_with_its_row(root: Path, world: Path, capsys: Any) -> None:
    rows = {"image": [{"bytes": picture(1), "path": None}, None], "txt": ["a", "b"]}
    pq.write_table(pa.table(rows), world / "parquet" / "train-1.parquet")
    assert training(["encode", *command(root, world, "parquet", "image")]) == 2
    said = capsys.readouterr().err
    assert "train-1.parquet, sample 'train-1.parquet:1': the shard has no bytes of it" in said
