"""Archives are listed and unpacked without trusting them: one hostile archive for each way to do harm."""

import io
import os
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contest.archives import Bounds, list_archive, name_problem, unpack
from contest.errors import Code, ContestFileError

SMALL = Bounds(max_bytes=100_000, max_entries=20, ratio_free_bytes=20_000)


def zipped(*files: tuple[str, bytes], mode: int = stat.S_IFREG | 0o644, form: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", form) as archive:
        for name, content in files:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = form
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of names that stand twice
                archive.writestr(info, content)
    return stream.getvalue()


def with_end(archive: bytes, *, count: int | None = None, size: int | None = None) -> bytes:
    """The archive with another number of entries, or another size of their list, in its last record."""
    place = archive.rfind(b"PK\5\6")
    fields = list(struct.unpack_from("<4s4H2LH", archive, place))
    fields[3:6] = [fields[3], count if count is not None else fields[4], size if size is not None else fields[5]]
    return archive[:place] + struct.pack("<4s4H2LH", *fields)


def with_zip64_end(archive: bytes, size: int) -> bytes:
    """The archive with the end records of large files, which claim a list of entries of `size` bytes."""
    place = archive.rfind(b"PK\5\6")
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, size, 0)
    return archive[:place] + end64 + struct.pack("<4sLQL", b"PK\6\7", 0, place, 1) + archive[place:]


def overlapping() -> bytes:
    """Entries that all point to the same bytes."""
    noise = os.urandom(3000)
    archive = bytearray(zipped(*((f"f{number}", noise) for number in range(4)), form=zipfile.ZIP_STORED))
    first = bytes(archive).find(b"PK\1\2")
    cut = bytes(archive[:3034]) + bytes(archive[first:])  # local header of one entry, its bytes, all list entries
    place = cut.rfind(b"PK\5\6")
    return cut[: place + 16] + struct.pack("<L", 3034) + cut[place + 20 :]


def damaged() -> bytes:
    archive = bytearray(zipped(("a", os.urandom(500)), form=zipfile.ZIP_STORED))
    archive[100] ^= 0xFF
    return bytes(archive)


def lying_size() -> bytes:
    """An entry that holds 30,000 bytes and declares 10, in both of its headers."""
    archive = zipped(("a", b"x" * 30_000))
    return archive.replace(struct.pack("<L", 30_000), struct.pack("<L", 10))


def encrypted() -> bytes:
    return zipped(("a", b"x")).replace(b"PK\1\2\x14\x03\x14\0\0", b"PK\1\2\x14\x03\x14\0\1")


def nameless() -> bytes:
    """An entry with no name at all, in both of its headers."""
    archive = bytearray(zipped(("a", b"")))
    for mark, length in ((b"PK\3\4", 26), (b"PK\1\2", 28)):
        place = archive.find(mark)
        archive[place + length] = 0
        del archive[place + length + (4 if mark == b"PK\3\4" else 18)]
    return with_end(bytes(archive), size=46)


def before_the_beginning() -> bytes:
    """A list of entries that says to lie further on than it does, so that its entry lies before the file."""
    archive = bytearray(zipped(("a", b"x")))
    place = archive.rfind(b"PK\5\6")
    archive[place + 16 : place + 20] = struct.pack("<L", struct.unpack_from("<L", archive, place + 16)[0] + 7)
    return bytes(archive)


LINK = stat.S_IFLNK | 0o777
# (what, the archive, the code): found before anything is written.
BAD_ARCHIVES: tuple[tuple[str, Callable[[], bytes], Code], ...] = (
    ("empty file", lambda: b"", Code.ARCHIVE_UNREADABLE),
    ("no archive", lambda: b"x" * 1000, Code.ARCHIVE_UNREADABLE),
    ("cut off", lambda: zipped(("a", b"x" * 100))[:-30], Code.ARCHIVE_UNREADABLE),
    ("too large packed", lambda: zipped(("a", os.urandom(120_000))), Code.ARCHIVE_TOO_LARGE),
    ("too large unpacked", lambda: zipped(("a", os.urandom(60_000).hex().encode())), Code.ARCHIVE_TOO_LARGE),
    ("bomb by ratio", lambda: zipped(("a", b"\0" * 90_000)), Code.ARCHIVE_BOMB),
    ("bomb by shared bytes", overlapping, Code.ARCHIVE_BOMB),
    ("bomb by number", lambda: zipped(*((str(number), b"") for number in range(21))), Code.ARCHIVE_BOMB),
    ("bomb by declared number", lambda: with_end(zipped(("a", b"")), count=5000), Code.ARCHIVE_BOMB),
    ("bomb by list", lambda: with_end(zipped(("a", b"")), size=1 << 30), Code.ARCHIVE_BOMB),
    ("bomb by large list", lambda: with_zip64_end(zipped(("a", b"")), 1 << 40), Code.ARCHIVE_BOMB),
    ("above", lambda: zipped(("../a", b"")), Code.ARCHIVE_NAME_REFUSED),
    ("above, deep inside", lambda: zipped(("b/../../a", b"")), Code.ARCHIVE_NAME_REFUSED),
    ("absolute", lambda: zipped(("/etc/a", b"")), Code.ARCHIVE_NAME_REFUSED),
    ("backslashes", lambda: zipped(("..\\a", b"")), Code.ARCHIVE_NAME_REFUSED),
    ("control characters", lambda: zipped(("a\x1b[2J", b"")), Code.ARCHIVE_NAME_REFUSED),
    ("too long", lambda: zipped(("a" * 300, b"")), Code.ARCHIVE_NAME_REFUSED),
    ("nameless", nameless, Code.ARCHIVE_NAME_REFUSED),
    ("too deep", lambda: zipped(("a/" * 40 + "a", b"")), Code.ARCHIVE_NAME_REFUSED),
    ("twice", lambda: zipped(("a", b"1"), ("a", b"2")), Code.ARCHIVE_NAME_TWICE),
    ("file and folder", lambda: zipped(("a", b"1"), ("a/b", b"2")), Code.ARCHIVE_NAME_TWICE),
    ("folder and file", lambda: zipped(("a/b", b"1"), ("a", b"2")), Code.ARCHIVE_NAME_TWICE),
    ("symbolic link", lambda: zipped(("a", b"/etc/passwd"), mode=LINK), Code.ARCHIVE_NOT_A_FILE),
    ("device", lambda: zipped(("a", b""), mode=stat.S_IFCHR | 0o666), Code.ARCHIVE_NOT_A_FILE),
    ("unusual form", lambda: zipped(("a", b"x"), form=zipfile.ZIP_LZMA), Code.ARCHIVE_FORM),
    ("encrypted", encrypted, Code.ARCHIVE_FORM),
)  # fmt: skip
# Sound by their list, so that only unpacking finds out.
BAD_CONTENTS = (
    ("damaged", damaged, Code.ARCHIVE_UNREADABLE),
    ("before the beginning", before_the_beginning, Code.ARCHIVE_UNREADABLE),
    ("more than declared", lying_size, Code.ARCHIVE_UNREADABLE),
)


