"""The limits that a submission runs under: the contest's, or those of one JSON file. Knows not how they are kept.

A file names those that are to differ, such as {"seconds": 600, "gpus": 0}; the fields of `Limits` are the keys.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

from contest import limits as contest
from evaluation.container.errors import BadLimits


@dataclass(frozen=True, slots=True)
class Limits:
    """What a submission may use. Sizes are in bytes. The network is not here: there is none.

    Attributes:
        seconds: wall clock, from the start of the container to its end.
        cpus: processors, as a share of time.
        memory: RAM, with nothing swapped; shared memory and /tmp are part of it.
        gpus: graphics processors handed to the container.
        archive: of the archive, packed and (separately) unpacked.
        image: of the container's image.
        output: of all files written to ./output together.
        output_files: number of files and folders in ./output.
        log: of what is kept of the standard output and error; the middle of a longer one is left out.
        shared_memory: of /dev/shm.
        temporary: of /tmp.
        processes: processes and threads at one time.

    Raises ValueError for a limit that is no number above zero (`gpus` may be zero).

    """

    seconds: float = contest.MAX_WALL_CLOCK_SECONDS
    cpus: float = contest.VIRTUAL_CPUS
    memory: int = contest.RAM_BYTES
    gpus: int = contest.GPU_COUNT
    archive: int = contest.MAX_ARCHIVE_BYTES
    image: int = contest.MAX_DOCKER_IMAGE_BYTES
    output: int = contest.MAX_OUTPUT_BYTES
    output_files: int = contest.MAX_OUTPUT_FILES
    log: int = contest.MAX_LOG_BYTES
    shared_memory: int = contest.SHARED_MEMORY_BYTES
    temporary: int = contest.TEMPORARY_BYTES
    processes: int = contest.MAX_PROCESSES

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            allowed = (int, float) if field.name in ("seconds", "cpus") else (int,)
            least = 0 if field.name == "gpus" else 1e-3
            if isinstance(value, bool) or not isinstance(value, allowed) or not least <= value < float("inf"):
                raise ValueError(f"{field.name}: {value!r} is no limit; a number above zero is expected")


def read_limits(path: Path) -> Limits:
    """Read a limits file; what it does not name is the contest's. Raises BadLimits."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadLimits(f"{path} can not be read: {error.strerror}", "check the path") from error
    except (ValueError, RecursionError) as error:
        raise BadLimits(f"{path} is not JSON: {error}", 'write {"seconds": 600, ...}') from error
    known = [field.name for field in fields(Limits)]
    unknown = [key for key in value if key not in known] if isinstance(value, dict) else [type(value).__name__]
    if unknown:
        raise BadLimits(f"{path}: unknown: {', '.join(unknown)}", f"the limits are {', '.join(known)}")
    try:
        return Limits(**value)
    except ValueError as error:
        raise BadLimits(f"{path}: {error}", "give a number above zero") from error
