"""One file from a server to a disk: resumed where it broke off, hashed, and moved into place whole.

The hub's own library asks, answers and retries; it throws away what it has when a download ends early, so the part
that lies on the disk is ours.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from contest.atomic import locked
from contest.console import no_bar, note
from errors import bare_reason
from fetch.errors import (
    AccessError,
    DiskFullError,
    EndpointError,
    FetchError,
    HashMismatchError,
    NetworkError,
    NotOnServerError,
    OfflineError,
    PointerError,
    RateLimitError,
)

PART_ENDING = ".part"
_POINTER = b"version https://git-lfs.github.com/spec/"
_CHUNK = 1 << 20
_RESUMES = "run the same command again: it goes on where this ended"
_CHECK_NETWORK = f"check the network and --endpoint, and {_RESUMES}"


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise the library's exceptions, which are OSErrors mostly, as FetchErrors that say what to do about `what`."""
    import httpx2
    from huggingface_hub import errors as hub

    try:
        yield
    except FetchError:
        raise
    except hub.GatedRepoError as error:
        remedy = "accept its terms on the hub's page, and set HF_TOKEN to a token of yours"
        raise AccessError("the repository is gated", remedy, where=what) from error
    except hub.RevisionNotFoundError as error:
        raise NotOnServerError("the server has no such revision", "check --revision", where=what) from error
    except hub.RemoteEntryNotFoundError as error:
        raise NotOnServerError("the server has no such file", "check --revision and --endpoint", where=what) from error
    except hub.RepositoryNotFoundError as error:
        # The hub answers so too, with status 401, when the repository is private.
        remedy = "check --endpoint, and set HF_TOKEN to a token of yours if it is private"
        raise AccessError("the server has no such repository, or does not show it", remedy, where=what) from error
    except (hub.OfflineModeIsEnabled, hub.LocalEntryNotFoundError) as error:
        remedy = "unset it, and run the same command again"
        raise OfflineError("not in the cache, and HF_HUB_OFFLINE is set", remedy, where=what) from error
    except hub.HfHubHTTPError as error:
        raise _http_error(error, what) from error
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise not_an_address(what, bare_reason(error)) from error
    except httpx2.HTTPError as error:
        raise NetworkError(f"the connection failed: {bare_reason(error)}", _CHECK_NETWORK, where=what) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "free some space, and run the same command again"
            raise DiskFullError("the disk is full", remedy, where=what) from error
        if error.errno is None:  # the library's word for bytes that did not come
            raise NetworkError("other bytes arrived than the server announced", _RESUMES, where=what) from error
        raise


def not_an_address(where: str, reason: str) -> EndpointError:
    """Return the error for what can be no server's address, whether it was typed or a server sends there."""
    remedy = "check --endpoint and HF_ENDPOINT: an address is like https://huggingface.co"
    return EndpointError(f"no address of a server: {reason}", remedy, where=where)


def download(
    url: str,
    target: Path,
    *,
    what: str,
    headers: dict[str, str] | None = None,
    size: int | None = None,
    sha256: str = "",
    accept: Callable[[str], None] = lambda digest: None,
) -> str:
    """Fetch a URL into a file, and return its SHA-256. An earlier attempt's part beside it is gone on with.

    Args:
        url: where it lies.
        target: where it goes; it appears there whole, or not at all.
        what: its name, for errors.
        headers: of the request, such as the user's token.
        size: in bytes, if it is known.
        sha256: the hash or its beginning, if it is known.
        accept: is asked about the hash of what came before that goes into place, and raises what refuses it.

    Raises:
        FetchError: of the kind that says what went wrong, or what `accept` raises. Bytes that turn out wrong are
            deleted, others stay.
        OSError: of the disk.

    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with translated(what), locked(target.parent, on_wait=partial(say_waiting, target.parent)):
        if target.is_file():  # two programs wanted it
            digest = checked_hash(target, sha256, what)
            accept(digest)
            return digest
        part = target.with_name(target.name + PART_ENDING)
        _fill(part, url, what=what, headers=headers, size=size)
        digest = checked_hash(part, sha256, what)
        try:
            accept(digest)
        except FetchError:
            part.unlink()
            raise
        part.replace(target)
    return digest


def say_waiting(folder: Path) -> None:
    """Say why nothing happens."""
    note(f"waiting: another process is fetching into {folder}")


def _fill(part: Path, url: str, *, what: str, headers: dict[str, str] | None, size: int | None) -> None:
    """Fetch what is missing of a part; what came stays if the rest does not."""
    from huggingface_hub.file_download import http_get
    from tqdm import tqdm

    class Bar(tqdm):
        """Shown in a terminal only."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*arguments, **{**options, "disable": no_bar()})

    have = part.stat().st_size if part.exists() else 0
    if size is not None and have > size:
        part.unlink()
        have = 0
    _require_room(part.parent, (size or 0) - have, what)
    try:
        with part.open("r+b" if have else "wb") as file:
            file.seek(0, os.SEEK_END)
            http_get(
                url,
                file,
                resume_size=have,
                headers=headers,
                expected_size=size,
                displayed_filename=what,
                tqdm_class=Bar,
            )
    except BaseException:
        if not part.stat().st_size:
            part.unlink()
        raise


def checked_hash(path: Path, sha256: str, what: str) -> str:
    """Return a file's SHA-256. Raises PointerError, HashMismatchError, and deletes the file then."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        head = file.read(_CHUNK)
        is_pointer = head.startswith(_POINTER) and not file.read(1)
        file.seek(0)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    computed = digest.hexdigest()
    if is_pointer:
        path.unlink()
        raise PointerError(
            "a Git LFS pointer arrived in place of the file",
            "ask the server's owner, or another --endpoint",
            where=what,
        )
    if not computed.startswith(sha256):
        path.unlink()
        raise HashMismatchError(
            f"SHA-256 {computed[:12]} in place of {sha256[:12]}; it was deleted",
            "run the same command again",
            where=what,
        )
    return computed


def without_token(headers: dict[str, str], url: str, location: str) -> dict[str, str]:
    """Return the headers for a place to which a server redirects: the token is for the server alone."""
    if urlsplit(url).netloc == urlsplit(location).netloc:
        return headers
    return {name: value for name, value in headers.items() if name.lower() != "authorization"}


def _require_room(folder: Path, needed: int, what: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DiskFullError(
            f"{needed / 1e9:.1f} GB are needed, and {free / 1e9:.1f} GB are free in {folder}",
            "free some space, or set HF_HOME or --to to another disk",
            where=what,
        )


def _status(error: Any) -> int | None:
    response = getattr(error, "response", None)
    return None if response is None else int(response.status_code)


def _http_error(error: Any, what: str) -> FetchError:
    status = _status(error)
    if status == 429:
        wait = error.response.headers.get("Retry-After", "")
        after = f" in {wait} s" if wait.isdigit() else " later"
        return RateLimitError("the server has had too many requests", f"run the same command again{after}", where=what)
    if status in (401, 403):
        return AccessError("the server refuses", "set HF_TOKEN to a token that may read it", where=what)
    if status == 404:
        return NotOnServerError("the server has no such file", "check the name, --revision and --endpoint", where=what)
    return NetworkError(f"the server answers with status {status}", "run the same command again later", where=what)
