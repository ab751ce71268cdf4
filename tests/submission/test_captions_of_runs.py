"""Captions drawn again in whole runs: when, what a kill or a merge leaves of them, and what spare time buys."""

import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import submission.captioning as captioning
import submission.deadline as deadline_module
import submission.scheduler as scheduler_module
from submission.__main__ import main
from submission.captions import CaptionChoice, consensus
from submission.engine import Engine
from submission.image_encoder import EncoderThread
from submission.improving import Payoff
from submission.journal import Journal, read_journals
from submission.peers import PeerProcesses
from submission.profiles import PROFILES, TUNED
from submission.report import RankResult, RunSummary
from submission.sharding import Shard
from tests.submission.conftest import Finished, Start, Write, image, text
from tests.submission.test_resume import KILL

SAMPLES = {
    "0": [image("images/red.png"), text("Опиши изображение.")],
    "1": [text("Что на картинке?"), image("images/red.png")],
    "2": [text("дом")],
    "3": [image("images/red.png"), text("Какого цвета дом?")],
}


def draw_captions(monkeypatch: pytest.MonkeyPatch, choice: CaptionChoice) -> None:
    monkeypatch.setitem(PROFILES, "tuned", replace(TUNED, captions=choice))


def records(run: Finished) -> list[tuple[str, str, int]]:
    return [(record["phase"], record["id"], record.get("draws", 0)) for record in run.journal[1:]]


