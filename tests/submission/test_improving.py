"""What comes after first answers: the way that pays most a second, on samples that have all that they need already."""

from pathlib import Path
from typing import Any

import pytest

import submission.picture_files as picture_files_module
import submission.scheduler as scheduler_module
from contest.errors import Code, ContestError
from contest.writing import write_bytes
from submission.deadline import RunStatus, RunStopped
from submission.engine import Engine, GeneratedImage
from submission.improving import Payoff, Turn
from tests.submission.conftest import Finished, Start, Write, image, text

pytestmark = pytest.mark.usefixtures("asked_twice")
BUNDLED = Path(__file__).parents[2] / "weights"
SAMPLES = {
    "0": [text("Роман живёт в Уфе. Нина живёт в Омске."), text("Верно ли, что Роман живёт в Омске?")],
    "1": [text("Роман любит мёд."), text("Что любит Роман?"), text("a) мёд; b) суп")],
    "2": [text("красный круг на белом фоне")],
    "3": [image("images/red.png"), text("Какого цвета?"), text("а) красный; б) синий")],
}


def turn(phase: str, samples: str = "abcdef", *, spare: bool = False) -> Turn:
    return Turn(phase, list(samples), lambda batch: batch, lambda sample, result: True, spare)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("payoff", "turns", "phase", "samples"),
    [
        ({}, [turn("texts")], "texts", "abcdef"),  # nothing to compare with: no trial
        ({}, [turn("texts"), turn("pictures")], "texts", "ab"),
        ({"texts": (1, 1.0)}, [turn("texts"), turn("pictures")], "pictures", "ab"),
        ({"texts": (3, 1.0), "pictures": (4, 2.0)}, [turn("texts"), turn("pictures")], "texts", "abcdef"),
        ({"texts": (3, 2.0), "pictures": (4, 2.0)}, [turn("texts"), turn("pictures")], "pictures", "abcdef"),
        ({"texts": (0, 2.0), "pictures": (4, 2.0)}, [turn("texts"), turn("pictures", spare=True)], "texts", "abcdef"),
        ({"pictures": (4, 2.0)}, [turn("pictures", spare=True)], "pictures", "abcdef"),
    ],
)
def test_the_next_turn_is_the_one_that_pays_most_a_second(
    payoff: dict[str, tuple[int, float]], turns: list[Turn], phase: str, samples: str
) -> None:
    known = Payoff()
    for name, (better, seconds) in payoff.items():
        known.add(name, better, seconds)
    taken = known.next_turn(turns, lambda phase: 2)
    assert (taken.phase, "".join(map(str, taken.samples))) == (phase, samples)


def records(run: Finished) -> list[tuple[str, str]]:
    kinds = {(True, "answer"): "first", (False, "answer"): "answer", (False, "draw"): "draw"}
    return [(kinds["again" in record, record["phase"]], record["id"]) for record in run.journal[1:]]


def test_first_answers_and_pictures_come_first_and_what_is_better_afterwards(submit: Start, write_input: Write) -> None:
    source = write_input(SAMPLES)
    run = submit(source, "--weights", str(BUNDLED), "--batch-size", "1", "--draws", "2")
    assert run.status == 0, run.stderr
    order = records(run)
    assert sorted(order[:7]) == sorted(
        [("first", "0"), ("first", "1"), ("first", "3"), ("answer", "2"), *[("draw", key) for key in "012"]]
    )
    assert sorted(order[7:]) == sorted([*[("answer", key) for key in "013"], *[("draw", key) for key in "012"]])
    assert run.predictions["0"][0]["content"] in ("да", "нет")
    assert run.predictions["1"][0]["content"] == "мёд"


