"""The command `leaderboard`: add a result and where it came from, show the ranks, export all of it."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from contest.command_line import DONE, UsageError, number, seed
from contest.console import say, show
from contest.tasks import TASKS
from errors import reason_of
from evaluation.commands.options import add_board, add_old, add_result, result_path
from evaluation.metrics.fbc1.overall import MINIMA
from evaluation.settings import INTEGRAL

if TYPE_CHECKING:
    from contest.emissions.training_summary import TrainingEmissions
    from evaluation.cost import RunCost
    from evaluation.leaderboard import Provenance


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the actions of `leaderboard`."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _add_add(actions.add_parser("add", help="add a result"))
    show_parser = actions.add_parser("show", help="print the ranks")
    add_board(show_parser)
    keys = (INTEGRAL, *(task.key for task in TASKS), *MINIMA)
    by = "rank by S (integral; of fbc1 the sum), by a task, or by a subtask of fbc1"
    show_parser.add_argument("--by", choices=keys, default=INTEGRAL, help=by)
    show_parser.add_argument("--verbose", action="store_true", help="print what each group measures: its signatures")
    show_parser.set_defaults(run=show_ranks)
    _add_export(actions.add_parser("export", help="write all of it to a file, or as pages"))


def _add_export(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_board(parser)
    add("--output", type=Path, metavar="FILE", help="*.csv is CSV, all else JSON")
    add("--html", type=Path, metavar="DIR", help="write pages into this folder, which need no network and no server")
    report = "with --html: a run's number and its report.html, which is copied; may be repeated"
    add("--with-report", type=_of_run, action="append", default=[], metavar="N=FILE", help=report)
    pictures = "with --html: a run's number and its predictions, whose pictures stand side by side; may be repeated"
    add("--pictures", type=_of_run, action="append", default=[], metavar="N=FILE", help=pictures)
    add("--input", type=Path, metavar="DIR", help="with --pictures: folder with input.json, for the prompts")
    parser.set_defaults(run=export, keeps=("output", "html"))


def _of_run(text: str) -> tuple[int, Path]:
    """Read a run's number and a file of it, N=FILE."""
    number, _, path = text.partition("=")
    if not number.isascii() or not number.isdecimal() or len(number) > 18 or not path:
        raise argparse.ArgumentTypeError(f"must be the number of a run, = and a file, not {text[:40]!r}")
    return int(number), Path(path)


