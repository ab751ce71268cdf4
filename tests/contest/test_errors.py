"""Errors are data, read as one line, and every code of the table is one that some input provokes."""

import copy
import pickle
from pathlib import Path

import pytest

from contest.errors import Code, ContestError, ContestFileError
from tests.contest import test_archives as archives
from tests.contest import test_complete as complete
from tests.contest import test_decoding as decoding
from tests.contest import test_metadata as metadata
from tests.contest import test_pictures as pictures
from tests.contest import test_predictions as predictions
from tests.contest import test_reading as reading
from tests.contest import test_tasks as tasks
from tests.contest import test_writing as writing

FULL = ContestError(Code.ITEM_TYPE_UNKNOWN, "the type is 5", file="in.json", sample_id="7", item=2, remedy="fix it")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FULL, "[ITEM_TYPE_UNKNOWN] in.json, sample '7', item 2: the type is 5; fix it"),
        (ContestError(Code.FILE_MISSING, file=Path("a")), "[FILE_MISSING] a: the file does not exist; check the path"),
        (ContestError(Code.DISK_FULL), "[DISK_FULL] the disk is full; make room on the disk"),
        (
            ContestError(Code.SAMPLE_EMPTY, "no\nitems", sample_id="a\nb", remedy="x"),
            "[SAMPLE_EMPTY] sample 'a\\nb': no items; x",
        ),
        (
            ContestError(Code.ID_UNUSABLE, "too long", sample_id="7" * 300, remedy="x"),
            f"[ID_UNUSABLE] sample '{'7' * 57}...': too long; x",
        ),
    ],
)  # fmt: skip
def test_an_error_reads_as_one_line(error: ContestError, line: str) -> None:
    assert str(error) == line


def test_an_error_is_read_only_data() -> None:
    assert (FULL.code, FULL.message, FULL.file) == (Code.ITEM_TYPE_UNKNOWN, "the type is 5", "in.json")
    assert (FULL.sample_id, FULL.item, FULL.remedy) == ("7", 2, "fix it")
    for field in ("code", "message", "file", "sample_id", "item", "remedy"):
        with pytest.raises(AttributeError):
            setattr(FULL, field, None)


def test_errors_are_equal_by_what_they_say_and_cross_processes() -> None:
    for twin in (pickle.loads(pickle.dumps(FULL)), copy.deepcopy(FULL)):
        assert twin == FULL
        assert hash(twin) == hash(FULL)
        assert str(twin) == str(FULL)
    assert ContestError(Code.DISK_FULL) != ContestError(Code.WRITE_FAILED)
    assert pickle.loads(pickle.dumps(ContestFileError([FULL]))).errors == (FULL,)


def test_many_errors_are_counted_and_the_first_twenty_printed() -> None:
    errors = ContestFileError([FULL] * 24 + [ContestError(Code.NOT_FINITE)])
    lines = str(errors).splitlines()
    assert lines[0] == "25 errors (ITEM_TYPE_UNKNOWN x 24, NOT_FINITE x 1):"
    assert lines[1:21] == [f"  {FULL}"] * 20
    assert lines[21:] == ["  ... and 5 more"]
    assert len(errors.errors) == 25


def test_one_error_is_not_errors() -> None:
    assert str(ContestFileError([FULL])) == str(FULL)
    with pytest.raises(ValueError, match="at least one"):
        ContestFileError([])


def test_every_code_says_what_it_means_and_what_helps() -> None:
    for code in Code:
        assert code.meaning
        assert code.remedy
        assert code.name == code.name.upper()


def test_every_code_is_provoked_by_some_row_of_the_tables(tmp_path: Path) -> None:
    provoked = {code for _, code in reading.BAD_FILES}
    provoked |= {code for _, _, places in reading.BAD_ENTRIES for code, _, _ in places}
    provoked |= {code for _, code in reading.codes_of_bad_paths(tmp_path)}
    provoked |= {code for _, code in (*writing.UNWRITABLE_VALUES, *writing.UNWRITABLE_PATHS, *writing.REFUSALS)}
    provoked |= {code for _, code, _ in pictures.BAD_BYTES} | {code for _, code in pictures.BAD_FILES}
    provoked |= {pictures.PATH_CODE, decoding.SPENT, decoding.CLIPPED, complete.LARGE}
    provoked |= {code for _, codes, _ in tasks.BAD_SCORES for code in codes}
    provoked |= {code for _, _, code in archives.BAD_ARCHIVES} | {code for _, code in metadata.BAD_METADATA}
    provoked |= {code for _, places in complete.ROWS for code, _ in places}
    provoked |= {code for _, code in predictions.DISHONEST}
    assert provoked == set(Code)
