"""The table of what can be fetched by name: a TOML file beside this one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal, TypeAlias

from fetch.errors import NameUnknownError

Kind: TypeAlias = Literal["weights", "metrics", "data"]
KINDS: tuple[Kind, ...] = ("weights", "metrics", "data")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file, or the files of a pattern, on a server, and where it lies in the folder.

    Attributes:
        to: path in the folder; of a pattern the folder below which the files keep their own paths.
        repository, file, pattern, type, revision: where it is on the hub; `type` is `model` or `dataset`.
        url: where it is otherwise.
        sha256: the hash, or its beginning; empty where nobody published it.
        size: in bytes; None where nobody published it.

    """

    to: str
    repository: str = ""
    file: str = ""
    pattern: str = ""
    type: str = "model"
    revision: str = ""
    url: str = ""
    sha256: str = ""
    size: int | None = None

    @property
    def source(self) -> str:
        """Where it comes from, for people."""
        return self.url or f"{self.repository}/{self.file or self.pattern}"


@dataclass(frozen=True, slots=True)
class Fetchable:
    """What one name stands for: files, and configurations that are written beside them.

    `next` is the command that uses it: `{folder}` stands for where it was laid, `{files}` for its files.
    """

    kind: Kind
    name: str
    about: str
    licence: str
    next: str
    files: tuple[RemoteFile, ...]
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@lru_cache(maxsize=1)
def table() -> Mapping[tuple[str, str], Fetchable]:
    """Return everything there is, by kind and name."""
    rows = tomllib.loads(files("fetch").joinpath("table.toml").read_text("utf-8"))
    return {(kind, name): _fetchable(kind, name, rows) for kind in KINDS for name in rows[kind]}


def named(kind: Kind, name: str) -> Fetchable:
    """Return what a name, or an id OWNER/NAME, stands for. Raises NameUnknownError with the names there are."""
    known = {each: found for (its_kind, each), found in table().items() if its_kind == kind}
    wanted = name.rsplit("/", 1)[-1].lower()
    for each, found in known.items():
        if each.lower() == wanted:
            return found
    raise NameUnknownError(f"there are no {kind} of the name {name!r}", f"the names are {', '.join(known)}")


def _fetchable(kind: Kind, name: str, rows: Mapping[str, Any]) -> Fetchable:
    row = rows[kind][name]
    files = tuple(RemoteFile(**file) for file in row["files"])
    configs = row.get("configs", {})
    for base in row.get("base", ()):
        its_kind, _, its_name = base.rpartition("/")
        other = _fetchable(its_kind or kind, its_name, rows)
        files, configs = files + other.files, {**other.configs, **configs}
    return Fetchable(kind, name, row["about"], row["licence"], row["next"], files, configs)
