"""Questions how long what is written in a picture is, answered by what the model reads there, and by counting.

A model that reads a sign need not count its letters, and one that was taught to count shapes says how many shapes there
are. Reads words, never the model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from submission.answer_options import joined
from submission.option_patterns import BORDER, SENTENCE_END

WHAT_IS_WRITTEN = "Что написано на картинке?"
_MOST_WORDS_BEFORE = 8  # more could be a passage, and what is asked need not be of the picture

_WRITING = r"слов|надпис|числ|текст|вывеск|знак|табличк|плакат|картинк|изображен|рисунк|фотографи|назван|номер"
_LENGTH = re.compile(
    r"(?:(?:а|и|ну)\s)?(?:(?:сколько|какое\sколичество)\s(?:всего\s)?|(?:посчитай|сосчитай)(?:те)?,?\s(?:сколько\s)?)"
    r"(?P<counted>букв|буквы|цифр|цифры|символов|символы|слов|слова)"
    r"(?:\s(?:всего|здесь|тут|изображено|написано|видно|есть))*+"
    rf"(?:\s(?:в|во|на|у|из|содержит|имеет|составляют|состоит)\s(?:эт\w++\s|данн\w++\s|вс\w{{2}}\s)?(?:{_WRITING})\w*+"
    rf"(?:\s(?:на|с)\s(?:{_WRITING})\w*+)?)?\s?[?.!]?",
    re.IGNORECASE,
)
_COUNTED = {
    "букв": re.compile(r"[^\W\d_]"),
    "цифр": re.compile(r"\d"),
    "симв": re.compile(r"\S"),
    "слов": re.compile(r"\S++"),
}


def asked_length(texts: Sequence[str]) -> re.Pattern[str] | None:
    """Return what a sample's texts ask to be counted of what is written in its picture; None where they do not."""
    sentences = [sentence.strip() for sentence in SENTENCE_END.split(joined(texts).strip(f" \n{BORDER}"))]
    before = " ".join(sentences[:-1])
    asked = _LENGTH.fullmatch(sentences[-1])
    if asked is None or "?" in before or len(before.split()) > _MOST_WORDS_BEFORE:
        return None
    return _COUNTED[asked["counted"].lower()[:4]]


def length_of(counted: re.Pattern[str], written: str) -> str | None:
    """Count in what is written; None where nothing of the kind is there."""
    found = len(counted.findall(written))
    return str(found) if found else None
