"""A run that is killed goes on where it was: nothing lost, nothing done twice, and nothing taken from another run."""

import json
from collections import Counter
from pathlib import Path

import pytest

from submission.journal import Journal, JournalInUseError
from tests.submission.conftest import ASK_TWICE, Finished, Start, Write, image, look_the_same, text

SAMPLES = {
    "0": [text("красный дом стоит на горе")],
    "1": [image("images/red.png"), text("Что лежит под столом?")],
    "2": [text("вычислите 12 + 345"), text("= ?")],
    "id_3": [image("images/red.png")],
    "4": [text("Кто это?"), text("a) кошка; b) собака")],
}

# Kills the process, as `kill -9` does, when the third sample is about to be journalled, half of its line written.
KILL = """
import os, signal
import submission.journal as journal
write, count = journal.Journal._write, 0
def dying(self, record):
    global count
    count += "phase" in record
    if count == {after}:
        self._file.write(b'{{"phase": "answer", "id": "2", "te')
        self._file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, record)
journal.Journal._write = dying
"""


# A sample's answer has these items from the first moment on.
KINDS = {key: ["text"] if key in ("1", "id_3") else ["text", "image"] for key in SAMPLES}


def codes(run: Finished) -> dict[str, object]:
    return {record["id"]: record["codes"] for record in run.journal[1:] if record["phase"] == "draw"}


def kinds(run: Finished) -> dict[str, list[str]]:
    return {name: [item["type"] for item in items] for name, items in run.predictions.items()}


def done(run: Finished) -> Counter[tuple[str, str]]:
    return Counter(
        ("first answer" if "again" in record else record["phase"], record["id"]) for record in run.journal[1:]
    )


@pytest.mark.usefixtures("asked_twice")
@pytest.mark.parametrize(
    ("profile", "after"),
    [("tuned", 3), pytest.param("tuned", 8, marks=pytest.mark.slow), ("tuned", 9), ("baseline", 5)],
)
def test_a_killed_run_goes_on(start: Start, submit: Start, write_input: Write, profile: str, after: int) -> None:
    source, options = write_input(SAMPLES), ("--profile", profile, "--batch-size", "2")
    killed = start(source, *options, sabotage=ASK_TWICE + KILL.format(after=after))
    assert killed.status == -9
    assert kinds(killed) == KINDS
    resumed = submit(source, *options)
    whole = submit(source, *options, output="whole")
    assert (resumed.status, whole.status) == (0, 0), resumed.stderr
    assert "going on with" in resumed.stderr
    assert resumed.predictions == whole.predictions
    assert done(resumed) == done(whole)
    assert set(done(whole).values()) == {1}
    phases = resumed.report["phases"]
    pieces = {"baseline": 8, "tuned": 9}[profile]  # of which one asks again
    todo = sum(phases[phase]["samples"] for phase in ("answer", "draw", "ask again") if phase in phases)
    assert todo == pieces - (after - 1)
    assert codes(resumed) == codes(whole)
    for name in whole.pictures:
        assert look_the_same(resumed.output / "images" / name, whole.output / "images" / name)


CUT = {
    "0": [text("Кто это?"), text("a) кот; b) кот")],
    "1": [text("красный дом стоит на горе")],
    "2": [text("Кто это?"), text("a) ; b) пёс; c) ёж")],
    "3": [text("Кто это?"), text("a) кот; a) пёс; b) ёж")],
}


@pytest.mark.usefixtures("asked_twice")
@pytest.mark.parametrize("after", [pytest.param(2, marks=pytest.mark.slow), 4, 10])
def test_what_was_cut_of_options_is_told_again_and_answered_once(
    start: Start, submit: Start, write_input: Write, after: int
) -> None:
    source = write_input(CUT)
    killed = start(source, "--batch-size", "1", sabotage=ASK_TWICE + KILL.format(after=after))
    assert killed.status == -9
    resumed = submit(source, "--batch-size", "1")
    whole = submit(source, "--batch-size", "1", output="whole")
    assert (resumed.status, whole.status) == (1, 1)
    assert [problem["sample_id"] for problem in whole.report["problems"]] == ["0", "2", "3"]
    assert resumed.report["problems"] == whole.report["problems"]
    assert resumed.predictions == whole.predictions
    assert (
        done(resumed)
        == done(whole)
        == Counter(
            [(phase, key) for phase in ("answer", "draw") for key in CUT]
            + [("first answer", key) for key in ("0", "2", "3")]
        )
    )
    again = submit(source, "--batch-size", "1")
    assert again.report["phases"]["answer"]["samples"] == 0
    assert again.report["problems"] == whole.report["problems"]