def test_first_answers_come_first_then_captions(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_input(SAMPLES)
    once = submit(source, output="once")
    draw_captions(monkeypatch, CaptionChoice(num_samples=10))
    run = submit(source)
    assert run.status == 0, run.stderr
    assert sorted(records(run)[:5]) == sorted([("answer", key, 0) for key in "0123"] + [("draw", "2", 1)])
    assert records(run)[5:] == [("answer", key, draws) for draws in (9, 11) for key in "01"]
    assert run.report["phases"]["captions"]["samples"] == 4
    *_, last = (record for record in run.journal[1:] if record["id"] == "0")
    assert sum(last["said"].values()) == 11
    assert last["text"] == run.predictions["0"][0]["content"] == consensus(last["said"])
    first = next(record["text"] for record in once.journal[1:] if record["id"] == "0")
    assert next(iter(last["said"])) == first  # the first answer is the one that a run without more gives
    assert {key: run.predictions[key] for key in "23"} == {key: once.predictions[key] for key in "23"}
    assert run.report["cost"]["answers"]["tokens"] > once.report["cost"]["answers"]["tokens"]
    draw_captions(monkeypatch, CaptionChoice(num_samples=10))
    assert submit(source, "--batch-size", "1", output="one by one").predictions == run.predictions


# `draw_captions` for a process: sabotage of `start`.
DRAW_CAPTIONS = """
from dataclasses import replace
from submission.captions import CaptionChoice
from submission.profiles import PROFILES
PROFILES["tuned"] = replace(PROFILES["tuned"], captions=CaptionChoice(num_samples=16))
"""


def test_a_run_killed_between_captions_goes_on(
    start: Start, submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_input(SAMPLES)
    killed = start(source, "--batch-size", "1", sabotage=DRAW_CAPTIONS + KILL.format(after=9))
    assert killed.status == -9
    assert [record["draws"] for record in killed.journal_whole if "said" in record] == [9, 9, 17]
    draw_captions(monkeypatch, CaptionChoice(num_samples=16))
    resumed = submit(source, "--batch-size", "1")
    phases = {name: phase["samples"] for name, phase in resumed.report["phases"].items() if phase["samples"]}
    assert phases == {"encode": 1, "captions": 1}
    whole = submit(source, "--batch-size", "1", output="whole")
    assert (resumed.status, resumed.predictions) == (0, whole.predictions)
    assert sorted(records(resumed)) == sorted(records(whole))
    assert [record for record in resumed.journal[1:] if "said" in record] == [
        record for record in whole.journal[1:] if "said" in record
    ]
    again = submit(source, "--batch-size", "1")
    assert not any(phase["samples"] for phase in again.report["phases"].values())


@pytest.mark.parametrize("captions", [True, False], ids=["captions too", "drawings alone"])
def test_a_budget_is_spent_on_what_the_profile_draws_again(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch, captions: bool
) -> None:
    ahead, now = [0.0], deadline_module.time.monotonic

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return now() + sum(ahead)

    monkeypatch.setattr(deadline_module, "time", Clock)
    best_of_n, several_texts = Engine.best_of_n, Engine.several_texts

    def slow(engine: Engine, *arguments: Any) -> Any:
        ahead.append(1000.0)
        return best_of_n(engine, *arguments)

    def slow_too(engine: Engine, *arguments: Any) -> Any:
        ahead.append(1000.0)
        return several_texts(engine, *arguments)

    class InTurns(Payoff):
        def rate(self, phase: str) -> float:
            return -self.seconds.get(phase, 0.0) if phase not in order else 1e9 - order.index(phase)

        def add(self, phase: str, better: int, seconds: float) -> None:
            order[:] = [*(each for each in order if each != phase), phase]
            super().add(phase, better, seconds)

    order = ["captions", "improve"]
    monkeypatch.setattr(Engine, "best_of_n", slow)
    monkeypatch.setattr(Engine, "several_texts", slow_too)
    monkeypatch.setattr(scheduler_module, "Payoff", InTurns)
    if captions:
        draw_captions(monkeypatch, CaptionChoice())
    samples = {key: SAMPLES[key] for key in "02"}
    run = submit(write_input(samples), "--time-limit", "100000", "--time-budget", "3500")
    assert (run.status, run.report["ended"]) == (0, "finished"), run.stderr
    more = records(run)[3:]
    if captions:  # what the profile asks for comes first, then both ways take turns; the last turn takes them over it
        assert more == [("answer", "0", 9), ("draw", "2", 4), ("answer", "0", 17), ("draw", "2", 8)]
        whole = submit(write_input(samples), "--time-limit", "100000", "--time-budget", "3500")  # none is left of it
        assert records(whole)[3:] == more
    else:
        assert more == [("draw", "2", draws) for draws in (4, 8, 12, 16)]


@pytest.mark.parametrize(
    ("said", "best"),
    [
        (["", ""], None),  # nothing came: the first answer stays
        (["кот", "кот"], "кот"),
        (["кот", ""], None),  # of two the first
    ],
)
def test_odd_draws(
    submit: Start,
    write_input: Write,
    monkeypatch: pytest.MonkeyPatch,
    said: list[str],
    best: str | None,
) -> None:
    draw_captions(monkeypatch, CaptionChoice(num_samples=2))
    monkeypatch.setattr(Engine, "several_texts", lambda self, queries, *rest: [said] * len(queries))
    source = write_input({"0": SAMPLES["0"]})
    run = submit(source)
    assert run.status == 0, run.stderr
    first = run.journal[1]["text"]
    assert run.predictions["0"] == [text(first if best is None else best)]
    assert run.journal[2]["draws"] == 3


def test_one_more_caption_than_the_first(submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_captions(monkeypatch, CaptionChoice(num_samples=1))
    run = submit(write_input({"0": SAMPLES["0"]}))
    assert (run.status, records(run)) == (0, [("answer", "0", 0), ("answer", "0", 2)])
    assert run.journal[2]["text"] == run.journal[1]["text"]


def test_who_cannot_be_captioned_again_keeps_the_answer(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> list[list[str]]:
        raise RuntimeError("no second time")

    source = write_input({"0": SAMPLES["0"], "cut": [image("images/cut.png"), *SAMPLES["1"][:1]], "away": [
        image("images/none.png"), *SAMPLES["1"][:1]]})  # fmt: skip
    draw_captions(monkeypatch, CaptionChoice())
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "several_texts", fail)
        run = submit(source)
    assert run.status == 1
    assert all(answer[0]["content"] for answer in run.predictions.values())
    problems = {(each["sample_id"], each["phase"]): each["instead"] for each in run.report["problems"]}
    assert problems["0", "captions"] == "its best caption so far stays"
    assert problems["away", "picture"] == "answered from its text alone"
    assert ("away", "captions") not in problems
    resumed = submit(source)  # who has a problem is tried again, and who has none yet
    assert [record["draws"] for record in resumed.journal[1:] if record["id"] == "0" and "said" in record] == [9]
    assert resumed.predictions["away"] == run.predictions["away"]


def test_captions_that_cannot_be_compared_leave_the_answer(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> list[list[float]]:
        raise RuntimeError("no score")

    draw_captions(monkeypatch, CaptionChoice(num_samples=2, score="likelihood"))
    monkeypatch.setattr(Engine, "several_texts", lambda *_: [["кот", "пёс"]])
    source = write_input({"0": SAMPLES["0"]})
    with monkeypatch.context() as patch:
        patch.setattr(captioning, "_scores", fail)
        run = submit(source)
    (problem,) = run.report["problems"]
    assert (run.status, records(run)) == (1, [("answer", "0", 0)])
    assert run.predictions["0"] == [text(run.journal[1]["text"])]
    assert (problem["sample_id"], problem["phase"], problem["error"], problem["instead"]) == (
        "0", "captions", "no score", "its best caption so far stays")  # fmt: skip


def test_journals_merge_by_most_captions(tmp_path: Path) -> None:
    configuration = {"seed": 0, "weights_sha256": {"a": "1"}}
    drawn: dict[int, list[tuple[str, dict[str, int] | None]]] = {
        0: [("первый", None), ("второй", {"первый": 1, "второй": 2})],
        1: [("лучший", {"лучший": 4, "": 1})],
        2: [("четвёртый", {"четвёртый": 2}), ("последний", None)],
    }
    for process, texts in drawn.items():
        with Journal(tmp_path, process) as journal:
            journal.resume(configuration)
            for answer, said in texts:
                journal.add_answer("x", answer, said=said)
    for process in drawn:
        with Journal(tmp_path, process) as journal:
            known = journal.resume(configuration)
            assert (known.answers, known.said, known.draws("x")) == ({"x": "лучший"}, {"x": {"лучший": 4, "": 1}}, 5)
    assert read_journals(tmp_path, configuration).answers == {"x": "лучший"}
    nothing: Any = SimpleNamespace(answers={}, pictured=set(), images={})
    assert PeerProcesses(tmp_path, Shard(0, 3), configuration).known(nothing) == ({"x": "лучший"}, set())
    with (tmp_path / "journal.1.jsonl").open("a", encoding="utf-8") as file:
        wrong = {"phase": "answer", "id": "x", "text": "кто", "draws": 9, "said": {"кто": 8}}  # a damaged line
        file.write(json.dumps(wrong) + "\n")
    assert read_journals(tmp_path, configuration).answers == {"x": "лучший"}


def test_merged_shares_keep_how_many_captions_there_were(
    submit: Start, write_input: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_captions(monkeypatch, CaptionChoice(num_samples=2))
    source = write_input({key: SAMPLES[key] for key in "01"})
    alone = submit(source, "--batch-size", "1", output="alone")
    for number in range(2):
        assert submit(source, "--batch-size", "1", "--shard", f"{number}/2", output="shares").status == 0
    paths = ["--input", str(source), "--output", str(tmp_path / "shares")]
    assert [main(["merge", *paths]) for _ in range(2)] == [0, 0]
    for number in range(2):
        (tmp_path / "shares" / f"share-0000{number}-of-00002").rename(tmp_path / f"{number}")
    merged = submit(source, "--batch-size", "1", output="shares")
    assert merged.predictions == alone.predictions
    assert [record["draws"] for record in merged.journal[1:]] == [3, 3]
    assert not any(phase["samples"] for phase in merged.report["phases"].values())


def test_the_report_has_the_answer_among_most_draws() -> None:
    """A process that was lost tells what its journal has, of another process's samples too."""
    results = [
        RankResult(0, {}, answers={"a": "лучший", "b": "да"}, draws={"a": 9}),
        RankResult(1, {}, answers={"a": "первый", "b": "нет"}),
    ]
    for order in (results, results[::-1]):
        assert RunSummary({}, [], order).answers["a"] == "лучший"
    report = RunSummary({}, [], results)
    assert report.answers["b"] == "нет"
    report.take_answers({"a": "девятый", "b": "ни", "c": "третий"}, {"a": 9}, earlier=True)  # what journals know
    assert report.answers == {"a": "лучший", "b": "нет", "c": "третий"}
    report.take_answers({"a": "десятый"}, {"a": 10}, earlier=True)
    assert report.answers["a"] == "десятый"
    assert RankResult.from_json(results[0].to_json()) == results[0]


def test_what_a_lost_process_began_and_another_ended_is_the_others(tmp_path: Path) -> None:
    """Its journal may be of a run that shared the samples out otherwise."""
    configuration = {"seed": 0, "weights_sha256": {"a": "1"}}
    with Journal(tmp_path, 1) as first, Journal(tmp_path, 2) as second:
        for journal, again in ((first, True), (second, False)):
            journal.resume(configuration)
            journal.add_answer("a", "первый" if again else "последний", again=again)
            journal.add_answer("b", "первый", again=True)
    peers = PeerProcesses(tmp_path, Shard(0, 3), configuration)
    peers.handed_in = {1: None, 2: None}
    lost, _ = peers.results()
    assert lost.answers == {"a": "последний", "b": "первый"}
    here = RankResult(0, {}, answers={"b": "последний"})
    assert RunSummary({}, [], [here, lost]).answers == {"a": "последний", "b": "последний"}


@pytest.mark.parametrize("budget", [True, False], ids=["in spare time", "as the profile asks"])
def test_a_restart_waits_for_pictures_no_longer_than_they_are_of_use(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch, budget: bool
) -> None:
    """Where only spare time is for them until that is over; otherwise until somebody asks the run to end."""
    encode, end, given_up, set_timer = Engine.encode, EncoderThread.end, threading.Event(), signal.setitimer

    def slow(*arguments: Any) -> Any:
        if not budget:
            os.kill(os.getpid(), signal.SIGTERM)
        assert given_up.wait(10)
        return encode(*arguments)

    def ended(encoder: EncoderThread) -> Any:
        how = end(encoder)
        given_up.set()
        return how

    def soon(which: int, seconds: float) -> Any:  # the budget is over, and not the limit
        return set_timer(which, min(seconds, 0.01) if seconds <= 3500 else seconds)

    source = write_input({"0": SAMPLES["0"]})
    draw_captions(monkeypatch, CaptionChoice(num_samples=1))
    with monkeypatch.context() as patch:
        if not budget:
            patch.setattr(Engine, "several_texts", lambda *arguments: 1 / 0)
        done = submit(source)
    assert [record.get("draws", 1) for record in done.journal[1:]] == ([1, 2] if budget else [1])
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "encode", slow)
        patch.setattr(EncoderThread, "end", ended)
        patch.setattr(signal, "setitimer", soon)
        run = submit(source, "--time-limit", "100000", *(("--time-budget", "3500") if budget else ()))
    assert (run.status, run.report["ended"]) == ((0, "finished") if budget else (143, "terminated"))
    assert run.predictions == done.predictions
    assert [record.get("draws", 1) for record in submit(source).journal[1:]] == [1, 2]
