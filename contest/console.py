"""What the programs say to people: the standard streams, which may fail, and text from strangers, which stays text.

Every line that a command prints goes through `say` or `show`, and every program starts through `start_program`: a
terminal that is gone, a full disk behind a redirection or a closed descriptor costs the words, never the work.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn, TypeAlias

from contest.exit_process import exit_process

STDOUT, STDERR = 1, 2
INTERRUPTED = 130
PATIENCE_SECONDS = 10.0  # with a reader of the standard error who does not read, such as a terminal that was stopped
LOST = 2  # the exit status of a command whose result nobody could read
Cell: TypeAlias = str | int | float | bool | None

# Marks that change the direction of what follows them: they make a line read differently from what it says.
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Control characters, halves of surrogate pairs, and line ends that only some programs take for one.
_CATEGORIES = frozenset(("Cc", "Cs", "Zl", "Zp"))
_is_quiet = False
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def printable(text: str) -> str:
    r"""Return a text with all that a terminal would act on written as an escape (`\x1b`); line ends and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if character in "\n\t" else _shown(character) for character in text)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 sample`, `2 samples`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def counted_with(number: int, noun: str, one: str, many: str) -> str:
    """Return a number with its noun and the verb that goes with it: `1 sample lacks`, `2 samples lack`."""
    return f"{counted(number, noun)} {one if number == 1 else many}"


def one_line(text: str) -> str:
    r"""Return a text as `printable` does, with line ends and tabs escaped too: for names, and cells of a table."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character in _DIRECTIONS or unicodedata.category(character) in _CATEGORIES:
        return character.encode("unicode_escape").decode("ascii")
    return character


def csv_cell(value: Cell) -> Cell:
    """Return a value for a CSV that people open in a spreadsheet: what would be a formula gets a quote before it.

    Numbers stay as they are, also those that are written as text (OWASP, "CSV injection").
    """
    if not isinstance(value, str) or not value.startswith(_FORMULA_STARTS):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def csv_row(values: Iterable[Cell]) -> list[Cell]:
    """Return a row of cells that no spreadsheet takes for formulas."""
    return [csv_cell(value) for value in values]


def say(text: object) -> None:
    """Tell a person something on the standard error; what strangers wrote in it stays text."""
    print(printable(str(text)), file=sys.stderr, flush=True)


def note(text: object) -> None:
    """Tell a person how the work goes, on the standard error; nothing where one asked for quiet."""
    if not is_quiet():
        say(text)


def is_quiet() -> bool:
    """Whether nothing is to be said of how the work goes, nor a bar to be drawn."""
    return _is_quiet


def no_bar() -> bool | None:
    """Return tqdm's option `disable`: whether no bar is wanted; None leaves it to whether there is a terminal."""
    return True if is_quiet() else None


@contextmanager
def quiet(wanted: bool = True) -> Iterator[None]:
    """Let the enclosed work go on without a word of how it goes; problems, and results, are still told."""
    global _is_quiet
    before, _is_quiet = _is_quiet, wanted
    try:
        yield
    finally:
        _is_quiet = before


def show(text: object) -> None:
    """Print a command's result on the standard output; what strangers wrote in it stays text."""
    print(printable(str(text)), flush=True)


def show_progress(text: object) -> None:
    """Print how the work goes where that is what one reads of it, as of a training; nothing if one asked for quiet."""
    if not is_quiet():
        show(text)


class TolerantStream(io.TextIOBase):
    """A standard stream that loses its words, and no more, when they can not be written.

    Nothing is buffered, so that nothing is left to fail when the process ends.

    Args:
        descriptor: its number.
        name: what it is called.
        patience: seconds that a reader is waited for who does not read; None waits for ever.

    Attributes:
        failure: the first error of the operating system, None while all went well.

    """

    encoding = "utf-8"  # whatever the locale says: answers are Russian
    errors = "backslashreplace"  # halves of surrogate pairs become escapes

    def __init__(self, descriptor: int, name: str, patience: float | None = None) -> None:
        self._descriptor = descriptor
        self.name = name
        self._patience = patience
        self._is_stuck = False
        self.failure: OSError | None = None

    def fileno(self) -> int:
        """Return the file descriptor: libraries and child processes write to it themselves."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether a person looks on."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Whether it takes text: always."""
        return True

    def write(self, text: str) -> int:
        """Write a text as far as it can be written; return its length in any case."""
        data = text.encode(self.encoding, self.errors)
        try:
            while data:
                self._wait()
                data = data[os.write(self._descriptor, data[: select.PIPE_BUF]) :]
        except OSError as error:
            self.failure = self.failure or error
        return len(text)

    def _wait(self) -> None:
        """Wait until so much can be written as a pipe takes at once; after one wait in vain, for no time at all."""
        if self._patience is None:
            return
        ready = select.poll()
        ready.register(self._descriptor, select.POLLOUT)
        self._is_stuck = not ready.poll(0 if self._is_stuck else 1000 * self._patience)
        if self._is_stuck:
            raise TimeoutError(errno.ETIMEDOUT, f"nobody reads {self.name}")


def open_standard_descriptors() -> None:
    """Open descriptors 0 to 2 where they are closed, on the null device.

    Otherwise the next file that is opened gets such a number, and what is meant for a person goes into it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def start_program(main: Callable[[], int]) -> NoReturn:
    """Run a program's main function on streams that may fail, and end the process with the status that it returns.

    An interrupt from the keyboard that `main` does not see to ends it with one word and status 130.
    """
    open_standard_descriptors()
    sys.stdout = TolerantStream(STDOUT, "<stdout>")
    sys.stderr = TolerantStream(STDERR, "<stderr>", PATIENCE_SECONDS)
    try:
        status = main()
    except KeyboardInterrupt:
        say("interrupted")
        status = INTERRUPTED
    exit_process(status)


def output_failed() -> OSError | None:
    """Return why the standard output could not be written, None if it could."""
    return sys.stdout.failure if isinstance(sys.stdout, TolerantStream) else None


def status_when_shown(program: str, status: int, kept: Sequence[object] = ()) -> int:
    """Return a command's exit status after it has shown its result: 2 if nobody could read that, and it is lost.

    A reader that has read enough (`| head -1`) is no failure.

    Args:
        program: its name, for the message on the standard error.
        status: that of the command.
        kept: the files or folders that hold what was to be shown; the status stands if there are some.

    """
    failure = output_failed()
    if failure is None or failure.errno == errno.EPIPE:
        return status
    problem = f"the result could not be printed ({failure.strerror})"
    if kept:
        say(f"{program}: warning: {problem}; it is written: {', '.join(map(str, kept))}")
        return status
    say(f"{program}: error [OUTPUT] {problem}; print it to a terminal, or to a file on a disk with room")
    return LOST
