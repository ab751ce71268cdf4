"""METEOR itself: alignments, chunks, penalty."""

from collections.abc import Sequence
from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.metrics.meteor import Alignment, align_best, align_from_end, meteor_score, weighted_mean
from evaluation.metrics.stems import nltk_stem, snowball_stem
from evaluation.metrics.wordnet import NO_WORDNET, WordNet

WORDNET = WordNet(
    "test",
    relatives={"КОТ": frozenset({"животное"})},
    synsets={"кот": frozenset({"1"}), "кошка": frozenset({"1", "2"}), "киса": frozenset({"2"})},
)
SENTENCES = st.lists(st.sampled_from(["а", "б", "в", "г"]), max_size=5)


def crossings_of(matches: Sequence[tuple[int, int]]) -> int:
    """Number of pairs of matches whose order differs between the two sides."""
    return sum(j < other for (_, other), (_, j) in combinations(sorted(matches), 2))


def plain(word: str) -> str:
    return word


@pytest.mark.parametrize(
    ("matches", "chunks", "crossings"),
    [
        ((), 0, 0),
        (((0, 0),), 1, 0),
        (((0, 0), (1, 1), (2, 2)), 1, 0),
        (((0, 0), (2, 1)), 2, 0),
        (((0, 1), (1, 0)), 2, 1),
        (((0, 2), (1, 3), (2, 1), (3, 0)), 3, 5),
    ],
)
def test_chunks_and_crossings(matches: tuple[tuple[int, int], ...], chunks: int, crossings: int) -> None:
    assert (Alignment(matches, 4, 4).chunks, crossings_of(matches)) == (chunks, crossings)


def test_the_penalty_is_half_the_cube_of_chunks_per_match() -> None:
    assert meteor_score(Alignment(((0, 0), (1, 1), (2, 2), (3, 3)), 4, 4), gamma=0.5) == 1 - 0.5 / 64
    assert meteor_score(Alignment(((0, 0),), 1, 1), gamma=0.5) == 0.5
    assert meteor_score(Alignment(((0, 1), (1, 0)), 2, 2), gamma=0) == pytest.approx(1)
    assert meteor_score(Alignment((), 0, 0), gamma=0.5) == 0


@pytest.mark.parametrize(("precision", "recall", "mean"), [(1, 0.5, 5 / 9.5), (0.5, 1, 5 / 5.5), (1, 1, 1), (0, 0, 0)])
def test_recall_counts_nine_times_as_much(precision: float, recall: float, mean: float) -> None:
    assert weighted_mean(precision, recall) == pytest.approx(mean)


ALIGNMENTS = [
    # answer, reference, from the end, best
    ("в лесу", "в лесу в доме", [(0, 2), (1, 1)], [(0, 0), (1, 1)]),
    ("кот", "кот кот", [(0, 1)], [(0, 0)]),
    ("кот кот", "кот", [(1, 0)], [(0, 0)]),
    ("коты дома", "кота дом", [(0, 0), (1, 1)], [(0, 0), (1, 1)]),
    ("кот", "животное", [], []),  # the title is a stem by then: животн
    ("коту", "кошка", [], []),  # synonyms are looked up as they are
    ("кот", "кошка", [], [(0, 0)]),
    ("киса кот", "кошка", [], [(0, 0)]),
    ("кошка кот", "киса кошка", [(0, 1)], [(0, 1)]),  # an equal word goes before any synonym
]


@pytest.mark.parametrize(("answer", "reference", "from_end", "best"), ALIGNMENTS)
def test_alignments(answer: str, reference: str, from_end: list[tuple[int, int]], best: list[tuple[int, int]]) -> None:
    words, expected = answer.split(), reference.split()
    assert list(align_from_end(words, expected, nltk_stem, WORDNET).matches) == from_end
    assert list(align_best(words, expected, snowball_stem, WORDNET).matches) == best


def test_a_hypernym_counts_where_the_stemmer_leaves_it_whole() -> None:
    assert align_from_end(["кот"], ["животное"], plain, WORDNET).matches == ((0, 0),)
    assert align_from_end(["животное"], ["кот"], plain, WORDNET).matches == ()


def fewest_crossings(answer: list[str], reference: list[str]) -> tuple[int, int]:
    """The most matches of equal words and their fewest crossings, by trying everything."""
    pairs = [(i, j) for i, word in enumerate(answer) for j, other in enumerate(reference) if word == other]
    for size in range(min(len(answer), len(reference)), 0, -1):
        found = [
            crossings_of(chosen)
            for chosen in combinations(pairs, size)
            if len({i for i, _ in chosen}) == len({j for _, j in chosen}) == size
        ]
        if found:
            return size, min(found)
    return 0, 0


@given(SENTENCES, SENTENCES)
def test_the_best_alignment(answer: list[str], reference: list[str]) -> None:
    found = align_best(answer, reference, plain, NO_WORDNET)
    assert (len(found.matches), crossings_of(found.matches)) == fewest_crossings(answer, reference)


@given(SENTENCES, SENTENCES)
def test_both_alignments_match_each_word_once_and_equally_many(answer: list[str], reference: list[str]) -> None:
    greedy = align_from_end(answer, reference, plain, NO_WORDNET)
    best = align_best(answer, reference, plain, NO_WORDNET)
    for alignment in (greedy, best):
        assert len({i for i, _ in alignment.matches}) == len({j for _, j in alignment.matches})
        assert all(answer[i] == reference[j] for i, j in alignment.matches)
    assert len(greedy.matches) == len(best.matches)
    assert crossings_of(best.matches) <= crossings_of(greedy.matches)


@given(st.lists(st.text("абв", min_size=1, max_size=2), min_size=1, max_size=6))
def test_a_sentence_is_as_good_as_itself(words: list[str]) -> None:
    assert meteor_score(align_best(words, words, snowball_stem, WORDNET), gamma=0) == pytest.approx(1)


def test_without_penalty_the_order_of_words_is_no_matter() -> None:
    words = ["а", "б", "в", "г"]
    scores = {meteor_score(align_best(list(order), words, plain, NO_WORDNET), gamma=0) for order in permutations(words)}
    assert len(scores) == 1


def test_a_long_loop_of_one_word_is_aligned_too() -> None:
    assert len(align_best(["в"] * 3000, ["в", "в", "доме"], plain, NO_WORDNET).matches) == 2
