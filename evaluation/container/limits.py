"""The limits that a submission runs under: the contest's, or those of one JSON file.

A file names those that are to differ, such as {"seconds": 600, "gpus": 0}; the fields of `RunLimits` are the keys.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

from contest import limits as contest
from contest.checking import described, object_of, repeated_keys
from contest.console import one_line
from contest.stand_ins import HEAD_BYTES, stand_in_of_data
from evaluation.container.errors import LimitsFileError
from evaluation.errors import some

MAX_FILE_BYTES = 1_000_000
FRACTIONS = ("seconds", "cpus", "checking", "scoring")  # the other limits are whole numbers
MOST_SECONDS, MOST_BYTES = 10**8, 10**15
MOST = {
    "seconds": MOST_SECONDS,
    "checking": MOST_SECONDS,
    "scoring": MOST_SECONDS,
    "cpus": 100_000,
    "gpus": 10_000,
    "output_files": 10**9,
    "processes": 4_194_304,  # Linux has no more numbers for them
}
"""The largest values of those limits that are no sizes in bytes."""
_EXAMPLE = 'write {"seconds": 600, ...}'


@dataclass(frozen=True, slots=True)
class RunLimits:
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
        checking: seconds that looking through what was written may take.
        scoring: seconds that scoring it may take.

    Raises ValueError for a limit that is no number above zero (`gpus` may be zero), or that no machine could keep.

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
    checking: float = contest.MAX_CHECKING_SECONDS
    scoring: float = contest.MAX_SCORING_SECONDS

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            allowed = (int, float) if field.name in FRACTIONS else (int,)
            least = 0 if field.name == "gpus" else 1e-3
            if isinstance(value, bool) or not isinstance(value, allowed) or not least <= value < float("inf"):
                raise ValueError(f"{field.name}: {_shown(value)} is no limit; a number above zero is expected")
            most = MOST.get(field.name, MOST_BYTES)
            if value > most:
                raise ValueError(f"{field.name}: {_shown(value)} is more than any machine could keep; at most {most}")


def _shown(value: object) -> str:
    """Return a value as it stands in the file, or what it is where that is long."""
    is_short = isinstance(value, float | bool) or (isinstance(value, int) and abs(value) < 10**20)
    return repr(value) if is_short or (isinstance(value, str) and len(value) <= 60) else described(value)


def read_limits(path: Path) -> RunLimits:
    """Read a limits file; what it does not name is the contest's. Raises LimitsFileError."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise LimitsFileError(f"{path} can not be read: {error.strerror}", "check the path") from error
    if len(data) > MAX_FILE_BYTES:
        raise LimitsFileError(f"{path} has more than {MAX_FILE_BYTES} bytes", _EXAMPLE)
    if (found := stand_in_of_data(data[:HEAD_BYTES])) is not None:
        raise LimitsFileError(f"{path}: {found.what}", found.remedy)
    try:
        value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=object_of)
    except UnicodeDecodeError as error:
        raise LimitsFileError(f"{path} is not JSON: byte {error.start} is not UTF-8", _EXAMPLE) from error
    except json.JSONDecodeError as error:
        raise LimitsFileError(f"{path} is not JSON: {error}", _EXAMPLE) from error
    except ValueError as error:  # Python's own bound on the digits of a number
        raise LimitsFileError(f"{path}: a number has more digits than can be read", "give a shorter one") from error
    except RecursionError as error:
        raise LimitsFileError(f"{path} is not JSON that can be read: it is nested too deeply", _EXAMPLE) from error
    known = [field.name for field in fields(RunLimits)]
    unknown = [one_line(key) for key in value if key not in known] if isinstance(value, dict) else [_kind(value)]
    if unknown:
        raise LimitsFileError(f"{path}: unknown: {some(unknown)}", f"the limits are {', '.join(known)}")
    if repeated_keys(value):
        raise LimitsFileError(f"{path}: twice: {some(repeated_keys(value))}", "name each limit once")
    try:
        return RunLimits(**value)
    except ValueError as error:
        raise LimitsFileError(f"{path}: {error}", "give a number above zero") from error


def _kind(value: object) -> str:
    return "list" if isinstance(value, list) else described(value)
