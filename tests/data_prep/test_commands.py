"""The command line: what is told and what is not, statuses, numbers that are none, names that are not UTF-8."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from contest.command_line import Parser
from data_prep.__main__ import PROGRAM, main
from data_prep.records import SkipReason
from data_prep.synthetic.command import DRILLS as OFFERED
from data_prep.synthetic.command import VARIANTS as OFFERED_VARIANTS
from data_prep.synthetic.drills import DRILLS
from data_prep.synthetic.variants import VARIANTS
from tests.data_prep.conversions import convert, paint, write_document, write_lines

ROOT = Path(__file__).parents[2]
QUESTION = {"id": 1, "context": "Живёт в Твери.", "question": "Где?", "answers": [{"text": "в Твери"}]}


@pytest.fixture
def rows(tmp_path):
    return write_lines(tmp_path / "rows.jsonl", [QUESTION])


def test_help_names_statuses_and_what_is_left_out(capsys):
    assert OFFERED.split(",") == list(DRILLS)
    assert OFFERED_VARIANTS.split(",") == list(VARIANTS)
    with pytest.raises(SystemExit):
        main(["coco", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "exit status: 0 done 1 done, but broken records were skipped (--strict refuses the first one)" in said
    assert all((reason.meaning in said) is not reason.is_fault for reason in SkipReason)


@pytest.mark.parametrize("name", PROGRAM.commands)
def test_help_of_every_command_names_each_option(name, capsys):
    parser = Parser()
    getattr(import_module(PROGRAM.commands[name].module), PROGRAM.commands[name].adds)(parser)
    assert [action.dest for action in parser._actions if not action.help] == []
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "--out " not in said
    assert "exit status:" in said


def test_help_imports_nothing_heavy():
    """Each help in a process of its own would cost a minute: one process asks for all of them, none may import."""
    code = (
        "import sys\nfrom data_prep.__main__ import PROGRAM, main\n"
        "for name in [*PROGRAM.commands, None]:\n"
        "    try:\n        main([*filter(None, [name]), '--help'])\n"
        "    except SystemExit as ended:\n        assert not ended.code\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"numpy", "pyarrow", "PIL", "tokenizers", "tqdm", "sklearn", "scipy", "jinja2", "sqlite3", "torch"}
    assert not heavy & set(ran.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seed", "abc"], "argument --seed: must be a whole number from -9223372036854775808, not 'abc'"),
        (["--seed", "9" * 5000], "argument --seed: must be a whole number from -9223372036854775808, not '999999"),
        (["--split-seed", "12345678901234567890"], "argument --split-seed: must be a whole number"),
        (["--workers", "1.5"], "argument --workers: must be a whole number from 1 to 1024, not '1.5'"),
        (["--workers", "1" + "0" * 20], "argument --workers: must be a whole number from 1 to 1024"),
        (["--workers", "0"], "argument --workers: must be a whole number from 1 to 1024, not '0'"),
        (["--workers", "-1"], "argument --workers: must be a whole number from 1 to 1024, not '-1'"),
        (["--left-limit", "0"], "argument --left-limit: must be a whole number from 1, not '0'"),
        (["--variants", "some"], "argument --variants: must be a number from 0 to 1, not 'some'"),
        (["--variants", "nan"], "argument --variants: must be a number from 0 to 1, not 'nan'"),
        (["--validation-share", "0,1"], "argument --validation-share: must be a number from 0 to 1, not '0,1'"),
        (["--validation-share", "inf"], "argument --validation-share: must be a number from 0 to 1, not 'inf'"),
    ],
)
def test_wrong_numbers_are_refused_by_name(rows, tmp_path, capsys, arguments, said):
    with pytest.raises(SystemExit) as ended:
        main(["sberquad", *arguments, str(rows), "--output", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert f"data_prep sberquad: error [USAGE] {said}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"),
    [("--seed", str(2**63 - 1)), ("--split-seed", str(-(2**63))), ("--left-limit", "1000000000000000000")],
)
def test_large_numbers_are_used(rows, tmp_path, option, value):
    assert convert(tmp_path / "out", "sberquad", rows, option, value).status == 0


def test_old_output_option_is_read(rows, tmp_path, capsys):
    assert main(["sberquad", str(rows), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "textqa" / "card.md").exists()


def test_internal_fault_keeps_its_traceback(rows, tmp_path, capsys, monkeypatch):
    def broken(*_):
        raise ValueError("planted")

    monkeypatch.setattr("data_prep.pipeline.FolderWriter", broken)
    assert main(["sberquad", str(rows), "--output", str(tmp_path / "out")]) == 70
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "ValueError: planted" in said
    assert "please report it" in said


def test_user_error_is_one_line(rows, tmp_path, capsys):
    (tmp_path / "out" / "textqa").mkdir(parents=True)
    assert main(["sberquad", str(rows), "--output", str(tmp_path / "out")]) == 2
    taken = f"{tmp_path}/out/textqa exists already; remove it, or name another directory"
    assert capsys.readouterr().err == f"data_prep sberquad: error [OUTPUT_TAKEN] {taken}\n"


def test_options_without_effect_are_told(rows, tmp_path):
    made = convert(tmp_path / "one", "sberquad", rows, "--left-limit", "100")
    assert made.errors == "data_prep: --left-limit has no effect without --bpe\n"
    document = write_document(tmp_path / "c.json", {"images": [], "annotations": []})
    made = convert(tmp_path / "two", "coco", document, "--images", tmp_path, "--cache", tmp_path / "c.sqlite")
    assert made.errors == "data_prep: --cache has no effect without --translator\n"
    assert made.printed.startswith("read 0, used 0, skipped 0 (none)\nno sample came of it\n")


def test_left_out_by_rule_ends_with_0_even_if_strict(tmp_path):
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
        out = [] if command == "check" else ["--output", str(tmp_path / command)]
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

    converted = run("sberquad", rows, "--output", out)
    assert (converted.returncode, converted.stderr) == (0, b"")
    assert (
        json.loads((out / "textqa" / "card.json").read_text("utf-8"))["settings"]["files"][0]["name"] == r"\udcfe.jsonl"
    )
    assert run("merge", out, "--output", out.with_name("merged")).returncode == 0
    checked = run("check", out, "--html", out / "check.html", "--json", out / "check.json")
    assert (checked.returncode, checked.stderr) == (0, b"")
    assert r"\udcff" in json.loads((out / "check.json").read_text("utf-8"))["splits"][0]["folder"]


def test_synthetic_world_names_its_folders(tmp_path, capsys, monkeypatch):
    amounts = ["--train", "1", "--validation", "0", "--test", "1"]
    with monkeypatch.context() as patch:
        patch.setattr(sys.stdout, "isatty", lambda: True)
        assert main(["synthetic", *amounts, "--tasks", "textqa", "--output", str(tmp_path / "w")]) == 0
    assert capsys.readouterr().out == f"written: {tmp_path}/w/test, {tmp_path}/w/textqa\n"
    assert main(["synthetic", *amounts, "--tasks", ",", "--output", str(tmp_path / "v")]) == 2
    assert "--tasks names no task; leave it out to have all of them" in capsys.readouterr().err
    assert not (tmp_path / "v").exists()


def test_check_writes_its_files_before_it_prints(rows, tmp_path):
    convert(tmp_path / "out", "sberquad", rows)
    page = tmp_path / "check.html"
    command = (
        f'"{sys.executable}" -m data_prep check "{tmp_path}/out" --html "{page}" --json "{tmp_path}/c.json" >/dev/full'
    )
    subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, check=False)
    assert page.exists()
    assert (tmp_path / "c.json").exists()
