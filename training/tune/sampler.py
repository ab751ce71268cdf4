"""From the settings to a run's data: the batches of its steps, and the examples held out for validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.rudolph.vocabulary import Vocabulary
from training.tune.batches import TASK_TOKENS, Batch, BatchMaker
from training.tune.examples import Example, PictureEncoder, read_task
from training.tune.settings import SettingsError, TuneSettings

PIXELS_PER_CODE = 8


class Batches(Protocol):
    """Gives the batch of any step: this process's rows of it, the same whenever it is asked for the same step."""

    def batch(self, step: int) -> Batch:
        """Batch of a step (0-based)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Data:
    """What a run trains on, what it is validated on (examples by task), and how many training examples a task has."""

    batches: Batches
    held_out: Mapping[str, Sequence[Example]]
    sizes: Mapping[str, int]


def open_data(settings: TuneSettings, vocabulary: Vocabulary, rank: int = 0, world: int = 1) -> Data:
    """Read the task folders for process `rank` of `world`.

    The global batch of a step is the same for any number of processes; each takes its slice of it. The losses are
    normalised by the counts of the global batch, so a slice may lack tasks, or be empty.

    Raises `SettingsError` for an unknown task, `TrainingDataError` and `ContestErrors` for unusable data.
    """
    unknown = sorted(set(settings.tasks) - set(TASK_TOKENS))
    if unknown:
        raise SettingsError(f"tasks: unknown {', '.join(unknown)}; known are {', '.join(TASK_TOKENS)}")
    if world != 1:
        raise SettingsError(f"training by {world} processes is not supported")
    side = vocabulary.config.image_tokens_per_dim * PIXELS_PER_CODE
    encoder, folder = PictureEncoder(Path(settings.weights) / "vqgan", side), Path(settings.data)
    train, held_out = (
        {task: read_task(folder / task, task, split, encoder) for task in settings.tasks} for split in ("train", "val")
    )
    maker = BatchMaker(
        vocabulary, train, settings.tasks, settings.seed, settings.special_probability, settings.reference
    )
    sizes = {task: len(found) for task, found in train.items()}
    return Data(maker, {task: found[: settings.validation_samples] for task, found in held_out.items()}, sizes)
