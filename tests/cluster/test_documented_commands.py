"""What docs/many_hosts.md says to type, typed: whole blocks, but for where the shared folder and Python lie."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.__main__ import main as data_prep
from evaluation.container import attempts
from tests.cluster.slurm import ROOT, Job, ask, submitting, until
from tests.data_prep.test_pipeline import question
from tests.evaluation.container.fakes import ANSWER, archive, write_test
from tests.evaluation.queue.test_processes import DOCKER
from tests.training.small_world import SETTINGS, make_small_world
from training.tune.checkpoints import read_notes

pytestmark = pytest.mark.slurm
PAGE = ROOT / "docs" / "many_hosts.md"


def block(beginning: str) -> str:
    """The commands that follow the line of the page that begins so."""
    lines = PAGE.read_text("utf-8").split(f"\n{beginning}", 1)[1].split("\n")[2:]
    end = next(number for number, line in enumerate(lines) if not line.startswith("    "))
    assert end > 3, "no block follows"
    return "\n".join(line.removeprefix("    ") for line in lines[:end])


def typed(commands: str, folder: Path, **environment: object) -> tuple[str, list[Job]]:
    """Type commands in a checkout below `folder`, where `shared` is the shared folder; what they said, and the jobs."""
    checkout = folder / "checkout"
    checkout.mkdir(exist_ok=True)
    for path in ROOT.iterdir():
        if not path.name.startswith(".") and not (checkout / path.name).exists():
            (checkout / path.name).symlink_to(path)
    commands = commands.replace("/shared/", f"{folder}/shared/").replace("$PWD/.venv/bin/python", sys.executable)
    before = numbers()
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=checkout, env=submitting(**environment), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, [Job(number, checkout) for number in sorted(numbers() - before, key=int)]


def numbers() -> set[str]:
    return set(ask("squeue", "--noheader", "--states=all", "--format=%F").split())


def test_a_participant(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    make_small_world(shared / "small")
    shutil.move(shared / "small" / "world", shared / "data")
    shutil.rmtree(shared / "data" / "textqa")  # that is what is converted
    (shared / "train.json").write_text(json.dumps([question(i) for i in range(600)]))
    settings = SETTINGS.format(root=shared / "small").replace(f"{shared}/small/world", f"{shared}/data")
    (shared / "settings.yaml").write_text(settings.replace(f"{shared}/small/run", f"{shared}/nowhere"))
    (shared / "weights").symlink_to(ROOT / "weights")
    (shared / "input").mkdir()
    asked = {str(i): [{"type": "text", "content": f"Сколько будет 2 + {i}?"}] for i in range(8)}
    (shared / "input" / "input.json").write_text(json.dumps(asked, ensure_ascii=False), "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    _, jobs = typed(block("A **participant**"), tmp_path, PROCESSES=1, PORT=port)
    assert len(jobs) == 7
    for job in jobs:
        job.require_done()
    assert data_prep(["sberquad", str(shared / "train.json"), "--output", str(tmp_path / "alone")]) == 0
    for path in (tmp_path / "alone" / "textqa").glob("*.json"):
        assert (shared / "data" / "textqa" / path.name).read_bytes() == path.read_bytes()
    assert max(note.step for note in read_notes(shared / "run").values()) == 4
    assert "step 4/4 " in jobs[4].said(), jobs[4].said()
    assert json.loads((shared / "output" / "predictions.json").read_text("utf-8")).keys() == asked.keys()


def test_an_organiser(tmp_path: Path) -> None:
    """Docker is a stand-in, which notes what it is asked, and ends each run when two were asked for at once."""
    shared, tools = tmp_path / "shared", tmp_path / "bin"
    write_test(shared / "test")
    (shared / "assets").mkdir()
    (tmp_path / "checkout").mkdir()
    archive(tmp_path / "checkout" / "red.zip", {"run.py": ANSWER}, image="team/image:1")
    tools.mkdir()
    (tools / "docker").write_text(DOCKER)
    (tools / "docker").chmod(0o755)
    (tools / "asked.before").touch()
    said, jobs = typed(block("An **organiser**"), tmp_path, PATH=f"{tools}:{os.environ['PATH']}", PLACE=tools)
    (workers,) = jobs
    assert "1 verdicts entered in attempts.db; 0 submissions wait or run" in said
    assert "1 collected; " in said
    assert [one.team for one in attempts.read(tmp_path / "checkout" / "attempts.db")] == ["red"]
    asked = [path.read_text().splitlines() for path in tools.glob("asked.*")]
    assert [word for words in asked for word in words if word.startswith("--gpus")] == ['--gpus="device=0"']
    ask("scancel", workers.number)
    until(workers.has_ended, "the workers end", workers.said)
    assert {task.state for task in workers.tasks()} == {"CANCELLED"}
