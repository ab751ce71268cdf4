"""Matches with the fewest crossings among all that have the most matches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

Match: TypeAlias = tuple[int, int]
"""Places of a word of the answer and of a word of the reference."""

STATES = 256
"""How many partial alignments the search keeps; enough to be exact for usual sentences."""
PAIRS = 200
"""Up to how many pairs of words that fit the search is made; beyond, any alignment with the most matches will do."""


def match_equal(
    words: Iterable[tuple[int, str]], others: Iterable[tuple[int, str]], fixed: Sequence[Match]
) -> list[Match]:
    """Match equal words as `fewest_crossings` does.

    Args:
        words: places and words of the answer, in order.
        others: the same of the reference.
        fixed: matches that stand already.

    """
    places: dict[str, list[int]] = {}
    for j, word in others:
        places.setdefault(word, []).append(j)
    return fewest_crossings({i: places[word] for i, word in words if word in places}, fixed)


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
