"""From files to a result: order, modes, S, parts of a test, sizes. The metric is a stand-in."""

import gc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from contest.errors import ContestFileError
from contest.tasks import TASKS, Task
from evaluation.errors import NeedsInputError, NoSamplesError, NotANumberError
from evaluation.metrics.base import TaskMetric, TaskScore
from evaluation.metrics.cases import Case, Note
from evaluation.metrics.errors import AttemptAbortedError
from evaluation.scoring import score_run
from evaluation.statistics import Resampling
from tests.evaluation.fakes import Equality, equality_of, text, write_files

FEW = Resampling(resamples=50)


class Fixed(Equality):
    """Gives every sample one score, with a part, a remark and the admission that a substitute was used."""

    def __init__(self, value: float) -> None:
        super().__init__(mode="official")
        self.value, self.comparable = value, False

    def score_cases(self, cases: Sequence[Case]) -> tuple[list[float], list[Note]]:
        return [self.value] * len(cases), []

    def result(self) -> TaskScore:
        return replace(super().result(), parts={"half": self.value / 2}, remarks=("few samples",))


def all_twelve(copies: int) -> dict[str, int]:
    return {f"{task.key}-{number}": task.id for number in range(copies) for task in TASKS}


def test_every_task_is_scored_and_s_is_their_weighted_sum(tmp_path: Path) -> None:
    ids = all_twelve(4)
    answers = {key: text("yes" if task_id < 6 or key.endswith("-0") else "no") for key, task_id in ids.items()}
    result = score_run(write_files(tmp_path, ids, answers=answers), equality_of(), resampling=FEW)
    assert {key: task.score for key, task in result.tasks.items()} == {
        task.key: 0.25 if task.is_hidden else 1.0 for task in TASKS
    }
    assert result.integral == pytest.approx(6 / 15 + 6 * 0.25 / 10)
    assert result.missing_tasks == ()
    assert result.integral_interval is not None
    assert result.integral_interval[0] <= result.integral <= result.integral_interval[1]
    assert list(result.tasks["hidden1"].samples) == [f"hidden1-{number}" for number in range(4)]


def test_the_metric_of_each_task(tmp_path: Path) -> None:
    asked: list[str] = []

    def metric_of(task: Task) -> TaskMetric:
        asked.append(task.key)
        return Equality()

    score_run(write_files(tmp_path, all_twelve(1)), metric_of, resampling=FEW)
    assert asked == [task.key for task in TASKS]


def test_a_file_with_some_tasks_is_scored_for_those(tmp_path: Path) -> None:
    files = replace(write_files(tmp_path, {"a": 0, "b": 7, "c": 0}), input=None)
    result = score_run(files, equality_of(), resampling=FEW)
    assert {key: task.n for key, task in result.tasks.items()} == {"textqa": 2, "hidden2": 1}
    assert (result.integral, result.integral_interval) == (None, None)
    assert result.missing_tasks == tuple(task.key for task in TASKS if task.key not in ("textqa", "hidden2"))


def test_chosen_tasks_only(tmp_path: Path) -> None:
    files = replace(write_files(tmp_path, all_twelve(1)), input=None)
    assert list(score_run(files, equality_of(), tasks=["vqa", "hidden1"], resampling=FEW).tasks) == ["vqa", "hidden1"]
    with pytest.raises(NoSamplesError):
        score_run(write_files(tmp_path, {"a": 0}), equality_of(), tasks=["vqa"])


def test_the_input_is_demanded_by_tasks_that_look_at_it(tmp_path: Path) -> None:
    files = replace(write_files(tmp_path, all_twelve(1)), input=None)
    with pytest.raises(NeedsInputError, match=r"^generation, captioning, hidden3, hidden4: .*--input"):
        score_run(files, equality_of())


