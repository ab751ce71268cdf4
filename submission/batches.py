"""Work in batches that fit into memory and lose no entry."""

from __future__ import annotations

import gc
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from errors import UserError, code_of, reason_of
from models.rudolph.free_memory import is_out_of_memory
from submission.deadline import RunStatus, RunStopped

Entry = TypeVar("Entry")
Result = TypeVar("Result")


class BatchSize:
    """How many entries are worked on at once: `first` at the beginning, and `now`."""

    def __init__(self, first: int) -> None:
        self.first = self.now = first


@dataclass(frozen=True)
class Failure:
    """Why the work failed for an entry even alone: `error` names it in one line, `trace` is the traceback.

    `code` is the stable name of its kind.
    """

    error: str
    trace: str
    out_of_memory: bool = False
    code: str = ""


def process_batches(
    entries: Sequence[Entry],
    size: BatchSize,
    work: Callable[[Sequence[Entry]], Sequence[Result]],
    *,
    is_lost: Callable[[], bool] = lambda: False,
) -> Iterator[list[tuple[Entry, Result | Failure]]]:
    """Yield what `work` gives for all entries, batch by batch as soon as it is there: (entry, result or failure).

    A batch too large for the memory is halved, down to one entry, and later ones stay that small. A batch that fails
    otherwise is put aside; at the end it is tried again in halves, down to single entries, and those that fail alone
    are yielded with their failure. Where `is_lost` says, after a failure, that the device will never work again,
    nothing more is tried: the failure is yielded, then RunStopped is raised. So is what else ends `work` by RunStopped;
    entries that were not yielded by then were not reached.

    Nothing is at work while this is suspended: whoever records a batch is interrupted by nothing that `work` may be.
    """
    waiting: deque[Sequence[Entry]] = deque([entries])
    aside: list[Sequence[Entry]] = []
    first_round = True
    while waiting or aside:
        if not waiting:
            waiting.extend(part for batch in aside for part in _halves(batch))
            aside, first_round = [], False
        part = waiting.popleft()
        chosen, rest = part[: size.now], part[size.now :]
        if not len(chosen):
            continue
        if len(rest):
            waiting.appendleft(rest)
        batch = list(chosen)  # entries that are made when they are asked for are made once
        done = _attempt(work, batch)
        if not isinstance(done, Failure):
            yield list(zip(batch, done, strict=True))
            continue
        if done.out_of_memory:
            _release_memory()
            if len(batch) > 1:
                size.now = len(batch) // 2
                waiting.appendleft(chosen)
                continue
        lost = is_lost()
        if first_round and not lost:
            aside.append(chosen)
        elif len(batch) > 1 and not lost:
            waiting.extendleft(reversed(_halves(chosen)))
        else:
            yield [(batch[0], done)]
        if lost:
            raise RunStopped(RunStatus.DEVICE_LOST)


def _halves(batch: Sequence[Entry]) -> tuple[Sequence[Entry], Sequence[Entry]]:
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]


def _attempt(work: Callable[[Sequence[Entry]], Sequence[Result]], batch: Sequence[Entry]) -> Sequence[Result] | Failure:
    try:
        return work(batch)
    except Exception as error:  # whatever it is, the other samples still want their answers
        # Only texts leave: the exception's own traceback would keep the batch's tensors in memory.
        return Failure(_reason(error), traceback.format_exc(), is_out_of_memory(error), code_of(error))


def _reason(error: Exception) -> str:
    """Return why the work failed, without Python's name for it where the text says all; the trace has that too."""
    spoken = isinstance(error, ArithmeticError | RuntimeError | ValueError | OSError | UserError) and str(error)
    return reason_of(error) if spoken else f"unexpected {type(error).__name__}: {error}".removesuffix(": ")


def _release_memory() -> None:
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
