"""Processors, memory, shared memory, disk and GPUs of this machine, against what the contest gives and a run needs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from contest.limits import GPU_MEMORY_BYTES, RAM_BYTES, VIRTUAL_CPUS
from submission.doctor.cgroup import memory_limit, usable_cores
from submission.doctor.reading import Reading, gigabytes

LEAST_SHARED_MEMORY = 64 * 10**6
"""What docker gives without being asked; data-loading workers need more."""
LEAST_DISK = 2 * 10**9
"""For the answers and pictures of a test of some ten thousand samples, and the journal."""
SHARED_MEMORY_FOLDER = Path("/dev/shm")


def look_at_machine(output: Path) -> Iterator[Reading]:
    """Yield a reading for each part; `output` is where a run would write."""
    yield cores(usable_cores(), os.environ)
    yield memory(_total_memory(), free_memory())
    yield shared_memory(SHARED_MEMORY_FOLDER)
    yield disk(output)
    yield from gpus()


def cores(usable: float, environment: Mapping[str, str]) -> Reading:
    """Processors that may be used, and whether torch would start more threads than that."""
    threads = environment.get("OMP_NUM_THREADS") or str(torch.get_num_threads())
    value = f"{usable:g} usable of {os.cpu_count()}, {threads} threads; the contest gives {VIRTUAL_CPUS}"
    if threads.isdigit() and int(threads) > max(1.0, usable):
        return Reading("processors", value, "warning", f"set OMP_NUM_THREADS={max(1, int(usable))}: threads would wait")
    return Reading("processors", value)


def memory(total: int, free: int) -> Reading:
    """Memory that may be used; whether it is enough for the weights is told with the weights."""
    return Reading("memory", f"{gigabytes(free)} free of {gigabytes(total)}; the contest gives {gigabytes(RAM_BYTES)}")


def shared_memory(folder: Path) -> Reading:
    """Size of the memory that processes share."""
    if not folder.is_dir():
        return Reading("shared memory", f"{folder} is not there", "warning", "mount a tmpfs there")
    total = shutil.disk_usage(folder).total
    if total <= LEAST_SHARED_MEMORY:
        remedy = "start the container with --shm-size=8g; several processes on one machine need it"
        return Reading("shared memory", gigabytes(total), "warning", remedy)
    return Reading("shared memory", gigabytes(total))


def disk(output: Path) -> Reading:
    """Room where the answers go, and whether they may be written there."""
    place = output.resolve()
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        return Reading("disk", f"{place} may not be written to", "error", "mount the output folder writable")
    free = shutil.disk_usage(place).free
    value = f"{gigabytes(free)} free at {place}"
    if free < LEAST_DISK:
        return Reading("disk", value, "error", f"make room: a large test needs {gigabytes(LEAST_DISK)}")
    return Reading("disk", value)


def gpus() -> Iterator[Reading]:
    """The driver, as far as torch can use it, and the memory of each GPU."""
    built = torch.version.cuda
    if built is None:
        yield Reading("gpu", "none usable: this torch is built for processors alone", "warning", _wheel("cu126"))
        return
    if not torch.cuda.is_available():
        remedy = f"install a driver for CUDA {built}, start the container with --gpus=1, or take an older CUDA's torch"
        yield Reading("gpu", f"torch is built for CUDA {built} and finds no usable driver or GPU", "error", remedy)
        return
    yield Reading("driver", f"CUDA {built} works")
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        value = f"{properties.name}, {gigabytes(free)} free of {gigabytes(total)}"
        architecture = f"sm_{properties.major}{properties.minor}"
        known = torch.cuda.get_arch_list()
        if not any(name.split("_")[0] in ("sm", "compute") and _runs_on(name, architecture) for name in known):
            yield Reading(
                f"gpu {index}", value, "error", f"this torch has no code for {architecture}: {_wheel('cu126')}"
            )
        elif free < total * 0.9:
            yield Reading(f"gpu {index}", value, "warning", "another process uses this GPU: end it, or expect less")
        else:
            yield Reading(f"gpu {index}", f"{value}; the contest gives {gigabytes(GPU_MEMORY_BYTES)}")


def _runs_on(built: str, architecture: str) -> bool:
    """Whether code for one architecture runs on another: of the same generation and no newer, or to be translated."""
    have, want = (int("".join(filter(str.isdigit, name))) for name in (built, architecture))
    return have <= want and (built.startswith("compute") or have // 10 == want // 10)


def _wheel(name: str) -> str:
    return f"build the image with --build-arg TORCH_INDEX=https://download.pytorch.org/whl/{name}"


def _total_memory() -> int:
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = memory_limit()
    return physical if limit is None else min(physical, limit)


def free_memory() -> int:
    """Return the bytes of memory that are free, no more than the control group allows in all."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(free, _total_memory())
