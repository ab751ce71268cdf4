"""A run in shares, as on several hosts: merged, they are what one run leaves; what does not belong is named."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from submission.__main__ import main
from submission.engine import Engine
from tests.submission.conftest import GOLDEN, ROOT, Start, Write, image, text

E2E = GOLDEN / "e2e"


def merge(source: Path, output: Path) -> int:
    return main(["merge", "--input", str(source), "--output", str(output)])


@pytest.mark.parametrize("count", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_merged_shares_are_what_one_run_leaves(submit: Start, tmp_path: Path, count: int) -> None:
    options = ("--batch-size", "1")
    alone = submit(E2E, *options, output="alone")
    for number in reversed(range(count)):
        share = submit(E2E, *options, "--shard", f"{number}/{count}", output="shares")
        assert share.status == 0
        assert f"share {number}/{count} is done" in share.stderr
    assert merge(E2E, tmp_path / "shares") == 0
    for name in ["predictions.json", *(f"images/{picture}" for picture in alone.pictures)]:
        assert (tmp_path / "shares" / name).read_bytes() == (alone.output / name).read_bytes(), name
    report = json.loads((tmp_path / "shares" / "run.json").read_text())
    assert report["counts"] == alone.report["counts"]
    assert [share["share"] for share in report["shares"]] == [f"{number}/{count}" for number in range(count)]
    assert all(batch["answer"] == 1 for share in report["shares"] for batch in share["batch_sizes"])
    assert [process["process"] for process in report["processes"]] == list(range(count))
    cost, own = report["cost"], alone.report["cost"]
    assert (cost["sessions"], cost["samples"], cost["energy"]) == (count, own["samples"], None)
    for part in ("answers", "pictures"):
        assert [cost[part][name] for name in ("count", "tokens")] == [own[part][name] for name in ("count", "tokens")]


def test_a_run_goes_on_where_merged_shares_stopped(submit: Start, tmp_path: Path) -> None:
    assert submit(E2E, "--seed", "1", output="shares").report["cost"] is not None
    for number in range(2):
        submit(E2E, "--shard", f"{number}/2", output="shares")
    refused = submit(E2E, output="shares")
    assert refused.status == 2
    assert "now all of the work is asked for" in refused.stderr
    assert merge(E2E, tmp_path / "shares") == 0
    (tmp_path / "shares" / "share-00000-of-00002").rename(tmp_path / "first")
    (tmp_path / "shares" / "share-00001-of-00002").rename(tmp_path / "second")
    resumed = submit(E2E, output="shares")
    assert resumed.status == 0
    assert {phase["samples"] for phase in resumed.report["phases"].values()} == {0}
    assert resumed.report["cost"] is None  # the sessions that lay there were of neither


@pytest.mark.usefixtures("asked_twice")
def test_merged_shares_keep_who_is_to_be_asked_again_and_what_was_cut(
    submit: Start, write_input: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> list[str]:
        raise RuntimeError("no second time")

    source = write_input({"a": [text("Кто это?"), text("a) ; b) пёс; c) ёж")], "b": [text("кот")]})
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "ask_again", fail)
        assert {submit(source, "--shard", f"{number}/2", output="shares").status for number in range(2)} == {0, 1}
    assert merge(source, tmp_path / "shares") == 1
    for number in range(2):
        (tmp_path / "shares" / f"share-0000{number}-of-00002").rename(tmp_path / f"{number}")
    resumed, alone = submit(source, output="shares"), submit(source, output="alone")
    assert resumed.report["phases"]["ask again"]["samples"] == 1
    assert [problem["phase"] for problem in resumed.report["problems"]] == ["options"]
    assert (resumed.report["problems"], resumed.predictions) == (alone.report["problems"], alone.predictions)


# Kills the process when it has recorded two pictures.
KILLED = """
import os, signal
import submission.journal as journal
add = journal.Journal.add_image
def dying(self, *arguments):
    add(self, *arguments)
    dying.count = getattr(dying, "count", 0) + 1
    if dying.count == 2:
        os.kill(os.getpid(), signal.SIGKILL)
