"""A training over two nodes makes the steps of one process, goes on with another number of nodes, and ends in order."""

import os
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.small_world import TINY
from tests.training.test_distributed import arguments, assert_same_curve, by_processes, read_log
from tests.training.test_distributed import one_process as one_process
from tests.training.test_stopping import alive, trains, wait_for
from tests.training.two_nodes import by_two_nodes, processes_of, said, two_nodes
from training.__main__ import main as training
from training.tune.checkpoints import read_notes


def test_two_nodes_by_hsdp_then_one_process(root: Path, one_process: Path) -> None:
    out = root / "hsdp_then_one"
    by_two_nodes(out, arguments(root, out, "compute.parallel=hsdp", "until=2"))
    assert [note.step for note in read_notes(out).values()] == [2]
    assert training(arguments(root, out)) == 0
    assert_same_curve(out, one_process)


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["hsdp", "fsdp", "ddp"])
def test_two_nodes_then_one_then_two(root: Path, one_process: Path, parallel: str) -> None:
    """Two processes a node: each node has all weights, each process half of them."""
    out = root / f"two_one_two_{parallel}"
    run = arguments(root, out, f"compute.parallel={parallel}", "checkpoint.every=1")
    by_two_nodes(out, [*run, "until=1"], processes=2)
    ended = by_processes(2, [*run, "until=3"])
    assert ended.returncode == 0, ended.stderr
    words = by_two_nodes(out, run, processes=2)
    assert sum(word.count("trained weights:") for word in words) == 1
    assert_same_curve(out, one_process)
    assert [note.step for note in read_notes(out).values()] == [3, 4]


