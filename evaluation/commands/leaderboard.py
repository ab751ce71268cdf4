"""The command `leaderboard`: add a result and where it came from, show the ranks, export all of it."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from contest.console import say, show
from contest.emissions.training_summary import TrainingEmissions, TrainingEmissionsError, read_training_emissions
from contest.tasks import TASKS
from contest.writing import write_bytes, write_json
from errors import reason_of
from evaluation import leaderboard
from evaluation.co2 import BadEmissions, read_emissions
from evaluation.commands.options import add_board, number, whole
from evaluation.leaderboard import Provenance
from evaluation.provenance import read_run_report
from evaluation.results import read_result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the actions of `leaderboard`."""
    actions = parser.add_subparsers(required=True, metavar="action")
    _add_add(actions.add_parser("add", help="add a result"))
    show_parser = actions.add_parser("show", help="print the ranks")
    add_board(show_parser)
    by = "rank by S, or by a task (default: %(default)s)"
    keys = (leaderboard.INTEGRAL, *(task.key for task in TASKS))
    show_parser.add_argument("--by", choices=keys, default=leaderboard.INTEGRAL, help=by)
    show_parser.add_argument("--verbose", action="store_true", help="print what each group measures: its signatures")
    show_parser.set_defaults(command=show_ranks)
    export_parser = actions.add_parser("export", help="write all of it to a file")
    add_board(export_parser)
    export_parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="*.csv is CSV, all else JSON")
    export_parser.set_defaults(command=export, keeps=("out",))


def _add_add(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_board(parser)
    add("--result", type=Path, required=True, metavar="FILE", help="a result that `score --json` wrote")
    add("--name", required=True, help="what to call the run")
    add("--run", type=Path, metavar="FILE", help="run.json of the submission, which tells most of the rest")
    add("--commit", help="the commit that answered")
    add("--weights", metavar="HASH", help="SHA-256 of the weights; from run.json, it is one over those of all files")
    add("--profile", help="profile of the submission")
    add("--seed", type=whole(least=0), metavar="N", help="seed of the submission")
    add("--hardware", help="the machine that answered")
    add("--seconds", type=number(least=0), metavar="S", help="how long answering took")
    co2 = parser.add_mutually_exclusive_group()
    co2.add_argument("--co2", type=number(least=0), metavar="KG", help="CO2 of the training")
    co2.add_argument("--emissions", type=Path, metavar="FILE", help="eco2AI's CSV file of the training")
    summary = "training_emissions.json that `training co2-report` wrote: the sum over all stretches of a training"
    co2.add_argument("--training-emissions", type=Path, metavar="FILE", help=summary)
    parser.set_defaults(command=add_run, keeps=("db",))


def add_run(options: argparse.Namespace) -> int:
    """Add a result and where it came from. Raises BadLeaderboard, BadResult, BadEmissions."""
    identifier = leaderboard.add(options.db, options.name, read_result(options.result), _provenance(options))
    show(f"added to {options.db} as run {identifier} (next: `evaluation leaderboard show`)")
    return 0


def show_ranks(options: argparse.Namespace) -> int:
    """Print the runs that measure the same, ranked."""
    show(leaderboard.leaderboard_table(leaderboard.read(options.db), options.by, verbose=options.verbose))
    return 0


def export(options: argparse.Namespace) -> int:
    """Write all of it as JSON or CSV, by the ending of the file's name."""
    runs = leaderboard.read(options.db)
    if options.out.suffix == ".csv":
        write_bytes(options.out, leaderboard.to_csv(runs).encode())
    else:
        write_json(options.out, leaderboard.to_json(runs))
    show(f"leaderboard: {options.out}")
    return 0


def _provenance(options: argparse.Namespace) -> Provenance:
    """Return what `run.json` of the submission tells, overruled by what the options say."""
    run = None if options.run is None else read_run_report(options.run)
    if run is not None and not run.is_whole:
        say(f"evaluation: warning: {options.run} is of a run that ended early: {run.ended}")
    told = Provenance()
    if run is not None:
        told = Provenance(None, run.weights, run.profile, run.seed, run.hardware, run.seconds)
    if options.training_emissions is not None:
        summary = _of_training(options.training_emissions)
        told = replace(
            told,
            co2_kg=summary.co2_kg,
            energy_kwh=summary.energy_kwh,
            own_co2_kg=summary.own_co2_kg,
            parameters=summary.parameters,
        )
    said = {
        "commit_id": options.commit,
        "weights": options.weights,
        "profile": options.profile,
        "seed": options.seed,
        "hardware": options.hardware,
        "seconds": options.seconds,
        "co2_kg": options.co2 if options.emissions is None else _counted_co2(options.emissions),
    }
    return replace(told, **{name: value for name, value in said.items() if value is not None})


def _of_training(path: Path) -> TrainingEmissions:
    """Return what `training co2-report` tells. Raises BadEmissions, also if eco2AI measured nothing."""
    try:
        found = read_training_emissions(path)
    except TrainingEmissionsError as error:
        raise BadEmissions(error.reason, error.remedy) from error
    except OSError as error:
        raise BadEmissions(reason_of(error), "check the path") from error
    if found.co2_kg is None:
        reasons = "; ".join(found.problems)
        raise BadEmissions(f"{path}: eco2AI measured nothing: {reasons}", "add the run without --training-emissions")
    return found


def _counted_co2(path: Path) -> float:
    """Return the CO2 of the row that the rules count. Raises BadEmissions if none is marked as final."""
    counted = read_emissions(path).counted
    if counted is None:
        raise BadEmissions(f"{path}: no row has TargetValue in its description", "say which figure counts with --co2")
    return counted.co2_kg
