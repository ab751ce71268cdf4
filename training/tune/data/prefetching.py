"""Batches made ahead of the step that needs them, by a thread beside the training."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from training.tune.data.batches import Batch


class Prefetched:
    """What `make` makes of steps (0-based), `ahead` of them before they are asked for; 0: each when it is asked for.

    What fails in the thread is raised where that batch is asked for.
    """

    def __init__(self, make: Callable[[int], Batch], ahead: int) -> None:
        self.make = make
        self.ahead = ahead
        self._thread = ThreadPoolExecutor(1, "batches") if ahead else None
        self._made: dict[int, Future[Batch]] = {}

    def batch(self, step: int) -> Batch:
        """Batch of a step (0-based); the next ones are begun. Steps may be asked for in any order."""
        if self._thread is None:
            return self.make(step)
        wanted = range(step, step + self.ahead + 1)
        for other in set(self._made) - set(wanted):
            self._made.pop(other).cancel()
        for other in wanted:
            if other not in self._made:
                self._made[other] = self._thread.submit(self.make, other)
        return self._made.pop(step).result()

    def close(self) -> None:
        """End the thread; begun batches are dropped."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
