"""Runs the submission again and again in processes that are killed at random moments, and checks what each leaves.

    python -m tests.submission.killing KILLS SEED run --input ... --output ...

Each process is forked from this one, which has imported everything: so the moments fall into the work. They come after
some records and some time that chance picks. When a process finishes before its moment, the output folder is emptied
and all begins anew. At the end one process is left to finish. Says how many were killed with how much done; exits with
a status other than 0 if anything was lost.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from contest.reading import read_predictions
from submission.__main__ import main


def fork(arguments: list[str], log: Path) -> int:
    pid = os.fork()
    if pid == 0:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 2)
        os._exit(main(arguments))
    return pid


def records(output: Path) -> list[bytes]:
    """The whole lines of the journal."""
    path = output / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [line for line in lines if line.endswith(b"\n")]


def wait_for_records(output: Path, count: int, pid: int) -> None:
    """Return when the journal has so many lines, or when the process has ended; it is not reaped."""
    while len(records(output)) < count:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(0.005)


def check(output: Path, before: list[bytes], ids: list[str]) -> list[bytes]:
    """Raise AssertionError if a killed process left anything but whole files, or lost what was done before it."""
    now = records(output)
    assert now[: len(before)] == before, "a record was lost"
    done = [(record["phase"], record["id"]) for record in map(json.loads, now[1:])]
    assert len(done) == len(set(done)), "finished work was repeated"
    if (output / "predictions.json").exists():
        answers = read_predictions(output / "predictions.json")
        assert list(answers) == ids
        for answer in answers.values():
            assert answer.texts
            assert all((output / name).is_file() for name in answer.images)
    else:
        assert not now, "there are answers, but no predictions.json"
    return now


def kill_again_and_again(kills: int, seed: int, arguments: list[str]) -> None:
    source, output = (Path(arguments[arguments.index(name) + 1]) for name in ("--input", "--output"))
    ids = list(json.loads((source / "input.json").read_text(encoding="utf-8")))
    log = output.with_suffix(".log")
    started = time.monotonic()
    assert os.waitstatus_to_exitcode(os.waitpid(fork(arguments, log), 0)[1]) == 0, log.read_text()
    duration = time.monotonic() - started
    shutil.rmtree(output)

    rng = random.Random(seed)
    killed: list[int] = []
    before: list[bytes] = []
    while len(killed) < kills:
        pid = fork(arguments, log)
        # On a busy machine chance may let all fall before the first record: the last one falls behind two of them.
        least = 3 if len(killed) == kills - 1 and not any(killed) else 0
        wait_for_records(output, len(before) + max(least, rng.randint(0, 3)), pid)
        time.sleep(rng.uniform(0, duration / len(ids)))
        os.kill(pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert status in (0, -signal.SIGKILL), log.read_text()
        before = check(output, before, ids)
        if status == 0:
            shutil.rmtree(output)
            before = []
        else:
            killed.append(max(0, len(before) - 1))
    assert os.waitstatus_to_exitcode(os.waitpid(fork(arguments, log), 0)[1]) == 0, log.read_text()
    check(output, before, ids)
    print(f"killed {len(killed)} times, with this many records done: {killed}")


if __name__ == "__main__":
    kill_again_and_again(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
