"""Pixels out of files: damaged ones as far as they can be seen, deep grey scaled, and strangers' within a budget."""

import io
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile
from PIL.PngImagePlugin import PngInfo

from contest.decoding import PixelBudget
from contest.errors import Code, ContestError
from contest.items import Item, Sample
from contest.limits import FREE_PIXELS, PIXELS_A_SAMPLE
from contest.pictures import check_pictures, decode_picture, open_picture, open_published, view_picture
from tests.picture_bombs import png_of_zeros

ROOT = Path(__file__).parents[2]
HEIGHT = 100
SPENT, CLIPPED = Code.PICTURES_TOO_LARGE_IN_ALL, Code.PICTURE_CLIPPED


def encoded(picture: Image.Image, image_format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, image_format, **options)
    return stream.getvalue()


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (HEIGHT, 120, 3), dtype=np.uint8))


def gradient() -> Image.Image:
    return Image.fromarray(np.tile(np.arange(120, dtype=np.uint8)[None, :, None], (HEIGHT, 1, 3)))


def on_black() -> Image.Image:
    """Noise in the upper tenth, and below it what a decoder leaves where it had nothing to decode."""
    picture = np.zeros((HEIGHT, 120, 3), dtype=np.uint8)
    picture[:10] = np.asarray(noise())[:10]
    return Image.fromarray(picture)


# (picture, format, options, bytes that are cut off, rows that are lost of 100; None: more than half, it is refused)
CUT: tuple[tuple[Image.Image, str, dict[str, object], int, int | None], ...] = (
    (noise(), "JPEG", {}, 8, 0),
    (noise(), "JPEG", {}, 2700, 19),
    (noise(), "JPEG", {}, 5400, None),
    (gradient(), "JPEG", {}, 8, 0),
    (noise(), "JPEG", {"progressive": True}, 8, 0),
    (noise(), "JPEG", {"progressive": True}, 2500, 0),
    (noise().convert("L"), "JPEG", {}, 8, 0),
    (noise().convert("CMYK"), "JPEG", {}, 8, 0),
    (noise(), "PNG", {}, 40, 1),
    (noise(), "PNG", {}, 12_000, 34),
    (noise(), "PNG", {}, 24_000, None),
    (on_black(), "PNG", {"compress_level": 0}, 40, 1),
    (on_black(), "PNG", {"compress_level": 0}, 24_000, None),
    (noise().convert("P"), "GIF", {"interlace": 0}, 40, 2),
    (noise().convert("P"), "GIF", {"interlace": 1}, 40, 2),
    (noise(), "BMP", {}, 8, 1),
    (noise(), "PPM", {}, 12_000, 34),
    (noise(), "TIFF", {}, 12_000, 34),
    (noise(), "WEBP", {}, 8, 0),
    (noise(), "WEBP", {"exif": b"Exif\0\0" + bytes(40)}, 80, 5),
    (noise(), "WEBP", {"lossless": True}, 100, 1),
    (noise(), "WEBP", {}, 6000, None),
)


@pytest.mark.parametrize(("picture", "form", "options", "cut", "lost"), CUT, ids=range(len(CUT)))
def test_cut_files(
    picture: Image.Image, form: str, options: dict[str, object], cut: int, lost: int | None, tmp_path: Path
) -> None:
    whole = encoded(picture, form, **options)
    path = tmp_path / "cut"
    path.write_bytes(whole[:-cut])
    with pytest.raises(ContestError, match="PICTURE_DAMAGED"):
        open_published(path)
    if lost is None:
        with pytest.raises(ContestError, match="PICTURE_DAMAGED"):
            open_picture(path)
        return
    view = view_picture(path, sample_id="7", item=1)
    assert view.flaw is not None
    assert (view.flaw.code, view.flaw.sample_id, view.flaw.item) == (Code.PICTURE_DAMAGED, "7", 1)
    seen = f"{HEIGHT - lost} of its 100 rows" if lost else "all of it"
    assert f"; {seen} can be seen" in view.flaw.message
    expected = np.asarray(decode_picture(whole, file="whole").picture, dtype=int)
    same = (np.abs(np.asarray(view.picture, dtype=int) - expected) < 128).mean(axis=(1, 2)) > 0.9
    assert same.sum() >= HEIGHT - lost - 8, "all rows but the last ones look as they should"


def with_text(characters: int, times: int = 1) -> bytes:
    info = PngInfo()
    for number in range(times):
        info.add_text(f"Comment {number}", "x" * characters, zip=True)
    return encoded(noise(), "PNG", pnginfo=info)


