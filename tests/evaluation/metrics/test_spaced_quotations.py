"""Quotations in captions: what the organisers' script makes of them, and that it costs no square of the length."""

import re
import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evaluation.metrics.spaced_quotations import without_spaces_in_quotations


def as_the_script_does(text: str) -> str:
    for pattern in (r'"\s[^"]+\s"', r"'\s[^']+\s'"):
        for found in re.findall(pattern, text):
            text = text.replace(found, found[0] + found[2:-2] + found[-1])
    return text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('знак " стоп "', 'знак "стоп"'),
        ("' а ' и ' б '", "'а' и 'б'"),
        ('" а " а "', '"а" а "'),  # neighbours share a mark
        ('" а " а " а "', '"а"а"а"'),  # found twice, and the second turn meets the middle
        ('"  а  " и " а "', '"а" и "а"'),  # the second turn meets what the first has made
        ('" а " и "  а  "', '"а" и " а "'),
        ('"\n\u00a0а\t"', '"\u00a0а"'),
        ('"  "" "', '"  "" "'),  # nothing between the spaces
        ('"   "', '" "'),
        ("\" ' а ' \"", "\"'а'\""),
        ('без пары " а', 'без пары " а'),
        ("", ""),
    ],
)
def test_marks_are_brought_to_what_they_enclose(text: str, expected: str) -> None:
    assert as_the_script_does(text) == expected
    assert without_spaces_in_quotations(text) == expected


@given(st.text('""\' \u00a0ab', max_size=60))
@example('"   a   "  a  " a "a"  a  "')
def test_any_text_becomes_what_the_script_makes_of_it(text: str) -> None:
    assert without_spaces_in_quotations(text) == as_the_script_does(text)


def cost_of(function: Any, text: str) -> int:
    """Lines of Python that a call runs, and of each string whose methods it calls the length."""
    cost = 0

    def line(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal cost
        cost += event == "line"
        return line

    def call(frame: FrameType, event: str, called: Any) -> None:
        nonlocal cost
        if event == "c_call":
            it = getattr(called, "__self__", None)
            cost += len(it) if isinstance(it, str) else 1

    sys.settrace(line)
    sys.setprofile(call)
    try:
        function(text)
    finally:
        sys.setprofile(None)
        sys.settrace(None)
    return cost


HOSTILE = {
    "equal": lambda n: '" a "' * n,
    "different": lambda n: "".join(f'" {number} "' for number in range(n)),
    "shared marks": lambda n: '" a ' * n,
    "no end": lambda n: '" ' * n,
    "spaces": lambda n: '"' + " " * n + '"' + " " * n,
    "shrinking": lambda n: "".join(f'"{" " * k}a{" " * k}"' for k in range(int(n**0.5), 0, -1)),
    "both": lambda n: "\" ' a ' \"" * n,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_twice_the_text_costs_twice_as_much(kind: str) -> None:
    short, long = HOSTILE[kind](400), HOSTILE[kind](800)
    assert cost_of(without_spaces_in_quotations, long) < 2.5 * cost_of(without_spaces_in_quotations, short)


def test_the_count_sees_a_square() -> None:
    short, long = HOSTILE["equal"](400), HOSTILE["equal"](800)
    assert cost_of(as_the_script_does, long) > 3.5 * cost_of(as_the_script_does, short)
