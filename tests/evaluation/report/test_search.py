"""What the report's page knows of every sample, its bounds, and one note for each kind."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from contest.ground_truth import GroundTruth, References
from contest.items import Item, Sample
from evaluation.metrics.cases import Note
from evaluation.report.build import overview
from evaluation.report.notes import KINDS, OTHER_KINDS, grouped_notes
from evaluation.report.samples import ReportFiles, Shelf
from evaluation.report.search import IDS_BYTES, TEXTS_BYTES, as_json, search_index
from evaluation.results import TaskResult
from tests.evaluation.report.conftest import ATTACK, Run
from tests.evaluation.report.test_report import Page


def files_of(names: list[str], text: str) -> ReportFiles:
    samples = {name: Sample(name, (Item("text", text),)) for name in names}
    truths = {name: GroundTruth(name, (References("text", (text,)),)) for name in names}
    shelf = Shelf(samples, Path(), is_ours=True)
    return ReportFiles(shelf, shelf, Shelf(truths, Path(), is_ours=True), None)


def task_of(names: list[str], key: str = "textqa", notes: tuple[Note, ...] = ()) -> TaskResult:
    scores = {name: 1 - number / len(names) for number, name in enumerate(names)}
    return TaskResult(key, 0.5, "s", scores, notes=notes)


def index_of(names: list[str], text: str = "кот", **bounds: int) -> dict[str, Any]:
    return search_index([task_of(names)], files_of(names, text), {}, **bounds)


def test_all_of_a_small_test_is_there() -> None:
    index = index_of(["a", "b"])
    (task,) = index["tasks"]
    assert index["left_out"] == 0
    assert (task["key"], task["title"], task["ids"], task["scores"]) == ("textqa", "TextQA", ["a", "b"], [1.0, 0.5])
    assert task["texts"] == {"1": [["кот"]] * 3, "0": [["кот"]] * 3}


def test_texts_end_with_their_room_the_lowest_scores_first() -> None:
    (task,) = index_of(["a", "b", "c"], text="x" * 10, texts_bytes=140)["tasks"]
    assert list(task["texts"]) == ["2", "1"]


def test_ids_end_with_their_room_and_the_rest_is_counted() -> None:
    index = index_of(["a" * 10, "b" * 10, "c" * 10], ids_bytes=90)
    assert index["tasks"][0]["ids"] == ["a" * 10, "b" * 10]
    assert index["left_out"] == 1


@pytest.mark.parametrize("text", ["кот", "<'&" * 100], ids=["short", "hostile"])
def test_a_hundred_thousand_samples_stay_bounded(text: str) -> None:
    names = [f"sample-{number}" for number in range(100_000)]
    index = index_of(names, text)
    assert len(as_json(index).encode()) < IDS_BYTES + TEXTS_BYTES
    assert index["left_out"] == 0


@pytest.mark.parametrize("text", ["\ud800", "</script>", "\x00\x1b", '"\\'])
def test_room_is_counted_as_the_page_has_it(text: str) -> None:
    names = [f"{text}{number}" for number in range(200)]
    index = index_of(names, text * 50, ids_bytes=9_000, texts_bytes=20_000)
    assert len(as_json(index).encode(errors="replace")) < 29_000 + 500


def test_notes_of_a_sample_are_told_by_their_kinds() -> None:
    notes = (Note("b", None, "x: 1"), Note("b", None, "x: 2"), Note("a", 2, "y"), Note("gone", None, "z"))
    index = search_index([task_of(["a", "b"], notes=notes)], files_of(["a", "b"], "кот"), {})
    (task,) = index["tasks"]
    assert [kind[:12] for kind in task["kinds"]] == ["x", "difference 2", "z"]
    assert task["notes"] == {"1": [0], "0": [1]}


def test_one_note_a_kind_with_its_count() -> None:
    notes = [Note(str(number), None, f"the answer is unsound, scored 0: item {number}") for number in range(9)]
    notes += [Note("a", 3, "x"), Note("b", 3, "y")]
    first, second = grouped_notes(notes)
    assert (first.kind, first.count, len(first.first)) == ("the answer is unsound, scored 0", 9, 5)
    assert (second.kind[:12], second.count) == ("difference 3", 2)


def test_kinds_are_bounded_too() -> None:
    """A result may come from a file that somebody else wrote."""
    groups = grouped_notes(Note("a", None, f"{'x' * 200}{number}") for number in range(50_000))
    assert [group.count for group in groups] == [50_000]
    groups = grouped_notes(Note("a", None, f"kind {number}") for number in range(50_000))
    assert len(groups) == KINDS + 1
    assert (groups[-1].kind, groups[-1].count) == (OTHER_KINDS, 50_000 - KINDS)


def test_the_page_runs_our_script_and_holds_the_index_as_text(run: Run, tmp_path: Path) -> None:
    source = run.report(tmp_path).read_text("utf-8")
    (data,) = re.findall(r'<script type="application/json" id="index">(.*?)</script>', source, re.DOTALL)
    tasks = json.loads(data)["tasks"]
    assert [task["key"] for task in tasks] == list(run.result.tasks)
    assert tasks[0]["texts"]["0"][1] == [ATTACK]
    assert Page(source).tags["script"] == 2
    assert len(re.findall(r"script-src 'sha256-[^']+'\"", source)) == 1


def test_an_overview_shows_no_sample(run: Run) -> None:
    source = overview(run.result)
    page = Page(source)
    assert page.tags["script"] == page.tags["img"] == 0
    assert "textqa-0" not in source
    assert "search" not in page.ids
    assert "7 notes: difference 10" in page.text("task-textqa")
    assert "the fallback found a letter" not in source
    assert "co2" not in page.ids
    assert [address for address in page.addresses if address[:1] == "#" and address[1:] not in page.ids] == []