def test_strict_scores_a_missing_prediction_0_and_names_it(tmp_path: Path) -> None:
    files = write_files(tmp_path, {"a": 0, "b": 0}, answers={"b": text("yes")})
    result = score_run(files, equality_of("strict"), mode="strict", resampling=FEW)
    assert result.tasks["textqa"].samples == {"a": 0.0, "b": 1.0}
    assert result.tasks["textqa"].score == 0.5
    assert [note.sample_id for note in result.tasks["textqa"].notes] == ["a"]
    assert result.has_errors
    with pytest.raises(AttemptAbortedError):
        score_run(files, equality_of(), mode="official")


def test_the_order_of_predictions_and_references_does_not_matter(tmp_path: Path) -> None:
    ids = {"c": 0, "a": 0, "b": 0}
    answers = {"a": text("yes"), "b": text("no"), "c": text("yes")}
    first = score_run(write_files(tmp_path, ids, answers=answers), equality_of(), resampling=FEW)
    backwards = dict(reversed(answers.items()))
    assert score_run(write_files(tmp_path, ids, answers=backwards), equality_of(), resampling=FEW) == first
    assert list(first.tasks["textqa"].samples) == ["c", "a", "b"]


def test_what_a_metric_tells_reaches_the_result(tmp_path: Path) -> None:
    result = score_run(write_files(tmp_path, {"a": 0}), lambda task: Fixed(0.5), resampling=FEW)
    task = result.tasks["textqa"]
    assert (task.parts, task.remarks, task.comparable) == ({"half": 0.25}, ("few samples",), False)
    assert task.signature == "equality|mode:official|v:1"


def test_a_single_sample_has_a_score_and_no_interval(tmp_path: Path) -> None:
    task = score_run(write_files(tmp_path, {"a": 0}), equality_of()).tasks["textqa"]
    assert (task.score, task.n, task.interval) == (1.0, 1, None)


def test_a_score_below_0_stays_as_it_is_but_enters_s_as_0(tmp_path: Path) -> None:
    result = score_run(write_files(tmp_path, all_twelve(2)), lambda task: Fixed(-0.1), resampling=FEW)
    assert result.tasks["captioning"].score == -0.1
    assert result.integral == 0
    assert "outside [0, 1]" in result.warnings[0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_an_error_that_names_the_samples(value: float, tmp_path: Path) -> None:
    with pytest.raises(NotANumberError, match=r"textqa.*a, b"):
        score_run(write_files(tmp_path, {"a": 0, "b": 0}), lambda task: Fixed(value))


def test_a_hundred_thousand_samples(tmp_path: Path) -> None:
    ids = {str(number): number % 12 for number in range(100_000)}
    result = score_run(write_files(tmp_path, ids), equality_of(), resampling=Resampling(resamples=100))
    assert sum(task.n for task in result.tasks.values()) == 100_000
    assert result.integral == 1


@pytest.mark.parametrize("is_on", [True, False])
@pytest.mark.parametrize("others", [True, False])
def test_the_collector_of_garbage_is_as_before(is_on: bool, others: bool, tmp_path: Path) -> None:
    files = write_files(tmp_path, {"a": 0})
    broken = replace(files, ids=tmp_path / "missing.json")
    seen: list[bool] = []

    def metric_of(task: Task) -> TaskMetric:
        seen.append(gc.isenabled())
        raise RuntimeError("in the middle")

    try:
        if others:
            gc.freeze()
        if not is_on:
            gc.disable()
        kept = gc.get_freeze_count()
        assert (kept > 0) == others
        score_run(files, equality_of(), resampling=FEW)
        with pytest.raises(ContestFileError):
            score_run(broken, equality_of(), resampling=FEW)
        with pytest.raises(RuntimeError, match="in the middle"):
            score_run(files, metric_of, resampling=FEW)
        assert gc.isenabled() == is_on
        assert seen == [is_on]
        assert (gc.get_freeze_count() > 0) == others
    finally:
        gc.enable()
        gc.unfreeze()
