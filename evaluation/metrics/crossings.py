"""Matches with the fewest crossings among all that have the most matches."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

Match: TypeAlias = tuple[int, int]
"""Places of a word of the answer and of a word of the reference."""

STATES = 256
"""How many partial alignments the search keeps; enough to be exact for usual sentences."""
PAIRS = 200
"""Up to how many pairs of words that fit the search is made; beyond, any alignment with the most matches will do."""
WAYS = 24
"""Up to how many ways to match equal words are tried one by one, which is quicker than the search if they are few."""


def match_equal(
    words: Sequence[tuple[int, str]], others: Sequence[tuple[int, str]], fixed: Sequence[Match]
) -> list[Match]:
    """Match equal words as `fewest_crossings` would.

    Args:
        words: places and words of the answer, in order.
        others: the same of the reference.
        fixed: matches that stand already.

    """
    places: dict[str, list[int]] = {}
    for j, word in others:
        places.setdefault(word, []).append(j)
    groups: dict[str, list[int]] = {}
    for i, word in words:
        if word in places:
            groups.setdefault(word, []).append(i)
    equal = [(group, places[word]) for word, group in groups.items()]
    if all(len(group) == len(found) == 1 for group, found in equal):
        return [(group[0], found[0]) for group, found in equal]
    if _are_few(equal):
        return _of_all_ways(equal, fixed)
    return fewest_crossings({i: places[word] for i, word in words if word in places}, fixed)


_Equal: TypeAlias = Sequence[tuple[Sequence[int], Sequence[int]]]
"""For each word, its places in the answer and in the reference."""


def _are_few(equal: _Equal) -> bool:
    """Whether there are few ways to match equal words, and the search through them would be exact."""
    sizes = [(len(group), len(found)) for group, found in equal]
    if sum(group * found for group, found in sizes) > PAIRS:
        return False
    if math.prod(math.comb(max(size), min(size)) for size in sizes) > WAYS:
        return False
    # The most partial alignments that the search can come to: which words are left out, and which places are taken.
    words, left_out = sum(group for group, _ in sizes), sum(max(group - found, 0) for group, found in sizes)
    taken = math.prod(math.comb(found, min(group, found // 2)) for group, found in sizes)
    return taken * sum(math.comb(words, count) for count in range(left_out + 1)) <= STATES


def _of_all_ways(equal: _Equal, fixed: Sequence[Match]) -> list[Match]:
    """Try all ways in which equal words are matched in order, as crossing each other they would only cross more."""
    options = [
        [list(zip(group, chosen, strict=True)) for chosen in itertools.combinations(found, len(group))]
        if len(group) <= len(found)
        else [list(zip(chosen, found, strict=True)) for chosen in itertools.combinations(group, len(found))]
        for group, found in equal
    ]
    best: tuple[int, list[Match]] | None = None
    for chosen in itertools.product(*options):
        matches = sorted(itertools.chain.from_iterable(chosen))
        way = _crossings(sorted((*fixed, *matches))), matches
        if best is None or way < best:
            best = way
    assert best is not None, "every group has a way"
    return best[1]


def _crossings(matches: Iterable[Match]) -> int:
    """Count the crossings of matches that are ordered by the answer's words."""
    crossings = taken = 0
    for _, j in matches:
        crossings += (taken >> j).bit_count()
        taken |= 1 << j
    return crossings


def fewest_crossings(candidates: dict[int, list[int]], fixed: Sequence[Match]) -> list[Match]:
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