journal.Journal.add_image = dying
"""


def test_killed_share_is_named_and_goes_on_by_itself(submit: Start, start: Start, tmp_path: Path, capsys) -> None:
    options = ("--batch-size", "1")
    alone = submit(E2E, *options, output="alone")
    killed = start(E2E, *options, "--shard", "0/2", output="shares", sabotage=KILLED)
    assert killed.status == -9
    assert submit(E2E, *options, "--shard", "1/2", output="shares").status == 0
    assert merge(E2E, tmp_path / "shares") == 2
    assert "share 0/2 has not ended, or was killed" in capsys.readouterr().err
    assert not (tmp_path / "shares" / "predictions.json").exists()
    resumed = submit(E2E, *options, "--shard", "0/2", output="shares")
    assert "going on with" in resumed.stderr
    assert merge(E2E, tmp_path / "shares") == 0
    assert (tmp_path / "shares" / "predictions.json").read_bytes() == (alone.output / "predictions.json").read_bytes()


def test_share_comes_from_the_environment(weights: Path, tmp_path: Path) -> None:
    array = {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "1"}
    command = ["run", "--input", str(E2E), "--output", str(tmp_path), "--weights", str(weights), "--device", "cpu"]
    run = subprocess.run(
        [sys.executable, "-m", "submission", *command],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", **array}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "share 1/2, from SLURM_ARRAY_TASK_ID=2" in run.stderr
    assert (tmp_path / "share-00001-of-00002" / "predictions.json").is_file()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--seed", "7"), "share 1/2 differs from share 0/2 in seed"),
        (("--draws", "2"), "share 1/2 differs from share 0/2 in draws"),
    ],
)
def test_share_of_another_configuration_is_refused(
    submit: Start, write_input: Write, tmp_path: Path, capsys, options, words
) -> None:
    source = write_input({"a": [text("кот")], "b": [text("пёс")]})
    submit(source, "--shard", "0/2", output="shares")
    submit(source, "--shard", "1/2", *options, output="shares")
    assert merge(source, tmp_path / "shares") == 2
    assert words in capsys.readouterr().err


def test_shares_of_another_input_are_refused(submit: Start, write_input: Write, tmp_path: Path, capsys) -> None:
    source = write_input({"a": [text("кот")], "b": [text("пёс")]})
    for number in range(2):
        submit(source, "--shard", f"{number}/2", output="shares")
    write_input({"a": [text("кот")], "b": [text("дом")]})
    assert merge(source, tmp_path / "shares") == 2
    assert "are of another input than" in capsys.readouterr().err


def two_pictures(write_input: Write) -> Path:
    """An input of four samples: each of two shares has one with a picture of its own."""
    source = write_input({str(i): [text("Что это?"), *([image(f"images/{i}.png")] if i < 2 else [])] for i in range(4)})
    for number in range(2):
        Image.new("RGB", (60, 50), (0, 100 * number, 90)).save(source / "images" / f"{number}.png")
    return source


def test_shares_made_from_other_pictures_are_named(submit: Start, write_input: Write, tmp_path: Path, capsys) -> None:
    source = two_pictures(write_input)
    for number in range(2):
        submit(source, "--shard", f"{number}/2", output="shares")
    picture = source / "images" / "1.png"
    kept = picture.read_bytes()
    for content in (kept[:-1] + bytes([kept[-1] ^ 1]), kept + b"1", None):  # of one size, of another, gone
        picture.unlink()
        if content is not None:
            picture.write_bytes(content)
        assert merge(source, tmp_path / "shares") == 2
        assert "share 1/2 was made from other bytes of images/1.png" in capsys.readouterr().err
        assert not (tmp_path / "shares" / "predictions.json").exists()
    picture.write_bytes(kept)
    assert merge(source, tmp_path / "shares") == 0
    notes = tmp_path / "shares" / "share-00001-of-00002" / "pictures.json"
    assert list(json.loads(notes.read_text())) == ["images/1.png"]
    for damaged in ("{", "[]"):
        notes.write_text(damaged)
        assert merge(source, tmp_path / "shares") == 2
        assert "pictures.json is damaged" in capsys.readouterr().err
    notes.unlink()
    picture.write_bytes(kept + b"1")  # it goes on, and nobody knows what it was begun with
    assert submit(source, "--shard", "1/2", output="shares").status == 0
    assert merge(source, tmp_path / "shares") == 0
    assert "share 1/2 has no pictures.json" in capsys.readouterr().err


def test_share_goes_on_with_the_pictures_it_was_begun_with(submit: Start, write_input: Write, tmp_path: Path) -> None:
    source = two_pictures(write_input)
    submit(source, "--shard", "1/2", output="shares")
    Image.new("RGB", (60, 50), (1, 2, 3)).save(source / "images" / "1.png")
    refused = submit(source, "--shard", "1/2", output="shares")
    assert refused.status == 2
    assert "share 1/2 was begun with other bytes of images/1.png" in refused.stderr
    Image.new("RGB", (60, 50), (0, 100, 90)).save(source / "images" / "1.png")  # as it was
    Image.new("RGB", (60, 50), (1, 2, 3)).save(source / "images" / "0.png")  # none of its own
    assert submit(source, "--shard", "1/2", output="shares").status == 0


def test_no_process_of_a_share_goes_on_with_other_pictures(
    submit: Start, write_input: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_input({str(i): [text("Что это?"), image(f"images/{i}.png")] for i in range(4)})
    for number in range(4):
        Image.new("RGB", (60, 50), (0, 50 * number, 90)).save(source / "images" / f"{number}.png")
    submit(source, "--shard", "1/2", output="shares")  # samples 1 and 3
    journals = {path: path.read_bytes() for path in (tmp_path / "shares").rglob("*journal*")}
    assert journals
    Image.new("RGB", (60, 50), (1, 2, 3)).save(source / "images" / "3.png")
    for name, value in {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    refused = submit(source, "--shard", "1/2", output="shares")
    assert refused.status == 2
    assert "share 1/2 was begun with other bytes of images/3.png" in refused.stderr
    assert {path: path.read_bytes() for path in journals} == journals
    left = [path for path in (tmp_path / "shares").rglob("*journal*") if path not in journals]
    assert not any(path.read_bytes() for path in left if path.is_file())


def test_broken_samples_and_more_shares_than_samples(submit: Start, write_input: Write, tmp_path: Path) -> None:
    source = write_input({"a": [text("кот")], "b": 7, "c": [text("пёс")]})
    alone = submit(source, "--batch-size", "1", output="alone")
    statuses = [submit(source, "--batch-size", "1", "--shard", f"{n}/4", output="shares").status for n in range(4)]
    assert sorted(statuses) == [0, 0, 0, 1]
    assert merge(source, tmp_path / "shares") == alone.status == 1
    assert (tmp_path / "shares" / "predictions.json").read_bytes() == (alone.output / "predictions.json").read_bytes()
    report = json.loads((tmp_path / "shares" / "run.json").read_text())
    assert report["problems"] == alone.report["problems"]
