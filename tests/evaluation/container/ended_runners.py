"""Runners that are ended from outside while a submission runs: started together, for each takes a while to begin."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.container import attempts
from tests.evaluation.container.fakes import ANSWER, LIMITS, archive, write_test

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 100.0
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)
# It leaves its own session as well: `started` names both processes once both are there.
PROGRAM = ANSWER + (
    "write(); import subprocess\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'], start_new_session=True)\n"
    "open('output/new', 'w').write(f'{os.getpid()} {child.pid}'); os.rename('output/new', 'output/started')\n"
    "time.sleep(1000)"
)


@dataclass(frozen=True)
class Ended:
    """A runner that a signal ended, and what was left: its folder, its attempt, and numbers that its submission had."""

    number: signal.Signals
    status: int
    said: str
    result: Path
    attempt: str
    processes: tuple[int, ...]


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < end, f"{what}: not after {PATIENCE_SECONDS} s"
        time.sleep(0.05)


def end_runners(engine: str, image: str, folder: Path, signals: Sequence[signal.Signals] = SIGNALS) -> list[Ended]:
    """Start a runner for each signal, and send it when the submission of each runs."""
    path = archive(folder / "submission.zip", {"run.py": PROGRAM}, image=image)
    test = write_test(folder / "test")
    (folder / "limits.json").write_text(json.dumps({**LIMITS, "seconds": 500}))
    runners = []
    for number in signals:
        command = [sys.executable, "-m", "evaluation", "run-container", path, "--engine", engine, "--input", test]
        command += ["--limits", folder / "limits.json", "--output", folder / number.name]
        command += ["--attempts", folder / f"{number.name}.db", "--team", "red"]
        runners.append(
            subprocess.Popen(
                command,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        )
    return [_ended(runner, number, folder) for runner, number in zip(runners, signals, strict=True)]


def _ended(runner: subprocess.Popen[bytes], number: signal.Signals, folder: Path) -> Ended:
    started = folder / number.name / "run/submission/output/started"
    try:
        until(lambda: started.exists() or runner.poll() is not None, "the submission runs")
        assert runner.poll() is None, runner.communicate()[0]
        processes = tuple(map(int, started.read_text().split()))
        runner.send_signal(number)
        said = runner.communicate(timeout=PATIENCE_SECONDS)[0].decode()
    finally:
        runner.kill()
        runner.wait()
    register, result = folder / f"{number.name}.db", folder / number.name
    if number is signal.SIGKILL:  # nobody is left who could wait for the end of it
        until(lambda: not (result / "run").exists(), "the folder of the run is removed")
        until(lambda: attempts.read(register)[0].fault != attempts.RUNNING, "the attempt is freed")
    (attempt,) = attempts.read(register)
    return Ended(number, runner.returncode, said, result, attempt.fault, processes)
