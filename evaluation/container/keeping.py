"""Takes over what a submission wrote: plain files and folders as copies with ordinary permissions, and nothing else.

Links, devices, pipes, sockets, the bits that give privileges, owners, attributes and shared blocks stay behind.
"""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from evaluation.container.limits import RunLimits
from evaluation.container.supervision import entries

MOST_NAMED = 1000
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Kept:
    """What did not come along.

    Attributes:
        not_plain: names of the first MOST_NAMED that are neither plain files nor folders.
        unnamed: how many more there are.
        partly: whether something could not be read.
        cut: whether there was more than the limits allow.

    """

    not_plain: tuple[str, ...] = ()
    unnamed: int = 0
    partly: bool = False
    cut: bool = False


def keep_output(source: Path, target: Path, limits: RunLimits) -> Kept:
    """Copy the folder `source` to the new folder `target`, as far as the limits go.

    Raises OSError if the copies can not be written.
    """
    target.mkdir()
    not_plain: list[str] = []
    unnamed, partly = 0, False
    room, files = limits.output, limits.output_files
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            found = sorted(entries(os.path.join(source, folder)), key=lambda entry: entry.name)
        except OSError:  # no permission, or its path is too long: folders without end in each other
            partly = True
            continue
        for entry in found:
            name = os.path.join(folder, entry.name)
            files -= 1
            if files < 0:
                return Kept(tuple(not_plain), unnamed, partly, cut=True)
            if entry.is_dir(follow_symlinks=False):
                try:
                    (target / name).mkdir()
                except OSError as error:
                    if error.errno != errno.ENAMETOOLONG:
                        raise
                    partly = True
                    continue
                pending.append(name)
            elif not entry.is_file(follow_symlinks=False):
                unnamed += len(not_plain) >= MOST_NAMED
                not_plain += [name] if len(not_plain) < MOST_NAMED else []
            else:
                try:
                    descriptor = os.open(os.path.join(source, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                except OSError:
                    partly = True
                    continue
                with open(descriptor, "rb") as stream:
                    room -= os.fstat(descriptor).st_size
                    if room < 0:
                        return Kept(tuple(not_plain), unnamed, partly, cut=True)
                    with (target / name).open("xb") as copy:
                        shutil.copyfileobj(stream, copy, _CHUNK)
    return Kept(tuple(not_plain), unnamed, partly)