def with_wrong_checksum() -> bytes:
    data = bytearray(with_text(10))
    name = data.index(b"zTXt")
    data[name + 4 + int.from_bytes(data[name - 4 : name])] ^= 1
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        with_text(2_000_000),
        with_text(1_000_000, times=70),  # each of them is read, but not all
        encoded(noise(), "PNG", icc_profile=bytes(2_000_000)),
        with_wrong_checksum(),
    ],
    ids=["a long text", "many texts", "a colour profile", "a checksum"],
)
def test_a_png_is_seen_whatever_stands_beside_its_pixels(data: bytes) -> None:
    view = decode_picture(data, file="odd.png")
    assert view.picture == noise()
    assert view.flaw is not None
    assert view.flaw.message.endswith("all of it can be seen")


def pgm(maximum: int, value: int) -> bytes:
    return f"P5\n3 2\n{maximum}\n".encode() + struct.pack(">6H", *[value] * 6)


def tiff(mode: str, *values: float) -> bytes:
    picture = Image.new(mode, (len(values), 1))
    for x, value in enumerate(values):
        picture.putpixel((x, 0), value)
    return encoded(picture, "TIFF")


def tiff_of_12_bits(value: int) -> bytes:
    """Two pixels packed into three bytes, as microscopes write them."""
    pixels = bytes([value >> 4, (value & 15) << 4 | value >> 8, value & 255])
    tags = ((256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 3))
    entries = b"".join(struct.pack("<HHII", tag, 4 if tag in (273, 279) else 3, 1, content) for tag, content in tags)
    return b"II*\0" + struct.pack("<I", 12) + pixels + b"\0" + struct.pack("<H", len(tags)) + entries + bytes(4)


# (file, greys as they are seen, greys as published, whether that is named as a loss)
DEEP: tuple[tuple[bytes, list[int], list[int], bool], ...] = (
    (pgm(65535, 0x1234), [0x12] * 6, [255] * 6, True),
    (pgm(65535, 0xFFFF), [255] * 6, [255] * 6, True),
    (pgm(1000, 500), [128] * 6, [255] * 6, True),
    (pgm(65535, 0), [0] * 6, [0] * 6, False),
    (encoded(Image.new("I;16", (2, 1), 0x8001), "PNG"), [0x80, 0x80], [255, 255], True),
    (tiff("I;16", 0, 0xFF, 0x100, 0xFFFF), [0, 0, 1, 255], [0, 255, 255, 255], True),
    (tiff("I;16B", 0x4000), [0x40], [255], True),
    (tiff_of_12_bits(0xABC), [0xAB, 0xAB], [255, 255], True),
    (tiff("I", 0, 200), [0, 200], [0, 200], False),
    (tiff("I", 0, 0x2000), [0, 0x20], [0, 255], True),
    (tiff("I", -100, 0, 100), [0, 127, 255], [0, 0, 100], True),
    (tiff("I", 0, 1_000_000), [0, 255], [0, 255], True),
    (tiff("F", 0.0, 0.5, 1.0), [0, 127, 255], [0, 0, 1], True),
    (tiff("F", 0.0, 7.0), [0, 7], [0, 7], False),
    (tiff("F", 0.0, float("inf"), 255.0), [0, 0, 255], [0, 255, 255], True),
    (tiff("F", 0.0, 32768.0), [0, 128], [0, 255], True),
)


@pytest.mark.parametrize(("data", "seen", "published", "named"), DEEP, ids=range(len(DEEP)))
def test_grey_of_more_than_8_bits(
    data: bytes, seen: list[int], published: list[int], named: bool, tmp_path: Path
) -> None:
    path = tmp_path / "deep"
    path.write_bytes(data)
    view, clipped = view_picture(path), view_picture(path, published=True)
    assert np.asarray(view.picture)[..., 0].ravel().tolist() == seen
    assert view.flaw is None, "nothing is lost"
    assert np.asarray(clipped.picture)[..., 0].ravel().tolist() == published
    assert (None if clipped.flaw is None else clipped.flaw.code) == (CLIPPED if named else None)


