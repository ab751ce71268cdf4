"""Reads the contest's JSON files into validated objects.

Everything wrong with a file is reported at once, as ContestFileError. `read_input_lenient` and
`read_predictions_lenient` instead return what is valid and what is wrong, for a run that must answer (or score) the
valid samples whatever the others are. A file that is no JSON object at all has no valid part: it raises
ContestFileError in every function here.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any, Generic, TypeAlias, TypeVar

from contest.checking import (
    Checker,
    check_id,
    ground_truth_as_found,
    object_of,
    parse_ground_truth,
    parse_sample,
    parse_task_id,
    repeated_keys,
)
from contest.errors import Code, ContestError, ContestFileError
from contest.ground_truth import GroundTruth
from contest.items import Sample
from contest.streaming import pairs_of

FilePath: TypeAlias = str | PathLike[str]
Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class ParseResult(Generic[Entry]):
    """What is valid in a file, by sample id in file order, and all that is wrong with the rest.

    A sample id that stands twice is reported, and its last value is the one kept, as Python's own JSON reader would.
    """

    valid: dict[str, Entry]
    errors: tuple[ContestError, ...]

    def or_raise(self) -> dict[str, Entry]:
        """Return the valid entries if nothing is wrong; raise ContestFileError with everything that is otherwise."""
        if self.errors:
            raise ContestFileError(self.errors)
        return self.valid


def begins_with_mark(path: FilePath) -> bool:
    """Whether a file begins with a byte order mark, which the readers here tolerate and the organisers' do not."""
    with open(path, "rb") as stream:
        return stream.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8


def read_input(path: FilePath) -> dict[str, Sample]:
    """Read `input.json`: samples by id, each with at least one item. Raises ContestFileError."""
    return read_input_lenient(path).or_raise()


def read_input_lenient(path: FilePath, read_from: str | None = None) -> ParseResult[Sample]:
    """Read `input.json` and keep its valid samples beside the errors of the rest. Raises ContestFileError (no JSON).

    `read_from` is where its bytes are read, if it is not what the file is called.
    """
    return _read_lenient(path, lambda checker, value: parse_sample(checker, value, may_be_empty=False), read_from)


def read_predictions(path: FilePath) -> dict[str, Sample]:
    """Read `predictions.json`: answers by id. An empty list of items is an answer too. Raises ContestFileError."""
    return read_predictions_lenient(path).or_raise()


def read_predictions_lenient(path: FilePath) -> ParseResult[Sample]:
    """Read `predictions.json` and keep its valid answers beside other errors. Raises ContestFileError (no JSON)."""
    return _read_lenient(path, lambda checker, value: parse_sample(checker, value, may_be_empty=True))


def read_ground_truth(path: FilePath) -> dict[str, GroundTruth]:
    """Read `ground_truth.json`: acceptable answers by id.

    A value is one item or a list of items, a content one string or a list of them; the result records which.
    Raises ContestFileError.
    """
    return _read_lenient(path, parse_ground_truth).or_raise()


def read_ground_truth_lenient(path: FilePath) -> dict[str, GroundTruth]:
    """Read `ground_truth.json` and keep its malformed entries too, each as `GroundTruth.unsound` with its errors.

    Of an id that stands twice the last entry is kept, as malformed. Raises ContestFileError (no JSON object).
    """
    checker = Checker(fspath(path), [])
    found: dict[str, GroundTruth] = {}
    count_before = errors_before = 0
    for sample_id, value in pairs_of(checker, None):
        checker.sample_id = sample_id
        if sample_id in found:
            checker.report(Code.DUPLICATE_ID, "the id stands more than once, this is its last entry")
        found[sample_id] = ground_truth_as_found(checker, value, count_before, errors_before)
        count_before, errors_before = checker.count, len(checker.errors)
    return found


def read_ids(path: FilePath) -> dict[str, int]:
    """Read `ids.json`: the id of each sample's task (0 to 11), as a number or digits. Raises ContestFileError."""
    return _read_lenient(path, parse_task_id).or_raise()


def _read_lenient(
    path: FilePath, parse: Callable[[Checker, Any], Entry | None], read_from: str | None = None
) -> ParseResult[Entry]:
    checker = Checker(fspath(path), [])
    document = object_of(list(pairs_of(checker, None, path=read_from)))
    for checker.sample_id in repeated_keys(document):
        checker.report(Code.DUPLICATE_ID, "the id stands more than once")
    valid: dict[str, Entry] = {}
    for sample_id, value in document.items():
        checker.sample_id = sample_id
        usable = check_id(checker, sample_id)
        entry = parse(checker, value)
        if usable and entry is not None:
            valid[sample_id] = entry
    return ParseResult(valid, tuple(checker.errors))
