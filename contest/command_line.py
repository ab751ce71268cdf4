"""What the four programs' command lines share: how a command is found, called and ended, and types of arguments.

A command is a module with `add_arguments(parser)`, which names the function that does the work by
`parser.set_defaults(run=...)`; that takes the options and returns the exit status. The module imports nothing heavy:
what the work needs is imported when it is run, so that `--help` waits for none of it.

A `UserError`, an OSError or a package of others that can not be imported ends a command with one line and status 2.
Any other exception is a fault of the program: it keeps its traceback, and a line asks for a report.
"""

from __future__ import annotations

import argparse
import math
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import FrameType
from typing import NoReturn

from contest import VERSION
from contest.console import INTERRUPTED, one_line, quiet, say, status_when_shown
from contest.stop_signals import Stopped, stop_signals
from errors import UserError, described, reason_of

DONE, WITH_FAULTS, NOT_DONE, ENDED_EARLY, PROGRAM_FAULT = 0, 1, 2, 3, 70
OUR_PACKAGES = (
    "errors",
    "contest",
    "models",
    "pages",
    "submission",
    "evaluation",
    "data_prep",
    "training",
    "abilities",
    "fetch",
)


class UsageError(UserError):
    """Options that do not go together, or that name what there is not."""


@dataclass(frozen=True)
class Command:
    """One command of a program.

    Attributes:
        module: its dotted name; imported only when this command is named.
        purpose: what it is for, in a few words: the line in the list of commands.
        adds: the module's function that adds the options, where a module has several commands.
        quiet: whether it reports its progress, and so takes `--quiet`.

    """

    module: str
    purpose: str
    adds: str = "add_arguments"
    quiet: bool = True


@dataclass(frozen=True)
class Program:
    """One of the programs.

    Attributes:
        name: `python -m NAME` starts it.
        description: what it is for.
        commands: by name, the main one first.
        old_options: what options were called before -> what they are called now; they are read, and not shown.
        statuses: what the exit statuses mean beyond those that all programs share.
        import_remedy: what to do where a package that a command needs is missing or broken.

    """

    name: str
    description: str
    commands: Mapping[str, Command]
    old_options: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[int, str] = field(default_factory=dict)
    import_remedy: str = "install what requirements.txt lists"


SHARED_STATUSES = {
    DONE: "done",
    NOT_DONE: "nothing was done, and the message says why",
    PROGRAM_FAULT: "the program itself is at fault: please report it",
    INTERRUPTED: "interrupted (Ctrl-C)",
    138: "ended by SIGUSR1",
    143: "ended by SIGTERM",
}


def run_program(program: Program, arguments: Sequence[str] | None = None) -> int:
    """Run a command line (that of the process, if None) and return the exit status."""
    given = _renamed(sys.argv[1:] if arguments is None else arguments, program.old_options)
    named = next((word for word in given if not word.startswith("-")), "")
    prefix = f"{program.name} {named}" if named in program.commands else program.name
    stopped = ""
    try:
        with stop_signals():
            options, unknown = parser_of(program, named).parse_known_args(given)
            if unknown:
                remedy = f"`python -m {prefix} --help` shows what it takes"
                raise UsageError(f"unrecognized arguments: {one_line(' '.join(unknown))}", remedy)
            stopped = getattr(options, "when_stopped", "")
            with quiet(getattr(options, "quiet", False)):
                status = int(options.run(options))
    except KeyboardInterrupt as stop:
        say(f"{prefix}: {stop if isinstance(stop, Stopped) else 'interrupted'}{stopped and '; '}{stopped}")
        return stop.status if isinstance(stop, Stopped) else INTERRUPTED
    except Exception as error:
        package = _package_at_fault(error, (program.name, *OUR_PACKAGES))
        if isinstance(error, UserError):
            say(f"{prefix}: error {described(error)}")
        elif package:
            reason = one_line(reason_of(error))
            say(f"{prefix}: error [IMPORT] {package} can not be imported ({reason}); {program.import_remedy}")
        elif isinstance(error, OSError):
            say(f"{prefix}: error {described(error)}")
        else:
            say(traceback.format_exc().rstrip())
            say(f"{prefix}: this is a fault of the program: please report it with the lines above, {_version()}")
            return PROGRAM_FAULT
        return NOT_DONE
    kept = [path for name in getattr(options, "keeps", ()) if (path := getattr(options, name)) is not None]
    return status_when_shown(prefix, status, kept)


