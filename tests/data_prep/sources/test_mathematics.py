"""DeepMind Mathematics: every published form is understood, solved, put in Russian, with one right option of four."""

import os
import random
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

from data_prep.check.rules import options_in
from data_prep.sources.mathematics.options import integers
from data_prep.sources.mathematics.problems import (
    Closest,
    Compared,
    Extreme,
    Larger,
    Linear,
    Order,
    understand,
    value_of,
)
from data_prep.sources.mathematics.wording import in_words, word
from data_prep.sources.reading import FieldError
from tests.data_prep.conversions import convert, tree

ROOT = Path(__file__).parents[3]
# As the package writes them.
UNDERSTOOD = [
    ("Solve 58*x = 3*x - 34 - 351 for x.", "-7", Linear(("58*x = 3*x - 34 - 351",), "x", -7, factor=55)),
    ("Solve 0 = 76*p - 82*p + 42 for p.", "7", Linear(("0 = 76*p - 82*p + 42",), "p", 7, factor=6)),
    ("Solve -u - 4 = -4 for u.", "0", Linear(("-u - 4 = -4",), "u", 0, factor=-1)),
    ("Solve 54 = 11*d - g, 0 = d - 6*g + 3*g - 2 for d.", "5",
     Linear(("54 = 11*d - g", "0 = d - 6*g + 3*g - 2"), "d", 5, other=Fraction(1))),
    ("Solve -5*u = -20, -5*v + v = 3*u + 28 for v.", "-10",
     Linear(("-5*u = -20", "-5*v + v = 3*u + 28"), "v", -10, other=Fraction(4))),
    ("What is the second biggest value in -0.02, -65, -0.3, 2/47?", "-0.02",
     Extreme(("-0.02", "-65", "-0.3", "2/47"), 2, True, "-0.02")),
    ("Which is the third biggest value?  (a) -1/13  (b) 4  (c) 0", "a", Extreme(("-1/13", "4", "0"), 3, True, "-1/13")),
    ("What is the smallest value in -39, -11, -4, 23?", "-39", Extreme(("-39", "-11", "-4", "23"), 1, False, "-39")),
    ("What is the nearest to 3/5 in 2, 0.0124, 4?", "0.0124", Closest(("2", "0.0124", "4"), "3/5", "0.0124")),
    ("Which is the closest to 2/5?  (a) -9  (b) -2/13  (c) 13/4  (d) 5", "b",
     Closest(("-9", "-2/13", "13/4", "5"), "2/5", "-2/13")),
    ("Sort -65, 1/4, 0.4952 in increasing order.", "-65, 1/4, 0.4952",
     Order(("-65", "1/4", "0.4952"), True, ("-65", "1/4", "0.4952"))),
    ("Put 5, -14, 3 in decreasing order.", "5, 3, -14", Order(("5", "-14", "3"), False, ("5", "3", "-14"))),
    ("Sort -9, 0.2, -59.1.", "-59.1, -9, 0.2", Order(("-9", "0.2", "-59.1"), True, ("-59.1", "-9", "0.2"))),
    ("Which is greater: -9/7 or 50?", "50", Larger("-9/7", "50", True, "50")),
    ("Which is smaller: 42683/8 or 5334?", "5334", Larger("42683/8", "5334", False, "5334")),
    ("Is -36/8321 > -1?", "True", Compared("-36/8321", "-1", ">")),
    ("Are 1 and -1/26 nonequal?", "True", Compared("1", "-1/26", ">")),
    ("Do 0 and -0.174 have the same value?", "False", Compared("0", "-0.174", ">")),
    ("Does 167738/13 = 12902?", "False", Compared("167738/13", "12902", ">")),
    ("Is -6 at most 1113?", "True", Compared("-6", "1113", "<")),
    ("Is 1/2 equal to 0.5?", "True", Compared("1/2", "0.5", "=")),
]  # fmt: skip

