"""VisualQA: METEOR without penalty, and the proportion of numbers."""

from __future__ import annotations

import math
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache, partial
from typing import Any
from unicodedata import numeric

from contest.checking import described
from contest.errors import quote
from evaluation.metrics.answers import ScriptError, require_unicode
from evaluation.metrics.cases import Case, Mode, Note
from evaluation.metrics.english_numbers import number_words_to_digits
from evaluation.metrics.errors import TRUTH_DEFECT
from evaluation.metrics.meteor import Alignment, align_best, align_from_end, meteor_score, weighted_mean
from evaluation.metrics.meteor_tasks import MeteorMetric, TextComparison, score_official, score_strict
from evaluation.metrics.normalisation import (
    LEMMAS,
    MAX_CACHED,
    NoLemmaError,
    lemma,
    lemma_or_word,
    number_form,
    official_form,
    official_words,
    spaced_words,
)
from evaluation.metrics.numerals import FIRST_NUMERALS, fold_numerals, has_later_numeral
from evaluation.metrics.stems import porter_stem, snowball_stem
from evaluation.metrics.treebank import word_tokens
from evaluation.metrics.wordnet import NO_WORDNET, WordNet

_LOOKS_LIKE_A_NUMBER = re.compile(r"[+-]?\d")
_MARK = re.compile(r"[^\w\s]|_")
_DIGIT = re.compile(r"\d")
_FRACTION = re.compile(r"-?[0-9]+(?:/[1-9][0-9]*)?")
_PUNCTUATION = frozenset(string.punctuation)
_WITHOUT_PUNCTUATION = {ord(mark): None for mark in string.punctuation}


def official_comparison(answer: str, reference: str, wordnet: WordNet = NO_WORDNET) -> TextComparison:
    """Compare as the organisers' script does.

    Both texts are lemmatised whole, as if they were one word (defect 11). A reference that is one number is compared
    with the first number of the answer (defect 12); else METEOR with Porter's stems (defect 16). Raises NoLemmaError.

    >>> official_comparison("машина", "красная машина").score
    0.5263157894736842
    >>> official_comparison("4", "3").score
    0.75
    """
    # Not by the remembered ones: a text and what was joined to the same letters are equal.
    return _compared_forms(_form_of(answer), _form_of(reference), wordnet)


def strict_comparison(answer: str, reference: str, wordnet: WordNet = NO_WORDNET) -> TextComparison:
    """Compare by the rules: METEOR over lemmas, in which two numbers match by the proportion of the smaller one.

    Numerals of both languages are numbers. Each number of the reference is compared with one of the answer, in order.
    A reference that is nothing but one number is compared with the first number of the answer, whatever stands
    beside that.

    >>> strict_comparison("серых кошек", "кошка").score
    0.9090909090909091
    >>> strict_comparison("три кошки", "3").score, strict_comparison("4 кошки", "3 кошки").score
    (1.0, 0.875)
    """
    words, expected_words = _strict_words(answer), _strict_words(reference)
    forms = " ".join(words), " ".join(expected_words)
    if words == expected_words:
        alignment = Alignment(tuple((i, i) for i in range(len(words))), len(words), len(expected_words))
        return TextComparison(meteor_score(alignment, gamma=0), *forms, words, expected_words, alignment)
    answered, expected = _numbers(words), _numbers(expected_words)
    if len(expected_words) == len(expected) == 1:
        score = proportion(answered[0], expected[0]) if answered else 0.0
        return TextComparison(score, *forms, words, expected_words, None)
    places, expected_places = _places(words, of_numbers=False), _places(expected_words, of_numbers=False)
    left = [expected_words[j] for j in expected_places]
    aligned = align_best([words[i] for i in places], left, snowball_stem, wordnet)
    matches = [(places[i], expected_places[j]) for i, j in aligned.matches]
    matched = float(len(matches))
    # Numbers in order: the first with the first, and so on; what is left over has no partner.
    for i, j in zip(_places(words, of_numbers=True), _places(expected_words, of_numbers=True), strict=False):
        weight = proportion(*_numbers((words[i], expected_words[j])))
        matched += weight
        matches += [(i, j)] if weight else []
    alignment = Alignment(tuple(sorted(matches)), len(words), len(expected_words))
    score = weighted_mean(matched / len(words), matched / len(expected_words)) if matched else 0.0
    return TextComparison(score, *forms, words, expected_words, alignment)


