"""Makes one set of task folders of several: SberQuAD and MuSeRC, START and SberIDP."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from contest.console import no_bar, one_line
from contest.ground_truth import GroundTruth
from contest.pictures import resolve_picture
from contest.writing import ground_truth_to_json, samples_to_json
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
    with tqdm(desc=shown, unit=" samples", disable=no_bar(), leave=False) as progress:
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
        path = resolve_picture(folder.path, content, follow_links=True, sample_id=pair.sample.id)
        picture = SourcePicture(path, name)
        add_picture(picture, writer.images(folder.task), "link")
        return picture.content

    items = tuple(replace(i, content=named(i.content)) if i.type == "image" else i for i in pair.sample.items)
    references = tuple(
        replace(item, contents=tuple(map(named, item.contents))) if item.type == "image" else item
        for item in pair.truth.items
    )
    (sample,) = samples_to_json([replace(pair.sample, items=items)]).values()
    (truth,) = ground_truth_to_json([GroundTruth(pair.truth.id, references)]).values()
    about = {"group": pair.group, "kind": pair.kind}
    sample_line, truth_line, about_line = (json.dumps(part, ensure_ascii=False) for part in (sample, truth, about))
    return sample_line, truth_line, about_line
