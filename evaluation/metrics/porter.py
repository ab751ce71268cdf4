"""Porter's English stemmer with the extensions that NLTK has by default. Knows nothing of Russian, which it passes on.

M. F. Porter, An algorithm for suffix stripping, Program 14(3), 1980. The extensions: a table of irregular words,
words of one or two letters are left alone, `-ies` and `-ied` of four letters keep their e, `y` becomes `i` after a
consonant only, a stem of vowel and consonant counts as short, and step 2 has `-bli`, `-fulli` and `-logi`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

_IRREGULAR = {
    "skies": "sky",
    "dying": "die",
    "lying": "lie",
    "tying": "tie",
    "innings": "inning",
    "outings": "outing",
    "cannings": "canning",
} | {word: word for word in ("sky", "news", "inning", "outing", "canning", "howe", "proceed", "exceed", "succeed")}

# Suffix and what takes its place. The first suffix that a word ends with decides, whether its condition holds or not.
_Rules = Sequence[tuple[str, str]]
_STEP_2: _Rules = (
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
    ("logi", "log"),
)
_STEP_3: _Rules = (
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
)
_STEP_4: _Rules = tuple(
    (suffix, "")
    for suffix in [
        "al",
        "ance",
        "ence",
        "er",
        "ic",
        "able",
        "ible",
        "ant",
        "ement",
        "ment",
        "ent",
        "ion",
        "ou",
        "ism",
        "ate",
        "iti",
        "ous",
        "ive",
        "ize",
    ]
)


@lru_cache(maxsize=1 << 16)
def porter_stem(word: str) -> str:
    """Return the stem of a lower-case word."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 2:
        return word
    word = _adjectival_y(_past_and_participle(_plural(word)))
    word = _replace(_step_2(word), _STEP_3, above=0)
    word = _replace(word, _STEP_4, above=1)
    return _final_letters(word)


def _kinds(word: str) -> str:
    """Return a `c` for each consonant and a `v` for each vowel; `y` is a vowel after a consonant."""
    kinds = ""
    for letter in word:
        is_vowel = letter in "aeiou" or (letter == "y" and kinds[-1:] == "c")
        kinds += "v" if is_vowel else "c"
    return kinds


def _measure(stem: str) -> int:
    """Return m of the paper's [C](VC){m}[V]."""
    return _kinds(stem).count("vc")


def _is_short(stem: str) -> bool:
    """Whether the stem ends consonant, vowel, consonant (no w, x, y), or is a vowel and a consonant."""
    kinds = _kinds(stem)
    return (kinds.endswith("cvc") and stem[-1] not in "wxy") or kinds == "vc"


def _replace(word: str, rules: _Rules, *, above: int) -> str:
    for suffix, replacement in rules:
        if word.endswith(suffix):
            stem = word.removesuffix(suffix)
            # The l of -logi belongs to the stem, the s or t before -ion must be there.
            measured = stem + "l" if suffix == "logi" else stem
            if _measure(measured) > above and (suffix != "ion" or stem.endswith(("s", "t"))):
                return stem + replacement
            return word
    return word


def _plural(word: str) -> str:
    if word.endswith("ies"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("sses"):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _past_and_participle(word: str) -> str:
    if word.endswith("ied"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        stem = word.removesuffix(suffix)
        if stem != word and "v" in _kinds(stem):
            break
    else:
        return word
    if stem.endswith(("at", "bl", "iz")):
        return stem + "e"
    if stem[-1:] == stem[-2:-1] and _kinds(stem).endswith("c"):
        return stem if stem[-1] in "lsz" else stem[:-1]
    return stem + "e" if _measure(stem) == 1 and _is_short(stem) else stem


def _adjectival_y(word: str) -> str:
    stem = word.removesuffix("y")
    return stem + "i" if stem != word and len(stem) > 1 and _kinds(stem).endswith("c") else word


def _step_2(word: str) -> str:
    if word.endswith("alli") and _measure(word[:-4]) > 0:
        word = word[:-2]
    return _replace(word, _STEP_2, above=0)


def _final_letters(word: str) -> str:
    stem = word.removesuffix("e")
    if stem != word and (_measure(stem) > 1 or (_measure(stem) == 1 and not _is_short(stem))):
        word = stem
    return word[:-1] if word.endswith("ll") and _measure(word[:-1]) > 1 else word
