"""However long a text and its runs of white space are, its options are the same, and found in time."""

import faulthandler
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submission import option_patterns
from submission.answer_options import find_options, joined
from submission.option_patterns import BORDER
from tests.submission.test_answer_options import RECOGNISED


@pytest.mark.parametrize("wide", ["  ", " \t\u00a0" * 50], ids=["two", "many"])
@pytest.mark.parametrize("texts", [row[1] for row in RECOGNISED], ids=[row[0] for row in RECOGNISED])
def test_runs_of_white_space_count_like_one(texts: list[str], wide: str) -> None:
    wider = [wide + text.replace(" ", wide).replace("\n", f"{wide}\n{wide}\r\n") + wide for text in texts]
    assert find_options(["", *wider, wide]) == find_options(texts)


@given(st.lists(st.text(alphabet=f"аb1) .:;?\n\t\r\u00a0\u2028{BORDER}"), max_size=4))
def test_no_pattern_sees_white_space_twice_in_a_row(texts: list[str]) -> None:
    whole = joined(texts)
    assert re.search(r"\s\s", whole) is None
    assert whole == whole.strip()
    assert set(re.findall(r"\s", whole)) <= {" ", "\n", BORDER}
    assert whole.split() == " ".join(texts).split()


PATTERNS: dict[str, re.Pattern[str]] = {
    **{name: value for name, value in vars(option_patterns).items() if isinstance(value, re.Pattern)},
    **{f"SIGNS {place}": sign for place, sign in enumerate(option_patterns.SIGNS)},
    **{f"STATED_PAIRS {pair}": pattern for pattern, pair in option_patterns.STATED_PAIRS},
}


def without_end(parsed: Any) -> Iterator[object]:
    """The kinds of all repeats without a bound in a parsed pattern, at any depth."""
    for operation, argument in parsed:
        if str(operation).endswith("REPEAT"):
            if argument[1] == re._constants.MAXREPEAT:
                yield str(operation)
            yield from without_end(argument[2])
        elif str(operation) == "BRANCH":
            for branch in argument[1]:
                yield from without_end(branch)
        elif isinstance(argument, tuple):
            yield from (kind for part in argument if hasattr(part, "getwidth") for kind in without_end(part))


@pytest.mark.parametrize("name", PATTERNS)
def test_what_a_pattern_repeats_without_end_it_never_gives_back(name: str) -> None:
    pattern = PATTERNS[name]
    assert set(without_end(re._parser.parse(pattern.pattern, pattern.flags))) <= {"POSSESSIVE_REPEAT"}


def test_the_patterns_with_repeats_are_seen() -> None:
    assert list(without_end(re._parser.parse(r"(a|(?:b\s*c)){2}(?=x+)d*+"))) == [
        "MAX_REPEAT",
        "MAX_REPEAT",
        "POSSESSIVE_REPEAT",
    ]
    assert len(PATTERNS) > 20


# Each repeated to a length that would take hours if the time grew with its square.
UNITS = [" ", "\n", "\u00a0", BORDER, "? ", ". ", "a) ", "1. ", "a) a) b) ", "а", "ли ", "да или ", "варианты: ",
         "один ", "ответ ", "или ", ": ? ", ":", "верн", "А. Б. ", "1 + ", ";", "| ", "(", "-"]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS)
def test_long_texts_are_read_to_their_end(unit: str) -> None:
    faulthandler.dump_traceback_later(600, exit=True)  # only where it hangs
    try:
        run = (unit * 200_000)[:200_000]
        for texts in ([run], [run, "Верно ли это?"], ["Выбери вариант: " + run + "?", "a) да"], ["1" + run + "x"]):
            find_options(texts)
        find_options(["Выбери, кто это?", *run[:40_000].split(unit[-1])])
    finally:
        faulthandler.cancel_dump_traceback_later()
