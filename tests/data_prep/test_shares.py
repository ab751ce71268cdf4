"""Conversions in shares, as on several hosts: merged, they are to the byte what one conversion writes."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from data_prep.__main__ import main
from tests.data_prep.conversions import convert, paint, tree, write_document, write_lines
from tests.data_prep.test_pipeline import KILLED, ROOT, question

OPTIONS = ("--validation-share", 0.1)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """1,500 lines in six chunks, every hundredth of which is broken."""
    values = [{"id": i} if i % 100 == 99 else question(i) for i in range(1500)]
    return write_lines(tmp_path_factory.mktemp("rows") / "rows.jsonl", values)


@pytest.fixture(scope="module")
def alone(rows, tmp_path_factory):
    """The conversion by one process."""
    return convert(tmp_path_factory.mktemp("alone") / "out", "sberquad", rows, *OPTIONS)


def share(out, number, count, rows, *options):
    return convert(out, "sberquad", rows, *OPTIONS, "--shard", f"{number}/{count}", *options)


def visible(folder):
    """The files but for the shares."""
    return {name: data for name, data in tree(folder).items() if not name.startswith(".")}


@pytest.mark.parametrize("count", [2, 4, 7])
def test_merged_shares_are_the_bytes_of_one_conversion(rows, alone, tmp_path, count, capsys):
    out = tmp_path / "out"
    for number in range(count):
        made = share(out, number, count, rows)
        assert made.status in (0, 1), made.errors
        assert f"share {number}/{count}, from --shard" in made.errors
    assert main(["merge", "--output", str(out)]) == 1
    assert visible(out) == tree(alone.folder)
    printed = capsys.readouterr().out
    assert "read 1500, used 1485, skipped 15 (FIELD_MISSING 15)" in printed


def test_share_by_workers_is_the_same(rows, alone, tmp_path):
    out = tmp_path / "out"
    share(out, 0, 2, rows)
    process = subprocess.run(
        [sys.executable, "-m", "data_prep", "sberquad", rows, "--validation-share", "0.1", "--workers", "2",
         "--output", out],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "JOB_COMPLETION_INDEX": "1", "JOB_COMPLETION_COUNT": "2"},
    )  # fmt: skip
    assert process.returncode == 1, process.stderr
    assert "share 1/2, from JOB_COMPLETION_INDEX=1" in process.stderr
    assert main(["merge", "--output", str(out)]) == 1
    assert visible(out) == tree(alone.folder)


def test_killed_share_goes_on_by_itself(rows, alone, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["sberquad", str(rows), "--validation-share", "0.1", "--shard", "1/2", "--output", str(out)]
    share(out, 0, 2, rows)
    for records in ("700", "1400"):
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, records, *arguments], cwd=ROOT, capture_output=True, check=False
        )
        assert killed.returncode == -9
    assert main(["merge", "--output", str(out)]) == 2
    assert "share 1/2 has not ended, or was killed; start it again" in capsys.readouterr().err
    saved = json.loads((out / ".sberquad.shares/share-00001-of-00002/.sberquad.partial/progress.json").read_text())
    assert saved["progress"]["chunks"] == 2
    assert share(out, 1, 2, rows).errors.count("[FIELD_MISSING]") < 7  # the others were named before the kill
    assert main(["merge", "--output", str(out)]) == 1
    assert visible(out) == tree(alone.folder)


def test_killed_merge_is_done_again(rows, alone, tmp_path, monkeypatch):
    out = tmp_path / "out"
    for number in range(2):
        share(out, number, 2, rows)

    def no_more(*_):
        raise KeyboardInterrupt

    for place in ("data_prep.shares.write_card", "data_prep.writing_folders._move"):
        with monkeypatch.context() as patch:
            patch.setattr(place, no_more)
            assert main(["merge", "--output", str(out)]) == 130
    assert main(["merge", "--output", str(out)]) == 1
    assert visible(out) == tree(alone.folder)


def test_shares_of_other_records_or_settings_are_refused(rows, tmp_path, capsys):
    out, other = tmp_path / "out", tmp_path / "other" / rows.name
    other.parent.mkdir()
    share(out, 0, 2, rows)
    other.write_text(rows.read_text("utf-8").replace("Река номер 7 ", "Река номер 8 "), "utf-8")
    share(out, 1, 2, other)
    assert main(["merge", "--output", str(out)]) == 2
    assert "share 1/2 differs from share 0/2 in records;" in capsys.readouterr().err
    refused = share(out, 1, 2, rows, "--seed", 3)
    assert refused.status == 2
    assert "was begun with another seed" in refused.errors
    shutil.rmtree(out / ".sberquad.shares" / "share-00001-of-00002")
    share(out, 1, 2, rows, "--seed", 3)
    assert main(["merge", "--output", str(out)]) == 2
    assert "share 1/2 differs from share 0/2 in settings" in capsys.readouterr().err
    assert not (out / "textqa").exists()


def test_all_of_the_work_is_not_done_where_shares_lie(rows, tmp_path):
    out = tmp_path / "out"
    share(out, 0, 2, rows)
    refused = convert(out, "sberquad", rows)
    assert refused.status == 2
    assert "now all of the work is asked for" in refused.errors


@pytest.mark.parametrize("mode", ["link", "copy", "pad"])
def test_pictures_of_shares_come_together(tmp_path, monkeypatch, mode):
    monkeypatch.setattr("data_prep.pipeline.CHUNK_RECORDS", 2)
    images = [{"id": i, "file_name": f"{i}.jpg", "height": 8, "width": 12} for i in range(9)]
    captions = [{"id": i, "image_id": i % 9, "caption": f"a red thing number {i}"} for i in range(20)]
    for picture in images:
        paint(tmp_path / "pictures" / picture["file_name"])
    source = write_document(tmp_path / "captions.json", {"images": images, "annotations": captions})
    arguments = ("coco", source, "--images", tmp_path / "pictures", "--pictures", mode)
    alone = convert(tmp_path / "alone", *arguments)
    assert alone.status == 0, alone.errors
    for number in range(3):
        assert convert(tmp_path / "out", *arguments, "--shard", f"{number}/3").status == 0
    assert main(["merge", "--output", str(tmp_path / "out")]) == 0
    assert visible(tmp_path / "out") == tree(alone.folder)
    kinds = [{path.name: path.is_symlink() for path in folder.rglob("*.jpg")} for folder in (
        tmp_path / "out" / "captioning", alone.folder / "captioning")]  # fmt: skip
    assert kinds[0] == kinds[1]


def test_two_pictures_of_one_name_are_refused_as_in_one_conversion(tmp_path, capsys):
    from data_prep.pictures import NameTakenError
    from data_prep.shares import _take_pictures

    for number, colour in enumerate(("red", "blue")):
        paint(tmp_path / str(number) / "1.jpg", colour)
    (tmp_path / "out").mkdir()
    _take_pictures(tmp_path / "0", tmp_path / "out")
    _take_pictures(tmp_path / "0", tmp_path / "out")
    with pytest.raises(NameTakenError, match=r"another picture is called 1\.jpg too"):
        _take_pictures(tmp_path / "1", tmp_path / "out")
