"""The scoring program of a Codabench bundle: the platform's worker starts it once for each submission.

In the bundle this file stands at the program's root as `scoring.py`, and the rooms that it imports beside it. The
worker lays the reference data into INPUT/ref and the submission into INPUT/res, takes OUTPUT/scores.json for the
leaderboard, and shows OUTPUT/detailed_results.html and what is printed. A status that is not 0 marks the submission
as failed.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from contest.command_line import DONE, Command, Program, run_program
from contest.console import show, start_program
from contest.limits import GROUND_TRUTH_NAME, IDS_NAME, PREDICTIONS_NAME
from evaluation.commands.options import add_metrics, require_stage
from evaluation.errors import EvaluationError, some
from evaluation.metrics.errors import AttemptAbortedError
from evaluation.settings import INTEGRAL

NAME = "scoring.py"
"""What this file is called at the root of the program."""
REFERENCE, SUBMISSION = "ref", "res"
TRUTH, INPUT = "truth", "input"
"""Folders of the reference data: the ground truth with its pictures, and the input with its own."""
SCORES_NAME, DETAILS_NAME = "scores.json", "detailed_results.html"

PROGRAM = Program(
    name="scoring",
    description="Scores a submission on a platform.",
    commands={
        "codabench": Command(
            "evaluation.platforms.scoring_program", "score a submission as Codabench asks", quiet=False
        )
    },
    import_remedy="use the image that docker/build.sh codabench builds",
)


class SubmissionError(EvaluationError):
    """A submission that can not be scored."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say where the platform lays things, and how they are scored."""
    parser.add_argument("input", type=Path, metavar="INPUT", help="folder with ref/ and res/")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="folder for scores.json and detailed_results.html")
    add_metrics(parser)
    parser.set_defaults(run=score)


def score(options: argparse.Namespace) -> int:
    """Score the submission; write the scores and the page. Raises SubmissionError, and what scoring raises."""
    require_stage(options)
    from contest.writing import write_bytes, write_json
    from evaluation.joining import ScoringFiles
    from evaluation.report.build import overview
    from evaluation.scoring import score_run
    from evaluation.table import result_table
    from evaluation.tasks import Metrics

    reference = options.input / REFERENCE
    files = ScoringFiles(
        _predictions_in(options.input / SUBMISSION),
        reference / TRUTH / GROUND_TRUTH_NAME,
        reference / IDS_NAME,
        reference / INPUT,
    )
    metrics = Metrics(options.mode, options.assets, options.wordnet, options.fid_features)
    try:
        result = score_run(files, metrics, mode=options.mode, stage=options.stage)
    except AttemptAbortedError as error:  # the participant can not choose another mode
        raise SubmissionError(error.message, "mend it, and submit again", where=error.where) from error
    scores = {} if result.integral is None else {INTEGRAL: result.integral}
    scores |= {key: task.score for key, task in result.tasks.items()}
    options.output.mkdir(parents=True, exist_ok=True)
    write_json(options.output / SCORES_NAME, scores, indent=1)
    write_bytes(options.output / DETAILS_NAME, overview(result).encode("utf-8", errors="replace"))
    show(result_table(result, verbose=True))
    return DONE


def _predictions_in(folder: Path) -> Path:
    path = folder / PREDICTIONS_NAME
    if not path.is_file():
        there = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        raise SubmissionError(
            f"there is no {PREDICTIONS_NAME} at the root of the submission, which holds {some(there) or 'nothing'}",
            "zip what is in the folder output, not the folder itself",
        )
    return path


main = partial(run_program, PROGRAM)
"""Runs a command line (that of the process, if none is given) and returns the exit status."""

if __name__ == "__main__":
    start_program(main)
