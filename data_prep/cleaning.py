"""Removes what published texts have and answers should not: odd spaces, dashes, invisible letters. Knows no source."""

from __future__ import annotations

import re
import unicodedata

_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_HYPHENS = "\u2010\u2011\u2012"  # hyphen, no-break hyphen, figure dash
_BARS = "\u2015"
_TABLE = str.maketrans(
    {
        **dict.fromkeys(_SPACES, " "),
        **dict.fromkeys(_INVISIBLE, None),
        **dict.fromkeys(_HYPHENS, "-"),
        **dict.fromkeys(_BARS, "—"),
    }
)
_FOLDED = str.maketrans({"ё": "е", "–": "-", "—": "-", "−": "-", "«": '"', "»": '"', "“": '"', "”": '"', "„": '"'})
_ODD = re.compile(f"[{_SPACES}{_INVISIBLE}{_HYPHENS}{_BARS}\n\r\t\v\f\x1c-\x1f\x85]|  ")


def clean(text: str) -> str:
    """The text in composed letters (NFC), with plain spaces, one at a time, plain hyphens and nothing invisible.

    Letters, ё among them, quotation marks and dashes stay as the source has them: an answer is a span of its passage.
    """
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    if _ODD.search(text) is None:
        return text.strip()
    return " ".join(text.translate(_TABLE).split())


def fold(text: str) -> str:
    """A cleaned text for comparison: lower case, ё as е, dashes alike, quotation marks alike; as long as before."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters of other languages grow in lower case, which would shift offsets
        lowered = "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in text)
    return lowered.translate(_FOLDED)


def find_span(passage: str, answer: str) -> str | None:
    """The words of a cleaned passage that a cleaned answer names, as the passage writes them; None if it has none.

    Case, ё, dashes and quotation marks may differ. A whole-word occurrence is taken before one inside a word.
    """
    if not answer:
        return None
    if _whole(passage, answer) >= 0:
        return answer
    folded, wanted = fold(passage), fold(answer)
    start = _whole(folded, wanted)
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
