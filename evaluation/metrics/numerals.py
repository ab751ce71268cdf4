"""Turns Russian numerals, given as lemmas, into digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# The organisers' list: cardinals from 0 to 10, and two words for nothing.
FIRST_NUMERALS: dict[str, str] = {
    "ноль": "0",
    "нисколько": "0",
    "никакой": "0",
    "один": "1",
    "два": "2",
    "три": "3",
    "четыре": "4",
    "пять": "5",
    "шесть": "6",
    "семь": "7",
    "восемь": "8",
    "девять": "9",
    "десять": "10",
}


def _in_order(words: str, *, start: int, step: int = 1) -> dict[str, int]:
    return {word: step * place for place, word in enumerate(words.split(), start=start)}


_CARDINALS: dict[str, int] = {
    **{word: int(digits) for word, digits in FIRST_NUMERALS.items()},
    "нуль": 0,
    **_in_order(
        "одиннадцать двенадцать тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать",
        start=11,
    ),
    **_in_order("двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто", start=2, step=10),
    **_in_order("сто двести триста четыреста пятьсот шестьсот семьсот восемьсот девятьсот", start=1, step=100),
    **_in_order("двое трое четверо пятеро шестеро семеро восьмеро девятеро десятеро", start=2),
}
_ORDINALS: dict[str, int] = {
    **_in_order("нулевой первый второй третий четвёртый пятый шестой седьмой восьмой девятый десятый", start=0),
    **_in_order(
        "одиннадцатый двенадцатый тринадцатый четырнадцатый пятнадцатый шестнадцатый семнадцатый восемнадцатый "
        "девятнадцатый",
        start=11,
    ),
    **_in_order(
        "двадцатый тридцатый сороковой пятидесятый шестидесятый семидесятый восьмидесятый девяностый", start=2, step=10
    ),
    **_in_order(
        "сотый двухсотый трёхсотый четырёхсотый пятисотый шестисотый семисотый восьмисотый девятисотый",
        start=1,
        step=100,
    ),
}
_SCALES = {"тысяча": 10**3, "миллион": 10**6, "миллиард": 10**9, "триллион": 10**12}
_ORDINAL_SCALES = {"тысячный": 10**3, "миллионный": 10**6, "миллиардный": 10**9}

_NUMERALS = frozenset((*_CARDINALS, *_ORDINALS, *_SCALES, *_ORDINAL_SCALES))
_LATER_NUMERALS = _NUMERALS - FIRST_NUMERALS.keys()

_GROUP = 1000
_MAX_DIGITS = 18  # longer numbers in digits stay as they are


def has_later_numeral(form: str) -> bool:
    """Return whether a normal form holds a numeral that the organisers' scripts leave as it is (defect 9).

    >>> has_later_numeral("двадцать 5"), has_later_numeral("5")
    (True, False)
    """
    return not _LATER_NUMERALS.isdisjoint(form.split())


def can_be_folded(word: str) -> bool:
    """Return whether `fold_numerals` looks at a word at all.

    >>> can_be_folded("двадцать"), can_be_folded("7"), can_be_folded("рубль")
    (True, True, False)
    """
    return word in _NUMERALS or word.isdecimal()


def fold_numerals(words: Sequence[str]) -> list[str]:
    """Replace each numeral, one word or several, by its digits; other words stay.

    Args:
        words: lemmas, and numbers in digits. Cardinals, collectives and ordinals are known, the latter as the end of
            a numeral; digits go together with words as in `5 тысяч 300`.

    >>> fold_numerals(["сто", "двадцать", "пять", "рубль"])
    ['125', 'рубль']
    >>> fold_numerals(["тысяча", "девятьсот", "шестьдесят", "первый", "год"])
    ['1961', 'год']
    >>> fold_numerals(["один", "два"])
    ['1', '2']

    """
    if _NUMERALS.isdisjoint(words) and not any(map(str.isdecimal, words)):
        return list(words)
    folded: list[str] = []
    number = _RussianNumber()
    for word in words:
        if not number.takes(word):
            folded += number.digits()
            number = _RussianNumber()
            if not number.takes(word):
                folded.append(word)
                continue
        number = number.with_word(word)
        if word in _ORDINALS or word in _ORDINAL_SCALES:  # an ordinal ends its numeral
            folded += number.digits()
            number = _RussianNumber()
    return folded + number.digits()


@dataclass(frozen=True, slots=True)
class _RussianNumber:
    """A numeral as far as it was read: whole scales so far, the group below the next scale, and what may follow."""

    total: int = 0
    group: int | None = None
    room: int = _GROUP  # the group takes only values below this
    scale: int = 10**15  # only scales below this may follow
    written: str = ""  # the digits, where the numeral is nothing but one number in digits
    is_open: bool = False

    def takes(self, word: str) -> bool:
        """Whether the word can be the next one of this numeral."""
        if word in _SCALES or word in _ORDINAL_SCALES:
            scale = _SCALES.get(word) or _ORDINAL_SCALES[word]
            return scale < self.scale and self.group != 0
        if not self.is_open:
            return word in _CARDINALS or word in _ORDINALS or _is_number(word)
        value = _value(word)
        return value is not None and 0 < value < self.room

    def with_word(self, word: str) -> _RussianNumber:
        """Return the numeral with this word, which it takes, at its end."""
        if word in _SCALES or word in _ORDINAL_SCALES:
            scale = _SCALES.get(word) or _ORDINAL_SCALES[word]
            counted = 1 if self.group is None else self.group
            return _RussianNumber(self.total + counted * scale, None, min(scale, _GROUP), scale, "", True)
        value = _value(word)
        assert value is not None, "takes comes first"
        if _is_number(word):
            written = "" if self.is_open else word
            return _RussianNumber(self.total, (self.group or 0) + value, 0, self.scale, written, True)
        room = 100 if value >= 100 else 10 if value >= 20 else 0
        return _RussianNumber(self.total, (self.group or 0) + value, room, self.scale, "", True)

    def digits(self) -> list[str]:
        if not self.is_open:
            return []
        return [self.written or str(self.total + (self.group or 0))]


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= _MAX_DIGITS


def _value(word: str) -> int | None:
    if _is_number(word):
        return int(word)
    return _CARDINALS.get(word, _ORDINALS.get(word))
