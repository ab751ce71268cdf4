"""MathQA: sums, linear equations, systems and comparisons with four options.

Every problem is built around its options (see distractors.py), so they do not tell which of them is right.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from data_prep.answer_forms import lettered_options
from data_prep.instructions import text_item
from data_prep.synthetic.distractors import OPTIONS, four_integers
from data_prep.synthetic.drawn import Drawn
from data_prep.synthetic.grades import Grade
from data_prep.synthetic.instructions import with_instruction

UNKNOWNS = "xyzkmnp"  # no letter that could be an option's marker
SIGN_WORDS: Mapping[str, str] = {"+": "плюс", "-": "минус", "*": "умножить на", "/": "разделить на", "=": "равно"}
WORDS_SHARE = 0.4
EASY_LARGEST = 5  # of the numbers in easy problems: few enough facts for a tiny model to learn by heart
MIDDLE_LARGEST = 30
FACTORS = range(2, 10)
SYSTEM_COEFFICIENTS = (1, 1, -1, 2, -2, 3, -3, 4, 5)
RANKS = ("наибольшее", "второе по величине", "третье по величине", "наименьшее")


@dataclass(frozen=True, slots=True)
class MathProblem:
    """A question, its right value and three wrong ones, as they are written."""

    text: str
    right: str
    wrong: tuple[str, ...]


def make(rng: random.Random, grade: Grade) -> Drawn:
    """A problem with four options.

    easy: sums, differences and one-step equations of small integers, the larger of two digits; middle: one-step
    equations to 30, the largest of four two-digit numbers; hard: coefficients and constants, systems, fractions.
    """
    kinds, weights = KINDS[grade]
    (kind,) = rng.choices(tuple(kinds), weights)
    problem = kinds[kind](rng)
    options, answers = lettered_options(rng, problem.right, problem.wrong)
    texts = [text_item(problem.text), text_item(options)]
    return Drawn(with_instruction(rng, "mathqa", texts), answers, None, kind, grade)


def sum_or_difference(rng: random.Random) -> MathProblem:
    """ "3 + 4 = x. Найди x.", "Сколько будет 7 минус 2?": numbers of 0..5, the result is not negative."""
    if rng.random() < 0.5:
        values = four_integers(rng, 0, 2 * EASY_LARGEST)
        first = rng.randint(max(0, values[0] - EASY_LARGEST), min(EASY_LARGEST, values[0]))
        sign, second = "+", values[0] - first
    else:
        values = four_integers(rng, 0, EASY_LARGEST)
        first = rng.randint(values[0], EASY_LARGEST)
        sign, second = "-", first - values[0]
    if rng.random() < 0.5:
        return _problem(f"{first} {sign} {second} = x. Найди x.", values)
    return _problem(f"Сколько будет {_perhaps_in_words(rng, f'{first} {sign} {second}')}?", values)


def one_step_easy(rng: random.Random) -> MathProblem:
    """ "x + 3 = 8. Найди x.", "x умножить на 2 равно 6. Найди x.": x and the constant in 0..5, factors to 5."""
    values = four_integers(rng, 0, EASY_LARGEST)
    x = values[0]
    sign = rng.choice("+-*" if x else "+*")
    if sign == "+":
        constant = rng.randint(1, EASY_LARGEST)
        equation = f"x + {constant} = {x + constant}"
    elif sign == "-":
        constant = rng.randint(1, x)
        equation = f"x - {constant} = {x - constant}"
    else:
        factor = rng.randint(2, 5)
        equation = f"{factor} * x = {factor * x}"
    return _problem(f"{_perhaps_in_words(rng, equation)}. Найди x.", values)


def one_step_middle(rng: random.Random) -> MathProblem:
    """ "y / 4 = 3. Чему равно y?", "Если к y прибавить 5, то получится 12. ...": no number above 30."""
    values = four_integers(rng, 0, MIDDLE_LARGEST)
    x, unknown = values[0], rng.choice(UNKNOWNS)
    divisors = [factor for factor in FACTORS if x and x % factor == 0]
    factors = [factor for factor in FACTORS if x and x * factor <= MIDDLE_LARGEST]
    signs = "+" * (x < MIDDLE_LARGEST) + "-" * (x > 0) + "*" * bool(factors) + "/" * bool(divisors)
    sign = rng.choice(signs)
    if sign == "+":
        number = rng.randint(1, MIDDLE_LARGEST - x)
        result, deed = x + number, f"к {unknown} прибавить {number}"
    elif sign == "-":
        number = rng.randint(1, x)
        result, deed = x - number, f"из {unknown} вычесть {number}"
    elif sign == "*":
        number = rng.choice(factors)
        result, deed = x * number, f"{unknown} умножить на {number}"
    else:
        number = rng.choice(divisors)
        result, deed = x // number, f"{unknown} разделить на {number}"
    if rng.random() < 0.3:
        stated = f"Если {deed}, то получится {result}"
    else:
        stated = _perhaps_in_words(rng, f"{unknown} {sign} {number} = {result}")
    return _problem(f"{stated}. {_ask(rng, unknown)}", values)


def linear_hard(rng: random.Random) -> MathProblem:
    """ "-3 * x + 4 = 10", "5 * x - 2 = 3 * x + 8", "Если 3 умножить на x и прибавить 4, то получится 10."."""
    values = four_integers(rng, -12, 12)
    x, unknown = values[0], rng.choice(UNKNOWNS)
    factor = rng.choice([factor for factor in range(-9, 10) if factor not in (0, 1, -1)])
    constant = rng.choice([number for number in range(-30, 31) if number != 0])
    form = rng.random()
    if form < 0.3:
        deed = f"прибавить {constant}" if constant > 0 else f"вычесть {-constant}"
        stated = f"Если {factor} умножить на {unknown} и {deed}, то получится {factor * x + constant}"
    else:
        other = 0 if form < 0.7 else rng.choice([number for number in (1, 2, 3, 4, 5) if number != factor])
        left = _linear([(factor, unknown)], constant)
        right = _linear([(other, unknown)], (factor - other) * x + constant)
        stated = _perhaps_in_words(rng, f"{left} = {right}")
    return _problem(f"{stated}. {_ask(rng, unknown)}", values)


def linear_system(rng: random.Random) -> MathProblem:
    """ "2 * x + 3 * y = 12, x - y = 1. Чему равно x?": the other unknown's value is always among the options."""
    values = four_integers(rng, -9, 9)
    x, y = values[:2]
    first, second = rng.sample(UNKNOWNS, 2)
    while True:
        a, b, c, d = rng.choices(SYSTEM_COEFFICIENTS, k=4)
        if a * d != b * c:  # one solution
            break
    equations = (f"{_linear([(p, first), (q, second)], 0)} = {p * x + q * y}" for p, q in ((a, b), (c, d)))
    stated = _perhaps_in_words(rng, ", ".join(equations))
    return _problem(f"{stated}. {_ask(rng, first)}", values)


