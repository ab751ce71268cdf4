"""Pictures encoded in shares, as on several hosts: merged, the cache holds what one encoding leaves."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from contest.shares import Share
from tests.training.test_image_encoder import counted
from training.__main__ import main as training
from training.tune.data import table
from training.tune.data.image_encoder import _shared_by
from training.tune.data.records import Record

ROOT = Path(__file__).parents[2]


def rows(cache: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that a cache holds, by table; the codes also of the files that it refers to."""
    (path,) = cache.glob("codes_*.sqlite")
    with sqlite3.connect(path) as connection:
        held = {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in ("made_by", "pictures", "codes")
        }
        placed = connection.execute("SELECT digest, name FROM placed JOIN parts ON part = number").fetchall()
    for digest, name in placed:
        with sqlite3.connect(path.with_suffix(".parts") / name) as part:
            held["codes"] += part.execute("SELECT * FROM codes WHERE digest = ?", (digest,)).fetchall()
    held["codes"].sort()
    return held


@pytest.fixture
def run(root: Path, tmp_path: Path):
    def run_(command: str, cache: str, *options: str) -> int:
        return training([command, "--config", str(root / "settings.yaml"), f"data.cache={tmp_path / cache}", *options])

    return run_


def test_merged_shares_hold_what_one_encoding_leaves(run, tmp_path: Path, monkeypatch, capsys) -> None:
    assert run("encode", "alone") == 0
    seen = counted(monkeypatch)
    encoded = []
    for number in range(3):
        assert run("encode", "shares", "--shard", f"{number}/3") == 0
        assert f"share {number}/3 is done" in capsys.readouterr().err
        encoded.append(len(seen))
    assert len(set(encoded)) == 3  # each had some
    made: list[Path] = []
    monkeypatch.setattr(table, "_make", lambda source, path, state: made.append(path))
    assert run("merge", "shares") == 0
    assert made == []  # nor was a table made anew
    assert rows(tmp_path / "shares") == rows(tmp_path / "alone")
    assert len(seen) == encoded[-1]  # nothing was left to encode
    assert run("merge", "shares") == 0
    (path,) = (tmp_path / "shares").glob("codes_*.sqlite")
    with sqlite3.connect(path) as connection:  # not one was copied: the shares' files have a second name
        assert connection.execute("SELECT count(*) FROM codes").fetchone() == (0,)
    parts = sorted(path.with_suffix(".parts").iterdir())
    assert [(part.name, part.stat().st_nlink) for part in parts] == [
        (f"share-{number:05}-of-00003.sqlite", 2) for number in range(3)
    ]
    for number in range(3):
        shutil.rmtree(tmp_path / "shares" / f"share-{number:05}-of-00003")
    assert run("encode", "shares") == 0
    assert len(seen) == encoded[-1]  # all is still there


# Kills the process when some pictures are in the cache.
KILLED = """
import os, signal, sys
from training.tune.data.codes_cache import CodesCache
from training.__main__ import main
from training.tune.data import image_encoder
image_encoder.AT_ONCE = 4
add = CodesCache.add
def dying(self, entries):
    add(self, entries)
    os.kill(os.getpid(), signal.SIGKILL)
CodesCache.add = dying
main(sys.argv[1:])
"""


def test_killed_share_is_named_and_goes_on_by_itself(run, root: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    assert run("encode", "alone") == 0
    assert run("encode", "shares", "--shard", "0/2") == 0
    settings = ["--config", str(root / "settings.yaml"), f"data.cache={tmp_path / 'shares'}"]
    environment = {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "1"}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, "encode", *settings],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", **environment}, check=False, capture_output=True,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    assert run("merge", "shares") == 2
    assert "share 1/2 has not ended, or was killed" in capsys.readouterr().err
    done = len(rows(tmp_path / "shares" / "share-00001-of-00002")["pictures"])
    assert done == 4
    assert run("encode", "shares", "--shard", "1/2") == 0
    assert run("merge", "shares") == 0
    assert rows(tmp_path / "shares") == rows(tmp_path / "alone")


def test_share_with_a_damaged_cache_is_named(run, tmp_path: Path, capsys) -> None:
    assert run("encode", "shares", "--shard", "0/2") == 0
    assert run("encode", "shares") == 2
    assert "now all of the work is asked for" in capsys.readouterr().err
    assert run("encode", "shares", "--shard", "1/2") == 0
    (path,) = (tmp_path / "shares" / "share-00001-of-00002").glob("codes_*.sqlite")
    path.write_bytes(b"no database" * 1000)
    assert run("merge", "shares") == 2
    said = capsys.readouterr().err
    assert str(path) in said
    assert "encode it again" in said


def test_rows_that_are_read_together_are_encoded_together() -> None:
    records = [Record(str(row), "", (), "x", "a.parquet", row) for row in range(1024)]
    groups = [
        {record.row // 256 for record in records if Share(number, 3).takes_key(_shared_by(record))}
        for number in range(3)
    ]
    assert sorted(group for share in groups for group in share) == [0, 1, 2, 3]
