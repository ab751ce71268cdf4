"""Understands the published English problems and checks their answers.

A problem that is understood is solved here: what the file gives as its answer must be the solution.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

from data_prep.records import SkipReason
from data_prep.sources.reading import FieldError

Number = r"-?\d+(?:\.\d+|/\d+)?"
_NUMBER = re.compile(Number)
_EQUATION = re.compile(r"Solve (?P<equations>.+) for (?P<unknown>[a-z])\.")
_TERM = re.compile(r"(?:^|(?<= ))(?P<sign>[+-] )?(?P<minus>-)?(?:(?P<factor>\d+)\*)?(?P<body>[a-z]|\d+)(?= |$)")
_EXTREME = re.compile(
    r"(?:What|Which) is the (?:(?P<rank>[a-z]+) )?(?P<side>biggest|smallest) value"
    r"(?: in (?P<list>[^?]+))?\?(?P<choices>.*)"
)
_CLOSEST = re.compile(
    rf"(?:What|Which) is the (?:closest|nearest) to (?P<target>{Number})(?: in (?P<list>[^?]+))?\?(?P<choices>.*)"
)
_CHOICE = re.compile(rf"\(([a-z])\) ({Number})(?=  |$)")
_SORT = re.compile(r"(?:Sort|Put) (?P<list>.+?)(?: in (?P<order>increasing|ascending|decreasing|descending) order)?\.")
_WHICH = re.compile(rf"Which is (?P<side>bigger|greater|smaller): (?P<first>{Number}) or (?P<second>{Number})\?")
_COMPARED = (
    (re.compile(rf"Is ({Number}) (?:<|less than|smaller than) ({Number})\?"), "<"),
    (re.compile(rf"Is ({Number}) (?:<=|less than or equal to|at most|at most as big as) ({Number})\?"), "<="),
    (re.compile(rf"Is ({Number}) (?:>|greater than|bigger than) ({Number})\?"), ">"),
    (re.compile(rf"Is ({Number}) (?:>=|greater than or equal to|at least|at least as big as) ({Number})\?"), ">="),
    (re.compile(rf"Does ({Number}) = ({Number})\?"), "="),
    (re.compile(rf"Are ({Number}) and ({Number}) equal\?"), "="),
    (re.compile(rf"Is ({Number}) equal to ({Number})\?"), "="),
    (re.compile(rf"Do ({Number}) and ({Number}) have the same value\?"), "="),
    (re.compile(rf"Is ({Number}) (?:!=|not equal to) ({Number})\?"), "!="),
    (re.compile(rf"Are ({Number}) and ({Number}) (?:unequal|nonequal|non-equal)\?"), "!="),
    (re.compile(rf"Do ({Number}) and ({Number}) have different values\?"), "!="),
)
_RANKS = {None: 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8}
_COMPOSED = ("Suppose ", "Let ")


@dataclass(frozen=True, slots=True)
class Linear:
    """Equations as they stand, the unknown asked for, its value, and the other unknown's value in a system.

    `factor` is that of the unknown in one equation with everything on one side; None in a system.
    """

    equations: tuple[str, ...]
    unknown: str
    value: int
    other: Fraction | None = None
    factor: int | None = None


@dataclass(frozen=True, slots=True)
class Extreme:
    """The number of a rank, counted from the biggest or the smallest."""

    numbers: tuple[str, ...]
    rank: int
    biggest: bool
    answer: str


@dataclass(frozen=True, slots=True)
class Closest:
    """The number closest to a target."""

    numbers: tuple[str, ...]
    target: str
    answer: str


@dataclass(frozen=True, slots=True)
class Order:
    """Numbers to be put in order."""

    numbers: tuple[str, ...]
    increasing: bool
    answer: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Larger:
    """Which of two numbers is the larger (or smaller) one."""

    first: str
    second: str
    larger: bool
    answer: str


@dataclass(frozen=True, slots=True)
class Compared:
    """How two numbers compare: `answer` is how the first stands to the second."""

    first: str
    second: str
    answer: Literal["<", ">", "="]


Task: TypeAlias = Linear | Extreme | Closest | Order | Larger | Compared


def understand(question: str, answer: str, most_digits: int) -> Task:
    """The problem of a question and its answer.

    Raises FieldError: OTHER_MODULE, PROBLEM_UNREADABLE, NUMBER_TOO_LONG, ANSWER_WRONG.
    """
    if question.startswith(_COMPOSED):
        raise FieldError(SkipReason.OTHER_MODULE, "a composed problem")
    for digits in re.findall(r"\d+", f"{question} {answer}"):
        if len(digits) > most_digits:
            raise FieldError(SkipReason.NUMBER_TOO_LONG, digits)
    for pattern, reader in ((_EQUATION, _linear), (_EXTREME, _extreme), (_CLOSEST, _closest), (_SORT, _order)):
        match = pattern.fullmatch(question)
        if match is not None:
            return reader(match, answer)
    return _pair(question, answer)


def value_of(number: str) -> Fraction:
    """The value of a number as the problems write it: "-3", "0.25", "2/7"."""
    try:
        return Fraction(number)
    except (ValueError, ZeroDivisionError) as error:
        raise FieldError(SkipReason.PROBLEM_UNREADABLE, f"{number!r} is no number") from error


def _linear(match: re.Match[str], answer: str) -> Linear:
    unknown = match["unknown"]
    equations = tuple(match["equations"].split(", "))
    forms = [_one_side(equation) for equation in equations]
    unknowns = sorted({name for form in forms for name in form if name})
    if unknown not in unknowns or len(unknowns) > len(equations) or len(equations) > 2:
        raise FieldError(
            SkipReason.PROBLEM_UNREADABLE, f"{len(equations)} equations with {', '.join(unknowns) or 'none'}"
        )
    value = value_of(answer)
    if value.denominator != 1:
        raise FieldError(SkipReason.PROBLEM_UNREADABLE, f"the answer {answer} is no integer")
    if len(equations) == 1:
        (form,) = forms
        if not form[unknown] or form[unknown] * value + form[""] != 0:
            raise FieldError(SkipReason.ANSWER_WRONG, f"{unknown} = {answer}")
        return Linear(equations, unknown, int(value), factor=form[unknown])
    other = next((name for name in unknowns if name != unknown), None)
    first, second = forms
    solution, rest = _solve(first, second, unknown, other)
    if solution != value:
        raise FieldError(SkipReason.ANSWER_WRONG, f"{unknown} = {answer}")
    return Linear(equations, unknown, int(value), other=rest)


def _solve(
    first: Counter[str], second: Counter[str], unknown: str, other: str | None
) -> tuple[Fraction, Fraction | None]:
    """Values of the unknown and of the other one, by Cramer's rule."""
    if other is None:
        raise FieldError(SkipReason.PROBLEM_UNREADABLE, "two equations with one unknown")
    a, b, c = first[unknown], first[other], -first[""]
    d, e, f = second[unknown], second[other], -second[""]
    determinant = a * e - b * d
    if not determinant:
        raise FieldError(SkipReason.ANSWER_WRONG, "the system has no single solution")
    return Fraction(c * e - b * f, determinant), Fraction(a * f - c * d, determinant)


