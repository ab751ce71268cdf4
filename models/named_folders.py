"""Where fetched weights lie, so that a name or an id on the hub does for a folder. Asks no server, reads no file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from errors import UserError

PUBLISHED = (
    "RUDOLPH-2.7B-FBC2",
    "RUDOLPH-2.7B",
    "RUDOLPH-1.3B",
    "RuDOLPH-350M-v2",
    "RuDOLPH-350M",
    "rudalle-utils",
    "rudalle-utils-dwt",
    "rudalle-Malevich",
    "Real-ESRGAN",
)
"""The names of weights that can be fetched, as the table of `fetch` has them; on the hub an owner stands before."""

_ID = re.compile(r"(?:[\w-][\w.-]*/)?([\w-][\w.-]*)")


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


def published_name(named: str | Path) -> str | None:
    """Return the published name that a name or an id (OWNER/NAME) means, in whatever case; None for anything else."""
    match = _ID.fullmatch(str(named))
    wanted = match[1].lower() if match else ""
    return next((name for name in PUBLISHED if name.lower() == wanted), None)


def weights_folder(named: str | Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of weights that are given by a path, a published name or its id on the hub (OWNER/NAME).

    What exists is itself, and so is all that is no published name; one of those is looked for among what was fetched.
    Raises NotFetchedError with the command that fetches it.
    """
    name = published_name(named)
    if name is None or Path(named).exists():
        return Path(named)
    folder = fetched_folder("weights", name, environment)
    if folder.is_dir():
        return folder
    raise NotFetchedError(
        f"{named}: no such folder, and these weights were not fetched",
        f"fetch them: python -m fetch weights {name}",
    )


def existing_weights(named: str | Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of weights as `weights_folder` does. Raises NotFetchedError also where there is none."""
    folder = weights_folder(named, environment)
    if folder.is_dir():
        return folder
    remedy = f"name a folder, or what `python -m fetch weights` fetches: {', '.join(PUBLISHED)}"
    raise NotFetchedError(f"{named}: no such folder, and no published weights of that name", remedy)
