"""Removes what published texts have and answers should not: odd spaces, dashes, invisible letters."""

from __future__ import annotations

import unicodedata

_INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_HYPHENS = "\u2010\u2011\u2012"  # hyphen, no-break hyphen, figure dash
_BAR = "\u2015"
_RARE = {**dict.fromkeys(_INVISIBLE, ""), **dict.fromkeys(_HYPHENS, "-"), _BAR: "—"}
_FOLDED = str.maketrans({"ё": "е", "–": "-", "—": "-", "−": "-", "«": '"', "»": '"', "“": '"', "”": '"', "„": '"'})


def clean(text: str) -> str:
    """The text in composed letters (NFC), with plain spaces, one at a time, plain hyphens and nothing invisible.

    Letters, ё among them, quotation marks and dashes stay as the source has them: an answer is a span of its passage.
    """
    for odd, plain in _RARE.items():  # each a search at memory speed, where a pattern would walk through the text
        if odd in text:
            text = text.replace(odd, plain)
    if not unicodedata.is_normalized("NFC", text):  # last: what stood between a letter and its accent is gone by now
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())  # at every kind of white space


def fold(text: str) -> str:
    """A cleaned text for comparison: lower case, ё as е, dashes alike, quotation marks alike; as long as before."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters of other languages grow in lower case, which would shift offsets
        lowered = "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in text)
    return lowered.translate(_FOLDED)


def find_span(passage: str, answer: str) -> str | None:
    """The words of a cleaned passage that a cleaned answer names, as the passage writes them; None if it has none.

    Case, ё, dashes and quotation marks may differ. A whole-word occurrence is taken before one inside a word, and of
    those inside words one that is written alike.
    """
    if not answer:
        return None
    if _whole(passage, answer) >= 0:
        return answer
    folded, wanted = fold(passage), fold(answer)
    start = _whole(folded, wanted)
    if start < 0 and answer in passage:
        return answer
    if start < 0:
        start = folded.find(wanted)
    return passage[start : start + len(answer)] if start >= 0 else None


def _whole(text: str, part: str) -> int:
    """Where a part stands in a text with no letter or digit of a longer word beside it; -1 if nowhere."""
    start = text.find(part)
    while start >= 0:
        end = start + len(part)
        joined_before = start > 0 and text[start - 1].isalnum() and part[0].isalnum()
        joined_after = end < len(text) and text[end].isalnum() and part[-1].isalnum()
        if not joined_before and not joined_after:
            return start
        start = text.find(part, start + 1)
    return -1
