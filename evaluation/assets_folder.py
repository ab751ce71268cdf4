"""Which folder holds the networks of the metrics. Loads none of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from evaluation.errors import EvaluationError
from models.named_folders import fetched_folder

ASSETS_VARIABLE = "FBC2_ASSETS"


class MissingAssetError(EvaluationError):
    """A network that a metric needs is not there: what, where it was looked for, and what to do."""


def assets_folder(folder: Path | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return `folder`, else what the environment names, else what was fetched, else None.

    Raises MissingAssetError if the one that is named is no folder.
    """
    named = environment.get(ASSETS_VARIABLE)
    chosen = folder if folder is not None else Path(named) if named else None
    if chosen is not None and not chosen.is_dir():
        where = "--assets" if folder is not None else ASSETS_VARIABLE
        raise MissingAssetError(
            f"{chosen}: no such folder ({where})", "name the folder that holds ruclip and inception"
        )
    fetched = fetched_folder("metrics", "assets", environment)
    return fetched if chosen is None and fetched.is_dir() else chosen
