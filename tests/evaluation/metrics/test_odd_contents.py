"""Contents of answers that are no strings, mode official: what the organisers' scripts make of them.

Of VisualQA, derived from their script: it joins the elements that are no mark of punctuation, and takes no mark out of
an element. Of text recognition, what their script gave in runs.
"""

from pathlib import Path
from typing import Any

import pytest

from evaluation.metrics.errors import AttemptAbortedError
from evaluation.scoring import score_run
from evaluation.statistics import Resampling
from evaluation.tasks import Metrics
from tests.evaluation.fakes import write_files

VQA, TEXT_RECOGNITION = 4, 5


def score(task: int, content: Any, references: list[str], folder: Path) -> float:
    answers = {"a": [{"type": "text", "content": content}]}
    truths = {"a": [{"type": "text", "content": references}]}
    files = write_files(folder, {"a": task}, answers=answers, truths=truths)
    [result] = score_run(files, Metrics("official"), resampling=Resampling(10)).tasks.values()
    return result.score


@pytest.mark.parametrize(
    ("task", "content", "references", "expected"),
    [
        (VQA, "a)", ["a"], 1.0),
        (VQA, ["a)"], ["a"], 10 / 11),  # two tokens, of which one matches: P = 1/2, R = 1
        (VQA, ["a", ")"], ["a"], 1.0),
        (VQA, ["си", "ний"], ["синий"], 1.0),
        (VQA, ["СИНИЙ"], ["синий"], 1.0),
        (VQA, ["три"], ["3"], 1.0),
        (VQA, {"a)": 7}, ["a"], 10 / 11),
        (VQA, [], ["a"], 0.0),
        (TEXT_RECOGNITION, ["х", "о", "р"], ["хор"], 1.0),
        (TEXT_RECOGNITION, ["хор"], ["хор"], 0.0),
        (TEXT_RECOGNITION, ["х", None, 7], ["хор"], 1 / 3),
        (TEXT_RECOGNITION, [], ["хор"], 0.0),
        (TEXT_RECOGNITION, {}, ["хор", "я"], 0.0),
    ],
)
def test_what_is_scored(task: int, content: Any, references: list[str], expected: float, tmp_path: Path) -> None:
    assert score(task, content, references, tmp_path) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("task", "content"),
    [(VQA, [["к"]]), (VQA, [7]), (TEXT_RECOGNITION, [["к"]]), (TEXT_RECOGNITION, [{}]), (TEXT_RECOGNITION, True)],
)
def test_what_their_scripts_raise_on(task: int, content: Any, tmp_path: Path) -> None:
    with pytest.raises(AttemptAbortedError, match="sample 'a'"):
        score(task, content, ["женщина"], tmp_path)


def test_a_joined_text_is_no_plain_one(tmp_path: Path) -> None:
    for _ in range(2):
        assert score(VQA, "a)", ["a"], tmp_path) == 1.0
        assert score(VQA, ["a)"], ["a"], tmp_path) == pytest.approx(10 / 11, abs=1e-12)