def test_a_damaged_file_lets_no_other_thread_take_one() -> None:
    whole = encoded(noise(), "PNG")
    cut = whole[:-5000]

    def plainly(_: int) -> str:
        try:
            with Image.open(io.BytesIO(cut)) as picture:
                picture.load()
        except OSError:
            return "refused"
        return "taken"

    with ThreadPoolExecutor(4) as pool:
        looked = [pool.submit(decode_picture, cut, file="cut") for _ in range(60)]
        others = list(pool.map(plainly, range(60)))
        assert all(future.result().flaw is not None for future in looked)
    assert set(others) == {"refused"}
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


# Budgets.


def jpeg_of_scans(scans: int) -> bytes:
    """A progressive JPEG of 64 x 64 whose last scan is repeated: the decoder goes over all pixels for each."""
    data = encoded(Image.new("L", (64, 64), 100), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * (scans - data.count(b"\xff\xda") + 1) + data[-2:]


def test_a_budget_is_counted_and_what_still_fits_is_decoded(tmp_path: Path) -> None:
    budget = PixelBudget(1000)
    sizes = [(20, 20), (20, 20), (20, 20), (10, 10), (11, 10)]
    outcomes = []
    for number, size in enumerate(sizes):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", size).save(path)
        try:
            outcomes.append(open_published(path, budget=budget).size)
        except ContestError as error:
            outcomes.append((error.code, error.message))
    assert outcomes == [
        (20, 20),
        (20, 20),
        (SPENT, "20 x 20 pixels, and 200 of 1000 are left for all pictures"),
        (10, 10),
        (SPENT, "11 x 10 pixels, and 100 of 1000 are left for all pictures"),
    ]
    assert (budget.decoded, budget.left) == (900, 100)


def test_each_scan_beyond_the_usual_ones_costs_as_much_as_a_picture(tmp_path: Path) -> None:
    for scans, pixels in ((6, 64 * 64), (31, 64 * 64), (32, 2 * 64 * 64), (1600, 100 * 64 * 64)):
        path = tmp_path / "scans.jpg"
        path.write_bytes(jpeg_of_scans(scans))
        budget = PixelBudget(10**6)
        open_published(path, budget=budget)
        assert budget.decoded == pixels
    path.write_bytes(jpeg_of_scans(400_000))
    with pytest.raises(ContestError, match=r"PICTURE_TOO_LARGE.*64 x 64 pixels in 400000 scans"):
        open_picture(path)


def test_checking_decodes_no_more_than_the_samples_are_worth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contest.decoding.FREE_PIXELS", 3_000_000)
    bomb = png_of_zeros(2000, 2000)
    assert len(bomb) < 1000
    samples = []
    for number in range(12):
        (tmp_path / f"{number}.png").write_bytes(bomb)
        samples.append(Sample(str(number), (Item("image", f"{number}.png"), Item("image", f"{number}.png"))))
    errors = check_pictures(samples, tmp_path)
    decoded = (3_000_000 + 12 * PIXELS_A_SAMPLE) // 4_000_000
    assert decoded == 3
    assert [(error.code, error.sample_id, error.item) for error in errors] == [
        (SPENT, str(number), item) for number in range(decoded, 12) for item in (0, 1)
    ]
    assert check_pictures(samples[:3], tmp_path)[0].sample_id == "1", "fewer samples, fewer pixels"


def test_an_honest_submission_is_far_from_the_bound() -> None:
    budget = PixelBudget.for_samples(20_000)
    assert all(budget.take(1024 * 1024) for _ in range(20_000))
    assert budget.left == FREE_PIXELS


# What libraries say themselves.


def test_neither_pillow_nor_libtiff_says_anything(tmp_path: Path) -> None:
    whole = encoded(noise(), "TIFF", compression="jpeg")
    (tmp_path / "tables.tif").write_bytes(whole[:-40])  # libtiff: "Quantization table 0x00 was not defined"
    (tmp_path / "exif.jpg").write_bytes(encoded(noise(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05"))
    lzw = encoded(noise(), "TIFF", compression="tiff_lzw")
    (tmp_path / "lzw.tif").write_bytes(lzw[:200] + bytes(200) + lzw[400:])
    tags = bytearray(whole)
    at = int.from_bytes(whole[4:8], "little")
    tags[at : at + 2] = struct.pack("<H", 60)  # more entries than there are
    (tmp_path / "tags.tif").write_bytes(tags)
    program = f"""
import sys
from pathlib import Path
from contest.errors import ContestError
from contest.pictures import view_picture
for path in sorted(Path({str(tmp_path)!r}).iterdir()):
    for published in (False, True):
        try:
            view_picture(path, published=published)
        except ContestError as error:
            print(error.code.name)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "PICTURE_DAMAGED" in done.stdout
