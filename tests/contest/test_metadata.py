"""What `metadata.json` may say, and what is refused: names that an engine would take for options above all."""

import json
from pathlib import Path

import pytest

from contest.errors import Code, ContestFileError
from contest.metadata import Metadata, read_metadata

GOOD = {"image": "fbc2-rudolph:1.0", "entrypoint": "bash run.sh"}

# (content of the file, code)
BAD_METADATA: tuple[tuple[bytes, Code], ...] = (
    (b"", Code.NOT_JSON),
    (b"{", Code.NOT_JSON),
    (b"[" * 100_000, Code.NOT_JSON),
    (b"\xff\xfe{}", Code.NOT_UTF8),
    (b"[]", Code.METADATA_INVALID),
    (b"{}", Code.METADATA_INVALID),
    (b" " * 100_001, Code.METADATA_INVALID),
    (b'{"image": "a"}', Code.METADATA_INVALID),
    (b'{"image": "a", "entrypoint": ["bash", "run.sh"]}', Code.METADATA_INVALID),
    (b'{"image": 7, "entrypoint": "bash run.sh"}', Code.METADATA_INVALID),
    *(
        (json.dumps({**GOOD, "image": image}).encode(), Code.METADATA_INVALID)
        for image in ("", "--privileged", "-v/:/host", "a b", "Upper", "a:b:c", "a@sha256:12", "a\n", "a" * 600)
    ),
    *(
        (json.dumps({**GOOD, "entrypoint": command}).encode(), Code.METADATA_INVALID)
        for command in ("", "  ", "bash 'run.sh", "bash\0run.sh", "bash \ud800.sh")
    ),
)


@pytest.mark.parametrize(("content", "code"), BAD_METADATA)
def test_bad_metadata_is_refused(content: bytes, code: Code, tmp_path: Path) -> None:
    path = tmp_path / "metadata.json"
    path.write_bytes(content)
    with pytest.raises(ContestFileError) as raised:
        read_metadata(path)
    assert [(error.code, error.file) for error in raised.value.errors] == [(code, str(path))]


def test_missing_metadata_is_said(tmp_path: Path) -> None:
    with pytest.raises(ContestFileError) as raised:
        read_metadata(tmp_path / "metadata.json")
    assert [error.code for error in raised.value.errors] == [Code.FILE_MISSING]


@pytest.mark.parametrize(
    ("image", "is_floating"),
    [
        ("rudolph", True),
        ("rudolph:latest", True),
        ("rudolph:1.0", False),
        ("registry.example.org:5000/team-7/rudolph_fbc2:v1", False),
        (f"team/rudolph@sha256:{'0' * 64}", False),
        (f"team/rudolph:latest@sha256:{'0' * 64}", False),
    ],
)
def test_names_of_images(image: str, is_floating: bool) -> None:
    assert Metadata(image, "bash run.sh").is_floating is is_floating


@pytest.mark.parametrize(
    ("entrypoint", "command", "needs_shell"),
    [
        ("bash run.sh", ("bash", "run.sh"), False),
        ("python 'my run.py' --seed 1", ("python", "my run.py", "--seed", "1"), False),
        ("cd src && python run.py", ("cd", "src", "&&", "python", "run.py"), True),
        ("python run.py > log.txt", ("python", "run.py", ">", "log.txt"), True),
    ],
)
def test_entrypoints_are_programs_with_arguments(entrypoint: str, command: tuple[str, ...], needs_shell: bool) -> None:
    metadata = Metadata("rudolph:1", entrypoint)
    assert (metadata.command, metadata.needs_shell) == (command, needs_shell)


def test_surplus_keys_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "metadata.json"
    path.write_text(json.dumps({**GOOD, "author": "x"}))
    assert read_metadata(path) == Metadata(**GOOD)


def test_a_byte_order_mark_is_refused_as_the_organisers_reader_does(tmp_path: Path) -> None:
    path = tmp_path / "metadata.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode())
    with pytest.raises(
        ContestFileError, match=r"byte order mark.*; save it as UTF-8 without a byte order mark"
    ) as raised:
        read_metadata(path)
    assert [error.code for error in raised.value.errors] == [Code.NOT_JSON]
    with pytest.raises(json.JSONDecodeError, match="BOM"):
        json.loads(path.read_text("utf-8"))
