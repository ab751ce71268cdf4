"""Several processes that score one test set under torchrun: whose a sample is, and how they end together.

torchrun sets RANK, WORLD_SIZE and where they meet; without it there is one process. Each one scores a block of
neighbouring samples, since in mode official a score can depend on the sample before: a block then begins early enough
to know what came before it, and a sample that two processes have scored counts once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any, TypeVar

from contest.tasks import Task
from evaluation.errors import EvaluationError
from evaluation.metrics.cases import Case, Mode

T = TypeVar("T")

PATIENCE = timedelta(hours=2)  # for a process whose pictures take longer; one that is gone is noticed at once
LEAVING = timedelta(seconds=30)
ITEMS_WITH_A_PLACE = (1, 2)  # numbers of items of which official_prompt takes the text from a fixed place


class LostProcessError(EvaluationError):
    """Another process of the run is gone, or does not answer."""


@dataclass(frozen=True, slots=True)
class ScoringProcesses:
    """This process among those of the run: process `rank` of `count`. Raises ValueError if there is no such one."""

    rank: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.count:
            raise ValueError(f"process {self.rank} of {self.count}: numbers run from 0")

    @property
    def is_first(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def share(self, task: Task, cases: Sequence[Case], mode: Mode) -> range:
        """Return the places of the cases that this process scores: a block, and what it must know from before."""
        # Rounded up, so that the first process has some wherever there are any.
        start, stop = (-(-len(cases) * rank // self.count) for rank in (self.rank, self.rank + 1))
        if mode == "official" and start < stop:
            if task.kind == "text_to_image" and any(_asks_at_no_place(case) for case in cases[start:stop]):
                start = 0  # the text of some sample before, of the last whose picture could be opened
            while start and _has_no_items(cases[start]):
                start -= 1  # the answer of the last sample that has items
        return range(start, stop)

    def together(self, work: Callable[[], T]) -> T:
        """Do work on each process and return its own result, if it went well on all of them.

        Raises:
            Exception: on every process, what the first one raised that failed.
            LostProcessError: if a process is gone, or took longer than PATIENCE.

        """
        if self.count == 1:
            return work()
        failure: Exception | None = None
        try:
            result = work()
        except Exception as error:  # whatever it is, the others must hear of it instead of waiting
            failure = error
        failures: list[Exception | None] = self._all(failure)
        first = next((rank for rank, found in enumerate(failures) if found is not None), None)
        if first is None:
            return result
        found = failure if first == self.rank else failures[first]
        assert found is not None, "the first that is there"
        raise found

    def gathered(self, parts: list[T]) -> list[T]:
        """Return what all processes have, on each of them. Raises LostProcessError."""
        return parts if self.count == 1 else list(chain.from_iterable(self._all(parts)))

    def _all(self, own: T) -> list[T]:
        import torch.distributed as dist  # only here: one process needs no torch

        found: list[Any] = [None] * self.count
        with noticing_losses():
            dist.all_gather_object(found, own)
        return found

    def leave_together(self) -> None:
        """Wait until all have come here: the launcher ends the others as soon as one has failed, told or not."""
        if self.count > 1:
            import torch.distributed as dist

            try:
                dist.monitored_barrier(timeout=LEAVING)
            except RuntimeError:
                return  # one that is gone will not come, and this one has done what it could


ALONE = ScoringProcesses()


@contextmanager
def processes_of(environment: Mapping[str, str] = os.environ) -> Iterator[ScoringProcesses]:
    """Meet the other processes that torchrun has started, if it has. Raises LostProcessError if they do not come."""
    if int(environment.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    import torch.distributed as dist

    with noticing_losses():
        dist.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield ScoringProcesses(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


@contextmanager
def noticing_losses() -> Iterator[None]:
    """Turn what torch raises where another process is gone into LostProcessError."""
    import torch.distributed as dist

    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error).lower():
            raise
        raise LostProcessError(
            f"a process of the run is gone, or does not answer: {str(error).splitlines()[0]}",
            "see what it said, and start all of them anew",
        ) from error


def _has_no_items(case: Case) -> bool:
    if case.unsound is not None:
        return not case.unsound.value
    return case.answer is None or not case.answer.items


def _asks_at_no_place(case: Case) -> bool:
    return case.asked is not None and len(case.asked.items) not in ITEMS_WITH_A_PLACE
