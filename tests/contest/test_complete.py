"""Predictions against the input they answer: what is missing, unsound, or no plain file."""

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from contest.complete import links_and_devices, prediction_errors
from contest.errors import Code
from contest.items import Item, Sample

SAMPLES = {key: Sample(key, (Item("text", "?"),)) for key in ("0", "1")}
TEXT = {"type": "text", "content": "да"}
PICTURE = {"type": "image", "content": "images/image_0.jpg"}

LARGE = Code.ENTRY_TOO_LARGE
# (predictions, codes with the samples they strike)
ROWS: tuple[tuple[object, list[tuple[Code, str | None]]], ...] = (
    ({"0": [TEXT], "1": [TEXT, PICTURE]}, []),
    ({"0": [], "1": []}, []),
    ({"0": [TEXT], "1": [TEXT], "surplus": [TEXT]}, []),
    ({"0": [TEXT]}, [(Code.PREDICTION_MISSING, "1")]),
    ({}, [(Code.PREDICTION_MISSING, "0"), (Code.PREDICTION_MISSING, "1")]),
    ({"0": [TEXT], "1": TEXT}, [(Code.SAMPLE_NOT_A_LIST, "1")]),
    ({"0": [TEXT], "1": [{"type": "image", "content": "none.jpg"}]}, [(Code.PICTURE_MISSING, "1")]),
    ({"0": [TEXT], "1": [{"type": "image", "content": "../a.jpg"}]}, [(Code.PICTURE_PATH_REFUSED, "1")]),
    ([], [(Code.NOT_AN_OBJECT, None)]),
    ({"0": [TEXT], "1": [TEXT] * 101}, [(Code.ITEMS_TOO_MANY, "1")]),
    ({"0": [TEXT], "1": "x" * 17_000_000}, [(Code.FILE_UNREADABLE, None)]),
    ({str(number): 0 for number in range(2, 100_003)}, [(Code.ENTRIES_TOO_MANY, None)]),
)


@pytest.mark.parametrize(("predictions", "expected"), ROWS, ids=range(len(ROWS)))
def test_what_is_wrong_with_predictions(
    predictions: object, expected: list[tuple[Code, str | None]], tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "images/image_0.jpg")
    path = tmp_path / "predictions.json"
    path.write_text(json.dumps(predictions))
    assert [(error.code, error.sample_id) for error in prediction_errors(path, SAMPLES)] == expected


def test_an_entry_too_large_to_be_held_ends_the_reading(tmp_path: Path) -> None:
    samples = {str(number): SAMPLES["0"] for number in range(100)}  # a file of so many may be as large as this entry
    path = tmp_path / "predictions.json"
    path.write_text(json.dumps({"0": [TEXT], "1": "x" * 20_000_000}))
    assert (LARGE, "1") in [(error.code, error.sample_id) for error in prediction_errors(path, samples)]


def test_missing_predictions_are_one_error(tmp_path: Path) -> None:
    assert [error.code for error in prediction_errors(tmp_path / "predictions.json", SAMPLES)] == [Code.FILE_MISSING]


def test_a_link_instead_of_predictions_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"0": [], "1": []}')
    (tmp_path / "predictions.json").symlink_to(tmp_path / "secret.json")
    (error,) = prediction_errors(tmp_path / "predictions.json", SAMPLES)
    assert error.code is Code.FILE_UNREADABLE


def test_links_and_devices_are_found_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.jpg").write_bytes(b"x")
    (tmp_path / "images/up").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert sorted(links_and_devices(tmp_path)) == ["images/up", "pipe"]


@pytest.mark.parametrize(("count", "size"), [(2, 16_000_000 + 2 * 65_536 + 1), (20_000, 10**9 + 1)])
def test_predictions_too_large_to_be_held_are_not_read(count: int, size: int, tmp_path: Path) -> None:
    with (tmp_path / "predictions.json").open("wb") as stream:
        stream.truncate(size)
    samples = {str(number): SAMPLES["0"] for number in range(count)}
    (error,) = prediction_errors(tmp_path / "predictions.json", samples)
    assert (error.code, error.message) == (
        Code.FILE_UNREADABLE,
        f"it has {size} bytes; at most {size - 1} are read for {count} samples",
    )
