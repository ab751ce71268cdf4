"""The cache of picture codes: by content, small, safe from other processes, damage and other networks."""

import hashlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from training.tune.data import code_parts
from training.tune.data.codes_cache import CodesCache, CodesCacheError, Encoded, PictureKey
from training.tune.data.records import TrainingDataError

VQGAN = hashlib.sha256(b"vqgan").hexdigest()


def key(name: str, row: int = -1, size: int = 10, modified: int = 5) -> PictureKey:
    return PictureKey(f"/data/{name}", row, size, modified)


def codes(seed: int, length: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 8192, length, dtype=np.uint16)


def entry(name: str, seed: int, known: bool = False, **place: int) -> Encoded:
    return Encoded(key(name, **place), hashlib.sha256(b"%d" % seed).digest(), None if known else codes(seed))


@pytest.fixture
def cache(tmp_path: Path) -> CodesCache:
    cache = CodesCache(tmp_path, VQGAN, 16, 4)
    cache.prepare()
    return cache


def same(found: np.ndarray | None, expected: np.ndarray) -> bool:
    return found is not None and found.dtype == np.uint16 and found.tolist() == expected.tolist()


def test_what_is_added_is_found_by_place_and_by_content(cache: CodesCache) -> None:
    cache.add([entry("a.jpg", 1), entry("s.parquet", 2, row=0), entry("s.parquet", 1, known=True, row=7)])
    assert same(cache.codes("/data/a.jpg"), codes(1))
    assert same(cache.codes("/data/s.parquet", 0), codes(2))
    assert same(cache.codes("/data/s.parquet", 7), codes(1))
    assert cache.codes("/data/s.parquet") is None
    assert [cache.has(hashlib.sha256(b"%d" % seed).digest()) for seed in (1, 2, 3)] == [True, True, False]


def test_a_picture_that_changed_on_disk_is_unknown(cache: CodesCache) -> None:
    cache.add([entry("a.jpg", 1)])
    asked = [key("a.jpg"), key("a.jpg", size=11), key("a.jpg", modified=6), key("a.jpg", row=0), key("b.jpg")]
    assert cache.unknown(asked) == asked[1:]
    cache.add([entry("a.jpg", 2, size=11)])
    assert cache.unknown([key("a.jpg", size=11)]) == []
    assert same(cache.codes("/data/a.jpg"), codes(2))


@pytest.mark.parametrize("damage", ["codes = substr(codes, 1, 5)", "codes = zeroblob(0)"])
def test_a_truncated_entry_is_made_anew(damage: str, cache: CodesCache) -> None:
    cache.add([entry("a.jpg", 1)])
    with sqlite3.connect(cache.path) as connection:
        connection.execute(f"UPDATE codes SET {damage}")
    assert cache.codes("/data/a.jpg") is None
    assert cache.unknown([key("a.jpg")]) == [key("a.jpg")]
    assert not cache.has(hashlib.sha256(b"1").digest())
    cache.add([entry("a.jpg", 1)])
    assert same(cache.codes("/data/a.jpg"), codes(1))


def test_changed_bytes_of_an_entry_are_noticed(cache: CodesCache) -> None:
    cache.add([entry("a.jpg", 1)])
    with sqlite3.connect(cache.path) as connection:
        connection.execute("UPDATE codes SET codes = zeroblob(8)")
    assert cache.codes("/data/a.jpg") is None


