"""A training over two nodes, which are two torchrun agents on the loopback interface."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from contest.children import end_with_parent
from tests.training.test_stopping import MARK, PATIENCE, heed_signals
from tests.training.test_ways_to_train import free_ports

ROOT = Path(__file__).parents[2]


def agent(mark: Path, port: str, node: int, command: Sequence[str], processes: int = 1) -> subprocess.Popen[str]:
    """Start one node of two; `mark` is in the environment of all its processes."""
    launcher = ["torch.distributed.run", "--nnodes", "2", "--nproc-per-node", str(processes), "--rdzv-id", "test"]
    launcher += ["--rdzv-backend", "c10d"]
    launcher += ["--rdzv-endpoint", f"127.0.0.1:{port}", "--signals-to-handle", "SIGTERM,SIGINT,SIGHUP,SIGUSR1"]
    return subprocess.Popen(
        [sys.executable, "-m", *launcher, "--local-addr", "127.0.0.1", "-m", "training", *command],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", MARK: str(mark / f"node{node}")},
        preexec_fn=partial(_prepare, os.getpid()),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _prepare(parent: int) -> None:
    heed_signals()
    end_with_parent(parent)


def processes_of(mark: Path, node: int) -> list[int]:
    """All processes of a node: its agent, and those that train, which are in sessions of their own."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark / f'node{node}'}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:  # it has just ended
            continue
    return found


@contextmanager
def two_nodes(
    mark: Path, command: Sequence[str], processes: int = 1, second: Sequence[str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], subprocess.Popen[str]]]:
    """Start both nodes; the second one with another command, if one is given. They are gone at the end."""
    (port,) = free_ports(1)
    nodes = (agent(mark, port, 0, command, processes), agent(mark, port, 1, second or command, processes))
    try:
        yield nodes
    finally:
        for node in nodes:
            if node.poll() is None:
                node.send_signal(signal.SIGKILL)  # its processes end with it
                node.communicate(timeout=PATIENCE)


def said(node: subprocess.Popen[str]) -> str:
    """What a node said, once it has ended."""
    return node.communicate(timeout=PATIENCE)[0]


def by_two_nodes(mark: Path, command: Sequence[str], processes: int = 1) -> list[str]:
    """Train, and return what each node said; both must end well."""
    with two_nodes(mark, command, processes) as nodes:
        words = [said(node) for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], "\n".join(words)
    return words
