"""METEOR: words of an answer aligned with those of a reference, and the score. Knows nothing of texts and tokens.

A. Lavie, A. Agarwal, METEOR: An Automatic Metric for MT Evaluation with High Levels of Correlation with Human
Judgments, WMT 2007. The stages are equal words, then equal stems, then synonyms; each only takes words that those
before it have left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from evaluation.metrics.wordnet import WordNet

Stemmer: TypeAlias = Callable[[str], str]
Match: TypeAlias = tuple[int, int]
"""Places of a word of the answer and of a word of the reference."""

ALPHA = 0.9  # weight of precision in the denominator: recall counts nine times as much
BETA = 3.0  # power of the share of chunks in the penalty
STATES = 256
"""How many partial alignments the search for the fewest crossings keeps; enough to be exact for usual sentences."""
PAIRS = 200
"""Up to how many pairs of words that fit that search is made; beyond, any alignment with the most matches will do."""
_ROUNDING = 1e-12


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
        return sum(
            index == 0 or (answer - 1, reference - 1) != self.matches[index - 1]
            for index, (answer, reference) in enumerate(self.matches)
        )

    @property
    def crossings(self) -> int:
        """Number of pairs of matches whose order differs between the two sides."""
        return sum(
            later < earlier for index, (_, later) in enumerate(self.matches) for _, earlier in self.matches[:index]
        )


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


def score_bound(
    answer: Sequence[str], reference: Sequence[str], stem: Stemmer, wordnet: WordNet, *, gamma: float
) -> float:
    """Return what the score of `align_from_end` is at most, without aligning."""
    stems = frozenset(map(stem, reference))
    others = [word for word in map(stem, answer) if word not in stems]
    with_partner = len(answer) - len(others)
    if wordnet.relatives:
        with_partner += sum([not stems.isdisjoint(wordnet.related(word)) for word in others])
    return _highest_score(min(with_partner, len(reference)), len(answer), len(reference), gamma)


def best_score_bound(answer: Sequence[str], reference: Sequence[str], stem: Stemmer, wordnet: WordNet) -> float:
    """Return what the score of `align_best`, without penalty, is at most, without aligning."""
    stems = frozenset(map(stem, reference))
    synsets = frozenset().union(*map(wordnet.synsets_of, reference)) if wordnet.synsets else frozenset()
    others = [word for word in answer if stem(word) not in stems]
    with_partner = len(answer) - len(others)
    if synsets:
        with_partner += sum([not synsets.isdisjoint(wordnet.synsets_of(word)) for word in others])
    return _highest_score(min(with_partner, len(reference)), len(answer), len(reference), 0.0)


def _highest_score(matches: int, answer_length: int, reference_length: int, gamma: float) -> float:
    """Return the score if so many words were matched in one chunk; more matches never score lower."""
    if not matches:
        return 0.0
    mean = weighted_mean(matches / answer_length, matches / reference_length)
    return (1 - gamma / matches**BETA) * mean + _ROUNDING


def align_from_end(answer: Sequence[str], reference: Sequence[str], stem: Stemmer, wordnet: WordNet) -> Alignment:
    """Align as the organisers' scripts do.

    Each word of the answer, from the last to the first, takes the last word left of the reference that fits it
    (defect 14). What is left after the stages of words and of stems are stems, and these are looked up in the
    wordnet and compared with it (defect 15).
    """
    matches: list[Match] = []
    words, left = list(enumerate(answer)), list(enumerate(reference))
    words, left = _take_equal(words, left, matches)
    if words and left:
        words = [(place, stem(word)) for place, word in words]
        left = [(place, stem(word)) for place, word in left]
        words, left = _take_equal(words, left, matches)
    for place, word in reversed(words) if left and wordnet.relatives else ():
        related = wordnet.related(word)
        for index in range(len(left) - 1, -1, -1) if related else ():
            if left[index][1] in related:
                matches.append((place, left.pop(index)[0]))
                break
    matches.sort()
    return Alignment(tuple(matches), len(answer), len(reference))


_Places: TypeAlias = list[tuple[int, str]]


def _take_equal(words: _Places, left: _Places, matches: list[Match]) -> tuple[_Places, _Places]:
    """Match equal words from the end, and return those that remain on both sides."""
    if {word for _, word in words}.isdisjoint([word for _, word in left]):
        return words, left
    places: dict[str, list[int]] = {}
    for place, word in left:
        places.setdefault(word, []).append(place)
    remaining: _Places = []
    for place, word in reversed(words):
        same = places.get(word)
        if same:
            matches.append((place, same.pop()))
        else:
            remaining.append((place, word))
    remaining.reverse()
    free = {place for same in places.values() for place in same}
    return remaining, [(place, word) for place, word in left if place in free]


def align_best(answer: Sequence[str], reference: Sequence[str], stem: Stemmer, wordnet: WordNet) -> Alignment:
    """Align as the rules say: in each stage the most matches, and of these the ones with the fewest crossings.

    Synonyms are words of one synset, so that words should come in their dictionary form.
    """
    matches: list[Match] = []
    stages: tuple[Callable[[str], Iterable[str]], ...] = (
        lambda word: (word,),
        lambda word: (stem(word),),
        wordnet.synsets_of,
    )
    stems = list(map(stem, answer))
    places_of_stems = {word: j for j, word in enumerate(map(stem, reference))}
    if len(set(stems)) == len(stems) and len(places_of_stems) == len(reference):
        # Without repetitions the first two stages have no choice.
        matches += [(i, places_of_stems[word]) for i, word in enumerate(stems) if word in places_of_stems]
        stages = stages[2:] if wordnet.synsets else ()
    for keys in stages:
        matched_words, matched_places = {i for i, _ in matches}, {j for _, j in matches}
        places: dict[str, list[int]] = {}
        for j, word in enumerate(reference):
            for key in keys(word) if j not in matched_places else ():
                places.setdefault(key, []).append(j)
        candidates = {
            i: sorted(found)
            for i, word in enumerate(answer)
            if i not in matched_words and (found := {j for key in keys(word) for j in places.get(key, ())})
        }
        if candidates:
            matches += _fewest_crossings(candidates, matches)
    return Alignment(tuple(sorted(matches)), len(answer), len(reference))


def _fewest_crossings(candidates: dict[int, list[int]], fixed: Sequence[Match]) -> list[Match]:
    """Return as many matches as can be, with the fewest crossings among themselves and with the fixed ones.

    Goes through the answer's words in order. Which of the reference's words are taken is all that later crossings
    depend on, so that only the best way to each such set is kept.
    """
    most = _most_matches(candidates)
    pairs = sum(map(len, candidates.values()))
    if pairs == len(most) or pairs > PAIRS:
        return most
    ways: dict[int, tuple[int, tuple[Match, ...]]] = {0: (0, ())}  # taken words as bits: crossings, matches
    for done, (i, places) in enumerate(candidates.items(), 1):
        rest = len(candidates) - done
        crossed = {j: sum((i < other_i) != (j < other_j) for other_i, other_j in fixed) for j in places}
        following: dict[int, tuple[int, tuple[Match, ...]]] = {}
        for taken, (crossings, matches) in ways.items():
            options = [(taken, (crossings, matches))] if len(matches) + rest >= len(most) else []
            options += [
                (taken | 1 << j, (crossings + crossed[j] + (taken >> j + 1).bit_count(), (*matches, (i, j))))
                for j in places
                if not taken >> j & 1
            ]
            for key, way in options:
                if key not in following or way < following[key]:
                    following[key] = way
        best = sorted(following.items(), key=lambda pair: (-len(pair[1][1]), pair[1]))
        ways = dict(best[:STATES])
    found = min(ways.values(), key=lambda way: (-len(way[1]), way))[1]
    # A partial alignment that was not kept can have been the only way to the most matches.
    return list(found) if len(found) == len(most) else most


def _most_matches(candidates: dict[int, list[int]]) -> list[Match]:
    """Return a largest matching, grown along shortest augmenting paths (C. Berge, 1957)."""
    taker: dict[int, int] = {}
    choice: dict[int, int] = {}
    for start in candidates:
        reached_from: dict[int, int] = {}
        queue, free = [start], None
        while queue and free is None:
            following = []
            for i in queue:
                for j in candidates[i]:
                    if j not in reached_from:
                        reached_from[j] = i
                        if j in taker:
                            following.append(taker[j])
                        elif free is None:
                            free = j
            queue = following
        while free is not None:
            i = reached_from[free]
            taker[free] = i
            previous = choice.get(i)
            choice[i], free = free, previous
    return sorted(choice.items())
