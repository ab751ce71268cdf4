"""Fetching by name from a hub of the tests' own, with everything that goes wrong on the way."""

import errno
import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import fetch.download
from fetch.__main__ import main
from fetch.locking import LOCK_FILE
from models.rudolph.config import SIZES, read_config
from models.vqgan.loading import read_vqgan_config
from tests.fetch.hub_server import COMMIT, FakeHub, serving

BIG = bytes(range(256)) * 400
SMALL = b"bpe"
RUDOLPH, UTILS = "ai-forever/RUDOLPH-2.7B-FBC2", "sberbank-ai/rudalle-utils"
CHECKPOINT = "vqgan.gumbelf8-sber.model.ckpt"
LAID = ["bpe.model", "rudolph/config.json", "rudolph/pytorch_model.bin", "vqgan/config.json", f"vqgan/{CHECKPOINT}"]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    import huggingface_hub.constants
    import huggingface_hub.file_download
    import huggingface_hub.utils._http

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    # The library hands bytes on by ten megabytes: what came of the last ones is lost when a connection breaks.
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    monkeypatch.setattr(huggingface_hub.file_download.time, "sleep", lambda seconds: None)
    files = {
        RUDOLPH: {"pytorch_model.bin": BIG},
        UTILS: {CHECKPOINT: BIG[::-1], "bpe.model": SMALL},
        "datasets/kuznetsoffandrey/sberquad": {"data/a.parquet": b"A", "data/b.parquet": b"B", "README.md": b"R"},
    }
    with serving(FakeHub(files)) as served:
        yield served


def run(hub: FakeHub, to: Path, *more: str, name: str = "RUDOLPH-2.7B-FBC2", kind: str = "weights") -> int:
    return main([kind, name, "--to", str(to), "--endpoint", hub.url, *more])


def laid(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != LOCK_FILE
    )


def test_weights_are_laid_as_a_weights_folder(hub: FakeHub, tmp_path: Path, capsys: Any) -> None:
    assert run(hub, tmp_path / "w") == 0
    assert laid(tmp_path / "w") == LAID
    assert (tmp_path / "w/rudolph/pytorch_model.bin").read_bytes() == BIG
    assert read_config(tmp_path / "w/rudolph/config.json") == SIZES["2.7B-FBC2"]
    assert read_vqgan_config(tmp_path / "w/vqgan/config.json").factor == 8
    locked = json.loads((tmp_path / "w" / LOCK_FILE).read_text())["files"]
    assert locked["rudolph/pytorch_model.bin"] == {
        "source": f"{RUDOLPH}/pytorch_model.bin",
        "revision": COMMIT,
        "sha256": hashlib.sha256(BIG).hexdigest(),
        "size": len(BIG),
    }
    assert f"next: python -m submission doctor --weights {tmp_path / 'w'}" in capsys.readouterr().out


def test_what_is_there_is_not_fetched_again(hub: FakeHub, tmp_path: Path) -> None:
    assert run(hub, tmp_path / "w") == 0
    asked = len(hub.gets())
    assert run(hub, tmp_path / "w") == 0
    assert run(hub, tmp_path / "elsewhere") == 0
    assert len(hub.gets()) == asked == 3
    assert laid(tmp_path / "elsewhere") == LAID


def test_other_programs_find_it_in_the_hub_s_cache(hub: FakeHub, tmp_path: Path) -> None:
    from huggingface_hub import hf_hub_download

    assert run(hub, tmp_path / "w") == 0
    asked = len(hub.requests)
    path = hf_hub_download(RUDOLPH, "pytorch_model.bin", local_files_only=True)
    assert Path(path).read_bytes() == BIG
    assert len(hub.requests) == asked


def test_a_dry_run_fetches_nothing(hub: FakeHub, tmp_path: Path, capsys: Any) -> None:
    assert run(hub, tmp_path / "w", "--dry-run") == 0
    printed = capsys.readouterr().out
    assert f"{RUDOLPH}/pytorch_model.bin, {len(BIG):,} bytes" in printed
    assert f"to fetch: 3 files, {2 * len(BIG) + len(SMALL):,} bytes" in printed
    assert hub.gets() == []
    assert not (tmp_path / "w").exists()


