"""Two results beside each other, and what may not stand beside each other."""

from dataclasses import replace

import pytest

from evaluation.comparing import compare, comparison_table
from evaluation.errors import NotComparableError
from evaluation.statistics import Resampling
from tests.evaluation.fakes import result_of, whole_result

FEW = Resampling(resamples=100)


def test_samples_are_compared_one_by_one() -> None:
    first, second = result_of({"vqa": [0.0, 0.5, 1.0, 1.0]}), result_of({"vqa": [1.0, 0.5, 0.5, 1.0], "textqa": [1.0]})
    comparison = compare(first, second, resampling=FEW)
    [task] = comparison.tasks
    assert (task.key, task.first, task.second) == ("vqa", 0.625, 0.75)
    assert (task.better, task.worse, task.equal) == (1, 1, 2)
    assert task.difference.difference == pytest.approx(0.125)
    assert (comparison.only_first, comparison.only_second) == ((), ("textqa",))


def test_samples_are_paired_by_id_whatever_their_order() -> None:
    second = result_of({"vqa": [0.0, 1.0]})
    task = second.tasks["vqa"]
    object.__setattr__(task, "samples", dict(reversed(task.samples.items())))
    [found] = compare(result_of({"vqa": [0.0, 1.0]}), second, resampling=FEW).tasks
    assert found.equal == 2


def test_s_is_compared_where_both_have_it() -> None:
    comparison = compare(whole_result(0.25), whole_result(0.75), resampling=FEW)
    assert [task.key for task in comparison.tasks][-1] == "integral"
    assert comparison.tasks[-1].difference.difference == pytest.approx(0.5)
    table = comparison_table(comparison)
    assert table.splitlines()[-2].split()[:5] == ["S", "0.2500", "0.7500", "+0.5000", "!"]  # 24 gaps agree
    assert "!" not in table.splitlines()[2], "two samples of a task show nothing"


def test_different_signatures() -> None:
    first, second = result_of({"vqa": [1.0, 0.0]}), result_of({"vqa": [1.0, 0.0]}, signature="equality|v:2")
    with pytest.raises(NotComparableError, match=r"vqa: equality\|v:1 against equality\|v:2"):
        compare(first, second)
    comparison = compare(first, second, different_signatures=True, resampling=FEW)
    assert comparison.unlike == ("vqa",)
    table = comparison_table(comparison)
    assert "vqa~" in table
    assert "~ the signatures differ" in table


def test_the_widest_table_fits_a_terminal() -> None:
    key, many = "text_recognition", 9_000
    first = result_of({key: [0.0] * many + [1.0] * many})
    second = result_of({key: [1.0] * many + [0.5] * many}, signature="equality|v:2")
    comparison = compare(first, second, different_signatures=True, resampling=FEW)
    [task] = comparison.tasks
    wider = replace(comparison, tasks=(replace(task, better=10_000, worse=10_000, equal=10_000),))
    table = comparison_table(wider)
    assert "text_recognition~" in table
    assert " ! " in table
    assert max(map(len, table.splitlines())) <= 100


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (result_of({"textqa": [1.0]}), "share no task"),
        (result_of({"vqa": [1.0]}, test="u"), "different test sets"),
        (result_of({"vqa": [1.0, 1.0]}), "vqa: one result only has 1 sample: 1"),
    ],
)
def test_what_is_not_of_one_test_can_not_be_compared(second: object, message: str) -> None:
    for different_signatures in (False, True):
        with pytest.raises(NotComparableError, match=message):
            compare(result_of({"vqa": [1.0]}), second, different_signatures=different_signatures)  # type: ignore[arg-type]


def test_tasks_are_corrected_for_their_number() -> None:
    first, second = (result_of({"vqa": [x] * 8, "textqa": [x] * 7, "mathqa": [0.5] * 3}) for x in (0.0, 1.0))
    comparison = compare(first, second, resampling=FEW)
    assert [task.difference.p for task in comparison.tasks] == [2 / 2**8, 2 / 2**7, 1]
    assert [task.p_corrected for task in comparison.tasks] == [3 * 2 / 2**8, 2 * 2 / 2**7, 1]


@pytest.mark.parametrize("known", [(True, True), (True, False), (False, True)])
def test_documents_of_either_result_count(known: tuple[bool, bool]) -> None:
    results = []
    for score, knows in zip((0.0, 1.0), known, strict=True):
        result = result_of({"vqa": [score] * 8})
        documents = (0, 0, 0, 0, 1, 1, 1, 1) if knows else None
        results.append(replace(result, tasks={"vqa": replace(result.tasks["vqa"], documents=documents)}))
    [task] = compare(*results, resampling=FEW).tasks
    assert task.difference.p == 2 / 2**2
