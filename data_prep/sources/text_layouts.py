"""Layouts in which annotations of text in pictures are published; each gives a picture's words.

(a) a table (with a header or without one; commas, semicolons, tabs, bars or spaces between its columns) or an object of
file -> text; (b) COCO-Text and TextOCR: `imgs`, `anns` with `utf8_string` and `bbox` or
`points`; (c) COCO with the text under `attributes.translation`. Which one a file has is seen from its content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from contest.checking import described
from contest.console import counted
from data_prep.gathering import Gathering
from data_prep.json_stream import Element, elements
from data_prep.records import SkippedRecord, SkipReason, SourceRecord
from data_prep.sources.reading import JSON_LINES, FieldError, id_of, lines, object_of, parse_line, text_of, writable
from data_prep.tables import ENDINGS, LOOKED_AT, SPACE, TableForm, column, form_of, rows

Word: TypeAlias = tuple[str, tuple[float, float, float, float] | None]
"""A word and its box: left, top, width, height."""

FILE_COLUMNS = (
    *("file", "filename", "file_name", "filepath", "file_path", "image", "image_name", "image_file", "image_path"),
    *("img", "img_name", "img_path", "path", "name"),
)
TEXT_COLUMNS = ("text", "label", "word", "words", "transcription", "translation", "utf8_string", "annotation")
FARTHEST = 1e9  # pixels; an integer may be too large for a float, and 1e999 is read as infinity
FORMS = (
    "tables (.csv, .tsv, .txt), JSON lines (.jsonl, .ndjson) and JSON documents are read, told apart by their endings"
)
_PICTURE = re.compile(r"\.(jpe?g|png|bmp|gif|tiff?|webp|ppm)\s*$", re.IGNORECASE)
_ILLEGIBLE = ("", "*", "#", "###", ".")


def read_texts(file: Path, scratch: Path) -> Iterator[SourceRecord | SkippedRecord]:
    """Stream a file's pictures as records of (file name, [Word, ...]).

    A picture's words may stand anywhere in the file; those without boxes keep their order. Raises SourceError for a
    file that can not be read on.
    """
    with Gathering(scratch / "words.sqlite") as gathering:
        if file.suffix.lower() in ENDINGS:
            yield from _table(file, gathering)
        elif file.suffix.lower() in JSON_LINES:
            for line in lines(file):
                try:
                    _take_entry(gathering, line.place, parse_line(line))
                except FieldError as error:
                    yield error.at(line)
        else:
            yield from _document(file, gathering)
        yield from _pictures(file, gathering)


def _pictures(file: Path, gathering: Gathering) -> Iterator[SourceRecord | SkippedRecord]:
    for place, picture_id in gathering.orphans():
        yield SkippedRecord(str(file), place, SkipReason.PICTURE_UNKNOWN, f"image {picture_id}")
    for picture in gathering.pictures():
        words: list[Word] = []
        for place, (text, box, legible) in picture.entries:
            if legible:
                words.append((text, box))
            else:
                yield SkippedRecord(str(file), place, SkipReason.NOT_LEGIBLE)
        where = f"image {picture.picture_id}"
        if words:
            yield SourceRecord(str(file), where, (picture.about, words))
        else:
            yield SkippedRecord(str(file), where, SkipReason.NO_CAPTION, "no legible text")


def in_reading_order(words: list[Word]) -> str:
    """The words of a picture as one text: line by line, each from the left; words without boxes as they came.

    A word belongs to a line if its middle lies within half a height of the middle of the line's first word.
    """
    boxed = [(text, box) for text, box in words if box is not None]
    if len(boxed) < len(words):
        return " ".join(text for text, _ in words)
    rows: list[list[tuple[float, str]]] = []
    middle = height = 0.0
    for text, (left, top, _, tall) in sorted(boxed, key=lambda word: word[1][1] + word[1][3] / 2):
        centre = top + tall / 2
        if not rows or centre - middle > min(height, tall) / 2:
            rows.append([])
            middle, height = centre, tall
        rows[-1].append((left, text))
    return " ".join(text for row in rows for _, text in sorted(row))


def _table(file: Path, gathering: Gathering) -> Iterator[SkippedRecord]:
    """Take the rows of a table in, with or without a header."""
    form = form_of(file, _is_first, spaces=True) or form_of(file, _may_be_first, spaces=True)
    if form is None:
        form = TableForm("\t", quoted=False, spaced=False)
    # Without a header, a row that is longer than others has a comma in its text.
    width = min((len(row.cells) for row in islice(rows(file, form), LOOKED_AT)), default=0)
    columns = (0, 1)
    for number, row in enumerate(rows(file, form)):
        header = _header(row.cells) if number == 0 else None
        if header is not None:
            columns, width = header, len(row.cells)
            continue
        record = SourceRecord(str(file), f"line {row.line}", row.cells)
        try:
            name, text = _two(row.cells, columns, width, form.mark)
            _take(gathering, record.place, name, text)
        except FieldError as error:
            yield error.at(record)


def _two(cells: list[str], columns: tuple[int, int], width: int, mark: str) -> tuple[str, str]:
    """A row's file and its text, which may hold what separates the cells if it is the last one."""
    if len(cells) <= max(columns):
        raise FieldError(SkipReason.FIELD_MISSING, f"{counted(len(cells), 'column')}, a file and a text are two")
    name, text = columns
    if len(cells) <= max(width, 2):
        return cells[name], cells[text]
    if text == max(width, 2) - 1:
        return cells[name], mark.join(cells[text:])
    raise FieldError(SkipReason.FIELD_TYPE, f"{len(cells)} columns where {width} are expected")


