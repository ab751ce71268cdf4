"""Appends to files so that a full disk leaves no half of a line or record between whole ones."""

from __future__ import annotations

import os
from pathlib import Path


def append(path: Path, data: bytes) -> None:
    """Append all of `data`, or nothing; a file that is not there is made.

    Raises OSError (a full disk, say); what stood in the file stays.
    """
    with path.open("ab", buffering=0) as stream:
        before, rest = os.fstat(stream.fileno()).st_size, memoryview(data)
        try:
            while rest:
                rest = rest[stream.write(rest) :]
        except OSError:
            stream.truncate(before)
            raise
