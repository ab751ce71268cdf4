"""Names a process so that another one can tell later whether it is gone, even when its number was given away again."""

from __future__ import annotations

import os
from pathlib import Path


def this_process() -> str:
    """Return a name for this process: boot of the machine, namespace, number, and the moment it started."""
    return "/".join((*_machine(), str(os.getpid()), _start(os.getpid()) or "?"))


def is_gone(name: str) -> bool:
    """Whether a process is gone for certain; one of another machine or namespace can not be looked at."""
    parts = name.split("/")
    if len(parts) != 4 or not parts[2].isdecimal():
        return False
    here = _machine()
    return "?" not in here and tuple(parts[:2]) == here and _start(int(parts[2])) != parts[3]


def _machine() -> tuple[str, str]:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return boot, str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:  # no Linux
        return "?", "?"


def _start(process: int) -> str | None:
    """Moment at which a process started, in the kernel's ticks; None if there is none of that number."""
    try:
        told = Path("/proc", str(process), "stat").read_bytes()
    except OSError:
        return None
    fields = told.rpartition(b")")[2].split()
    return None if fields[0] in (b"Z", b"X") else fields[19].decode()
