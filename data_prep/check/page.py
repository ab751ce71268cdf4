"""The check's result as one HTML page with samples to look at."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from contest.errors import ContestError
from contest.pictures import open_picture, resolve_picture
from contest.writing import write_bytes
from data_prep.check.checking import CheckReport
from data_prep.check.rules import Rule
from data_prep.reading_folders import Pair, TaskFolder

THUMBNAIL = 240  # pixels, the longer side


@dataclass(frozen=True, slots=True)
class ShownSample:
    """A sample as the page shows it: its items and references, each a text or a picture's data URI."""

    sample_id: str
    kind: str
    items: tuple[tuple[str, str], ...]
    references: tuple[tuple[str, str], ...]


def write_page(report: CheckReport, file: Path) -> None:
    """Write the page. Raises ContestError (WRITE_FAILED, DISK_FULL)."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
    )
    cards = [[_card(part.folder, pair) for pair in part.looked_at] for part in report.splits]
    page = environment.get_template("check.html").render(
        report=report, rules=tuple(Rule), parts=list(zip(report.splits, cards, strict=True))
    )
    write_bytes(file, page.encode("utf-8", "backslashreplace"))  # a folder's name need not be UTF-8


def _card(folder: TaskFolder, pair: Pair) -> ShownSample:
    items = tuple(_shown(folder, item.type, item.content) for item in pair.sample.items)
    references = tuple(_shown(folder, item.type, content) for item in pair.truth.items for content in item.contents)
    return ShownSample(pair.sample.id, pair.kind, items, references)


def _shown(folder: TaskFolder, kind: str, content: str) -> tuple[str, str]:
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