def test_offline_takes_the_cache_alone(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    import huggingface_hub.constants

    assert run(hub, tmp_path / "w") == 0
    asked = len(hub.requests)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert run(hub, tmp_path / "again") == 0
    assert laid(tmp_path / "again") == LAID
    assert run(hub, tmp_path / "other", name="RUDOLPH-1.3B") == 2
    assert "[OFFLINE]" in capsys.readouterr().err
    assert len(hub.requests) == asked


def test_a_connection_that_breaks_is_taken_up_where_it_broke(hub: FakeHub, tmp_path: Path) -> None:
    hub.faults["GET pytorch_model.bin"] = [("cut", 50_000)]
    assert run(hub, tmp_path / "w") == 0
    assert [range_ for path, range_ in hub.gets() if path.endswith("pytorch_model.bin")] == ["", "bytes=50000-"]
    assert (tmp_path / "w/rudolph/pytorch_model.bin").read_bytes() == BIG


def test_a_part_is_gone_on_with_by_the_next_command(hub: FakeHub, tmp_path: Path, capsys: Any) -> None:
    hub.faults["GET pytorch_model.bin"] = [("cut", 30_000), *[("cut", 0)] * 20]
    assert run(hub, tmp_path / "w") == 2
    assert "[NETWORK]" in capsys.readouterr().err
    assert not (tmp_path / "w/rudolph/pytorch_model.bin").exists()
    hub.faults.clear()
    hub.requests.clear()
    assert run(hub, tmp_path / "w") == 0
    assert hub.gets()[0][1] == "bytes=30000-"
    assert (tmp_path / "w/rudolph/pytorch_model.bin").read_bytes() == BIG


def test_wrong_bytes_are_deleted(hub: FakeHub, tmp_path: Path, capsys: Any) -> None:
    hub.faults["GET pytorch_model.bin"] = [("body", BIG[1:] + b"x")]
    assert run(hub, tmp_path / "w") == 2
    assert "[HASH_MISMATCH]" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.part"))
    assert laid(tmp_path) == []
    assert run(hub, tmp_path / "w") == 0


def test_a_pointer_in_place_of_the_file(hub: FakeHub, tmp_path: Path, capsys: Any) -> None:
    hub.files[UTILS]["bpe.model"] = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    assert run(hub, tmp_path / "w") == 2
    assert "[POINTER]" in capsys.readouterr().err
    assert not (tmp_path / "w/bpe.model").exists()
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    ("fault", "code", "remedy"),
    [
        (("status", 401, {"X-Error-Code": "GatedRepo"}), "ACCESS", "set HF_TOKEN"),
        (("status", 401, {}), "ACCESS", "set HF_TOKEN"),
        (("status", 403, {}), "ACCESS", "set HF_TOKEN"),
        (("status", 429, {"Retry-After": "77"}), "RATE_LIMIT", "again in 77 s"),
        (("status", 500, {}), "NETWORK", "again later"),
        (("status", 404, {"X-Error-Code": "EntryNotFound"}), "NOT_ON_SERVER", "--revision"),
    ],
)
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_what_a_server_refuses(
    hub: FakeHub, tmp_path: Path, capsys: Any, method: str, fault: Any, code: str, remedy: str
) -> None:
    hub.faults[f"{method} pytorch_model.bin"] = [fault] * 20
    assert run(hub, tmp_path / "w") == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"fetch weights: error [{code}]" in said
    assert remedy in said
    assert laid(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["weights", "RUDOLPH-1.3B"], "ACCESS"),  # not on this server
        (["weights", "RUDOLPH-2.7B-FBC2", "--revision", "nowhere"], "NOT_ON_SERVER"),
        (["weights", "RUDOLPH-9B"], "NAME_UNKNOWN"),
        (["data", "muserc"], "ACCESS"),
    ],
)
def test_what_there_is_not(hub: FakeHub, tmp_path: Path, capsys: Any, arguments: list[str], code: str) -> None:
    assert main([*arguments, "--to", str(tmp_path / "w"), "--endpoint", hub.url]) == 2
    assert f"[{code}]" in capsys.readouterr().err


