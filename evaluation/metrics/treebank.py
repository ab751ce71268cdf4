"""Treebank word tokens of one sentence in lower case, as NLTK's word tokenizer gave them in the contest's time.

That is NLTK 3.7; later ones also split off long dashes, and an apostrophe before a Cyrillic letter. Both METEOR tasks
leave a text without most marks, but for an answer that was no string. The conventions are those of R. MacIntyre's
tokenizer script for the Penn Treebank.
"""

from __future__ import annotations

import re
from functools import lru_cache

# Each pattern's match is replaced in turn; the order matters, since a rule sees the spaces of those before it.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"[«“‘„]|`+", r" \g<0> "),
        (r'^"', "``"),
        (r"``", r" \g<0> "),
        (r"""(?<=[ (\[{<])(?:"|'')""", " `` "),  # an opening quote
        (r"""(?<=[^.])(\.)([\])}>"'»”’ ]*+)\s*+$""", r" \1 \2 "),  # the last point
        (r"([:,])(?=\D)", r" \1 "),
        (r"[:,]$", r" \g<0> "),
        (r"\.{2,}", r" \g<0> "),
        (r"[;@#$%&]", r" \g<0> "),
        (r"[?!]", r" \g<0> "),
        (r"(?<=[^'])' ", " ' "),
        (r"[*\[\](){}<>]", r" \g<0> "),
        (r"--", r" \g<0> "),
        (r"\Z|\A", " "),
        (r"[»”’]", r" \g<0> "),
        (r"''|\"", " '' "),
        (r"\s+", " "),
        (r"(?<=[^' ])'[smd]? ", r" \g<0>"),
        (r"(?<=[^' ])(?:'ll|'re|'ve|n't) ", r" \g<0>"),
        (r"\b(can)(not)\b", r" \1 \2 "),
        (r"\b(d)('ye)\b", r" \1 \2 "),
        (r"\b(gim)(me)\b", r" \1 \2 "),
        (r"\b(gon)(na)\b", r" \1 \2 "),
        (r"\b(got)(ta)\b", r" \1 \2 "),
        (r"\b(lem)(me)\b", r" \1 \2 "),
        (r"\b(more)('n)\b", r" \1 \2 "),
        (r"\b(wan)(na)(?=\s)", r" \1 \2 "),
        (r" ('t)(is|was)\b", r" \1 \2 "),
    )
)
_NEEDS_RULES = re.compile(r"[«“‘„»”’`\"'@#$&*{<>.,:;%?!()\[\]}]|--|cannot|gimme|gonna|gotta|lemme|wanna")
_TWO_WORDS = frozenset(("cannot", "gimme", "gonna", "gotta", "lemme", "wanna"))


@lru_cache(maxsize=1 << 17)
def word_tokens(text: str) -> tuple[str, ...]:
    """Return the tokens of a sentence; plain words are split at white space.

    >>> word_tokens('знак "стоп" у 3.5 домов')
    ('знак', '``', 'стоп', "''", 'у', '3.5', 'домов')
    >>> word_tokens("a) да, (b) 1,5...")
    ('a', ')', 'да', ',', '(', 'b', ')', '1,5', '...')
    """
    words = text.split()
    if "".join(words).isalnum() and _TWO_WORDS.isdisjoint(words):  # the usual case, quicker than the search
        return tuple(words)
    if _NEEDS_RULES.search(text):
        for pattern, replacement in _RULES:
            text = pattern.sub(replacement, text)
    return tuple(text.split())
