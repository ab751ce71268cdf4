"""MathQA: right answers by an own solver, four options that tell nothing, small numbers where the grade is easy."""

from __future__ import annotations

import random
import re
from collections import Counter
from fractions import Fraction

import pytest

from data_prep.synthetic import mathqa
from data_prep.synthetic.distractors import four_integers
from data_prep.synthetic.drawn import Drawn
from data_prep.synthetic.grades import GRADES, Grade
from data_prep.synthetic.instructions import INSTRUCTIONS

SAMPLES = 4000
KINDS = [
    ("easy", "sum"),
    ("easy", "linear_1d"),
    ("easy", "comparison"),
    ("middle", "linear_1d"),
    ("middle", "comparison"),
    ("hard", "linear_1d"),
    ("hard", "linear_2d"),
    ("hard", "comparison"),
]
RANKS = {"наибольшее": 0, "второе по величине": 1, "третье по величине": 2, "наименьшее": 3}


def samples(grade: Grade, kind: str, number: int = SAMPLES) -> list[Drawn]:
    rng = random.Random(f"mathqa {grade}")
    found: list[Drawn] = []
    while len(found) < number:
        drawn = mathqa.make(rng, grade)
        if drawn.kind == kind:
            found.append(drawn)
    return found


def parts(drawn: Drawn) -> tuple[str, list[str]]:
    """The question without its instruction, and the four options."""
    *texts, options = [item.content for item in drawn.items]
    question = texts[-1]
    for instruction in INSTRUCTIONS["mathqa"]:
        question = question.removeprefix(instruction).strip()
    return question, re.split(r"; [b-d]\) ", options.removeprefix("Варианты: ").removeprefix("a) "))


# ---- a solver that shares nothing with the generator


def in_signs(text: str) -> str:
    for pattern, signs in (
        (r"Если из (\w) вычесть (\d+), то получится", r"\1 - \2 ="),
        (r"Если к (\w) прибавить (\d+), то получится", r"\1 + \2 ="),
        (r"Если (\S+) умножить на (\S+) и прибавить (\d+), то получится", r"\1 * \2 + \3 ="),
        (r"Если (\S+) умножить на (\S+) и вычесть (\d+), то получится", r"\1 * \2 - \3 ="),
        (r"Если (\S+) (умножить|разделить) на (\S+), то получится", r"\1 \2 на \3 ="),
        ("плюс", "+"),
        ("минус", "-"),
        ("умножить на", "*"),
        ("разделить на", "/"),
        ("равно", "="),
    ):
        text = re.sub(pattern, signs, text)
    return text


def evaluate(expression: str, **unknowns: int) -> Fraction:
    exact = re.sub(r"\d+", r"Fraction(\g<0>)", expression)
    return Fraction(eval(exact, {"Fraction": Fraction, **unknowns}))


def solve(question: str) -> Fraction:
    """The value asked for by a sum, an equation or a system of two."""
    total = re.fullmatch(r"Сколько будет (.+)\?", question)
    if total:
        return evaluate(in_signs(total[1]))
    stated, asked = re.fullmatch(r"(.+)\. (?:Найди|Чему равно) (\w)[.?]", question).groups()  # type: ignore[union-attr]
    sides = [equation.split("=") for equation in in_signs(stated).split(",")]
    names = sorted(set(re.findall("[a-z]", in_signs(stated))))
    assert asked in names
    assert len(sides) == len(names)

    def differences(**values: int) -> list[Fraction]:
        return [evaluate(left, **values) - evaluate(right, **values) for left, right in sides]

    zero = dict.fromkeys(names, 0)
    constant = differences(**zero)
    columns = {name: [v - c for v, c in zip(differences(**{**zero, name: 1}), constant, strict=True)] for name in names}
    if len(names) == 1:
        return -constant[0] / columns[asked][0]
    (other,) = set(names) - {asked}
    (a, c), (b, d) = columns[asked], columns[other]
    return (-constant[0] * d + constant[1] * b) / (a * d - b * c)


def solve_comparison(question: str, options: list[str]) -> Fraction:
    pair = re.fullmatch(r"Что (больше|меньше): (\d+) или (\d+)\?", question)
    if pair:
        return Fraction((max if pair[1] == "больше" else min)(int(pair[2]), int(pair[3])))
    rank = re.fullmatch(r"Какое из чисел (.+)\?", question)
    assert rank is not None
    return sorted(map(Fraction, options), reverse=True)[RANKS[rank[1]]]


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("3 + 4 = x. Найди x.", 7),
        ("Сколько будет 7 минус 2?", 5),
        ("x умножить на 2 равно 6. Найди x.", 3),
        ("Если 3 умножить на x и прибавить 4, то получится 10. Чему равно x?", 2),
        ("5 * x - 2 = 3 * x + 8. Чему равно x?", 5),
        ("2 * x + 3 * y = 12, x - y = 1. Чему равно x?", 3),
        ("-z плюс p равно 15, 4 умножить на z плюс p равно -15. Чему равно z?", -6),
    ],
)
def test_solver_itself(question: str, value: int) -> None:
    assert solve(question) == value


