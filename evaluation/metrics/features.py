"""Features of pictures by a network, with those of the ground truth kept on disk."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from contest.atomic import replacing
from contest.decoding import PixelBudget
from contest.errors import ContestError
from contest.pictures import open_published
from errors import reason_of
from evaluation.progress import Progress, silent
from models.inception import Inception
from models.ruclip import RuCLIP
from models.weights import file_sha256

BATCH_SIZE = 32
CLIP_SCALE = 10.0


@dataclass(frozen=True)
class FeatureNetwork:
    """A network as something that makes features.

    Attributes:
        name: architecture, weights and layer, for signatures.
        weights_sha256: hash of the weights file.
        width: number of features.
        is_substitute: whether it stands in for the network that the contest uses.
        preprocess: makes of a picture what the network wants.
        features: makes float32 [n, width] of stacked preprocessed pictures.
        latent_scale: by how much a CLIP's unit latents were multiplied to be the features; None for other features.

    """

    name: str
    weights_sha256: str
    width: int
    is_substitute: bool
    preprocess: Callable[[Image.Image], Tensor]
    features: Callable[[Tensor], Tensor]
    latent_scale: float | None = None


def inception_features(network: Inception, dims: Literal[64, 192, 768, 2048] = 2048) -> FeatureNetwork:
    """Return what makes the contest's features: Inception's last pooling (or, for tests, one of the earlier ones).

    With other weights than the published ones, or another layer, it is a substitute.
    """
    is_substitute = dims != 2048 or not network.is_published
    features = partial(network.features, dims=dims)
    name = f"{network.name}-{dims}"
    return FeatureNetwork(name, network.weights_sha256, dims, is_substitute, network.preprocess, features)


def ruclip_features(network: RuCLIP) -> FeatureNetwork:
    """Return a stated substitute where Inception is not to be had: ruCLIP's unit vectors times ten.

    So distances lie in [0, 400], and those of unlike sets of pictures in the range 0..200 that the contest's formula
    is made for. They can be compared only with each other.
    """
    return _latents(network, f"{network.name}-latents-x{CLIP_SCALE:g}", CLIP_SCALE)


def ruclip_latents(network: RuCLIP) -> FeatureNetwork:
    """Return ruCLIP's unit vectors themselves, which CMMD is taken of."""
    return _latents(network, f"{network.name}-latents", 1.0)


def _latents(network: RuCLIP, name: str, scale: float) -> FeatureNetwork:
    return FeatureNetwork(
        name,
        network.weights_sha256,
        network.config.embed_dim,
        is_substitute=True,
        preprocess=network.preprocess,
        features=lambda pictures: scale * network.image_latents(pictures),
        latent_scale=scale,
    )


@dataclass(frozen=True)
class PictureFeatures:
    """Features [n, width] of the pictures that could be opened, their places in the list, and the others' errors."""

    rows: Tensor
    places: tuple[int, ...]
    errors: tuple[ContestError, ...] = ()


def picture_features(
    paths: Sequence[Path],
    network: FeatureNetwork,
    *,
    batch_size: int = BATCH_SIZE,
    progress: Progress = silent,
    what: str = "features",
    budget: PixelBudget | None = None,
) -> PictureFeatures:
    """Run pictures through the network in batches, one batch in memory at a time; a stranger's within a budget."""
    rows, places, errors = [torch.empty(0, network.width)], list[int](), list[ContestError]()

    def opened(numbers: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
        for number in numbers:
            try:
                yield number, network.preprocess(open_published(paths[number], budget=budget))
            except ContestError as error:
                errors.append(error)

    for start in range(0, len(paths), batch_size):
        batch = list(opened(range(start, min(start + batch_size, len(paths)))))
        if batch:
            rows.append(network.features(torch.stack([pixels for _, pixels in batch])).float().cpu())
            places += [number for number, _ in batch]
        progress(what, min(start + batch_size, len(paths)), len(paths))
    return PictureFeatures(torch.cat(rows), tuple(places), tuple(errors))


@dataclass(frozen=True)
class KeptFeatures:
    """Features [n, width], and why they could not be kept on disk if they could not."""

    rows: Tensor
    problem: str | None = None


@dataclass(frozen=True)
class FeatureStore:
    """A folder of features that were computed before, under a hash of the pictures' bytes and of the network.

    It is made when something is kept. A file in it that is damaged is made anew. A folder that can not be written to
    costs time, but no score.
    """

    folder: Path

    def features(
        self,
        paths: Sequence[Path],
        network: FeatureNetwork,
        *,
        progress: Progress = silent,
    ) -> KeptFeatures:
        """Return features of pictures that must all be sound, from the folder if they are there.

        Raises the first ContestError of a picture, as the ground truth must be whole.
        """
        try:
            path = self.folder / f"{self.key(paths, network)}.npz"
        except OSError:  # a picture is not there: opening it says so with more detail
            return KeptFeatures(sound_features(paths, network, progress=progress))
        kept = _read(path, (len(paths), network.width))
        if kept is not None:
            return KeptFeatures(kept)
        rows = sound_features(paths, network, progress=progress)
        try:
            _write(path, rows)
        except OSError as error:
            return KeptFeatures(
                rows, f"features of the ground truth could not be kept in {self.folder}: {reason_of(error)}"
            )
        return KeptFeatures(rows)

    @staticmethod
    def key(paths: Sequence[Path], network: FeatureNetwork) -> str:
        """Return the hash of the network and of the files' bytes, in order. Raises OSError."""
        parts = [network.name, network.weights_sha256, *(file_sha256(path) for path in paths)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def sound_features(paths: Sequence[Path], network: FeatureNetwork, *, progress: Progress = silent) -> Tensor:
    """Return features [n, width] of pictures that must all be sound. Raises the first one's ContestError."""
    found = picture_features(paths, network, progress=progress, what="features of the ground truth")
    if found.errors:
        raise found.errors[0]
    return found.rows


def _read(path: Path, shape: tuple[int, int]) -> Tensor | None:
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            rows = torch.from_numpy(stored["features"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # cut off while it was written, say: what it held can be computed again
    return rows if rows.shape == shape and rows.dtype == torch.float32 else None


def _write(path: Path, rows: Tensor) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, features=rows.numpy())
