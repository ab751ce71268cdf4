"""The check's result as one HTML page with samples to look at."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from contest.errors import ContestError
from contest.pictures import open_picture, resolve_picture
from contest.writing import write_bytes
from data_prep.check.checking import CheckReport
from data_prep.check.rules import Rule
from data_prep.reading_folders import TaskFolder

THUMBNAIL = 240  # pixels, the longer side


def write_page(report: CheckReport, file: Path) -> None:
    """Write the page. Raises ContestError (WRITE_FAILED, DISK_FULL)."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("check.html").render(report=report, rules=tuple(Rule), shown=shown)
    write_bytes(file, page.encode("utf-8", "backslashreplace"))  # a folder's name need not be UTF-8


def shown(folder: TaskFolder, kind: str, content: str) -> tuple[str, str]:
    """An item or reference as the page shows it: a text or a picture's data URI, or what is wrong with the picture."""
    if kind == "text":
        return "text", content
    try:
        picture = open_picture(resolve_picture(folder.path, content, follow_links=True))
    except ContestError as error:
        return "broken", f"{content}: {error.message}"
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=85)
    return "image", f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"
