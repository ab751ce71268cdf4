"""Checks of how a submission is started: `metadata.json` and the files that its entrypoint names."""

from __future__ import annotations

from collections.abc import Iterator

from contest.errors import Code, ContestFileError
from contest.limits import METADATA_NAME
from contest.metadata import Metadata, read_metadata
from submission.checks.base import Subject, make_check, place

_PROGRAM_SUFFIXES = (".sh", ".py")


def _metadata(subject: Subject) -> Metadata | None:
    """The metadata where they are sound; where they are not, the first two checks say so."""
    if METADATA_NAME not in subject.files:
        return None
    try:
        return read_metadata(subject.files[METADATA_NAME])
    except ContestFileError:
        return None


def _programs(subject: Subject) -> list[str]:
    """The files of the submission that its entrypoint names, as far as their names tell."""
    metadata = _metadata(subject)
    command = () if metadata is None else metadata.command
    return [part.removeprefix("./") for part in command if part.endswith(_PROGRAM_SUFFIXES) and part[0] not in "/-"]


@make_check(
    "`metadata.json` is not at the root of the archive", "pack the files themselves, not the folder that they lie in"
)
def _metadata_missing(subject: Subject) -> Iterator[str]:
    if METADATA_NAME not in subject.files:
        deeper = [name for name in subject.files if name.endswith(f"/{METADATA_NAME}")]
        yield f"there is none{f', but there is {deeper[0]}' if deeper else ''}"


@make_check(Code.METADATA_INVALID.meaning, Code.METADATA_INVALID.remedy)
def _metadata_invalid(subject: Subject) -> Iterator[str]:
    if METADATA_NAME in subject.files:
        try:
            read_metadata(subject.files[METADATA_NAME])
        except ContestFileError as errors:
            yield from map(place, errors.errors)


@make_check(
    "the image has no tag, or `latest`: tomorrow the name may mean another image",
    "name a tag that is never moved, or a digest: `pack --image NAME:1.0`",
    severity="warning",
)
def _image_floating(subject: Subject) -> Iterator[str]:
    metadata = _metadata(subject)
    if metadata is not None and metadata.is_floating:
        yield f"the image is {metadata.image}"


@make_check(
    "the entrypoint has signs of a shell (`&&`, `|`, `>`, `$`), and nothing says that one reads it",
    "put the commands into a script, and name `bash run.sh`",
)
def _entrypoint_needs_shell(subject: Subject) -> Iterator[str]:
    metadata = _metadata(subject)
    if metadata is not None and metadata.needs_shell:
        yield f"the entrypoint is {metadata.entrypoint!r}"


@make_check("the entrypoint names a script that is not in the archive", "add the script, or correct the entrypoint")
def _entrypoint_missing(subject: Subject) -> Iterator[str]:
    yield from (f"{name} is not there" for name in _programs(subject) if name not in subject.files)


@make_check("the entrypoint's script has line ends of Windows, on which bash fails", "save it with line ends of Unix")
def _entrypoint_line_ends(subject: Subject) -> Iterator[str]:
    for name in _programs(subject):
        if name.endswith(".sh") and b"\r\n" in subject.text(name):
            yield f"{name} has line ends of Windows"
