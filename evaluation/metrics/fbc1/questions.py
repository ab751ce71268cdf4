"""Visual question answering: accuracy of answers brought to a normal form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from evaluation.metrics.fbc1.counts import (
    Counted,
    Fbc1Mode,
    SampleNote,
    missing_and_surplus,
    ratio,
    require_object,
    require_same_keys,
)
from evaluation.metrics.fbc1.errors import UnscorableError
from evaluation.metrics.numerals import FIRST_NUMERALS

_MARKS = (*';/[]"{}()=+\\_-><@`,?!',)
_NUMERALS = "zero one two three four five six seven eight nine ten"
_NUMBERS = {"none": "0"} | {word: str(value) for value, word in enumerate(_NUMERALS.split())}
_ARTICLES = ("a", "an", "the")
# What MS COCO's evaluation (Lin et al.) writes with apostrophes; it knows each word with one of them left out.
_CONTRACTED = """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd've he'd
    he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've needn't not've
    o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's
    someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've
    there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's
    what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've
    wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""
CONTRACTIONS: Mapping[str, str] = {
    word[:place] + word[place + 1 :]: word
    for word in _CONTRACTED.split()
    for place, letter in enumerate(word)
    if letter == "'"
} | {"somebody'd": "somebodyd"}
"""Words without one of their apostrophes -> the words; the last one stands the other way round in the table itself."""

_STOP = re.compile(r"\.(?!\d)")
_STOPS_DELETED = 32
"""Their script hands a flag of this value over where the number of replacements is expected."""
_GROUPED = re.compile(r"\d,\d")
_DECIMALS = 3


def vqa_accuracy(true: Any, pred: Any) -> float:
    """Return the share of right answers, rounded to three decimals, as the published script counts.

    Args:
        true: {id: {"lang": "ru" or another, "answer": text or texts}}.
        pred: {id: text}; the predictions alone are brought to a normal form.

    Raises:
        UnscorableError: if the ids differ, there are none, or an answer is no text or has no lemma.

    >>> vqa_accuracy({"0": {"lang": "ru", "answer": ["кот", "кошка"]}}, {"0": "Коты."})
    1.0

    """
    return rounded_ratio(count_answers(true, pred).sums())


def rounded_ratio(sums: list[float]) -> float:
    """Return (right, all) as a share with three decimals."""
    return round(ratio(sums), _DECIMALS)


def count_answers(true: Any, pred: Any, mode: Fbc1Mode = "official") -> Counted:
    """Return (right, 1) for each question. Raises UnscorableError.

    Strict: the truth is brought to the same normal form (difference 6), of which no rule leaves marks in; what is
    missing or no text is wrong, and named.
    """
    true, pred = require_object(true, "the truth file"), require_object(pred, "the prediction file")
    if mode == "official":
        require_same_keys(true, pred, "questions")
        return Counted(tuple(true), tuple((float(_is_right(key, true[key], pred[key])), 1.0) for key in true))
    notes = missing_and_surplus(true, pred, 6)
    rows = []
    for key, question in true.items():
        language, answers = _question(key, question)
        given = pred.get(key)
        if isinstance(given, str):
            forms = [strict_form(answer, language) for answer in answers if isinstance(answer, str)]
            rows.append((float(strict_form(given, language) in forms), 1.0))
            continue
        rows.append((0.0, 1.0))
        if key in pred:
            notes.append(SampleNote(key, 6, "the prediction is no text", is_fault=True))
    return Counted(tuple(true), tuple(rows), tuple(notes))


def normal_form(answer: str, language: str) -> str:
    """Return an answer's normal form as the published script has it. Raises UnscorableError where there is no lemma.

    >>> normal_form("The X-rays, two", "en"), normal_form("две кошки", "ru")
    ('x rays 2', '2 кошка')
    """
    text = answer.replace("\n", " ").replace("\t", " ").strip()
    form = text
    is_grouped = _GROUPED.search(text) is not None
    for mark in _MARKS:
        # What one mark becomes depends on where it stands in the text as it was given, not on each place.
        stands_apart = f"{mark} " in text or f" {mark}" in text
        form = form.replace(mark, "" if stands_apart or is_grouped else " ")
    return " ".join(_words(_STOP.sub("", form, count=_STOPS_DELETED).lower().split(), language))


def strict_form(text: str, language: str) -> str:
    """Return the normal form of the rules' spirit: no punctuation, lemmas or contractions, no articles, numerals.

    >>> strict_form("x-ray, dont", "en"), strict_form("Два. Кота!", "ru")
    ("x ray don't", '2 кот')
    """
    from evaluation.metrics.normalisation import spaced_form
    from evaluation.metrics.normalisation import strict_form as lemmatised

    if language == "ru":
        return lemmatised(text)
    return " ".join(
        _words([word for chunk in text.lower().split() for word in _kept_or_spaced(chunk, spaced_form)], "")
    )


def _kept_or_spaced(chunk: str, spaced_form: Any) -> list[str]:
    bare = chunk.strip('.,!?;:"()')
    return [bare] if "'" in bare and bare in CONTRACTIONS.values() else str(spaced_form(chunk)).split()


def _words(words: list[str], language: str) -> list[str]:
    if language == "ru":
        return [FIRST_NUMERALS.get(lemma, lemma) for lemma in map(_lemma, words)]
    numbered = [_NUMBERS.get(word, word) for word in words]
    return [CONTRACTIONS.get(word, word) for word in numbered if word not in _ARTICLES]


def _lemma(word: str) -> str:
    from evaluation.metrics.normalisation import NoLemmaError, lemma

    try:
        return lemma(word)
    except NoLemmaError as error:
        raise UnscorableError(str(error), "score in mode strict", theirs="ValueError") from error


def _question(key: str, question: Any) -> tuple[str, list[Any]]:
    if not isinstance(question, Mapping) or not {"lang", "answer"} <= question.keys():
        raise UnscorableError("a question of the truth has no `lang` and `answer`", where=key, theirs="KeyError")
    answers = question["answer"]
    return question["lang"], answers if isinstance(answers, list) else [answers]


def _is_right(key: str, question: Any, given: Any) -> bool:
    language, answers = _question(key, question)
    if not isinstance(given, str):
        raise UnscorableError("the prediction is no text", where=key, theirs="AttributeError")
    return normal_form(given, language) in answers
