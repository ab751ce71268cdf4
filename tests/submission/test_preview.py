"""What a person sees of a run: rows from all over it, and a contact sheet of its pictures, the wanted ones first."""

import json
from pathlib import Path
from typing import Any

import matplotlib.axes
import numpy as np
import pytest
from PIL import Image

from contest.items import Item, Sample
from contest.writing import samples_to_json, write_json
from submission.__main__ import main
from submission.contact_sheet import (
    ScoresFileError,
    answers_table,
    choose_pictures,
    read_scores,
    shortened,
    spread,
)


@pytest.mark.parametrize(
    ("count", "wanted", "expected"),
    [(0, 3, []), (2, 3, ["0", "1"]), (9, 3, ["0", "3", "6"]), (10, 4, ["0", "2", "5", "7"]), (9, 0, [])],
)
def test_samples_are_picked_from_all_over(count: int, wanted: int, expected: list[str]) -> None:
    assert spread([str(i) for i in range(count)], wanted) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("две  строки\nв одной", "две строки в одной"),
        ("\x1b[31mкрасно\u202e", "\\x1b[31mкрасно\\u202e"),
        ("длинный текст, который не помещается", "длинный текст, который…"),
        ("д" * 50, "д" * 23 + "…"),
    ],
)
def test_strangers_text_is_one_line_of_text(text: str, expected: str) -> None:
    assert shortened(text, 24) == expected


def asked(*texts: str, picture: bool = False) -> tuple[Item, ...]:
    return (*(Item("text", text) for text in texts), *([Item("image", "images/1.jpg")] if picture else []))


ITEMS = {
    "10": asked("Нарисуй картинку по описанию.", "синий круг"),
    "9": asked("Реши задачу.", "x + 2 = 3. Найди x.", "a) 1; b) 2"),
    "2": asked("чёрный кот на крыше"),
    "имя": asked("Сгенерируй изображение по тексту. собака"),
    "1": asked("Опиши.", picture=True),
    "3": asked("Москва стоит на реке.", "На какой реке стоит Москва?"),
}
SAMPLES = {key: Sample(key, items) for key, items in ITEMS.items()}
ANSWERS = {
    key: Sample(key, asked("да") if key == "1" else (Item("text", "да"), Item("image", f"images/image_{key}.jpg")))
    for key in ITEMS
}


@pytest.mark.parametrize(
    ("scores", "most", "shown"),
    [
        (None, 9, (["2", "10", "имя"], 3, ["3", "9"], 2)),
        (None, 1, (["2"], 3, ["3", "9"], 2)),
        ({"9": 0.5, "1": 0.25}, 9, (["9"], 1, ["2", "3", "10", "имя"], 4)),
    ],
    ids=["by the wording", "few", "by the tasks"],
)
def test_pictures_asked_for_come_first(scores: dict[str, float] | None, most: int, shown: Any) -> None:
    sheet = choose_pictures(SAMPLES, ANSWERS, scores, most)
    assert (sheet.asked, sheet.asked_in_all, sheet.others, sheet.others_in_all) == shown


