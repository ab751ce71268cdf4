"""The answers file: valid from the beginning, rewritten seldom enough, and its plain pictures cost next to nothing."""

import json
import os
from pathlib import Path

import pytest

from contest.items import Item, Sample
from submission.predictions import DiskReserve, PredictionsFile, plain_picture

ASKED = Sample("0", (Item("text", "Что это?"), Item("image", "images/1.jpg")))
DRAWN = Sample("1", (Item("text", "кошка"),))
FALLBACKS = {
    "0": [{"type": "text", "content": "пусто"}],
    "1": [{"type": "text", "content": "пусто"}, {"type": "image", "content": "images/image_1.jpg"}],
}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.step = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def predictions(folder: Path, clock: Clock) -> PredictionsFile:
    (folder / "images").mkdir(exist_ok=True)
    return PredictionsFile(folder, [ASKED, DRAWN], "пусто", clock)


def content(folder: Path) -> dict[str, object]:
    return json.loads((folder / "predictions.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_every_sample_has_a_fallback_of_its_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError("this file system has no links")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    predictions(tmp_path, Clock()).write_fallbacks()
    assert content(tmp_path) == FALLBACKS
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["image_1.jpg"]
    assert (tmp_path / "images" / "image_1.jpg").read_bytes() == plain_picture()


def wire(asked: str, drawn: str, *images: str) -> dict[str, object]:
    pictures = [{"type": "image", "content": image} for image in images]
    return {"0": [{"type": "text", "content": asked}], "1": [{"type": "text", "content": drawn}, *pictures]}


PICTURE = "images/image_1.jpg"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (wire("кот", "пёс", PICTURE), wire("кот", "пёс", PICTURE)),
        (dict(reversed(wire("кот", "пёс", PICTURE).items())), wire("кот", "пёс", PICTURE)),  # in the input's order
        (wire("кот", "пёс"), wire("кот", "пусто", PICTURE)),  # its picture is missing: of another input
        (wire("", "пёс", "images/other.jpg"), wire("пусто", "пёс", PICTURE)),
        ({"1": wire("", "пёс", PICTURE)["1"], "7": []}, wire("пусто", "пёс", PICTURE)),
        ({"0": [], "1": []}, FALLBACKS),
        ('{"0": [{"type": "text", "content": "кот"}]', FALLBACKS),
    ],
)
@pytest.mark.parametrize("same_input", [True, False])
def test_earlier_answers_stay_in_the_form_of_this_input(
    tmp_path: Path, before: object, after: object, same_input: bool
) -> None:
    text = before if isinstance(before, str) else json.dumps(before, ensure_ascii=False)
    (tmp_path / "predictions.json").write_text(text, encoding="utf-8")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "image_1.jpg").write_bytes(b"drawn before")
    file = predictions(tmp_path, Clock())
    file.keep_earlier({}, file=same_input)
    file.write_fallbacks()
    assert content(tmp_path) == (after if same_input else FALLBACKS)
    assert list(content(tmp_path)) == ["0", "1"]
    assert (tmp_path / "images" / "image_1.jpg").read_bytes() == b"drawn before"
    file.keep_earlier({"1": "из журнала"}, file=False)
    file.write_fallbacks()
    assert content(tmp_path) == wire("пусто", "из журнала", PICTURE)
    assert file.drawn_before(()) == {"1"}
    file.keep_earlier({}, file=False)
    file.write_fallbacks()
    assert content(tmp_path) == FALLBACKS


def test_another_runs_picture_is_replaced(tmp_path: Path) -> None:
    file = predictions(tmp_path, Clock())
    picture = tmp_path / "images" / "image_1.jpg"
    picture.write_bytes(b"drawn before")
    (tmp_path / "images" / "other.jpg").hardlink_to(picture)
    file.write_fallback_images([ASKED, DRAWN], replace=True)
    assert picture.read_bytes() == plain_picture()
    assert (tmp_path / "images" / "other.jpg").read_bytes() == b"drawn before"
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["image_1.jpg", "other.jpg"]


@pytest.mark.parametrize(("writing", "pause"), [(0.001, 10.0), (1.0, 50.0)])
def test_rewriting_takes_a_small_share_of_the_time(tmp_path: Path, writing: float, pause: float) -> None:
    clock = Clock()
    file = predictions(tmp_path, clock)
    assert file.is_due
    clock.step = writing
    file.write({"0": "кот"}, ())
    clock.step = 0.0
    assert not file.is_due
    clock.now += pause * 0.99
    assert not file.is_due
    clock.now += pause * 0.02
    assert file.is_due


def test_temp_files_are_removed(tmp_path: Path) -> None:
    file = predictions(tmp_path, Clock())
    for name in (f".{'a' * 32}.tmp", f"images/.{'0' * 32}.link", ".hidden", "images/image_1.jpg"):
        (tmp_path / name).write_text("")
    file.remove_temp_files()
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".hidden", "image_1.jpg", "images"]


def test_the_reserve_takes_room_and_gives_it_back(tmp_path: Path) -> None:
    reserve = DiskReserve(tmp_path, 1000)
    reserve.take()
    assert (tmp_path / ".reserve").stat().st_blocks * 512 >= 2_000_000
    reserve.release()
    reserve.release()
    assert not (tmp_path / ".reserve").exists()
