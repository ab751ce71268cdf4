"""From the settings to a run's data: the batches of its steps, and the examples held out for validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from models.rudolph import Config
from models.rudolph.vocabulary import Vocabulary
from models.vqgan import load_vqgan
from models.weights_folder import VQGAN_FOLDER, require_fit
from training.tune.data.batches import TASK_TOKENS, Batch, BatchMaker
from training.tune.data.cache_folder import cache_folder
from training.tune.data.examples import Example, Examples, read_task
from training.tune.data.image_encoder import PictureEncoder
from training.tune.data.prefetching import Prefetched
from training.tune.data.sampler import Sampler, mixture_of
from training.tune.settings import SettingsError, TuneSettings

SPLITS = ("train", "val")
TEXT_TASKS = frozenset(("textqa", "mathqa"))  # whose samples need no picture


class Batches(Protocol):
    """Gives the batch of any step: this process's rows of it, the same whenever it is asked for the same step."""

    def batch(self, step: int) -> Batch:
        """Batch of a step (0-based)."""
        raise NotImplementedError

    def close(self) -> None:
        """End what makes batches in the background."""
        raise NotImplementedError


@dataclass(frozen=True)
class Data:
    """What a run trains on, what it is validated on (examples by task), and how many training examples a task has."""

    batches: Batches
    held_out: Mapping[str, Sequence[Example]]
    sizes: Mapping[str, int]


def demand_vqgan(settings: TuneSettings, config: Config) -> None:
    """Raise for a VQGAN that can not make the codes that a RUDOLPH takes, before anything is read, if pictures are due.

    Raises `VQGANConfigError`, `WeightsError` (tensors are named), `WeightsFolderError`.
    """
    if set(settings.tasks) - TEXT_TASKS:
        weights = Path(settings.weights)
        require_fit(weights, config, None, load_vqgan(weights / VQGAN_FOLDER, "meta"))


def read_tasks(settings: TuneSettings, config: Config, split: str) -> dict[str, Examples]:
    """Open the examples of each task for a RUDOLPH of this configuration; pictures without codes are encoded.

    Raises `SettingsError` for an unknown task, `TrainingDataError`, `ShardError` and `ContestFileError` for unusable
    data, OSError for a cache that can not be written.
    """
    unknown = sorted(set(settings.tasks) - set(TASK_TOKENS))
    if unknown:
        raise SettingsError(f"tasks: unknown {', '.join(unknown)}; known are {', '.join(TASK_TOKENS)}")
    folder = Path(settings.data)
    on_gpu = settings.device != "cpu" and torch.cuda.is_available()
    encoder = PictureEncoder(
        Path(settings.weights) / VQGAN_FOLDER,
        config.image_tokens_per_dim,
        config.image_vocab_size,
        cache_folder(folder, settings.cache),
        settings.workers,
        "cuda" if on_gpu else "cpu",
    )
    return {
        task: read_task(Path(of_task.folder or folder / task), task, split, encoder, getattr(of_task, split))
        for task, of_task in settings.tasks.items()
    }


def open_data(settings: TuneSettings, vocabulary: Vocabulary, rank: int = 0, world: int = 1) -> Data:
    """Open the data for process `rank` of `world`.

    The whole batch of a step is the same for any number of processes; each takes its rows of it. The losses are
    normalised by the counts of the whole batch, so a process's rows may lack tasks, or be none.

    Raises what `read_tasks` does.
    """
    train, held_out = (read_tasks(settings, vocabulary.config, split) for split in SPLITS)
    sizes = {task: len(found) for task, found in train.items()}
    sampler = Sampler(mixture_of(settings), sizes, settings.seed, rank, world)
    maker = BatchMaker(vocabulary, train, settings.tasks, sampler, settings.special_probability, settings.reference)
    return Data(
        Prefetched(maker, settings.prefetch),
        {task: found[: settings.validation_samples] for task, found in held_out.items()},
        sizes,
    )
