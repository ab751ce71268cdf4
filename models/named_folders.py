"""Where fetched weights lie, so that a name or an id on the hub does for a folder. Asks no server, reads no file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from errors import UserError

_ID = re.compile(r"(?:[\w-][\w.-]*/)?[\w-][\w.-]*")


class NotFetchedError(UserError):
    """Weights were named that are not on this machine."""


def fetched_folder(kind: str, name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return where `python -m fetch KIND NAME` puts things: in the folder of the hub's cache, HF_HOME.

    >>> fetched_folder("weights", "ai-forever/RUDOLPH-1.3B", {"HF_HOME": "/disk"}).as_posix()
    '/disk/fbc2/weights/RUDOLPH-1.3B'
    """
    home = environment.get("HF_HOME")
    if not home:
        cache = environment.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        home = os.path.join(cache, "huggingface")
    return Path(os.path.expanduser(home)) / "fbc2" / kind / name.rsplit("/", 1)[-1]


def weights_folder(named: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of weights that are given by a path, a name or an id on the hub (OWNER/NAME).

    A folder that exists is itself, and what can be no name is left as the path it is; a name is looked for among what
    was fetched. Raises NotFetchedError with the command that fetches it.
    """
    path = Path(named)
    if path.exists() or not _ID.fullmatch(named):
        return path
    folder = fetched_folder("weights", named, environment)
    if folder.is_dir():
        return folder
    name = named.rsplit("/", 1)[-1]
    raise NotFetchedError(
        f"{named}: no such folder, and no weights of that name were fetched",
        f"fetch them: python -m fetch weights {name}",
    )