def test_an_order_by_another_payoff_changes_no_answer(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_input(SAMPLES)
    runs = []
    for slow in ("ask again", "improve"):

        class Rated(Payoff):
            def rate(self, phase: str, slow: str = slow) -> float:
                return 0.0 if phase == slow else 1.0

        monkeypatch.setattr(scheduler_module, "Payoff", Rated)
        runs.append(submit(source, "--weights", str(BUNDLED), "--draws", "2", output=slow))
    assert [records(run)[-1][0] for run in runs] == ["answer", "draw"]
    assert runs[0].predictions == runs[1].predictions


def test_who_cannot_be_asked_again_keeps_the_first_answer(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> list[str]:
        raise RuntimeError("no second time")

    monkeypatch.setattr(Engine, "ask_again", fail)
    run = submit(write_input({"1": SAMPLES["1"], "2": SAMPLES["2"]}), "--weights", str(BUNDLED))
    assert run.status == 1
    assert run.predictions["1"][0]["content"] in ("мёд", "суп")
    (problem,) = run.report["problems"]
    assert (problem["sample_id"], problem["phase"], problem["instead"]) == ("1", "ask again", "its first answer stays")
    assert run.report["missing"] == {"answers": [], "pictures": []}


def test_a_restarted_run_encodes_the_picture_of_who_is_asked_again(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_input({"3": SAMPLES["3"]})
    assert records(first_answer_alone(submit, source, monkeypatch)) == [("first", "3")]
    run = submit(source, "--weights", str(BUNDLED))
    assert records(run) == [("first", "3"), ("answer", "3")]
    assert {name: phase["samples"] for name, phase in run.report["phases"].items() if phase["samples"]} == {
        "encode": 1, "ask again": 1
    }  # fmt: skip
    assert run.predictions == submit(source, "--weights", str(BUNDLED), output="whole").predictions


def first_answer_alone(submit: Start, source: Path, monkeypatch: pytest.MonkeyPatch) -> Finished:
    """A run that ends when first answers are there."""
    with monkeypatch.context() as patch:
        patch.setattr(scheduler_module.Scheduler, "_improve", lambda self: None)
        return submit(source, "--weights", str(BUNDLED))


def test_a_first_answer_stays_where_a_restarted_run_does_not_see_its_picture(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_input({"3": SAMPLES["3"]})
    first = first_answer_alone(submit, source, monkeypatch)
    picture = source / "images" / "red.png"
    away = picture.rename(source / "red.png")
    blind = submit(source, "--weights", str(BUNDLED))
    assert (blind.status, blind.predictions) == (1, first.predictions)
    (problem,) = blind.report["problems"]
    assert (problem["phase"], problem["instead"]) == ("picture", "its first answer stays")
    assert records(blind) == [("first", "3")]
    away.rename(picture)
    assert records(submit(source, "--weights", str(BUNDLED))) == [("first", "3"), ("answer", "3")]


def test_a_better_picture_that_cannot_be_written_is_not_drawn_for_ever(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    best_of_n, drawn = Engine.best_of_n, 0

    def another(*arguments: Any) -> list[tuple[GeneratedImage, bool]]:
        nonlocal drawn
        drawn += 1
        assert drawn < 10, "drawn again and again"
        return [(picture, True) for picture, _ in best_of_n(*arguments)]

    def once(path: Path, data: bytes) -> None:
        if drawn:
            raise ContestError(Code.WRITE_FAILED, "not written: Input/output error", file=path)
        write_bytes(path, data)

    monkeypatch.setattr(Engine, "best_of_n", another)
    monkeypatch.setattr(picture_files_module, "write_bytes", once)
    run = submit(write_input({"2": SAMPLES["2"]}), "--weights", str(BUNDLED), "--draws", "2")
    assert (run.status, drawn) == (1, 1)
    assert [problem["instead"] for problem in run.report["problems"]] == [
        "the picture drawn is lost, and what was there stays"
    ]
    assert [record["draws"] for record in run.journal[1:] if record["phase"] == "draw"] == [1]


def test_who_waits_is_asked_again_when_the_time_for_drawing_is_over(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*arguments: object) -> None:
        raise RunStopped(RunStatus.TIME_LIMIT)

    class PicturesFirst(Payoff):
        def rate(self, phase: str) -> float:
            return float(phase == "improve")

    monkeypatch.setattr(Engine, "best_of_n", late)
    monkeypatch.setattr(scheduler_module, "Payoff", PicturesFirst)
    run = submit(write_input(SAMPLES), "--weights", str(BUNDLED), "--draws", "2")
    assert (run.status, run.report["ended"]) == (3, "time limit")
    assert sorted(key for kind, key in records(run) if kind == "answer") == ["0", "1", "2", "3"]
