"""Files of the hub, in the hub's own cache: other programs find there what was fetched, and nothing comes twice."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from errors import bare_reason
from fetch.download import checked_hash, download, not_an_address, translated, without_token
from fetch.errors import NotOnServerError, OfflineError
from fetch.table import RemoteFile

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ETAG = re.compile(r"\w[\w.-]{,127}")  # it names a file in the cache


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file as the server, or the cache, has it.

    Attributes:
        remote: what it is asked by.
        commit: the repository's commit.
        etag: names its bytes; of a large file it is their SHA-256.
        location: where the server sends those who want it; empty where the cache alone was asked.
        size: in bytes.
        path: where its bytes lie in the cache, or will.

    """

    remote: RemoteFile
    commit: str
    etag: str
    location: str
    size: int | None
    path: Path

    @property
    def sha256(self) -> str:
        """The hash that is known beforehand: the table's, or the server's for a large file; else empty."""
        return self.remote.sha256 or (self.etag if _SHA256.fullmatch(self.etag) else "")

    @property
    def is_cached(self) -> bool:
        """Whether the bytes are there."""
        return self.path.is_file()


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub to ask; `endpoint` None is the user's HF_ENDPOINT, or the official one."""

    endpoint: str | None = None

    def __post_init__(self) -> None:
        """Raise EndpointError for what can be no server's address."""
        from huggingface_hub import constants

        given = self.endpoint or constants.ENDPOINT
        try:
            address = urlsplit(given)
            is_one = address.scheme in ("http", "https") and bool(address.hostname) and (address.port or 1) > 0
        except ValueError:  # half an address of IPv6, or a port that is no number
            is_one = False
        if not is_one:
            raise not_an_address("", repr(given))

    def expanded(self, remote: RemoteFile) -> list[RemoteFile]:
        """Return the files of a pattern by name; a file is itself. Raises FetchError."""
        if not remote.pattern:
            return [remote]
        from huggingface_hub import HfApi

        with translated(remote.source):
            entries = HfApi(endpoint=self.endpoint).list_repo_files(
                remote.repository, revision=remote.revision or None, repo_type=remote.type
            )
        chosen = sorted(entry for entry in entries if fnmatch(entry, remote.pattern) and _stays_inside(entry))
        if not chosen:
            raise NotOnServerError(f"no file matches {remote.pattern}", "check --revision", where=remote.repository)
        return [replace(remote, pattern="", file=entry, to=f"{remote.to}/{entry}".lstrip("/")) for entry in chosen]

    def look_up(self, remote: RemoteFile) -> HubFile:
        """Ask the server about a file; where HF_HUB_OFFLINE is set, the cache. Raises FetchError."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.errors import OfflineModeIsEnabled

        url = hf_hub_url(
            remote.repository,
            remote.file,
            repo_type=remote.type,
            revision=remote.revision or None,
            endpoint=self.endpoint,
        )
        with translated(remote.source):
            try:
                metadata = get_hf_file_metadata(url, endpoint=self.endpoint)
            except OfflineModeIsEnabled:
                return self._cached(remote)
            except ValueError as error:  # the server sends to what is no address
                raise not_an_address(remote.source, bare_reason(error)) from error
        if metadata.commit_hash is None or not _ETAG.fullmatch(metadata.etag or ""):
            raise NotOnServerError(
                "the server answers, but not as a hub does", "check --endpoint", where=self.endpoint or remote.source
            )
        assert metadata.etag is not None, "it was just matched"
        path = _storage(remote) / "blobs" / metadata.etag
        return HubFile(remote, metadata.commit_hash, metadata.etag, metadata.location, metadata.size, path)

    def fetch(self, file: HubFile) -> str:
        """Bring a file's bytes into the cache, if they are not there, and return their SHA-256. Raises FetchError."""
        from huggingface_hub import hf_hub_download
        from huggingface_hub.utils import build_hf_headers

        remote, what = file.remote, file.remote.source
        if not file.location:
            return checked_hash(file.path, file.sha256, what)
        if file.is_cached:
            digest = checked_hash(file.path, file.sha256, what)
        else:
            headers = without_token(build_hf_headers(), self._url(remote), file.location)
            digest = download(file.location, file.path, what=what, headers=headers, size=file.size, sha256=file.sha256)
        # The bytes are there: the library only enters them into its snapshot of the repository.
        with translated(what):
            hf_hub_download(
                remote.repository,
                remote.file,
                repo_type=remote.type,
                revision=remote.revision or None,
                endpoint=self.endpoint,
            )
        return digest

    def _url(self, remote: RemoteFile) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(remote.repository, remote.file, repo_type=remote.type, endpoint=self.endpoint)

    def _cached(self, remote: RemoteFile) -> HubFile:
        from huggingface_hub import hf_hub_download

        path = Path(
            hf_hub_download(
                remote.repository,
                remote.file,
                repo_type=remote.type,
                revision=remote.revision or None,
                local_files_only=True,
            )
        )
        bytes_ = path.resolve()
        if not bytes_.is_file():
            raise OfflineError("the cache has lost it", "unset HF_HUB_OFFLINE, and run again", where=remote.source)
        commit = path.parents[len(Path(remote.file).parts) - 1].name
        return HubFile(remote, commit, bytes_.name, "", bytes_.stat().st_size, bytes_)


def _stays_inside(entry: str) -> bool:
    """Whether a path that a server names leads nowhere else than into the folder."""
    path = PurePosixPath(entry)
    return not path.is_absolute() and ".." not in path.parts


def _storage(remote: RemoteFile) -> Path:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=remote.repository, repo_type=remote.type)