def _package_at_fault(error: Exception, ours: tuple[str, ...]) -> str:
    """Return the name of a package of others that is missing, or that failed while it was imported; "" if none is."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    names = [_module_of(frame) for frame in frames if frame.f_code.co_name == "<module>"]
    if isinstance(error, ImportError):
        names = [error.name or _module_of(frames[-1]), *names]
    packages = [name.partition(".")[0] for name in names]
    return next((package for package in packages if package not in ("__main__", *ours)), "")


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "__main__"))


def _renamed(arguments: Sequence[str], old_options: Mapping[str, str]) -> list[str]:
    """Return the arguments with the options' present names; what follows `--` stays."""
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    renamed = []
    for word in arguments[:end]:
        name, equals, value = word.partition("=")
        renamed.append(f"{old_options.get(name, name)}{equals}{value}")
    return [*renamed, *arguments[end:]]


def parser_of(program: Program, named: str) -> argparse.ArgumentParser:
    """Return what reads a program's command line, with the options of the command that is named alone."""
    parser = Parser(prog=f"python -m {program.name}", description=program.description, epilog=_epilog(program))
    parser.add_argument("--version", action="version", version=_version(), help="print the version and end")
    commands = parser.add_subparsers(required=True, dest="command", metavar="COMMAND", parser_class=Parser)
    for name, command in program.commands.items():
        purpose = command.purpose
        added = commands.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
        added.epilog = _epilog(program)
        if name == named:
            getattr(import_module(command.module), command.adds)(added)
            if command.quiet:
                add_quiet(added)
    return parser


def _version() -> str:
    return f"fbc2 {VERSION}"


def _epilog(program: Program) -> str:
    statuses = sorted({**SHARED_STATUSES, **program.statuses}.items())
    return "\n".join(["exit status:", *(f"  {status:<4} {meaning}" for status, meaning in statuses)])


class Parser(argparse.ArgumentParser):
    """An argument parser whose help names each option's default, and whose errors are one line with a code.

    The words of a list, such as files or `key=value`, may stand before, between and behind options.
    """

    def __init__(self, **options: object) -> None:
        super().__init__(**{"formatter_class": _HelpFormatter, **options})  # type: ignore[arg-type]
        self._in_two_passes = False

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Parse as usual; if words of a list are left, which argparse takes from one place alone, options come first.

        Raises TypeError for a parser that argparse can not use so: of commands, not of a command.
        """
        found, unknown = super().parse_known_args(args, namespace)
        takes_list = any(not action.option_strings and action.nargs in ("*", "+") for action in self._actions)
        if not takes_list or self._in_two_passes or all(word.startswith("-") for word in unknown):
            return found, unknown
        self._in_two_passes = True
        try:
            return self.parse_known_intermixed_args(args)
        finally:
            self._in_two_passes = False

    def error(self, message: str) -> NoReturn:
        """End the process with status 2 and one line."""
        name = self.prog.removeprefix("python -m ")
        say(f"{name}: error [USAGE] {one_line(message)}; `{self.prog} --help` shows what it takes")
        raise SystemExit(NOT_DONE)


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Names the default of each option that has one; descriptions are wrapped, the list of statuses stays as it is."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        has_default = action.default is not None and action.default is not False and action.default not in ("", [], ())
        return super()._get_help_string(action) if has_default else action.help

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return super()._fill_text(text, width, indent)
        return argparse.HelpFormatter._fill_text(self, text, width, indent)


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Give a command `--quiet`: what it says by `contest.console.note`, and its bars, are left out."""
    parser.add_argument(
        "--quiet", action="store_true", help="say nothing of how it goes; problems are named all the same"
    )


def whole(*, least: int, most: int = 2**63 - 1) -> Callable[[str], int]:
    """Return a reader of whole numbers between two bounds (by default those of SQLite)."""
    bounds = f"from {least}" if most == 2**63 - 1 else f"from {least} to {most}"

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:  # no digits, or more of them than Python converts
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number {bounds}, not {_quoted(text)}")
        return number

    return read


def number(*, least: float, most: float = math.inf, above: bool = False) -> Callable[[str], float]:
    """Return a reader of finite numbers between two bounds; `above`: the lower one is not among them."""
    bounds = f"{'above' if above else 'from'} {least:g}" + ("" if most == math.inf else f" to {most:g}")

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and least <= value <= most) or (above and value == least):
            raise argparse.ArgumentTypeError(f"must be a number {bounds}, not {_quoted(text)}")
        return value

    return read


MAX_WINDOW = 64  # codes of a picture at once


def window(text: str) -> int | str:
    """Read how many codes of a picture a pass computes: a whole number, or `auto`."""
    return text if text == "auto" else whole(least=1, most=MAX_WINDOW)(text)


def seed(text: str) -> int:
    """Read a seed: any whole number that other programs have a type for."""
    return whole(least=-(2**63))(text)


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
