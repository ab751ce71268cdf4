"""What a run makes of input that is wrong: the rest is answered, all is named, and the exit status tells."""

import hashlib
import json
import os
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from benchmarks.run_memory import StandInEngine, run_at_once, settings_of, write_samples
from contest.reading import read_predictions
from submission.deadline import RunStatus
from submission.engine import GeneratedText, Query
from tests.submission.conftest import Start, Write, image, text

BROKEN = {
    "good": [text("красный дом"), image("images/red.png")],
    "picture_missing": [text("Что это?"), image("images/none.png")],
    "picture_cut": [text("Что это?"), image("images/cut.png")],
    "picture_outside": [text("Что это?"), image("../input.json")],
    "image_only": [image("images/red.png")],
    "no_items": [],
    "no_content": [{"type": "text"}],
    "a/b": [text("кошка")],
    "id с пробелом": [text("кошка")],
}


def test_a_run_answers_what_it_can_and_names_the_rest(start: Start, write_input: Write) -> None:
    run = start(write_input(BROKEN))
    assert run.status == 1
    assert {name: [item["type"] for item in items] for name, items in run.predictions.items()} == {
        "good": ["text"],
        "picture_missing": ["text"],
        "picture_cut": ["text"],
        "picture_outside": ["text"],
        "image_only": ["text"],
        "id с пробелом": ["text", "image"],
        "no_items": ["text", "image"],
        "no_content": ["text", "image"],
    }
    assert all(items[0]["content"] for items in run.predictions.values())
    assert run.pictures == ["image_id с пробелом.jpg", "image_no_content.jpg", "image_no_items.jpg"]
    named = {(problem["phase"], problem["sample_id"]) for problem in run.report["problems"]}
    assert named == {
        ("picture", "picture_missing"),
        ("picture", "picture_cut"),
        ("picture", "picture_outside"),
        ("read", "no_items"),
        ("read", "no_content"),
        ("read", "a/b"),
    }
    for phase, sample_id in named:
        assert f"] {phase}: sample '{sample_id}'" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [("{", "[NOT_JSON]"), ("[]", "[NOT_AN_OBJECT]"), ('{"0": ' + "[" * 100_000, "[NESTED_TOO_DEEPLY]")],
    ids=["not JSON", "a list", "nested"],
)
def test_no_samples_no_work(submit: Start, write_input: Write, content: str, said: str) -> None:
    run = submit(write_input(content))
    assert run.status == 2
    assert said in run.stderr
    assert not run.output.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--input", "no/such/folder"], "[FILE_MISSING]"),
        (["--weights", "no/such/folder"], "no/such/folder/bpe.model"),
        (["--device", "cuda:99"], "this machine has 0 GPUs"),
        (["--device", "abacus"], "no such device"),
    ],
)
def test_wrong_options_give_one_line(submit: Start, write_input: Write, options: list[str], said: str) -> None:
    run = submit(write_input({"0": [text("кошка")]}), *options)
    assert run.status == 2
    assert said in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("profile", ["tuned", "baseline"])
@pytest.mark.parametrize(
    ("samples", "kinds"),
    [
        ({}, {}),
        ({"id_3": [text("")]}, {"id_3": ["text", "image"]}),
        ({"7": [image("images/red.png")]}, {"7": ["text"]}),
        ({"7": [image("images/none.png"), text("дом"), image("images/red.png")]}, {"7": ["text"]}),  # the last counts
    ],
    ids=["no samples", "an empty text", "a picture alone", "two pictures"],
)
def test_unusual_but_right_input_is_no_problem(
    submit: Start, write_input: Write, profile: str, samples: dict[str, Any], kinds: dict[str, list[str]]
) -> None:
    run = submit(write_input(samples), "--profile", profile)
    assert run.status == 0, run.stderr
    assert {name: [item["type"] for item in items] for name, items in run.predictions.items()} == kinds


def test_a_json_file_can_be_named_itself(submit: Start, write_input: Write) -> None:
    folder = write_input({"7": [text("дом"), image("images/red.png")]})
    (folder / "input.json").rename(folder / "other.json")
    assert submit(folder / "other.json").status == 0


def test_unreadable_picture_is_answered_from_the_text(submit: Start, write_input: Write) -> None:
    asked = text("Что лежит под столом?")
    cut = submit(write_input({"1": [asked, image("images/cut.png")]}), output="cut")
    alone = submit(write_input({"1": [asked]}), output="alone")
    assert cut.predictions["1"] == alone.predictions["1"][:1]


def test_samples_with_problems_are_tried_again(submit: Start, write_input: Write, tmp_path: Path) -> None:
    folder = write_input({"1": [text("дом"), image("images/late.png")], "2": [text("дом"), image("images/red.png")]})
    assert submit(folder).status == 1
    (folder / "images" / "red.png").rename(folder / "images" / "late.png")
    run = submit(folder)
    assert (run.status, run.report["phases"]["answer"]["samples"]) == (0, 1)
    assert run.report["problems"] == []


def test_an_input_that_is_overwritten_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_samples(tmp_path / "input", 40, 0.5)
    path, answer, output = tmp_path / "input/input.json", StandInEngine.answer, tmp_path / "output"
    whole = path.read_bytes()

    def overwrite(self: StandInEngine, queries: Sequence[Query]) -> list[GeneratedText]:
        path.write_bytes(b"{" + b" " * (len(whole) - 2) + b"}")  # in place, of the same length
        return answer(self, queries)

    with monkeypatch.context() as patched:
        patched.setattr(StandInEngine, "answer", overwrite)
        report = run_at_once(settings_of(tmp_path / "input", output, batch_size=8))
    assert (report.status, report.exit_status, report.problems) == (RunStatus.INPUT_CHANGED, 3, [])
    assert re.fullmatch(
        r"\[INPUT_CHANGED\] .*/input\.json: sample 'sample00000\d\d' was changed since it was read; "
        "put the file back as it was, and start the same command again",
        report.error,
    )
    assert len(report.answers) == 8
    assert list(read_predictions(output / "predictions.json")) == [f"sample{number:07}" for number in range(40)]
    path.write_bytes(whole)
    resumed = run_at_once(settings_of(tmp_path / "input", output, batch_size=8))
    assert (resumed.exit_status, len(resumed.answers), len(resumed.pictured)) == (0, 40, 20)


def test_a_pipe_is_known_by_what_it_gave(tmp_path: Path) -> None:
    output = tmp_path / "output"
    for texts, said in ((["a", "b"], 2), (["b", "c"], 2), (["b", "c"], 0)):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        content = json.dumps({str(number): [{"type": "text", "content": text}] for number, text in enumerate(texts)})
        writer = threading.Thread(target=pipe.write_text, args=(content,))
        writer.start()
        computed: list[str] = []

        def answer(_: object, queries: Sequence[Query], computed: list[str] = computed) -> list[GeneratedText]:
            computed.extend(query.id for query in queries)
            return [GeneratedText(f"to {query.texts[0]}") for query in queries]

        with patch.object(StandInEngine, "answer", answer):
            report = run_at_once(settings_of(pipe, output))
        writer.join()
        pipe.unlink()
        assert len(computed) == said
        assert report.configuration["input_sha256"] == hashlib.sha256(content.encode()).hexdigest()
        assert [answer.texts for answer in read_predictions(output / "predictions.json").values()] == [
            (f"to {text}",) for text in texts
        ]