def score_cases(cases: Sequence[Case], mode: Mode, wordnet: WordNet = NO_WORDNET) -> tuple[list[float], list[Note]]:
    """Score cases in ground-truth order, by `score_official` or, in mode `strict`, by `score_strict`.

    Raises AttemptAbortedError in mode `official`, where the organisers' script raises, or if an answer is missing.
    """
    if mode == "strict":
        return score_strict(cases, partial(strict_comparison, wordnet=wordnet))
    return score_official(
        cases,
        partial(official_comparison, wordnet=wordnet),
        partial(_affected_by, wordnet=wordnet),
        _answer_text,
        _reference_text,
        reads_answer_first=True,
    )


class VisualQA(MeteorMetric):
    """Mean METEOR (or proportion of numbers) over the ground truth's ids."""

    name = "vqa"

    def settings(self) -> Mapping[str, str]:
        """Return where lemmas and synonyms come from."""
        return {"lemmas": LEMMAS, "wordnet": self.wordnet.name}

    def score_cases(self, cases: Sequence[Case]) -> tuple[list[float], list[Note]]:
        """Score cases as the function of this name does, in this metric's mode."""
        return score_cases(cases, self.mode, self.wordnet)


class _Joined(str):
    """What is left of a content that was no string: it has lost its punctuation, and what looks like some stays."""


def _answer_text(content: Any) -> str:
    """Return `_text_of` the answer's content. Raises ScriptError for what can not be printed, NoLemmaError."""
    if isinstance(content, str):
        require_unicode(content)
    text = _text_of(content, "the answer's content", 1)
    _form_of(text)
    return text


def _reference_text(value: Any) -> str:
    return _text_of(value, "a reference", TRUTH_DEFECT)


def _text_of(content: Any, what: str, defect: int) -> str:
    """Return the text that the organisers' script makes of a content: it goes through it, and joins what it finds.

    Of a list, that takes away the elements that are one mark of punctuation, and no mark inside of an element.
    """
    if isinstance(content, str):
        return content
    try:
        return _Joined("".join(part for part in content if part not in _PUNCTUATION))
    except TypeError as error:
        raise ScriptError(f"{what} is {described(content)}, not a string", defect=defect) from error


def _form_of(text: str) -> str:
    return _lemma_of(str(text)) if isinstance(text, _Joined) else _whole_lemma(text)


def _lemma_of(text: str) -> str:
    whole = lemma(text.lower())
    return FIRST_NUMERALS.get(whole, whole)


@lru_cache(maxsize=MAX_CACHED)
def _whole_lemma(text: str) -> str:
    return _lemma_of(text.translate(_WITHOUT_PUNCTUATION))


def _compared_forms(form: str, reference_form: str, wordnet: WordNet) -> TextComparison:
    answer, reference = _answer_tokens(form), word_tokens(reference_form)
    if len(reference) == 1 and reference[0].isnumeric():
        score, alignment = _official_proportion(answer, reference[0]), None
    else:
        alignment = align_from_end(answer, reference, porter_stem, wordnet)
        score = meteor_score(alignment, gamma=0)
    return TextComparison(score, form, reference_form, answer, reference, alignment)


@lru_cache(maxsize=MAX_CACHED)
def _answer_tokens(form: str) -> tuple[str, ...]:
    return word_tokens(number_words_to_digits(form))


def _official_proportion(answer: Sequence[str], reference: str) -> float:
    expected = _number(reference)
    numbers = (_number(token) for token in answer if _LOOKS_LIKE_A_NUMBER.match(token))
    answered = next((number for number in numbers if number is not None), None)
    # `½` is numeric to Python, but no number: nothing is compared with it.
    if answered is None or expected is None:
        return 0.0
    if answered == expected == 0:
        return 1.0
    small, large = sorted((answered, expected))
    proportion = small / large
    return 0.0 if math.isnan(proportion) else proportion  # two infinite ones: never better than no match


def _number(token: str) -> float | None:
    try:
        return float(token)
    except ValueError:
        return None


@lru_cache(maxsize=MAX_CACHED)
def _strict_words(text: str) -> tuple[str, ...]:
    return tuple(number_words_to_digits(number_form(text)).split())


