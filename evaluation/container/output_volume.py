"""A file system of bounded size for what a submission writes, where the runner is root and Linux has what it takes.

It lies in a file whose room on the host's disk is taken in advance, so that a submission fills its own and never the
host's: sparse files, room that is reserved beyond a file's end, files that were removed and are still open, and
attributes all count. Nothing in it gains privileges: no setuid, no devices.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from evaluation.container.limits import RunLimits

TOOLS = ("mkfs.ext4", "mount", "umount", "fallocate")
IMAGE_NAME = "output.ext4"
OPTIONS = "nosuid,nodev"
TOOL_SECONDS = 120
BLOCK, INODE_BYTES = 4096, 256
SPARE_FILES, SPARE_BYTES = 1024, 16 * 2**20  # beyond the limits, so that passing them is seen before all is full
LEAST_BYTES = 8 * 2**20


class NoVolumeError(Exception):
    """This host can not give the output a file system of its own; the text says why."""


def make_output_volume(folder: Path, image: Path, limits: RunLimits, owner: int) -> str:
    """Mount a new file system at the empty `folder`, for a user `owner`; it is gone when it is unmounted.

    Returns its block device, for an engine that mounts it in its own namespace.

    It has the size of the limits, or what a third of the free disk holds (the rest is for a copy, and for others).
    Raises NoVolumeError.
    """
    if os.getuid() != 0:
        raise NoVolumeError("only root can mount")
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise NoVolumeError(f"{', '.join(missing)} can not be found")
    free = shutil.disk_usage(image.parent).free
    files = limits.output_files + SPARE_FILES
    size = min(limits.output + limits.output // 20 + files * INODE_BYTES + SPARE_BYTES, free // 3) // BLOCK * BLOCK
    if size < LEAST_BYTES:
        raise NoVolumeError("the disk has no room for it")
    try:
        _tool("fallocate", "--length", str(size), str(image))
        # Without a journal, which would take room; the blocks of the file stay taken ("nodiscard").
        inodes = str(min(files, size // BLOCK))
        _tool("mkfs.ext4", "-q", "-F", "-m0", "-O^has_journal", "-Enodiscard", f"-b{BLOCK}", "-N", inodes, str(image))
        _tool("mount", "-o", f"loop,{OPTIONS}", str(image), str(folder))
    except NoVolumeError:
        image.unlink(missing_ok=True)
        raise
    (folder / "lost+found").rmdir()
    os.chown(folder, owner, owner)
    number = os.stat(folder).st_dev
    device = os.path.basename(os.path.realpath(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}"))
    return f"/dev/{device}"


def _tool(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise NoVolumeError(f"{command[0]} does not come back") from error
    if done.returncode:
        raise NoVolumeError(f"{command[0]}: {' '.join(done.stderr.split()) or f'exit status {done.returncode}'}")
