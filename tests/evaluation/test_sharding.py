"""Scoring under torchrun: whose a sample is, and that any number of processes gives what one gives."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from contest.ground_truth import GroundTruth, References
from contest.items import Item, Sample
from contest.tasks import task_by_key
from evaluation.joining import ScoringFiles
from evaluation.metrics.cases import Case, Mode
from evaluation.metrics.textqa import TextQA
from evaluation.results import read_result
from evaluation.sharding import ALONE, ScoringProcesses
from tests.evaluation.fakes import text, write_files

ROOT = Path(__file__).parents[2]
MIXED = ROOT / "tests/golden/metrics/mixed"
TEXT_TASKS = "textqa,mathqa,vqa,text_recognition"


def case(number: int, items: int = 1, asked: int = 1) -> Case:
    def sample(count: int) -> Sample:
        return Sample(str(number), tuple(Item("text", "да") for _ in range(count)))

    return Case(str(number), GroundTruth(str(number), (References("text", ("да",)),)), sample(items), sample(asked))


@pytest.mark.parametrize(
    ("task", "mode", "items", "asked", "count", "shares"),
    [
        ("textqa", "official", [1, 1, 1, 1], [1, 1, 1, 1], 1, [(0, 4)]),
        ("textqa", "official", [1, 1, 1, 1, 1], [1] * 5, 2, [(0, 3), (3, 5)]),
        ("textqa", "official", [1], [1], 2, [(0, 1), (1, 1)]),
        ("textqa", "official", [], [], 2, [(0, 0), (0, 0)]),
        # A sample without items is scored with the answer of the last one that has some.
        ("textqa", "official", [1, 1, 0, 0, 1, 1], [1] * 6, 2, [(0, 3), (1, 6)]),
        ("textqa", "official", [0, 0, 0, 1], [1] * 4, 4, [(0, 1), (0, 2), (0, 3), (3, 4)]),
        ("textqa", "strict", [1, 1, 0, 0, 1, 1], [1] * 6, 2, [(0, 3), (3, 6)]),
        # What is to be drawn stands at no fixed place: it is that of some sample before.
        ("generation", "official", [1] * 4, [1, 2, 2, 2], 2, [(0, 2), (2, 4)]),
        ("generation", "official", [1] * 4, [1, 2, 2, 3], 2, [(0, 2), (0, 4)]),
        ("generation", "strict", [1] * 4, [1, 2, 2, 3], 2, [(0, 2), (2, 4)]),
    ],
)
def test_the_share_of_each_process(
    task: str, mode: Mode, items: Sequence[int], asked: Sequence[int], count: int, shares: Sequence[tuple[int, int]]
) -> None:
    cases = [case(number, *counts) for number, counts in enumerate(zip(items, asked, strict=True))]
    found = [ScoringProcesses(rank, count).share(task_by_key(task), cases, mode) for rank in range(count)]
    assert [(share.start, share.stop) for share in found] == list(shares)


def test_there_is_no_process_beyond_the_last() -> None:
    with pytest.raises(ValueError, match="process 2 of 2"):
        ScoringProcesses(2, 2)
    assert ALONE.is_first


def test_notes_end_with_the_one_that_voids_the_task() -> None:
    cases = [case(number, items) for number, items in enumerate([0, 1, 1, 1])]
    whole, parts = TextQA(), TextQA()
    whole.update(cases, range(4))
    parts.update(cases[:2], [0, 1])
    parts.update([case(2), case(3, 2)], [2, 3])
    assert list(parts.result().notes) == list(whole.result().notes)
    assert parts.result().samples == whole.result().samples == dict.fromkeys("0123", 0.0)


def score(count: int, files: ScoringFiles, out: Path, *options: object) -> subprocess.CompletedProcess[str]:
    """Run `evaluation score` with its files in `out`, under torchrun if there are several processes."""
    out.mkdir()
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"] if count > 1 else []
    named = ["--predictions", files.predictions, "--ground-truth", files.ground_truth, "--ids", files.ids]
    named += ["--json", out / "result.json", "--csv", out / "table.csv", "--resamples", 50, *options]
    named += ["--samples", out / "samples.jsonl"]
    command = [sys.executable, *launcher, "-m", "evaluation", "score", *map(str, named)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=False)


def odd_files(folder: Path, broken: str | None = None) -> ScoringFiles:
    """A test of two text tasks whose answers depend on those before, at every place where a block could begin."""
    ids = {f"{key}{number}": task for key, task in (("t", 0), ("r", 5)) for number in range(9)}
    truths = {key: [{"type": "text", "content": ["b", "кот на окне"]}] for key in ids}
    answers: dict[str, object] = {key: [] if int(key[1]) % 3 else text(f"b) кот {key}") for key in ids}
    if broken is not None:
        answers[broken] = [{"type": "text", "content": 7}]
    return write_files(folder, ids, truths=truths, answers=answers)


def assert_the_same(one: Path, several: Path) -> None:
    for name in ("result.json", "table.csv", "samples.jsonl"):
        assert (several / name).read_bytes() == (one / name).read_bytes()


def test_two_processes_give_what_one_gives_and_say_it_once(tmp_path: Path) -> None:
    files = odd_files(tmp_path)
    one, two = score(1, files, tmp_path / "one"), score(2, files, tmp_path / "two")
    assert (one.returncode, two.returncode) == (0, 0), two.stderr
    assert_the_same(tmp_path / "one", tmp_path / "two")
    assert two.stdout == one.stdout.replace(str(tmp_path / "one"), str(tmp_path / "two"))
    assert "of the sample before counts again" in json.dumps(json.loads((tmp_path / "two/result.json").read_text()))


def test_an_error_in_one_process_ends_all_and_is_told_once(tmp_path: Path) -> None:
    files = odd_files(tmp_path, broken="r8")  # the last sample: the first process never sees it
    one, two = score(1, files, tmp_path / "one"), score(2, files, tmp_path / "two")
    assert one.returncode == 2
    assert two.returncode != 0
    message = one.stderr.strip()
    assert message.startswith("evaluation score: error [ATTEMPT_ABORTED] sample 'r8'")
    assert two.stderr.count(message) == 1
    assert list((tmp_path / "two").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("mode", ["official", "strict"])
def test_any_number_of_processes_gives_the_mixed_files_scores(mode: Mode, count: int, tmp_path: Path) -> None:
    files = ScoringFiles(MIXED / "predictions.json", MIXED / "ground_truth.json", MIXED / "ids.json")
    options = ("--mode", mode, "--tasks", TEXT_TASKS)
    one, several = (score(number, files, tmp_path / str(number), *options) for number in (1, count))
    assert several.stdout == one.stdout.replace(str(tmp_path / "1"), str(tmp_path / str(count)))
    assert (several.returncode == 0) == (one.returncode == 0)
    assert_the_same(tmp_path / "1", tmp_path / str(count))


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("mode", ["official", "strict"])
def test_pictures_score_alike_in_other_batches(mode: Mode, count: int, tmp_path: Path) -> None:
    files = ScoringFiles(MIXED / "predictions.json", MIXED / "ground_truth.json", MIXED / "ids.json")
    networks = ("--input", MIXED, "--assets", ROOT / "weights", "--fid-features", "ruclip")
    options = ("--mode", mode, "--tasks", "generation,captioning", *networks)
    one, several = (score(number, files, tmp_path / str(number), *options) for number in (1, count))
    assert (one.returncode, several.returncode) == (0, 0), several.stderr
    first, other = (read_result(tmp_path / str(number) / "result.json").tasks for number in (1, count))
    for key, task in first.items():
        assert other[key].notes == task.notes
        assert other[key].score == pytest.approx(task.score, abs=1e-5)
        assert dict(other[key].samples) == pytest.approx(dict(task.samples), abs=1e-5)
        assert dict(other[key].parts) == pytest.approx(dict(task.parts), rel=1e-5)


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_no_other_waiting(tmp_path: Path) -> None:
    killer = tmp_path / "killed.py"
    killer.write_text(
        "import os, signal\n"
        "from evaluation.__main__ import main\n"
        "from evaluation.commands import score\n"
        "if os.environ['RANK'] == '1':\n"
        f"    score._scored = lambda *_: os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
        f"raise SystemExit(main({['score', *_named(odd_files(tmp_path))]!r}))\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(killer)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode != 0


def _named(files: ScoringFiles) -> list[str]:
    return list(
        map(str, ["--predictions", files.predictions, "--ground-truth", files.ground_truth, "--ids", files.ids])
    )
