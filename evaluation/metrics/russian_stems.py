"""Russian Snowball stems: the published algorithm, and NLTK's variant of it. Knows nothing of lemmas.

`snowball_stem` (mode `strict`) is the algorithm of https://snowballstem.org/algorithms/russian/stemmer.html.
`nltk_stem` (mode `official`) follows NLTK, which works on a Latin transliteration and differs by that: `й` counts as
a vowel and a consonant, Latin letters come back as Cyrillic ones, a suffix whose condition fails does not end the
search, `-ующая` is spelt wrongly in its list, and the superlative is cut from the whole word.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from functools import cache, lru_cache

import snowballstemmer

# Letters that are written with more than one sign, and those with one; ё and е are the same.
_SIGNS = {
    **dict(zip("абвгдезиклмнопрстуфы", "abvgdeziklmnoprstufy", strict=True)),
    **{"ё": "e", "ж": "zh", "й": "i`", "х": "kh", "ц": "t^s", "ч": "ch", "ш": "sh", "щ": "shch"},
    **{"ъ": "''", "ь": "'", "э": "e`", "ю": "i^u", "я": "i^a"},
}
_TO_LATIN = str.maketrans(_SIGNS | {letter.upper(): sign for letter, sign in _SIGNS.items()})
# The order decides what an ambiguous run of signs becomes (`шч` comes back as `щ`, `ьь` as `ъ`).
_TO_CYRILLIC = [(_SIGNS[letter], letter) for letter in "юящхцчэйшкежабвгдзилмнопрстуфъыь"]


def _latin(suffixes: str) -> tuple[str, ...]:
    return tuple(suffix.translate(_TO_LATIN) for suffix in suffixes.split())


def _longest_first(suffixes: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(suffixes, key=len, reverse=True))


_ENDINGS = _latin("юю яя ими ыми его ого ему ому их ых ую ая ою ею ее ие ые ое ей ий ый ой ем им ым ом")
_AFTER_A_PARTICIPLES = _latin("ющ щ вш ем нн")
_MISSPELT = "ующая".translate(_TO_LATIN), "ующаиа".translate(_TO_LATIN)

_GERUNDS = _longest_first(_latin("ившись ывшись вшись ивши ывши вши ив ыв в"))
_ADJECTIVES = _longest_first(
    {participle + ending for participle in ("", *_latin("ующ ивш ывш"), *_AFTER_A_PARTICIPLES) for ending in _ENDINGS}
    - {_MISSPELT[0]}
    | {_MISSPELT[1]}
)
_REFLEXIVES = _latin("ся сь")
_VERBS_AFTER_A = frozenset(_latin("ла на ете йте ли й л ем н ло но ет ют ны ть ешь нно"))
_VERBS = _longest_first(
    {
        *_VERBS_AFTER_A,
        *_latin("ейте уйте уют ишь ила ыла ена ите или ыли ило ыло ено ят ует ены ить ыть ую ей уй ил ыл им ым ен"),
        *_latin("ит ыт ю"),
    }
)
_NOUNS = _longest_first(
    _latin("иями иях ями иям ях ами ией ям ием ах ию ью ия ья ев ов ие ье еи ии ей ой ий ем ам ом ю я а е и й о у ы ь")
)
_SUPERLATIVES = _latin("ейше ейш")
_DERIVATIONS = _latin("ость ост")
_A_AND_YA = _latin("а я")
# These may stand after а or я only.
_GERUNDS_AFTER_A = frozenset(_latin("в вши вшись"))
_ADJECTIVES_AFTER_A = frozenset(participle + ending for participle in _AFTER_A_PARTICIPLES for ending in _ENDINGS)

_ONE_SIGN_VOWELS = str.maketrans({"A": "i^a", "U": "i^u", "E": "e`"})
_VOWELS = "AUEaeiouy"
_FIRST_VOWEL = re.compile(f"[{_VOWELS}]")
_VOWEL_THEN_OTHER = re.compile(f"[{_VOWELS}][^{_VOWELS}]")


@cache
def _snowball() -> snowballstemmer.RussianStemmer:
    return snowballstemmer.stemmer("russian")


@lru_cache(maxsize=1 << 17)
def snowball_stem(word: str) -> str:
    """Return the Snowball stem of a lower-case word."""
    return str(_snowball().stemWord(word))


@lru_cache(maxsize=1 << 17)
def nltk_stem(word: str) -> str:
    """Return the stem that NLTK's Russian stemmer gives a lower-case word."""
    if all(ord(letter) < 256 for letter in word):
        return word
    word = word.translate(_TO_LATIN)
    # The regions of the algorithm: behind the first vowel, and behind the second vowel-and-consonant.
    region_v, region_2 = _regions(word)
    cut = _ending_length(region_v)
    if cut:
        word, region_v, region_2 = word[:-cut], region_v[:-cut], region_2[:-cut]
    if region_v.endswith("i"):
        word, region_2 = word[:-1], region_2[:-1]
    word = word[: len(word) - len(_first(_DERIVATIONS, region_2))]
    if word.endswith("nn"):
        word = word[:-1]
    elif superlative := _first(_SUPERLATIVES, word):
        word = word.removesuffix(superlative)
        word = word[:-1] if word.endswith("nn") else word
    else:
        word = word.removesuffix("'")
    for signs, letter in _TO_CYRILLIC:
        word = word.replace(signs, letter)
    return word


def _regions(word: str) -> tuple[str, str]:
    word = word.replace("i^a", "A").replace("i^u", "U").replace("e`", "E")
    first = _FIRST_VOWEL.search(word)
    region_v = word[first.end() :] if first else ""
    region_2 = word
    for _ in range(2):
        found = _VOWEL_THEN_OTHER.search(region_2)
        region_2 = region_2[found.end() :] if found else ""
    return region_v.translate(_ONE_SIGN_VOWELS), region_2.translate(_ONE_SIGN_VOWELS)


def _ending_length(region: str) -> int:
    """Return how many signs of the inflection to cut: a gerund's, or a reflexive one and one of three kinds."""
    gerund = _first(_GERUNDS, region, _GERUNDS_AFTER_A)
    if gerund:
        return len(gerund)
    reflexive = _first(_REFLEXIVES, region)
    region = region.removesuffix(reflexive)
    ending = (
        _first(_ADJECTIVES, region, _ADJECTIVES_AFTER_A)
        or _first(_VERBS, region, _VERBS_AFTER_A)
        or _first(_NOUNS, region)
    )
    return len(reflexive) + len(ending)


def _first(suffixes: Iterable[str], region: str, after_a: Container[str] = ()) -> str:
    """Return the first suffix that the region ends with and that may stand there, or an empty string."""
    for suffix in suffixes:
        if region.endswith(suffix) and (suffix not in after_a or region.removesuffix(suffix).endswith(_A_AND_YA)):
            return suffix
    return ""