REFUSED = [
    ("Suppose -7*b - 7 + 21 = 0. Solve -2*u - b*u = 0 for u.", "0", "OTHER_MODULE"),
    ("Solve 2*x = 4 for x.", "3", "ANSWER_WRONG"),
    ("Solve 0*x = 4 for x.", "3", "ANSWER_WRONG"),
    ("Solve x + y = 2, 2*x + 2*y = 4 for x.", "1", "ANSWER_WRONG"),
    ("Solve 2*x = 4 for y.", "2", "PROBLEM_UNREADABLE"),
    ("Solve 2*x + y = 4 for x.", "2", "PROBLEM_UNREADABLE"),
    ("Solve 2*x + = 4 for x.", "2", "PROBLEM_UNREADABLE"),
    ("Solve 2x = 4 for x.", "2", "PROBLEM_UNREADABLE"),
    ("Solve 2*x = 4 = 4 for x.", "2", "PROBLEM_UNREADABLE"),
    ("Solve 2*x = 4 for x.", "two", "PROBLEM_UNREADABLE"),
    ("Solve 2*x = 1 for x.", "1/2", "PROBLEM_UNREADABLE"),
    ("Solve 1234567*x = 0 for x.", "0", "NUMBER_TOO_LONG"),
    ("What is the biggest value in 1, 2, 3?", "2", "ANSWER_WRONG"),
    ("What is the biggest value in 1, 2, 3?", "4", "ANSWER_WRONG"),
    ("Which is the biggest value?  (a) 1  (b) 2  (c) 3", "d", "ANSWER_WRONG"),
    ("What is the ninth biggest value in 1, 2, 3?", "3", "PROBLEM_UNREADABLE"),
    ("What is the biggest value in 1, 0.5, 1/2?", "1", "PROBLEM_UNREADABLE"),
    ("What is the closest to 0 in 1, -1, 5?", "1", "ANSWER_WRONG"),
    ("What is the closest to 1/0 in 1, -1, 5?", "1", "PROBLEM_UNREADABLE"),
    ("Sort 3, 1, 2.", "1, 3, 2", "ANSWER_WRONG"),
    ("Is 1 < 2?", "False", "ANSWER_WRONG"),
    ("Is 1 < 2?", "Yes", "ANSWER_WRONG"),
    ("Which is bigger: 1 or 1?", "1", "ANSWER_WRONG"),
    ("What is 2 + 2?", "4", "PROBLEM_UNREADABLE"),
]


@pytest.mark.parametrize(("question", "answer", "task"), UNDERSTOOD)
def test_every_published_form_is_understood(question, answer, task):
    assert understand(question, answer, 7) == task


@pytest.mark.parametrize(("question", "answer", "reason"), REFUSED)
def test_wrong_problems_are_refused_with_reason(question, answer, reason):
    with pytest.raises(FieldError) as error:
        understand(question, answer, 6)
    assert error.value.skip_reason.name == reason


def numbers(rng, count):
    found = {}
    while len(found) < count:
        number = rng.choice(
            (str(rng.randint(-99, 99)), f"{rng.choice(('', '-'))}{rng.randint(0, 9)}.{rng.randint(1, 9)}",
             str(Fraction(rng.randint(-30, 30), rng.randint(2, 30))))
        )  # fmt: skip
        found.setdefault(value_of(number), number)
    return list(found.values())


def problem(rng):
    """A question and its answer in one of the published forms."""
    form = rng.randrange(6)
    if form == 0:
        x, a, b = rng.randint(-20, 20), rng.choice([n for n in range(-99, 99) if n]), rng.randint(1, 99)
        return f"Solve {a}*x + {b} = {a * x + b} for x.", str(x)
    if form == 1:
        x, y = rng.randint(-9, 9), rng.randint(-9, 9)
        a, b, c, d = (rng.choice([n for n in range(-9, 10) if n]) for _ in range(4))
        if a * d == b * c:
            return problem(rng)
        equations = ", ".join(
            f"{p}*x {'-' if q < 0 else '+'} {abs(q)}*y = {p * x + q * y}" for p, q in ((a, b), (c, d))
        )
        return f"Solve {equations} for y.", str(y)
    values = numbers(rng, rng.randint(3, 8))
    ordered = sorted(values, key=value_of)
    if form == 2:
        return f"What is the second smallest value in {', '.join(values)}?", ordered[1]
    if form == 3:
        target = str(rng.randint(-50, 50))
        near = sorted(values, key=lambda number: abs(value_of(number) - int(target)))
        if abs(value_of(near[0]) - int(target)) == abs(value_of(near[1]) - int(target)):
            return problem(rng)
        choices = "".join(f"  ({'abcdefgh'[i]}) {value}" for i, value in enumerate(values))
        return f"Which is the nearest to {target}?{choices}", "abcdefgh"[values.index(near[0])]
    if form == 4:
        return f"Put {', '.join(values)} in ascending order.", ", ".join(ordered)
    if rng.random() < 0.5:
        return f"Which is bigger: {values[0]} or {values[1]}?", max(values[:2], key=value_of)
    return f"Is {values[0]} less than {values[1]}?", str(value_of(values[0]) < value_of(values[1]))


