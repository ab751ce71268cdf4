"""What a run says: the reason first, the remedy last, in no words of Python, and nothing that is not so."""

import json
from pathlib import Path
from typing import Any

import pytest

from submission.__main__ import main
from tests.submission.conftest import Start, Write, image, text


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--batch-size", "x", "must be a whole number from 1 to 2147483647, not 'x'"),
        ("--batch-size", "0", "must be a whole number from 1 to 2147483647, not '0'"),
        ("--batch-size", "9" * 20, "from 1 to 2147483647, not '99999999999999999999'"),
        ("--seed", "1.5", "must be a whole number from -9223372036854775808, not '1.5'"),
        ("--seed", "9" * 20, "from -9223372036854775808, not '99999999999999999999'"),
        ("--seed", "9" * 5000, "from -9223372036854775808, not '999"),
        ("--draws", "65", "must be a whole number from 1 to 64, not '65'"),
        ("--draws", "two", "must be a whole number from 1 to 64, not 'two'"),
        ("--time-limit", "soon", "must be a number above 0 to 1e+08, not 'soon'"),
        ("--time-limit", "nan", "must be a number above 0 to 1e+08, not 'nan'"),
        ("--time-limit", "1" + "0" * 400, "must be a number above 0 to 1e+08, not '1000"),
        ("--time-budget", "-1", "must be a number above 0 to 1e+08, not '-1'"),
    ],
)
def test_wrong_values_in_words(capsys: pytest.CaptureFixture[str], option: str, value: str, said: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["run", f"{option}={value}"])
    assert stopped.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {option}: " in last
    assert said in last
    assert "invalid" not in last
    assert "_value" not in last


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--ruclip", "x"],
            "--ruclip chooses among several draws, and one is made; "
            "add --draws N, --time-budget SECONDS or --with captions",
        ),
        (["--greedy", "--draws", "2"], "all draws are the same with --greedy; leave out"),
        (["--greedy", "--time-budget", "2"], "all draws are the same with --greedy; leave out"),
        (["--draws", "64", "--time-budget", "2"], "no more than 64 draws are made of a sample; leave out"),
        (["--time-budget", "96", "--time-limit", "100"], "drawing stops at 95 s, 95% of --time-limit; give"),
        (["--country", "KZ"], "--country is where emissions are measured, and they are not; add --emissions FILE"),
    ],
)
def test_an_option_without_effect_is_refused(submit: Start, write_input: Write, options: list[str], said: str) -> None:
    run = submit(write_input({"0": [text("дом")]}), *options)
    assert run.status == 2
    assert run.stderr.startswith(f"submission run: error [USAGE] {said}")
    assert not run.output.exists()


@pytest.mark.parametrize("command", ["run", "preview", "pack", "check", "doctor"])
def test_help_names_no_default_that_is_none(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    said = capsys.readouterr().out
    assert "None" not in said
    assert "(default: False)" not in said


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ({}, "has no samples: there is nothing to answer, and predictions.json will be empty too"),
        (
            {"7": [image("images/red.png")]},
            "submission run: warning: 1 sample without any text ('7'): answered as if nothing was asked",
        ),
        (
            {str(number): [text(" "), image("images/red.png")] for number in range(6)},
            "submission run: warning: 6 samples without any text ('0', '1', '2', '3', '4', ...): answered as if "
            "nothing was asked",
        ),
    ],
)
def test_input_that_asks_nothing(submit: Start, write_input: Write, samples: Any, said: str) -> None:
    run = submit(write_input(samples))
    assert run.status == 0
    assert said in run.stderr
    assert list(run.predictions) == list(samples)


@pytest.mark.parametrize(
    ("options", "samples", "said"),
    [
        (["--draws", "2"], {"7": [text("дом"), image("images/red.png")]}, "nothing is drawn, once or more often"),
        (["--greedy", "--seed", "3"], {"7": [text("дом")]}, "with --greedy nothing is drawn at random"),
    ],
)
def test_option_that_changes_nothing(
    submit: Start, write_input: Write, options: list[str], samples: Any, said: str
) -> None:
    source = write_input(samples)
    assert said in submit(source, *options).stderr
    assert said not in submit(source, options[0] if options[0] == "--greedy" else "--seed=3").stderr


