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
from tests.kubernetes_job import faults_of

ROOT = Path(__file__).parents[1]
SLURM = ROOT / "docker" / "slurm"
TEMPLATES = sorted(path.name for path in SLURM.glob("*.sbatch"))
PATIENCE_SECONDS = 120.0


# What stands in for Slurm's own commands: `scontrol` names hosts and notes what else it is asked, a job is in the state
# that $STATE says (asked for a whole array, 70, squeue tells of all its tasks), and `srun` notes what it shall run, and
# runs nothing.
SLURM_COMMANDS = {
    "scontrol": 'if [ "$1" = show ]; then printf "n1\\nn2\\n"; else echo "$@" >> "$ASKED"; fi',
    "squeue": 'echo "${STATE:-RUNNING}"; [ "$3" != 70 ] || echo RUNNING',
    "srun": 'for word in "$@"; do echo "$word"; done > "$ASKED.srun"',
}
# Options of sbatch that the templates use, and what may be their value.
SBATCH_OPTIONS = {
    "--job-name": r"fbc2-[a-z]+",
    "--array": r"0-\d+",
    "--nodes": r"\d+",
    "--ntasks-per-node": r"1",
    "--requeue": r"",
    "--open-mode": r"append",
    "--signal": r"B:TERM@120",
    "--time": r"\d\d:00:00",
    "--cpus-per-task": r"\d+",
    "--gres": r"gpu:\d",
}


def slurm_commands(folder):
    """A PATH with the stand-ins first."""
    (folder / "bin").mkdir(exist_ok=True)
    for name, text in SLURM_COMMANDS.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / "bin" / name).chmod(0o755)
    return f"{folder / 'bin'}:{os.environ['PATH']}"