def test_table_of_questions_and_answers() -> None:
    chosen = {key: SAMPLES[key] for key in ("2", "1")} | {"\x1b[2J": Sample("\x1b[2J", asked("кто\tтам"))}
    rows = [
        " ".join(line.split()) for line in answers_table(chosen, {**ANSWERS, "\x1b[2J": ANSWERS["2"]}, 9).splitlines()
    ]
    assert rows == [
        "id asked answered",
        "2 чёрный кот на крыше да | [picture]",
        "1 [picture] | Опиши. да",
        "\\x1b[2J кто там да | [picture]",
    ]


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A run of the samples: its pictures are red, but one, which is no picture."""
    (tmp_path / "output" / "images").mkdir(parents=True)
    for key in ANSWERS:
        Image.new("RGB", (16, 16), "red").save(tmp_path / "output" / "images" / f"image_{key}.jpg")
    (tmp_path / "output" / "images" / "image_3.jpg").write_bytes(b"none")
    write_json(tmp_path / "input.json", samples_to_json(SAMPLES.values()))
    write_json(tmp_path / "output" / "predictions.json", samples_to_json(ANSWERS.values()))
    return tmp_path


def preview(folder: Path, *options: str) -> int:
    return main(["preview", "--input", str(folder), "--output", str(folder / "output"), *options])


def test_sheet_has_ids_scores_and_prompts(
    finished: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    text = matplotlib.axes.Axes.text

    def noting(axes: Any, x: float, y: float, content: str, **options: Any) -> Any:
        written.append(content)
        return text(axes, x, y, content, **options)

    monkeypatch.setattr(matplotlib.axes.Axes, "text", noting)
    scored = {"tasks": {"generation": {"samples": {"10": 0.25, "2": 1}}, "textqa": {"samples": {"3": 0.5}}}}
    (finished / "scores.json").write_text(json.dumps(scored))
    assert preview(finished, "--scores", str(finished / "scores.json")) == 0
    assert written == [
        "2   score 1.000",
        "чёрный кот на крыше",
        "10   score 0.250",
        "синий круг",
        "a file is not a picture",
        "3",
        "Москва стоит на реке.\nНа какой реке стоит М…",
        "9",
        "Реши задачу. x + 2 =\n3. Найди x. a) 1; b) 2",
        "имя",
        "собака",
    ]
    captured = capfd.readouterr()
    assert captured.err == ""
    sheet = finished / "output" / "contact_sheet.png"
    assert f"(5, 2 of them asked for), contact sheet: {sheet}" in captured.out
    with Image.open(sheet) as picture:
        pixels = np.asarray(picture.convert("RGB"), dtype=int)
    red = (pixels[..., 0] > 200) & (pixels[..., 1] < 60)
    rows = np.flatnonzero(red.any(axis=1))
    asked_for = red[rows[0] + 5].sum()
    others = red[rows[-1] - 5].sum()
    assert asked_for / 2 > 1.5 * others / 3, "what nobody asked for is smaller"


@pytest.mark.parametrize(
    "prompt", ["Цена $\\frac$ и $x", "🦌 \u4e2d\u6587", "слово" * 500, "\x1b[31m\u202e\0", ""], ids=range(5)
)
def test_any_prompt_can_be_drawn(finished: Path, capfd: pytest.CaptureFixture[str], prompt: str) -> None:
    samples = {**SAMPLES, "2": Sample("2", asked(prompt))}
    write_json(finished / "input.json", samples_to_json(samples.values()))
    assert preview(finished) == 0
    captured = capfd.readouterr()
    assert captured.err == ""
    assert "\x1b" not in captured.out
    assert (finished / "output" / "contact_sheet.png").is_file()


def test_a_pointer_in_the_place_of_scores_is_named(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = finished / "scores.json"
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:5e\nsize 5\n")
    assert preview(finished, "--scores", str(file)) == 2
    told = "is no result: a Git LFS pointer stands in for the file; fetch it with `git lfs pull`\n"
    assert capsys.readouterr().err.endswith(f"error [SCORES_FILE] {file} {told}")


@pytest.mark.parametrize("content", ["{", "[]", '{"tasks": 1}', '{"tasks": {"generation": {"samples": {"1": "x"}}}}'])
def test_scores_that_are_none(finished: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    file = finished / "scores.json"
    file.write_text(content)
    with pytest.raises(ScoresFileError, match="evaluation score --json"):
        read_scores(file)
    assert preview(finished, "--scores", str(file)) == 2
    assert f"error [SCORES_FILE] {file} is no result; give a file that" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--samples", "--pictures"])
@pytest.mark.parametrize("count", ["-1", "x", "1" * 5000])
def test_counts_that_are_none(finished: Path, capsys: pytest.CaptureFixture[str], option: str, count: str) -> None:
    with pytest.raises(SystemExit) as ended:
        preview(finished, f"{option}={count}")
    assert ended.value.code == 2
    assert f"must be a whole number from 0, not '{count[:39]}" in capsys.readouterr().err


def test_a_run_without_pictures_has_no_sheet(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_json(finished / "output" / "predictions.json", samples_to_json([ANSWERS["1"]]))
    assert preview(finished) == 0
    assert "contact sheet" not in capsys.readouterr().out
    assert not (finished / "output" / "contact_sheet.png").exists()


def test_without_a_run_it_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "--input", str(tmp_path), "--output", str(tmp_path)]) == 2
    assert "input.json" in capsys.readouterr().err
