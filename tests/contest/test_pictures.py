"""Pictures are found inside their folder, opened as RGB, or refused by name."""

import io
import os
import re
import struct
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contest.errors import Code, ContestError
from contest.items import Item, Sample
from contest.limits import MAX_PICTURE_PIXELS
from contest.pictures import check_pictures, open_picture, open_published, probe_picture, resolve_picture, view_picture


def encoded(picture: Image.Image, image_format: str) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, image_format)
    return stream.getvalue()


def noise(mode: str = "RGB", size: tuple[int, int] = (48, 32)) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def png_of_size(width: int, height: int) -> bytes:
    """Return a PNG whose header claims this size, and which holds no pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


JPEG = encoded(noise(), "JPEG")
PNG = encoded(noise(), "PNG")

# (bytes of the file, code, whether the header alone shows it)
BAD_BYTES: tuple[tuple[bytes, Code, bool], ...] = (
    (b"", Code.PICTURE_EMPTY, True),
    (b"not a picture", Code.NOT_A_PICTURE, True),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", Code.NOT_A_PICTURE, True),
    (JPEG[:40], Code.PICTURE_DAMAGED, True),
    (JPEG[: len(JPEG) // 2], Code.PICTURE_DAMAGED, False),
    (PNG[: len(PNG) // 2], Code.PICTURE_DAMAGED, False),
    (PNG[:100] + bytes(200) + PNG[300:], Code.PICTURE_DAMAGED, False),
    (png_of_size(8, 8), Code.PICTURE_DAMAGED, False),
    (png_of_size(0, 8), Code.NOT_A_PICTURE, True),
    (png_of_size(MAX_PICTURE_PIXELS // 1000 + 1, 1000), Code.PICTURE_TOO_LARGE, True),
    (png_of_size(10_000, 10_000), Code.PICTURE_TOO_LARGE, True),
    (png_of_size(50_000, 50_000), Code.PICTURE_TOO_LARGE, True),
)


def make_folder(path: Path) -> None:
    path.mkdir()


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


def make_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere.jpg")


def make_nothing(path: Path) -> None:
    del path


# (what stands at the path, code)
BAD_FILES: tuple[tuple[Callable[[Path], None], Code], ...] = (
    (make_nothing, Code.PICTURE_MISSING),
    (make_dangling_link, Code.PICTURE_MISSING),
    (make_folder, Code.PICTURE_NOT_A_FILE),
    (make_pipe, Code.PICTURE_NOT_A_FILE),
    (make_loop, Code.PICTURE_UNREADABLE),
)

# (path of an image item, word of the message); `out` links to a folder beside the root, `in` to one inside.
REFUSED_PATHS: tuple[tuple[str, str], ...] = (
    ("", "no file"),
    (".", "no file"),
    ("/etc/hostname", "absolute"),
    ("//images/1.jpg", "absolute"),
    ("..", "'..'"),
    ("../other/1.jpg", "'..'"),
    ("images/../images/1.jpg", "'..'"),
    ("images/1.jpg\0", "NUL"),
    ("images/\ud800.jpg", "file name"),
    ("out/1.jpg", "link"),
    ("in/back/other/1.jpg", "link"),
)
PATH_CODE = Code.PICTURE_PATH_REFUSED


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with a picture, links that stay inside it, and links that leave it."""
    root = tmp_path / "input"
    (root / "images").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    for folder in (root / "images", tmp_path / "other"):
        (folder / "1.jpg").write_bytes(JPEG)
    (root / "out").symlink_to(tmp_path / "other")
    (root / "in").symlink_to("images")
    (root / "images" / "back").symlink_to("../..")
    return root


@pytest.mark.parametrize("content", ["images/1.jpg", "./images//1.jpg", "in/1.jpg", "images/.../1.jpg", "images/нет"])
def test_paths_inside_the_root(content: str, root: Path) -> None:
    assert resolve_picture(root, content) == (root / content.replace("in/", "images/")).absolute()


def test_the_root_may_itself_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert resolve_picture(tmp_path / "link", "images/1.jpg") == root / "images" / "1.jpg"


@pytest.mark.parametrize(("content", "word"), REFUSED_PATHS)
def test_paths_that_leave_the_root(content: str, word: str, root: Path) -> None:
    with pytest.raises(ContestError, match=word) as caught:
        resolve_picture(root, content, sample_id="7", item=1)
    assert (caught.value.code, caught.value.sample_id, caught.value.item) == (PATH_CODE, "7", 1)


@pytest.mark.parametrize(("data", "code", "in_header"), BAD_BYTES, ids=range(len(BAD_BYTES)))
def test_files_that_are_no_picture(data: bytes, code: Code, in_header: bool, tmp_path: Path, recwarn) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(data)
    with pytest.raises(ContestError) as caught:
        view_picture(path, sample_id="7", item=1, published=True)
    error = caught.value
    assert (error.code, error.file, error.sample_id, error.item) == (code, str(path), "7", 1)
    with pytest.raises(ContestError) if in_header else nullcontext() as caught:
        probe_picture(path)
    assert not in_header or caught.value.code is code


@pytest.mark.parametrize(("make", "code"), BAD_FILES)
def test_paths_without_a_plain_file(make: Callable[[Path], None], code: Code, tmp_path: Path) -> None:
    make(tmp_path / "bad.jpg")
    with pytest.raises(ContestError) as caught:
        open_picture(tmp_path / "bad.jpg")
    assert (caught.value.code, caught.value.file) == (code, str(tmp_path / "bad.jpg"))


