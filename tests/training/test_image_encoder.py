"""Pictures are encoded once, by any number of workers, and what is wrong with one is said by file and sample."""

import json
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from contest.errors import Code, ContestFileError
from contest.ground_truth import GroundTruth, References
from contest.items import Item, Sample
from contest.shards import ShardRow, shard_name, write_shard
from models.vqgan import VQGAN
from models.weights import save_safetensors
from tests.training.small_world import PICTURES, TINY
from training.__main__ import main as training
from training.tune.data import image_encoder as encoding
from training.tune.data.examples import Examples, read_task
from training.tune.data.image_encoder import PictureEncoder
from training.tune.data.records import Record, TrainingDataError


@pytest.fixture(scope="module")
def vqgan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vqgan")
    (folder / "config.json").write_text(json.dumps(PICTURES))
    torch.manual_seed(0)
    save_safetensors(VQGAN(**PICTURES), folder / "model.safetensors", torch.float32)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seventy samples with forty pictures."""
    folder = tmp_path / "world" / "vqa"
    (folder / "images").mkdir(parents=True)
    generator = np.random.default_rng(0)
    for number in range(40):
        pixels = generator.integers(0, 255, (20, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
    items = {
        str(i): [{"type": "text", "content": "?"}, {"type": "image", "content": f"images/{i % 40}.png"}]
        for i in range(70)
    }
    (folder / "vqa_train.json").write_text(json.dumps(items))
    answers = {i: [{"type": "text", "content": "да"}] for i in items}
    (folder / "vqa_train_answer.json").write_text(json.dumps(answers))
    return folder


def encoder(vqgan: Path, cache: Path, **settings: int) -> PictureEncoder:
    cache.mkdir(exist_ok=True)
    return PictureEncoder(vqgan, **({"codes_per_side": 2, "vocabulary": 16} | settings), cache=cache)


def all_codes(examples: Examples) -> list[list[int]]:
    return [example.codes.tolist() for example in examples if example.codes is not None]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by the number of pictures with each call of the network."""
    seen: list[int] = []
    original = PictureEncoder._network
    monkeypatch.setattr(
        PictureEncoder, "_network", lambda self, images: (seen.append(len(images)), original(self, images))[1]
    )
    return seen


