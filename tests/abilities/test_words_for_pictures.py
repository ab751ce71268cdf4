"""Captions and classes of pictures as people ask for them, by the bundled networks."""

import json
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from abilities.__main__ import main


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A red and a blue circle on white."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, colour in (("red", (220, 30, 30)), ("blue", (30, 60, 220))):
        picture = Image.new("RGB", (256, 256), "white")
        ImageDraw.Draw(picture).ellipse((56, 56, 200, 200), fill=colour)
        picture.resize((64, 64)).save(folder / f"{name}.png")
    return [str(folder / "red.png"), str(folder / "blue.png")]


def test_captions_name_what_is_there(pictures: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = tmp_path / "captions.json"
    command = ["caption", *pictures, "--count", "2", "--drafts", "4", "--json", str(listed), "--device", "cpu"]
    assert main(command) == 0
    told = json.loads(listed.read_text())
    assert [entry["file"] for entry in told["pictures"]] == pictures
    red, blue = (entry["captions"] for entry in told["pictures"])
    assert "красный" in red[0]["text"]
    assert "синий" in blue[0]["text"]
    assert all(1 <= len(captions) <= 2 for captions in (red, blue))
    assert all(sum(one["drafts"] for one in captions) <= 4 for captions in (red, blue))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{pictures[0]}\t{red[0]['text']}"
    assert len(lines) == len(red) + len(blue)


def test_the_likeliest_class_is_chosen(pictures: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = tmp_path / "classes.json"
    classes = "красный круг на белом фоне, синий круг на белом фоне"
    assert main(["classify", *pictures, "--classes", classes, "--json", str(listed), "--device", "cpu"]) == 0
    first, second = json.loads(listed.read_text())["pictures"]
    assert first["class"] == "красный круг на белом фоне"
    assert second["class"] == "синий круг на белом фоне"
    assert min(first["perplexities"], key=first["perplexities"].__getitem__) == first["class"]
    assert capsys.readouterr().out.splitlines()[1] == f"{pictures[1]}\tсиний круг на белом фоне"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["caption", "{missing}"], "PICTURE_MISSING"),
        (["caption", "{text}"], "NOT_A_PICTURE"),
        (["caption", "{text}", "--count", "3", "--drafts", "2"], "of 2 drafts, 3 captions can not be kept"),
        (["caption", "{text}", "--count", "0"], "must be a whole number from 1, not '0'"),
        (["classify", "{text}", "--classes", "круг"], "--classes needs two names or more"),
        (["classify", "{text}", "--classes", "круг,,куб"], "none of them empty"),
        (
            ["classify", "{text}", "--classes", "круг,куб, круг"],
            "--classes names круг more than once; leave one of each",
        ),
        (["classify", "{text}", "--classes", "круг,куб", "--template", "это"], "must have {} once"),
        (["classify", "{text}", "--classes", "круг,куб", "--template", "{} {0}"], "must have {} once"),
        (["classify", "{text}", "--classes", "круг,куб"], "NOT_A_PICTURE"),
    ],
)
def test_bad_input_is_named(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"{missing}": tmp_path / "missing.png", "{text}": tmp_path / "text.png"}
    files["{text}"].write_text("no picture")
    words = [str(files.get(word, word)) for word in arguments]
    try:
        status = main([*words, "--json", str(tmp_path / "out.json")])
    except SystemExit as ended:  # as argparse ends a process
        status = int(str(ended.code))
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()


def test_forty_classes_are_no_trouble(pictures: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    names = ",".join(["красный круг на белом фоне", *(f"зелёный куб {number}" for number in range(39))])
    assert main(["classify", pictures[0], "--classes", names, "--device", "cpu"]) == 0
    assert capsys.readouterr().out == f"{pictures[0]}\tкрасный круг на белом фоне\n"
