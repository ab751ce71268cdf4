"""pymorphy's analyser without what it would look up in vain or again.

It takes known prefixes off a word in every way there is and parses what is left each time, so that `недо` n times
(`недо`, or `не` and `до`) costs 2^n parses: one such word in an answer would keep the scorer for hours. A parse depends
on the word alone, so remembering it changes nothing else.

The organisers' script for VisualQA has whole answers parsed as if each were one word. No such "word" is in the
dictionary, which holds no space, nor has it a known probability; what pymorphy goes by is its last five letters at
most, and these come again.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pymorphy3

MAX_REMEMBERED = 1 << 12


class RememberingAnalyzer(pymorphy3.MorphAnalyzer):
    """Takes pymorphy's own arguments. Loads its dictionary, which takes a third of a second."""

    def __init__(self, **arguments: Any) -> None:
        self._remembered = lru_cache(maxsize=MAX_REMEMBERED)(super().parse)
        super().__init__(**arguments)
        self.dictionary.words = _SpacelessWords(self.dictionary.words)
        self.dictionary.prediction_suffixes_dawgs = [
            _RememberedEndings(endings, self.char_substitutes) for endings in self.dictionary.prediction_suffixes_dawgs
        ]
        if self.prob_estimator is not None:
            self.prob_estimator.p_t_given_w = _SpacelessProbabilities(self.prob_estimator.p_t_given_w)

    def parse(self, word: str) -> list[Any]:
        """Return the word's parses, as pymorphy does; the list is the caller's own."""
        return list(self._remembered(word))


class _SpacelessWords:
    """The dictionary's words, among which nothing with a space is looked for."""

    def __init__(self, words: Any) -> None:
        self._words = words

    def similar_items(self, word: str, substitutes: Any) -> list[Any]:
        return [] if " " in word else list(self._words.similar_items(word, substitutes))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._words, name)


class _RememberedEndings:
    """What the dictionary knows of words by their last letters, looked up once for each ending."""

    def __init__(self, endings: Any, substitutes: Any) -> None:
        self._items = lru_cache(maxsize=MAX_REMEMBERED)(lambda ending: endings.similar_items(ending, substitutes))

    def similar_items(self, ending: str, substitutes: Any) -> list[Any]:
        """Return what they are like; the substitutes are the analyser's, always the same."""
        return list(self._items(ending))


class _SpacelessProbabilities:
    """How probable a tag is for a word; for one with a space that is not known."""

    def __init__(self, probabilities: Any) -> None:
        self._probabilities = probabilities

    def prob(self, word: str, tag: Any) -> float:
        return 0.0 if " " in word else float(self._probabilities.prob(word, tag))
