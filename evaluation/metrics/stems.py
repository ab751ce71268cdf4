"""Stems of words: NLTK's, as the organisers' scripts have them (`official`), and the published Snowball (`strict`).

NLTK's Russian stemmer works on a Latin transliteration and differs from the published algorithm by that. It needs no
data, but NLTK takes two seconds to import: only a task with METEOR waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

import snowballstemmer

MAX_CACHED = 1 << 17


@lru_cache(maxsize=MAX_CACHED)
def porter_stem(word: str) -> str:
    """Return Porter's English stem with NLTK's extensions; Russian passes as it is."""
    return _porter()(word)


@lru_cache(maxsize=MAX_CACHED)
def nltk_stem(word: str) -> str:
    """Return the stem that NLTK's Russian stemmer gives a lower-case word."""
    return _nltk_russian()(word)


@lru_cache(maxsize=MAX_CACHED)
def snowball_stem(word: str) -> str:
    """Return the Snowball stem of a lower-case word."""
    return str(_snowball().stemWord(word))


@cache
def _porter() -> Callable[[str], str]:
    from nltk.stem.porter import PorterStemmer

    stemmer = PorterStemmer()
    return lambda word: str(stemmer.stem(word, to_lowercase=False))


@cache
def _nltk_russian() -> Callable[[str], str]:
    from nltk.stem.snowball import RussianStemmer

    stemmer = RussianStemmer()
    return lambda word: str(stemmer.stem(word))


@cache
def _snowball() -> snowballstemmer.RussianStemmer:
    return snowballstemmer.stemmer("russian")
