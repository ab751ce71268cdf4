"""How much of the machine this process may use: its control group, version 1 or 2.

A container sees all processors and all memory of its host in /proc; what it may use stands in its control group. All
groups from the process's own up to the root bound it, so the smallest bound counts.
Files as described in the kernel's cgroup-v1 (memory.rst, sched-bwc.rst) and cgroup-v2.rst.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_UNLIMITED_V1 = 1 << 62  # version 1 has a huge number where version 2 says "max"


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Return the processors that the group may use, as a share of time; None if it may use all."""
    quotas = []
    for folder in _folders(root, "cpu"):
        quota = _text(folder / "cpu.max").split()
        if not quota:
            quota = [_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")]
        if len(quota) == 2 and all(part.isdigit() for part in quota) and int(quota[1]) > 0:
            quotas.append(int(quota[0]) / int(quota[1]))
    return min(quotas, default=None)


def memory_limit(root: Path = Path("/")) -> int | None:
    """Return the bytes of memory that the group may use; None if it may use all."""
    limits = []
    for folder in _folders(root, "memory"):
        limit = _text(folder / "memory.max") or _text(folder / "memory.limit_in_bytes")
        if limit.isdigit() and int(limit) < _UNLIMITED_V1:
            limits.append(int(limit))
    return min(limits, default=None)


def usable_cores(root: Path = Path("/")) -> float:
    """Return the processors that this process may use: its affinity, bounded by its group's share of time."""
    allowed = len(os.sched_getaffinity(0))
    quota = cpu_quota(root)
    return float(allowed) if quota is None else min(float(allowed), quota)


def useful_threads(wanted: int, root: Path = Path("/")) -> int:
    """Return how many threads to use of those that are wanted: as many as can run at once, and at least one."""
    return min(wanted, max(1, int(usable_cores(root))))


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's group and of those above it, where the controller is mounted.

    In a container the path that /proc names may not exist, as the group itself is mounted at the top.
    """
    mounts = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            tops = [mounts, mounts / "unified"]
        elif controller in controllers.split(","):
            tops = [mounts / controllers, mounts / controller]
        else:
            continue
        for top in tops:
            relative = PurePosixPath(path.lstrip("/"))
            yield from (top / part for part in (relative, *relative.parents))


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