def compare_two(rng: random.Random) -> MathProblem:
    """ "Что больше: 3 или 7?" of one-digit numbers; the other options are digits too."""
    values = four_integers(rng, 0, 9)
    pair = values[:2]
    larger = rng.random() < 0.5
    right = max(pair) if larger else min(pair)
    text = f"Что {'больше' if larger else 'меньше'}: {pair[0]} или {pair[1]}?"
    return _problem(text, [right, *(value for value in values if value != right)])


def compare_integers(rng: random.Random) -> MathProblem:
    """ "Какое из чисел наибольшее?": two-digit numbers, which are the options themselves."""
    values = sorted(four_integers(rng, 10, 99), reverse=True)
    return _by_rank(values, rng.choice((0, OPTIONS - 1)))


def compare_fractions(rng: random.Random) -> MathProblem:
    """ "Какое из чисел второе по величине?": fractions and integers, which are the options themselves."""
    values: set[Fraction] = set()
    while len(values) < OPTIONS:
        values.add(Fraction(rng.randint(-20, 20), rng.choice((1, *FACTORS))))
    return _by_rank(sorted(values, reverse=True), rng.randrange(OPTIONS))


Maker: TypeAlias = Callable[[random.Random], MathProblem]

KINDS: Mapping[Grade, tuple[Mapping[str, Maker], tuple[float, ...]]] = {
    "easy": ({"sum": sum_or_difference, "linear_1d": one_step_easy, "comparison": compare_two}, (0.4, 0.4, 0.2)),
    "middle": ({"linear_1d": one_step_middle, "comparison": compare_integers}, (0.65, 0.35)),
    "hard": ({"linear_1d": linear_hard, "linear_2d": linear_system, "comparison": compare_fractions}, (0.4, 0.3, 0.3)),
}


def _problem(text: str, values: Sequence[int]) -> MathProblem:
    """A problem whose first value is the right one."""
    return MathProblem(text, str(values[0]), tuple(str(value) for value in values[1:]))


def _by_rank(values: Sequence[int] | Sequence[Fraction], rank: int) -> MathProblem:
    """The question for place `rank` of values in falling order."""
    wrong = tuple(str(value) for place, value in enumerate(values) if place != rank)
    return MathProblem(f"Какое из чисел {RANKS[rank]}?", str(values[rank]), wrong)


def _ask(rng: random.Random, unknown: str) -> str:
    return rng.choice((f"Найди {unknown}.", f"Чему равно {unknown}?"))


def _perhaps_in_words(rng: random.Random, signs: str) -> str:
    """The expression in signs, or with its operators (the signs between spaces) as words."""
    if rng.random() >= WORDS_SHARE:
        return signs
    return " ".join(SIGN_WORDS.get(token, token) for token in signs.split(" "))


def _linear(terms: Sequence[tuple[int, str]], constant: int) -> str:
    """ "2 * x - y + 3": terms of (coefficient, unknown); zero ones are left out, but something always stands."""
    parts = [(coefficient, unknown) for coefficient, unknown in terms if coefficient]
    if constant or not parts:
        parts.append((constant, ""))
    text = ""
    for place, (number, unknown) in enumerate(parts):
        size = abs(number)
        body = unknown if unknown and size == 1 else f"{size} * {unknown}" if unknown else str(size)
        if place == 0:
            text = f"-{body}" if number < 0 else body
        else:
            text += f" {'-' if number < 0 else '+'} {body}"
    return text
