"""`submission check`: look for mistakes in what is uploaded, before it is.

Exit status 0: nothing wrong, or only warnings. 1: errors, or not all was looked at in time. 2: there is nothing to
check.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from contest.command_line import DONE, WITH_FAULTS, UsageError, number
from contest.console import one_line, say, show

TIME_LIMIT = 1200.0
"""Seconds: several times what the weights of 15 GB need, and an end to what a hostile archive asks for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `check`."""
    add = parser.add_argument
    add("path", type=Path, nargs="?", metavar="PATH", help="a ZIP archive, a submission's folder, or predictions.json")
    add("--input", type=Path, metavar="DIR", help="the input that the predictions answer (default: look at them alone)")
    add("--list", action="store_true", help="print all checks as a table in Markdown")
    add(
        "--time-limit",
        type=number(least=0, above=True),
        metavar="SECONDS",
        default=TIME_LIMIT,
        help="what is not looked at by then is named",
    )
    parser.set_defaults(run=check_command)


def check_command(options: argparse.Namespace) -> int:
    """Print the findings to standard error, what was done to standard output; return the exit status."""
    if not options.list and options.path is None:
        raise UsageError("nothing is named to check", "name a ZIP archive, a folder or a predictions file")
    if options.input is not None and options.path is not None and options.path.suffix != ".json":
        raise UsageError("--input belongs to a predictions file", "name one, or leave it out")
    from contest.console import counted
    from submission.checks.checking import check, checks_table, print_findings

    if options.list:
        show(checks_table().rstrip())
        return DONE
    checked = check(options.path, options.input, time_limit=options.time_limit)
    print_findings(checked.findings)
    warnings = len(checked.findings) - len(checked.errors)
    show(
        f"{one_line(str(options.path))}: {counted(len(checked.errors), 'error')}, {counted(warnings, 'warning')}; "
        f"{counted(len(checked.passed), 'check')} passed, {len(checked.not_done)} had nothing to look at"
    )
    if any(finding.check.looks == "archive" for finding in checked.errors):  # it could not be unpacked
        show(f"not looked at: {', '.join(one.code for one in checked.not_done if one.looks == 'files')}")
    if checked.unfinished:
        codes = ", ".join(one.code for one in checked.unfinished)
        late = f"no time was left after {options.time_limit:g} s for {codes}"
        say(f"submission check: error: {late}; give more by --time-limit")
    return WITH_FAULTS if checked.errors or checked.unfinished else DONE
