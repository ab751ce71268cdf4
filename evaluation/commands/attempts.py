"""The command `attempts`: the register of the teams' attempts, and the standings of the private test."""

from __future__ import annotations

import argparse
from pathlib import Path

from contest.command_line import DONE, number, whole
from contest.console import one_line, show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the actions of `attempts`."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    list_parser = actions.add_parser("list", help="print the attempts and the private standings")
    list_parser.add_argument("--team", metavar="NAME", help="of one team only")
    choose = actions.add_parser("choose", help="choose up to three valid attempts for the private test")
    choose.add_argument("numbers", type=whole(least=1), nargs="+", metavar="ATTEMPT", help="numbers of the attempts")
    choose.add_argument("--team", required=True, metavar="NAME", help="whose attempts they are")
    private = actions.add_parser("private", help="enter a chosen attempt's score on the private test")
    private.add_argument("number", type=whole(least=1), metavar="ATTEMPT", help="number of the attempt")
    private.add_argument("score", type=number(least=0, most=1), metavar="S", help="its S on the private test")
    dropped = actions.add_parser("drop", help="free the place of an attempt whose runner died")
    dropped.add_argument("number", type=whole(least=1), metavar="ATTEMPT", help="number of the attempt")
    commands = (list_attempts, choose_attempts, enter_private, drop_attempt)
    for action, command in zip((list_parser, choose, private, dropped), commands, strict=True):
        action.add_argument("--db", type=Path, required=True, metavar="FILE", help="the register's SQLite file")
        action.set_defaults(run=command, keeps=() if command is list_attempts else ("db",))


def list_attempts(options: argparse.Namespace) -> int:
    """`attempts list`: all of them, then the standings of the private test."""
    from evaluation.container import attempts

    attempts.free_lapsed(options.db)
    entered = attempts.read(options.db)
    show(attempts.attempts_table([attempt for attempt in entered if options.team in (None, attempt.team)]))
    best = attempts.standings(entered)
    if best:
        show("\nprivate test, the best chosen attempt of each team:")
        show(attempts.attempts_table(best))
    return DONE


def choose_attempts(options: argparse.Namespace) -> int:
    """`attempts choose`: those that are scored on the private test."""
    from evaluation.container import attempts

    attempts.choose(options.db, options.team, options.numbers)
    chosen = ", ".join(map(str, options.numbers))
    show(f"chosen by {one_line(options.team)}: {chosen} (next: `evaluation attempts private`)")
    return DONE


def enter_private(options: argparse.Namespace) -> int:
    """`attempts private`: the score of a chosen attempt on the private test."""
    from evaluation.container import attempts

    attempts.enter_private(options.db, options.number, options.score)
    show(f"attempt {options.number}: private S {options.score:g} entered (next: `evaluation attempts list`)")
    return DONE


def drop_attempt(options: argparse.Namespace) -> int:
    """`attempts drop`: one whose runner died without a verdict."""
    from evaluation.container import attempts

    attempts.drop(options.db, options.number)
    show(f"attempt {options.number}: its place is free again (next: `evaluation run-container`)")
    return DONE