@pytest.mark.slow
def test_log_and_co2_by_node(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One measurement a node, not one a process; and of each node, what it holds and how long it waits."""
    out = tmp_path / "run"
    measured = ("emissions.file=emissions.csv", "emissions.tdp_watts=100", "emissions.period=0.2")
    run = arguments(root, out, "compute.parallel=hsdp", "steps=30", "validation.every=30", "checkpoint.every=30")
    words = by_two_nodes(tmp_path, [*run, *measured], processes=2)
    assert sorted(path.name for path in out.glob("emissions*.csv")) == ["emissions.csv", "emissions.node1.csv"]
    assert all(len((out / name).read_text().splitlines()) == 2 for name in ("emissions.csv", "emissions.node1.csv"))
    assert sorted(path.name for path in out.glob("co2*")) == [
        "co2.csv", "co2.node1.csv", "co2_run.json", "co2_run.node1.json",
    ]  # fmt: skip
    assert sorted(word.count("emissions measured: ") for word in words) == [1, 1]
    names = {name for _, name in read_log(out)}
    expected = {f"node{node}_{what}" for node in (0, 1) for what in ("wait_seconds", "peak_rss_gib")}
    assert {name for name in names if name.startswith("node")} == expected
    capsys.readouterr()
    assert training(["co2-report", str(out)]) == 0
    captured = capsys.readouterr()
    assert re.search(r"^node 0 \(.+\): [\d.e-]+ g CO2 in 1 session$", captured.out, re.MULTILINE)
    assert re.search(r"^node 1 \(.+\): [\d.e-]+ g CO2 in 1 session$", captured.out, re.MULTILINE)
    assert re.search(r"^all 2 nodes: [\d.e-]+ g CO2$", captured.out, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_by_hsdp(root: Path, tmp_path: Path, dtype: str) -> None:
    out, alone = tmp_path / "run", tmp_path / "alone"
    by_two_nodes(out, arguments(root, out, "compute.parallel=hsdp", f"compute.dtype={dtype}"), processes=2)
    assert training(arguments(root, alone, f"compute.dtype={dtype}")) == 0
    ours, theirs = read_log(out), read_log(alone)
    losses = [key for key in theirs if key[1] == "loss"]
    assert {key: ours[key] for key in losses} == pytest.approx({key: theirs[key] for key in losses}, rel=0.02)


def endless(root: Path, out: Path, *overrides: str) -> list[str]:
    run = ("compute.parallel=hsdp", "steps=100000", "checkpoint.every=5", "validation.every=100000")
    return arguments(root, out, *run, "logging.tensorboard=false", *overrides)


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1])
def test_lost_node_ends_the_other_and_the_same_command_goes_on(root: Path, tmp_path: Path, lost: int) -> None:
    """Node 0 also keeps the rendezvous of both."""
    out = tmp_path / "run"
    with two_nodes(tmp_path, endless(root, out)) as nodes:
        wait_for(lambda: trains(out), nodes[0])
        os.killpg(nodes[lost].pid, signal.SIGKILL)
        words = said(nodes[1 - lost])
    assert nodes[1 - lost].returncode == 1
    told = [line for line in words.splitlines() if line.startswith("training tune: another process of this run")]
    assert told == [f"{LOST}; the last checkpoint is intact"]
    wait_for(lambda: not alive(tmp_path / "node0") and not alive(tmp_path / "node1"))
    kept = max(note.step for note in read_notes(out).values())
    by_two_nodes(tmp_path, endless(root, out, f"until={kept + 1}"))
    assert max(note.step for note in read_notes(out).values()) == kept + 1
    steps = [step for step, name in read_log(out) if name == "loss"]
    assert steps == list(range(1, kept + 2))


LOST = "training tune: another process of this run has ended; the reason is among what that one said"


@pytest.mark.slow
def test_node_that_hangs_is_given_up_after_the_timeout(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with two_nodes(tmp_path, endless(root, out, "compute.timeout=5")) as nodes:
        wait_for(lambda: trains(out), nodes[0])
        for process in processes_of(tmp_path, 1):
            os.kill(process, signal.SIGSTOP)
        words = said(nodes[0])
    assert nodes[0].returncode == 1
    assert (
        "did not answer within compute.timeout: it hangs, or its node is gone; the last checkpoint is intact" in words
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_node_that_is_told_of_the_end_leaves_a_checkpoint(root: Path, tmp_path: Path, number: signal.Signals) -> None:
    """One node is told, and both end behind the same step."""
    out = tmp_path / "run"
    with two_nodes(tmp_path, endless(root, out, "checkpoint.every=100000")) as nodes:
        wait_for(lambda: trains(out), nodes[0])
        nodes[1].send_signal(number)
        words = "".join(said(node) for node in nodes)
    assert [node.returncode != 0 for node in nodes] == [True, True]
    (note,) = read_notes(out).values()
    assert note.value is None
    assert f"stopped behind step {note.step}, with a checkpoint: the same command goes on" in words
    assert f"exitcode  : {128 + number}" in words  # of the processes, told by the agent that had no signal
    steps = [step for step, name in read_log(out) if name == "loss"]
    assert steps == list(range(1, note.step + 1))
    by_two_nodes(tmp_path, endless(root, out, "checkpoint.every=100000", f"until={note.step + 1}"))
    assert [step for step, name in read_log(out) if name == "loss"] == [*steps, note.step + 1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("optim.clip=2", "in optim.clip; start the same code with the same settings on all nodes"),
        ("output={other}", "is another folder on node 1"),
        ("data.folder={other}", "in data of captioning; give all nodes the same data and weights"),
        ("model.scratch={other}/wider.json", "in weights to start from"),
    ],
)
def test_node_that_does_otherwise_is_named(root: Path, tmp_path: Path, setting: str, named: str) -> None:
    out, other = tmp_path / "run", tmp_path / "other"
    command = arguments(root, out, "compute.parallel=hsdp")
    different = [*command, setting.format(other=other)]
    if "data.folder" in setting:
        shutil.copytree(root / "world", other, ignore=shutil.ignore_patterns("cache"))
        answers = other / "captioning" / "captioning_train_answer.json"
        answers.write_text(answers.read_text("utf-8").replace("красный", "рыжий"), "utf-8")
    else:
        other.mkdir()
        replace(TINY, init_method_std=0.2, attention_dropout_prob=0.0, output_dropout_prob=0.0).save(
            other / "wider.json"
        )
    with two_nodes(tmp_path, command, second=different) as nodes:
        words = [said(node) for node in nodes]
    assert [node.returncode for node in nodes] == [1, 1]
    assert all("training tune: error" in word for word in words), words
    assert all(named.replace("node 1", "node ") in word for word in words), words
    assert not read_notes(out)
