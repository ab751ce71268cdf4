"""Lays a source's pictures into a task folder: as links, as copies, or padded to squares. Knows no source."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal, TypeAlias
from uuid import uuid4

from PIL import Image

from contest.errors import Code, ContestError
from contest.pictures import open_picture, probe_picture
from data_prep.records import Picture

Laying: TypeAlias = Literal["link", "copy", "pad"]
LAYINGS: tuple[Laying, ...] = ("link", "copy", "pad")
JPEG_QUALITY = 95
PADDING = (127, 127, 127)


def lay(picture: Picture, images: Path, laying: Laying) -> None:
    """Put a picture into a folder under its name, unless it is there already.

    `link` makes a symbolic link to the file, which is only read as far as its header; `copy` copies its bytes; `pad`
    makes it a square by a grey border, so that a square crop cuts nothing off, and stores it as JPEG.
    Raises ContestError: those of `contest.pictures.open_picture`; WRITE_FAILED, DISK_FULL.
    """
    target = images / picture.name
    if laying == "pad":
        opened = open_picture(picture.path)
    else:
        probe_picture(picture.path)
    if target.is_symlink() or target.exists():
        return
    temporary = images / f".{uuid4().hex}.tmp"
    try:
        if laying == "link":
            temporary.symlink_to(os.path.abspath(picture.path))
        elif laying == "copy":
            shutil.copyfile(picture.path, temporary)
        else:
            padded(opened).save(temporary, "JPEG", quality=JPEG_QUALITY)
        os.replace(temporary, target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ContestError(Code.WRITE_FAILED, f"not written: {error}", file=target) from error


def padded(picture: Image.Image) -> Image.Image:
    """A square with the RGB picture in its middle, as wide as its longer side."""
    side = max(picture.size)
    square = Image.new("RGB", (side, side), PADDING)
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square
