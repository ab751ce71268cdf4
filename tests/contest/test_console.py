"""Text from strangers stays text, and standard streams that fail cost the words and nothing else."""

import csv
import io
import os
import subprocess
import sys
import textwrap
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contest.console import csv_cell, csv_row, one_line, printable

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "shown", "on_one_line"),
    [
        ("кот", "кот", "кот"),
        ("a\tb\nc", "a\tb\nc", r"a\tb\nc"),
        ("\x1b[2J\x07", r"\x1b[2J\x07", r"\x1b[2J\x07"),
        ("\r\x9b\x7f\x00", r"\r\x9b\x7f\x00", r"\r\x9b\x7f\x00"),
        ("a\u202egnp.exe", r"a\u202egnp.exe", r"a\u202egnp.exe"),
        ("\u2066\u200f\u061c", r"\u2066\u200f\u061c", r"\u2066\u200f\u061c"),
        ("\u2028\u2029\x85", r"\u2028\u2029\x85", r"\u2028\u2029\x85"),
        ("\ud800", r"\ud800", r"\ud800"),
        ("猫🐈", "猫🐈", "猫🐈"),
    ],
)
def test_a_terminal_acts_on_nothing(text: str, shown: str, on_one_line: str) -> None:
    assert printable(text) == shown
    assert one_line(text) == on_one_line


ANY_TEXT = st.text(st.characters(), max_size=50)  # halves of surrogate pairs too


@given(ANY_TEXT)
def test_what_is_printed_is_free_of_control_characters(text: str) -> None:
    for found, allowed in ((printable(text), "\n\t"), (one_line(text), "")):
        found.encode()
        assert not [c for c in found if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c not in allowed]
        assert not {*map(unicodedata.bidirectional, found)} & {"RLE", "LRE", "RLO", "LRO", "PDF", "RLI", "LRI", "PDI"}
    assert len(one_line(text).splitlines()) <= 1
    assert printable(printable(text)) == printable(text)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+A1", "'+A1"),
        ("-A1", "'-A1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("-0.5", "-0.5"),
        ("+1e3", "+1e3"),
        (-0.5, -0.5),
        (None, None),
        (True, True),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_a_spreadsheet_sees_no_formula(value: str | float | None, cell: str | float | None) -> None:
    assert csv_cell(value) == cell


@given(st.lists(ANY_TEXT.filter(lambda text: "\x00" not in text), min_size=1))
def test_rows_are_read_again_and_begin_no_formula(values: list[str]) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerow(csv_row(values))
    [row] = csv.reader(io.StringIO(stream.getvalue(), newline=""))
    assert [cell.removeprefix("'") for cell in row] == [value.removeprefix("'") for value in values]
    for cell in row:
        if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
            float(cell)  # a number, or it would have been quoted


# Says a line on each stream, opens a file, prints far more than a pipe holds, writes what happened into the file.
PROGRAM = """
    import sys
    from contest import console

    def main():
        with open(sys.argv[1], "w") as file:
            console.say("said")
            console.show("shown")
            print("by others", file=sys.stderr)
            sys.stdout.write("line\\n" * 100_000)
            failure = console.output_failed()
            print(file.fileno() > 2, None if failure is None else failure.strerror, file=file)
        return console.status_when_shown("program", 5)

    console.start_program(main)
"""


@pytest.mark.parametrize(
    ("redirection", "failure", "status"),
    [
        ("", "None", 5),
        ("> /dev/full", "No space left on device", 2),
        ("2> /dev/full", "None", 5),
        ("> /dev/full 2> /dev/full", "No space left on device", 2),
        (">&-", "None", 5),
        ("2>&-", "None", 5),
        ("<&- >&- 2>&-", "None", 5),
        ("| head -1", "Broken pipe", 5),
        ("2>&1 | head -1", "Broken pipe", 5),
        ("2> >(head -c 1)", "None", 5),
    ],
)
def test_words_that_can_not_be_written_cost_nothing_else(
    redirection: str, failure: str, status: int, tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    program = f'"{sys.executable}" "{tmp_path / "program.py"}" "{tmp_path / "file"}"'
    first, pipe, rest = f"{program} {redirection}".partition("|")
    ended = subprocess.run(
        ["bash", "-c", f"{first} {pipe} {rest}\nexit ${{PIPESTATUS[0]}}"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (tmp_path / "file").read_text() == f"True {failure}\n"
    assert ended.returncode == status
    assert "Traceback" not in ended.stderr
    if redirection == "> /dev/full":
        assert ended.stderr.splitlines() == [
            "said",
            "by others",
            "program: error [OUTPUT] the result could not be printed (No space left on device); "
            "print it to a terminal, or to a file on a disk with room",
        ]


def test_streams_are_utf_8_whatever_the_locale_says(tmp_path: Path) -> None:
    program = "from contest.console import *; start_program(lambda: show('кот \\ud800 \\x1b') or say('пёс') or 0)"
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(ROOT), "LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=600,
        check=False,
    )
    assert (ended.returncode, ended.stdout.decode(), ended.stderr.decode()) == (0, "кот \\ud800 \\x1b\n", "пёс\n")
