"""Processor time of a process and all that it started, read from Linux's /proc, and the energy that it stands for."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Collection
from pathlib import Path

CPU_METHOD = "processor time x TDP"
KWH = 3.6e6  # joules


def processor_name() -> str:
    """Return the processor's name where Linux knows it, else the machine's kind."""
    source = Path("/proc/cpuinfo")
    said = source.read_text(errors="replace") if source.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", said, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def cpu_kwh(seconds: float, watts: float) -> float:
    """Return the energy in kWh of so much processor time; `watts` is the power of all packages under full load."""
    return seconds * watts / (os.cpu_count() or 1) / KWH


def tree_seconds(pid: int, *, without: Collection[int]) -> float:
    """Return the processor time, in seconds, of a process, its ended children and its living descendants.

    `without` names descendants that do not count (a process that measures, not works). Raises OSError if the process
    does not exist.
    """
    ticks = os.sysconf("SC_CLK_TCK")
    stats = _all_stats()
    if pid not in stats:
        raise ProcessLookupError(f"there is no process {pid}")
    total, waiting = 0, [pid]
    children: dict[int, list[int]] = {}
    for child, (parent, _) in stats.items():
        children.setdefault(parent, []).append(child)
    while waiting:
        current = waiting.pop()
        if current not in without:
            total += stats[current][1]
            waiting += children.get(current, [])
    return total / ticks


def _all_stats() -> dict[int, tuple[int, int]]:
    """Return (parent, ticks) of every process; ticks hold those of children that ended and were waited for."""
    stats = {}
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            text = Path("/proc", name, "stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError, PermissionError):  # ended meanwhile, or not ours to see
            continue
        # pid (name) state parent ...: the name may hold spaces and brackets, what follows its last bracket may not.
        fields = text[text.rindex(")") + 2 :].split()
        stats[int(name)] = (int(fields[1]), sum(int(field) for field in fields[11:15]))
    return stats
