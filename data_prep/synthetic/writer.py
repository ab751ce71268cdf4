"""The synthetic world on disk: task folders for training and validation, one mixed test set.

DIR/<task>/<task>_{train,val}.json, <task>_{train,val}_answer.json, <task>_{train,val}_grade.json, images/
DIR/test/input.json, images/, ids.json, ground_truth.json, grades.json
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from contest.atomic import replacing
from contest.console import no_bar
from contest.ground_truth import GroundTruth, References
from contest.items import Sample
from contest.limits import GROUND_TRUTH_NAME, IDS_NAME, INPUT_NAME
from contest.shares import WHOLE, Share
from contest.tasks import task_by_key
from contest.writing import ground_truth_to_json, ids_to_json, samples_to_json, write_json, writing
from data_prep.records import OutputTakenError
from data_prep.synthetic.drawn import Drawn
from data_prep.synthetic.grades import GRADES, Grade
from data_prep.synthetic.scenes import Scene, paint_scene
from data_prep.synthetic.signs import Sign, paint_sign
from data_prep.synthetic.world import draw

IMAGES = "images"
TEST = "test"
JPEG_QUALITY = 95
NO_SUBSAMPLING = 0  # 4:4:4: thin coloured shapes keep their colour


@dataclass(frozen=True, slots=True)
class Amounts:
    """Samples of each task in each split, and the grades that take turns in the training split."""

    train: int
    validation: int
    test: int
    training_grades: Sequence[Grade] = GRADES


def write_world(
    directory: Path,
    seed: int,
    amounts: Amounts,
    task_keys: Sequence[str],
    drill_keys: Sequence[str] = (),
    share: Share = WHOLE,
) -> None:
    """Write the named tasks: open ones into folders and test, hidden ones into test alone.

    Drills and variants (`drill_keys`) go into folders alone.

    A `share` has all texts and every N-th picture of each folder; those that are there already stay as they are.

    Raises OutputTakenError if a folder to be written has something in it: old pictures among new ones would mislead.
    ContestError for a task that does not exist, or what can not be written.
    """
    tasks = [task_by_key(key) for key in task_keys]
    folders = [*(task.key for task in tasks if not task.is_hidden), *drill_keys]
    for folder in (directory / name for name in (*folders, TEST)):
        if share.is_whole and folder.exists() and any(folder.iterdir()):
            raise OutputTakenError(f"{folder} is not empty", "name a new directory, or empty this one first")
    total = (amounts.train + amounts.validation) * len(folders) + amounts.test * len(tasks)
    with tqdm(total=total, unit=" samples", disable=no_bar()) as progress:
        if amounts.train or amounts.validation:
            for key in folders:
                _write_task_folder(directory / key, key, seed, amounts, share, progress)
        if amounts.test:
            _write_test(directory / TEST, [task.key for task in tasks], seed, amounts.test, share, progress)


@dataclass(slots=True)
class _Split:
    """A split while it grows; `pictures` counts the folder's pictures so far, of which the `share` has its own."""

    folder: Path
    share: Share
    pictures: int = 0
    samples: list[Sample] = field(default_factory=list)
    answers: list[GroundTruth] = field(default_factory=list)
    grades: dict[str, str] = field(default_factory=dict)

    def add(self, sample_id: str, drawn: Drawn) -> None:
        """Take a sample in, and write its picture if it has one."""
        picture = self._write_picture(drawn)
        items = (replace(item, content=picture) if item.type == "image" else item for item in drawn.items)
        self.samples.append(Sample(sample_id, tuple(items)))
        if drawn.answers:
            answer = References("text", drawn.answers)
        else:
            answer = References("image", (picture,), is_bare_string=True)
        self.answers.append(GroundTruth(sample_id, (answer,)))
        self.grades[sample_id] = drawn.grade

    def _write_picture(self, drawn: Drawn) -> str:
        if drawn.picture is None:
            return ""
        self.pictures += 1
        name = f"{IMAGES}/{self.pictures:05d}.jpg"
        path = self.folder / name
        if self.share.takes(self.pictures) and not path.exists():
            with writing(path), replacing(path) as temporary:
                picture = paint(drawn.picture)
                picture.save(temporary, format="JPEG", quality=JPEG_QUALITY, subsampling=NO_SUBSAMPLING)
        return name


def paint(picture: Scene | Sign) -> Image.Image:
    """The 64 x 64 RGB picture of a description."""
    return paint_scene(picture) if isinstance(picture, Scene) else paint_sign(picture)


def _write_task_folder(folder: Path, key: str, seed: int, amounts: Amounts, share: Share, progress: tqdm[None]) -> None:
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    pictures = 0
    splits = (("train", amounts.train, amounts.training_grades), ("val", amounts.validation, GRADES))
    for split, amount, grades in splits:
        taken = _Split(folder, share, pictures)
        for index in range(amount):
            taken.add(str(index), draw(key, seed, split, index, grades))
            progress.update()
        pictures = taken.pictures
        write_json(folder / f"{key}_{split}.json", samples_to_json(taken.samples))
        write_json(folder / f"{key}_{split}_answer.json", ground_truth_to_json(taken.answers))
        write_json(folder / f"{key}_{split}_grade.json", taken.grades)


def _write_test(folder: Path, keys: Sequence[str], seed: int, amount: int, share: Share, progress: tqdm[None]) -> None:
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    order = [(key, index) for key in keys for index in range(amount)]
    random.Random(f"order of the test|{seed}").shuffle(order)
    taken = _Split(folder, share)
    ids: dict[str, int] = {}
    for number, (key, index) in enumerate(order):
        taken.add(str(number), draw(key, seed, "test", index))
        ids[str(number)] = task_by_key(key).id
        progress.update()
    write_json(folder / INPUT_NAME, samples_to_json(taken.samples))
    write_json(folder / GROUND_TRUTH_NAME, ground_truth_to_json(taken.answers))
    write_json(folder / IDS_NAME, ids_to_json(ids))
    write_json(folder / "grades.json", taken.grades)
