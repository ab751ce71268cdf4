"""Every way to share a training among processes, in every precision, trains, validates, saves and goes on."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.small_world import TINY
from training.__main__ import main as training
from training.tune.callbacks.csv_log import read_log
from training.tune.checkpoints import last_checkpoint

ROOT = Path(__file__).parents[2]
WAYS = [
    *(
        f"compute.parallel={parallel} compute.dtype={dtype}"
        for parallel in ("ddp", "fsdp")
        for dtype in ("bfloat16", "float16")
    ),
    "compute.parallel=ddp compute.dtype=float32",
    "compute.parallel=fsdp compute.dtype=float32",
    "compute.parallel=ddp lora.rank=2",
    "compute.parallel=hsdp lora.rank=2",
    "compute.parallel=fsdp lora.rank=2",
    "compute.parallel=fsdp lora.rank=2 compute.dtype=float32",
    "compute.parallel=ddp compute.activation_checkpointing=true",
    "compute.parallel=fsdp compute.activation_checkpointing=true",
    "compute.parallel=fsdp compute.activation_checkpointing=true compute.keep_products=true",
    "compute.parallel=ddp freeze.embeddings=true",
    "compute.parallel=fsdp freeze.embeddings=true",
    "compute.parallel=fsdp freeze.attention=true freeze.norms=true",
    "compute.parallel=ddp optim.name=adamw8bit",
    "compute.parallel=ddp lora.rank=2 optim.name=adamw8bit",
]


def free_ports(number: int) -> list[str]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [str(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def settings(root: Path, out: Path, way: str) -> str:
    run = "logging.every=1 logging.plots=false logging.tensorboard=false steps=3 validation.every=1 checkpoint.every=1"
    run += f" model.scratch={root}/ways.json optim.learning_rate=1e-3"
    return f"--config {root}/settings.yaml output={out} {run} {way}"


def folder(where: Path, way: str) -> Path:
    return where / way.replace(" ", "_")


def by_two(trainings: list[str]) -> list[str]:
    """Train by two processes; return what the first said of each training's end."""
    ports = free_ports(len(trainings))
    script = [sys.executable, "-m", "tests.training.several_trainings"]
    processes = [
        subprocess.Popen(
            [*script, rank, *ports, "--", *trainings],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in "01"
    ]
    try:
        outputs = [process.communicate(timeout=900)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], outputs[0]
    return [line for line in outputs[0].splitlines() if line.startswith("status ")]


@pytest.fixture(scope="module")
def trained(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All ways: two steps, and then, started again, the third."""
    # Without dropout, whose random numbers every process draws for itself.
    replace(TINY, attention_dropout_prob=0.0, output_dropout_prob=0.0).save(root / "ways.json")
    where = tmp_path_factory.mktemp("ways")
    trainings = [settings(root, folder(where, way), way + until) for way in WAYS for until in (" until=2", "")]
    assert by_two(trainings) == [f"status 0: {training}" for training in trainings]
    return where


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_two_processes_do_as_one(root: Path, trained: Path, way: str) -> None:
    out = folder(trained, way)
    assert (out / "rudolph" / "model.safetensors").is_file()
    kept = last_checkpoint(out)
    assert kept is not None
    assert kept.name == "step_00000003"
    ours = {(row.step, row.name): row.value for row in read_log(out / "log.csv")}
    alone = out.with_name(f"{out.name}_alone")
    assert training(["tune", *settings(root, alone, way).split()]) == 0
    theirs = {(row.step, row.name): row.value for row in read_log(alone / "log.csv")}
    near = 1e-5 if "float32" in way else 0.02  # half precision rounds the parts of a sum otherwise than the whole
    losses = [key for key in theirs if key[1] in ("loss", "validation.loss") or key[1].endswith((".left", ".image"))]
    assert {step for step, _ in losses} == {1, 2, 3}
    assert {key: ours[key] for key in losses} == pytest.approx({key: theirs[key] for key in losses}, rel=near)
