"""Scores what a submission wrote, by the evaluator's own function in a process with a clock.

The child (`evaluation.container.judging`) writes the result to a file; what stopped a metric it tells by its answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from evaluation.container.judging import answer, judged
from evaluation.joining import ScoringFiles
from evaluation.metrics.cases import Mode, Stage
from evaluation.metrics.errors import AttemptAbortedError
from evaluation.progress import silent
from evaluation.results import Result, read_result, write_result
from evaluation.scoring import score_run
from evaluation.settings import FidFeatures
from evaluation.tasks import Metrics


@dataclass(frozen=True, slots=True)
class Scoring:
    """How predictions are scored: the organisers' files, and the options of `evaluation score`."""

    ground_truth: Path
    ids: Path
    input: Path
    mode: Mode
    assets: Path | None
    wordnet: Path | None
    fid_features: FidFeatures
    seconds: float
    stage: Stage = "full"

    def __call__(self, predictions: Path) -> Result:
        """Score a predictions file. Raises AttemptAbortedError, ChildTimeoutError, ChildFailedError."""
        with TemporaryDirectory() as folder:
            result = Path(folder) / "result.json"
            paths = {"predictions": predictions, "result": result}
            question = {
                name: str(value.resolve()) if isinstance(value, Path) else value
                for name, value in {**asdict(self), **paths}.items()
            }
            stopped = judged("evaluation.container.scoring", question, self.seconds)
            if stopped is not None:
                raise AttemptAbortedError(**stopped)
            return read_result(result)


def main() -> NoReturn:
    """Run as the child."""
    answer(_score)


def _score(question: Mapping[str, Any]) -> dict[str, Any] | None:
    """Score, and write the result; return what stopped a metric, if something did."""
    folders = {name: question[name] and Path(question[name]) for name in ("assets", "wordnet")}
    metrics = Metrics(question["mode"], folders["assets"], folders["wordnet"], question["fid_features"], silent)
    files = ScoringFiles(*(Path(question[name]) for name in ("predictions", "ground_truth", "ids", "input")))
    try:
        result = score_run(files, metrics, mode=question["mode"], stage=question["stage"])
    except AttemptAbortedError as error:
        return {"message": error.message, "sample_id": error.sample_id, "defect": error.defect}
    write_result(Path(question["result"]), result)
    return None
