"""Checks of the files themselves: what does not belong, what was changed, what Python can not read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from contest.complete import links_and_devices
from contest.limits import INPUT_NAME, OUTPUT_DIR
from models.files import ModelFileError, read_json_object
from models.weights import file_sha256
from submission.checks.base import Subject, make_check

MANIFEST_NAME = "manifest.json"
STRAY_FOLDERS = (
    "__pycache__", ".venv", "venv", "node_modules", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis",
    ".ipynb_checkpoints", ".idea", ".vscode", "__MACOSX", "wandb", "lightning_logs",
)  # fmt: skip
STRAY_NAMES = (".DS_Store", "Thumbs.db", "desktop.ini")
STRAY_SUFFIXES = (".pyc", ".pyo", ".tmp", ".swp", ".bak", ".orig", ".rej", ".log")
_OUTPUT = PurePosixPath(OUTPUT_DIR).name


def is_stray_name(name: str) -> bool:
    """Whether a file's path is that of a by-product: a cache, an editor's or a system's file."""
    path = PurePosixPath(name)
    in_folder = any(part in STRAY_FOLDERS for part in path.parts[:-1])
    return in_folder or path.name in STRAY_NAMES or path.name.endswith(STRAY_SUFFIXES)


def manifest_hashes(path: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that a manifest lists. Raises `ModelFileError` for one that is none."""
    try:
        return {name: str(entry["sha256"]) for name, entry in read_json_object(path)["files"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path}: it lists no files with their hashes", "pack again") from error


@make_check(
    "a link, a pipe or a device lies among the files: it would not survive packing",
    "replace it by the file that it leads to",
)
def _link_or_device(subject: Subject) -> Iterator[str]:
    if subject.folder is not None:  # what is packed from elsewhere is packed as what it leads to
        yield from sorted(links_and_devices(subject.folder))


@make_check(
    "a by-product is among the files: a cache, a log, an editor's or a system's file",
    "leave it out",
    severity="warning",
)
def _stray_file(subject: Subject) -> Iterator[str]:
    yield from (name for name in subject.files if is_stray_name(name))


@make_check(
    "`output/` is packed too: answers of an earlier run could be taken for those of the test",
    "leave `output/` out; the run makes it",
)
def _output_included(subject: Subject) -> Iterator[str]:
    found = [name for name in subject.files if PurePosixPath(name).parts[0] == _OUTPUT]
    if found:
        yield f"{len(found)} files, the first is {found[0]}"


@make_check("a test set is packed too: the run gets its own, in `../input`", "leave it out", severity="warning")
def _input_included(subject: Subject) -> Iterator[str]:
    yield from (name for name in subject.files if PurePosixPath(name).name == INPUT_NAME)


@make_check("a Python file has an error in its syntax", "mend it; a merge may have left its marks")
def _source_broken(subject: Subject) -> Iterator[str]:
    for name, content in subject.texts(".py"):
        try:
            ast.parse(content, name)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            yield f"{name}: {error}"


@make_check(
    "a file is not the one that `manifest.json` has the hash of, is missing, or came later",
    "pack again, and change nothing afterwards",
)
def _manifest_differs(subject: Subject) -> Iterator[str]:
    if MANIFEST_NAME not in subject.files:
        return
    try:
        hashes = manifest_hashes(subject.files[MANIFEST_NAME])
    except ModelFileError as error:
        yield subject.shown(error.brief)
        return
    for name, sha256 in hashes.items():
        subject.clock.tick()
        if name not in subject.files:
            yield f"{name} is missing"
        elif file_sha256(subject.files[name]) != sha256:
            yield f"{name} was changed"
    yield from (f"{name} came later" for name in subject.files if name not in hashes and name != MANIFEST_NAME)
