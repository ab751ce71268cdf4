"""What a person sees of a run: rows from all over it, and a contact sheet of its pictures."""

from pathlib import Path

import pytest
from PIL import Image

from contest.items import Item, Sample
from contest.writing import samples_to_wire, write_json
from submission.__main__ import main
from submission.preview import spread, table


@pytest.mark.parametrize(
    ("count", "wanted", "expected"),
    [(0, 3, []), (2, 3, ["0", "1"]), (9, 3, ["0", "3", "6"]), (10, 4, ["0", "2", "5", "7"])],
)
def test_samples_are_picked_from_all_over(count: int, wanted: int, expected: list[str]) -> None:
    assert spread([str(i) for i in range(count)], wanted) == expected


def samples() -> dict[str, Sample]:
    asked = (Item("text", "Опиши."), Item("image", "images/1.jpg"))
    return {"0": Sample("0", (Item("text", "Нарисуй круг."),)), "1": Sample("1", asked)}


def answers() -> dict[str, Sample]:
    drawn = (Item("text", "круг"), Item("image", "images/image_0.jpg"))
    return {"0": Sample("0", drawn), "1": Sample("1", (Item("text", "дом"),))}


def test_the_table_shows_questions_beside_answers() -> None:
    rows = [" ".join(line.split()) for line in table(samples(), answers(), 9).splitlines()]
    assert rows == ["id asked answered", "0 Нарисуй круг. круг | [picture]", "1 [picture] | Опиши. дом"]


@pytest.mark.parametrize("asked", ["Нарисуй круг.", "Цена $\\frac$ и $x"], ids=["plain", "dollars"])
def test_the_command_writes_a_contact_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: str) -> None:
    (tmp_path / "output" / "images").mkdir(parents=True)
    Image.new("RGB", (16, 16), "red").save(tmp_path / "output" / "images" / "image_0.jpg")
    asked_for = {**samples(), "0": Sample("0", (Item("text", asked),))}
    write_json(tmp_path / "input.json", samples_to_wire(asked_for.values()))
    write_json(tmp_path / "output" / "predictions.json", samples_to_wire(answers().values()))
    assert main(["preview", "--input", str(tmp_path), "--output", str(tmp_path / "output")]) == 0
    assert "(2 samples)" in capsys.readouterr().out
    with Image.open(tmp_path / "output" / "contact_sheet.png") as sheet:
        colours = sheet.convert("RGB").getcolors(1 << 20)
        assert sheet.width > 500
        assert any(colour[0] > 200 and colour[1] < 60 for _, colour in colours), "the red picture is on it"


def test_without_a_run_it_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "--input", str(tmp_path), "--output", str(tmp_path)]) == 2
    assert "input.json" in capsys.readouterr().err