@pytest.fixture
def archive(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "submission.zip"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize(("what", "make", "code"), BAD_ARCHIVES, ids=[row[0] for row in BAD_ARCHIVES])
def test_a_bad_archive_is_refused_before_anything_is_written(
    what: str, make: Callable[[], bytes], code: Code, tmp_path: Path, archive: Callable[[bytes], Path]
) -> None:
    path = archive(make())
    assert {error.code for error in list_archive(path, SMALL).errors} == {code}
    with pytest.raises(ContestFileError) as raised:
        unpack(path, tmp_path / "target", SMALL)
    assert {error.code for error in raised.value.errors} == {code}
    assert sorted(tmp_path.rglob("*")) == [path]


@pytest.mark.parametrize(("what", "make", "code"), BAD_CONTENTS, ids=[row[0] for row in BAD_CONTENTS])
def test_bad_contents_are_found_while_unpacking(
    what: str, make: Callable[[], bytes], code: Code, tmp_path: Path, archive: Callable[[bytes], Path]
) -> None:
    path = archive(make())
    assert list_archive(path, SMALL).errors == ()
    with pytest.raises(ContestFileError) as raised:
        unpack(path, tmp_path / "target", SMALL)
    assert [error.code for error in raised.value.errors] == [code]
    assert sum(file.stat().st_size for file in (tmp_path / "target").rglob("*")) <= 500


def test_a_missing_archive_is_unreadable(tmp_path: Path) -> None:
    (error,) = list_archive(tmp_path / "none.zip").errors
    assert error.code is Code.ARCHIVE_UNREADABLE


def test_all_that_is_wrong_is_said_at_once(archive: Callable[[bytes], Path]) -> None:
    path = archive(zipped(("../a", b""), ("/b", b""), ("c", b""), ("c", b"")))
    codes = [error.code for error in list_archive(path, SMALL).errors]
    assert codes == [Code.ARCHIVE_NAME_REFUSED, Code.ARCHIVE_NAME_REFUSED, Code.ARCHIVE_NAME_TWICE]


def test_a_sound_archive_is_unpacked_readable_and_nothing_else_of_its_modes_is_kept(
    tmp_path: Path, archive: Callable[[bytes], Path]
) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name, mode in (("run.sh", 0o4700), ("weights/бпе.model", 0o200), ("empty/", 0o40700)):
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            made.writestr(info, "" if name.endswith("/") else name)
    listing = unpack(archive(stream.getvalue()), tmp_path / "target", SMALL)
    assert [(entry.name, entry.size) for entry in listing.entries] == [
        ("run.sh", 6),
        ("weights/бпе.model", 20),
        ("empty", 0),
    ]
    target = tmp_path / "target"
    assert (target / "weights/бпе.model").read_text("utf-8") == "weights/бпе.model"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in target.rglob("*") if path.is_file()}
    assert modes == {"run.sh": 0o755, "бпе.model": 0o644}
    assert (target / "empty").is_dir()


def test_a_folder_that_holds_something_is_not_unpacked_into(tmp_path: Path, archive: Callable[[bytes], Path]) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target/kept").write_text("kept")
    with pytest.raises(ContestFileError, match="not empty"):
        unpack(archive(zipped(("kept", b"new"))), tmp_path / "target", SMALL)
    assert (tmp_path / "target/kept").read_text() == "kept"


@given(st.text(max_size=40))
def test_a_name_that_passes_stays_in_its_folder(name: str) -> None:
    if name_problem(name) is None:
        assert Path(os.path.normpath(Path("/folder") / name)).is_relative_to("/folder")
        assert os.path.normpath(Path("/folder") / name) != "/folder"


def test_bounds_that_allow_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        Bounds(max_bytes=0)
