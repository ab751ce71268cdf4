"""A pymorphy analyser that is quick at strings of several words, which VisualQA's script lemmatises as one word.

Its first parse has the normal form that pymorphy's own analyser gives: what a string with a space in it can not be is
left out (no word of the dictionary has one), and the guess by its ending is remembered by the last letters. Where
there is a hyphen too, pymorphy needs more than the first parse of the parts: such strings are none for this analyser.
Knows nothing of metrics.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import pymorphy3
from pymorphy3.analyzer import ProbabilityEstimator
from pymorphy3.units.by_analogy import KnownPrefixAnalyzer, KnownSuffixAnalyzer, UnknownPrefixAnalyzer
from pymorphy3.units.by_lookup import DictionaryAnalyzer

from evaluation.metrics.remembered_parses import RememberingAnalyzer

_Parses: TypeAlias = list[tuple[Any, ...]]
"""Fixed word, tag, normal form, score, methods."""


class _Words(DictionaryAnalyzer):
    """The dictionary, which is not asked for strings of several words."""

    def parse(self, word: str, word_lower: str, seen_parses: set[Any]) -> _Parses:
        return [] if " " in word_lower else super().parse(word, word_lower, seen_parses)


class _UnknownPrefixes(UnknownPrefixAnalyzer):
    """The guess by a known word behind some letters."""

    def init(self, morph: pymorphy3.MorphAnalyzer) -> None:
        super().init(morph)
        self.dict_analyzer = _Words()
        self.dict_analyzer.init(morph)


class _Suffixes(KnownSuffixAnalyzer):
    """The guess by the ending: of several words only the best, which depends on the last letters and on a prefix."""

    def init(self, morph: pymorphy3.MorphAnalyzer) -> None:
        super().init(morph)
        self._remembered: dict[tuple[Any, ...], tuple[Any, ...] | None] = {}
        self._prefixes = tuple(prefix for _, prefix in self._paradigm_prefixes if prefix)
        self._longest = max(self._prediction_splits)

    def parse(self, word: str, word_lower: str, seen_parses: set[Any]) -> _Parses:
        if " " not in word_lower or len(word_lower) <= self._longest:
            return super().parse(word, word_lower, seen_parses)
        ending = word_lower[-self._longest :]
        key = (ending, *map(word_lower.startswith, self._prefixes))
        if key not in self._remembered:
            parses = super().parse(word, word_lower, set())
            self._remembered[key] = parses[0] if parses else None
        best = self._remembered[key]
        if best is None:
            return []
        fixed_word, tag, _, score, ((dictionary, _, paradigm, form), guess) = best
        fixed_word = word_lower[: -self._longest] + fixed_word[-self._longest :]
        normal_form = self.dict.build_normal_form(paradigm, form, fixed_word)
        return [(fixed_word, tag, normal_form, score, ((dictionary, fixed_word, paradigm, form), guess))]


class _OfSingleWords(ProbabilityEstimator):
    """Orders parses by how often a word is what; nothing is known of strings of several words."""

    def apply_to_parses(self, word: str, word_lower: str, parses: _Parses) -> _Parses:
        return parses if " " in word_lower else super().apply_to_parses(word, word_lower, parses)


_QUICK = {DictionaryAnalyzer: _Words, UnknownPrefixAnalyzer: _UnknownPrefixes, KnownSuffixAnalyzer: _Suffixes}


class PhraseAnalyzer(RememberingAnalyzer):
    """Loads pymorphy's dictionary, which takes a third of a second."""

    def __init__(self) -> None:
        units = [
            [_quick(unit) for unit in units] if isinstance(units, list) else _quick(units)
            for units in pymorphy3.MorphAnalyzer.DEFAULT_UNITS
        ]
        super().__init__(units=units, probability_estimator_cls=_OfSingleWords)
        bound = [unit.analyzer for unit in self._units]
        (self._suffixes,) = (unit for unit in bound if isinstance(unit, _Suffixes))
        (known,) = (unit for unit in bound if isinstance(unit, KnownPrefixAnalyzer))
        (self._words,) = (unit for unit in bound if isinstance(unit, _Words))
        self._known_prefixes = tuple(known.known_prefixes)
        self._looked_up: dict[str, str | None] = {}

    def phrase_lemma(self, phrase: str) -> str:
        """Return the normal form of a string of several words without a hyphen."""
        guessed = self._guessed(phrase) if _LETTERS_AND_DIGITS.fullmatch(phrase) else None
        return str(self.parse(phrase)[0].normal_form) if guessed is None else guessed

    def _guessed(self, phrase: str) -> str | None:
        """Return what the units that guess make of letters, digits and spaces; no other unit makes anything of them.

        In their order: behind a known prefix, a guess; behind a few letters, a word of the dictionary, which has no
        space; a guess by the ending.
        """
        if phrase.startswith(self._known_prefixes):
            prefix = max((known for known in self._known_prefixes if phrase.startswith(known)), key=len)
            rest = phrase.removeprefix(prefix)
            guessed = self._guessed(rest) if len(rest) >= _SHORTEST_REMAINDER else None
            return None if guessed is None else prefix + guessed
        for length in range(phrase.rfind(" ") + 1, min(_LONGEST_UNKNOWN_PREFIX, len(phrase) - _SHORTEST_REMAINDER) + 1):
            known_word = self._dictionary_lemma(phrase[length:]) if length else None
            if known_word is not None:
                return phrase[:length] + known_word
        return next((str(parse[2]) for parse in self._suffixes.parse(phrase, phrase, set())), None)

    def _dictionary_lemma(self, word: str) -> str | None:
        """Return the normal form of a word's first parse that new words can follow, None without one."""
        if word not in self._looked_up:
            parses = self._words.parse(word, word, set())
            self._looked_up[word] = next((str(lemma) for _, tag, lemma, *_ in parses if tag.is_productive()), None)
        return self._looked_up[word]


_LETTERS_AND_DIGITS = re.compile("[а-яё0-9 ]+[а-яё]")
# Of what is before a known word at most, and of that word at least: pymorphy3.utils.word_splits.
_LONGEST_UNKNOWN_PREFIX, _SHORTEST_REMAINDER = 5, 3


def _quick(unit: Any) -> Any:
    return _QUICK[type(unit)]() if type(unit) in _QUICK else unit
