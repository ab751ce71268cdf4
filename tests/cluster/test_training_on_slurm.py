"""A training over two hosts by its template; one of them loses its power, and the training goes on with others."""

import socket
from pathlib import Path

import pytest

from tests.cluster.slurm import ask, pull_the_plug, submit, switch_on, until
from tests.training.small_world import make_small_world
from tests.training.test_distributed import arguments, read_log
from training.__main__ import main as training
from training.tune.checkpoints import read_notes

pytestmark = pytest.mark.slurm
STEPS = 120


def test_a_host_is_lost(tmp_path: Path) -> None:
    make_small_world(tmp_path)
    out, alone = tmp_path / "run", tmp_path / "alone"
    _, _, config, _, *settings = arguments(
        tmp_path, out, f"steps={STEPS}", "validation.every=120", "checkpoint.every=10"
    )
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    job = submit("train.sbatch", tmp_path, *settings, CONFIG=config, OUTPUT=out, PROCESSES=1, PORT=port)
    until(lambda: read_notes(out) or job.has_ended(), "the first checkpoint is there", job.said)
    assert not job.has_ended(), job.said()
    (task,) = job.tasks()
    first, second = ask("scontrol", "show", "hostnames", task.nodes).split()
    assert first != second
    pull_the_plug(second)
    assert not any(note.step == STEPS for note in read_notes(out).values()), "it had ended already"
    assert training(arguments(tmp_path, alone, f"steps={STEPS}", "validation.every=120")) == 0
    (task,) = job.require_done()
    switch_on(second)
    assert task.restarts >= 1
    assert job.said().count(f"step 1/{STEPS} ") == 1, "it began anew"
    assert max(note.step for note in read_notes(out).values()) == STEPS
    ours, theirs = read_log(out), read_log(alone)
    losses = [(step, "loss") for step in range(1, STEPS + 1)]
    assert [ours[key] for key in losses] == pytest.approx([theirs[key] for key in losses], rel=1e-3)