def _places(words: Sequence[str], *, of_numbers: bool) -> list[int]:
    return [place for place, word in enumerate(words) if (_fraction(word) is not None) == of_numbers]


def _form_word_by_word(text: str) -> str:
    """Return `official_form`, in which a word that has no lemma stays as it is."""
    try:
        return official_form(text)
    except NoLemmaError:
        words = map(lemma_or_word, official_words(text))
        return " ".join([FIRST_NUMERALS.get(word, word) for word in words])


def _affected_by(
    answer: str, references: Sequence[str], best: TextComparison, wordnet: WordNet
) -> Iterator[tuple[int, str]]:
    """Name the defects but for which the answer would have another score: each is corrected alone, and scored again."""
    texts = (answer, *references)
    if any(" " in form for form in (best.answer_form, best.reference_form)):
        corrected = _best_of([_form_word_by_word(text) for text in texts], wordnet)
        if corrected != best.score:
            yield (
                11,
                f"word by word lemmas would give {corrected:.3g}: {quote(best.answer_form)} stands for {quote(answer)}",
            )
    if any(_MARK.search(text) for text in texts) and any(official_words(text) != spaced_words(text) for text in texts):
        corrected = _best_of([_whole_lemma(" ".join(spaced_words(text))) for text in texts], wordnet)
        if corrected != best.score:
            yield 7, f"with a space in the place of all punctuation the score would be {corrected:.3g}"
    if has_later_numeral(best.answer_form) or has_later_numeral(best.reference_form):
        corrected = _best_of([" ".join(fold_numerals(_whole_lemma(text).split())) for text in texts], wordnet)
        if corrected != best.score:
            yield 9, f"with all numerals as digits the score would be {corrected:.3g}"
    yield from _affected_by_numbers(answer, references, best)
    if best.alignment is not None and len(best.alignment.matches) < len(best.answer_tokens):
        stemmed = align_from_end(best.answer_tokens, best.reference_tokens, snowball_stem, wordnet)
        if len(stemmed.matches) != len(best.alignment.matches):
            yield 16, f"with Russian stems {len(stemmed.matches)} words would match, not {len(best.alignment.matches)}"
    if best.alignment is not None and wordnet.relatives:
        aligned = align_best(best.answer_tokens, best.reference_tokens, porter_stem, wordnet)
        if len(aligned.matches) != len(best.alignment.matches):
            yield 15, f"with synonyms of one synset {len(aligned.matches)} words would match"


def _affected_by_numbers(answer: str, references: Sequence[str], best: TextComparison) -> Iterator[tuple[int, str]]:
    answered = _numbers(_strict_words(answer)) if _DIGIT.search(answer) else []
    expected = [_numbers(_strict_words(text)) for text in references if _DIGIT.search(text)] if answered else []
    single = [numbers[0] for numbers in expected if len(numbers) == 1]
    if best.alignment is None and single:
        corrected = max(proportion(answered[0], number) for number in single)
        if corrected != best.score:
            yield 12, f"with signs and decimals the numbers would give {corrected:.3g}"
    elif best.alignment is not None and any(numbers and numbers != answered for numbers in expected):
        yield 12, "the numbers are compared as words, as the reference is not one number"


def _best_of(forms: Sequence[str], wordnet: WordNet) -> float:
    return max(_compared_forms(forms[0], form, wordnet).score for form in forms[1:])


def proportion(number: Fraction, other: Fraction) -> float:
    """Return the smaller magnitude over the larger, 1 for two zeros, 0 for numbers of different signs.

    >>> proportion(Fraction(3), Fraction(4)), proportion(Fraction(-5), Fraction(5))
    (0.75, 0.0)
    """
    if number == other:
        return 1.0
    if number * other <= 0:
        return 0.0
    small, large = sorted((abs(number), abs(other)))
    return float(small / large)


def _numbers(words: Sequence[str]) -> list[Fraction]:
    return [number for word in words if (number := _fraction(word)) is not None]


@lru_cache(maxsize=MAX_CACHED)
def _fraction(word: str) -> Fraction | None:
    if _FRACTION.fullmatch(word):
        return Fraction(word)
    if len(word) == 1 and word.isnumeric() and not word.isalpha():
        return Fraction(numeric(word)).limit_denominator(1000)
    return None
