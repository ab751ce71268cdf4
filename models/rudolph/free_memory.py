"""How many bytes a process may still take on a device. On a CPU, a container's limit counts as the machine's memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch

# What torch says where memory ran out: its allocator for a CPU, libraries on a GPU, and NNPACK for its workspace.
OUT_OF_MEMORY = ("can't allocate memory", "ALLOC_FAILED", "posix_memalign failed")


def free_bytes(device: torch.device) -> int:
    """Bytes free on a GPU by its driver, or available to this process by the kernel and its control groups."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free
    return available_bytes()


def available_bytes(root: Path = Path("/")) -> int:
    """The smallest of what the machine has available and what every control group above this process leaves.

    `root` is the folder with `proc` and `sys`. Where there is no `proc` (not Linux), all memory counts as available.
    """
    machine = _machine_bytes(root / "proc" / "meminfo")
    return max(0, min([machine, *_group_bytes(root)]))


def _machine_bytes(meminfo: Path) -> int:
    if not meminfo.is_file():
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    values = dict(line.split(":", 1) for line in meminfo.read_text("ascii").splitlines() if ":" in line)
    return int(values["MemAvailable"].split()[0]) * 1024


def _group_bytes(root: Path) -> Iterator[int]:
    """What each control group above this process has left; version 2 has one tree, version 1 one for the memory."""
    groups, own = root / "sys" / "fs" / "cgroup", root / "proc" / "self" / "cgroup"
    if not own.is_file():
        return
    for line in own.read_text("utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2
            tree, names = groups, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            tree = groups / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        folder = tree / path.lstrip("/")
        # Inside a container the path may be the host's, which is not there; the container's own is the tree's root.
        for group in (folder, *folder.parents):
            yield from _left(group, *names)
            if group == tree:
                break


def _left(group: Path, limit_name: str, used_name: str, cached_name: str) -> Iterator[int]:
    """What one group has left, unless it has no limit. Cached files count as free: the kernel drops them when asked."""
    limit, used, statistics = group / limit_name, group / used_name, group / "memory.stat"
    if not (limit.is_file() and used.is_file() and statistics.is_file()):
        return
    most = limit.read_text("ascii").strip()
    if most == "max":
        return
    kept = dict(line.split() for line in statistics.read_text("ascii").splitlines())
    yield int(most) - int(used.read_text("ascii")) + int(kept.get(cached_name, 0))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out. Only on a GPU torch has a type of its own for that."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in OUT_OF_MEMORY)
