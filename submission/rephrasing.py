"""Questions about a picture that are put to the model in words it was taught, and what its answer then says.

Who asks how many letters a word has, is told by what is written and by counting: a model that reads the sign need not
count. "Опиши только то, что слева." asks what "Что находится слева?" asks. Reads words, never the model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from submission.answer_options import joined
from submission.option_patterns import BORDER, SENTENCE_END

Rephrasing: TypeAlias = Literal["length", "place"]

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

_PLACES = {
    "слева": r"слева|(?:в|на)\sлевой\s(?:части|половине|стороне)|с\sлевой\sстороны|в\sлевом\sкраю",
    "справа": r"справа|(?:в|на)\sправой\s(?:части|половине|стороне)|с\sправой\sстороны|в\sправом\sкраю",
    "сверху": r"сверху|вверху|наверху|(?:в|на)\sверхней\s(?:части|половине)",
    "снизу": r"снизу|внизу|(?:в|на)\sнижней\s(?:части|половине)",
    "в центре": r"в\sцентре|по\sцентру|посередине|посреди|в\sсередине|в\sцентральной\sчасти",
}
_PICTURE = r"(?:\s(?:на\s)?(?:картинк|изображени|рисунк)\w{1,2})?"
_SEEN = r"(?:находится|находятся|расположено|расположены|изображено|изображены|нарисовано|нарисованы|видно|стоит|есть)"
_THING = r"(?:то|всё|все|лишь\sто|фигур[уы]|предмет(?:ы)?|объект(?:ы)?|часть|содержимое|область)"
_PART = re.compile(
    r"(?:"
    r"(?:опиши|опишите|назови|назовите)\s(?:пожалуйста\s)?(?:(?:только|лишь|исключительно|одну|одни)\s)?"
    rf"(?:{_THING}\s?,?\s)?(?:(?:что|котор\w{{2,3}})\s)?(?:{_SEEN}\s)?"
    rf"|что\s(?:(?:ты|вы)\s)?(?:видишь\s|видите\s|{_SEEN}\s)"
    rf")(?:{'|'.join(f'(?P<p{number}>{words})' for number, words in enumerate(_PLACES.values()))})"
    r"(?P<of>\s(?:от|под|над)\s[^?.!]{1,60}+)?"
    rf"{_PICTURE}\s?[?.!]?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Rephrased:
    """The texts that a sample is asked with instead of its own; what is counted in the answer, "" for nothing."""

    texts: tuple[str, ...]
    counted: str = ""

    def answer(self, said: str) -> str | None:
        """What an answer to the other texts says to the sample's own; None where it says nothing."""
        if not self.counted:
            return said
        found = len(_COUNTED[self.counted].findall(said))
        return str(found) if found else None


def rephrase(texts: Sequence[str], kinds: Sequence[Rephrasing]) -> Rephrased | None:
    """Return other words for what a sample's texts ask about its picture; None where they ask otherwise."""
    request = _request(texts)
    if "length" in kinds and (asked := _LENGTH.fullmatch(request)):
        return Rephrased((WHAT_IS_WRITTEN,), asked["counted"].lower()[:4])
    if "place" in kinds and (asked := _PART.fullmatch(request)):
        place = next(place for number, place in enumerate(_PLACES) if asked[f"p{number}"])
        return Rephrased((f"Что находится {place}{asked['of'] or ''}?",))
    return None


def _request(texts: Sequence[str]) -> str:
    """Return the last sentence of a sample's texts; empty where more than an instruction stands before it."""
    sentences = [sentence.strip() for sentence in SENTENCE_END.split(joined(texts).strip(f" \n{BORDER}"))]
    before = " ".join(sentences[:-1])
    return "" if "?" in before or len(before.split()) > _MOST_WORDS_BEFORE else sentences[-1]