def _add_add(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_result(parser)
    add_board(parser)
    add("--name", required=True, help="what to call the run")
    add("--team", metavar="NAME", help="whose run it is: the pages show a team's runs over time")
    add("--run", dest="run_json", type=Path, metavar="FILE", help="run.json of the submission, with most of the rest")
    add("--commit", help="the commit that answered")
    hashed = "SHA-256 of the weights; from run.json, it is one over those of all files"
    add("--weights-hash", metavar="HASH", help=hashed)
    add_old(parser, "--weights", dest="weights_hash")
    add("--profile", help="profile of the submission")
    add("--seed", type=seed, metavar="N", help="seed of the submission")
    add("--hardware", help="the machine that answered")
    add("--seconds", type=number(least=0), metavar="S", help="how long answering took, in seconds")
    co2 = parser.add_mutually_exclusive_group()
    co2.add_argument("--co2", type=number(least=0), metavar="KG", help="CO2 of the training, in kilograms")
    co2.add_argument("--with-emissions", type=Path, metavar="FILE", help="eco2AI's CSV file of the training")
    add_old(co2, "--emissions", dest="with_emissions", type=Path)
    summary = "training_emissions.json that `training co2-report` wrote: the sum over all sessions of a training"
    co2.add_argument("--training-emissions", type=Path, metavar="FILE", help=summary)
    parser.set_defaults(run=add_run, keeps=("db",))


def add_run(options: argparse.Namespace) -> int:
    """Add a result and where it came from. Raises LeaderboardError, ResultFileError, EmissionsError."""
    from evaluation import leaderboard
    from evaluation.first_challenge.board import read_board_run
    from evaluation.first_challenge.comparing import is_challenge_result
    from evaluation.results import read_result

    path = result_path(options)
    result = read_board_run(path) if is_challenge_result(path) else read_result(path)
    identifier = leaderboard.add(options.db, options.name, result, _provenance(options, getattr(result, "cost", None)))
    show(f"added to {options.db} as run {identifier} (next: `evaluation leaderboard show`)")
    return DONE


def show_ranks(options: argparse.Namespace) -> int:
    """Print the runs that measure the same, ranked."""
    from evaluation import leaderboard

    show(leaderboard.leaderboard_table(leaderboard.read(options.db), options.by, verbose=options.verbose))
    return DONE


def export(options: argparse.Namespace) -> int:
    """Write all of it as JSON or CSV, by the ending of the file's name, or as pages. Raises UsageError."""
    if options.output is None and options.html is None:
        raise UsageError("nothing is to be written", "name a file with --output, or a folder with --html")
    if options.html is None and (options.with_report or options.pictures):
        raise UsageError("--with-report and --pictures are for --html", "name a folder with --html")
    if bool(options.pictures) != (options.input is not None):
        raise UsageError("--pictures and --input go together", "give both")
    from contest.writing import write_bytes, write_json
    from evaluation import leaderboard

    runs = leaderboard.read(options.db)
    lines = []
    if options.output is not None:
        if options.output.suffix == ".csv":
            write_bytes(options.output, leaderboard.to_csv(runs).encode())
        else:
            write_json(options.output, leaderboard.to_json(runs), indent=1)
        lines.append(f"leaderboard: {options.output} (next: `evaluation nomination`)")
    if options.html is not None:
        from evaluation.report.board import build_board

        files = {"reports": dict(options.with_report), "predictions": dict(options.pictures)}
        path = build_board(runs, options.html, **files, input_root=options.input)
        lines.append(f"leaderboard: {path} (open it in a browser)")
    show("\n".join(lines))
    return DONE


def _provenance(options: argparse.Namespace, cost: RunCost | None) -> Provenance:
    """Return what `run.json` of the submission says, overruled by the options; `cost` is what the result knows."""
    from evaluation.cost import FIGURES
    from evaluation.leaderboard import Provenance
    from evaluation.provenance import read_run_report

    run = None if options.run_json is None else read_run_report(options.run_json)
    if run is not None and not run.is_whole:
        say(f"evaluation leaderboard: warning: {options.run_json} is of a run that ended early: {run.ended}")
    read = Provenance()
    if run is not None:
        read = Provenance(None, run.weights, run.profile, run.seed, run.hardware, run.seconds)
        cost = run.cost or cost
    if cost is not None:
        read = replace(read, **{name: getattr(cost, name) for name in (*FIGURES, "energy_method")})
    if options.training_emissions is not None:
        summary = _of_training(options.training_emissions)
        read = replace(
            read,
            co2_kg=summary.co2_kg,
            energy_kwh=summary.energy_kwh,
            own_co2_kg=summary.own_co2_kg,
            parameters=summary.parameters,
        )
    said = {
        "commit_id": options.commit,
        "team": options.team,
        "weights": options.weights_hash,
        "profile": options.profile,
        "seed": options.seed,
        "hardware": options.hardware,
        "seconds": options.seconds,
        "co2_kg": options.co2 if options.with_emissions is None else _counted_co2(options.with_emissions),
    }
    return replace(read, **{name: value for name, value in said.items() if value is not None})


def _of_training(path: Path) -> TrainingEmissions:
    """Return what `training co2-report` wrote. Raises EmissionsError, also if eco2AI measured nothing."""
    from contest.emissions.training_summary import TrainingEmissionsError, read_training_emissions
    from evaluation.co2 import EmissionsError

    try:
        summary = read_training_emissions(path)
    except TrainingEmissionsError as error:
        raise EmissionsError(error.reason, error.remedy) from error
    except OSError as error:
        raise EmissionsError(reason_of(error), "check the path") from error
    if summary.co2_kg is None:
        reasons = "; ".join(summary.problems)
        raise EmissionsError(f"{path}: eco2AI measured nothing: {reasons}", "add the run without --training-emissions")
    return summary


def _counted_co2(path: Path) -> float:
    """Return the CO2 of the row that the rules count. Raises EmissionsError if none is marked as final."""
    from evaluation.co2 import EmissionsError, read_emissions

    counted = read_emissions(path).counted
    if counted is None:
        raise EmissionsError(f"{path}: no row has TargetValue in its description", "say which figure counts with --co2")
    return counted.co2_kg