def started(folder, template, *arguments, task=0, count=2, **environment):
    """Start a template as a task of an array."""
    array = {"ID": task, "COUNT": count, "MIN": 0, "MAX": count - 1, "STEP": 1}
    slurm = {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in array.items()}
    return subprocess.Popen(
        ["bash", SLURM / template, *map(str, arguments)],
        cwd=folder,
        env={
            **os.environ, "OMP_NUM_THREADS": "1", "PATH": slurm_commands(folder),
            "PYTHON": sys.executable,
            "FBC2": str(ROOT), "ASKED": str(folder / "asked"), "SLURM_JOB_ID": "70", "SLURM_ARRAY_JOB_ID": "70",
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
    lines = [line for line in text.splitlines() if line.startswith("#SBATCH")]
    options = dict(line.removeprefix("#SBATCH ").partition("=")[::2] for line in lines)
    assert [name for name, value in options.items() if not re.fullmatch(SBATCH_OPTIONS.get(name, "$."), value)] == []
    assert {"--requeue", "--signal", "--open-mode", "--time", "--job-name"} <= options.keys()
    assert ("--array" in options) != ("--nodes" in options), (
        "shares and workers are tasks of an array, a training is not"
    )
    assert text.index("#SBATCH") < text.index("set -euo pipefail") < text.index("\nrequeued ")
    assert subprocess.run(["bash", "-n", SLURM / template], check=False).returncode == 0
    assert template in (ROOT / "docs" / "many_hosts.md").read_text()


TERM_TO_THE_SCRIPT = 'kill -TERM "$PPID"; exec sleep 30'
TAKES_TIME_TO_END = 'trap "sleep 1; kill \\$!; exit 5" TERM; kill -TERM "$PPID"; sleep 30 & wait "$!"'
# (what, the command, state of the job when it is told, restarts so far, whether it is queued again, status)
ENDINGS = (
    ("ends well", "exit 0", "RUNNING", 0, False, 0),
    ("fails", "exit 2", "RUNNING", 0, False, 2),
    ("is out of time", TERM_TO_THE_SCRIPT, "RUNNING", 9, True, 143),
    ("is out of time, and does not end at once", TAKES_TIME_TO_END, "RUNNING", 0, True, 5),
    ("is out of time, and ends well", "trap 'exit 0' TERM; kill -TERM $PPID; sleep 1", "RUNNING", 0, False, 0),
    ("is cancelled", TERM_TO_THE_SCRIPT, "CANCELLED", 0, False, 143),
    ("is killed", "kill -KILL $$", "RUNNING", 2, True, 137),
    ("is killed again and again", "kill -KILL $$", "RUNNING", 3, False, 137),
)  # fmt: skip


@pytest.mark.parametrize(("what", "command", "state", "restarts", "again", "status"), ENDINGS)
def test_what_is_queued_again(tmp_path, what, command, state, restarts, again, status):
    script = f". {SLURM / 'requeue.sh'}; requeued sh -c '{command.replace(chr(39), chr(39) + chr(92) + chr(39) * 2)}'"
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={
            "PATH": slurm_commands(tmp_path), "STATE": state, "ASKED": str(tmp_path / "asked"), "SLURM_JOB_ID": "71",
            "SLURM_RESTART_COUNT": str(restarts),
        },
        timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert ended.returncode == status
    asked = (tmp_path / "asked").read_text() if (tmp_path / "asked").exists() else ""
    assert asked == ("requeue 71\n" if again else "")


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


def test_a_world_by_an_array_is_merged(tmp_path):
    amounts = ("--tasks", "captioning", "--train", "3", "--validation", "1", "--test", "0")
    for task in range(2):
        status, said = run(tmp_path, "convert.sbatch", "synthetic", *amounts, task=task, OUTPUT=tmp_path / "out")
        assert status == 0, said
    assert data_prep(["merge", "--output", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out" / "captioning" / "images").iterdir())) == 4


@pytest.mark.slow  # docker/slurm/prove.sh answers in shares too, on a real Slurm
def test_answers_of_a_share(tmp_path):
    sample = {str(i): [{"type": "text", "content": "Сколько будет 2 + 2?"}] for i in range(2)}
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "input.json").write_text(json.dumps(sample, ensure_ascii=False), "utf-8")
    places = {"INPUT": tmp_path / "input", "OUTPUT": tmp_path / "out", "WEIGHTS": ROOT / "weights"}
    status, said = run(tmp_path, "answer.sbatch", "--greedy", task=1, **places)
    assert status == 0, said
    assert len(json.loads((tmp_path / "out/share-00001-of-00002/predictions.json").read_text())) == 1


@pytest.mark.slow  # likewise
def test_an_encoding(tmp_path):
    world = ["--train", "3", "--validation", "1", "--test", "0", "--tasks", "captioning"]
    assert data_prep(["synthetic", "--output", str(tmp_path / "world"), *world]) == 0
    settings = [
        f"weights: {ROOT / 'weights'}",
        f"output: {tmp_path / 'run'}",
        f"data: {{folder: {tmp_path / 'world'}}}",
    ]
    config = tmp_path / "settings.yaml"
    config.write_text("\n".join([*settings, "tasks: {captioning: {samples: 1}}"]))
    status, said = run(tmp_path, "encode.sbatch", task=0, count=1, CONFIG=config)
    assert status == 0, said
    assert "captioning train: 3 samples" in said


def test_a_training_over_nodes(tmp_path):
    places = {"CONFIG": tmp_path / "settings.yaml", "OUTPUT": tmp_path / "run"}
    slurm = {"SLURM_JOB_NODELIST": "n[1-2]", "SLURM_NNODES": 2, "SLURM_RESTART_COUNT": 1}
    status, said = run(tmp_path, "train.sbatch", "steps=7", **places, **slurm)
    assert status == 0, said
    words = (tmp_path / "asked.srun").read_text().split("\n")
    launched = words.index("-m")
    assert words[launched - 1 : launched + 2] == [sys.executable, "-m", "torch.distributed.run"]
    for pair in (
        ("--nnodes", "2"),
        ("--rdzv-endpoint", "n1:29400"),
        ("--rdzv-id", "70-1"),
        ("--nproc-per-node", "gpu"),
    ):
        assert words[words.index(pair[0]) + 1] == pair[1]
    command = ["training", "tune", "--config", str(places["CONFIG"]), "compute.parallel=hsdp"]
    assert words[words.index("training") :] == [*command, f"output={places['OUTPUT']}", "steps=7", ""]


@pytest.mark.parametrize(("saves", "restarts", "again"), [(True, 9, True), (False, 2, True), (False, 3, False)])
def test_a_training_that_fails_goes_on_if_it_has_saved_something(tmp_path, saves, restarts, again):
    checkpoints = tmp_path / "run" / "checkpoints"
    (checkpoints / "step_00000005").mkdir(parents=True)
    slurm_commands(tmp_path)
    saving = f"mkdir {checkpoints}/step_00000010; " if saves else ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SLURM_COMMANDS, "srun", f"{saving}exit 1")
        status, said = run(
            tmp_path, "train.sbatch", CONFIG=tmp_path / "settings.yaml", OUTPUT=tmp_path / "run", SLURM_NNODES=2,
            SLURM_JOB_NODELIST="n[1-2]", SLURM_RESTART_COUNT=restarts,
        )  # fmt: skip
    assert status == 1, said
    assert (tmp_path / "asked").exists() == again


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
    assert faults_of(job) == []
    assert (job["apiVersion"], job["kind"], spec["completionMode"]) == ("batch/v1", "Job", "Indexed")
    assert {"name": "JOB_COMPLETION_COUNT", "value": str(spec["completions"])} in container["env"]


# (where in the manifest, what stands there instead, what is said about it); None: it is left out
WRONG = (
    (("spec", "completionmode"), "Indexed", ".spec.completionmode: not known to JobSpec"),
    (("spec", "completions"), "4", ".spec.completions: '4' is no integer"),
    (("spec", "template"), None, ".spec: lacks template"),
    (("spec", "template", "spec", "containers", 0, "env", 0, "value"), 4, "env[0].value: 4 is no string"),
    (("spec", "template", "spec", "containers", 0, "name"), None, ".containers[0]: lacks name"),
    (("spec", "template", "spec", "containers", 0, "args"), "--input", "args: no list"),
    (("spec", "template", "spec", "containers", 0, "resources", "limits"), {"cpu": "four"}, "'four' is no quantity"),
    (("spec", "template", "spec", "volumes", 0, "claim"), {}, "volumes[0].claim: not known to Volume"),
)


@pytest.mark.parametrize(("place", "value", "told"), WRONG)
def test_manifest_that_kubernetes_would_refuse(place, value, told):
    job = yaml.safe_load((ROOT / "docker/kubernetes/answer.yaml").read_text())
    part = job
    for step in place[:-1]:
        part = part[step]
    if value is None:
        del part[place[-1]]
    else:
        part[place[-1]] = value
    (fault,) = faults_of(job)
    assert fault.endswith(told)