def _is_first(row: list[str]) -> bool:
    """Whether a table's first row under some form of tables is a header, or begins with the name of a picture."""
    return _header(row) is not None or (len(row) > 1 and _PICTURE.search(row[0]) is not None)


def _may_be_first(row: list[str]) -> bool:
    return len(row) > 1 and SPACE not in row[0].strip()


def _header(row: list[str]) -> tuple[int, int] | None:
    names = [column(name) for name in row]
    files = [place for place, name in enumerate(names) if name in FILE_COLUMNS]
    texts = [place for place, name in enumerate(names) if name in TEXT_COLUMNS]
    return (files[0], texts[0]) if files and texts else None


def _take(gathering: Gathering, place: str, name: str, text: str) -> None:
    """Take in a text of a picture that is known by its file alone."""
    name = _file_name(name)
    text = writable(text.strip())
    if not text:
        raise FieldError(SkipReason.EMPTY_TEXT, "the text in the picture")
    gathering.put(name, name)
    gathering.add(name, place, (text, None, True))


def _take_entry(gathering: Gathering, place: str, value: Any) -> None:
    """Take in an object of a list: the first known name of a file and of a text."""
    found = object_of(value, "the entry")
    found = {column(key): value for key, value in found.items()}
    names = [found[key] for key in FILE_COLUMNS if isinstance(found.get(key), str)]
    texts = [found[key] for key in TEXT_COLUMNS if isinstance(found.get(key), str)]
    if not names or not texts:
        raise FieldError(SkipReason.FIELD_MISSING, f"no file ({', '.join(FILE_COLUMNS[:3])}) or no {TEXT_COLUMNS[0]}")
    _take(gathering, place, names[0], texts[0])


def _document(file: Path, gathering: Gathering) -> Iterator[SkippedRecord]:
    """Take in the elements of a JSON document of any layout."""
    for element in elements(file, forms=FORMS):
        record = SourceRecord(str(file), element.place, element.value)
        try:
            if _gathered(element, gathering):
                continue
            if isinstance(element.value, str) and not element.key:  # {"file": "text"}
                _take(gathering, element.place, element.section, element.value)
            else:
                _take_entry(gathering, element.place, element.value)
        except FieldError as error:
            yield error.at(record)


def _gathered(element: Element, gathering: Gathering) -> bool:
    """Take a picture or an annotation of the layouts (b) and (c) in; False for an element of another layout."""
    if element.section in ("imgs", "images"):
        value = object_of(element.value, "the picture")
        picture_id = writable(element.key) if element.section == "imgs" else id_of(value, "id")
        name = _file_name(text_of(value, "filename" if "filename" in value else "file_name"))
        if not gathering.put(picture_id, name):
            raise FieldError(SkipReason.DUPLICATE_RECORD, f"image {picture_id}")
        return True
    if element.section in ("anns", "annotations"):
        value = object_of(element.value, "the annotation")
        attributes = value.get("attributes")
        holder = attributes if isinstance(attributes, dict) and "translation" in attributes else value
        key = next((key for key in ("utf8_string", "translation", "text") if key in holder), "utf8_string")
        text = holder.get(key, "")
        if not isinstance(text, str):
            raise FieldError(SkipReason.FIELD_TYPE, f'"{key}" is {described(text)}')
        legible = text.strip() not in _ILLEGIBLE and value.get("legibility", "legible") == "legible"
        gathering.add(id_of(value, "image_id"), element.place, (writable(text.strip()), _box(value), legible))
        return True
    return element.section in ("imgToAnns", "img2Anns", "info", "licenses", "categories", "cats", "dataset")


def _box(value: dict[str, Any]) -> tuple[float, float, float, float] | None:
    """Left, top, width and height of `bbox`, else of what `points` ([x, y, x, y, ...] or [[x, y], ...]) enclose."""
    box = value.get("bbox")
    if box is not None:
        if not isinstance(box, list) or len(box) != 4 or not all(_is_number(side) for side in box):
            raise FieldError(SkipReason.FIELD_TYPE, '"bbox" is no list of four numbers')
        return (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
    points = value.get("points")
    if points is None:
        return None
    flat = (
        [side for point in points for side in (point if isinstance(point, list) else [point])]
        if isinstance(points, list)
        else []
    )
    if len(flat) < 4 or len(flat) % 2 or not all(_is_number(side) for side in flat):
        raise FieldError(SkipReason.FIELD_TYPE, '"points" is no list of points')
    across, down = flat[::2], flat[1::2]
    return (float(min(across)), float(min(down)), float(max(across) - min(across)), float(max(down) - min(down)))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < FARTHEST


def _file_name(name: str) -> str:
    name = writable(name.strip().replace("\\", "/"))
    if not name or name.startswith("/") or ".." in name.split("/") or "\0" in name:
        raise FieldError(SkipReason.FIELD_TYPE, f"{name!r} names no file of the folder")
    return name
