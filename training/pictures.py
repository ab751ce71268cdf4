"""Pictures of the world's task folders as tensors in memory. Knows nothing of networks."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from contest.pictures import open_published, resolve_picture
from contest.reading import read_input

Split = Literal["train", "val"]

# Folders whose prompts hold pictures. Those of `generation` are answers, drawn like the scenes of `captioning`.
KINDS: Mapping[str, tuple[str, ...]] = {"scenes": ("captioning", "vqa"), "signs": ("text_recognition",)}


class PictureDataError(ValueError):
    """The world's folders don't hold the pictures that a training needs."""


@dataclass(frozen=True)
class Pictures:
    """Pictures by kind: each uint8 [n, 3, side, side] with n > 0."""

    kinds: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        for kind, pictures in self.kinds.items():
            if pictures.dtype != torch.uint8 or pictures.dim() != 4 or len(pictures) == 0:
                raise PictureDataError(f"{kind}: expected uint8 [n > 0, 3, side, side], got {list(pictures.shape)}")

    def batch(self, amounts: Mapping[str, int], generator: torch.Generator) -> Tensor:
        """Draw `amounts` of each kind, with replacement: float32 [sum of amounts, 3, side, side] in [0, 1]."""
        drawn = [
            self.kinds[kind][torch.randint(len(self.kinds[kind]), (amount,), generator=generator)]
            for kind, amount in amounts.items()
        ]
        return torch.cat(drawn).float() / 255


def read_pictures(directory: Path, split: Split, side: int, most: int | None = None) -> Pictures:
    """Read the pictures of a split's prompts, at most `most` of each kind, in file order.

    Raises PictureDataError if a kind has none, or if a picture is not `side` x `side` pixels; ContestError or
    ContestFileError for files that are not the contest's.
    """
    kinds = {}
    for kind, folders in KINDS.items():
        paths = [path for folder in folders for path in _prompt_pictures(directory / folder, split)][:most]
        if not paths:
            out = shlex.quote(str(directory))
            raise PictureDataError(
                f"{directory}: no {split} pictures of {' or '.join(folders)}; write them with "
                f"`python -m data_prep synthetic --output {out} --tasks captioning,text_recognition`"
            )
        kinds[kind] = torch.stack([_pixels(path, side) for path in paths])
    return Pictures(kinds)


def _prompt_pictures(folder: Path, split: Split) -> Iterator[Path]:
    prompts = folder / f"{folder.name}_{split}.json"
    if prompts.exists():
        for sample in read_input(prompts).values():
            yield from (resolve_picture(folder, content, sample_id=sample.id) for content in sample.images)


def _pixels(path: Path, side: int) -> Tensor:
    picture = open_published(path)
    if picture.size != (side, side):
        raise PictureDataError(f"{path}: expected {side} x {side} pixels, got {picture.width} x {picture.height}")
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()  # [3, side, side]
