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
    assert "<i>" not in page
    assert "<b>1<" not in page
    assert "VQA there is no prediction &lt;b&gt;1, " in words(tmp_path / "report" / "report.html")
    assert "and others 7" in words(tmp_path / "report" / "report.html")
    assert "not all four subtasks have a score" in page


def cards(path: Path, subtask: str) -> str:
    page = path.read_text("utf-8")
    start = page.index(f'id="samples-{subtask}"')
    article = page[start : page.index("</article>", start)]
    return " ".join(re.sub(r"<[^>]+>", " ", article).split())


def test_the_best_and_the_worst_samples_are_shown(tmp_path: Path, capsys: Any) -> None:
    assert run(tmp_path, "--html", str(tmp_path / "report")) == 0
    path = tmp_path / "report" / "report.html"
    assert "Worst 0.png 0.0000 Answer слава 0 References слово 0 Best 1.png 1.0000 Answer слово 1" in cards(path, "HTR")
    answers = cards(path, "VQA")
    assert answers.count("Question ? Answer пёс References кот") == 2
    assert answers.count("1.0000 Question ? Answer Коты References кот") == 4
    boxes = cards(path, "zsOD")
    assert "Worst 0.jpg 0.0000 Answer кот: [] дом: [] References кот: [[0, 0, 10, 10]] дом: []" in boxes
    code = cards(path, "C2C")
    assert "Worst" not in code
    assert "0 1.0000 Answer def f(a): b = a + 0 return b References def f(a):" in code
    anchors = re.findall(r'<div class="card" id="([^"]*)"', path.read_text("utf-8"))
    assert "worst-HTR-0" in anchors
    assert len({*anchors, ""}) == len(anchors) + 1
    assert "95 %: " in words(path)
    assert "interval:wilson|confidence:0.95|documents:none|v:2" in words(path)
    assert "interval:wilson-clustered|confidence:0.95|documents:5|v:2" in words(path)


def test_cards_of_odd_answers(tmp_path: Path, capsys: Any) -> None:
    truth = {"HTR": {"<i>0": "дом", "1": "", "2": 5}, "zsOD": {"a.jpg": {"кот": []}, "b.jpg": {"кот": [[0, 0, 1, 1]]}}}
    predictions = {"HTR": {"<i>0": ["<b>дом"], "2": "x" * 5000}, "zsOD": {"a.jpg": {"кот": []}, "b.jpg": {"кот": []}}}
    arguments = ["--mode", "strict", "--html", str(tmp_path / "report")]
    assert run(tmp_path, *arguments, truth=truth, predictions=predictions) == 1
    path = tmp_path / "report" / "report.html"
    readings = cards(path, "HTR")
    assert "&lt;i&gt;0 0.0000 Answer [&#34;&lt;b&gt;дом&#34;] References дом the prediction is no text" in readings
    assert "1 0.0000 Answer none References empty text there is no prediction" in readings
    assert "… (2000 more characters) References 5" in readings
    assert "a.jpg" not in cards(path, "zsOD")  # no box on either side: nothing to score