@pytest.mark.parametrize("damage", [b"no database" * 500, None])
def test_a_damaged_file_is_put_aside(damage: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = CodesCache(tmp_path, VQGAN, 16, 4)
    first.prepare()
    first.add([entry(f"{i}.jpg", i) for i in range(500)])
    data = first.path.read_bytes()
    first.path.write_bytes(data[: len(data) // 2] if damage is None else damage)
    second = CodesCache(tmp_path, VQGAN, 16, 4)
    second.prepare()
    assert second.unknown([key("1.jpg")]) == [key("1.jpg")]
    assert "damaged" in capsys.readouterr().err
    assert second.path.with_suffix(".damaged").exists()


def test_a_file_damaged_during_a_run_is_named(cache: CodesCache) -> None:
    cache.path.write_bytes(b"no database" * 500)
    with pytest.raises(CodesCacheError, match=f"{cache.path}: the cache of picture codes is damaged"):
        CodesCache(cache.path.parent, VQGAN, 16, 4).codes("/data/1.jpg")


def test_networks_and_sizes_have_files_of_their_own(tmp_path: Path) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    caches = [CodesCache(tmp_path, vqgan, side, 4) for vqgan, side in ((VQGAN, 16), (VQGAN, 32), (other, 16))]
    for number, cache in enumerate(caches):
        cache.prepare()
        cache.add([entry("a.jpg", number)])
    assert all(same(cache.codes("/data/a.jpg"), codes(number)) for number, cache in enumerate(caches))


@pytest.mark.parametrize(("vqgan", "side", "length"), [("0" * 64, 16, 4), (VQGAN, 16, 9)])
def test_codes_of_another_network_are_refused(
    vqgan: str, side: int, length: int, cache: CodesCache, tmp_path: Path
) -> None:
    asked = CodesCache(tmp_path, vqgan, side, length)
    if asked.path != cache.path:
        cache.path.rename(asked.path)
    with pytest.raises(TrainingDataError, match=r"codes of another VQGAN or size .*side 16, 4 codes"):
        asked.prepare()


def test_a_cache_that_can_not_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(CodesCacheError, match=r"none/codes_.*unable to open"):
        CodesCache(tmp_path / "none", VQGAN, 16, 4).prepare()


def test_wrong_number_of_codes_is_refused(cache: CodesCache) -> None:
    bad = Encoded(key("b.jpg"), b"b", codes(1, length=5))
    with pytest.raises(ValueError, match="5 codes given, 4 expected"):
        cache.add([entry("a.jpg", 1), bad])
    assert cache.unknown([key("a.jpg")]) == [key("a.jpg")]


def taken(cache: CodesCache, folder: Path, *entries: Encoded) -> Path:
    """Have a cache refer to another one with these entries; return the other one's second name."""
    folder.mkdir()
    other = CodesCache(folder, VQGAN, 16, 4)
    other.prepare()
    other.add(entries)
    cache.take(other.path, f"{folder.name}.sqlite")
    return cache.parts.folder / f"{folder.name}.sqlite"


def test_codes_of_others_are_found_where_they_lie(cache: CodesCache, tmp_path: Path) -> None:
    cache.add([entry("a.jpg", 1)])
    first = taken(cache, tmp_path / "first", entry("b.jpg", 2), entry("c.jpg", 1))
    second = taken(cache, tmp_path / "second", entry("d.jpg", 2), entry("e.jpg", 3))
    for name, seed in (("a", 1), ("b", 2), ("c", 1), ("d", 2), ("e", 3)):
        assert same(cache.codes(f"/data/{name}.jpg"), codes(seed))
        assert cache.unknown([key(f"{name}.jpg")]) == []
    assert [cache.has(hashlib.sha256(b"%d" % seed).digest()) for seed in (1, 2, 3, 4)] == [True, True, True, False]
    with sqlite3.connect(cache.path) as connection:
        assert connection.execute("SELECT count(*) FROM codes").fetchone() == (1,)
    assert [path.stat().st_nlink for path in (first, second)] == [2, 2]


def test_what_a_lost_part_held_is_unknown_and_made_anew(cache: CodesCache, tmp_path: Path) -> None:
    taken(cache, tmp_path / "share", entry("b.jpg", 2)).unlink()
    assert cache.codes("/data/b.jpg") is None
    assert cache.unknown([key("b.jpg")]) == [key("b.jpg")]
    cache.add([entry("b.jpg", 2)])
    assert same(cache.codes("/data/b.jpg"), codes(2))


def test_damaged_part_is_named(cache: CodesCache, tmp_path: Path) -> None:
    part = taken(cache, tmp_path / "share", entry("b.jpg", 2))
    part.write_bytes(b"no database" * 500)
    with pytest.raises(CodesCacheError, match=f"{part}: file is not a database; remove that file: its pictures are"):
        cache.codes("/data/b.jpg")


def test_many_parts_are_not_all_kept_open(cache: CodesCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_parts, "MOST_OPEN", 2)
    for number in range(5):
        taken(cache, tmp_path / f"share{number}", entry(f"{number}.jpg", number))
    for number in (0, 1, 2, 3, 4, 0):
        assert same(cache.codes(f"/data/{number}.jpg"), codes(number))
        assert len(cache.parts._local.opened) <= 2


def test_part_of_another_network_is_refused(cache: CodesCache, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = CodesCache(tmp_path / "other", "0" * 64, 16, 4)
    other.prepare()
    with pytest.raises(TrainingDataError, match=r"codes of another VQGAN or size; encode that share again"):
        cache.take(other.path, "other.sqlite")
    assert not cache.parts.folder.exists()


WRITER = """
import sys
from pathlib import Path
from tests.training.test_codes_cache import VQGAN, entry
from training.tune.data.codes_cache import CodesCache
cache = CodesCache(Path(sys.argv[1]), VQGAN, 16, 4)
for i in range(15):
    cache.add([entry(f"{sys.argv[2]}-{i}.jpg", i)])
"""


def test_writers_at_once_lose_nothing(cache: CodesCache, tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, name]) for name in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    for name in "ab":
        assert all(same(cache.codes(f"/data/{name}-{i}.jpg"), codes(i)) for i in range(15))


def test_an_entry_takes_little_more_than_its_codes(tmp_path: Path) -> None:
    cache = CodesCache(tmp_path, VQGAN, 192, 576)
    cache.prepare()
    digests = [hashlib.sha256(b"%d" % i).digest() for i in range(1000)]
    cache.add([Encoded(key(f"{i}.jpg"), digest, codes(i, 576)) for i, digest in enumerate(digests)])
    assert cache.path.stat().st_size / 1000 < 1.5 * 1152