def test_a_file_that_vanishes_or_is_locked_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "1.jpg").write_bytes(JPEG)
    monkeypatch.setattr(Image, "open", denied)
    with pytest.raises(ContestError, match=r"PICTURE_UNREADABLE.*Permission denied"):
        open_picture(tmp_path / "1.jpg")


@pytest.mark.parametrize("image_format", ["JPEG", "MPO", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
def test_every_format_opens_as_rgb(image_format: str, tmp_path: Path) -> None:
    picture = noise("P" if image_format == "GIF" else "RGB")
    path = tmp_path / "1.jpg"  # the name does not matter
    options = {"WEBP": {"lossless": True}, "MPO": {"save_all": True, "append_images": [picture]}}
    picture.save(path, image_format, **options.get(image_format, {}))
    opened = open_picture(path)
    assert (opened.mode, opened.size) == ("RGB", (48, 32))
    if image_format not in ("JPEG", "MPO"):
        np.testing.assert_array_equal(np.asarray(opened), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize(
    ("mode", "image_format", "pixel", "expected"),
    [
        ("RGB", "PNG", (1, 2, 3), (1, 2, 3)),
        ("L", "PNG", 7, (7, 7, 7)),
        ("1", "PNG", 1, (255, 255, 255)),
        ("LA", "PNG", (7, 0), (7, 7, 7)),
        ("RGBA", "PNG", (1, 2, 3, 0), (1, 2, 3)),
        ("P", "PNG", 0, (0, 0, 0)),
        ("CMYK", "TIFF", (255, 0, 0, 0), (0, 255, 255)),
        ("I;16", "PNG", 0, (0, 0, 0)),
        ("I;16", "PNG", 65535, (255, 255, 255)),
        ("F", "TIFF", 7.0, (7, 7, 7)),
        ("YCbCr", "TIFF", (100, 90, 200), (200, 61, 32)),
    ],
)
def test_every_mode_becomes_rgb_with_alpha_dropped(
    mode: str, image_format: str, pixel: object, expected: tuple[int, int, int], tmp_path: Path
) -> None:
    Image.new(mode, (2, 3), pixel).save(tmp_path / "1.png", image_format)
    for opened in (open_picture(tmp_path / "1.png"), open_published(tmp_path / "1.png")):
        assert opened.mode == "RGB"
        assert np.asarray(opened).reshape(-1, 3).tolist() == [list(expected)] * 6


def test_the_picture_outlives_its_file(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(JPEG)
    opened = open_picture(tmp_path / "1.jpg")
    (tmp_path / "1.jpg").unlink()
    assert np.asarray(opened).shape == (32, 48, 3)


def test_checking_reports_each_use_of_each_bad_picture(root: Path) -> None:
    (root / "images" / "half.jpg").write_bytes(JPEG[: len(JPEG) // 2])
    samples = [
        Sample("0", (Item("text", "../not/a/path"), Item("image", "images/1.jpg"))),
        Sample("1", (Item("image", "images/2.jpg"), Item("image", "images/half.jpg"))),
        Sample("2", (Item("text", "Что это?"), Item("image", "images/2.jpg"), Item("image", "out/1.jpg"))),
    ]
    places = [(error.code, error.sample_id, error.item) for error in check_pictures(samples, root)]
    assert places == [
        (Code.PICTURE_MISSING, "1", 0),
        (Code.PICTURE_DAMAGED, "1", 1),
        (Code.PICTURE_MISSING, "2", 1),
        (Code.PICTURE_PATH_REFUSED, "2", 2),
    ]


def test_links_out_of_the_folder_are_followed_only_where_its_owner_is_trusted(root: Path) -> None:
    assert resolve_picture(root, "out/1.jpg", follow_links=True) == root.parent / "other" / "1.jpg"
    with pytest.raises(ContestError):
        resolve_picture(root, "../other/1.jpg", follow_links=True)


@pytest.mark.parametrize("row", BAD_BYTES, ids=range(len(BAD_BYTES)))
def test_damage_is_told_in_words_for_people(row: tuple[bytes, Code, bool], tmp_path: Path) -> None:
    content, code, _ = row
    path = tmp_path / "1.jpg"
    path.write_bytes(content)
    with pytest.raises(ContestError) as refused:
        open_published(path)
    assert not re.search(r"Error|Exception|Errno|Warning|object at|<_io", refused.value.message), refused.value.message
    assert refused.value.code is code


def test_a_link_that_leads_to_itself_is_told_without_a_number(tmp_path: Path) -> None:
    make_loop(tmp_path / "1.jpg")
    with pytest.raises(ContestError) as refused:
        open_picture(tmp_path / "1.jpg")
    assert refused.value.message == "Too many levels of symbolic links"


@pytest.mark.parametrize(
    ("content", "is_inside"),
    [
        ("images/../images/3.png", True),
        ("images/../3.png", True),
        ("../3.png", False),
        ("images/../../3.png", False),
        ("images/../../input/images/3.png", False),  # comes back, but has been outside
        ("out/../3.png", False),  # by a link
    ],
)
def test_a_path_that_goes_up_stays_inside(tmp_path: Path, content: str, is_inside: bool) -> None:
    root = tmp_path / "input"
    (root / "images").mkdir(parents=True)
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (root / "out").symlink_to(tmp_path / "elsewhere" / "deep")
    with pytest.raises(ContestError, match="holds"):
        resolve_picture(root, content)
    if is_inside:
        expected = root.resolve() / ("3.png" if content == "images/../3.png" else "images/3.png")
        assert resolve_picture(root, content, inner_parents=True) == expected
    else:
        with pytest.raises(ContestError, match="outside"):
            resolve_picture(root, content, follow_links=True, inner_parents=True)
