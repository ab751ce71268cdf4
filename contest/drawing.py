"""Which texts ask for a drawing, by their wording, and what of them describes it."""

from __future__ import annotations

import re
from collections.abc import Sequence

_VERBS = (
    "сгенерируй|генерируй|нарисуй|рисуй|изобрази|создай|покажи|сделай|собери|построй|отрисуй|визуализируй|"
    "проиллюстрируй|придумай|получи"
)
_GENERIC = "изображ|картин|рисун|иллюстрац|фото|описан|подпис|текст|запрос|списк|част"
# A sentence that only says that something is to be drawn: a bare imperative, or one with a word that stands for any
# picture or any text. It ends in a mark, or ends the item.
_INSTRUCTION = re.compile(
    rf"\s*(?:пожалуйста,?\s+)?(?:{_VERBS})(?:те)?\b(?:\s*(?=[.:!]|$)|[^.:!]*?\b(?:{_GENERIC})[^.:!]*)(?:[.:!]+|$)\s*",
    re.IGNORECASE,
)
_REQUEST = re.compile(rf"\s*(?:пожалуйста,?\s+)?(?:{_VERBS})(?:те)?\b", re.IGNORECASE)
_QUESTION = re.compile(r"[?=;]")  # of a question, an equation, a list of options
_LONGEST_CAPTION = 300


def description(texts: Sequence[str]) -> str:
    """Return the texts without the instruction, which may stand apart, be merged or be absent, joined by a space.

    Where nothing but instructions is there, they are what is asked for.
    """
    kept = [_INSTRUCTION.sub("", text, count=1) if _INSTRUCTION.match(text) else text for text in texts]
    described = " ".join(text.strip() for text in kept if text.strip())
    return described or " ".join(text.strip() for text in texts)


def asks_for_drawing(texts: Sequence[str]) -> bool:
    """Whether the texts of a sample without a picture ask for one, as far as their wording tells.

    They begin with "draw" or the like; or there is one short text that asks nothing at all, as a caption does.
    """
    if any(_REQUEST.match(text) for text in texts):
        return True
    return len(texts) == 1 and 0 < len(texts[0]) <= _LONGEST_CAPTION and not _QUESTION.search(texts[0])
