"""How a process that torchrun started ends."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def exit_process(status: int) -> NoReturn:
    """End the process with an exit status; under torchrun at once, with what was printed flushed.

    A worker's process group has threads of C++. They are told to stop, but one that is late while the interpreter
    takes itself apart aborts the process ("terminate called without an active exception"), and torchrun then calls a
    run failed that had finished. By now all files are closed, and there is nothing left to take apart.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        sys.exit(status)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
