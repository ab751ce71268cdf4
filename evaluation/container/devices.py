"""Which GPUs a run gets, by their ids, and a bound on runs at once on this host.

`docker run --gpus=1` always hands over device 0: two runs on one host would share it. Ids come from what the host's
batch system allotted, or else from locks, one a device; the locks are held in every case. They lie on the host itself
and the system lets go of them when a process ends.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from contest.atomic import locked
from evaluation.container.errors import HostBusyError, HostError

# Slurm counts devices of the host in its own; CUDA_VISIBLE_DEVICES counts within what its cgroup lets through, which
# docker does not know of, so it comes last.
VARIABLES = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS", "CUDA_VISIBLE_DEVICES")
SECONDS_BETWEEN_LOOKS = 1.0
_NODE = re.compile(r"nvidia(\d+)")


def allotted(environment: Mapping[str, str]) -> tuple[str, ...] | None:
    """Ids of the devices that the environment names, such as "2" or "GPU-0f3c..."; None if it names none."""
    for name in VARIABLES:
        ids = tuple(part.strip() for part in environment.get(name, "").split(",") if part.strip())
        if ids and ids != ("-1",) and "NoDevFiles" not in ids:
            return ids
    return None


def devices_of_host(folder: Path = Path("/dev")) -> tuple[str, ...]:
    """Ids of all devices of this host."""
    numbers = sorted(int(match[1]) for path in folder.glob("nvidia*") if (match := _NODE.fullmatch(path.name)))
    return tuple(map(str, numbers))


def lock_folder() -> Path:
    """The folder of this user's locks on this host. Raises OSError."""
    place = Path("/run/lock")
    base = place if os.access(place, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    folder = base / f"fbc2-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@contextmanager
def held_devices(
    count: int, given: Sequence[str] | None, environment: Mapping[str, str], folder: Path, patience: float
) -> Iterator[tuple[str, ...] | None]:
    """Hold `count` devices, which no other run of this user then gets; yield their ids.

    None where the host does not show any: then the engine has to choose.

    Args:
        count: how many.
        given: ids to choose from; None: those of the environment, or else of the host.
        environment: that of the process.
        folder: where the locks lie.
        patience: seconds to wait for a free one.

    Raises HostError if there are fewer, HostBusyError if too few get free.

    """
    ids = tuple(given) if given is not None else allotted(environment) or devices_of_host()
    if not count or not ids:
        yield None
        return
    if len(set(ids)) < count:
        raise HostError(f"a run needs {count} GPUs, and {', '.join(ids)} are here", "give more, or other limits")
    with _held("gpu", ids, count, folder, patience, f"{count} of the GPUs {', '.join(ids)}") as chosen:
        yield chosen


@contextmanager
def held_slot(most: int, folder: Path, patience: float) -> Iterator[None]:
    """Hold one of the places for runs on this host. Raises HostBusyError if none gets free."""
    with _held("run", [str(number) for number in range(most)], 1, folder, patience, f"one of {most} places for runs"):
        yield


@contextmanager
def _held(
    kind: str, ids: Sequence[str], count: int, folder: Path, patience: float, what: str
) -> Iterator[tuple[str, ...]]:
    end = time.monotonic() + patience
    while True:
        with ExitStack() as stack:
            chosen: list[str] = []
            for one in dict.fromkeys(ids):
                name = re.sub(r"[^A-Za-z0-9-]", "_", one)
                try:
                    stack.enter_context(locked(folder / f"{kind}-{name}.lock", seconds=0))
                except TimeoutError:
                    continue
                chosen.append(one)
                if len(chosen) == count:
                    yield tuple(chosen)
                    return
        if time.monotonic() >= end:
            raise HostBusyError(f"{what}: not free on this host", "wait for the other runs, or stop them")
        time.sleep(SECONDS_BETWEEN_LOOKS)
