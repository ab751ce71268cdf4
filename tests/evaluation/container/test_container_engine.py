"""How a container is shut off, word for word, and how its end is read from what the engine says."""

from pathlib import Path
from typing import Any

import pytest

from contest.metadata import Metadata
from evaluation.container.container_engine import ContainerEngine, _ended, run_arguments
from evaluation.container.job import Job
from evaluation.container.limits import RunLimits
from evaluation.container.supervision import BoundedLog, Stop

LIMITS = RunLimits(
    seconds=60, memory=4_000, gpus=0, output=100, shared_memory=200, temporary=300, processes=7, output_files=5, log=50
)
JOB = Job(Path("/run/submission"), Path("/run/input"), Metadata("team/rudolph:1", "bash run.sh --all"), LIMITS)


def test_a_container_sees_input_and_output_only() -> None:
    assert run_arguments(JOB, "fbc2-1", 1000) == [
        "run",
        "--name=fbc2-1",
        "--network=none",
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--user=1000:1000",
        "--hostname=submission",
        "--pull=never",
        "--log-driver=none",
        "--cpu-period=100000",
        "--cpu-quota=300000",
        "--memory=4000",
        "--memory-swap=4000",
        "--pids-limit=7",
        "--shm-size=200",
        "--tmpfs=/tmp:rw,exec,nosuid,nodev,mode=1777,size=300",
        "--ulimit=fsize=101",
        "--ulimit=core=0",
        "--ulimit=nofile=4096:4096",
        "--mount=type=bind,source=/run/submission,target=/contest/submission,readonly",
        "--mount=type=bind,source=/run/submission/output,target=/contest/submission/output",
        "--mount=type=bind,source=/run/input,target=/contest/input,readonly",
        "--workdir=/contest/submission",
        "--entrypoint=bash",
        "team/rudolph:1",
        "run.sh",
        "--all",
    ]


@pytest.mark.parametrize(
    ("engine", "limits", "options"),
    [
        (ContainerEngine("docker"), RunLimits(), ["--gpus=1"]),
        (ContainerEngine("docker", ("3",)), RunLimits(), ['--gpus="device=3"']),
        (ContainerEngine("docker", ("3", "GPU-0f")), RunLimits(gpus=2), ['--gpus="device=3,GPU-0f"']),
        (
            ContainerEngine("podman", ("0", "2")),
            RunLimits(gpus=2),
            ["--device=nvidia.com/gpu=0", "--device=nvidia.com/gpu=2"],
        ),
        (ContainerEngine("docker", ("3",)), LIMITS, []),
    ],
)
def test_gpus_are_handed_over_by_id(engine: ContainerEngine, limits: RunLimits, options: list[str]) -> None:
    assert engine._device_options(limits) == options


STARTED = {"StartedAt": "2026-11-21T12:00:00Z", "Error": ""}
NEVER = {"StartedAt": "0001-01-01T00:00:00Z", "Error": "could not select device driver"}

# (the engine's word, exit status of its command, status of the submission, out of memory, whether the host is to blame)
ENDS: tuple[tuple[dict[str, Any] | None, int, int | None, bool, bool], ...] = (
    ({**STARTED, "ExitCode": 0, "OOMKilled": False}, 0, 0, False, False),
    ({**STARTED, "ExitCode": 3, "OOMKilled": False}, 3, 3, False, False),
    ({**STARTED, "ExitCode": 125, "OOMKilled": False}, 125, 125, False, False),
    ({**STARTED, "ExitCode": 137, "OOMKilled": True}, 137, 137, True, False),
    ({**STARTED, "ExitCode": 0, "OOMKilled": True}, 0, 0, True, False),
    ({**NEVER, "ExitCode": 127, "OOMKilled": False}, 127, 127, False, False),
    ({**NEVER, "ExitCode": 126, "OOMKilled": False}, 126, 126, False, False),
    ({**NEVER, "ExitCode": 128, "OOMKilled": False}, 125, None, False, True),
    ({**STARTED, "ExitCode": 255, "OOMKilled": False}, 125, None, False, True),
    (None, 125, None, False, True),
)


@pytest.mark.parametrize(("state", "client", "status", "out_of_memory", "hosts"), ENDS)
def test_how_a_container_ended(
    state: dict[str, Any] | None, client: int, status: int | None, out_of_memory: bool, hosts: bool
) -> None:
    log = BoundedLog(100)
    log.add(b"docker: something\n")
    ended = _ended(Stop.EXITED, client, 1.0, state, log)
    assert (ended.status, ended.out_of_memory, ended.host_problem is not None) == (status, out_of_memory, hosts)
