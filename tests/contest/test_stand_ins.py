"""What lies in a file's place is named by every reader: a pointer of Git LFS, an HTML page, an archive, nothing."""

from pathlib import Path

import pytest

from contest.archives import list_archive
from contest.errors import ContestError, ContestFileError
from contest.metadata import read_metadata
from contest.pictures import decode_picture, open_picture
from contest.reading import read_ids, read_input
from contest.shards import ShardError, holds_pictures
from contest.stand_ins import ANNEX_POINTER, EMPTY, HEAD_BYTES, LFS_POINTER, WEB_PAGE, stand_in, stand_in_of_data
from contest.streaming import stream_ground_truth, stream_input

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"5e" * 32 + b"\nsize 29707814\n"
FETCH = "a Git LFS pointer stands in for the file; fetch it with `git lfs pull`"
PAGE = b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>"


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (POINTER, LFS_POINTER),
        (b"\xef\xbb\xbf" + POINTER, LFS_POINTER),
        (b"version https://git-lfs.github.com/spec/v2\r\n", LFS_POINTER),
        (b"version https://hawser.github.com/spec/v1\n", LFS_POINTER),
        (b"/annex/objects/SHA256E-s29707814--5e5e.parquet\n", ANNEX_POINTER),
        (PAGE, WEB_PAGE),
        (b"<HTML lang=ru>", WEB_PAGE),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', WEB_PAGE),
        (b"version 2 of the labels", None),
        (b'{"version": "https://git-lfs.github.com/spec/v1"}', None),
        (b"a.jpg\t<html>", None),
        (b"", None),
    ],
)
def test_what_stands_in_is_told_by_the_first_bytes(head: bytes, found: object) -> None:
    assert stand_in(head) == found
    assert stand_in_of_data(head) == (EMPTY if head == b"" else found)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"", "the file is empty; fetch it again"),
        (b"\xef\xbb\xbf \r\n", "the file is empty; fetch it again"),
        (b" " * HEAD_BYTES, None),  # something may follow
        (b"PK\x03\x04\x14", "the file is a ZIP archive; unpack it first"),
        (b"\x1f\x8b\x08", "the file is packed with gzip; unpack it first"),
        (b"BZh91AY", "the file is packed with bzip2; unpack it first"),
    ],
)
def test_of_data_an_archive_and_an_empty_file_are_named_too(head: bytes, said: str | None) -> None:
    found = stand_in_of_data(head)
    assert (None if found is None else str(found)) == said


READERS = {
    "input": read_input,
    "ids": read_ids,
    "streamed input": lambda path: list(stream_input(path)),
    "streamed answers": lambda path: list(stream_ground_truth(path)),
    "metadata": read_metadata,
    "picture": open_picture,
    "picture's bytes": lambda path: decode_picture(path.read_bytes(), file=path),
    "shard": holds_pictures,
    "archive": lambda path: (_ for _ in ()).throw(ContestFileError(list_archive(path).errors)),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("content", "said"), [(POINTER, FETCH), (PAGE, str(WEB_PAGE))])
def test_every_reader_names_what_stands_in_for_its_file(reader: str, content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises((ContestError, ContestFileError, ShardError)) as caught:
        READERS[reader](path)
    assert f"{path}: {said}" in str(caught.value)
