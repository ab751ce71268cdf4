"""Writes contest task folders entry by entry, so that a killed conversion goes on where it was.

    DIR/<task>/<task>_{train,val}.json          input, one sample a line
    DIR/<task>/<task>_{train,val}_answer.json   every acceptable answer
    DIR/<task>/<task>_{train,val}_source.json   {"<id>": {"group": "<document or picture>", "kind": "<sort>"}}
    DIR/<task>/images/                          links to the source's pictures, or copies

All grows inside DIR/.<source>.partial/ and is moved to its place when it is whole. Each line holds one entry, so that a
reader of its own may stream a file of any size; to every other reader it is one JSON object.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from contest.writing import write_json, writing
from data_prep.reading_folders import PARTS
from data_prep.records import OutputTakenError
from data_prep.split import SPLITS

PROGRESS = "progress.json"
SKIPPED = "skipped.jsonl"
CHUNKS = "chunks.jsonl"


class FolderWriter:
    """The task folders of one conversion while they grow.

    Args:
        out: the folder that the task folders shall lie in; made if it is not there.
        source: the source's name, which tells several conversions into one folder apart.
        tasks: keys of the tasks that it may write; each gets its folder, be it empty.
        agreement: all that the output depends on; a conversion goes on only under the same one.
        chunked: note what came of each chunk, as `merge` needs it of a host's share.

    Raises:
        OutputTakenError: a task folder is there already, or a conversion under another agreement was begun.
        ContestError: WRITE_FAILED, DISK_FULL.

    """

    def __init__(
        self, out: Path, source: str, tasks: Sequence[str], agreement: dict[str, Any], *, chunked: bool = False
    ) -> None:
        self.out = out
        self.chunked = chunked
        self.tasks = tuple(tasks)
        self.folder = out / f".{source}.partial"
        self.agreement: dict[str, Any] = json.loads(json.dumps(agreement))
        self.counts = dict.fromkeys((f"{task} {split}" for task in self.tasks for split in SPLITS), 0)
        self._files: dict[str, BinaryIO] = {}
        progress = self._read_progress()
        moving = bool(progress.get("whole"))
        for task in self.tasks:
            if (out / task).exists() and not (moving and not (self.folder / task).exists()):
                raise OutputTakenError(f"{out / task} exists already", "remove it, or name another directory")
        self.progress: Any = progress.get("progress")
        if moving:
            return
        with writing(self.folder):
            for task in self.tasks:
                (self.folder / task / "images").mkdir(parents=True, exist_ok=True)
            for name in self._names():
                self._files[name] = open(self.folder / name, "ab")  # noqa: SIM115 - closed by `close`
            offsets = progress.get("offsets", {})
            for name, stream in self._files.items():
                stream.truncate(offsets.get(name, 0))
                stream.seek(0, os.SEEK_END)
        self.counts.update(progress.get("counts", {}))

    @property
    def is_whole(self) -> bool:
        """Whether everything was written by an earlier process, and only the moving is left."""
        return not self._files

    def images(self, task: str) -> Path:
        """Where a task's pictures go meanwhile."""
        return self.folder / task / "images"

    def digests(self, task: str, split: str) -> Path:
        """The file of a split's digests."""
        return self.folder / f"{task}_{split}.digests"

    def add(self, task: str, split: str, entries: Sequence[Sequence[str]], digests: bytes) -> None:
        """Append entries, each (items, answers, source) as JSON, and their digests. Ids count from 0 in each split."""
        key = f"{task} {split}"
        first = self.counts[key]
        with writing(self.folder):
            for place, part in enumerate(PARTS):
                lines = [f'"{number}": {entry[place]}' for number, entry in enumerate(entries, start=first)]
                lead = ",\n" if first else "{\n"
                self._files[f"{task}/{task}_{split}{part}.json"].write((lead + ",\n".join(lines)).encode())
            self._files[f"{task}_{split}.digests"].write(digests)
        self.counts[key] += len(entries)

    def skip(self, lines: Sequence[str]) -> None:
        """Append lines to the list of what was skipped."""
        with writing(self.folder):
            self._files[SKIPPED].write("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))

    def end_chunk(self, entries: Mapping[str, int], skipped: int) -> None:
        """Note how many entries a chunk gave, by "<task> <split>", and how many lines of what was skipped."""
        with writing(self.folder):
            line = json.dumps({"entries": entries, "skipped": skipped}, ensure_ascii=False)
            self._files[CHUNKS].write(f"{line}\n".encode())

    def flush(self) -> None:
        """Let other readers of the files see everything so far."""
        with writing(self.folder):
            for stream in self._files.values():
                stream.flush()

    def save(self, progress: Any) -> None:
        """Make everything so far last, and `progress` (JSON) with it."""
        with writing(self.folder):
            offsets = {}
            for name, stream in self._files.items():
                stream.flush()
                os.fsync(stream.fileno())
                offsets[name] = stream.tell()
        saved = {"agreement": self.agreement, "offsets": offsets, "counts": self.counts, "progress": progress}
        write_json(self.folder / PROGRESS, saved)

    def finish(self, progress: Any, beside: dict[str, bytes]) -> None:
        """End the files, put `beside` (content by file name) into every task folder, and move the folders in place."""
        if self._files:
            with writing(self.folder):
                for task in self.tasks:
                    for split in SPLITS:
                        for part in PARTS:
                            ending = b"\n}\n" if self.counts[f"{task} {split}"] else b"{}\n"
                            self._files[f"{task}/{task}_{split}{part}.json"].write(ending)
            self.close(sync=True)
            with writing(self.folder):
                for task in self.tasks:
                    for name, content in beside.items():
                        (self.folder / task / name).write_bytes(content)
                    shutil.copyfile(self.folder / SKIPPED, self.folder / task / SKIPPED)
                    if not any(self.images(task).iterdir()):
                        self.images(task).rmdir()
            write_json(self.folder / PROGRESS, {"agreement": self.agreement, "whole": True, "progress": progress})
        with writing(self.out):
            for task in self.tasks:
                if (self.folder / task).exists():
                    _move(self.folder / task, self.out / task)
            shutil.rmtree(self.folder)

    def seal(self, progress: Any) -> None:
        """End the files of a share, which stay where they are until all shares are merged."""
        if self._files:
            self.close(sync=True)
            write_json(self.folder / PROGRESS, {"agreement": self.agreement, "whole": True, "progress": progress})

    def close(self, sync: bool = False) -> None:
        """Close the files; what is not saved will be written again by the next process."""
        with writing(self.folder):
            for stream in self._files.values():
                if not stream.closed:
                    stream.flush()
                    if sync:
                        os.fsync(stream.fileno())
                    stream.close()

    def _names(self) -> list[str]:
        splits = [(task, split) for task in self.tasks for split in SPLITS]
        written = [f"{task}/{task}_{split}{part}.json" for task, split in splits for part in PARTS]
        return [
            SKIPPED,
            *([CHUNKS] if self.chunked else []),
            *written,
            *(f"{task}_{split}.digests" for task, split in splits),
        ]

    def _read_progress(self) -> dict[str, Any]:
        """What an earlier process saved, or nothing. Raises OutputTakenError if it agreed on other things."""
        file = self.folder / PROGRESS
        if not file.exists():
            return {}
        try:
            progress = json.loads(file.read_text("utf-8"))
            agreed = progress["agreement"]
        except (ValueError, KeyError, TypeError) as error:
            raise OutputTakenError(f"{file} is damaged ({error})", f"remove {self.folder} and start again") from error
        if agreed != self.agreement:
            names = sorted({*agreed, *self.agreement})
            changed = [name for name in names if agreed.get(name) != self.agreement.get(name)]
            problem = f"{self.folder} holds a conversion that was begun with another {', '.join(changed)}"
            raise OutputTakenError(problem, "go on with what it was begun with, or remove it")
        return dict(progress)


def _move(folder: Path, place: Path) -> None:
    os.replace(folder, place)
