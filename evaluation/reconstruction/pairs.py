"""Which original belongs to which reconstruction, and to which domains."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contest.console import counted_with
from errors import UserError

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
ALL = "all"
DOMAINS = (
    *("indoor", "kitchen", "appliance", "electronic", "furniture", "outdoor", "sports"),
    *("food", "vehicle", "animal", "accessory", "person", "face", "text"),
)
"""The published table's, in its order: COCO's super-categories, faces and text."""


class PairingError(UserError):
    """Folders or domains that do not go together."""


@dataclass(frozen=True, slots=True)
class PicturePair:
    """One picture, before and after. `name` is its path in the folder without its ending."""

    name: str
    original: Path
    reconstruction: Path


def find_pairs(originals: Path, reconstructions: Path) -> list[PicturePair]:
    """Return pairs by name, in order of names; endings may differ, folders may be nested.

    Raises PairingError: no folder, no picture, two pictures of one name, or one without its other half.
    """
    before, after = _pictures(originals), _pictures(reconstructions)
    alone = sorted(before.keys() ^ after.keys())
    if alone:
        there = originals if alone[0] in before else reconstructions
        many = counted_with(len(alone), "picture", "has", "have")
        raise PairingError(
            f"{many} no other half; the first is {before.get(alone[0], after.get(alone[0]))}",
            "name originals and reconstructions alike",
            where=str(there),
        )
    return [PicturePair(name, before[name], after[name]) for name in sorted(before)]


def read_domains(path: Path, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the pictures of each domain, the published table's domains first.

    Args:
        path: a JSON object {picture: domain or list of domains}; a picture's ending may be left out.
        names: the pairs that there are.

    Raises PairingError for a file that is none, or names a picture that is not there. Raises OSError.

    """
    try:
        listed = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise PairingError(f"no JSON: {error}", "write {picture: [domain, ...]}", where=str(path)) from error
    if not isinstance(listed, Mapping):
        raise PairingError("no JSON object", "write {picture: [domain, ...]}", where=str(path))
    known = set(names)
    members: dict[str, set[str]] = {}
    for picture, domains in listed.items():
        name = _bare(picture)
        if name not in known:
            raise PairingError(f"there is no picture {picture!r}", "name pictures of the folder", where=str(path))
        for domain in _domains(domains, picture, path):
            members.setdefault(domain, set()).add(name)
    order = [domain for domain in DOMAINS if domain in members]
    order += sorted(members.keys() - set(DOMAINS))
    return {domain: tuple(name for name in names if name in members[domain]) for domain in order}


def _domains(value: Any, picture: str, path: Path) -> list[str]:
    domains = [value] if isinstance(value, str) else value
    if not isinstance(domains, list) or not all(isinstance(it, str) and it and it != ALL for it in domains):
        raise PairingError(
            f"{picture!r} has no list of domains",
            f"each is a word other than {ALL!r}, which is every picture's",
            where=str(path),
        )
    return domains


def _bare(name: str) -> str:
    return name[: -len(Path(name).suffix)] if Path(name).suffix.lower() in PICTURE_ENDINGS else name


def _pictures(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise PairingError("no such folder", "name a folder of pictures", where=str(folder))
    by_name: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in PICTURE_ENDINGS or not path.is_file():
            continue
        name = _bare(path.relative_to(folder).as_posix())
        if name in by_name:
            raise PairingError(
                f"{by_name[name].name} and {path.name} have one name", "keep one of them", where=str(folder)
            )
        by_name[name] = path
    if not by_name:
        raise PairingError("there is no picture", f"pictures end in {', '.join(PICTURE_ENDINGS)}", where=str(folder))
    return by_name
