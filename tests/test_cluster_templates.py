"""The templates for Slurm and Kubernetes do what they say: run as they stand, with what Slurm would set."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from data_prep.__main__ import main as data_prep
from evaluation.queue.spool import DONE, Spool
from tests.data_prep.conversions import write_lines
from tests.data_prep.test_pipeline import question
from tests.evaluation.container.fakes import ANSWER, LIMITS, archive, write_test

ROOT = Path(__file__).parents[1]
SLURM = ROOT / "docker" / "slurm"
TEMPLATES = sorted(path.name for path in SLURM.glob("*.sbatch"))
PATIENCE_SECONDS = 120.0


def started(folder, template, *arguments, task=0, count=2, **environment):
    """Start a template as a task of an array; `scontrol` notes what it is asked."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "scontrol").write_text('#!/bin/sh\necho "$@" >> "$ASKED"\n')
    (folder / "bin" / "scontrol").chmod(0o755)
    array = {"ID": task, "COUNT": count, "MIN": 0, "MAX": count - 1, "STEP": 1}
    slurm = {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in array.items()}
    return subprocess.Popen(
        ["bash", SLURM / template, *map(str, arguments)],
        cwd=folder,
        env={
            **os.environ, "OMP_NUM_THREADS": "1", "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHON": sys.executable,
            "FBC2": str(ROOT), "ASKED": str(folder / "asked"), "SLURM_JOB_ID": "71", "SLURM_ARRAY_JOB_ID": "70",
            **slurm, **{name: str(value) for name, value in environment.items()},
        },
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def run(*arguments, **options):
    process = started(*arguments, **options)
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, said


@pytest.mark.parametrize("template", TEMPLATES)
def test_each_goes_on_by_itself(template):
    text = (SLURM / template).read_text()
    options = re.findall(r"^#SBATCH (\S+?)(?:=(\S+))?$", text, re.MULTILINE)
    assert {"--requeue", "--signal", "--array", "--open-mode", "--time"} <= {name for name, _ in options}
    assert ("--signal", "B:TERM@120") in options
    assert subprocess.run(["bash", "-n", SLURM / template], check=False).returncode == 0
    assert template in (ROOT / "docs" / "many_hosts.md").read_text()


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_is_missing_is_named(tmp_path, template):
    status, said = run(tmp_path, template, FBC2="")
    assert status != 0
    assert "FBC2: the folder of this repository" in said


def test_a_conversion_by_an_array_is_merged(tmp_path):
    rows = write_lines(tmp_path / "rows.jsonl", [question(i) for i in range(600)])
    for task in range(2):
        status, said = run(tmp_path, "convert.sbatch", "sberquad", rows, task=task, OUTPUT=tmp_path / "out")
        assert status == 0, said
        assert f"share {task}/2, from SLURM_ARRAY_TASK_ID={task}" in said
    assert data_prep(["merge", "--output", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "textqa" / "card.md").is_file()
    assert not (tmp_path / "asked").exists()


def test_answers_of_a_share(tmp_path):
    sample = {str(i): [{"type": "text", "content": "Сколько будет 2 + 2?"}] for i in range(2)}
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "input.json").write_text(json.dumps(sample, ensure_ascii=False), "utf-8")
    places = {"INPUT": tmp_path / "input", "OUTPUT": tmp_path / "out", "WEIGHTS": ROOT / "weights"}
    status, said = run(tmp_path, "answer.sbatch", "--greedy", task=1, **places)
    assert status == 0, said
    assert len(json.loads((tmp_path / "out/share-00001-of-00002/predictions.json").read_text())) == 1


def test_worker_whose_time_is_up_gives_back_and_is_queued_again(tmp_path):
    write_test(tmp_path / "test")
    (tmp_path / "limits.json").write_text(json.dumps({**LIMITS, "seconds": 90}))
    program = ANSWER + "open('output/started', 'w'); time.sleep(80); write()"
    path = archive(tmp_path / "slow.zip", {"run.py": program}, image="team/image:1")
    command = [sys.executable, "-m", "evaluation", "queue", "add", "--spool", tmp_path / "spool", "--team", "red", path]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    options = ("--engine", "process", "--limits", tmp_path / "limits.json", "--scratch", tmp_path)
    process = started(tmp_path, "queue.sbatch", *options, SPOOL=tmp_path / "spool", INPUT=tmp_path / "test")
    until = time.monotonic() + PATIENCE_SECONDS
    while not list(tmp_path.glob("fbc2-queue-*/result/run/submission/output/started")):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 143, said
    assert (tmp_path / "asked").read_text() == "requeue 70_0\n"
    (place,) = Spool(tmp_path / "spool").places()
    assert (place.state, place.claims) == ("waiting", 0)
    assert Spool(tmp_path / "spool").places(DONE) == []


def test_indexed_job_says_how_many_shares_there_are():
    job = yaml.safe_load((ROOT / "docker/kubernetes/answer.yaml").read_text())
    spec = job["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert (job["apiVersion"], job["kind"], spec["completionMode"]) == ("batch/v1", "Job", "Indexed")
    assert {"name": "JOB_COMPLETION_COUNT", "value": str(spec["completions"])} in container["env"]
