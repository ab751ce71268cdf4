"""The world in shares: every host draws all samples, which is cheap, and paints every N-th picture of them.

    DIR/.synthetic.shares/share-00001-of-00004/world/   the world but for the other shares' pictures

What `merge` makes of them is, file by file, the world of one process.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from contest.shares import FINISHED, Share, ShareError, ShareRecord, at_work, begin_share, read_shares, take_file
from contest.writing import writing
from data_prep.records import OutputTakenError
from data_prep.shares import CODE_ROOM, WORLD, shares_folder
from data_prep.synthetic.writer import IMAGES, Amounts, write_world

WORLD_FOLDER, PARTIAL, WHOLE = "world", ".synthetic.partial", ".synthetic.merged"


def write_share(
    directory: Path, seed: int, amounts: Amounts, task_keys: Sequence[str], drill_keys: Sequence[str], share: Share
) -> None:
    """Write a share of the world, or go on with one that was killed: pictures that are there are not painted again.

    Raises ShareError (see `begin_share`), ContestError, OSError.
    """
    tasks, drills = list(task_keys), list(drill_keys)
    agreed: dict[str, Any] = {"seed": seed, "amounts": asdict(amounts), "tasks": tasks, "drills": drills}
    agreed["amounts"]["training_grades"] = list(amounts.training_grades)
    record = begin_share(shares_folder(directory, WORLD), share, CODE_ROOM, agreed)
    world = record.folder / WORLD_FOLDER
    with at_work(record):
        write_world(world, seed, amounts, task_keys, drill_keys, share)
        result = {"texts_sha256": _digest_of_texts(world), "pictures": len(_pictures(world))}
        replace(record, result=result, ended=FINISHED).write()


def merge_world(directory: Path) -> int:
    """Make the world of its shares; return how many pictures it has. The shares stay.

    Raises ShareError for shares that do not belong together, OutputTakenError if a folder is there already,
    ContestError, OSError.
    """
    records = read_shares(shares_folder(directory, WORLD), CODE_ROOM)
    whole, partial = directory / WHOLE, directory / PARTIAL
    if not whole.exists():
        folders = sorted(path.name for path in (records[0].folder / WORLD_FOLDER).iterdir())
        taken = [name for name in folders if (directory / name).exists()]
        if taken:
            raise OutputTakenError(f"{directory / taken[0]} exists already", "remove it, or name another directory")
        with writing(partial):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
        for record in records:
            _take(record, records[0], partial)
        with writing(whole):
            os.replace(partial, whole)
    with writing(directory):
        for folder in sorted(whole.iterdir()):
            os.replace(folder, directory / folder.name)
        whole.rmdir()
    return sum(record.result["pictures"] for record in records)


def _take(record: ShareRecord, first: ShareRecord, target: Path) -> None:
    """Take a share's pictures, and of the first share the rest too."""
    world = record.folder / WORLD_FOLDER
    pictures = _pictures(world)
    remedy = "remove the share's folder, and do it again"
    if len(pictures) != record.result["pictures"]:
        problem = f"{record.share} lacks pictures: it has {len(pictures)} of {record.result['pictures']}"
        raise ShareError(problem, remedy)
    if not record.result["texts_sha256"] == first.result["texts_sha256"] == _digest_of_texts(world):
        raise ShareError(f"{record.share} has other texts than it or {first.share} wrote", remedy)
    for path in pictures if record is not first else [path for path in world.rglob("*") if path.is_file()]:
        place = target / path.relative_to(world)
        with writing(place):
            place.parent.mkdir(parents=True, exist_ok=True)
        take_file(path, place)
    if record is first:
        for folder in world.glob(f"*/{IMAGES}"):
            (target / folder.relative_to(world)).mkdir(exist_ok=True)


def _pictures(world: Path) -> list[Path]:
    return sorted(world.glob(f"*/{IMAGES}/*.jpg"))


def _digest_of_texts(world: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(world.glob("*/*.json")):
        digest.update(f"{path.relative_to(world).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()
