"""What a generation sample asks to be drawn, found among its texts. Knows nothing of pictures or scores."""

from __future__ import annotations

import re
from collections.abc import Sequence

from contest.items import Sample

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


def official_prompt(asked: Sample, before: str | None) -> str | None:
    """Return the text that the organisers' script takes: from a fixed place, or `before`, that of the sample before.

    Of two items the second, whatever its type; of a single one what follows its first ". "; else the script's
    variable keeps its value (None: it has none yet).
    """
    if len(asked.items) == 2:
        return asked.items[1].content
    if len(asked.items) == 1:
        return asked.items[0].content.partition(". ")[2]
    return before


def strict_prompt(texts: Sequence[str]) -> str:
    """Return the texts without the instruction, which may stand apart, be merged or be absent, joined by a space.

    Where nothing but instructions is there, they are what is asked for.
    """
    kept = [_INSTRUCTION.sub("", text, count=1) if _INSTRUCTION.match(text) else text for text in texts]
    described = " ".join(text.strip() for text in kept if text.strip())
    return described or " ".join(text.strip() for text in texts)
