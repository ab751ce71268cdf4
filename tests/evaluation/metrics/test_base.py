"""What every metric shares: states over updates and processes, notes, signatures."""

import json
import pickle
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from contest.errors import Code, ContestError
from evaluation.metrics.base import TaskMetric
from evaluation.metrics.cases import Case, Note, UnsoundAnswer
from evaluation.metrics.errors import AttemptAbortedError, NothingToScoreError
from evaluation.metrics.torch_metric import TorchMetric
from tests.evaluation.metrics.cases import case

CASES = [case(["хор"], "x" * length, sample_id=f"id {length}") for length in (3, 0, 5, 2, 4)]


class Lengths(TaskMetric):
    """Scores an answer by its length, notes the odd ones; an answer of nine letters voids the task."""

    name = "lengths"

    def score_cases(self, cases: Sequence[Case]) -> tuple[list[float], list[Note]]:
        lengths = {c.id: len(c.answer.texts[0]) for c in cases if c.answer}
        notes = [Note(i, 6, f"{n} букв\n", voids_task=n == 9) for i, n in lengths.items() if n % 2]
        return [n / 10 for n in lengths.values()], notes

    def settings(self) -> dict[str, str]:
        return {"unit": "letter"}


def test_scores_and_notes_are_in_ground_truth_order() -> None:
    metric = Lengths()
    metric.update(CASES[3:], [3, 4])
    metric.update(CASES[:3], [0, 1, 2])
    assert list(metric.result().samples.items()) == [(c.id, float(c.id[3:]) / 10) for c in CASES]
    assert list(metric.result().notes) == [Note("id 3", 6, "3 букв\n"), Note("id 5", 6, "5 букв\n")]
    assert metric.result().score == pytest.approx(0.28, abs=1e-15)


def test_torchmetrics_forward_gives_the_batch_and_keeps_all() -> None:
    metric = TorchMetric(Lengths())
    assert metric(CASES[:2], [0, 1]).item() == pytest.approx(0.15)
    assert metric(CASES[2:], [2, 3, 4]).item() == pytest.approx(1.1 / 3)
    assert metric.compute().dtype == torch.float64
    assert metric.compute().item() == pytest.approx(0.28)
    assert len(metric.scorer().result().notes) == 2


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_torchmetrics_reset_forgets_scores_and_notes() -> None:
    metric = TorchMetric(Lengths())
    metric.update(CASES, range(5))
    metric.reset()
    assert metric.scorer().samples == []
    with pytest.raises(NothingToScoreError, match="lengths: there is no sample to score"):
        metric.compute()


def test_a_note_can_void_the_whole_task() -> None:
    metric = Lengths()
    metric.update([*CASES, case(["хор"], "x" * 9, sample_id="id 9")], range(6))
    assert metric.result().score == 0
    assert set(metric.result().samples.values()) == {0.0}


def test_a_sample_that_two_batches_hold_counts_once() -> None:
    metric = Lengths()
    metric.update(CASES[:3], [0, 1, 2])
    metric.update(CASES[2:], [2, 3, 4])
    assert metric.result().score == pytest.approx(0.28)
    assert len(metric.result().notes) == 2


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="mode 'lax' is unknown; modes: official, strict"):
        Lengths(mode="lax")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="2 cases, but 1 indices"):
        Lengths().update(CASES[:2], [0])
    unsound = UnsoundAnswer(None, (ContestError(Code.SAMPLE_NOT_A_LIST),))
    with pytest.raises(ValueError, match="either sound or unsound"):
        Case("0", CASES[0].truth, CASES[0].answer, unsound=unsound)


def test_the_signature_names_all_that_scores_depend_on() -> None:
    assert Lengths(mode="strict").signature() == "lengths|mode:strict|unit:letter|v:1"


def test_an_abort_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(AttemptAbortedError("an id is missing", sample_id="7", defect=3)))
    assert (error.sample_id, error.defect) == ("7", 3)
    assert str(error).startswith("sample '7': an id is missing; the organisers' scripts stop here")


def score_a_share(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    results = []
    for shares in (([0, 3], [1, 2, 4]), ([0, 1, 2, 3, 4], None)):
        metric = TorchMetric(Lengths())
        if (share := shares[rank]) is not None:
            metric.update([CASES[index] for index in share], share)
        score = metric.compute().item()
        with metric.sync_context():
            found = metric.scorer().result()
        results.append([score, list(found.samples.items()), [note.sample_id for note in found.notes]])
    Path(folder, f"{rank}.json").write_text(json.dumps(results))
    dist.destroy_process_group()


def test_two_processes_give_what_one_gives_in_torchmetrics(tmp_path: Path) -> None:
    mp.start_processes(score_a_share, args=(str(tmp_path),), nprocs=2, start_method="fork")  # no second import of torch
    metric = Lengths()
    metric.update(CASES, range(5))
    alone = [metric.result().score, [list(pair) for pair in metric.result().samples.items()], ["id 3", "id 5"]]
    assert [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)] == [[alone, alone]] * 2