def test_an_answer_given_again_replaces_what_was_cut(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.resume({})
        journal.add_answer("0", "кот", "option b) is empty")
        journal.add_answer("1", "пёс", "option b) is empty")
        journal.add_answer("0", "дом")
    with Journal(tmp_path) as journal:
        known = journal.resume({})
    assert (known.answers, known.cuts) == ({"0": "дом", "1": "пёс"}, {"1": "option b) is empty"})


def test_a_first_answer_never_replaces_a_final_one(tmp_path: Path) -> None:
    """Whatever the order of the journals, of which each process has its own."""
    for order in ((0, 1), (1, 0)):
        folder = tmp_path / f"{order}"
        folder.mkdir()
        for process in order:
            with Journal(folder, process) as journal:
                journal.resume({})
                journal.add_answer("0", ("кот", "пёс")[process], again=process == 0)
                journal.add_answer("1", "дом", again=True)
        with Journal(folder) as journal:
            known = journal.resume({})
        assert (known.answers, known.first_answers) == ({"0": "пёс", "1": "дом"}, {"1"})


def test_a_finished_run_has_nothing_more_to_do(submit: Start, write_input: Write) -> None:
    source = write_input(SAMPLES)
    first, second = submit(source), submit(source)
    assert first.predictions == second.predictions
    assert {phase["samples"] for phase in second.report["phases"].values()} == {0}


def test_lost_picture_is_rendered_again(submit: Start, write_input: Write, tmp_path: Path) -> None:
    source = write_input(SAMPLES)
    run = submit(source)
    picture = run.output / "images" / "image_4.jpg"
    before = picture.rename(tmp_path / "before.jpg")
    assert submit(source).report["phases"]["restore"]["samples"] == 1
    assert look_the_same(picture, before)


@pytest.mark.parametrize(
    ("options", "different"),
    [(["--seed", "1"], "seed"), (["--greedy"], "profile"), (["--dtype", "bfloat16"], "dtype")],
)
def test_another_configuration_starts_anew(
    submit: Start, write_input: Write, options: list[str], different: str
) -> None:
    source = write_input(SAMPLES)
    submit(source)
    run = submit(source, *options)
    assert f"of another run (different: {different}); starting anew" in run.stderr
    assert run.report["phases"]["answer"]["samples"] == len(SAMPLES)
    assert set(done(run).values()) == {1}


def test_another_input_starts_anew(submit: Start, write_input: Write) -> None:
    submit(write_input(SAMPLES))
    run = submit(write_input({"0": SAMPLES["1"]}))
    assert "different: input_sha256" in run.stderr
    assert list(run.predictions) == ["0"]


def test_a_damaged_line_and_what_follows_it_is_done_again(submit: Start, write_input: Write) -> None:
    source = write_input(SAMPLES)
    first = submit(source)
    lines = (first.output / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (first.output / "journal.jsonl").write_bytes(b"".join([*lines[:3], b"\0\0\0\n", *lines[4:]]))
    run = submit(source)
    assert run.predictions == first.predictions
    assert set(done(run).values()) == {1}


def test_two_runs_can_not_write_one_journal(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.resume({"seed": 0})
        journal.add_answer("0", "дом")
        with pytest.raises(JournalInUseError, match="another run"):
            Journal(tmp_path)
    with Journal(tmp_path) as journal:
        assert journal.resume({"seed": 0}).answers == {"0": "дом"}
    assert json.loads((tmp_path / "journal.jsonl").read_text(encoding="utf-8").splitlines()[1])["text"] == "дом"
