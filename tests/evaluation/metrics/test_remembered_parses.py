"""pymorphy with its parses remembered: the same parses, and a word of many prefixes costs no more than its letters."""

from collections import Counter
from typing import Any

import numpy as np
import pymorphy3
import pytest

from evaluation.metrics.remembered_parses import RememberingAnalyzer


@pytest.fixture(scope="module")
def analyzers() -> tuple[RememberingAnalyzer, pymorphy3.MorphAnalyzer]:
    return RememberingAnalyzer(), pymorphy3.MorphAnalyzer()


@pytest.mark.parametrize(
    "word",
    [
        "стали",
        "озёр",
        "псевдоавтокошками",
        "недо" * 6 + "кот",
        "сверхнеобходимый",
        "северо-запад",
        "интернет-магазинами",
        "по-хорошему",
        "смотри-ка",
        "бутявками",
        "Bergen",
        "XIV",
        "-3",
        "красная машина",
        "серые кошки и ёжики",
        "не красное",
        "по наилучшему",
        "зелёные ёлки на берегу озёр",
        "две red cars",
        "стали:NOUN у",
        "",
    ],
)
def test_parses_are_pymorphys_own(word: str, analyzers: tuple[pymorphy3.MorphAnalyzer, ...]) -> None:
    ours, theirs = ([each[:4] for each in analyzer.parse(word)] for analyzer in analyzers)
    assert ours == theirs


def test_a_list_that_was_given_is_the_callers_own(analyzers: tuple[RememberingAnalyzer, object]) -> None:
    analyzers[0].parse("стали").clear()
    assert next(parse.normal_form for parse in analyzers[0].parse("стали")) == "стать"


def test_every_remainder_of_a_word_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """pymorphy itself parses more than 2^12 times."""
    parsed: list[str] = []
    parse = pymorphy3.MorphAnalyzer.parse

    def counted(self: pymorphy3.MorphAnalyzer, word: str) -> Any:
        parsed.append(word)
        return parse(self, word)

    monkeypatch.setattr(pymorphy3.MorphAnalyzer, "parse", counted)
    word = "недо" * 12 + "кот"
    assert RememberingAnalyzer().parse(word)[0].normal_form == word
    assert len(parsed) == len(set(parsed)) <= len(word)


def test_a_phrase_is_looked_up_by_its_ending_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dictionary's words and probabilities hold no phrase, and each ending is read once."""
    analyzer = RememberingAnalyzer()
    asked: Counter[str] = Counter()
    dawg = type(analyzer.dictionary.words._words)
    similar_items = dawg.similar_items

    def counted(self: Any, key: str, substitutes: Any) -> Any:
        asked[key] += 1
        return similar_items(self, key, substitutes)

    for each in (dawg, pymorphy3.dawg.PredictionSuffixesDAWG):
        monkeypatch.setattr(each, "similar_items", counted)
    monkeypatch.setattr(pymorphy3.dawg.ConditionalProbDistDAWG, "prob", lambda *_: pytest.fail("a phrase has none"))
    for first in ("красная", "синяя", "жёлтая"):
        assert analyzer.parse(f"{first} машина")[0].normal_form == f"{first} машина"
    assert asked == {"ашина": 1}


def test_no_word_of_the_dictionary_holds_a_space() -> None:
    """What `_SpacelessWords` stands on, read off the transitions of the automaton that the dictionary is."""
    theirs = pymorphy3.MorphAnalyzer()
    units = np.array(theirs.dictionary.words.dct._units, dtype=np.uint64)
    children = np.arange(len(units)) ^ ((units >> 10) << ((units & 512) >> 6)).astype(np.int64) ^ ord(" ")
    children = children[children < len(units)]
    assert not np.any(units[children] & (1 << 31 | 0xFF) == ord(" ")), "a transition by a space"


@pytest.mark.slow
def test_no_probability_is_of_a_phrase() -> None:
    """What `_SpacelessProbabilities` stands on: its keys are `word:tag`."""
    keys = pymorphy3.MorphAnalyzer().prob_estimator.p_t_given_w.keys()
    assert keys
    assert all(key.count(":") == 1 and " " not in key.split(":")[0] for key in keys)