def _one_side(equation: str) -> Counter[str]:
    """Factors of an equation's unknowns, and its constant under "", everything brought to the left side."""
    sides = equation.split(" = ")
    if len(sides) != 2:
        raise FieldError(SkipReason.PROBLEM_UNREADABLE, f"{equation!r} is no equation")
    factors: Counter[str] = Counter()
    for sign, side in ((1, sides[0]), (-1, sides[1])):
        end = 0
        for term in _TERM.finditer(side):
            if term.start() > end + 1 or (term.start() and not term["sign"]):
                break
            end = term.end()
            size = int(term["factor"] or 1)
            size *= -1 if (term["sign"] == "- ") != bool(term["minus"]) else 1
            name = "" if term["body"].isdigit() else term["body"]
            factors[name] += sign * size * (int(term["body"]) if not name else 1)
        if end != len(side) or not side:
            raise FieldError(SkipReason.PROBLEM_UNREADABLE, f"{side!r} is no sum of terms")
    return factors


def _require_different(numbers: Sequence[str], purpose: str) -> None:
    if len(numbers) < 3 or not all(map(_NUMBER.fullmatch, numbers)):
        raise FieldError(SkipReason.PROBLEM_UNREADABLE, f"{len(numbers)} numbers to {purpose}")
    if len({value_of(number) for number in numbers}) != len(numbers):
        raise FieldError(SkipReason.PROBLEM_UNREADABLE, "two numbers are equal")


