"""The command `score`: predictions against ground truth, in one process or, under torchrun, in several.

The first challenge of 2021 (`--challenge fbc1`) has other files and metrics; it is scored in one process.

Results are written before anything is printed: what can not be printed costs no result.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from contest.command_line import DONE, NOT_DONE, WITH_FAULTS, UsageError, whole
from contest.console import say, show
from contest.emissions.tracking import country_code
from errors import UserError
from evaluation.commands.options import add_files, add_metrics, add_resampling, require_stage, resampling_of, task_keys
from evaluation.commands.report import report_line, write_report
from evaluation.progress import on_terminal, silent

if TYPE_CHECKING:
    from evaluation.cost import RunCost
    from evaluation.joining import Joined
    from evaluation.results import Result
    from evaluation.sharding import ScoringProcesses


CHALLENGES = ("fbc2", "fbc1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `score`."""
    add = parser.add_argument
    add_files(parser)
    add("--ids", type=Path, metavar="FILE", help="ids.json: the task of each sample (needed but for fbc1)")
    challenge = "fbc2: the one of this project; fbc1: that of 2021, whose --predictions and --ground-truth are folders"
    add("--challenge", choices=CHALLENGES, default=CHALLENGES[0], help=challenge)
    place = "of fbc1: the place in its leaderboard whose prize is computed"
    add("--place", type=whole(least=1), metavar="N", help=place)
    run = "run.json of the submission, for what it cost (default: the one beside the predictions, if there is one)"
    add("--run", dest="run_json", type=Path, metavar="FILE", help=run)
    add("--tasks", type=task_keys, metavar="A,B,...", help="score these tasks only, instead of all that the ids name")
    add_metrics(parser)
    add("--json", type=Path, metavar="FILE", help="write the result, with the score of each sample")
    add("--csv", type=Path, metavar="FILE", help="write the table")
    add("--html", type=Path, metavar="DIR", help="write the report, one HTML file, into this folder")
    lines = "write each sample with its answer and its score, a line of JSON each, as lm-evaluation-harness logs them"
    add("--samples", type=Path, metavar="FILE", help=lines)
    add("--verbose", action="store_true", help="print the signatures, and say what affected which sample")
    add("--emissions", type=Path, metavar="FILE", help="log the CO2 of this scoring to eco2AI's CSV file")
    add("--country", type=country_code, default="RU", metavar="CODE", help="two letters: where the machine stands")
    add_resampling(parser)
    parser.set_defaults(run=score, keeps=("json", "csv", "html", "samples"))


def score(options: argparse.Namespace) -> int:
    """Score, write what was asked for, print the table."""
    if options.challenge == "fbc1":
        return _score_first_challenge(options)
    require_stage(options)
    if options.ids is None or options.place is not None:
        raise UsageError("--ids is needed, and --place is for --challenge fbc1 alone", "see `evaluation score --help`")
    from evaluation.sharding import processes_of
    from evaluation.table import result_problems, result_table

    with processes_of() as processes:
        try:
            result, written = _scored(options, processes)
        except (UserError, OSError):
            processes.leave_together()
            if processes.is_first:
                raise
            return NOT_DONE
        processes.leave_together()
    if processes.is_first:
        show("\n".join([result_table(result, verbose=options.verbose), *written]))
        for problem in result_problems(result, verbose=options.verbose):
            say(f"evaluation score: {problem}")
    return WITH_FAULTS if result.has_errors else DONE


def _score_first_challenge(options: argparse.Namespace) -> int:
    from evaluation.first_challenge.output import challenge_table, write_challenge_csv, write_challenge_json
    from evaluation.first_challenge.scoring import score_challenge

    of_fbc2 = ("ids", "tasks", "input", "other", "emissions", "wordnet", "run_json", "samples")
    given = [f"--{name.removesuffix('_json')}" for name in of_fbc2 if getattr(options, name) is not None]
    given += ["--stage"] if options.stage != "full" else []
    if given:
        raise UsageError(f"{', '.join(given)} can not go with --challenge fbc1", "leave it out")
    _require_places(options)
    result = score_challenge(options.predictions, options.ground_truth, options.mode, resampling_of(options))
    lines = [challenge_table(result, place=options.place, verbose=options.verbose)]
    for path, write in ((options.json, write_challenge_json), (options.csv, write_challenge_csv)):
        if path:
            write(path, result)
            lines.append(f"result: {path}")
    if options.html:
        from evaluation.report.first_challenge import build_challenge_report

        report = build_challenge_report(
            result,
            options.html,
            predictions=options.predictions,
            truth=options.ground_truth,
            place=options.place,
            emissions=options.with_emissions,
        )
        lines.append(report_line(report))
    show("\n".join(lines))
    return WITH_FAULTS if result.has_errors else DONE


