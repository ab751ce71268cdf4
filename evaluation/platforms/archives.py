"""Writes ZIP archives that are the same, byte for byte, whenever the same things go into them."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

_DATE = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o644 << 16
_PACKED = (".jpg", ".jpeg", ".png", ".webp", ".zip", ".bin", ".pth", ".safetensors")
"""Endings of files that packing makes no smaller."""


def write_archive(path: Path, entries: Mapping[str, Path | bytes]) -> None:
    """Write an archive of files and of bytes, by their names in it, in that order. Raises OSError."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, source in entries.items():
            info = zipfile.ZipInfo(name, _DATE)
            info.external_attr = _READABLE
            packed = PurePosixPath(name).suffix.lower() in _PACKED
            info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
            if isinstance(source, bytes):
                archive.writestr(info, source)
                continue
            info.file_size = source.stat().st_size
            with source.open("rb") as stream, archive.open(info, "w") as target:
                shutil.copyfileobj(stream, target, 1 << 20)
