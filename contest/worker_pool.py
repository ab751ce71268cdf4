"""Streams work through worker processes that end with their parent and that a Ctrl-C at the terminal does not reach."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, TypeVar

from contest.children import end_with_parent
from contest.stop_signals import SIGNALS
from errors import UserError

Tool = TypeVar("Tool")
Task = TypeVar("Task")
Result = TypeVar("Result")

LOOK_SECONDS = 1.0  # that a result is waited for, before it is seen whether the workers are still there


class WorkerKilledError(UserError):
    """A worker process was killed from outside, most often because memory ran out."""


def in_workers(
    work: Callable[[Tool, Task], Result],
    tool: Tool,
    tasks: Iterable[Task],
    workers: int,
    *,
    waiting: int,
    if_killed: str,
    in_order: bool = True,
    set_up: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """Yield `work(tool, task)` of each task, done by worker processes.

    Args:
        work: a function that can be pickled by its name.
        tool: what it needs for every task; pickled into each worker once.
        tasks: taken as they are needed, in this process.
        workers: how many processes.
        waiting: tasks given out and not yet yielded, at most, for each worker.
        if_killed: what to do when a worker was killed from outside.
        in_order: yield in the order of the tasks, or else as they get done.
        set_up: called in each worker before its first task.

    Raises:
        WorkerKilledError: a worker is gone. Whatever `work` raises is raised here.

    Whoever closes the generator before its end has the workers killed, whatever they are at.

    """
    # Spawned, not forked: a fork of a process that has threads may hang.
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_start, initargs=(os.getpid(), work, tool, set_up)
    )
    resource_tracker.ensure_running()  # starting it lets signals through that `_signals_held` holds
    pending: list[Future[Result]] = []
    try:
        for task in tasks:
            with _signals_held():  # here the workers are started
                pending.append(pool.submit(_work, task))
            if len(pending) >= waiting * workers:
                yield _next(pool, pending, in_order)
        while pending:
            yield _next(pool, pending, in_order)
    except BrokenProcessPool as error:
        raise WorkerKilledError("a worker process was killed (out of memory?)", if_killed) from error
    except (KeyboardInterrupt, GeneratorExit):  # whoever closes the generator wants no more of it, and waits for this
        _kill_workers(pool)  # what they were at is done again
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _next(pool: ProcessPoolExecutor, pending: list[Future[Result]], in_order: bool) -> Result:
    awaited = pending[:1] if in_order else pending
    while not (done := wait(awaited, LOOK_SECONDS, FIRST_COMPLETED).done):
        if any(worker.exitcode for worker in _workers(pool)):
            _kill_workers(pool)
    future = next(iter(done))
    pending.remove(future)
    return future.result()


def _workers(pool: ProcessPoolExecutor) -> list[BaseProcess]:
    return list((pool._processes or {}).values())


def _kill_workers(pool: ProcessPoolExecutor) -> None:
    """Kill all workers, and have the pool notice that, even where one was killed in the middle of handing over a
    result: the pool would wait for the rest of it as long as any process, this one too, could still write it.
    """
    for worker in _workers(pool):
        worker.kill()
    if (results := pool._result_queue) is not None:
        results._writer.close()  # type: ignore[attr-defined]


@contextmanager
def _signals_held() -> Iterator[None]:
    """Hold the signals that ask for the end: a worker that is being started would be left without what it is to read.

    It never sees a SIGINT either: this process ends its workers, nobody else. Signals that reach another thread,
    which does not hold them, are noted and raised behind.
    """
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    in_main_thread = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in SIGNALS if in_main_thread}
    handlers = {number: handler for number, handler in handlers.items() if handler not in (signal.SIG_IGN, None)}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        for number in handlers:
            signal.signal(number, note)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for noted in came:
            signal.raise_signal(noted)


# In a worker process: what it does and with what, set when it starts.
_job: tuple[Callable[[Any, Any], Any], Any] | None = None


def _start(parent: int, work: Callable[[Any, Any], Any], tool: Any, set_up: Callable[[], None] | None) -> None:
    global _job
    signal.pthread_sigmask(signal.SIG_UNBLOCK, set(SIGNALS) - {signal.SIGINT})  # held when this process was started
    end_with_parent(parent)  # workers are started by this process's main thread, which lives as long as it does
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # one thread a worker
    if set_up is not None:
        set_up()
    _job = work, tool


def _work(task: Any) -> Any:
    assert _job is not None
    work, tool = _job
    return work(tool, task)
