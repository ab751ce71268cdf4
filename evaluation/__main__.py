"""The command line of the evaluation. Knows options and exit statuses, and nothing of how scores come about.

Exit status 0: all went well. 1: everything was scored, but in mode strict some samples lost their score to an error,
which is named. 2: nothing could be done, and the message says why. 130: interrupted.
"""

from __future__ import annotations

if __name__ == "__main__":  # what follows takes seconds to import
    from contest.console import end_on_interrupt

    end_on_interrupt()

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from contest.console import start_program
from contest.emissions import country_code
from contest.errors import ContestError, ContestErrors
from contest.tasks import TASKS
from contest.training_emissions import TrainingEmissionsError, read_training_emissions
from contest.writing import write_bytes, write_json
from evaluation import leaderboard
from evaluation.assets import FID_FEATURES
from evaluation.co2 import BadEmissions, read_emissions, track_scoring
from evaluation.comparing import compare, comparison_table
from evaluation.container.command import add_attempts, add_run_container
from evaluation.errors import BadLeaderboard, BadResult, EvaluationError
from evaluation.joining import Files
from evaluation.metrics.base import MODES, AttemptAborted, NothingToScore
from evaluation.metrics.wordnet import WordNetError
from evaluation.nomination import BASELINE_INTEGRAL, Entry, Nomination, nominate
from evaluation.progress import on_terminal, silent
from evaluation.report import build
from evaluation.results import Result, read_result, write_csv, write_result
from evaluation.scoring import score_run
from evaluation.sharding import Processes, processes_of
from evaluation.statistics import Resampling
from evaluation.table import columns, result_table
from evaluation.tasks import Metrics

