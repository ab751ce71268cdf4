"""Processors, memory, shared memory and disk of this machine, against what the contest gives and a run needs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from contest.limits import RAM_BYTES, VIRTUAL_CPUS
from submission.doctor.cgroup import memory_limit, usable_cores
from submission.doctor.diagnosis import Diagnosis, gigabytes

LEAST_SHARED_MEMORY = 64 * 10**6
"""What docker gives without being asked; data-loading workers need more."""
LEAST_DISK = 2 * 10**9
"""For the answers and pictures of a test of some ten thousand samples, and the journal."""
SHARED_MEMORY_FOLDER = Path("/dev/shm")


def look_at_machine(output: Path) -> Iterator[Diagnosis]:
    """Yield a reading for each part; `output` is where a run would write."""
    yield cores(usable_cores())
    value = f"{gigabytes(free_memory())} free of {gigabytes(_total_memory())}; the contest gives {gigabytes(RAM_BYTES)}"
    yield Diagnosis("memory", value)  # whether it is enough for the weights is said with the weights
    yield shared_memory(SHARED_MEMORY_FOLDER)
    yield disk(output)


def cores(usable: float) -> Diagnosis:
    """Processors that may be used: a run starts no more threads than those."""
    value = f"{usable:g} usable of {os.cpu_count()}; the contest gives {VIRTUAL_CPUS}"
    if usable < 1:
        return Diagnosis("processors", value, "warning", "give it at least one: a run computes on it all the time")
    return Diagnosis("processors", value)


def shared_memory(folder: Path) -> Diagnosis:
    """Size of the memory that processes share."""
    if not folder.is_dir():
        return Diagnosis("shared memory", f"{folder} is not there", "warning", "mount a tmpfs there")
    total = shutil.disk_usage(folder).total
    if total <= LEAST_SHARED_MEMORY:
        remedy = "start the container with --shm-size=8g; several processes on one machine need it"
        return Diagnosis("shared memory", gigabytes(total), "warning", remedy)
    return Diagnosis("shared memory", gigabytes(total))


def disk(output: Path) -> Diagnosis:
    """Room where the answers go, and whether they may be written there."""
    place = output.resolve()
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        return Diagnosis("disk", f"{place} may not be written to", "error", "mount the output folder writable")
    free = shutil.disk_usage(place).free
    value = f"{gigabytes(free)} free at {place}"
    if free < LEAST_DISK:
        return Diagnosis("disk", value, "error", f"make room: a large test needs {gigabytes(LEAST_DISK)}")
    return Diagnosis("disk", value)


def _total_memory() -> int:
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = memory_limit()
    return physical if limit is None else min(physical, limit)


def free_memory() -> int:
    """Return the bytes of memory that are free, no more than the control group allows in all."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(free, _total_memory())
