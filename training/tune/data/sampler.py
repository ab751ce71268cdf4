"""Which example stands at which row of a step's batch: a pure function of settings, sizes and step.

Every task's examples are gone through in a fresh random order again and again, so that each is seen once before any is
seen twice. Nothing is remembered from step to step: a run resumes at any step at no cost.
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from training.tune.settings import DataSettings, TaskSettings

ROWS_IN_A_ROUND = 1024  # of drawing by shares; within a round each task has its share to the row


class BatchPlace(NamedTuple):
    """What stands in a row: the task's name, and how many rows of that task stand before it since the first step."""

    task: str
    position: int


@dataclass(frozen=True)
class FixedMixture:
    """The same number of rows of each task in every batch, task by task."""

    samples: Mapping[str, int]

    def places(self, step: int) -> list[BatchPlace]:
        """Rows of the whole batch of a step (0-based), in order."""
        return [BatchPlace(task, step * count + k) for task, count in self.samples.items() for k in range(count)]


class SharedMixture:
    """Rows drawn by the tasks' shares, in random order.

    The rows of all steps are one sequence, cut into rounds: a round holds each task as often as its share says
    (rounded so that the sum over rounds stays exact), shuffled. With equal shares a round is one row of each task.
    """

    def __init__(self, shares: Mapping[str, float], batch: int, seed: int) -> None:
        self.tasks = tuple(shares)
        self.batch = batch
        self.seed = seed
        whole = sum(shares.values())
        self._bounds = [sum(list(shares.values())[: i + 1]) / whole for i in range(len(shares) - 1)]
        equal = len(set(shares.values())) == 1
        # With two rows or more of each task in a round, rounding never asks for less than none.
        least = math.ceil(2 * whole / min(shares.values()))
        self.round = len(shares) if equal else max(ROWS_IN_A_ROUND, least)
        self._made: dict[int, list[BatchPlace]] = {}  # the rounds of the last batch

    def _before(self, number: int) -> list[int]:
        """Rows of each task in all rounds before round `number`."""
        rows = number * self.round
        if self.round == len(self.tasks):
            return [number] * len(self.tasks)
        bounds = [0, *(math.floor(rows * bound + 0.5) for bound in self._bounds), rows]
        return [after - before for before, after in pairwise(bounds)]

    def _round(self, number: int) -> list[BatchPlace]:
        before, after = self._before(number), self._before(number + 1)
        places = [
            BatchPlace(task, position)
            for task, start, end in zip(self.tasks, before, after, strict=True)
            for position in range(start, end)
        ]
        random.Random(f"{self.seed}|round|{number}").shuffle(places)
        return places

    def places(self, step: int) -> list[BatchPlace]:
        """Rows of the whole batch of a step (0-based), in order."""
        start, end = step * self.batch, (step + 1) * self.batch
        rounds = range(start // self.round, (end - 1) // self.round + 1)
        self._made = {number: self._made.get(number) or self._round(number) for number in rounds}
        rows = [place for number in rounds for place in self._made[number]]
        return rows[start - rounds[0] * self.round :][: self.batch]


Mixture = FixedMixture | SharedMixture


def mixture_of(data: DataSettings, tasks: Mapping[str, TaskSettings], seed: int) -> Mixture:
    """Return the mixture that the settings ask for.

    `balanced` draws every task equally often, whatever its size, as the published trainer's `BalanceClassSampler` does.
    That one gives up a larger task's surplus anew in each epoch; here the surplus is what comes next.
    """
    if data.sampling == "samples":
        return FixedMixture({name: task.samples for name, task in tasks.items()})
    batch = data.batch or sum(task.samples for task in tasks.values())
    weighed = data.sampling == "weights"
    return SharedMixture({name: task.share if weighed else 1.0 for name, task in tasks.items()}, batch, seed)


class Sampler:
    """Which example of which task stands at each row of this process's part of a step's batch.

    The batch of a step is the same for any number of processes; process `rank` of `world` takes every `world`-th row.
    """

    def __init__(self, mixture: Mixture, sizes: Mapping[str, int], seed: int, rank: int = 0, world: int = 1) -> None:
        self.mixture = mixture
        self.sizes = sizes
        self.seed = seed
        self.rank = rank
        self.world = world
        self._orders: dict[tuple[str, int], Sequence[int]] = {}

    def rows(self, step: int) -> list[tuple[int, str, int]]:
        """Rows of a step (0-based): number of the row in the whole batch, task, number of the example in the task."""
        places = self.mixture.places(step)
        return [
            (row, places[row].task, self._example(places[row])) for row in range(self.rank, len(places), self.world)
        ]

    def _example(self, place: BatchPlace) -> int:
        epoch, index = divmod(place.position, self.sizes[place.task])
        return self._order(place.task, epoch)[index]

    def _order(self, task: str, epoch: int) -> Sequence[int]:
        """A fresh permutation of the task's examples for every pass over them."""
        if (task, epoch) not in self._orders:
            order = array("I", range(self.sizes[task]))  # four bytes an example
            random.Random(f"{self.seed}|{task}|{epoch}").shuffle(order)
            self._orders = {key: value for key, value in self._orders.items() if key[0] != task or key[1] >= epoch - 1}
            self._orders[task, epoch] = order
        return self._orders[task, epoch]
