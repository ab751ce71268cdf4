"""pymorphy with its parses remembered: the same parses, and a word of many prefixes costs no more than its letters."""

from typing import Any

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