@pytest.mark.parametrize(("grade", "kind"), KINDS)
def test_answer_is_right(grade: Grade, kind: str) -> None:
    for drawn in samples(grade, kind, 1000):
        question, options = parts(drawn)
        right = solve_comparison(question, options) if kind == "comparison" else solve(question)
        assert Fraction(drawn.answers[1]) == right, question


@pytest.mark.parametrize(("grade", "kind"), KINDS)
def test_four_different_options_one_of_them_right(grade: Grade, kind: str) -> None:
    for drawn in samples(grade, kind, 1000):
        _, options = parts(drawn)
        marker, value, both = drawn.answers
        assert len({Fraction(option) for option in options}) == len(options) == 4
        assert options["abcd".index(marker)] == value
        assert both == f"{marker} {value}"


@pytest.mark.parametrize(("grade", "kind"), KINDS)
def test_right_option_is_anywhere(grade: Grade, kind: str) -> None:
    markers = Counter(drawn.answers[0] for drawn in samples(grade, kind))
    assert all(markers[marker] / SAMPLES == pytest.approx(0.25, abs=0.03) for marker in "abcd")


@pytest.mark.parametrize(
    ("grade", "kind", "least", "most"),
    [
        ("easy", "sum", 0.22, 0.28),
        ("easy", "linear_1d", 0.22, 0.28),
        ("easy", "comparison", 0.20, 0.28),
        ("middle", "linear_1d", 0.22, 0.28),
        ("middle", "comparison", 0.0, 0.28),  # the largest or the smallest is never in the middle
        ("hard", "linear_1d", 0.22, 0.28),
        ("hard", "linear_2d", 0.22, 0.33),
        ("hard", "comparison", 0.22, 0.28),
    ],
)
def test_rule_that_sees_the_options_alone_finds_nothing(grade: Grade, kind: str, least: float, most: float) -> None:
    """The option nearest to the others and to their opposites: distractors made from the answer give it away."""
    hits = 0
    for drawn in samples(grade, kind):
        values = [Fraction(option) for option in parts(drawn)[1]]
        scores = [min(abs(v - w) for w in values if w != v) + min(abs(v + w) for w in values if w != v) for v in values]
        hits += "abcd"[scores.index(min(scores))] == drawn.answers[0]
    assert least <= hits / SAMPLES <= most


@pytest.mark.parametrize("kind", ["sum", "linear_1d"])
def test_easy_problems_are_few_enough_to_know_by_heart(kind: str) -> None:
    problems = set()
    for drawn in samples("easy", kind):
        question, _ = parts(drawn)
        assert 0 <= int(drawn.answers[1]) <= 20
        assert all(int(number) <= 50 for number in re.findall(r"\d+", question))
        problems.add(question)
    assert len(problems) < 1000


def test_middle_equations_stay_below_thirty() -> None:
    for drawn in samples("middle", "linear_1d", 1000):
        text = " ".join(item.content for item in drawn.items)
        assert all(int(number) <= 30 for number in re.findall(r"\d+", text))


def test_words_and_signs() -> None:
    for grade in GRADES:
        worded = [
            bool(re.search("плюс|минус|умнож|раздел|приб|выче", parts(d)[0])) for d in samples(grade, "linear_1d")
        ]
        assert 0.3 < sum(worded) / SAMPLES < 0.7


@pytest.mark.parametrize("grade", GRADES)
def test_shares_of_the_kinds(grade: Grade) -> None:
    rng = random.Random(f"shares {grade}")
    counts = Counter(mathqa.make(rng, grade).kind for _ in range(SAMPLES))
    expected = {
        "easy": {"sum": 0.4, "linear_1d": 0.4, "comparison": 0.2},
        "middle": {"linear_1d": 0.65, "comparison": 0.35},
        "hard": {"linear_1d": 0.4, "linear_2d": 0.3, "comparison": 0.3},
    }[grade]
    assert {kind: count / SAMPLES for kind, count in counts.items()} == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(("grade", "most_words"), [("easy", 22), ("middle", 26), ("hard", 40)])
def test_left_text_is_short(grade: Grade, most_words: int) -> None:
    rng = random.Random(f"words {grade}")
    longest = max(sum(len(i.content.split()) for i in mathqa.make(rng, grade).items) for _ in range(SAMPLES))
    assert longest <= most_words


@pytest.mark.parametrize("grade", GRADES)
def test_same_seed_draws_the_same_samples(grade: Grade) -> None:
    first, second = random.Random(3), random.Random(3)
    assert [mathqa.make(first, grade) for _ in range(50)] == [mathqa.make(second, grade) for _ in range(50)]


@pytest.mark.parametrize(("low", "high"), [(0, 3), (0, 10), (-12, 12), (10, 99)])
def test_four_integers_are_different_and_in_range(low: int, high: int) -> None:
    rng = random.Random(5)
    for _ in range(500):
        values = four_integers(rng, low, high)
        assert len(set(values)) == 4
        assert all(low <= value <= high for value in values)


def test_four_integers_need_room() -> None:
    with pytest.raises(ValueError, match="range of four or more, got 1 to 3"):
        four_integers(random.Random(0), 1, 3)
