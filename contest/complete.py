"""Whether predictions answer an input, as far as can be told without references. Knows nothing of scores."""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from contest.errors import BYTE_ORDER_MARK, Code, ContestError, ContestErrors
from contest.items import Sample
from contest.limits import MAX_PREDICTIONS_BYTES
from contest.pictures import check_pictures
from contest.reading import sift_predictions


def prediction_errors(path: Path, samples: Mapping[str, Sample]) -> tuple[ContestError, ...]:
    """Return all that is wrong with `predictions.json` for these samples of the input.

    A byte order mark, a sample without a prediction, an entry that is no list of items, a picture that is named and can
    not be opened.
    The file and its pictures must be plain files: a link could name a file that its maker was never shown.
    """
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            return (ContestError(Code.FILE_UNREADABLE, "it is a link or a device, not a plain file", file=path),)
        if status.st_size > MAX_PREDICTIONS_BYTES:
            message = f"it has {status.st_size} bytes; at most {MAX_PREDICTIONS_BYTES} are read"
            return (ContestError(Code.FILE_UNREADABLE, message, file=path),)
    except FileNotFoundError:
        return (ContestError(Code.FILE_MISSING, file=path),)
    except OSError as error:
        return (ContestError(Code.FILE_UNREADABLE, str(error), file=path),)
    try:
        sifted = sift_predictions(path)
        with path.open("rb") as stream:
            marked = stream.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
    except ContestErrors as errors:
        return errors.errors
    answered = {*sifted.sound, *(error.sample_id for error in sifted.errors)}
    missing = (
        ContestError(Code.PREDICTION_MISSING, file=path, sample_id=sample_id)
        for sample_id in samples
        if sample_id not in answered
    )
    asked = [sample for sample_id, sample in sifted.sound.items() if sample_id in samples]
    # Our own reader takes such a file; that of the organisers raises, and the attempt is invalid.
    remedy = "save it as UTF-8 without a byte order mark"
    mark = (ContestError(Code.NOT_JSON, BYTE_ORDER_MARK, file=path, remedy=remedy),) if marked else ()
    return (*mark, *sifted.errors, *missing, *check_pictures(asked, path.parent))


def links_and_devices(folder: Path) -> Iterator[str]:
    """Yield the relative paths below `folder` that are neither plain files nor folders. Links are not followed."""
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(root, name)
            mode = os.lstat(path).st_mode
            if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
                yield os.path.relpath(path, folder)
