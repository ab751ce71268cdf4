"""The command line: what is told and what is not, statuses, numbers that are none, names that are not UTF-8."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep import commands
from data_prep.__main__ import main
from data_prep.pictures import IMAGE_MODES
from data_prep.records import SkipReason
from data_prep.synthetic.drills import DRILLS
from data_prep.synthetic.grades import GRADES
from tests.data_prep.conversions import convert, paint, write_document, write_lines

ROOT = Path(__file__).parents[2]
QUESTION = {"id": 1, "context": "Живёт в Твери.", "question": "Где?", "answers": [{"text": "в Твери"}]}


@pytest.fixture
def rows(tmp_path):
    return write_lines(tmp_path / "rows.jsonl", [QUESTION])


def test_the_help_names_what_there_is(capsys):
    assert commands.IMAGE_MODES == IMAGE_MODES
    assert tuple(commands.GRADES.split(",")) == GRADES
    assert commands.DRILLS.split(",") == list(DRILLS)
    with pytest.raises(SystemExit):
        main(["coco", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "exit status: 0 done; what is left out by rule is counted and told 1 done, but broken records" in told
    assert all((reason.meaning in told) is not reason.is_fault for reason in SkipReason)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sberquad", "--seed", "abc"], "argument --seed: must be a whole number, got 'abc'"),
        (["sberquad", "--seed", "9" * 5000], "argument --seed: must be a whole number, got '9999999999"),
        (["sberquad", "--workers", "1.5"], "argument --workers: must be a whole number, got '1.5'"),
        (["sberquad", "--workers", "1" + "0" * 20], "argument --workers: must be at most 1000000000000000000"),
        (["sberquad", "--variants", "some"], "argument --variants: must be a number, got 'some'"),
        (["sberquad", "--variants", "nan"], "argument --variants: must lie in [0, 1], got nan"),
        (["sberquad", "--validation-share", "0,1"], "argument --validation-share: must be a number, got '0,1'"),
    ],
)
def test_what_is_no_number_is_told_in_words(rows, tmp_path, capsys, arguments, said):
    with pytest.raises(SystemExit) as ended:
        main([*arguments, str(rows), "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "status"),
    [
        ("--seed", "12345678901234567890", 0),
        ("--split-seed", "-12345678901234567890", 0),
        ("--left-limit", "1000000000000000000", 0),
        ("--workers", "0", 2),
        ("--workers", "-1", 2),
        ("--workers", "1000000", 2),
        ("--validation-share", "nan", 2),
        ("--validation-share", "inf", 2),
    ],
)
def test_odd_values_are_used_or_refused(rows, tmp_path, option, value, status):
    made = convert(tmp_path / "out", "sberquad", rows, option, value)
    assert made.status == status
    assert (option in made.errors) is (status == 2 or option == "--left-limit")


def test_options_without_effect_are_told(rows, tmp_path):
    made = convert(tmp_path / "one", "sberquad", rows, "--left-limit", "100")
    assert made.errors == "data_prep: --left-limit has no effect without --bpe\n"
    document = write_document(tmp_path / "c.json", {"images": [], "annotations": []})
    made = convert(tmp_path / "two", "coco", document, "--images", tmp_path, "--cache", tmp_path / "c.sqlite")
    assert made.errors == "data_prep: --cache has no effect without --translator\n"
    assert made.printed.startswith("read 0, used 0, skipped 0 (none)\nno sample came of it\n")


def test_what_is_left_out_by_rule_is_told_and_ends_with_0_even_if_strict(tmp_path):
    paint(tmp_path / "1.jpg")
    captions = [{"id": 1, "image_id": 1, "caption": "A cat"}, {"id": 2, "image_id": 1, "caption": "Two cats"}]
    value = {"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": captions}
    document = write_document(tmp_path / "c.json", value)
    said = [{"text": "A cat", "translation": "Кот"}, {"text": "Two cats", "translation": "Two cats"}]
    table = write_lines(tmp_path / "t.jsonl", said)
    made = convert(tmp_path / "out", "coco", document, "--images", tmp_path, "--translations", table, "--strict")
    assert made.status == 0, made.errors
    assert made.errors == ""
    assert "skipped 1 (TRANSLATION_DOUBTFUL 1)" in made.printed
    assert "left out by rule: 1 record, named in skipped.jsonl\n" in made.printed
    assert "broken" not in made.printed


def test_what_is_broken_is_told_and_ends_with_1(tmp_path):
    rows = write_lines(tmp_path / "rows.jsonl", [QUESTION, {"id": 2}, {"id": 3}])
    made = convert(tmp_path / "out", "sberquad", rows)
    assert made.status == 1
    assert "broken: 2 records, named in skipped.jsonl; --strict refuses the first one\n" in made.printed
    assert "by rule" not in made.printed


def test_files_of_a_folder_that_are_not_read_are_told(tmp_path, rows, capsys):
    folder = tmp_path / "train-easy"
    folder.mkdir()
    for name in (
        "algebra__linear_1d",
        "calculus__differentiate",
        "measurement__time",
        "numbers__gcd",
        "polynomials__add",
    ):
        (folder / f"{name}.txt").write_text("Solve 2*x = 4 for x.\n2\n", "ascii")
    made = convert(tmp_path / "m", "mathematics", folder)
    assert made.errors == (
        f"data_prep: {folder}: passed over 4 files (calculus__differentiate.txt, measurement__time.txt, "
        "numbers__gcd.txt and 1 more); read are the modules of the contest\n"
    )
    convert(tmp_path / "sets" / "q", "sberquad", rows)
    (tmp_path / "sets" / "q" / "textqa" / "textqa_train_grade.json").write_text("{}", "utf-8")
    for command in ("check", "merge", "shards"):
        capsys.readouterr()
        out = [] if command == "check" else ["--out", str(tmp_path / command)]
        assert main([command, str(tmp_path / "sets"), *out]) == 0
        assert (
            f"data_prep: {tmp_path}/sets: passed over 1 file (q/textqa/textqa_train_grade.json); "
            "read are samples, answers and sources of task folders\n"
        ) in capsys.readouterr().err


def test_what_strangers_wrote_stays_text(tmp_path):
    evil = "\x1b[2J\u202e"
    rows = write_lines(tmp_path / "rows.jsonl", [{"id": evil, "context": "a", "question": "?", "answers": 7}, QUESTION])
    made = convert(tmp_path / "out", "sberquad", rows, "--validation-share", 0)
    assert "(id \\x1b[2J\\u202e)" in made.errors
    assert evil not in made.errors
    folder = made.folder / "textqa"
    sample = [{"type": "text", "content": f"{evil} a) да; b) да"}]
    write_document(folder / "textqa_train.json", {"0": sample})
    write_document(folder / "textqa_train_answer.json", {"0": [{"type": "text", "content": [f"{evil}нет"]}]})
    arguments = ["check", str(made.folder), "--html", str(tmp_path / "check.html"), "--json", str(tmp_path / "c.json")]
    ran = subprocess.run([sys.executable, "-m", "data_prep", *arguments], cwd=ROOT, capture_output=True, check=False)
    assert ran.returncode == 1
    assert b"OPTIONS             1" in ran.stdout
    assert b"\x1b" not in ran.stdout + ran.stderr


def test_names_that_are_not_utf_8_are_written_as_escapes(tmp_path):
    folder = os.fsencode(tmp_path) + b"/\xff"
    os.mkdir(folder)
    rows = Path(os.fsdecode(folder)) / os.fsdecode(b"\xfe.jsonl")
    rows.write_text(json.dumps(QUESTION), "utf-8")
    out = Path(os.fsdecode(folder)) / "out"

    def run(*arguments):
        command = [sys.executable, "-m", "data_prep", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, check=False)

    converted = run("sberquad", rows, "--out", out)
    assert (converted.returncode, converted.stderr) == (0, b"")
    assert (
        json.loads((out / "textqa" / "card.json").read_text("utf-8"))["settings"]["files"][0]["name"] == r"\udcfe.jsonl"
    )
    assert run("merge", out, "--out", out.with_name("merged")).returncode == 0
    checked = run("check", out, "--html", out / "check.html", "--json", out / "check.json")
    assert (checked.returncode, checked.stderr) == (0, b"")
    assert r"\udcff" in json.loads((out / "check.json").read_text("utf-8"))["splits"][0]["folder"]


def test_a_synthetic_world_says_in_a_terminal_where_it_lies_and_needs_a_task(tmp_path, capsys, monkeypatch):
    amounts = ["--train", "1", "--validation", "0", "--test", "1"]
    with monkeypatch.context() as patch:
        patch.setattr(sys.stdout, "isatty", lambda: True)
        assert main(["synthetic", *amounts, "--tasks", "textqa", "--out", str(tmp_path / "w")]) == 0
    assert capsys.readouterr().out == f"written: {tmp_path}/w/test, {tmp_path}/w/textqa\n"
    assert main(["synthetic", *amounts, "--tasks", ",", "--out", str(tmp_path / "v")]) == 2
    assert "--tasks names no task; leave it out to have all of them" in capsys.readouterr().err
    assert not (tmp_path / "v").exists()


def test_the_check_writes_its_files_before_it_prints(rows, tmp_path):
    convert(tmp_path / "out", "sberquad", rows)
    page = tmp_path / "check.html"
    command = (
        f'"{sys.executable}" -m data_prep check "{tmp_path}/out" --html "{page}" --json "{tmp_path}/c.json" >/dev/full'
    )
    subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, check=False)
    assert page.exists()
    assert (tmp_path / "c.json").exists()
