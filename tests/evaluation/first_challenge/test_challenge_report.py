"""The page of a run of the first challenge."""

import re
from pathlib import Path
from typing import Any

from tests.evaluation.first_challenge.test_first_challenge import PREDICTIONS, QUESTIONS, run


def words(path: Path) -> str:
    page = re.sub(r"<style>.*?</style>", "", path.read_text("utf-8"), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", page).replace("&nbsp;", " ").split())


def test_the_page_of_a_run(tmp_path: Path, capsys: Any) -> None:
    assert run(tmp_path, "--html", str(tmp_path / "report"), "--place", "2") == 0
    assert f"report: {tmp_path / 'report' / 'report.html'} (open it in a browser)" in capsys.readouterr().out
    said = words(tmp_path / "report" / "report.html")
    assert "3.539 sum of four subtasks, minimum 1.3" in said
    assert "above all minima" in said
    assert "1,500,000 roubles at place 2" in said
    assert "HTR 0.900" in said
    assert "published baseline, single-task 39.34 published baseline, fusion 27.45" in said
    assert "dataflow 1.0000" in said
    assert "zsod|challenge:fbc1|mode:official|iou:0.5|v:1" in said


def test_faults_are_counted_and_strangers_words_stay_text(tmp_path: Path, capsys: Any) -> None:
    truth = {"VQA": {f"<b>{key}": question for key, question in QUESTIONS.items()}, "HTR": {"<i>": "a"}}
    predictions = PREDICTIONS | {"VQA": {"<b>0": "кот"}, "HTR": {"<i>": 5}}
    arguments = ["--mode", "strict", "--html", str(tmp_path / "report")]
    assert run(tmp_path, *arguments, truth=truth, predictions=predictions) == 1
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert "<b>1" not in page
    assert "VQA there is no prediction &lt;b&gt;1, " in words(tmp_path / "report" / "report.html")
    assert "and others 7" in words(tmp_path / "report" / "report.html")
    assert "not all four subtasks have a score" in page
