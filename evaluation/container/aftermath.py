"""What happens when the runner itself is killed: a second process notices, and clears away what the runner left.

It holds the other end of a pipe. Told that all is done, it goes; if the pipe closes without that, the runner is
gone: it removes the run's container and volume, its folder, and frees its place in the register of attempts.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from evaluation.container import attempts
from evaluation.container.container_engine import remove_run
from evaluation.container.errors import AttemptsError
from evaluation.container.removing import remove_tree

_ROOT = Path(__file__).parents[2]
_START = "import sys; sys.path.insert(0, sys.argv[1]); from evaluation.container.aftermath import main; main()"
DONE = b"done\n"
ROUNDS, PAUSE_SECONDS = 4, 1.0  # an engine may still be making the container that it was asked for


@dataclass(frozen=True, slots=True)
class Aftermath:
    """The process that waits; a context whose orderly end tells it to go.

    `register` and `number` name an attempt, if there is one; `engine` is docker or podman, or None without containers.
    """

    process: subprocess.Popen[bytes]

    @classmethod
    def of(
        cls,
        work: Path,
        engine: str | None,
        *,
        keep: bool = False,
        register: Path | None = None,
        number: int | None = None,
    ) -> Aftermath:
        """Start it, for the folder that a run works in."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, str(_ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert process.stdin is not None
        place = None if register is None else str(register.resolve())
        order = {"work": str(work), "engine": engine, "keep": keep, "register": place, "number": number}
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        return cls(process)

    def dismiss(self) -> None:
        """All is cleared away: it has nothing to do."""
        assert self.process.stdin is not None
        with suppress(OSError):  # it was killed, and is not needed
            self.process.stdin.write(DONE)
        with suppress(OSError):
            self.process.stdin.close()
        self.process.wait()


def main() -> NoReturn:
    """Run as the process that waits."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # what ends the runner shall not end this
    order = json.loads(sys.stdin.buffer.readline())
    if sys.stdin.buffer.readline() != DONE:
        if order["register"] is not None:
            with suppress(AttemptsError):  # it has its verdict already
                attempts.drop(Path(order["register"]), order["number"])
        clear_away(Path(order["work"]), order["engine"], keep=order["keep"])
    sys.exit()


def clear_away(work: Path, engine: str | None, *, keep: bool) -> None:
    """Remove the containers of a run, and its folder, several times: what was being made may come late."""
    for left in reversed(range(ROUNDS)):
        if engine is not None:
            remove_run(engine, work)
        if not keep:
            remove_tree(work)
        if left:
            time.sleep(PAUSE_SECONDS)
