"""The folder of what is made of the data once and kept: made, and locked between processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from contest import atomic
from contest.console import say
from errors import reason_of
from training.tune.data.records import TrainingDataError

NAME = "cache"


def cache_folder(data: Path, chosen: str | None) -> Path:
    """Return the folder `chosen`, by default `cache` in the data folder; made if it is not there.

    Raises `TrainingDataError` for a data folder that does not exist, or a cache folder that can not be made.
    """
    if not data.is_dir():
        raise TrainingDataError(f"{data}: no such data folder", "set data.folder=FOLDER")
    folder = data / NAME if chosen is None else Path(chosen)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingDataError(
            f"{folder}: the cache folder can not be made ({reason_of(error)})", "set data.cache=FOLDER"
        ) from error
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, which one process has at a time; the others wait, and say so.

    The system lets go of it when the process ends, however it ends. Raises `TrainingDataError` where it can not be
    written.
    """
    with ExitStack() as stack:
        waiting = f"waiting for the process that fills {path.parent}"
        try:
            stack.enter_context(atomic.locked(path, on_wait=lambda: say(waiting)))
        except OSError as error:
            problem = f"{path}: can not be written ({reason_of(error)})"
            raise TrainingDataError(problem, "set data.cache=FOLDER") from error
        yield
