"""Reads the contest's JSON files one sample at a time, in memory that does not grow with the file.

For files that `contest.reading` would hold whole: the same samples, the same complaints, in the same words.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from io import BufferedReader
from itertools import pairwise
from os import PathLike, fspath
from typing import Any, TypeVar

from contest.checking import (
    Checker,
    check_id,
    described,
    object_of,
    parse_ground_truth,
    parse_sample,
)
from contest.errors import Code, ContestError, ContestFileError
from contest.ground_truth import GroundTruth
from contest.items import Sample
from contest.json_stream import JSONReader, NestedTooDeeplyError, NotJSONError, ValueTooLongError
from contest.limits import MAX_ENTRY_CHARACTERS
from contest.stand_ins import HEAD_BYTES, stand_in
from errors import bare_reason

Entry = TypeVar("Entry")

MAX_ERRORS = 1000  # a file with more is given up: nobody reads on, and they would be held in memory
SORTED_AT_ONCE = 100_000


def stream_input(path: str | PathLike[str]) -> Iterator[Sample]:
    """Yield the samples of an `input.json`, in file order.

    Raises ContestFileError with everything that is wrong: at once if the file is no JSON from some place on, otherwise
    after the last valid sample.
    """
    return _stream(path, lambda checker, value: parse_sample(checker, value, may_be_empty=False))


def stream_predictions(path: str | PathLike[str]) -> Iterator[Sample]:
    """Yield the answers of a `predictions.json`, in file order; an empty list of items is one too.

    Raises ContestFileError as `stream_input` does.
    """
    return _stream(path, lambda checker, value: parse_sample(checker, value, may_be_empty=True))


def stream_ground_truth(path: str | PathLike[str]) -> Iterator[GroundTruth]:
    """Yield the samples of a `ground_truth.json`, in file order. Raises ContestFileError as `stream_input` does."""
    return _stream(path, parse_ground_truth)


def _stream(path: str | PathLike[str], parse: Callable[[Checker, Any], Entry | None]) -> Iterator[Entry]:
    checker = Checker(fspath(path), [])
    hashes = array("q")  # of the ids: eight bytes a sample, where the ids themselves would take a hundred
    for sample_id, value in pairs_of(checker):
        checker.sample_id = sample_id
        hashes.append(hash(sample_id))
        usable = check_id(checker, sample_id)
        entry = parse(checker, value)
        if usable and entry is not None:
            yield entry
        if len(checker.errors) > MAX_ERRORS:
            break
    for repeated in _repeated_ids(checker.file, hashes):
        checker.sample_id = repeated
        checker.report(Code.DUPLICATE_ID, "the id stands more than once")
    if checker.errors:
        raise ContestFileError(checker.errors)


def _repeated_ids(file: str, hashes: array[int]) -> list[str]:
    """Ids that stand more than once, in file order; the file is read again only if some have equal hashes."""
    suspects: set[int] = set()
    parts = 1 + len(hashes) // SORTED_AT_ONCE
    for part in range(parts):
        ordered = sorted(value for value in hashes if value % parts == part)
        suspects.update(value for value, following in pairwise(ordered) if value == following)
    if not suspects:
        return []
    found = Counter(sample_id for sample_id, _ in pairs_of(Checker(file, [])) if hash(sample_id) in suspects)
    return [sample_id for sample_id, count in found.items() if count > 1]


def pairs_of(
    checker: Checker,
    longest: int | None = MAX_ENTRY_CHARACTERS,
    places: array[int] | None = None,
    path: str | None = None,
) -> Iterator[tuple[str, Any]]:
    """Yield id and value of each entry of the file's top-level object. Raises ContestFileError if it holds none.

    `longest` is how many characters an entry may have; None: any number. NaN and infinities are reported. `places`
    takes for each entry where its value begins in the file, and where it ends, in bytes. `path` is where the bytes are
    read, if it is not what the checker calls the file.
    """
    try:
        with _opened(checker, path or checker.file) as stream:
            if (found := stand_in(stream.peek(HEAD_BYTES)[:HEAD_BYTES])) is not None:
                raise checker.fatal(Code.NOT_JSON, found.what, found.remedy)
            yield from _pairs(JSONReader(stream, object_of, longest), checker, places)
    except FileNotFoundError as error:
        raise checker.fatal(Code.FILE_MISSING) from error
    except UnicodeDecodeError as error:
        raise checker.fatal(Code.NOT_UTF8, f"byte {error.start} is not UTF-8") from error
    except OSError as error:
        raise checker.fatal(Code.FILE_UNREADABLE, bare_reason(error)) from error
    except NestedTooDeeplyError as error:
        raise checker.fatal(Code.NESTED_TOO_DEEPLY) from error
    except ValueTooLongError as error:  # than any honest entry: it would be held in memory
        message = f"the entry has more than {longest:,} characters"
        too_long = ContestError(Code.ENTRY_TOO_LARGE, message, file=checker.file, sample_id=checker.sample_id)
        raise ContestFileError([*checker.errors, too_long]) from error
    except NotJSONError as error:
        raise checker.fatal(Code.NOT_JSON, str(error)) from error


def _opened(checker: Checker, path: str) -> BufferedReader:
    try:
        return open(path, "rb")
    except ValueError as error:  # a path with NUL
        raise checker.fatal(Code.FILE_UNREADABLE, bare_reason(error)) from error


def _pairs(reader: JSONReader, checker: Checker, places: array[int] | None) -> Iterator[tuple[str, Any]]:
    if reader.peek() != "{":
        document = reader.value()
        _report_not_finite(reader, checker)
        reader.require_end()
        raise checker.fatal(Code.NOT_AN_OBJECT, f"the top level is {described(document)}")
    for key in reader.member_names():
        checker.sample_id = key
        if places is not None:
            reader.peek()
            places.append(reader.byte_place())
        value = reader.value()
        if places is not None:
            places.append(reader.byte_place())
        _report_not_finite(reader, checker)
        yield key, value
    reader.require_end()


def _report_not_finite(reader: JSONReader, checker: Checker) -> None:
    for name in reader.not_finite:
        checker.report(Code.NOT_FINITE, f"{name} stands in the file")
