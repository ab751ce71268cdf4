"""The command `attempts`: the register of the teams' attempts, and the standings of the private test."""

from __future__ import annotations

import argparse
from pathlib import Path

from contest.command_line import DONE, number, whole
from contest.console import one_line, show
from evaluation.commands.options import day


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the actions of `attempts`."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    list_parser = actions.add_parser("list", help="print the attempts and the private standings")
    list_parser.add_argument("--team", metavar="NAME", help="of one team only")
    of_day = actions.add_parser("day", help="say who used how many attempts on a day, what counts and what waits")
    of_day.add_argument("--day", type=day, metavar="YYYY-MM-DD", help="(default: today, in the register's time zone)")
    of_day.add_argument("--team", metavar="NAME", help="of one team only")
    of_day.add_argument("--json", type=Path, metavar="FILE", help="write it as JSON too")
    of_day.add_argument("--csv", type=Path, metavar="FILE", help="write a row an attempt as CSV too")
    of_day.add_argument("--html", type=Path, metavar="DIR", help="write it as a page into this folder too")
    zone = actions.add_parser("zone", help="set the time zone in which days begin; a new register has UTC")
    zone.add_argument("name", metavar="ZONE", help="such as Europe/Moscow")
    choose = actions.add_parser("choose", help="choose up to three valid attempts for the private test")
    choose.add_argument("numbers", type=whole(least=1), nargs="+", metavar="ATTEMPT", help="numbers of the attempts")
    choose.add_argument("--team", required=True, metavar="NAME", help="whose attempts they are")
    private = actions.add_parser("private", help="enter a chosen attempt's score on the private test")
    private.add_argument("number", type=whole(least=1), metavar="ATTEMPT", help="number of the attempt")
    private.add_argument("score", type=number(least=0, most=1), metavar="S", help="its S on the private test")
    dropped = actions.add_parser("drop", help="free the place of an attempt whose runner died")
    dropped.add_argument("number", type=whole(least=1), metavar="ATTEMPT", help="number of the attempt")
    commands = (list_attempts, show_day, set_time_zone, choose_attempts, enter_private, drop_attempt)
    for action, command in zip((list_parser, of_day, zone, choose, private, dropped), commands, strict=True):
        action.add_argument("--db", type=Path, required=True, metavar="FILE", help="the register's SQLite file")
        action.set_defaults(run=command, keeps=() if command is list_attempts else ("db",))
    of_day.set_defaults(keeps=("json", "csv", "html"))


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


def show_day(options: argparse.Namespace) -> int:
    """`attempts day`: by team and one by one; written as JSON, CSV and a page where that is asked for."""
    from contest.writing import write_bytes, write_json
    from evaluation.container import attempts, attempts_day

    attempts.free_lapsed(options.db)
    entered = [each for each in attempts.read(options.db) if options.team in (None, each.team)]
    found = attempts_day.day_of(entered, attempts.zone_of(options.db), options.day)
    written = []
    if options.json is not None:
        write_json(options.json, found.to_json(), indent=1)
        written.append(options.json)
    if options.csv is not None:
        write_bytes(options.csv, found.to_csv().encode())
        written.append(options.csv)
    if options.html is not None:
        from evaluation.report.attempts_page import build_attempts_page

        written.append(build_attempts_page(found, options.html))
    lines = [f"written: {', '.join(map(str, written))}"] if written else []
    show("\n".join([found.to_text(), *lines]))
    return DONE


def set_time_zone(options: argparse.Namespace) -> int:
    """`attempts zone`: when a day begins."""
    from contest.console import counted
    from evaluation.container import attempts

    zone = attempts.named_zone(options.name)
    moved = attempts.set_zone(options.db, zone)
    show(
        f"days begin in {zone.key}; {counted(moved, 'attempt')} moved to another day (next: `evaluation attempts day`)"
    )
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
