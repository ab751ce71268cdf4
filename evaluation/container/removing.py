"""Removes a folder that a stranger filled, whatever is mounted in it and however deep it goes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

TOOL_SECONDS = 120
_OCTAL = re.compile(rb"\\([0-7]{3})")  # how the kernel writes spaces and the like in its table of mounts


def remove_tree(folder: Path) -> None:
    """Remove a folder as well as that goes; one that is not there is fine."""
    unmount_below(folder)
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:  # Python goes down one call a folder, rm does not
        subprocess.run(["rm", "-rf", "--", folder], capture_output=True, check=False)


def unmount_below(folder: Path) -> None:
    """Unmount whatever is mounted below a folder, the last first; one that is in use goes as soon as it is not."""
    for place in reversed(_mounts_below(folder)):
        for how in (["umount", "--"], ["umount", "--lazy", "--"]):
            if not subprocess.run([*how, place], capture_output=True, timeout=TOOL_SECONDS, check=False).returncode:
                break


def _mounts_below(folder: Path) -> list[bytes]:
    try:
        table = Path("/proc/self/mountinfo").read_bytes()
    except OSError:  # no Linux, and so no mount of ours
        return []
    beginning = os.fsencode(folder) + b"/"
    places = [_OCTAL.sub(lambda found: bytes([int(found[1], 8)]), line.split()[4]) for line in table.splitlines()]
    return [place for place in places if place.startswith(beginning)]