def test_workers_make_the_codes_that_this_process_makes(
    vqgan: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And say the same of pictures that can be seen in part."""
    cut = folder / "images" / "2.png"
    cut.write_bytes(cut.read_bytes()[:600])
    alone = all_codes(read_task(folder, "vqa", "train", encoder(vqgan, tmp_path / "one")))
    said = words(capsys)
    helped = all_codes(read_task(folder, "vqa", "train", encoder(vqgan, tmp_path / "two", workers=2)))
    assert words(capsys) == said
    assert "2.png, sample '2':" in said[1]
    network = encoder(vqgan, tmp_path / "three").vqgan
    assert alone == helped
    assert len(alone) == 70
    assert len({tuple(codes) for codes in alone}) > 1
    picture = Image.open(folder / "images" / "3.png")
    pixels = encoding.to_pixels(picture, 16)
    assert alone[3] == alone[43] == network.encode(pixels[None])[0].tolist()


def test_each_content_is_encoded_once(
    vqgan: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = counted(monkeypatch)
    cache = tmp_path / "cache"
    read_task(folder, "vqa", "train", encoder(vqgan, cache))
    assert seen == [32, 8]
    read_task(folder, "vqa", "train", encoder(vqgan, cache))
    moved = folder.parent / "moved" / "vqa"
    shutil.copytree(folder, moved)
    read_task(moved, "vqa", "train", encoder(vqgan, cache))
    assert seen == [32, 8]
    (moved / "images" / "1.png").write_bytes((moved / "images" / "2.png").read_bytes())
    Image.new("RGB", (16, 16), "red").save(moved / "images" / "3.png")
    codes = all_codes(read_task(moved, "vqa", "train", encoder(vqgan, cache)))
    assert seen == [32, 8, 1]
    assert codes[1] == codes[2]


def test_a_picture_of_many_samples_is_encoded_once(
    vqgan: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "LOOKED_UP_AT_ONCE", 8)  # so that its samples are looked up apart
    seen = counted(monkeypatch)
    assert len(all_codes(read_task(folder, "vqa", "train", encoder(vqgan, tmp_path / "cache")))) == 70
    assert sum(seen) == 40


def test_what_was_encoded_before_a_kill_is_kept(
    vqgan: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = counted(monkeypatch)
    whole = PictureEncoder._network

    def killed(self: PictureEncoder, images: torch.Tensor) -> np.ndarray:
        if seen:
            raise KeyboardInterrupt
        return whole(self, images)

    monkeypatch.setattr(PictureEncoder, "_network", killed)
    with pytest.raises(KeyboardInterrupt):
        read_task(folder, "vqa", "train", encoder(vqgan, tmp_path / "cache"))
    monkeypatch.setattr(PictureEncoder, "_network", whole)
    assert len(read_task(folder, "vqa", "train", encoder(vqgan, tmp_path / "cache"))) == 70
    assert seen == [32, 8]


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_pictures_are_named_and_the_good_ones_kept(
    workers: int, vqgan: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = folder / "images"
    (images / "1.png").write_bytes(b"no picture")
    (images / "2.png").write_bytes((images / "3.png").read_bytes()[:200])
    (images / "4.png").unlink()
    (images / "5.png").write_bytes(b"")
    with pytest.raises(ContestFileError) as caught:
        read_task(folder, "vqa", "train", encoder(vqgan, tmp_path / "cache", workers=workers))
    found = {(error.code, error.sample_id, Path(error.file or "").name) for error in caught.value.errors}
    assert found == {
        (Code.NOT_A_PICTURE, "1", "1.png"),
        (Code.PICTURE_DAMAGED, "2", "2.png"),
        (Code.PICTURE_MISSING, "4", "4.png"),
        (Code.PICTURE_MISSING, "44", "4.png"),
        (Code.PICTURE_EMPTY, "5", "5.png"),
    }
    seen = counted(monkeypatch)
    for number in (1, 2, 4, 5):
        Image.new("RGB", (16, 16), (0, 0, number)).save(images / f"{number}.png")
    assert len(read_task(folder, "vqa", "train", encoder(vqgan, tmp_path / "cache"))) == 70
    assert sum(seen) == 4


def words(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was said on the standard error, but for the bar."""
    return [line for line in capsys.readouterr().err.splitlines() if "encode" not in line]


def test_pictures_that_can_be_seen_are_used_and_named(
    vqgan: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, one = folder / "images", tmp_path / "one"
    whole = (images / "1.png").read_bytes()
    before = all_codes(read_task(folder, "vqa", "train", encoder(vqgan, one)))
    (images / "1.png").write_bytes(whole[:-20])  # the last checksum, and the end mark
    (images / "2.png").write_bytes(whole[: len(whole) * 2 // 3])
    grey = np.full((20, 16), 0x8000, dtype=np.uint16)
    Image.fromarray(grey).save(images / "3.png")
    Image.fromarray((grey >> 8).astype(np.uint8)).save(images / "4.png")
    capsys.readouterr()
    codes = all_codes(read_task(folder, "vqa", "train", encoder(vqgan, tmp_path / "two")))
    assert codes[1] == before[1]
    assert codes[3] == codes[4]
    lines = words(capsys)
    assert lines[0] == "warning: 1 picture is damaged and used as far as it can be seen"
    assert "2.png, sample '2':" in lines[1]
    assert lines[1].endswith("of its 20 rows can be seen; copy the picture again")
    assert len(lines) == 2


def test_paths_that_leave_the_folder_are_refused(vqgan: Path, folder: Path, tmp_path: Path) -> None:
    content = (folder / "vqa_train.json").read_text().replace("images/7.png", "../7.png")
    (folder / "vqa_train.json").write_text(content)
    with pytest.raises(ContestFileError, match=r"PICTURE_PATH_REFUSED.*sample '7'"):
        read_task(folder, "vqa", "train", encoder(vqgan, tmp_path / "cache"))


@pytest.mark.parametrize(
    ("levels", "codes_per_side", "side"), [([1, 1], 3, 6), ([1, 1, 1], 2, 8), ([1, 1, 1, 1], 2, 16), ([1] * 5, 1, 16)]
)
def test_pictures_have_the_side_of_the_vqgan(
    levels: list[int], codes_per_side: int, side: int, folder: Path, tmp_path: Path
) -> None:
    """Every level of the VQGAN but the first halves the side."""
    other = {**PICTURES, "ch_mult": levels}
    (tmp_path / "config.json").write_text(json.dumps(other))
    save_safetensors(VQGAN(**other), tmp_path / "model.safetensors", torch.float32)
    asked = encoder(tmp_path, tmp_path / "cache", codes_per_side=codes_per_side)
    assert asked.side == side
    assert {len(codes) for codes in all_codes(read_task(folder, "vqa", "train", asked))} == {codes_per_side**2}


def test_a_vqgan_that_does_not_fit_is_named(vqgan: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="the RUDOLPH takes codes below 1: take the VQGAN that belongs to it"):
        read_task(folder, "vqa", "train", encoder(vqgan, tmp_path / "cache", vocabulary=1))


def test_codes_that_are_gone_are_named(vqgan: Path, folder: Path, tmp_path: Path) -> None:
    examples = read_task(folder, "vqa", "train", encoder(vqgan, tmp_path / "cache"))
    cache = examples._encoder.cache
    with cache._connected() as connection, connection:
        connection.execute("DELETE FROM codes")
    with pytest.raises(TrainingDataError, match=r"no codes for .*images/6\.png, sample '6'"):
        examples[6]


def test_a_worker_that_dies_ends_it_with_a_message(
    vqgan: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "_decode_and_encode", os_exit)
    with pytest.raises(ChildProcessError, match="a worker that encodes pictures was killed"):
        read_task(folder, "vqa", "train", encoder(vqgan, tmp_path / "cache", workers=1))


def os_exit(encoder: object, chunk: object) -> None:
    import os

    os._exit(9)


def test_pictures_in_shards_have_the_codes_of_files(vqgan: Path, folder: Path, tmp_path: Path) -> None:
    expected = all_codes(read_task(folder, "vqa", "train", encoder(vqgan, tmp_path / "one")))
    sharded = tmp_path / "sharded"
    sharded.mkdir()

    def row(number: int, data: bytes | None) -> ShardRow:
        sample = Sample(str(number), (Item("text", "?"), Item("image", "x")))
        return ShardRow(sample, GroundTruth(str(number), (References("text", ("да",)),)), data)

    pictures = [(folder / "images" / f"{number % 40}.png").read_bytes() for number in range(70)]
    for index, numbers in enumerate((range(30), range(30, 70))):
        write_shard(sharded / shard_name("vqa", "train", index, 2), "vqa", (row(i, pictures[i]) for i in numbers))
    assert all_codes(read_task(sharded, "vqa", "train", encoder(vqgan, tmp_path / "two"))) == expected
    last = sharded / shard_name("vqa", "train", 1, 2)
    write_shard(
        last, "vqa", (row(i, None if i == 33 else b"broken" if i == 34 else pictures[i]) for i in range(30, 70))
    )
    with pytest.raises(ContestFileError) as caught:
        read_task(sharded, "vqa", "train", encoder(vqgan, tmp_path / "two"))
    assert {(error.code, error.sample_id, error.file) for error in caught.value.errors} == {
        (Code.PICTURE_MISSING, "33", str(last)),
        (Code.NOT_A_PICTURE, "34", str(last)),
    }


def test_the_command_fills_the_cache_before(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["encode", "--config", str(root / "settings.yaml"), f"data.cache={tmp_path}"]
    assert training(arguments) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{task} {split}: {count} samples"
        for split, count in (("train", 30), ("val", 3))
        for task in ("textqa", "generation", "captioning")
    ]
    seen = counted(monkeypatch)
    assert training(arguments) == 0
    assert seen == []
    assert training([*arguments, "data.folder=/nowhere"]) == 2
    assert (
        "training encode: error [TRAINING_DATA] /nowhere: no such data folder; set data.folder"
        in capsys.readouterr().err
    )
    assert training([*arguments, "data.cache=/proc/none"]) == 2
    assert "set data.cache=FOLDER" in capsys.readouterr().err


@pytest.mark.parametrize("codes", [8, 32])
@pytest.mark.parametrize("command", ["tune", "encode"])
def test_codebook_of_another_rudolph_is_refused_first(
    root: Path, tmp_path: Path, command: str, codes: int, capsys: pytest.CaptureFixture[str]
) -> None:
    replace(TINY, image_vocab_size=codes).save(tmp_path / "other.json")
    settings = [f"model.scratch={tmp_path}/other.json", f"data.cache={tmp_path}/cache", f"output={tmp_path}/run"]
    assert training([command, "--config", str(root / "settings.yaml"), *settings]) == 2
    said = capsys.readouterr().err
    problem = f"the VQGAN has 16 codes, but RUDOLPH's image_vocab_size is {codes}; "
    assert said.startswith(f"training {command}: error [WEIGHTS_FOLDER] {root}/weights: {problem}")
    assert not (tmp_path / "cache").exists()


def test_texts_need_no_vqgan(root: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "bpe.model").symlink_to(root / "weights" / "bpe.model")
    (tmp_path / "settings.yaml").write_text(
        f"{{data: {root}/world, weights: {tmp_path}/weights, out: {tmp_path}/run, scratch: {root}/tiny.json, "
        f"cache: {tmp_path}/cache, tasks: {{textqa: {{}}}}}}"
    )
    assert training(["encode", "--config", str(tmp_path / "settings.yaml")]) == 0


def test_codes_that_vanish_end_a_training_with_a_message(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = PictureEncoder.codes
    asked: list[str] = []

    def vanishing(self: PictureEncoder, folder: str, record: Record) -> object:
        asked.append(record.id)
        if len(asked) > 20:
            with self.cache._connected() as connection, connection:
                connection.execute("DELETE FROM codes")
        return original(self, folder, record)

    monkeypatch.setattr(PictureEncoder, "codes", vanishing)
    arguments = ["tune", "--config", str(root / "settings.yaml"), f"data.cache={tmp_path}", f"output={tmp_path}/run"]
    assert training([*arguments, "steps=9", "validation.every=100", "checkpoint.every=1"]) == 2
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert complaint.startswith("training tune: error [TRAINING_DATA] ")
    assert "no codes for" in complaint
    assert "images/" in complaint
    assert ", sample '" in complaint
    assert list((tmp_path / "run").glob("checkpoints/*/pytorch_model.bin"))  # what was done is kept


@pytest.mark.slow
def test_two_commands_at_once_share_one_cache(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training", "encode", "--config", root / "settings.yaml", f"data.cache={tmp_path}"]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert outputs[0] == outputs[1]
    (database,) = tmp_path.glob("*.sqlite")
    with sqlite3.connect(database) as connection:
        count, contents = connection.execute("SELECT count(*), count(DISTINCT digest) FROM codes").fetchone()
    assert count == contents == 66  # generation and captioning: 30 and 3 pictures each