def solves(task, option):
    """Whether an option is right, worked out from the problem and not from the answer that the file gives."""
    match task:
        case Linear():
            gaps = [eval(f"lambda x, y: {equation.replace(' = ', ' - (')})") for equation in task.equations]
            if len(gaps) == 1:
                return gaps[0](int(option), 0) == 0
            # y is asked for: the x that the first equation needs beside it must satisfy the second one.
            zero, one = gaps[0](0, int(option)), gaps[0](1, int(option))
            return gaps[1](Fraction(-zero, one - zero), int(option)) == 0
        case Extreme():
            return option in task.numbers and sorted(task.numbers, key=value_of).index(option) == task.rank - 1
        case Closest():
            gaps = [abs(value_of(number) - value_of(task.target)) for number in task.numbers]
            return option in task.numbers and abs(value_of(option) - value_of(task.target)) == min(gaps)
        case Order():
            values = [value_of(number) for number in option.split(", ")]
            return values == sorted(values)
        case Larger():
            pair = (task.first, task.second)
            return value_of(option) == max(map(value_of, pair))
        case Compared():
            gap = value_of(task.first) - value_of(task.second)
            return option == ("первое больше" if gap > 0 else "первое меньше" if gap < 0 else "числа равны")


def test_exactly_one_option_is_right():
    rng = random.Random(0)
    kinds = Counter()
    for number in range(3000):
        question, answer = problem(rng)
        task = understand(question, answer, 6)
        worded = word(random.Random(number), task, variants=0.2)
        options = options_in([item.content for item in worded.items])
        assert options.markers == tuple("abcd"), question
        right = [marker for marker, value in zip(options.markers, options.values, strict=True) if solves(task, value)]
        assert [worded.answers[0]] == right, (question, options)
        assert worded.answers[2] == f"{right[0]} {worded.answers[1]}"
        kinds[worded.kind] += 1
    assert set(kinds) == {"linear_1d", "linear_2d", "story", "kth_biggest", "closest", "sort", "pair"}
    assert min(kinds.values()) > 50


# Answers as the package draws them: most are small, a few are not.
ANSWERS = [*range(-5, 6)] * 4 + [*range(-9, 10)] * 2 + [12, -14, 17, -23, 28, -33, 41, 62, -60, 98]


def guesses(values):
    """Rules that never read the problem, each with the option that it takes."""
    places = range(len(values))
    near = [sorted(abs(values[i] - values[j]) for j in places if j != i)[0] for i in places]
    opposite = [min(abs(values[i] + values[j]) for j in places if j != i) for i in places]
    mean = sum(values) / len(values)
    yield "neighbours and opposites", min(places, key=lambda i: near[i] + opposite[i])
    yield "smallest", min(places, key=lambda i: abs(values[i]))
    yield "largest", max(places, key=lambda i: abs(values[i]))
    yield "nearest to the mean", min(places, key=lambda i: abs(values[i] - mean))
    yield "second in order", values.index(sorted(values)[1])
    yield "third in order", values.index(sorted(values)[2])


@pytest.mark.parametrize("is_system", [False, True])
def test_no_rule_that_ignores_the_problem_finds_the_answer(is_system):
    rng = random.Random(1)
    hits = Counter()
    for _ in range(6000):
        right = rng.choice(ANSWERS)
        values = [right, *map(int, integers(rng, right, Fraction(rng.choice(ANSWERS)) if is_system else None))]
        assert len(set(values)) == 4
        rng.shuffle(values)
        hits.update(rule for rule, place in guesses(values) if values[place] == right)
    assert len(hits) == 6
    assert max(hits.values()) / 6000 < 0.34, hits


