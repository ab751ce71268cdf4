"""From the settings to a run's data: the batches of its steps, and the examples held out for validation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from contest.shares import WHOLE, Share
from models.rudolph import Config
from models.rudolph.vocabulary import Vocabulary
from models.vqgan import load_vqgan
from models.weights_folder import VQGAN_FOLDER, require_fit
from training.tune.data.batches import TASK_TOKENS, BatchMaker
from training.tune.data.cache_folder import cache_folder
from training.tune.data.examples import Example, Examples, read_task
from training.tune.data.image_encoder import PictureEncoder
from training.tune.data.prefetching import Prefetched
from training.tune.data.sampler import Sampler, mixture_of
from training.tune.errors import SettingsError
from training.tune.settings import DataSettings, TaskSettings

SPLITS = ("train", "val")
TEXT_TASKS = frozenset(("textqa", "mathqa"))  # whose samples need no picture


@dataclass(frozen=True)
class Data:
    """What a run trains on: the batches of its steps, and the examples by task; and what it is validated on."""

    batches: Prefetched
    held_out: Mapping[str, Sequence[Example]]
    train: Mapping[str, Examples]

    @property
    def sizes(self) -> dict[str, int]:
        """How many training examples each task has."""
        return {task: len(examples) for task, examples in self.train.items()}

    def digests(self) -> dict[str, str]:
        """What tells the training examples of each task from others: see `Examples.digest`."""
        return {task: examples.digest() for task, examples in self.train.items()}


def require_vqgan(tasks: Iterable[str], weights: Path, config: Config) -> None:
    """Raise for a VQGAN that can not make the codes that a RUDOLPH takes, before anything is read, if pictures are due.

    Raises `VQGANConfigError`, `WeightsError` (tensors are named), `WeightsFolderError`.
    """
    if set(tasks) - TEXT_TASKS:
        require_fit(weights, config, None, load_vqgan(weights / VQGAN_FOLDER, "meta"))


def open_encoder(
    data: DataSettings, weights: Path, config: Config, device: str, share: Share = WHOLE
) -> PictureEncoder:
    """Return what encodes pictures for a RUDOLPH of this configuration, by the VQGAN of a weights directory.

    A share of them has a cache folder of its own below that of all.

    Raises `TrainingDataError` for a data folder that is not there, or a cache folder that can not be made.
    """
    cache = cache_folder(Path(data.folder), data.cache)
    on_gpu = device != "cpu" and torch.cuda.is_available()
    return PictureEncoder(
        weights / VQGAN_FOLDER,
        config.image_tokens_per_dim,
        config.image_vocab_size,
        cache if share.is_whole else share.folder(cache),
        data.workers,
        "cuda" if on_gpu else "cpu",
        share,
    )


def read_tasks(
    folder: Path, tasks: Mapping[str, TaskSettings], encoder: PictureEncoder, split: str
) -> dict[str, Examples]:
    """Open the examples of each task below `folder`; pictures without codes are encoded.

    Raises `SettingsError` for an unknown task, `TrainingDataError`, `ShardError` and `ContestFileError` for unusable
    data, OSError for a cache that can not be written.
    """
    unknown = sorted(set(tasks) - set(TASK_TOKENS))
    if unknown:
        raise SettingsError(f"tasks: unknown {', '.join(unknown)}; known are {', '.join(TASK_TOKENS)}")
    return {
        task: read_task(
            Path(of_task.folder or folder / task),
            task,
            split,
            encoder,
            getattr(of_task, split),
            getattr(of_task, f"{split}_shards"),
            of_task.columns,
        )
        for task, of_task in tasks.items()
    }


def open_data(
    data: DataSettings,
    tasks: Mapping[str, TaskSettings],
    encoder: PictureEncoder,
    vocabulary: Vocabulary,
    *,
    seed: int,
    held_out: int,
    rank: int = 0,
    world: int = 1,
) -> Data:
    """Open the data for process `rank` of `world`; `held_out`: examples of each task to validate on.

    The whole batch of a step is the same for any number of processes; each takes its rows of it. The losses are
    normalised by the counts of the whole batch, so a process's rows may lack tasks, or be none.

    Raises what `read_tasks` does.
    """
    train, validation = (read_tasks(Path(data.folder), tasks, encoder, split) for split in SPLITS)
    sizes = {task: len(examples) for task, examples in train.items()}
    sampler = Sampler(mixture_of(data, tasks, seed), sizes, seed, rank, world)
    maker = BatchMaker(vocabulary, train, tasks, sampler, data.special_probability, data.reference)
    kept = {task: examples[:held_out] for task, examples in validation.items()}
    return Data(Prefetched(maker.batch, data.prefetch), kept, train)