def _require_places(options: argparse.Namespace) -> None:
    """Raise ContestError if something that was asked for could not be written in the end."""
    from contest.writing import require_writable, require_writable_folder

    for file in (options.json, options.csv):
        if file is not None:
            require_writable(file)
    if options.html is not None:
        require_writable_folder(options.html)


def _scored(options: argparse.Namespace, processes: ScoringProcesses) -> tuple[Result, list[str]]:
    """Return the result, and a line about each thing that was written."""
    from contest.emissions.tracking import tell, track
    from evaluation.joining import ScoringFiles
    from evaluation.platforms.harness import sample_log
    from evaluation.scoring import score_run
    from evaluation.tasks import Metrics

    # Before anything is scored: a file that is none, or that can not be written, must not cost hours.
    processes.together(lambda: _require_places(options) if processes.is_first else None)
    told = processes.together(lambda: _told_cost(options) if processes.is_first else (None, ""))
    progress = on_terminal if processes.is_first else silent
    metrics = Metrics(options.mode, options.assets, options.wordnet, options.fid_features, progress)
    emissions = list(options.with_emissions)

    joined: list[Joined] = []  # the report shows what is scored: nothing is read twice, nor kept without it

    def scored() -> Result:
        files = ScoringFiles(options.predictions, options.ground_truth, options.ids, options.input)
        logs = options.samples is not None and processes.is_first
        with ExitStack() as open_files:
            log = processes.together(lambda: open_files.enter_context(sample_log(options.samples)) if logs else None)
            result = score_run(
                files,
                metrics,
                mode=options.mode,
                stage=options.stage,
                tasks=options.tasks,
                resampling=resampling_of(options),
                processes=processes,
                on_joined=joined.append if options.html else None,
                on_task=log,
            )
            processes.together(open_files.close)
            return result

    if options.emissions is None or not processes.is_first:
        result = scored()
    else:
        with track("FBC2 evaluation", "scoring", options.emissions, options.country, gpus=()) as tracking:
            result = scored()
        tell(tracking.outcome)
        emissions += [options.emissions] if options.emissions.is_file() else []
    if processes.is_first:
        result = _with_cost(result, options, *told)
    read = joined[0] if joined else None
    written = processes.together(lambda: _written(result, options, emissions, read) if processes.is_first else [])
    return result, written


def _told_cost(options: argparse.Namespace) -> tuple[RunCost | None, str]:
    """Return what the run cost by its `run.json`, and the problem with that ("": none).

    One that merely lies beside the predictions is no more than warned about. Raises ResultFileError for a named one
    that is none.
    """
    from evaluation.errors import ResultFileError
    from evaluation.provenance import read_run_report

    path = _run_report_path(options)
    if options.run_json is None and not path.is_file():
        return None, ""
    try:
        cost = read_run_report(path).cost
    except ResultFileError as error:
        if options.run_json is not None:
            raise
        return None, f"what the run cost is not known: {error}"
    if cost is None and options.run_json is not None:
        return None, f"{path} tells no cost: it is of an earlier version, or of a run without samples"
    return cost, ""


def _with_cost(result: Result, options: argparse.Namespace, cost: RunCost | None, problem: str) -> Result:
    """Return the result with what the run cost, or with the problem that leaves it out."""
    scored = sum(task.n for task in result.tasks.values())
    if cost is not None and cost.samples < scored:
        path = _run_report_path(options)
        problem = f"{path} is of a run over {cost.samples} samples, and {scored} were scored: its cost is left out"
    return replace(result, warnings=(*result.warnings, problem)) if problem else replace(result, cost=cost)


def _run_report_path(options: argparse.Namespace) -> Path:
    from evaluation.provenance import RUN_REPORT_NAME

    path: Path = options.run_json or options.predictions.parent / RUN_REPORT_NAME
    return path


def _written(
    result: Result, options: argparse.Namespace, emissions: Sequence[Path], joined: Joined | None
) -> list[str]:
    from evaluation.results import write_csv, write_result

    if options.json:
        write_result(options.json, result)
    if options.csv:
        write_csv(options.csv, result)
    path = write_report(options.html, result, options, emissions, joined) if options.html else None
    next_ = " (next: `evaluation compare`, or `evaluation leaderboard add`)" if options.json else ""
    files = ", ".join(str(file) for file in (options.json, options.csv) if file)
    samples = [f"samples: {options.samples}"] if options.samples else []
    return [f"result: {files}{next_}"] * bool(files) + samples + ([report_line(path)] if path else [])