@pytest.mark.parametrize(
    ("signs", "words"),
    [
        ("3*x + 4 = 10", "3 умножить на x плюс 4 равно 10"),
        ("-2*x - y = -7", "минус 2 умножить на x минус y равно минус 7"),
        ("0 = -x", "0 равно минус x"),
    ],
)
def test_signs_in_words(signs, words):
    assert in_words(signs) == words


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), "ascii")
    return path


def test_package_folders_without_other_modules(tmp_path):
    root = tmp_path / "mathematics_dataset-v1.0"
    write(root / "train-easy/algebra__linear_1d.txt", "Solve 2*x = 4 for x.", "2", "Solve 3*y = -9 for y.", "-3")
    write(root / "train-easy/calculus__differentiate.txt", "What is the derivative?", "1")
    write(root / "train-hard/comparison__sort.txt", "Sort 3, 1, 2.", "1, 2, 3")
    made = convert(tmp_path / "out", "mathematics", root)
    assert made.status == 0
    assert made.card("mathqa")["tasks"]["mathqa"]["kinds"] == {"linear_1d": 2, "sort": 1}
    answers = [truth.texts[1] for _, truth, _ in made.all("mathqa")]
    assert sorted(answers) == ["-3", "1, 2, 3", "2"]


def test_lost_line_costs_one_problem_not_all_that_follow(tmp_path):
    file = write(
        tmp_path / "algebra__linear_1d.txt",
        "Solve 2*x = 4 for x.", "2",
        "Solve 2*x = 6 for x.",
        "Solve 2*x = 8 for x.", "4",
        "17",
        "Solve 2*x = 10 for x.", "5",
        "Solve 2*x = 12 for x.", "7",
        "Solve 2*x = 14 for x.",
    )  # fmt: skip
    with open(file, "ab") as stream:
        stream.write("Solve 2*х = 4 for х.\n2\n".encode())  # Cyrillic
    made = convert(tmp_path / "out", "mathematics", file)
    assert made.status == 1
    assert made.skipped("mathqa") == [
        ("line 3", "FIELD_MISSING"),
        ("line 6", "FIELD_MISSING"),
        ("line 9", "ANSWER_WRONG"),
        ("line 11", "FIELD_MISSING"),
        ("line 12", "PROBLEM_UNREADABLE"),
    ]
    assert made.printed.startswith("read 8, used 3, skipped 5 ")
    assert convert(tmp_path / "strict", "mathematics", file, "--strict").status == 2


def test_equal_problems_fall_on_one_side(tmp_path):
    pairs = [(f"Solve {n % 50 + 1}*x = 0 for x.", "0") for n in range(500)]
    file = write(tmp_path / "algebra__linear_1d.txt", *(line for pair in pairs for line in pair))
    made = convert(tmp_path / "out", "mathematics", file, "--validation-share", 0.3)
    figures = made.card("mathqa")["tasks"]["mathqa"]
    assert figures["validation_samples_that_training_has"] == 0
    assert sum(figures["repeated"].values()) == 450
    assert figures["samples"]["val"] > 50


@pytest.mark.parametrize(
    ("arguments", "named"), [([], "name text files, or give --generate N"), (["no/such.txt"], "no/such.txt")]
)
def test_nothing_to_read_is_said(tmp_path, arguments, named):
    refused = convert(tmp_path / "out", "mathematics", *arguments)
    assert refused.status == 2
    assert named in refused.errors


def test_package_generates_same_problems_for_same_seed(tmp_path):
    pytest.importorskip("mathematics_dataset")
    made = convert(tmp_path / "a", "mathematics", "--generate", 12, "--seed", 5)
    # The order of Python's sets, which the package draws from, is another one in each process.
    command = [sys.executable, "-m", "data_prep", "mathematics", "--generate", "12", "--seed", "5", "--output"]
    for order in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": order}
        subprocess.run([*command, str(tmp_path / order)], cwd=ROOT, env=environment, check=True, capture_output=True)
    assert made.status == 0
    assert tree(made.folder) == tree(tmp_path / "1") == tree(tmp_path / "2")
    skipped = made.card("mathqa")["records"]["skipped"]
    assert set(skipped) <= {"NUMBER_TOO_LONG"}
    assert len(made.all("mathqa")) == 72 - sum(skipped.values())
