"""The synthetic world on disk: task folders for training and validation, one mixed test set. Knows no task's content.

DIR/<task>/<task>_{train,val}.json, <task>_{train,val}_answer.json, <task>_{train,val}_grade.json, images/
DIR/test/input.json, images/, ids.json, ground_truth.json, grades.json
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from contest.tasks import task_by_key
from data_prep.synthetic.drawn import Drawn
from data_prep.synthetic.scenes import Scene, paint_scene
from data_prep.synthetic.signs import Sign, paint_sign
from data_prep.synthetic.world import draw

IMAGES = "images"
JPEG_QUALITY = 95
NO_SUBSAMPLING = 0  # 4:4:4: thin coloured shapes keep their colour


@dataclass(frozen=True, slots=True)
class Amounts:
    """Samples of each task in each split. Raises ValueError if one is negative."""

    train: int
    validation: int
    test: int

    def __post_init__(self) -> None:
        for split, amount in (("train", self.train), ("validation", self.validation), ("test", self.test)):
            if amount < 0:
                raise ValueError(f"--{split} must not be negative, got {amount}")


def write_world(directory: Path, seed: int, amounts: Amounts, task_keys: Sequence[str]) -> None:
    """Write the named tasks: open ones into folders and test, hidden ones into test alone.

    Raises FileExistsError if `directory` has something in it: old pictures among new ones would mislead.
    """
    if directory.exists() and any(directory.iterdir()):
        raise FileExistsError(f"{directory} is not empty: name a new directory, or empty this one first")
    tasks = [task_by_key(key) for key in task_keys]
    folders = [task.key for task in tasks if not task.is_hidden]
    total = (amounts.train + amounts.validation) * len(folders) + amounts.test * len(tasks)
    with tqdm(total=total, unit=" samples", disable=None) as progress:
        if amounts.train or amounts.validation:
            for key in folders:
                _write_task_folder(directory / key, key, seed, amounts, progress)
        if amounts.test:
            _write_test(directory / "test", [task.key for task in tasks], seed, amounts.test, progress)


@dataclass(slots=True)
class _Split:
    """The JSON objects of one split while they grow; `pictures` counts the folder's pictures so far."""

    folder: Path
    pictures: int = 0
    inputs: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    grades: dict[str, str] = field(default_factory=dict)

    def add(self, sample_id: str, drawn: Drawn) -> None:
        """Take a sample in, and write its picture if it has one."""
        picture = self._write_picture(drawn)
        self.inputs[sample_id] = [
            {"type": item.type, "content": picture if item.type == "image" else item.content} for item in drawn.items
        ]
        if drawn.answers:
            self.answers[sample_id] = [{"type": "text", "content": list(drawn.answers)}]
        else:
            self.answers[sample_id] = [{"type": "image", "content": picture}]
        self.grades[sample_id] = drawn.grade

    def _write_picture(self, drawn: Drawn) -> str:
        if drawn.picture is None:
            return ""
        self.pictures += 1
        name = f"{IMAGES}/{self.pictures:05d}.jpg"
        paint(drawn.picture).save(self.folder / name, quality=JPEG_QUALITY, subsampling=NO_SUBSAMPLING)
        return name


def paint(picture: Scene | Sign) -> Image.Image:
    """The 64 x 64 RGB picture of a description."""
    return paint_scene(picture) if isinstance(picture, Scene) else paint_sign(picture)


def _write_task_folder(folder: Path, key: str, seed: int, amounts: Amounts, progress: tqdm[None]) -> None:
    (folder / IMAGES).mkdir(parents=True)
    pictures = 0
    for split, amount in (("train", amounts.train), ("val", amounts.validation)):
        taken = _Split(folder, pictures)
        for index in range(amount):
            taken.add(str(index), draw(key, seed, split, index))
            progress.update()
        pictures = taken.pictures
        write_json(folder / f"{key}_{split}.json", taken.inputs)
        write_json(folder / f"{key}_{split}_answer.json", taken.answers)
        write_json(folder / f"{key}_{split}_grade.json", taken.grades)


def _write_test(folder: Path, keys: Sequence[str], seed: int, amount: int, progress: tqdm[None]) -> None:
    (folder / IMAGES).mkdir(parents=True)
    order = [(key, index) for key in keys for index in range(amount)]
    random.Random(f"order of the test|{seed}").shuffle(order)
    taken = _Split(folder)
    ids: dict[str, int] = {}
    for number, (key, index) in enumerate(order):
        taken.add(str(number), draw(key, seed, "test", index))
        ids[str(number)] = task_by_key(key).id
        progress.update()
    objects: Mapping[str, Mapping[str, Any]] = {
        "input": taken.inputs,
        "ids": ids,
        "ground_truth": taken.answers,
        "grades": taken.grades,
    }
    for name, content in objects.items():
        write_json(folder / f"{name}.json", content)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """One line of UTF-8 JSON."""
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
