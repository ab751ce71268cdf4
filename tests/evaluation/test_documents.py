"""Samples that share a passage or a picture, as the input shows them."""

from pathlib import Path

import pytest

from contest.ground_truth import GroundTruth, References
from contest.items import Item, Sample
from contest.tasks import Task, task_by_key
from evaluation.documents import documents_of
from evaluation.metrics.cases import Case
from evaluation.scoring import score_run
from tests.evaluation.fakes import equality_of, write_files

PASSAGE = "Кит живёт в море. " * 10
TRUTH = GroundTruth("0", (References("text", ("да",)),))


def cases_of(*asked: list[Item] | None, root: Path | None = None) -> list[Case]:
    return [
        Case(str(number), TRUTH, None, None if items is None else Sample(str(number), tuple(items)), input_root=root)
        for number, items in enumerate(asked)
    ]


def texts(*contents: str) -> list[Item]:
    return [Item("text", content) for content in contents]


def picture(content: str) -> list[Item]:
    return [Item("text", "Что это?"), Item("image", content)]


@pytest.mark.parametrize("key", ["textqa", "hidden1"])
def test_questions_on_one_passage(key: str) -> None:
    cases = cases_of(
        texts("Ответь.", PASSAGE, "Где живёт кит?"), texts("Ответь.", "Где?", "Где?"),
        texts(PASSAGE, "Кто живёт в море?"), texts("Ответь.", "Где?"), texts(PASSAGE + "!", "Кто?"), None,
    )  # fmt: skip
    assert documents_of(task_by_key(key), cases) == (0, 1, 0, 2, 3, 4)
    assert documents_of(task_by_key(key), cases[1:]) is None


@pytest.mark.parametrize("key", ["vqa", "captioning", "text_recognition", "hidden5"])
def test_questions_about_one_picture(key: str, tmp_path: Path) -> None:
    for name, content in {"a": b"xy", "b": b"xy", "c": b"xz", "d": b"xyz"}.items():
        (tmp_path / name).write_bytes(content)
    cases = cases_of(*map(picture, ("a", "c", "b", "a", "d", "gone", "gone", "../a")), texts("?"), root=tmp_path)
    assert documents_of(task_by_key(key), cases) == (0, 1, 0, 0, 2, 3, 3, 4, 5)


@pytest.mark.parametrize("task", [task_by_key("mathqa"), task_by_key("generation")])
def test_mathematics_and_drawings_have_no_documents(task: Task) -> None:
    assert documents_of(task, cases_of(texts(PASSAGE), texts(PASSAGE))) is None


def test_scores_of_one_passage_have_a_wider_interval(tmp_path: Path) -> None:
    ids = {str(number): 0 for number in range(40)}
    answers = {key: [{"type": "text", "content": "yes" if int(key) < 20 else "no"}] for key in ids}
    asked = {
        key: [{"type": "text", "content": f"{int(key) // 8} {PASSAGE}"}, {"type": "text", "content": key}]
        for key in ids
    }
    files = write_files(tmp_path, ids, answers=answers, asked=asked)
    task = score_run(files, equality_of()).tasks["textqa"]
    assert task.documents == tuple(number // 8 for number in range(40))
    assert task.statistics == "interval:wilson-clustered|confidence:0.95|documents:5|v:2"
    assert task.interval is not None
    assert task.interval[1] - task.interval[0] > 0.5
