"""The conversion itself: the same bytes for any number of workers and after kills, repeats counted, no overwriting."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_prep import duplicates
from data_prep.counts import Lengths
from tests.data_prep.conversions import convert, tree, write_lines

ROOT = Path(__file__).parents[2]


def question(i):
    context = f"Река номер {i // 3} течёт на север {i // 3 + 7} километров и впадает в море."
    return {"id": i, "context": context, "question": f"Какова длина ({i % 3})?", "answers": [{"text": f"{i // 3 + 7}"}]}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """1,500 lines, every hundredth of which is broken."""
    values = [{"id": i} if i % 100 == 99 else question(i) for i in range(1500)]
    return write_lines(tmp_path_factory.mktemp("rows") / "rows.jsonl", values)


@pytest.fixture(scope="module")
def alone(rows, tmp_path_factory):
    """The conversion by one process."""
    made = convert(tmp_path_factory.mktemp("alone") / "out", "sberquad", rows, "--validation-share", 0.1)
    assert made.status == 1
    return made


def test_counts_add_up_and_faults_are_printed_to_a_limit(alone):
    assert alone.printed.startswith("read 1500, used 1485, skipped 15 (FIELD_MISSING 15)\n")
    assert len(alone.all("textqa")) == 1485
    assert alone.errors.count("[FIELD_MISSING]") == 15
    assert alone.card("textqa")["records"] == {"read": 1500, "used": 1485, "skipped": {"FIELD_MISSING": 15}}


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_writes_the_same_bytes(rows, alone, tmp_path, workers):
    out = tmp_path / "out"
    process = subprocess.run(
        [sys.executable, "-m", "data_prep", "sberquad", rows, "--validation-share", "0.1", "--workers", str(workers),
         "--output", out],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 1, process.stderr
    assert process.stderr.count("[FIELD_MISSING]") == 15
    assert tree(out) == tree(alone.folder)


# Kills its own process with the signal that nothing can catch, after so many records, saving after every chunk.
KILLED = """
import os, signal, sys
from data_prep import pipeline
from data_prep.__main__ import main
from data_prep.sources.sberquad import SberQuAD
whole = SberQuAD.records
def records(self, scratch):
    for number, record in enumerate(whole(self, scratch)):
        if number == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)
        yield record
