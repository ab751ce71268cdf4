"""Contest task folders -> training examples: texts, references, picture codes. Knows nothing of batches or losses."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from contest.pictures import open_picture, resolve_picture
from contest.reading import read_ground_truth, read_input
from models.vqgan import VQGAN, load_vqgan
from models.vqgan.preprocessing import to_pixels
from models.weights import file_sha256, find_weights

Codes = npt.NDArray[np.uint16]
ENCODING_BATCH = 32


class TrainingDataError(ValueError):
    """Training data that cannot be used; says which file or folder and why."""


@dataclass(frozen=True, slots=True)
class Example:
    """One training sample: its left text (text items joined by a space, as at inference), references and picture.

    `codes` is None for a text task, which trains on picture codes of zero.
    """

    id: str
    left: str
    references: tuple[str, ...]
    codes: Codes | None


def _picture_of(answer_images: Sequence[str], input_images: Sequence[str]) -> str | None:
    # The picture is the answer's for generation, the input's last one otherwise, as the published inference takes it.
    if answer_images:
        return answer_images[0]
    return input_images[-1] if input_images else None


def read_task(folder: Path, task: str, split: str, encoder: PictureEncoder) -> list[Example]:
    """Read `<task>_<split>.json` and its answers below `folder`; encode the pictures, or take the cache's codes.

    Raises `TrainingDataError` for a missing or empty folder, `ContestErrors`
    for malformed files.
    """
    questions, answers = folder / f"{task}_{split}.json", folder / f"{task}_{split}_answer.json"
    for path in (questions, answers):
        if not path.is_file():
            raise TrainingDataError(f"{path}: no such file; a task folder holds <task>_{split}.json and its answers")
    samples = list(read_input(questions).values())
    truth = read_ground_truth(answers)
    if not samples:
        raise TrainingDataError(f"{questions}: the task has no samples")
    missing = [sample.id for sample in samples if sample.id not in truth]
    if missing:
        raise TrainingDataError(f"{answers}: no answer for sample {missing[0]!r} ({len(missing)} in all)")
    pictures = {
        sample.id: name
        for sample in samples
        if (name := _picture_of(truth[sample.id].images, sample.images)) is not None
    }
    codes = encoder.codes(folder, sorted(set(pictures.values())))
    return [
        Example(
            sample.id,
            " ".join(sample.texts),
            truth[sample.id].texts,
            codes[pictures[sample.id]] if sample.id in pictures else None,
        )
        for sample in samples
    ]


class PictureEncoder:
    """Codes of pictures by one VQGAN, kept in a cache file beside the pictures and keyed by the weights and the size.

    The network is loaded when the first picture without known codes is met: text tasks need none.
    """

    def __init__(self, vqgan_folder: Path, side: int) -> None:
        self.vqgan_folder = vqgan_folder
        self.side = side

    @cached_property
    def key(self) -> str:
        """Name of the cache: a digest of the VQGAN's weights and the pictures' side."""
        digest = file_sha256(find_weights(self.vqgan_folder))
        return hashlib.sha256(f"{digest}|{self.side}".encode()).hexdigest()[:16]

    @cached_property
    def vqgan(self) -> VQGAN:
        """The network, in float32."""
        return load_vqgan(self.vqgan_folder)

    def codes(self, folder: Path, pictures: Sequence[str]) -> dict[str, Codes]:
        """Codes of the pictures below `folder`, by name; what is not in the cache is encoded and added to it."""
        if not pictures:
            return {}
        cache = folder / f"codes_{self.key}.npz"
        known: dict[str, Codes] = {}
        if cache.is_file():
            with np.load(cache) as stored:
                known = dict(zip(json.loads(stored["names"].tobytes().decode()), stored["codes"], strict=True))
        todo = [picture for picture in pictures if picture not in known]
        for start in tqdm(range(0, len(todo), ENCODING_BATCH), f"encode {folder.name}", disable=None, leave=False):
            chunk = todo[start : start + ENCODING_BATCH]
            opened = (open_picture(resolve_picture(folder, name, follow_links=True)) for name in chunk)
            images = torch.stack([to_pixels(picture, self.side) for picture in opened])  # [batch, 3, side, side]
            with torch.inference_mode():
                encoded = self.vqgan.encode(images)  # [batch, codes]
            known.update(zip(chunk, encoded.numpy().astype(np.uint16), strict=True))
        if todo:
            names = np.frombuffer(json.dumps(list(known)).encode(), dtype=np.uint8)
            temporary = cache.with_suffix(f".{os.getpid()}.tmp.npz")
            np.savez(temporary, names=names, codes=np.stack(list(known.values())))
            temporary.replace(cache)
        return known
