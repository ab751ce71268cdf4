"""Runs work in batches that fit into memory and loses no entry. Knows nothing of what the work or its entries are."""

from __future__ import annotations

import gc
import os
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch

Entry = TypeVar("Entry")
Result = TypeVar("Result")

MEMORY_SHARE = 0.7  # of the free memory, as an estimate of a batch's needs is one
CPU_MEMORY_SHARE = 0.25
MAX_BATCH_ON_GPU = 256
MAX_BATCH_ON_CPU = 32


@dataclass(frozen=True)
class Failure(Generic[Entry]):
    """An entry whose work failed even alone; `error` names it in one line, `trace` is the traceback."""

    entry: Entry
    error: str
    trace: str


@dataclass(frozen=True)
class Processed(Generic[Entry]):
    """What `in_batches` reports: entries that failed, and the batch size it ended with."""

    failures: list[Failure[Entry]]
    last_size: int


def in_batches(
    entries: Sequence[Entry],
    size: int,
    work: Callable[[Sequence[Entry]], Sequence[Result]],
    keep: Callable[[Entry, Result], None],
) -> Processed[Entry]:
    """Give all entries to `work`, at most `size` at once, and each result to `keep` as soon as it is there.

    A batch too large for the memory is halved, down to one entry, and later ones stay that small. A batch that fails
    otherwise is put aside; at the end its entries are tried one by one, and those that fail again are returned.
    What `keep` raises is raised.
    """
    aside: list[Entry] = []
    failures: list[Failure[Entry]] = []
    start = 0
    while start < len(entries):
        batch = entries[start : start + size]
        outcome = _attempt(work, batch)
        if isinstance(outcome, _Failed):
            if outcome.out_of_memory:
                _release_memory()
                if len(batch) > 1:
                    size = len(batch) // 2
                    continue
            aside += batch
        else:
            for entry, result in zip(batch, outcome, strict=True):
                keep(entry, result)
        start += len(batch)
    for entry in aside:
        outcome = _attempt(work, [entry])
        if isinstance(outcome, _Failed):
            failures.append(Failure(entry, outcome.error, outcome.trace))
        else:
            keep(entry, outcome[0])
    return Processed(failures, size)


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
        return _Failed(f"{type(error).__name__}: {error}", traceback.format_exc(), is_out_of_memory(error))


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


def batch_size(bytes_per_entry: int, device: torch.device) -> int:
    """Return the largest power of two of entries that the device's free memory bears, at least 1."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        budget, most = free * MEMORY_SHARE, MAX_BATCH_ON_GPU
    else:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        budget, most = free * CPU_MEMORY_SHARE, MAX_BATCH_ON_CPU
    fitting = max(1, min(most, int(budget // bytes_per_entry)))
    return 1 << (fitting.bit_length() - 1)
