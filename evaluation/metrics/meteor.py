"""METEOR: words of an answer aligned with those of a reference, and the score.

A. Lavie, A. Agarwal, METEOR: An Automatic Metric for MT Evaluation with High Levels of Correlation with Human
Judgments, WMT 2007. The stages are equal words, then equal stems, then synonyms; each only takes words that those
before it have left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from evaluation.metrics.crossings import Match, fewest_crossings, match_equal
from evaluation.metrics.wordnet import WordNet

Stemmer: TypeAlias = Callable[[str], str]

ALPHA = 0.9  # weight of precision in the denominator: recall counts nine times as much
BETA = 3.0  # power of the share of chunks in the penalty


@dataclass(frozen=True, slots=True)
class Alignment:
    """Matched words, ordered by the answer's, and how many words there are on both sides."""

    matches: tuple[Match, ...]
    answer_length: int
    reference_length: int

    @property
    def precision(self) -> float:
        """Share of the answer's words that are matched. Raises ZeroDivisionError if it has none."""
        return len(self.matches) / self.answer_length

    @property
    def recall(self) -> float:
        """Share of the reference's words that are matched. Raises ZeroDivisionError if it has none."""
        return len(self.matches) / self.reference_length

    @property
    def chunks(self) -> int:
        """Number of longest runs of matches whose words are neighbours on both sides."""
        chunks = 0
        after_both = (-1, -1)  # what would go on with the run so far
        for match in self.matches:
            chunks += match != after_both
            after_both = (match[0] + 1, match[1] + 1)
        return chunks


def weighted_mean(precision: float, recall: float) -> float:
    """Return `PR / (0.9 P + 0.1 R)`, which the rules write as `10 P R / (R + 9 P)`; 0 if both are 0."""
    if not precision and not recall:
        return 0.0
    return (precision * recall) / (ALPHA * precision + (1 - ALPHA) * recall)


def meteor_score(alignment: Alignment, *, gamma: float) -> float:
    """Return `(1 - gamma (chunks / m)^3) F`; 0 if no word is matched. `gamma` is the weight of the penalty."""
    if not alignment.matches:
        return 0.0
    penalty = gamma * (alignment.chunks / len(alignment.matches)) ** BETA if gamma else 0.0
    return (1 - penalty) * weighted_mean(alignment.precision, alignment.recall)


def align_from_end(answer: Sequence[str], reference: Sequence[str], stem: Stemmer, wordnet: WordNet) -> Alignment:
    """Align as the organisers' scripts do.

    Each word of the answer, from the last to the first, takes the last word left of the reference that fits it
    (defect 14). What is left after the stages of words and of stems are stems, and these are looked up in the
    wordnet and compared with it (defect 15).
    """
    stems, reference_stems = list(map(stem, answer)), list(map(stem, reference))
    matches: list[Match] = []
    for words, others in _places_by_stem(stems, reference_stems):
        if len(words) == 1 == len(others):
            matches.append((words[0], others[0]))
        else:
            matches += _match_from_end(words, others, answer, reference)
    if len(matches) < min(len(answer), len(reference)) and wordnet.relatives and any(map(wordnet.related, stems)):
        free, left = _unmatched(matches, len(answer), len(reference))
        for i in reversed(free):
            related = wordnet.related(stems[i])
            last = next((j for j in reversed(left) if reference_stems[j] in related), None) if related else None
            if last is not None:
                left.remove(last)
                matches.append((i, last))
    matches.sort()
    return Alignment(tuple(matches), len(answer), len(reference))


_Places: TypeAlias = list[int]


def _places_by_stem(stems: Sequence[str], reference_stems: Sequence[str]) -> list[tuple[_Places, _Places]]:
    """Return, for each stem of both sides, where it stands on either: no other words match in the first two stages."""
    shared = set(stems).intersection(reference_stems)
    places: dict[str, tuple[_Places, _Places]] = {word: ([], []) for word in shared}
    for side, words in enumerate((stems, reference_stems)):
        for place, word in enumerate(words):
            if word in shared:
                places[word][side].append(place)
    return list(places.values())


def _match_from_end(
    words: _Places, others: _Places, answer: Sequence[str], reference: Sequence[str]
) -> Iterable[Match]:
    """Match words of one stem: each, from the last, takes the last equal word that is left, then the last one left."""
    left: dict[str, _Places] = {}
    for j in others:
        left.setdefault(reference[j], []).append(j)
    matches = [(i, left[answer[i]].pop()) for i in reversed(words) if left.get(answer[i])]
    if len(matches) == min(len(words), len(others)):
        return matches
    taken, matched = {i for i, _ in matches}, {j for _, j in matches}
    rest = zip(
        [i for i in reversed(words) if i not in taken], [j for j in reversed(others) if j not in matched], strict=False
    )
    return [*matches, *rest]


def align_best(answer: Sequence[str], reference: Sequence[str], stem: Stemmer, wordnet: WordNet) -> Alignment:
    """Align as the rules say: in each stage the most matches, and of these the ones with the fewest crossings.

    Synonyms are words of one synset, so that words should come in their dictionary form.
    """
    stems, reference_stems = list(map(stem, answer)), list(map(stem, reference))
    same = _places_by_stem(stems, reference_stems)
    if all(len(words) == 1 == len(others) for words, others in same):
        matches = [(words[0], others[0]) for words, others in same]
    else:
        matches = match_equal(list(enumerate(answer)), list(enumerate(reference)), ())
        words, left = _unmatched(matches, len(answer), len(reference))
        matches += match_equal([(i, stems[i]) for i in words], [(j, reference_stems[j]) for j in left], matches)
    if len(matches) < min(len(answer), len(reference)) and wordnet.synsets and any(map(wordnet.synsets_of, answer)):
        words, left = _unmatched(matches, len(answer), len(reference))
        synsets = [(j, found) for j in left if (found := wordnet.synsets_of(reference[j]))]
        candidates = {
            i: places
            for i in words
            if (own := wordnet.synsets_of(answer[i]))
            and (places := [j for j, found in synsets if not own.isdisjoint(found)])
        }
        if candidates:
            matches += fewest_crossings(candidates, sorted(matches))
    return Alignment(tuple(sorted(matches)), len(answer), len(reference))


def _unmatched(matches: Iterable[Match], answer_length: int, reference_length: int) -> tuple[list[int], list[int]]:
    """Return the places of the words that are left on both sides."""
    words, left = {i for i, _ in matches}, {j for _, j in matches}
    return (
        [i for i in range(answer_length) if i not in words],
        [j for j in range(reference_length) if j not in left],
    )
