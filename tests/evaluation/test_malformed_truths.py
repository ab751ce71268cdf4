"""A malformed ground truth: what the organisers' scripts make of each shape of it, and how loudly that is told.

`Theirs` is written from what Python does with such values, as DIFFERENCES.md tells it (26), over words that are their
own normal forms; none of it is shared with what is tested.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contest.errors import ContestFileError
from contest.reading import read_ground_truth_lenient
from contest.tasks import task_by_key
from evaluation.__main__ import main
from evaluation.joining import ScoringFiles
from evaluation.metrics.cases import MODES, Stage
from evaluation.metrics.errors import AttemptAbortedError
from evaluation.results import read_result
from evaluation.scoring import score_run
from evaluation.statistics import Resampling
from evaluation.tasks import Metrics
from tests.evaluation.fakes import text, write_files

KEYS = ("textqa", "mathqa", "vqa", "text_recognition")
WORDS = ("кот", "дом", "лес", "нож")
SOUND = [{"type": "text", "content": ["кот"]}]


class Theirs:
    """The outcome of one file: a score, or None where their scripts raise."""

    def __init__(self, key: str, stage: Stage) -> None:
        self.key, self.stage = key, stage
        self.is_caught = key in ("textqa", "mathqa")

    def outcome(self, truths: dict[str, Any], answers: dict[str, Any]) -> float | None:
        try:
            if self.stage == "full":
                for entry in (*truths.values(), *answers.values()):
                    self.walk(entry)
        except Exception:
            return None
        try:
            return sum(self.scores(truths, answers)) / len(truths)
        except Exception:
            return 0.0 if self.is_caught else None

    def walk(self, entry: Any) -> None:
        json.dumps(entry, ensure_ascii=False).encode()
        for place in range(len(entry)):
            if entry[place]["type"] == "image":
                entry[place]["content"].split("/")
                return

    def scores(self, truths: dict[str, Any], answers: dict[str, Any]) -> Iterator[float]:
        kept: list[Any] = []
        for name, answer in answers.items():
            if self.key == "vqa":
                yield self.vqa(truths[name], answer)
                continue
            references = truths[name][0]["content"]
            if answer:
                texts = [item["content"] for item in answer if item["type"] == "text"]
                kept = [texts[0] if texts else ""]
            (given,) = kept
            best = max([getattr(self, self.key)(given, one) for one in references])
            if self.is_caught and best == 0:
                given.lower()  # where they look for a letter
            yield best
            print_of(references)

    def textqa(self, given: Any, one: Any) -> float:
        words = [normal(value) if value else "" for value in (one, given)]
        return float(words[0] == words[1])  # of one word each, there is nothing between 0 and 1

    def mathqa(self, given: Any, one: Any) -> float:
        return float(normal(one, keep="-") == normal(given, keep="-"))

    def text_recognition(self, given: Any, one: Any) -> float:
        if len(one) == 0 or len(given) == 0:
            return 0.0
        known = {element: None for part in (one, given) for element in (part[i] for i in range(len(part)))}
        assert known
        return 1 - distance(list(one), list(given)) / max(len(one), len(given))

    def vqa(self, truth: Any, answer: Any) -> float:
        texts = [item["content"] for item in answer if item["type"] == "text"]
        if not texts:
            return 0.0
        references = truth[0]["content"]
        print_of(references)
        given = joined(texts[0])
        found = 0.0
        for place in range(len(references)):
            reference = joined(references[place])
            found = max(found, float(bool(given) and reference == given))
        return found


def normal(value: Any, keep: str = "") -> str:
    small = value.lower()
    if any("\ud800" <= sign <= "\udfff" for sign in small):
        raise ValueError("pymorphy has no name for it")
    return " ".join("".join(sign for sign in small if sign.isalnum() or sign.isspace() or sign in keep).split())


def joined(value: Any) -> str:
    marks = frozenset("!,.-")
    whole = "".join(part for part in value if part not in marks).lower()
    return whole if isinstance(value, list) else normal(whole)


def print_of(value: Any) -> None:
    str(value).encode()


def distance(one: list[Any], other: list[Any]) -> int:
    row = list(range(len(other) + 1))
    for i, element in enumerate(one, start=1):
        before, row[0] = row[0], i
        for j, beside in enumerate(other, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (element != beside))
    return row[-1]


VALUES = ("кот", "", "!", None, 0, 5, 1.5, True, False, [], {}, ["кот"], ["к", "о", "т"], [["кот"]], {"кот": 1}, [None])
CONTENTS = (
    *VALUES,
    ["кот", None],
    [None, "кот"],
    [["кот"], "дом"],
    ["", 0],
    [1, True],
    [[1], [True]],
    [[[]]],
    {"дом": 0},
)
ENTRIES = (None, 5, "", "кот", [], {}, [[]], [None], ["кот"], [5], [{}], [{"type": "text"}], [{"content": ["кот"]}])


def malformed(draw: random.Random) -> Any:
    kind = draw.randrange(8)
    if kind == 0:
        return draw.choice(ENTRIES)
    if kind == 1:
        return [copy.deepcopy(SOUND[0]), draw.choice((None, {}, [], "кот", {"type": 5, "content": None}))]
    if kind == 2:
        return [{"type": draw.choice(("Text", None, 5, [], "image")), "content": draw.choice((["кот"], "кот", None))}]
    if kind == 3:
        return [{"type": "text", "content": [draw.choice(VALUES) for _ in range(draw.randint(1, 3))]}]
    if kind == 4:
        return [{"type": "text", "content": draw.choice((["кот", "\ud800"], "кот\udfff", {"\ud800": 1}))}]
    return [{"type": "text", "content": draw.choice(CONTENTS)}]


def drawn_file(number: int) -> tuple[str, dict[str, Any], dict[str, Any]]:
    draw = random.Random(number)
    count = draw.randint(1, 3)
    truths: dict[str, Any] = {str(i): copy.deepcopy(SOUND) for i in range(count)}
    truths[str(draw.randrange(count))] = malformed(draw)
    answers: dict[str, Any] = {str(i): text(draw.choice(WORDS)) for i in range(count)}
    if draw.random() < 0.3:
        odd = draw.choice((None, 0, [], "", {}, ["к", "о", "т"], [1], 5))
        answers[str(draw.randrange(count))] = draw.choice(([], [{"type": "text", "content": odd}]))
    return draw.choice(KEYS), truths, answers


def outcome(files: ScoringFiles, key: str, stage: Stage) -> float | None:
    try:
        return score_run(files, Metrics("official"), stage=stage, resampling=Resampling(5)).tasks[key].score
    except AttemptAbortedError:
        return None


@pytest.mark.parametrize("block", [0, 1, 2, *(pytest.param(block, marks=pytest.mark.slow) for block in range(3, 12))])
def test_a_malformed_truth_ends_as_theirs(block: int, tmp_path: Path) -> None:
    unlike = []
    for number in range(block * 40, block * 40 + 40):
        key, truths, answers = drawn_file(number)
        files = write_files(
            tmp_path, dict.fromkeys(truths, task_by_key(key).id), answers=answers, truths=truths, asked={}
        )
        files = ScoringFiles(files.predictions, files.ground_truth, files.ids)
        for stage in ("full", "evaluate"):
            expected, found = Theirs(key, stage).outcome(truths, answers), outcome(files, key, stage)
            if found != (None if expected is None else pytest.approx(expected, abs=1e-12)):
                unlike.append((number, key, stage, truths, answers, expected, found))
    assert not unlike


@pytest.mark.parametrize(
    ("key", "truth", "answer", "expected"),
    [
        ("textqa", [None, "кот"], None, 1.0),  # an empty text equals an empty one, and no letter is looked for
        ("textqa", ["кот", None], {}, 1.0),
        ("textqa", ["кот"], None, 0.0),
        ("mathqa", [None, "кот"], "кот", 0.0),
        ("vqa", [["кот"]], "кот", 1.0),
        ("vqa", [["к", "!", "от"]], "кот", 1.0),
        ("vqa", {}, "кот", 0.0),
        ("vqa", {"кот": 1}, "кот", None),
        ("vqa", [], 5, None),
        ("text_recognition", [["к", "о", "т"]], "кот", 1.0),
        ("text_recognition", {"кот": 1}, "кот", 1.0),
        ("text_recognition", [[1, True]], [1.0, 1], 1.0),
        ("text_recognition", [""], None, 0.0),
        ("text_recognition", [-1], "кот", None),
        ("text_recognition", [[-1]], [-2], 0.0),
        ("text_recognition", [[107]], "k", 0.0),
    ],
)
def test_what_a_reference_that_is_no_string_scores(
    key: str, truth: Any, answer: Any, expected: float | None, tmp_path: Path
) -> None:
    truths, answers = {"a": [{"type": "text", "content": truth}]}, {"a": [{"type": "text", "content": answer}]}
    write_files(tmp_path, {"a": task_by_key(key).id}, answers=answers, truths=truths)
    files = ScoringFiles(*(tmp_path / f"{name}.json" for name in ("predictions", "ground_truth", "ids")))
    assert outcome(files, key, "evaluate") == expected


def test_it_is_told_loudly_and_strict_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truths = {"a": SOUND, "b": [{"type": "text", "content": ["кот", None]}], "c": [{"type": "text", "content": [0]}]}
    write_files(tmp_path, dict.fromkeys(truths, 0), answers={name: text("кот") for name in truths}, truths=truths)
    given = [f"--{name}={tmp_path / name.replace('-', '_')}.json" for name in ("predictions", "ground-truth", "ids")]
    given += [f"--json={tmp_path}/result.json", f"--html={tmp_path}/report"]
    assert main(["score", *given]) == 0
    told = [line.removeprefix("evaluation score: warning: ") for line in capsys.readouterr().err.splitlines()]
    assert told[0].endswith(
        "malformed at 2 samples, read as the organisers' scripts read it (difference 26): correct it"
    )
    assert told[1] == "sample 'b': the ground truth is malformed (item 0: reference 1 is null)"
    result = read_result(tmp_path / "result.json")
    assert list(result.truth_faults) == told[:3]
    assert result.tasks["textqa"].score == pytest.approx(2 / 3)
    messages = {note.sample_id: note.message for note in result.tasks["textqa"].notes if note.defect == 26}
    assert messages["b"].endswith("its references are read as the string 'кот', null")
    assert set(messages) == {"b", "c"}
    page = (tmp_path / "report/report.html").read_text("utf-8")
    assert "malformed at 2 samples" in page
    assert main(["score", "--mode=strict", *given]) == 2
    assert "ground_truth.json, sample 'b', item 0" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "[1]", "null", '{"a": [', None], ids=lambda content: repr(content))
def test_a_file_that_is_no_object_stops_both_modes(content: str | None, tmp_path: Path) -> None:
    files = write_files(tmp_path, {"a": 0})
    files.ground_truth.unlink()
    if content is not None:
        files.ground_truth.write_text(content)
    for mode in MODES:
        with pytest.raises(ContestFileError, match=r"ground_truth\.json"):
            score_run(files, Metrics(mode), mode=mode)


def test_an_abort_by_it_asks_for_another_truth_and_not_for_another_mode(tmp_path: Path) -> None:
    files = write_files(tmp_path, {"a": 5}, truths={"a": [{"type": "text", "content": [5]}]})
    with pytest.raises(AttemptAbortedError, match="correct the ground truth") as stopped:
        score_run(files, Metrics("official"))
    assert (stopped.value.sample_id, stopped.value.defect) == ("a", 26)


def test_a_truth_that_is_read_as_it_is_found_keeps_what_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "ground_truth.json"
    path.write_text('{"a": [{"type": "text", "content": ["x", null]}, 5], "b": [NaN], "a": 5, "c": {"type": "text"}}')
    found = read_ground_truth_lenient(path)
    assert [(name, truth.texts, truth.unsound is None) for name, truth in found.items()] == [
        ("a", (), False),
        ("b", (), False),
        ("c", (), False),
    ]
    path.write_text('{"a": [1, 2, 3, 4, 5, 6], "a": [{"type": "text", "content": ["x"]}]}')  # more than are kept
    (truth,) = read_ground_truth_lenient(path).values()
    assert truth.texts == ("x",)
    assert truth.unsound is not None
    assert [error.message for error in truth.unsound.errors] == ["and 3 more errors"]
    path.write_text('{"a": [{"type": "text", "content": ["x", null]}, 5, {"type": "image", "content": "i.jpg"}]}')
    (truth,) = read_ground_truth_lenient(path).values()
    assert (truth.texts, truth.images) == (("x",), ("i.jpg",))
    assert truth.unsound is not None
    assert [error.item for error in truth.unsound.errors] == [0, 1]


def test_scoring_with_a_report_reads_each_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, {"a": 0, "b": 1})
    given = [f"--{name}={tmp_path / name.replace('-', '_')}.json" for name in ("predictions", "ground-truth", "ids")]
    read: list[str] = []

    def opened(path: str, mode: str) -> Any:
        read.append(Path(path).name)
        return open(path, mode)

    monkeypatch.setattr("contest.streaming.open", opened, raising=False)
    made = [f"--json={tmp_path}/r.json", f"--csv={tmp_path}/r.csv", f"--html={tmp_path}/report"]
    assert main(["score", *given, f"--input={tmp_path}", *made]) == 0
    assert sorted(read) == ["ground_truth.json", "ids.json", "input.json", "predictions.json"]
