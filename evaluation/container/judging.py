"""Work on what a stranger wrote, in a process of its own: it has a clock and a bound on memory, and can be killed.

The child is given JSON on its standard input and answers with JSON on its standard output; what it says on its standard
error is for the organisers.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from contest.children import end_with_parent

_ROOT = Path(__file__).parents[2]
_START = "import sys; sys.path.insert(0, sys.argv[1]); import importlib as i; i.import_module(sys.argv[2]).main()"


class ChildTimeoutError(Exception):
    """The child was not done within its seconds, and was killed."""


class ChildFailedError(Exception):
    """The child ended without an answer: how it ended, and what it said (`words`)."""

    def __init__(self, how: str, words: str) -> None:
        super().__init__(how)
        self.words = words


def judged(module: str, question: object, seconds: float) -> Any:
    """Have the function `main` of a module answer a question. Raises ChildTimeoutError, ChildFailedError."""
    with subprocess.Popen(
        [sys.executable, "-P", "-c", _START, str(_ROOT), module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            asked = json.dumps({"parent": os.getpid(), "question": question}).encode()
            said, words = process.communicate(asked, timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise ChildTimeoutError(f"not done after {seconds:g} s") from error
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what it started, too
    if process.returncode:
        status = process.returncode
        how = f"signal {-status} ended it" if status < 0 else f"it ended with status {status}"
        raise ChildFailedError(how, words.decode(errors="replace"))
    return json.loads(said)


def answer(function: Callable[[Any], object], memory: int | None = None) -> NoReturn:
    """In the child: answer the question with what a function makes of it, in so many bytes of memory."""
    asked = json.loads(sys.stdin.buffer.read())
    end_with_parent(asked["parent"])
    if memory is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no part of the answer
    with open(answers, "w", encoding="utf-8") as stream:
        json.dump(function(asked["question"]), stream)
    os._exit(0)
