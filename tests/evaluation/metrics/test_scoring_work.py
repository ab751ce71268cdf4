"""How much work the scores take, counted: alignments, searches, and references that are left out."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.metrics import captioning, crossings, vqa
from evaluation.metrics.crossings import fewest_crossings, match_equal
from evaluation.metrics.meteor_tasks import TextComparison, first_best, highest_score
from evaluation.metrics.wordnet import NO_WORDNET
from tests.evaluation.metrics.cases import case

FIVE = ["кот сидит на окне", "кот лежит на столе", "собака бежит", "дом у реки", "кот"]
LATER_BEST = ["дом у реки", "собака бежит", "кот лежит на столе", "кот сидит на окне"]
COUNTED = [
    # module, mode, references, answer, alignments from the end, best alignments
    # Official: the score, the score in the normal form of the rules (defect 6), the best alignment (14 and 15).
    (captioning, "official", FIVE, "кот сидит на окне", 2, 1),
    (captioning, "official", LATER_BEST, "кот сидит на окне", 2, 1),
    (captioning, "official", ["кот"], "дом", 2, 1),
    (captioning, "strict", FIVE, "кот сидит на окне", 0, 1),
    (captioning, "strict", LATER_BEST, "кот сидит на окне", 0, 1),
    (vqa, "official", ["синий", "зелёный", "красный"], "красный", 1, 0),
    (vqa, "official", ["5"], "5", 0, 0),
    (vqa, "strict", ["синий", "зелёный", "красный"], "красный", 0, 0),
    (vqa, "strict", ["в лесу", "в поле у дома"], "в лесу у дома", 0, 1),
]


@pytest.mark.parametrize(("module", "mode", "references", "answer", "from_end", "best"), COUNTED)
def test_only_references_that_could_score_more_are_aligned(
    module: Any, mode: Any, references: list[str], answer: str, from_end: int, best: int, monkeypatch: Any
) -> None:
    aligned: list[str] = []

    def counting(name: str, align: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*texts: Any) -> Any:
            aligned.append(name)
            return align(*texts)

        return counted

    for name in ("align_from_end", "align_best"):
        monkeypatch.setattr(module, name, counting(name, getattr(module, name)))
    module.score_cases([case(references, answer)], mode, NO_WORDNET)
    assert (aligned.count("align_from_end"), aligned.count("align_best")) == (from_end, best)


def compared(score: float) -> TextComparison:
    return TextComparison(score, "", "", (), (), None)


@pytest.mark.parametrize(
    ("bounds", "scores", "winner", "asked"),
    [
        ([0.5, 0.9, 0.7], [0.5, 0.9, 0.7], 1, [1]),
        ([1.0, 1.0, 1.0], [0.2, 0.6, 0.6], 1, [0, 1, 2]),  # the first of the best
        ([0.6, 1.0], [0.6, 0.6], 0, [1, 0]),
        ([0.0, 1.0], [0.0, 0.0], 0, [1, 0]),
        ([0.0, 0.0], [0.0, 0.0], 0, [0]),
        ([], [], None, []),
    ],
)
def test_the_order_of_references(
    bounds: list[float], scores: list[float], winner: int | None, asked: list[int]
) -> None:
    places: list[int] = []
    comparisons = [compared(score) for score in scores]

    def compare(place: int) -> TextComparison:
        places.append(place)
        return comparisons[place]

    found = first_best(bounds, compare)
    assert found is (None if winner is None else comparisons[winner])
    assert places == asked
    assert highest_score(bounds, scores.__getitem__) == max(scores, default=0)


KEYS = st.lists(st.sampled_from("абвгд"), max_size=7)


@given(KEYS, KEYS, st.integers(0, 3))
def test_trying_all_ways_finds_what_the_search_finds(answer: list[str], reference: list[str], fixed: int) -> None:
    stands = [(i, i) for i in range(min(fixed, len(answer), len(reference)))]
    words = list(enumerate(answer))[len(stands) :]
    others = list(enumerate(reference))[len(stands) :]
    places = {i: [j for j, other in others if other == word] for i, word in words}
    searched = fewest_crossings({i: found for i, found in places.items() if found}, stands)
    assert sorted(match_equal(words, others, stands)) == sorted(searched)


@pytest.mark.parametrize(
    ("answer", "reference", "searches"),
    [
        ("а б в", "а б в", 0),
        ("а б а в", "а в б", 0),
        ("а б а в а", "а в а б", 0),
        ("а б а в а б а б а в а б", "а в б а в б а б а в а а", 1),
    ],
)
def test_the_search_is_left_to_sentences_with_many_repetitions(
    answer: str, reference: str, searches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[Any] = []

    def counted(*sides: Any) -> Any:
        searched.append(sides)
        return fewest_crossings(*sides)

    monkeypatch.setattr(crossings, "fewest_crossings", counted)
    match_equal(list(enumerate(answer.split())), list(enumerate(reference.split())), ())
    assert len(searched) == searches
