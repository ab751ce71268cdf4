"""Builds cases for the metrics' tests: from literals, and from files in the contest's form."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contest.ground_truth import GroundTruth, References
from contest.items import Item, Sample
from contest.reading import read_ground_truth_lenient, read_predictions_lenient
from evaluation.metrics.cases import Case, UnsoundAnswer

GOLDEN = Path(__file__).parents[2] / "golden" / "metrics"


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))


def case(references: Sequence[str] | str, *texts: str, sample_id: str = "0") -> Case:
    """A case with these references (a bare string is one in the file too), answered with text items."""
    is_bare = isinstance(references, str)
    contents = (references,) if isinstance(references, str) else tuple(references)
    truth = GroundTruth(sample_id, (References("text", contents, is_bare),))
    return Case(sample_id, truth, Sample(sample_id, tuple(Item("text", text) for text in texts)))


def cases_of_files(folder: Path, truths: Mapping[str, Any] | str, predictions: Mapping[str, Any] | str) -> list[Case]:
    """The cases of two files that hold these objects (or this raw text), malformed entries among them."""
    paths = []
    for name, content in (("ground_truth.json", truths), ("predictions.json", predictions)):
        paths.append(folder / name)
        paths[-1].write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    parsed = read_predictions_lenient(paths[1])
    raw = json.loads(paths[1].read_text("utf-8"))

    def unsound(sample_id: str) -> UnsoundAnswer | None:
        if sample_id in parsed.valid or sample_id not in raw:
            return None
        return UnsoundAnswer(raw[sample_id], tuple(e for e in parsed.errors if e.sample_id == sample_id))

    return [
        Case(sample_id, truth, parsed.valid.get(sample_id), unsound=unsound(sample_id))
        for sample_id, truth in read_ground_truth_lenient(paths[0]).items()
    ]
