"""What a queue must know of an archive before anybody runs it."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

from contest.archives import list_archive
from contest.errors import ContestError, ContestFileError
from contest.limits import METADATA_NAME
from contest.metadata import read_metadata

MAX_METADATA_BYTES = 1_000_000


def image_of(archive: Path) -> str:
    """The image that an archive names; "" if it can not be read: its run will give the verdict about that."""
    try:
        list_archive(archive)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / METADATA_NAME
            with zipfile.ZipFile(archive) as packed, packed.open(METADATA_NAME) as stream:
                path.write_bytes(stream.read(MAX_METADATA_BYTES))
            return read_metadata(path).image
    # The last three are how zipfile says: no such member, encrypted, packed in another way.
    except (ContestError, ContestFileError, zipfile.BadZipFile, KeyError, RuntimeError, NotImplementedError):
        return ""
