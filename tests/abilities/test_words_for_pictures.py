"""Captions and classes of pictures as people ask for them, by the bundled networks."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from abilities.__main__ import main
from models.rudolph import Rudolph, load_rudolph
from models.weights import save_safetensors

BUNDLED, GOLDEN = Path(__file__).parents[2] / "weights", Path(__file__).parents[1] / "golden" / "models"


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
        (["caption", "{missing}"], "missing.png: there is no such file; check the path of the picture"),
        (["write", "круг", "--count", "0"], "must be a whole number from 1, not '0'"),
        (
            ["write", "круг", "--weights", "RUDOLPH-9B"],
            "no such folder, and no published weights of that name",
        ),
        (["classify", "{text}", "--classes", ""], "--classes needs two names or more"),
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
        (["classify", "{text}", "--classes", "круг,куб", "--template", "{}}"], "must have {} once"),
        (["classify", "{text}", "--classes", "круг,куб", "--template", "{}{{}}"], "must have {} once"),
        (["rank", "{text}", "--text", "круг"], "of one there must be several, of the other one"),
        (["rank", "{text}", "{text}", "--text", "круг", "--text", "куб"], "of one there must be several"),
        (["rank", "{text}", "--text", "круг", "--text", " "], "is empty"),
        (["rank", "{text}", "--text", "круг", "--text", "куб"], "NOT_A_PICTURE"),
        (["write", "круг", "--count", "3", "--drafts", "2"], "of 2 drafts, 3 texts can not be kept; raise --drafts"),
        (["write", "круг " * 200], "exceed the left text of 80; shorten it"),
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


def test_the_picture_that_a_text_is_of_comes_first(
    pictures: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed, blue = tmp_path / "ranking.json", "синий круг на белом фоне"
    for by in ("both", "text"):
        assert main(["rank", *pictures, "--text", blue, "--by", by, "--json", str(listed), "--device", "cpu"]) == 0
        told = json.loads(listed.read_text())
        assert (told["text"], told["by"]) == (blue, by)
        first, second = told["ranking"]
        assert (first["picture"], second["picture"]) == (pictures[1], pictures[0])
        assert first["text_perplexity"] < second["text_perplexity"]
        assert first["score"] < second["score"]
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == [pictures[1], pictures[0]] * 2


@pytest.mark.parametrize(("by", "key"), [("text", "text_perplexity"), ("picture", "picture_perplexity")])
def test_texts_are_ranked_by_one_of_two_perplexities(
    by: str, key: str, pictures: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed, texts = tmp_path / "ranking.json", ["красный круг на белом фоне", "круг круг круг", "сколько будет 2 + 2?"]
    asked = [word for text in texts for word in ("--text", text)]
    assert main(["rank", pictures[0], *asked, "--by", by, "--json", str(listed), "--device", "cpu"]) == 0
    ranking = json.loads(listed.read_text())["ranking"]
    assert sorted(entry["text"] for entry in ranking) == sorted(texts)
    assert [entry[key] for entry in ranking] == sorted(entry[key] for entry in ranking)
    if by == "text":
        assert ranking[0]["text"] == texts[0]


def test_texts_are_gone_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = tmp_path / "texts.json"
    command = [
        "write",
        "Красный ",
        "--count",
        "2",
        "--drafts",
        "4",
        "--json",
        str(listed),
        "--device",
        "cpu",
        "--quiet",
    ]
    assert main(command) == 0
    texts = json.loads(listed.read_text())["texts"]
    assert [text["perplexity"] for text in texts] == sorted(text["perplexity"] for text in texts)
    assert capsys.readouterr().out.splitlines() == [text["text"] for text in texts]
    assert all(text["text"].startswith("красный ") for text in texts)
    assert main([*command, "--batch", "1"]) == 0
    assert [text["text"] for text in json.loads(listed.read_text())["texts"]] == [text["text"] for text in texts]


EVERY_COMMAND = {
    "caption": ["caption", "{picture}", "--drafts", "2"],
    "classify": ["classify", "{picture}", "--classes", "круг,куб"],
    "rank pictures": ["rank", "{picture}", "{picture}", "--text", "круг"],
    "rank texts": ["rank", "{picture}", "--text", "круг", "--text", "куб"],
    "write": ["write", "круг", "--drafts", "3"],
    "draw": ["draw", "круг", "--count", "1", "--output", "{output}"],
    "draw guided": ["draw", "круг", "--count", "1", "--output", "{output}", "--guidance", "0.2"],
}


def run_of(command: str, pictures: list[str], tmp_path: Path) -> list[str]:
    files = {"{picture}": pictures[0], "{output}": str(tmp_path / "out")}
    return [*(files.get(word, word) for word in EVERY_COMMAND[command]), "--json", str(tmp_path / "x.json")]


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_numbers_that_are_none_are_refused(
    command: str, pictures: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "weights"
    broken.mkdir()
    shutil.copy(BUNDLED / "bpe.model", broken)
    (broken / "vqgan").symlink_to(BUNDLED / "vqgan")
    shutil.copytree(BUNDLED / "rudolph", broken / "rudolph")
    model = load_rudolph(broken / "rudolph")
    model.to_logits[1].bias.data.fill_(torch.nan)
    save_safetensors(model, broken / "rudolph" / "model.safetensors")
    assert main([*run_of(command, pictures, tmp_path), "--weights", str(broken), "--device", "cpu"]) == 2
    printed = capsys.readouterr()
    last = printed.err.strip().splitlines()[-1]
    assert "error [PRECISION]" in last
    assert "in float32: the weights themselves are at fault; no other precision helps" in last
    assert printed.out == ""
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")], ids=["cpu", "gpu"])
@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_a_full_memory_says_what_to_do(
    command: str,
    error: Exception,
    pictures: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(Rudolph, "embed", full)
    monkeypatch.setattr(Rudolph, "hidden", full)
    assert main([*run_of(command, pictures, tmp_path), "--device", "cpu"]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "error [FULL_MEMORY] the memory is full (--device cpu); use a --batch below 8, or --dtype bfloat16" in said


def test_a_fault_of_the_program_keeps_its_traceback(
    pictures: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(*_: object) -> None:
        raise RuntimeError("size mismatch")

    monkeypatch.setattr(Rudolph, "embed", wrong)
    assert main(["caption", pictures[0], "--device", "cpu"]) == 70
    assert "size mismatch" in capsys.readouterr().err


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_parts_that_do_not_fit_are_refused(
    command: str, pictures: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mixed = tmp_path / "weights"
    mixed.mkdir()
    shutil.copy(GOLDEN / "bpe_small_256.model", mixed / "bpe.model")
    for name in ("vqgan", "rudolph"):
        (mixed / name).symlink_to(BUNDLED / name)
    assert main([*run_of(command, pictures, tmp_path), "--weights", str(mixed), "--device", "cpu"]) == 2
    assert "bpe.model has 256 pieces, but RUDOLPH's vocabulary has 1024" in capsys.readouterr().err