def test_a_problem_says_reason_consequence_and_remedy(submit: Start, write_input: Write) -> None:
    source = write_input({"0": [text("дом"), image("images/none.png")]})
    run = submit(source)
    assert run.status == 1
    told = [line for line in run.stderr.splitlines() if "error" in line]
    place = f"{source}/images/none.png, item 1"
    assert told == [
        f"submission run: error [PICTURE_MISSING] picture: sample '0': {place}: a picture does not exist; "
        "answered from its text alone; check that the images were copied along with the JSON file",
        f"submission run: error [PROBLEMS] 1 problem in all; {run.output / 'run.json'} lists them with their traces",
    ]


def test_a_quiet_run_names_its_problems_and_nothing_else(submit: Start, write_input: Write) -> None:
    source = write_input({"0": [text("дом"), image("images/none.png")], "1": [text("кот")], "2": [text(" ")]})
    quiet, loud = submit(source, "--quiet"), submit(source, output="loud")
    assert quiet.status == loud.status == 1
    assert quiet.predictions == loud.predictions
    assert [line.split(" ")[:4] for line in quiet.stderr.splitlines()] == [
        ["submission", "run:", "warning:", "1"],
        ["submission", "run:", "error", "[PICTURE_MISSING]"],
        ["submission", "run:", "error", "[PROBLEMS]"],
    ]
    assert [line for line in loud.stderr.splitlines() if not line.startswith("submission run: ")]
    assert submit(write_input({"1": [text("кот")]}), "--quiet", output="sound").stderr == ""


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (
            '{"a": [{"type": "text", "content": NaN}], "b": [{"type": "text", "content": "дом"}]}',
            "[NOT_FINITE] read: sample 'a': ",
        ),
        ('{"a": [{"type": "text", "content": "дом", "weight": Infinity}]}', "[NOT_FINITE] read: sample 'a': "),
    ],
)
def test_what_json_does_not_have_names_its_sample(submit: Start, write_input: Write, content: str, named: str) -> None:
    run = submit(write_input(content))
    assert run.status == 1
    assert f"submission run: error {named}" in run.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            '{"0": ' + "9" * 5000 + "}",
            "[NOT_JSON] {file}: a number has more digits than are read: line 1 column 7 (char 6); repair",
        ),
        ('{"0": ' + '{"a": ' * 100_000, "[NESTED_TOO_DEEPLY] {file}: the JSON is nested too deeply"),
    ],
)
def test_unreadable_json_in_words(submit: Start, write_input: Write, content: str, said: str) -> None:
    source = write_input(content)
    run = submit(source)
    assert run.status == 2
    assert said.format(file=source / "input.json") in run.stderr


def test_missing_weights_come_before_what_is_left(submit: Start, write_input: Write) -> None:
    run = submit(write_input({"0": [text("дом")]}), "--weights", "no/such/folder")
    assert run.status == 2
    reason, left = run.stderr.splitlines()[-2:]
    assert reason.startswith("submission run: error [FILE_NOT_FOUND] no/such/folder/bpe.model: ")
    assert left == (
        "submission run: error [FAILED] ended early: failed; fallbacks stand in for 1 answer and 1 picture of 1 "
        "sample; put that right, then start the same command again"
    )


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE='two', which is no number; start the run with torchrun"),
        ({"WORLD_SIZE": "2"}, "RANK='', which is no number; start the run with torchrun"),
    ],
)
def test_environment_without_torchrun(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    run = submit(write_input({"0": [text("дом")]}))
    assert run.status == 2
    assert said in run.stderr


def test_last_lines_say_where_and_what_next(submit: Start, write_input: Write, tmp_path: Path) -> None:
    source = write_input({"0": [text("дом")]})
    run = submit(source, output="моё место")
    out = tmp_path / "моё место"
    assert run.stderr.splitlines()[-3:] == [
        f"done: 1 answer and 1 picture drawn, in {out} (predictions.json, images/, run.json)",
        f"look at them: python -m submission preview --input {source} --output '{out}'",
        f"check them: python -m submission check '{out}/predictions.json' --input {source}",
    ]
    again = submit(source, output="моё место")
    assert f"going on with {out}/journal.jsonl: 1 answer and 1 picture done" in again.stderr
    written = (out / "run.json").read_text(encoding="utf-8")
    assert written == json.dumps(run.report | again.report, ensure_ascii=False, indent=1) + "\n"
