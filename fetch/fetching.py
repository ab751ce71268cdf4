"""Everything that a name stands for, into a folder laid as the other programs read it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from contest.atomic import copied_or_linked
from contest.writing import write_json
from fetch.download import download, translated
from fetch.hub import Hub, HubFile
from fetch.locking import LockedFile, add_to_lock, read_lock, require_unchanged
from fetch.table import Fetchable, RemoteFile


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file to fetch: what is known of it before, and whether its bytes lie in the folder or the cache already."""

    remote: RemoteFile
    size: int | None
    is_there: bool
    hub_file: HubFile | None = None


@dataclass(frozen=True, slots=True)
class Fetching:
    """A name, the folder it goes to, and the hub that is asked.

    Attributes:
        fetchable: what the name stands for.
        folder: where the files go.
        hub: where those of the hub come from.
        revision: of the name's own repository, in place of the table's; empty for that.

    """

    fetchable: Fetchable
    folder: Path
    hub: Hub
    revision: str = ""

    def plan(self) -> list[PlannedFile]:
        """Ask about every file, and fetch none. Raises FetchError, OSError."""
        locked = read_lock(self.folder)
        planned = []
        for remote in self._remotes():
            laid = self.folder / remote.to
            if remote.url:
                planned.append(PlannedFile(remote, remote.size, laid.is_file() and remote.to in locked))
                continue
            file = self.hub.look_up(remote)
            if remote.to in locked and file.sha256 and len(file.sha256) == 64:
                require_unchanged(remote.to, locked[remote.to], file.sha256, self.folder)
            planned.append(PlannedFile(remote, file.size, file.is_cached, file))
        return planned

    def run(self, planned: Sequence[PlannedFile], tell: Callable[[str], None]) -> list[Path]:
        """Fetch what was planned, lock it, write the configurations; return the files that are there now.

        Each file is locked as soon as it is there, so that an end in the middle loses none. Raises FetchError, OSError.
        """
        locked = read_lock(self.folder)
        written = []
        for each in planned:
            remote, path = each.remote, self.folder / each.remote.to
            accept = partial(self._accept, remote.to, locked.get(remote.to))
            if each.hub_file is None:
                what, revision = remote.source, ""
                digest = download(remote.url, path, what=what, size=remote.size, sha256=remote.sha256, accept=accept)
            else:
                digest, revision = self.hub.fetch(each.hub_file), each.hub_file.commit
                accept(digest)
                with translated(remote.source):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    copied_or_linked(each.hub_file.path, path)
            add_to_lock(self.folder, remote.to, LockedFile(remote.source, revision, digest, path.stat().st_size))
            written.append(path)
            tell(f"{path}: {remote.source}, SHA-256 {digest[:12]}")
        for name, config in self.fetchable.configs.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, dict(config))
            written.append(path)
        return written

    def _remotes(self) -> list[RemoteFile]:
        files = self.fetchable.files
        if self.revision:
            own = files[0].repository
            files = tuple(replace(file, revision=self.revision) if file.repository == own else file for file in files)
        return [each for file in files for each in self.hub.expanded(file)]

    def _accept(self, name: str, before: LockedFile | None, digest: str) -> None:
        """Raise LockedError for other bytes than those that were locked before."""
        if before is not None:
            require_unchanged(name, before, digest, self.folder)
