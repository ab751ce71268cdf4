"""Reads `predictions.json`, which a stranger wrote, in memory bounded by the samples asked for.

Entries of other samples are counted and not kept; of a sample with a great many items the first are looked at, and of
its errors a few are kept.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from contest.checking import Checker, check_id, holds_half_surrogate, parse_sample
from contest.errors import Code, ContestError, ContestFileError
from contest.items import Sample
from contest.limits import MAX_ITEMS, MAX_SURPLUS_ENTRIES
from contest.streaming import pairs_of

SURPLUS_NAMED = 5


@dataclass(frozen=True, slots=True)
class ParsedPredictions:
    """The answers to the samples that were asked for.

    Attributes:
        valid: the answers by sample id, in file order; of an id that stands twice the last one.
        invalid: entries that are no list of items, as JSON has them (at most the first MAX_ITEMS items).
        errors: what is wrong with these entries.
        repeated: ids that stand more than once.
        surplus: number of entries of other samples, and the ids of the first few.
        unwritable: ids of entries with half a surrogate pair anywhere, be it where nobody reads it.

    """

    valid: dict[str, Sample]
    invalid: dict[str, Any]
    errors: tuple[ContestError, ...]
    repeated: tuple[str, ...]
    surplus: int
    first_surplus: tuple[str, ...]
    unwritable: frozenset[str] = frozenset()


def ids_of(path: str | os.PathLike[str]) -> frozenset[str]:
    """Return the ids of all entries, where nobody knows which samples were asked for.

    Raises ContestFileError for a file that is no JSON object or can not be read, and for more entries than are read.
    """
    ids: set[str] = set()
    for sample_id, _ in pairs_of(Checker(os.fspath(path), [])):
        ids.add(sample_id)
        if len(ids) > MAX_SURPLUS_ENTRIES:
            message = f"more than {MAX_SURPLUS_ENTRIES:,} entries, and no input that they answer"
            error = ContestError(Code.ENTRIES_TOO_MANY, message, file=path, remedy="name the input as well")
            raise ContestFileError([error])
    return frozenset(ids)


def read_answers(path: str | os.PathLike[str], asked: Collection[str]) -> ParsedPredictions:
    """Read the answers to the samples with these ids.

    Raises ContestFileError for a file that is no JSON object or can not be read, for an entry that is larger, and for
    more entries of other samples, than any honest file has (see `contest.limits`).
    """
    checker = Checker(os.fspath(path), [])
    valid: dict[str, Sample] = {}
    invalid: dict[str, Any] = {}
    repeated: dict[str, None] = {}
    first_surplus: list[str] = []
    unwritable: set[str] = set()
    surplus = known = 0
    for sample_id, value in pairs_of(checker):
        checker.sample_id = sample_id
        if sample_id not in asked:
            surplus += 1
            if checker.count > known:  # NaN stands in it
                checker.errors = [error for error in checker.errors if error.sample_id != sample_id]
            if surplus > MAX_SURPLUS_ENTRIES:
                message = f"more than {MAX_SURPLUS_ENTRIES:,} entries are of samples that were not asked for"
                raise ContestFileError([ContestError(Code.ENTRIES_TOO_MANY, message, file=checker.file)])
            if len(first_surplus) < SURPLUS_NAMED:
                first_surplus.append(sample_id)
            known = checker.count
            continue
        if sample_id in valid or sample_id in invalid:
            if sample_id not in repeated:
                checker.report(Code.DUPLICATE_ID, "the id stands more than once")
            repeated[sample_id] = None
            valid.pop(sample_id, None)
            invalid.pop(sample_id, None)
        usable = check_id(checker, sample_id)
        whole = not isinstance(value, list) or len(value) <= MAX_ITEMS
        if not whole:
            checker.report(Code.ITEMS_TOO_MANY, f"the sample has {len(value):,} items; {MAX_ITEMS:,} are read")
            value = value[:MAX_ITEMS]
        sample = parse_sample(checker, value, may_be_empty=True)
        if usable and whole and sample is not None:
            valid[sample_id] = sample
        else:
            invalid[sample_id] = value
        if _holds_half_surrogate(value, is_sound=sample_id in valid):
            unwritable.add(sample_id)
        else:
            unwritable.discard(sample_id)  # of an id that stands twice, the last entry counts
        known = checker.count
    return ParsedPredictions(
        valid, invalid, tuple(checker.errors), tuple(repeated), surplus, tuple(first_surplus), frozenset(unwritable)
    )


def _holds_half_surrogate(entry: Any, *, is_sound: bool) -> bool:
    """As `holds_half_surrogate`; of a sound entry only surplus keys are left to look at, which few have."""
    if is_sound and all(len(item) == 2 for item in entry):
        return False
    return holds_half_surrogate(entry)