def _numbers(match: re.Match[str], answer: str) -> tuple[tuple[str, ...], str]:
    """The numbers to choose from and the one that the answer names, by itself or by its letter."""
    if match["list"] is not None:
        numbers, chosen = tuple(match["list"].split(", ")), answer
    else:
        choices = dict(_CHOICE.findall(match["choices"]))
        numbers, chosen = tuple(choices.values()), choices.get(answer, "")
    _require_different(numbers, "choose from")
    if chosen not in numbers:
        raise FieldError(SkipReason.ANSWER_WRONG, f"{answer} is none of the numbers")
    return numbers, chosen


def _extreme(match: re.Match[str], answer: str) -> Extreme:
    numbers, chosen = _numbers(match, answer)
    rank, biggest = _RANKS.get(match["rank"], 0), match["side"] == "biggest"
    if not 1 <= rank <= len(numbers):
        raise FieldError(SkipReason.PROBLEM_UNREADABLE, f"rank {match['rank']} of {len(numbers)}")
    if sorted(numbers, key=value_of, reverse=biggest)[rank - 1] != chosen:
        raise FieldError(SkipReason.ANSWER_WRONG, answer)
    return Extreme(numbers, rank, biggest, chosen)


def _closest(match: re.Match[str], answer: str) -> Closest:
    numbers, chosen = _numbers(match, answer)
    target = value_of(match["target"])
    distances = sorted((abs(value_of(number) - target), number) for number in numbers)
    if distances[0][1] != chosen or distances[0][0] == distances[1][0]:
        raise FieldError(SkipReason.ANSWER_WRONG, answer)
    return Closest(numbers, match["target"], chosen)


def _order(match: re.Match[str], answer: str) -> Order:
    numbers = tuple(match["list"].split(", "))
    _require_different(numbers, "sort")
    increasing = match["order"] in (None, "increasing", "ascending")
    ordered = tuple(sorted(numbers, key=value_of, reverse=not increasing))
    if answer != ", ".join(ordered):
        raise FieldError(SkipReason.ANSWER_WRONG, answer)
    return Order(numbers, increasing, ordered)


def _pair(question: str, answer: str) -> Larger | Compared:
    which = _WHICH.fullmatch(question)
    if which is not None:
        first, second, larger = which["first"], which["second"], which["side"] != "smaller"
        right = max(first, second, key=value_of) if larger else min(first, second, key=value_of)
        if right != answer or value_of(first) == value_of(second):
            raise FieldError(SkipReason.ANSWER_WRONG, answer)
        return Larger(first, second, larger, right)
    for pattern, sign in _COMPARED:
        match = pattern.fullmatch(question)
        if match is not None:
            return _compared(match[1], match[2], sign, answer)
    raise FieldError(SkipReason.PROBLEM_UNREADABLE, repr(question[:60]))


def _compared(first: str, second: str, sign: str, answer: str) -> Compared:
    gap = value_of(first) - value_of(second)
    relation: Literal["<", ">", "="] = "<" if gap < 0 else ">" if gap > 0 else "="
    holds = {"<": gap < 0, "<=": gap <= 0, ">": gap > 0, ">=": gap >= 0, "=": gap == 0, "!=": gap != 0}[sign]
    if answer != str(holds):
        raise FieldError(SkipReason.ANSWER_WRONG, answer)
    return Compared(first, second, relation)
