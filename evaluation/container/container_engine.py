"""Runs a submission in a container of docker or podman, shut off from everything but its input and output."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from evaluation.container.errors import HostProblem, ImageTooLarge
from evaluation.container.job import NOT_FOUND, OUTPUT_FOLDER, Ended, Job
from evaluation.container.limits import Limits
from evaluation.container.supervision import Log, Stop, supervise

SUBMISSION_FOLDER, INPUT_FOLDER = "/contest/submission", "/contest/input"
CPU_PERIOD_MICROSECONDS = 100_000
USER = 1000  # of the container's processes, where the runner itself is root
ENGINE_FAILED = 125  # what docker and podman exit with when the container did not even start
NOT_STARTABLE = (126, NOT_FOUND)  # the entrypoint is no program, or is not there
ENGINE_SECONDS = 120  # for the engine's short commands


@dataclass(frozen=True)
class ContainerEngine:
    """Docker or podman, by their command lines."""

    name: Literal["docker", "podman"] = "docker"
    keeps = "wall clock, processors, memory, no network, read-only files, bounded output and log"

    def image_id(self, job: Job) -> str:
        """Identity of the image; it is never fetched from here.

        Raises HostProblem if the engine does not answer or has no such image, ImageTooLarge.
        """
        if shutil.which(self.name) is None:
            raise HostProblem(f"{self.name} is not installed", "install it, or choose another --engine")
        version = self._call("version", "--format", "{{json .}}")
        if version.returncode:
            raise HostProblem(f"{self.name} does not answer: {_last_line(version.stderr)}", "start its service")
        image = job.metadata.image
        found = self._call("image", "inspect", image)
        if found.returncode:
            raise HostProblem(f"{self.name} has no image {image}", f"build it, or `{self.name} pull {image}`")
        (told,) = json.loads(found.stdout)
        if told["Size"] > job.limits.image:
            raise ImageTooLarge(f"the image {image} has {told['Size']} bytes; at most {job.limits.image} are allowed")
        return str(told["Id"])

    def run(self, job: Job, log: Log) -> Ended:
        """Run the entrypoint in a fresh container, which is removed in the end."""
        container = f"fbc2-{uuid.uuid4().hex}"
        if "," in str(job.submission):
            raise HostProblem(f"{job.submission}: a comma in a path breaks a mount", "choose another --output")
        user = os.getuid() or USER
        if os.getuid() == 0:
            os.chown(job.output, user, user)
        started = time.monotonic()
        process = subprocess.Popen(
            [self.name, *run_arguments(job, container, user, self._own_options(job.limits))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            stop = supervise(process, job.output, job.limits, log, lambda: self._kill(container, process))
            seconds = time.monotonic() - started
            state = self._state(container)
        finally:
            self._call("rm", "--force", container)
        return _ended(stop, process.returncode, seconds, state, log)

    def _own_options(self, limits: Limits) -> list[str]:
        """What this engine alone must be told: podman asks for more processes than it may have, unless it is told."""
        return [f"--ulimit=nproc={limits.processes}:{limits.processes}"] if self.name == "podman" else []

    def _kill(self, container: str, process: subprocess.Popen[bytes]) -> None:
        """Kill a container that may have ended, and the command that waits for it."""
        if process.poll() is None:
            self._call("kill", container)
            with suppress(subprocess.TimeoutExpired):
                process.wait(ENGINE_SECONDS)
        process.kill()

    def _state(self, container: str) -> dict[str, Any] | None:
        """What the engine knows of a container; None if it never made it."""
        found = self._call("container", "inspect", container)
        if found.returncode:
            return None
        (told,) = json.loads(found.stdout)
        state: dict[str, Any] = told["State"]
        return state

    def _call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [self.name, *arguments], capture_output=True, text=True, timeout=ENGINE_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise HostProblem(f"{self.name} {arguments[0]} does not come back", "restart its service") from error


def run_arguments(job: Job, container: str, user: int, own_options: Sequence[str] = ()) -> list[str]:
    """Return the arguments of `docker run`: nothing of the host but the input, read-only, and the output folder."""
    limits = job.limits
    isolation = [
        "--network=none",
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        f"--user={user}:{user}",
        "--hostname=submission",
        "--pull=never",
        "--log-driver=none",  # what it says comes to us, who bound it
    ]
    bounds = [
        f"--cpu-period={CPU_PERIOD_MICROSECONDS}",
        f"--cpu-quota={round(limits.cpus * CPU_PERIOD_MICROSECONDS)}",
        f"--memory={limits.memory}",
        f"--memory-swap={limits.memory}",  # memory and swap together: none of the latter
        f"--pids-limit={limits.processes}",
        f"--shm-size={limits.shared_memory}",
        f"--tmpfs=/tmp:rw,exec,nosuid,nodev,mode=1777,size={limits.temporary}",
        f"--ulimit=fsize={limits.output + 1}",
        "--ulimit=core=0",
        "--ulimit=nofile=4096:4096",
    ]
    mounts = [
        f"--mount=type=bind,source={job.submission},target={SUBMISSION_FOLDER},readonly",
        f"--mount=type=bind,source={job.output},target={SUBMISSION_FOLDER}/{OUTPUT_FOLDER}",
        f"--mount=type=bind,source={job.input},target={INPUT_FOLDER},readonly",
    ]
    gpus = [f"--gpus={limits.gpus}"] if limits.gpus else []
    program, *arguments = job.metadata.command
    place = [f"--workdir={SUBMISSION_FOLDER}", f"--entrypoint={program}"]
    isolation += own_options
    return ["run", f"--name={container}", *isolation, *bounds, *gpus, *mounts, *place, job.metadata.image, *arguments]


def _ended(stop: Stop, client: int, seconds: float, state: dict[str, Any] | None, log: Log) -> Ended:
    """Make out how a container ended, from the engine's word and from its own command's exit status."""
    said = _last_line(log.content.decode(errors="replace"))
    if state is None:
        return Ended(stop, None, seconds, host_problem=f"the container was not made: {said}")
    status, out_of_memory = int(state["ExitCode"]), bool(state.get("OOMKilled"))
    if client == ENGINE_FAILED and stop is Stop.EXITED and status not in (ENGINE_FAILED, *NOT_STARTABLE):
        problem = state.get("Error") or said
        return Ended(stop, None, seconds, out_of_memory, f"the engine lost the container: {problem}")
    never_started = str(state.get("StartedAt", "")).startswith("0001")
    if never_started and status not in NOT_STARTABLE:
        return Ended(stop, None, seconds, host_problem=f"the container did not start: {state.get('Error') or said}")
    return Ended(stop, status, seconds, out_of_memory)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no word of why"
