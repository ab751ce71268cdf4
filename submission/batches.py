"""Runs work in batches that fit into memory and loses no entry. Knows nothing of what the work or its entries are."""

from __future__ import annotations

import gc
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch

from errors import UserError, reason_of
from submission.deadline import Ending, Stopped

Entry = TypeVar("Entry")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Failure(Generic[Entry]):
    """An entry whose work failed even alone; `error` names it in one line, `trace` is the traceback."""

    entry: Entry
    error: str
    trace: str


@dataclass(frozen=True)
class Processed(Generic[Entry]):
    """What `in_batches` reports: entries that failed, the batch size it ended with, and why it ended early if it did.

    Entries that were neither kept nor failed were not reached.
    """

    failures: list[Failure[Entry]]
    last_size: int
    stopped: Ending | None = None


def in_batches(
    entries: Sequence[Entry],
    size: int,
    work: Callable[[Sequence[Entry]], Sequence[Result]],
    keep: Callable[[Entry, Result], None],
    *,
    after_batch: Callable[[], None] = lambda: None,
    is_lost: Callable[[], bool] = lambda: False,
) -> Processed[Entry]:
    """Give all entries to `work`, at most `size` at once, and each result to `keep` as soon as it is there.

    A batch too large for the memory is halved, down to one entry, and later ones stay that small. A batch that fails
    otherwise is put aside; at the end it is tried again in halves, down to single entries, and those that fail alone
    are returned. Where `is_lost` says, after a failure, that the device will never work again, nothing more is tried.
    `after_batch` is called when a batch's results are kept. Stopped ends the work, wherever it is raised; what `keep`
    and `after_batch` raise otherwise is raised.
    """
    failures: list[Failure[Entry]] = []
    waiting: deque[Sequence[Entry]] = deque([entries])
    aside: list[Sequence[Entry]] = []
    first_round = True
    try:
        while waiting or aside:
            if not waiting:
                waiting.extend(part for batch in aside for part in _halves(batch))
                aside, first_round = [], False
            part = waiting.popleft()
            batch, rest = part[:size], part[size:]
            if not len(batch):
                continue
            if len(rest):
                waiting.appendleft(rest)
            outcome = _attempt(work, batch)
            if not isinstance(outcome, _Failed):
                for entry, result in zip(batch, outcome, strict=True):
                    keep(entry, result)
                after_batch()
                continue
            if outcome.out_of_memory:
                _release_memory()
                if len(batch) > 1:
                    size = len(batch) // 2
                    waiting.appendleft(batch)
                    continue
            lost = is_lost()
            if first_round and not lost:
                aside.append(batch)
            elif len(batch) > 1 and not lost:
                waiting.extendleft(reversed(_halves(batch)))
            else:
                failures.append(Failure(batch[0], outcome.error, outcome.trace))
            if lost:
                raise Stopped(Ending.DEVICE_LOST)
    except Stopped as stopped:
        return Processed(failures, size, stopped.ending)
    return Processed(failures, size)


def _halves(batch: Sequence[Entry]) -> tuple[Sequence[Entry], Sequence[Entry]]:
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]


@dataclass(frozen=True)
class _Failed:
    error: str
    trace: str
    out_of_memory: bool


def _attempt(work: Callable[[Sequence[Entry]], Sequence[Result]], batch: Sequence[Entry]) -> Sequence[Result] | _Failed:
    try:
        return work(batch)
    except Exception as error:  # whatever it is, the other samples still want their answers
        # Only texts leave: the exception's own traceback would keep the batch's tensors in memory.
        return _Failed(_reason(error), traceback.format_exc(), is_out_of_memory(error))


def _reason(error: Exception) -> str:
    """Return why the work failed, without Python's name for it where the text says all; the trace has that too."""
    spoken = isinstance(error, ArithmeticError | RuntimeError | ValueError | OSError | UserError) and str(error)
    return reason_of(error) if spoken else f"unexpected {type(error).__name__}: {error}".removesuffix(": ")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out. Only on a GPU torch has a type of its own for that."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and ("can't allocate memory" in said or "ALLOC_FAILED" in said)


def _release_memory() -> None:
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
