"""Odd pictures through the whole run: seen as well as they can be, named where something is wrong, no traceback."""

import io
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import submission.deadline as deadline_module
import submission.picture_files as picture_files
from tests.submission.conftest import Start, Write, image, text


def encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def with_long_text() -> bytes:
    info = PngInfo()
    info.add_text("Comment", "x" * 2_000_000, zip=True)
    return encoded(GRADIENT, "PNG", pnginfo=info)


GRADIENT = Image.linear_gradient("L").resize((60, 50)).convert("RGB")
DEEP = Image.new("I;16", (60, 50), 0x8000)
RED = Image.new("RGBA", (60, 50), (200, 30, 30, 0))
TURNED = b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0"
JPEG, TIFF, WEBP = (encoded(GRADIENT, form) for form in ("JPEG", "TIFF", "WEBP"))
OWN = ("submission run: error [", "memory: ", "samples at once: ", "done: ", "look at them: ", "check them: ", "  ")
CUT, CLIPPED, NONE = "PICTURE_DAMAGED", "PICTURE_CLIPPED", "NOT_A_PICTURE"

# Name: (file, what is named by the profile tuned, by baseline, whether tuned answers to the picture)
ODD: dict[str, tuple[bytes, str | None, str | None, bool]] = {
    "jpeg cut": (JPEG[:-8], CUT, CUT, True),
    "jpeg progressive cut": (encoded(GRADIENT, "JPEG", progressive=True)[:-8], CUT, CUT, True),
    "jpeg head": (JPEG[:300], CUT, CUT, False),
    "jpeg cmyk": (encoded(GRADIENT.convert("CMYK"), "JPEG"), None, None, True),
    "jpeg turned": (encoded(GRADIENT, "JPEG", exif=TURNED), None, None, True),
    "jpeg broken exif": (encoded(GRADIENT, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\5"), None, None, True),
    "mpo": (encoded(GRADIENT, "MPO", save_all=True, append_images=[GRADIENT]), None, None, True),
    "png cut": (encoded(GRADIENT, "PNG")[:-30], CUT, CUT, True),
    "png long text": (with_long_text(), CUT, CUT, True),
    "png profile": (encoded(GRADIENT, "PNG", icc_profile=bytes(2_000_000)), CUT, CUT, True),
    "png 16 bits": (encoded(DEEP, "PNG"), None, CLIPPED, True),
    "png transparent": (encoded(RED, "PNG"), None, None, True),
    "png palette": (encoded(RED.convert("P"), "PNG", transparency=0), None, None, True),
    "png black and white": (encoded(GRADIENT.convert("1"), "PNG"), None, None, True),
    "pgm 16 bits": (b"P5 60 50 65535\n" + bytes([0x80, 0]) * 3000, None, CLIPPED, True),
    "tiff floats": (encoded(Image.new("F", (60, 50), 0.5), "TIFF"), None, CLIPPED, True),  # published: black
    "png 16 bits black": (encoded(Image.new("I;16", (60, 50), 0), "PNG"), None, None, True),
    "tiff lab": (encoded(Image.new("LAB", (60, 50), (128, 100, 100)), "TIFF"), None, None, True),
    "tiff cut": (TIFF[:-600], CUT, CUT, True),
    "tiff jpeg cut": (encoded(GRADIENT, "TIFF", compression="jpeg")[:-40], CUT, CUT, False),
    "gif animated": (encoded(GRADIENT, "GIF", save_all=True, append_images=[GRADIENT.rotate(90)]), None, None, True),
    "gif cut": (encoded(GRADIENT, "GIF")[:-8], CUT, CUT, True),
    "webp cut": (WEBP[:-8], CUT, CUT, True),
    "bmp cut": (encoded(GRADIENT, "BMP")[:-8], CUT, CUT, True),
    "text": (b"no picture at all", NONE, NONE, False),
    "html": (b"<!DOCTYPE html><html>not found</html>", NONE, NONE, False),
    "empty": (b"", "PICTURE_EMPTY", "PICTURE_EMPTY", False),
    "large": (b"P5 100000 1000 255\n", "PICTURE_TOO_LARGE", "PICTURE_TOO_LARGE", False),
}  # fmt: skip


@pytest.mark.parametrize("profile", ["tuned", "baseline"])
def test_odd_pictures_are_answered_and_named(start: Start, write_input: Write, profile: str) -> None:
    folder = write_input({name: [text("Что на картинке?"), image(f"images/{name}")] for name in ODD})
    for name, (data, *_) in ODD.items():
        (folder / "images" / name).write_bytes(data)
    run = start(folder, "--profile", profile)
    assert run.status == 1
    assert "Traceback" not in run.stderr
    assert set(run.predictions) == set(ODD)
    problems = {problem["sample_id"]: problem for problem in run.report["problems"]}
    named = {name: problems[name]["code"] if name in problems else None for name in ODD}
    assert named == {name: ODD[name][1 if profile == "tuned" else 2] for name in ODD}
    seen = {name for name, problem in problems.items() if problem["instead"] == "answered to what can be seen of it"}
    if profile == "tuned":
        assert seen == {name for name, (_, problem, _, answered) in ODD.items() if problem and answered}
    else:
        absent = {name for name, it in problems.items() if it["instead"] == "it is black so, and counts as no picture"}
        assert absent == {"tiff floats"}
        assert seen == {name for name in ODD if ODD[name][2] == CLIPPED} - absent
    for line in run.stderr.splitlines():
        assert line.startswith(OWN) or " sample" in line, "nothing but our own words"


def test_a_cut_picture_is_answered_like_the_whole_one(submit: Start, write_input: Write) -> None:
    folder = write_input({"1": [text("Что на картинке?"), image("images/1.jpg")]})
    (folder / "images" / "1.jpg").write_bytes(JPEG)
    whole = submit(folder, output="whole")
    (folder / "images" / "1.jpg").write_bytes(JPEG[:-2])  # the end mark alone
    cut = submit(folder, output="cut")
    assert (whole.status, cut.status) == (0, 1)
    assert cut.predictions == whole.predictions
    assert [problem["instead"] for problem in cut.report["problems"]] == ["answered to what can be seen of it"]


def test_reading_pictures_ends_with_the_time(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures that take long, as those of 80 million pixels do: the clock is asked before each, not each batch."""
    samples = {str(number): [text("Что на картинке?"), image("images/red.png")] for number in range(400)}
    folder, read = write_input(samples), list[str]()
    late, asked = threading.Event(), threading.Event()
    view_picture = picture_files.view_picture

    def slowly(path: Any, **options: Any) -> Any:
        read.append(options["sample_id"])
        if len(read) > 20:
            late.set()
        if len(read) > 60:  # more than who asks before each picture lets be read
            asked.wait(60)
            time.sleep(0.2)  # a busy machine may be slow to stop
        return view_picture(path, **options)

    def monotonic() -> float:
        if late.is_set() and threading.current_thread() is not threading.main_thread():
            asked.set()  # by the thread that waits for pictures
        return time.monotonic() + (1e6 if late.is_set() else 0)

    monkeypatch.setattr(picture_files, "view_picture", slowly)
    monkeypatch.setattr(deadline_module, "time", SimpleNamespace(monotonic=monotonic))
    # What is still to be read when the run ends counts too: a run that has much left to do would have read it.
    monkeypatch.setattr(picture_files.PictureFiles, "__exit__", lambda self, *_: self._pool.shutdown())
    run = submit(folder, "--batch-size", "400")
    assert run.status == 3
    assert set(run.predictions) == set(samples)
    assert all(answer[0]["content"] for answer in run.predictions.values())
    assert len(read) < 100, "neither the batch nor what was read ahead is read to its end"
