"""A problem in Russian, with four options: equations in signs or in words."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from contest.items import Item
from data_prep.answer_forms import lettered_options
from data_prep.sources.mathematics.options import among, integers, orders, unlike
from data_prep.sources.mathematics.problems import Closest, Compared, Extreme, Larger, Linear, Order, Task
from data_prep.tasks import problem_options, question_options

WORDS_SHARE = 0.35
_SIGNS = {" + ": " плюс ", " - ": " минус ", "*": " умножить на ", " = ": " равно "}
_OPERATOR = re.compile(r" [+=-] |\*")
_UNARY = re.compile(r"(?<!\w)-(?=[\da-z])")
_ASKED = (
    "Найди {}.", "Чему равно {}?", "Найди значение {}.", "Чему равна переменная {}?", "Вычисли {}.", "Определи {}.",
)  # fmt: skip
_STATED_ONE = ("{}", "{}", "Дано уравнение {}", "Известно, что {}", "Реши уравнение {}", "Уравнение: {}")
_STATED_TWO = ("{}", "{}", "Дана система уравнений: {}", "Известно, что {}", "Реши систему: {}", "Система: {}")
_FIRST = {True: ("наибольшее", "самое большое"), False: ("наименьшее", "самое маленькое")}
_ORDINALS = ("", "первое", "второе", "третье", "четвёртое", "пятое", "шестое", "седьмое", "восьмое")
_RELATIONS = {">": "первое больше", "<": "первое меньше", "=": "числа равны"}
_INCOMPARABLE = "сравнить нельзя"


@dataclass(frozen=True, slots=True)
class Worded:
    """A problem as a sample: its kind, its items, its acceptable answers."""

    kind: str
    items: tuple[Item, ...]
    answers: tuple[str, str, str]


def word(rng: random.Random, task: Task, variants: float = 0.0) -> Worded:
    """Word a problem; a share of the single equations becomes a story, in the manner of a hidden task."""
    match task:
        case Linear():
            return _linear(rng, task, variants)
        case Extreme():
            asked = f"Какое из чисел {_listed(rng, task.numbers)} {_rank(rng, task.rank, task.biggest)}?"
            return _chosen(rng, "kth_biggest", asked, task.answer, among(rng, task.numbers, task.answer))
        case Closest():
            form = rng.choice(("Какое из чисел {} ближе всего к {}?", "Какое из чисел {} ближайшее к {}?"))
            asked = form.format(_listed(rng, task.numbers), task.target)
            return _chosen(rng, "closest", asked, task.answer, among(rng, task.numbers, task.answer))
        case Order():
            direction = "возрастания" if task.increasing else "убывания"
            verb = rng.choice(("Расположи", "Запиши", "Упорядочи"))
            asked = f"{verb} числа {', '.join(task.numbers)} в порядке {direction}."
            return _chosen(rng, "sort", asked, ", ".join(task.answer), [", ".join(o) for o in orders(rng, task.answer)])
        case Larger():
            form = rng.choice(("Что {}: {} или {}?", "Какое число {}: {} или {}?"))
            asked = form.format("больше" if task.larger else "меньше", task.first, task.second)
            pair = (task.first, task.second)
            wrong = [next(number for number in pair if number != task.answer), *unlike(rng, pair, 2)]
            return _chosen(rng, "pair", asked, task.answer, wrong)
        case Compared():
            form = rng.choice(
                ("Сравни числа {} и {}.", "Как соотносятся числа {} и {}?", "Даны числа {} и {}. Что верно?")
            )
            right = _RELATIONS[task.answer]
            wrong = [*(text for text in _RELATIONS.values() if text != right), _INCOMPARABLE]
            return _chosen(rng, "pair", form.format(task.first, task.second), right, wrong)


def in_words(expression: str) -> str:
    """ "-2*x + 3 = 7" -> "минус 2 умножить на x плюс 3 равно 7"."""
    spoken = _OPERATOR.sub(lambda sign: _SIGNS[sign[0]], expression)
    return _UNARY.sub("минус ", spoken)


def _linear(rng: random.Random, task: Linear, variants: float) -> Worded:
    wrong = integers(rng, task.value, task.other)
    options, answers = lettered_options(rng, str(task.value), wrong)
    if task.factor is not None and variants and rng.random() < variants:
        return Worded("story", question_options(rng, _story(rng, task.factor, task.value), options), answers)
    equations = list(task.equations)
    if rng.random() < WORDS_SHARE:
        equations = [in_words(equation) for equation in equations]
    kind, forms = ("linear_1d", _STATED_ONE) if len(equations) == 1 else ("linear_2d", _STATED_TWO)
    stated = rng.choice(forms).format(rng.choice((", ", " и ")).join(equations))
    asked = rng.choice(_ASKED).format(task.unknown)
    return Worded(kind, problem_options(rng, stated, asked, options), answers)


def _story(rng: random.Random, factor: int, value: int) -> str:
    """The unknown of one equation as a number that somebody thought of."""
    constant = rng.randint(1, 20)
    deed, result = rng.choice(
        ((f"прибавили {constant}", factor * value + constant), (f"вычли {constant}", factor * value - constant))
    )
    return f"Задумали число, умножили его на {factor} и {deed}. Получилось {result}. Какое число задумали?"


def _chosen(rng: random.Random, kind: str, asked: str, right: str, wrong: Sequence[str]) -> Worded:
    options, answers = lettered_options(rng, right, wrong)
    return Worded(kind, question_options(rng, asked, options), answers)


def _listed(rng: random.Random, numbers: Sequence[str]) -> str:
    shuffled = list(numbers)
    rng.shuffle(shuffled)
    return ", ".join(shuffled)


def _rank(rng: random.Random, rank: int, biggest: bool) -> str:
    if rank == 1:
        return rng.choice(_FIRST[biggest])
    return f"{_ORDINALS[rank]} по {'убыванию' if biggest else 'возрастанию'}"