@pytest.mark.parametrize(
    "endpoint",
    ["http://[::1", "hub.example", "ftp://hub.example", "http://", "http://hub.example:port", "http://x:99999"],
)
@pytest.mark.parametrize("way", ["option", "variable"])
def test_what_is_no_address(
    endpoint: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    import huggingface_hub.constants

    given = ["--endpoint", endpoint] if way == "option" else []
    if way == "variable":
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)
    assert main(["weights", "RUDOLPH-1.3B", "--to", str(tmp_path / "w"), *given]) == 2
    said = capsys.readouterr().err
    assert "fetch weights: error [ENDPOINT]" in said
    assert "check --endpoint and HF_ENDPOINT" in said


def test_a_server_that_sends_to_no_address(hub: FakeHub, tmp_path: Path, capsys: Any) -> None:
    hub.faults["HEAD pytorch_model.bin"] = [("status", 302, {"Location": "http://[::1"})] * 2
    assert run(hub, tmp_path / "w") == 2
    assert "Traceback" not in capsys.readouterr().err


def test_no_server(hub: FakeHub, tmp_path: Path, capsys: Any) -> None:
    hub.url = "http://127.0.0.1:9"
    assert run(hub, tmp_path / "w") == 2
    assert "[NETWORK]" in capsys.readouterr().err


def test_a_redirect_is_followed_without_the_token(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    hub.faults["HEAD pytorch_model.bin"] = [("redirect",)] * 2
    assert run(hub, tmp_path / "w") == 0
    assert (tmp_path / "w/rudolph/pytorch_model.bin").read_bytes() == BIG
    seen = {path.split("/")[0]: token for (_, path, _), token in zip(hub.requests, hub.tokens, strict=True)}
    assert seen["cdn"] == ""
    assert seen["ai-forever"] == "Bearer secret"


def test_a_full_disk(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr(fetch.download.shutil, "disk_usage", lambda folder: Usage)
    assert run(hub, tmp_path / "w") == 2
    assert "[DISK_FULL]" in capsys.readouterr().err
    assert hub.gets() == []


def test_a_disk_that_fills_up_on_the_way(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    import huggingface_hub.file_download

    whole = huggingface_hub.file_download.http_get

    def half(url: str, file: Any, **options: Any) -> None:
        file.write(BIG[:20_000])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub.file_download, "http_get", half)
    assert run(hub, tmp_path / "w") == 2
    assert "[DISK_FULL]" in capsys.readouterr().err
    monkeypatch.setattr(huggingface_hub.file_download, "http_get", whole)
    assert run(hub, tmp_path / "w") == 0
    assert hub.gets()[0][1] == "bytes=20000-"
    assert (tmp_path / "w/rudolph/pytorch_model.bin").read_bytes() == BIG


def test_changed_bytes_are_refused_where_others_were_locked(hub: FakeHub, tmp_path: Path, capsys: Any) -> None:
    assert run(hub, tmp_path / "w") == 0
    for repository, name in ((RUDOLPH, "pytorch_model.bin"), (UTILS, "bpe.model")):
        before = hub.files[repository][name]
        hub.files[repository][name] = before[::-1] + b"!"
        hub.commit = "b" * 40
        assert run(hub, tmp_path / "w") == 2
        said = capsys.readouterr().err
        assert "[LOCKED]" in said
        assert f"--revision {COMMIT}" in said
        assert run(hub, tmp_path / f"new-{name}") == 0
        hub.files[repository][name] = before
    assert (tmp_path / "w/rudolph/pytorch_model.bin").read_bytes() == BIG
    assert (tmp_path / "w/bpe.model").read_bytes() == SMALL


def lock_row(**changes: Any) -> str:
    row = {"source": "s", "revision": "", "sha256": "0" * 64, "size": 1, **changes}
    return json.dumps({"files": {"bpe.model": row}})


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"files": {"bpe.model": {"sha": 1}}}',
        "null",
        lock_row(sha256=None),
        lock_row(sha256="00"),
        lock_row(size="1"),
        lock_row(size=True),
        lock_row(revision=None),
        lock_row(source=["s"]),
    ],
)
def test_a_lock_file_that_is_none(hub: FakeHub, tmp_path: Path, capsys: Any, text: str) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / LOCK_FILE).write_text(text)
    assert run(hub, tmp_path / "w") == 2
    assert "no lock file" in capsys.readouterr().err


