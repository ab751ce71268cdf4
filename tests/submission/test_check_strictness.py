"""`check` is as strict as the organisers' readers, and no stricter; its work ends; what strangers named stays text."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from submission.__main__ import main
from submission.checks import ALL_CHECKS, Subject
from submission.checks.base import MAX_FINDINGS
from submission.checks.checking import check, look_over
from submission.pack import PackError, pack
from tests.submission.conftest import image, text
from tests.submission.test_check import folder_of, sound

__all__ = ["sound"]  # a fixture

DRAWN = image("images/image_2.jpg")
ASKED = {
    "0": [text("вопрос"), image("images/image_2.jpg")],
    "1": [text("вопрос")],
    "2": [text("Сгенерируй изображение"), text("кот")],
}
ANSWERS = {"0": [text("кот")], "1": [text("да"), DRAWN], "2": [text(" да"), DRAWN]}

# (predictions as a file holds them, status, codes)
STRICTNESS: dict[str, tuple[str, int, set[str]]] = {
    "sound": (json.dumps(ANSWERS), 0, set()),
    "a byte order mark": ("\ufeff" + json.dumps(ANSWERS), 1, {"PREDICTIONS_UNSOUND"}),
    # Their README: {"2": [{"type": "image", "content": "images/image_2.jpg"}]}
    "a picture alone for a drawing": (json.dumps({**ANSWERS, "2": [DRAWN]}), 0, {"PICTURE_ALONE"}),
    "a picture alone for a picture": (json.dumps({**ANSWERS, "0": [DRAWN]}), 1, {"TEXT_MISSING"}),
    "nothing at all": (json.dumps({**ANSWERS, "1": []}), 1, {"TEXT_MISSING", "PICTURE_UNDRAWN"}),
    "an empty text": (json.dumps({**ANSWERS, "0": [text("")]}), 0, {"TEXT_EMPTY"}),
    "a list of texts": (json.dumps({**ANSWERS, "0": [{**text(""), "content": ["да"]}]}), 1, {"PREDICTIONS_UNSOUND"}),
    "an item and no list": (json.dumps({**ANSWERS, "0": text("да")}), 1, {"PREDICTIONS_UNSOUND"}),
    "an item without content": (json.dumps({**ANSWERS, "0": [{"type": "text"}]}), 1, {"PREDICTIONS_UNSOUND"}),
    "an item that is null": (json.dumps({**ANSWERS, "0": [text("да"), None]}), 1, {"PREDICTIONS_UNSOUND"}),
    "half a surrogate pair": (json.dumps({**ANSWERS, "0": [text("\ud800")]}), 1, {"PREDICTIONS_UNSOUND"}),
    "another type": (json.dumps({**ANSWERS, "0": [text("да"), {"type": "a", "content": "b"}]}), 0, {"PREDICTIONS_ODD"}),
    "an id twice": (json.dumps(ANSWERS)[:-1] + ', "0": [{"type": "text", "content": "b"}]}', 0, {"PREDICTIONS_ODD"}),
    "NaN beside the point": (json.dumps({**ANSWERS, "0": [{**text("да"), "p": float("nan")}]}), 0, {"PREDICTIONS_ODD"}),
    "a picture that is not there": (json.dumps({**ANSWERS, "2": [text("да"), image("a.jpg")]}), 1, {"PICTURE_BROKEN"}),
    "a picture that nobody looks at": (
        json.dumps({**ANSWERS, "0": [text("да"), image("a.jpg")]}),
        0,
        {"PICTURE_SURPLUS"},
    ),
    "an id of another input": (json.dumps({**ANSWERS, "9": [text("да"), DRAWN]}), 0, {"PREDICTION_SURPLUS"}),
    "no answer": (json.dumps({"1": ANSWERS["1"], "2": ANSWERS["2"]}), 1, {"PREDICTION_MISSING"}),
}  # fmt: skip


@pytest.mark.parametrize(("content", "status", "codes"), STRICTNESS.values(), ids=STRICTNESS)
def test_as_strict_as_the_organisers_readers(
    content: str, status: int, codes: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "images/image_2.jpg")
    (tmp_path / "input.json").write_text(json.dumps(ASKED))
    path = tmp_path / "predictions.json"
    path.write_text(content, encoding="utf-8")
    assert main(["check", str(path), "--input", str(tmp_path)]) == status
    assert {finding.check.code for finding in check(path, tmp_path).findings} == codes
    assert "1 warnings" not in capsys.readouterr().out


def test_without_an_input_every_entry_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "predictions.json"
    path.write_text(json.dumps({"0": 7, "1": [text("да")], "a/b": [text("да")], "2": []}))
    found = {(finding.check.code, finding.message) for finding in check(path).findings}
    assert found == {
        ("PREDICTIONS_UNSOUND", "sample '0': the sample is the number 7"),
        ("PREDICTIONS_ODD", "sample 'a/b': the id holds '/' or NUL"),
        ("TEXT_MISSING", "sample '2'"),
    }


def test_answers_of_other_samples_are_counted_and_not_kept(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "images/image_2.jpg")
    (tmp_path / "input.json").write_text(json.dumps(ASKED))
    path = tmp_path / "predictions.json"
    path.write_text(json.dumps({**ANSWERS, "2": [text("да")], **{f"x{number}": 0 for number in range(2000)}}))
    found = [(finding.check.code, finding.message) for finding in check(path, tmp_path).findings]
    assert found == [
        *(("PREDICTION_SURPLUS", f"sample 'x{number}'") for number in range(5)),
        ("PREDICTION_SURPLUS", "and 1995 more samples"),
        ("PICTURE_UNDRAWN", "sample '2'"),
    ]


@pytest.mark.parametrize("named", [True, False], ids=["with an input", "without"])
def test_more_entries_than_are_read_end_the_check(named: bool, tmp_path: Path) -> None:
    (tmp_path / "input.json").write_text(json.dumps(ASKED))
    path = tmp_path / "predictions.json"
    path.write_text(json.dumps({f"x{number}": [] for number in range(100_001)}))
    found = [(finding.check.code, finding.message) for finding in check(path, tmp_path if named else None).findings]
    of = "are of samples that were not asked for" if named else "and no input that they answer"
    [(code, message)] = found
    assert (code, message.partition(" entries")[0]) == ("PREDICTIONS_UNSOUND", "more than 100,000")
    assert message.endswith(of)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("weights/bpe.model", "WEIGHTS_UNUSABLE"),
        ("weights/rudolph/config.json", "WEIGHTS_UNUSABLE"),
        ("weights/rudolph/pytorch_model.bin", "WEIGHTS_UNSAFE"),
    ],
)
def test_weights_pointer_has_its_remedy(name: str, code: str, sound: Path, tmp_path: Path) -> None:
    folder = folder_of(sound, tmp_path / "folder")
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:5e\nsize 5\n")
    told = f"error [{code}] {name}: a Git LFS pointer stands in for the file; fetch it with `git lfs pull`"
    assert told in [str(finding) for finding in check(folder).findings]


def test_a_byte_order_mark_in_metadata_is_an_error(sound: Path, tmp_path: Path) -> None:
    folder = folder_of(sound, tmp_path / "folder")
    content = (folder / "metadata.json").read_bytes()
    (folder / "metadata.json").write_bytes(b"\xef\xbb\xbf" + content)
    assert {finding.check.code for finding in check(folder).findings} == {"METADATA_INVALID"}


def test_unfinished_checks_are_named(sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of(sound, tmp_path / "folder")
    assert main(["check", str(folder), "--time-limit", "1e-9"]) == 1
    printed = capsys.readouterr().err
    assert "submission check: error: no time was left after 1e-09 s for METADATA_MISSING, METADATA_INVALID" in printed
    checked = check(folder, time_limit=1e-9)
    assert {one.looks for one in checked.unfinished} == {"files"}
    assert checked.passed == ()


@pytest.mark.parametrize("limit", ["0", "-1", "nan", "inf", "soon"])
def test_a_limit_that_is_none_is_refused_in_words(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "a.zip", f"--time-limit={limit}"])
    assert ended.value.code == 2
    assert f"must be a number above 0, not '{limit}'" in capsys.readouterr().err


def test_the_findings_of_one_check_have_an_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "predictions.json"
    path.write_text(json.dumps({str(number): [] for number in range(3 * MAX_FINDINGS)}))
    assert len(check(path).findings) == MAX_FINDINGS
    assert main(["check", str(path)]) == 1
    assert f"error [TEXT_MISSING] ... and at least {MAX_FINDINGS - 20} more" in capsys.readouterr().err


def test_names_from_strangers_stay_text(sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of(sound, tmp_path / "folder")
    (folder / "contest/\x1b[2J\u202e.env").write_text("A=1")
    assert main(["check", str(folder)]) == 1
    printed = capsys.readouterr()
    assert r"contest/\x1b[2J\u202e.env; leave it out" in printed.err
    assert "\x1b" not in printed.err + printed.out


def test_an_input_for_an_archive_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "submission.zip", "--input", "input"]) == 2
    assert "--input belongs to a predictions file; name one, or leave it out" in capsys.readouterr().err


# What is put into a repository, and the check that finds it there.
REFUSED_BY_BOTH: dict[str, Callable[[Path], object]] = {
    "SOURCE_BROKEN": lambda root: (root / "contest/a.py").write_text("<<<<<<< HEAD\n"),
    "ENTRYPOINT_LINE_ENDS": lambda root: (root / "run.sh").write_bytes(b"exec python3\r\n"),
}


@pytest.mark.parametrize("code", REFUSED_BY_BOTH)
def test_pack_refuses_what_check_would(code: str, sound: Path, weights: Path, tmp_path: Path) -> None:
    root = folder_of(sound, tmp_path / "root")
    REFUSED_BY_BOTH[code](root)
    with pytest.raises(PackError, match=rf"`check` would refuse it:\nerror \[{code}\]"):
        pack(weights, tmp_path / "a.zip", "team/rudolph:1", root)
    assert not (tmp_path / "a.zip").exists()


def test_pack_looks_for_all_that_check_does(sound: Path, weights: Path) -> None:
    """Nothing that looks at files has nothing to look at before packing."""
    checked = look_over(Subject(packed={}, weights=weights))
    assert {one.looks for one in checked.not_done} == {"archive", "predictions"}
    assert {one for one in ALL_CHECKS if one.looks == "files"} == {
        *checked.passed,
        *(finding.check for finding in checked.findings),
    }


def test_pack_passes_on_warnings(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.zip"
    assert main(["pack", "--weights", str(weights), "--output", str(out), "--image", "team/rudolph"]) == 0
    assert capsys.readouterr().err.startswith("warning [IMAGE_FLOATING] the image is team/rudolph; name a tag")
    assert main(["pack", "--weights", str(weights), "--output", str(tmp_path / "no/a.zip"), "--image", "a:1"]) == 2
    assert "no such folder to write the archive into; make it" in capsys.readouterr().err
