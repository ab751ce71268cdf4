"""Malformed input, by the hundred: no traceback and no lost sample. Either an error that names what is wrong, or an
answer for every sample, and the sound ones are answered as if nothing were wrong."""

import functools
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import submission.run as run_module
from contest.limits import MAX_FILE_NAME_BYTES, picture_name
from submission.loading import fingerprint, load_networks
from tests.submission.conftest import Finished, Start, Write, image, text

SOUND = {
    "0": [text("красный дом стоит на горе")],
    "1": [text("Что лежит под столом?"), image("images/red.png")],
}
FEW, MANY = 30, 500


@pytest.fixture
def submit_often(submit: Start, weights: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """As `submit`, with the networks loaded once."""
    monkeypatch.setattr(run_module, "load_networks", functools.cache(load_networks))
    monkeypatch.setattr(run_module, "fingerprint", functools.cache(fingerprint))
    return submit


STRANGE: tuple[Any, ...] = (
    *(None, True, -1, 1e308, 10**40, "", "\0", "\ud800", "../../etc/passwd", "/dev/zero", "a" * 300, "images/red.png"),
    *([], {}, [[]], [None], {"type": "image"}, {"type": "text", "content": None}, {"type": "video", "content": "x"}),
    *(
        text("\u202e" * 50),
        text("слово " * 3000),
        image(""),
        image("images"),
        image("images/" + "x" * 5000),
        [text("?")],
    ),
)


def mangled_value(rng: random.Random, value: Any) -> Any:
    """Put something strange somewhere into a JSON value, or take something out."""
    if rng.random() < 0.2 or not isinstance(value, dict | list) or not value:
        return rng.choice(STRANGE)
    if isinstance(value, list):
        index = rng.randrange(len(value))
        found = list(value)
        match rng.randrange(4):
            case 0:
                del found[index]
            case 1:
                found.insert(index, rng.choice(STRANGE))
            case _:
                found[index] = mangled_value(rng, found[index])
        return found
    key = rng.choice(list(value))
    entries = dict(value)
    match rng.randrange(5):
        case 0:
            del entries[key]
        case 1:
            entries[str(rng.choice(STRANGE))] = entries[key]
        case _:
            entries[key] = mangled_value(rng, entries[key])
    return entries


def mangled_bytes(rng: random.Random, data: bytes) -> bytes:
    """Flip, cut, repeat or insert bytes."""
    found = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(found) + 1)
        match rng.randrange(5):
            case 0:
                found[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del found[at:]
            case 2:
                found[at:at] = found[at : at + rng.randint(1, 40)]
            case 3:
                del found[at : at + rng.randint(1, 8)]
            case _:
                found[at:at] = rng.choice((b"\xff", b"\0" * 8, b'"', b"}", b"[" * 40, b"\\u", b"1e999", b"\xd0"))
    return bytes(found)


def usable(sample_id: str) -> bool:
    try:
        return 0 < len(picture_name(sample_id).encode()) <= MAX_FILE_NAME_BYTES and not set("/\0") & set(sample_id)
    except UnicodeEncodeError:
        return False


def assert_no_sample_lost(run: Finished, document: Any) -> None:
    """An error that names what is wrong, or a valid answer for every sample that has a usable id."""
    assert "Traceback" not in run.stderr
    assert run.status in (0, 1, 2), run.stderr
    if run.status == 2:
        assert "submission run: error [" in run.stderr, "the kind of error is named"
        assert not isinstance(document, dict)
        return
    assert isinstance(document, dict)
    assert set(run.predictions) == {key for key in document if key and usable(key)}
    for answer in run.predictions.values():
        assert answer[0]["type"] == "text"
        assert answer[0]["content"]
        for item in answer[1:]:
            with Image.open(run.output / item["content"]) as picture:
                picture.load()
    problems = run.report["problems"]
    assert (run.status == 1) == bool(problems) == ("submission run: error [" in run.stderr)


def parsed(data: bytes) -> Any:
    """The JSON document, or None if it is none."""
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None


def mangle_values(rng: random.Random) -> bytes:
    value: Any = {**SOUND, "2": [text("кошка"), image("images/red.png")]}
    for _ in range(rng.randint(1, 3)):
        value = mangled_value(rng, value)
    return json.dumps(value).encode()


def mangle_text(rng: random.Random) -> bytes:
    return mangled_bytes(rng, json.dumps(SOUND, ensure_ascii=False).encode())


@pytest.mark.parametrize("count", [FEW // 2, pytest.param(MANY // 2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mangle", [mangle_values, mangle_text])
def test_malformed_json(
    submit_often: Start, write_input: Write, mangle: Callable[[random.Random], bytes], count: int
) -> None:
    rng = random.Random(20221123)
    for number in range(count):
        folder = write_input({})
        data = mangle(rng)
        (folder / "input.json").write_bytes(data)
        run = submit_often(folder, output=f"output{number}")
        assert_no_sample_lost(run, parsed(data))


def sound_pictures() -> list[bytes]:
    picture = Image.radial_gradient("L").resize((40, 30)).convert("RGB")
    found = []
    for form in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"):
        stream = io.BytesIO()
        picture.save(stream, form)
        found.append(stream.getvalue())
    return found


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_malformed_pictures(submit_often: Start, write_input: Write, count: int) -> None:
    rng = random.Random(20221124)
    pictures = sound_pictures()
    broken = {f"broken {number}": [text("Что это?"), image(f"images/{number}")] for number in range(count)}
    folder = write_input({**SOUND, **broken})
    for number in range(count):
        (folder / "images" / str(number)).write_bytes(mangled_bytes(rng, rng.choice(pictures)))
    run = submit_often(folder)
    assert "Traceback" not in run.stderr
    assert run.status == 1
    assert list(run.predictions) == [*SOUND, *broken]
    named = {problem["sample_id"] for problem in run.report["problems"]}
    assert named < set(broken)
    assert {problem["phase"] for problem in run.report["problems"]} == {"picture"}
    alone = submit_often(write_input(SOUND), output="alone")
    assert {key: run.predictions[key] for key in SOUND} == alone.predictions


def test_malformed_input_through_the_process(start: Start, write_input: Write) -> None:
    content = """{"0": [{"type": "text", "content": "\\ud800"}], "\\ud800": [], "1": 1e999,
        "2": [{"type": "image", "content": "/dev/zero"}], "3": [], "3": {"type": NaN}}"""
    assert_no_sample_lost(start(write_input(content)), json.loads(content))