def test_two_that_fetch_at_once_fetch_once(hub: FakeHub, tmp_path: Path) -> None:
    from fetch.fetching import Fetching
    from fetch.hub import Hub
    from fetch.table import named

    def fetch_into(folder: str) -> None:
        fetching = Fetching(named("weights", "RUDOLPH-2.7B-FBC2"), tmp_path / folder, Hub(hub.url))
        fetching.run(fetching.plan(), lambda said: None)

    hub.faults["GET pytorch_model.bin"] = [("cut", 50_000)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fetch_into, ["w", "w", "other", "w"]))
    assert len([path for path, _ in hub.gets()]) == 4  # three files, and one more request after the cut
    assert laid(tmp_path / "w") == laid(tmp_path / "other") == LAID
    assert len(json.loads((tmp_path / "w" / LOCK_FILE).read_text())["files"]) == 3


def test_data_of_a_pattern(hub: FakeHub, tmp_path: Path) -> None:
    assert run(hub, tmp_path / "d", name="sberquad", kind="data") == 0
    assert laid(tmp_path / "d") == ["data/a.parquet", "data/b.parquet"]


def test_a_server_that_names_paths_elsewhere(hub: FakeHub, tmp_path: Path, capsys: Any) -> None:
    hub.files["datasets/kuznetsoffandrey/sberquad"] = {"../evil.parquet": b"E", "/tmp/evil.parquet": b"E"}
    assert run(hub, tmp_path / "d", name="sberquad", kind="data") == 2
    assert "no file matches" in capsys.readouterr().err
    hub.faults["HEAD pytorch_model.bin"] = [("status", 200, {"ETag": '"../../evil"', "X-Repo-Commit": COMMIT})]
    assert run(hub, tmp_path / "w") == 2
    assert "not as a hub does" in capsys.readouterr().err


def test_a_file_that_is_not_on_a_hub(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from dataclasses import replace

    from fetch.fetching import Fetching
    from fetch.hub import Hub
    from fetch.table import named

    hub.files[""] = {"release/inception.pth": BIG}
    (file,) = named("metrics", "inception").files
    start = hashlib.sha256(BIG).hexdigest()[:8]
    there = replace(file, url=f"{hub.url}/release/inception.pth", sha256=start)
    fetching = Fetching(replace(named("metrics", "inception"), files=(there,)), tmp_path / "assets", Hub(hub.url))
    hub.faults["GET release/inception.pth"] = [("cut", 10_000)]
    said: list[str] = []
    fetching.run(fetching.plan(), said.append)
    assert (tmp_path / "assets" / file.to).read_bytes() == BIG
    assert len(hub.gets()) == 2
    fetching.run(fetching.plan(), said.append)
    assert len(hub.gets()) == 2


def test_other_bytes_of_a_server_without_revisions_are_not_laid(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from fetch.errors import LockedError
    from fetch.fetching import Fetching
    from fetch.hub import Hub
    from fetch.table import named

    hub.files[""] = {"release/inception.pth": BIG}
    real = named("metrics", "inception")
    (file,) = (replace(file, url=f"{hub.url}/release/inception.pth", sha256="") for file in real.files)
    fetching = Fetching(replace(real, files=(file,)), tmp_path / "assets", Hub(hub.url))
    fetching.run(fetching.plan(), lambda said: None)
    path = tmp_path / "assets" / file.to
    path.unlink()
    hub.files[""]["release/inception.pth"] = BIG[::-1]
    with pytest.raises(LockedError, match="other bytes than were fetched before"):
        fetching.run(fetching.plan(), lambda said: None)
    assert laid(tmp_path) == []
    path.write_bytes(b"changed here")
    with pytest.raises(LockedError, match="delete it"):
        fetching.run(fetching.plan(), lambda said: None)
    assert path.read_bytes() == b"changed here"
