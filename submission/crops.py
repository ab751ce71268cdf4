"""Pictures whose text is asked for, read in several squares: the likeliest reading is the answer.

The centre square cuts wide signs. What the model reads in the whole picture, padded, and at its ends competes with it
by the mean of the tokens' log-probabilities. Which samples these are, their words say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torch import Tensor

from submission.answer_options import find_options, joined
from submission.option_patterns import BORDER, SENTENCE_END

if TYPE_CHECKING:
    from submission.engine import Engine, Query

_MOST_WORDS_BEFORE = 8  # more could be a passage, and what is asked need not be of the picture

_SHOWN = r"картин|изображени|фото|снимк|рисун|кадр|вывеск|знак|табличк|плакат|стен|указател"
_PLACE = (
    rf"(?:,?\s(?:котор\w++|ты|вы|мы|здесь|тут|видишь|видите|видно|написан\w*+|изображен\w*+|есть|размещ\w++|находится|"
    rf"(?:на|с|со|в|из|этой|этом|этого|данной|данном)|(?:{_SHOWN})\w*+)\b)*+"
)
_READ = r"прочитай|прочти|прочесть|распознай|выпиши|перепиши|спиши|определи|назови|укажи|напиши|скажи"
_TEXT = r"текст|текста|надпись|надписи|слово|слова|число|номер|название|вывеску|табличку"
_WHAT_IS_WRITTEN = re.compile(
    rf"(?:(?:а|и|ну|пожалуйста)\s)?(?:"
    rf"(?:(?:{_READ})(?:те)?,?\s)?(?:что|все,?\sчто|всё,?\sчто)\s(?:здесь\s|тут\s|там\s)?(?:написано|напечатано)"
    rf"|(?:{_READ})(?:те)?,?\s(?:весь\s|всю\s|этот\s|эту\s|это\s|какое\s|какой\s|какая\s)?(?:{_TEXT})"
    rf"|(?:какой|какая|какое|какие|что\sза|каков)\s(?:{_TEXT})"
    rf"){_PLACE}\s?[?.!]?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Reading:
    """A free answer, and the mean log-probability of its tokens; of one without text, minus infinity."""

    text: str
    score: float


def asks_what_is_written(texts: Sequence[str]) -> bool:
    """Whether a sample's texts ask for the text in its picture, and for nothing else."""
    sentences = [sentence.strip() for sentence in SENTENCE_END.split(joined(texts).strip(f" \n{BORDER}"))]
    before = " ".join(sentences[:-1])
    if _WHAT_IS_WRITTEN.fullmatch(sentences[-1]) is None or "?" in before:
        return False
    return len(before.split()) <= _MOST_WORDS_BEFORE and find_options(texts) is None


def best_readings(engine: Engine, queries: Sequence[Query], squares: Sequence[Sequence[Tensor]]) -> list[str]:
    """The likeliest answer to each query by its picture's codes and by other squares of it, `[3, side, side]` each.

    Of equal ones the first wins. No more is computed at once than one square of each query.
    """
    best = engine.read(queries)
    for place in range(max(map(len, squares), default=0)):
        rows = [row for row, of_query in enumerate(squares) if place < len(of_query)]
        codes = engine.encode([queries[row].id for row in rows], [squares[row][place] for row in rows])
        readings = engine.read([replace(queries[row], codes=each) for row, each in zip(rows, codes, strict=True)])
        for row, reading in zip(rows, readings, strict=True):
            best[row] = max(best[row], reading, key=lambda each: each.score)
    return [reading.text for reading in best]
