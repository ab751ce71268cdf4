"""Whether predictions answer an input, as far as can be told without references."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from contest.errors import BYTE_ORDER_MARK, Code, ContestError, ContestFileError
from contest.limits import MAX_PREDICTIONS_BYTES, MAX_PREDICTIONS_BYTES_A_SAMPLE, PREDICTIONS_FREE_BYTES
from contest.pictures import check_pictures
from contest.predictions import ParsedPredictions, ids_of, read_answers
from contest.reading import begins_with_mark
from errors import bare_reason


def prediction_errors(path: Path, samples: Collection[str]) -> tuple[ContestError, ...]:
    """Return all that is wrong with `predictions.json` for the samples of the input with these ids.

    A byte order mark, a sample without a prediction, an entry that is no list of items, a picture that is named and can
    not be opened.
    The file and its pictures must be plain files: a link could name a file that its maker was never shown.
    """
    return looked_through(path, samples)[1]


def looked_through(
    path: Path, samples: Collection[str] | None = None
) -> tuple[ParsedPredictions | None, tuple[ContestError, ...]]:
    """Return the predictions, None if they can not be read at all, and all that is wrong as `prediction_errors` does.

    Without `samples` every entry counts as asked for, and none can be missing.
    """
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            return None, (ContestError(Code.FILE_UNREADABLE, "it is a link or a device, not a plain file", file=path),)
        most, of = MAX_PREDICTIONS_BYTES, ""
        if samples is not None:
            most = min(most, PREDICTIONS_FREE_BYTES + len(samples) * MAX_PREDICTIONS_BYTES_A_SAMPLE)
            of = f" for {len(samples)} samples"
        if status.st_size > most:
            message = f"it has {status.st_size} bytes; at most {most} are read{of}"
            return None, (ContestError(Code.FILE_UNREADABLE, message, file=path),)
    except FileNotFoundError:
        return None, (ContestError(Code.FILE_MISSING, file=path),)
    except OSError as error:
        return None, (ContestError(Code.FILE_UNREADABLE, bare_reason(error), file=path),)
    try:
        asked = ids_of(path) if samples is None else samples
        found = read_answers(path, asked)
        marked = begins_with_mark(path)
    except ContestFileError as errors:
        return None, errors.errors
    missing = (
        ContestError(Code.PREDICTION_MISSING, file=path, sample_id=sample_id)
        for sample_id in asked
        if sample_id not in found.valid and sample_id not in found.invalid
    )
    # Our own reader takes such a file; that of the organisers raises, and the attempt is invalid.
    remedy = "save it as UTF-8 without a byte order mark"
    mark = (ContestError(Code.NOT_JSON, BYTE_ORDER_MARK, file=path, remedy=remedy),) if marked else ()
    return found, (*mark, *found.errors, *missing, *check_pictures(list(found.valid.values()), path.parent))


def links_and_devices(folder: Path) -> Iterator[str]:
    """Yield the relative paths below `folder` that are neither plain files nor folders. Links are not followed."""
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(root, name)
            mode = os.lstat(path).st_mode
            if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
                yield os.path.relpath(path, folder)
