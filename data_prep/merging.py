"""Makes one set of task folders of several: SberQuAD and MuSeRC, START and SberIDP."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from contest.console import one_line
from contest.items import Item
from contest.pictures import resolve_picture
from data_prep.pictures import add_picture
from data_prep.reading_folders import Pair, TaskFolder, find_folders, refused, sound_pairs
from data_prep.records import SourcePicture
from data_prep.split import SPLITS, Split
from data_prep.writing_folders import FolderWriter

CHUNK = 1000


def merge(directories: Sequence[Path], out: Path) -> dict[str, int]:
    """Merge the task folders at and below directories into `out`; return the samples of each task and split.

    Samples keep their split and are numbered anew; a picture's name is preceded by the number of its folder. What is
    there of a killed merge is written again.

    Raises:
        SourceError: no task folder, a folder with faults, or a document or picture in training and validation.
        ContestError: a picture that can not be opened, a file that can not be written.
        OutputTakenError: a task folder is there already.
        NameTakenError: two pictures would get one name.

    """
    folders = [folder for directory in directories for folder in find_folders(directory)]
    tasks = list(dict.fromkeys(folder.task for folder in folders))
    agreement: dict[str, Any] = {"merged": [one_line(str(folder.path)) for folder in folders]}
    writer = FolderWriter(out, "merge", tasks, agreement)
    if writer.is_whole:
        writer.finish(writer.progress, {})
        return dict(writer.progress)
    sides: dict[str, str] = {}
    try:
        for number, folder in enumerate(folders):
            for split in SPLITS:
                _merge(writer, number, folder, split, sides)
        card = {**agreement, "samples": writer.counts}
        writer.finish(writer.counts, {"card.json": (json.dumps(card, ensure_ascii=False, indent=1) + "\n").encode()})
    finally:
        writer.close()
    return writer.counts


def _merge(writer: FolderWriter, number: int, folder: TaskFolder, split: Split, sides: dict[str, str]) -> None:
    entries: list[tuple[str, str, str]] = []
    shown = one_line(f"{folder.path} {split}")
    with tqdm(desc=shown, unit=" samples", disable=None, leave=False) as progress:
        for pair in sound_pairs(folder, split):
            progress.update()
            if pair.group and sides.setdefault(pair.group, split) != split:
                fault = f"sample {pair.sample.id}: {pair.group} stands in training and in validation"
                raise refused(folder, split, fault)
            entries.append(_entry(writer, number, folder, pair))
            if len(entries) == CHUNK:
                writer.add(folder.task, split, entries, b"")
                entries = []
    if entries:
        writer.add(folder.task, split, entries, b"")


def _entry(writer: FolderWriter, number: int, folder: TaskFolder, pair: Pair) -> tuple[str, str, str]:
    def named(content: str) -> str:
        # Without the leading `images/`; pictures of deeper folders may share a name.
        name = f"{number}_{'_'.join(PurePosixPath(content).parts).removeprefix('images_')}"
        picture = SourcePicture(
            resolve_picture(folder.path, content, follow_links=True, sample_id=pair.sample.id), name
        )
        add_picture(picture, writer.images(folder.task), "link")
        return picture.content

    items = [_renamed(item, named) for item in pair.sample.items]
    answers: list[dict[str, Any]] = []
    for item in pair.truth.items:
        contents = [named(content) if item.type == "image" else content for content in item.contents]
        answers.append({"type": item.type, "content": contents[0] if item.is_bare_string else contents})
    return (
        json.dumps([{"type": item.type, "content": item.content} for item in items], ensure_ascii=False),
        json.dumps(answers, ensure_ascii=False),
        json.dumps({"group": pair.group, "kind": pair.kind}, ensure_ascii=False),
    )


def _renamed(item: Item, named: Any) -> Item:
    return replace(item, content=named(item.content)) if item.type == "image" else item