SberQuAD.records = records
pipeline.SAVE_SECONDS = 0
main(sys.argv[2:])
"""


def test_killed_conversion_resumes_to_same_bytes(rows, alone, tmp_path):
    out = tmp_path / "out"
    arguments = ["sberquad", str(rows), "--validation-share", "0.1", "--output", str(out)]
    for records in ("700", "1400"):
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, records, *arguments], cwd=ROOT, capture_output=True, check=False
        )
        assert killed.returncode == -9
    partial = out / ".sberquad.partial"
    saved = json.loads((partial / "progress.json").read_text("utf-8"))
    assert saved["progress"]["chunks"] == 5
    with open(partial / "textqa" / "textqa_train.json", "ab") as stream:
        stream.write(b"what a killed process had written since")
    made = convert(out, *arguments[:-2])
    assert made.errors.count("[FIELD_MISSING]") == 3  # the others were told before the kill
    assert tree(out) == tree(alone.folder)


def test_going_on_under_other_settings_is_refused_by_name(rows, tmp_path):
    out = tmp_path / "out"
    subprocess.run(
        [sys.executable, "-c", KILLED, "700", "sberquad", str(rows), "--output", str(out)], cwd=ROOT, check=False,
        capture_output=True,
    )  # fmt: skip
    refused = convert(out, "sberquad", rows, "--seed", 1, "--validation-share", 0.2)
    assert refused.status == 2
    assert "was begun with another seed, validation_share" in refused.errors
    strict = convert(out, "sberquad", rows, "--strict")
    assert strict.status == 2
    assert "has skipped" in strict.errors


def test_kill_while_the_folders_are_moved_loses_nothing(rows, alone, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def no_moving(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("data_prep.writing_folders._move", no_moving)
        stopped = convert(out, "sberquad", rows, "--validation-share", 0.1)
    assert stopped.status == 130
    assert "the same command goes on from here" in stopped.errors
    assert not (out / "textqa").exists()
    made = convert(out, "sberquad", rows, "--validation-share", 0.1)
    assert made.status == 1
    assert tree(out) == tree(alone.folder)


def test_folder_that_is_there_is_never_written_over(rows, alone):
    before = tree(alone.folder)
    refused = convert(alone.folder, "sberquad", rows)
    assert refused.status == 2
    assert f"{alone.folder / 'textqa'} exists already" in refused.errors
    assert tree(alone.folder) == before


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--validation-share", 2], "argument --validation-share: must be a number from 0 to 1, not '2'"),
        (["--bpe", "no/such.model"], "no/such.model"),
    ],
)
def test_impossible_settings_are_named(rows, tmp_path, arguments, named):
    refused = convert(tmp_path / "out", "sberquad", rows, *arguments)
    assert refused.status == 2
    assert named in refused.errors


def test_card_counts_repeats_and_lengths(tmp_path):
    values = [question(i) for i in range(90)] + [question(i) for i in range(30)]
    file = write_lines(tmp_path / "rows.jsonl", values)
    bpe = ROOT / "weights" / "bpe.model"
    made = convert(tmp_path / "out", "sberquad", file, "--validation-share", 0, "--bpe", bpe, "--left-limit", 40)
    card = made.card("textqa")
    figures = card["tasks"]["textqa"]
    assert figures["samples"] == {"train": 120, "val": 0}
    assert figures["repeated"] == {"train": 30, "val": 0}
    assert figures["left_tokens"]["count"] == figures["right_tokens"]["count"] == 120
    assert 0 < figures["left_texts_over_limit"] <= 120
    markdown = (made.folder / "textqa" / "card.md").read_text("utf-8")
    assert f"{figures['left_texts_over_limit']} left texts exceed 40 tokens" in markdown
    assert "Licence: " in markdown


def test_same_question_on_both_sides_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.split.Splitting.side", lambda _, group: "val" if len(group) % 2 else "train")
    monkeypatch.setattr("data_prep.sources.sberquad.document_group", lambda text: f"text:{'x' * (len(text) % 2)}")
    sound = question(0)
    file = write_lines(tmp_path / "rows.jsonl", [sound, {**sound, "context": sound["context"] + "."}, sound])
    figures = convert(tmp_path / "out", "sberquad", file).card("textqa")["tasks"]["textqa"]
    assert sum(figures["repeated"].values()) == 1
    assert figures["validation_samples_that_training_has"] == 0


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_repeats_are_counted_exactly_in_little_memory(tmp_path, monkeypatch, block):
    monkeypatch.setattr(duplicates, "BLOCK", block)
    rng = np.random.default_rng(0)
    pool = rng.integers(0, 2**64, 60, dtype=np.uint64)
    first, second = rng.choice(pool, 90), rng.choice(pool, 50)
    (tmp_path / "a").write_bytes(first.astype("<u8").tobytes())
    (tmp_path / "b").write_bytes(second.astype("<u8").tobytes())
    assert duplicates.count_repeated(tmp_path / "a") == 90 - len(set(first.tolist()))
    assert duplicates.count_shared(tmp_path / "a", tmp_path / "b") == sum(
        v in set(first.tolist()) for v in second.tolist()
    )


def test_percentiles_are_of_the_nearest_rank():
    lengths = Lengths()
    lengths.update([5] * 50 + [7] * 45 + [9] * 4 + [100])
    assert lengths.summary() == {"count": 100, "mean": 7.01, "median": 5, "p95": 7, "p99": 9, "max": 100}
    assert lengths.above(7) == 5
    assert Lengths().summary() == {}
