"""Puts a source's pictures into a task folder: as links, as copies, or padded to squares."""

from __future__ import annotations

import filecmp
import io
import os
import shutil
from pathlib import Path

from PIL import Image

from contest.atomic import replacing
from contest.pictures import probe_picture, view_picture
from contest.writing import writing
from data_prep.records import ImageMode, SourcePicture
from errors import UserError

JPEG_QUALITY = 95
PADDING = (127, 127, 127)


class NameTakenError(UserError):
    """Two pictures of a source would get one name in a task folder; says which."""


def add_picture(picture: SourcePicture, images: Path, image_mode: ImageMode) -> None:
    """Put a picture into a folder under its name, unless it is there already.

    `link` makes a symbolic link to the file, which is only read as far as its header; `copy` copies its bytes; `pad`
    makes it a square by a grey border, so that a square crop cuts nothing off, and stores it as JPEG.
    Raises ContestError: those of `contest.pictures.view_picture`, for `pad` also of a damaged picture that can be seen:
    its missing rows would become part of the new one; WRITE_FAILED, DISK_FULL. NameTakenError where another
    picture has the name.
    """
    target = images / picture.name
    data = _padded(picture.path) if image_mode == "pad" else None
    if data is None:
        probe_picture(picture.path)
    with writing(target):
        if target.exists():  # no dangling link, which is made anew
            if not _is_there(picture.path, target, image_mode, data):
                problem = f"another picture is called {target.name} too"
                raise NameTakenError(problem, "rename one of them", where=str(picture.path))
            return
        with replacing(target) as temporary:
            if data is not None:
                temporary.write_bytes(data)
            elif image_mode == "link":
                temporary.symlink_to(os.path.abspath(picture.path))
            else:
                shutil.copyfile(picture.path, temporary)


def _is_there(path: Path, target: Path, image_mode: ImageMode, data: bytes | None) -> bool:
    if data is not None:
        return target.read_bytes() == data
    return os.path.samefile(path, target) if image_mode == "link" else filecmp.cmp(path, target, shallow=False)


def _padded(path: Path) -> bytes:
    view = view_picture(path)
    if view.flaw is not None:
        raise view.flaw
    stream = io.BytesIO()
    padded(view.picture).save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


def padded(picture: Image.Image) -> Image.Image:
    """A square with the RGB picture in its middle, as wide as its longer side."""
    side = max(picture.size)
    square = Image.new("RGB", (side, side), PADDING)
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square