DONE, DONE_WITH_ERRORS, NOT_DONE, INTERRUPTED = 0, 1, 2, 130
TELLABLE = (ContestError, ContestErrors, EvaluationError, WordNetError, AttemptAborted, NothingToScore, OSError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (that of the process, if None) and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except KeyboardInterrupt:
        return INTERRUPTED
    except TELLABLE as error:
        print(f"evaluation: error: {error}", file=sys.stderr)
        return NOT_DONE


def score(options: argparse.Namespace) -> int:
    """`score`: predictions against ground truth, in one process or, under torchrun, in several."""
    with processes_of() as processes:
        try:
            status = _scored(options, processes)
        except TELLABLE as error:
            if processes.is_first:
                print(f"evaluation: error: {error}", file=sys.stderr, flush=True)
            status = NOT_DONE
        processes.leave_together()
    return status


def _scored(options: argparse.Namespace, processes: Processes) -> int:
    progress = on_terminal if processes.is_first else silent
    metrics = Metrics(options.mode, options.assets, options.wordnet, options.fid_features, progress)
    emissions = list(options.show_emissions)

    def scored() -> Result:
        files = Files(options.predictions, options.ground_truth, options.ids, options.input)
        resampling = _resampling(options)
        return score_run(
            files, metrics, mode=options.mode, tasks=options.tasks, resampling=resampling, processes=processes
        )

    if options.emissions is None or not processes.is_first:
        result = scored()
    else:
        with track_scoring(options.emissions, country=options.country) as tracking:
            result = scored()
        print(tracking.outcome, file=sys.stderr)
        emissions += [options.emissions] if options.emissions.is_file() else []
    processes.together(lambda: _tell(result, options, emissions) if processes.is_first else None)
    return DONE_WITH_ERRORS if result.has_errors else DONE


def _tell(result: Result, options: argparse.Namespace, emissions: Sequence[Path]) -> None:
    print(result_table(result), flush=True)
    if options.json:
        write_result(options.json, result)
    if options.csv:
        write_csv(options.csv, result)
    if options.report:
        _write_report(options.report, result, options, emissions)


def report(options: argparse.Namespace) -> int:
    """`report`: a result that was scored before as one HTML file, beside another if asked for."""
    _write_report(options.out, read_result(options.result), options, options.show_emissions)
    return DONE


def _write_report(folder: Path, result: Result, options: argparse.Namespace, emissions: Sequence[Path]) -> None:
    path = build(
        result,
        folder,
        predictions=options.predictions,
        ground_truth=options.ground_truth,
        input_root=options.input,
        other=None if options.other is None else read_result(options.other),
        other_predictions=options.other_predictions,
        emissions=emissions,
        resampling=_resampling(options),
    )
    print(f"report: {path}")


def compare_results(options: argparse.Namespace) -> int:
    """`compare`: two results sample by sample."""
    comparison = compare(
        read_result(options.first),
        read_result(options.second),
        different_signatures=options.different_signatures,
        resampling=_resampling(options),
    )
    print(comparison_table(comparison))
    return DONE


def leaderboard_add(options: argparse.Namespace) -> int:
    """`leaderboard add`: a result and where it came from."""
    provenance = _provenance(options)
    number = leaderboard.add(options.db, options.name, read_result(options.result), provenance)
    print(f"added as run {number}")
    return DONE


def leaderboard_show(options: argparse.Namespace) -> int:
    """`leaderboard show`: the runs that measure the same, ranked."""
    print(leaderboard.leaderboard_table(leaderboard.read(options.db), options.by))
    return DONE


def leaderboard_export(options: argparse.Namespace) -> int:
    """`leaderboard export`: all of it as JSON or CSV, by the ending of the file's name."""
    runs = leaderboard.read(options.db)
    if options.out.suffix == ".csv":
        write_bytes(options.out, leaderboard.to_csv(runs).encode())
    else:
        write_json(options.out, leaderboard.to_json(runs))
    return DONE


def nomination(options: argparse.Namespace) -> int:
    """`nomination`: the most sustainable solution of each group of the leaderboard."""
    groups = leaderboard.grouped([run for run in leaderboard.read(options.db) if run.integral is not None])
    if not groups:
        raise BadLeaderboard("no run of the leaderboard has an integral score", "add runs of all twelve tasks")
    for number, group in enumerate(groups, start=1):
        entries = [
            Entry(run.name, run.integral, run.provenance.co2_kg) for run in group.runs if run.integral is not None
        ]
        print(f"group {number}: {', '.join(group.measures[1:])}")
        print(_nomination_text(nominate(entries, options.baseline)))
    return DONE


def _nomination_text(outcome: Nomination) -> str:
    if outcome.threshold is None:
        return f"no score is above the baseline of {outcome.baseline:g}: there is no winner"
    rows = [("solution", "S", "CO2, kg", "")]
    for entry in (*outcome.eligible, *outcome.unmeasured):
        co2 = "not measured" if entry.co2 is None else f"{entry.co2:g}"
        rows.append((entry.name, f"{entry.score:.4f}", co2, "winner" if entry in outcome.winners else ""))
    return f"eligible from S = {outcome.threshold:.6f} (baseline {outcome.baseline:g})\n{columns(rows)}"


def _provenance(options: argparse.Namespace) -> leaderboard.Provenance:
    """Return what `run.json` of the submission tells, overruled by what the options say."""
    told: dict[str, object] = {}
    if options.run is not None:
        try:
            run = json.loads(options.run.read_text("utf-8"))
            told = {
                "weights": run["weights_sha256"],
                "profile": run["profile"]["name"],
                "seed": run["seed"],
                "hardware": run["device"]["name"],
                "seconds": run["seconds"],
            }
        except (ValueError, KeyError, TypeError) as error:
            raise BadResult(
                f"{options.run} is no run report: {type(error).__name__}: {error}",
                "give the run.json that `submission run` wrote",
            ) from error
    said = {
        "commit_id": options.commit,
        "weights": options.weights,
        "profile": options.profile,
        "seed": options.seed,
        "hardware": options.hardware,
        "seconds": options.seconds,
        "co2_kg": options.co2 if options.emissions is None else _counted_co2(options.emissions),
    }
    if options.training_emissions is not None:
        told |= _of_training(options.training_emissions)
    return leaderboard.Provenance(**{**told, **{key: value for key, value in said.items() if value is not None}})


def _of_training(path: Path) -> dict[str, object]:
    """Return what `training co2-report` tells. Raises BadEmissions, also if eco2AI measured nothing."""
    try:
        found = read_training_emissions(path)
    except (TrainingEmissionsError, OSError) as error:
        raise BadEmissions(str(error), "give the training_emissions.json that `training co2-report` wrote") from error
    if found.co2_kg is None:
        reasons = "; ".join(found.problems)
        raise BadEmissions(f"{path}: eco2AI measured nothing: {reasons}", "add the run without --training-emissions")
    return {
        "co2_kg": found.co2_kg,
        "energy_kwh": found.energy_kwh,
        "own_co2_kg": found.own_co2_kg,
        "parameters": found.parameters,
    }


def _counted_co2(path: Path) -> float:
    """Return the CO2 of the row that the rules count. Raises BadEmissions if none is marked as final."""
    counted = read_emissions(path).counted
    if counted is None:
        raise BadEmissions(f"{path}: no row has TargetValue in its description", "say which figure counts with --co2")
    return counted.co2_kg


def _resampling(options: argparse.Namespace) -> Resampling:
    return Resampling(options.resamples, seed=options.bootstrap_seed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evaluation", description="Scores predictions as the contest does.")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_score(commands.add_parser("score", help="score predictions: table, JSON, CSV, report"))
    _add_report(commands.add_parser("report", help="write the report of a result as one HTML file"))
    _add_compare(commands.add_parser("compare", help="compare two results sample by sample"))
    board = commands.add_parser("leaderboard", help="keep runs and rank them").add_subparsers(
        required=True, metavar="action"
    )
    _add_leaderboard_add(board.add_parser("add", help="add a result"))
    show = board.add_parser("show", help="print the ranks")
    show.add_argument("--db", type=Path, required=True, metavar="FILE", help="the leaderboard's SQLite file")
    show.add_argument(
        "--by", choices=(leaderboard.INTEGRAL, *(task.key for task in TASKS)), default=leaderboard.INTEGRAL
    )
    show.set_defaults(command=leaderboard_show)
    export = board.add_parser("export", help="write all of it to a file")
    export.add_argument("--db", type=Path, required=True, metavar="FILE")
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="*.csv is CSV, all else JSON")
    export.set_defaults(command=leaderboard_export)
    add_run_container(commands.add_parser("run-container", help="run a submission's archive as the organisers do"))
    add_attempts(commands.add_parser("attempts", help="keep the attempts of teams, and the private standings"))
    winner = commands.add_parser("nomination", help="name the most sustainable solution of a leaderboard")
    winner.add_argument("--db", type=Path, required=True, metavar="FILE")
    winner.add_argument(
        "--baseline", type=float, default=BASELINE_INTEGRAL, help="S to be above (default: %(default)s)"
    )
    winner.set_defaults(command=nomination)
    return parser


def _add_score(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    _add_files(parser)
    add("--ids", type=Path, required=True, metavar="FILE", help="ids.json: the task of each sample")
    add("--mode", choices=MODES, default="official", help="their scripts, or their rules (default: %(default)s)")
    add("--tasks", type=_task_keys, metavar="A,B,...", help="score these tasks only")
    add("--wordnet", type=Path, metavar="FILE", help="RuWordNet's SQLite file, for synonyms in captions")
    add("--assets", type=Path, metavar="DIR", help="folder with the networks of the metrics")
    add("--fid-features", choices=FID_FEATURES, default=FID_FEATURES[0], help="ruclip is a substitute, and flagged")
    add("--json", type=Path, metavar="OUT", help="write the result, with the score of each sample")
    add("--csv", type=Path, metavar="OUT", help="write the table")
    add("--report", type=Path, metavar="DIR", help="write the report, one HTML file, into this folder")
    add("--emissions", type=Path, metavar="FILE", help="log the CO2 of this scoring to eco2AI's CSV file")
    add("--country", type=country_code, default="RU", metavar="CODE", help="where it runs (default: %(default)s)")
    _add_resampling(parser)
    parser.set_defaults(command=score)


def _add_files(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--predictions", type=Path, required=True, metavar="FILE", help="predictions.json, its pictures beside it")
    add("--ground-truth", type=Path, required=True, metavar="FILE", help="ground_truth.json, its pictures beside it")
    add("--input", type=Path, metavar="DIR", help="folder with input.json; needed by tasks with pictures or captions")
    add("--other", type=Path, metavar="RESULT", help="in the report: an earlier result to show the differences to")
    add("--other-predictions", type=Path, metavar="FILE", help="in the report: its predictions")
    show = "in the report: eco2AI's CSV file of the training or the submission; may be repeated"
    add("--show-emissions", type=Path, action="append", default=[], metavar="FILE", help=show)


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--result", type=Path, required=True, metavar="FILE", help="what `score --json` wrote")
    _add_files(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the report")
    _add_resampling(parser)
    parser.set_defaults(command=report)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=Path, help="a result that `score --json` wrote")
    parser.add_argument("second", type=Path, help="the result to compare with it")
    parser.add_argument("--different-signatures", action="store_true", help="compare what does not measure the same")
    _add_resampling(parser)
    parser.set_defaults(command=compare_results)


def _add_leaderboard_add(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--db", type=Path, required=True, metavar="FILE", help="the leaderboard's SQLite file, made if not there")
    add("--result", type=Path, required=True, metavar="FILE", help="a result that `score --json` wrote")
    add("--name", required=True, help="what to call the run")
    add("--run", type=Path, metavar="FILE", help="run.json of the submission, which tells most of the rest")
    add("--commit", help="the commit that answered")
    add("--weights", metavar="HASH", help="SHA-256 of the weights")
    add("--profile", help="profile of the submission")
    add("--seed", type=int)
    add("--hardware", help="the machine that answered")
    add("--seconds", type=float, help="how long answering took")
    co2 = parser.add_mutually_exclusive_group()
    co2.add_argument("--co2", type=float, metavar="KG", help="CO2 of the training")
    co2.add_argument("--emissions", type=Path, metavar="FILE", help="eco2AI's CSV file of the training")
    summary = "training_emissions.json that `training co2-report` wrote: the sum over all stretches of a training"
    co2.add_argument("--training-emissions", type=Path, metavar="FILE", help=summary)
    parser.set_defaults(command=leaderboard_add)


def _add_resampling(parser: argparse.ArgumentParser) -> None:
    default = Resampling()
    parser.add_argument("--resamples", type=_positive, default=default.resamples, help="default: %(default)s")
    parser.add_argument("--bootstrap-seed", type=_natural, default=default.seed, help="default: %(default)s")


def _task_keys(text: str) -> tuple[str, ...]:
    keys = tuple(text.split(","))
    known = [task.key for task in TASKS]
    if not set(keys) <= set(known):
        raise argparse.ArgumentTypeError(f"the tasks are {', '.join(known)}")
    return keys


def _natural(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must be at least 0")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    start_program(main)
