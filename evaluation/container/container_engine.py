"""Runs a submission in a container of docker or podman, shut off from everything but its input and output."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from evaluation.container.errors import HostError, ImageTooLargeError
from evaluation.container.identity import is_gone, this_process
from evaluation.container.job import NOT_FOUND, OUTPUT_FOLDER, Ended, Job
from evaluation.container.keeper import KeptCommand, start_kept, stop_kept
from evaluation.container.limits import RunLimits
from evaluation.container.output_volume import IMAGE_NAME, OPTIONS, NoVolumeError, make_output_volume
from evaluation.container.removing import unmount_below
from evaluation.container.supervision import BoundedLog, Stop, supervise

SUBMISSION_FOLDER, INPUT_FOLDER = "/contest/submission", "/contest/input"
CPU_PERIOD_MICROSECONDS = 100_000
USER = 1000  # of the container's processes, where the runner itself is root
ENGINE_FAILED = 125  # what docker and podman exit with when the container did not even start
NOT_STARTABLE = (126, NOT_FOUND)  # the entrypoint is no program, or is not there
ENGINE_SECONDS = 120  # for the engine's short commands
WORK_LABEL, RUNNER_LABEL, END_LABEL = "fbc2.work", "fbc2.runner", "fbc2.end"

_HINT = re.compile(r"(See|Run|For more (help|information)|Usage:).*--help|warning\b", re.IGNORECASE)
_ERROR = re.compile(r"\berror\b|^docker: |^podman: ", re.IGNORECASE)
_BEFORE_REASON = re.compile(r"^((docker|podman): )?(Error: )?(Error response from daemon: )?")


@dataclass(frozen=True)
class ContainerEngine:
    """Docker or podman, by their command lines. `devices`: ids of the GPUs to hand over; None: the engine chooses."""

    name: Literal["docker", "podman"] = "docker"
    devices: tuple[str, ...] | None = None
    keeps = "wall clock, processors, memory, no network, read-only files, bounded output and log"

    def image_id(self, job: Job) -> str:
        """Identity of the image; it is never fetched from here.

        Raises HostError if the engine does not answer or has no such image, ImageTooLargeError.
        """
        if shutil.which(self.name) is None:
            raise HostError(f"{self.name} is not installed", "install it, or choose another --engine")
        version = self._call("version", "--format", "{{json .}}")
        if version.returncode:
            raise HostError(f"{self.name} does not answer: {reason(version.stderr)}", "start its service")
        image = job.metadata.image
        found = self._call("image", "inspect", image)
        if found.returncode:
            raise HostError(f"{self.name} has no image {image}", f"build it, or `{self.name} pull {image}`")
        (told,) = json.loads(found.stdout)
        if told["Size"] > job.limits.image:
            raise ImageTooLargeError(
                f"the image {image} has {told['Size']} bytes; at most {job.limits.image} are allowed"
            )
        return str(told["Id"])

    def run(self, job: Job, log: BoundedLog) -> Ended:
        """Run the entrypoint in a fresh container, which is removed in the end; what dead runners left goes first."""
        if "," in str(job.submission):
            raise HostError(f"{job.submission}: a comma in a path breaks a mount", "choose another --output")
        swept = remove_abandoned(self.name)
        remarks = [f"{swept} containers of runners that are gone were removed first"] if swept else []
        user = os.getuid() or USER
        volume = None
        try:
            device = make_output_volume(job.output, job.submission.parent / IMAGE_NAME, job.limits, user)
            volume = self._volume(job, device)
        except NoVolumeError as error:
            unmount_below(job.submission)
            remarks.append(f"the output is counted and not bounded: {error}")
        ended = self._run(job, log, user, volume)
        if volume is not None and ended.host_problem is not None and "mount local volume" in ended.host_problem:
            unmount_below(job.submission)
            remarks.append(f"the output is counted and not bounded: {ended.host_problem}")
            log.clear()  # of the engine's own words
            ended = self._run(job, log, user, None)
        return replace(ended, remarks=(*remarks, *ended.remarks))

    def _run(self, job: Job, log: BoundedLog, user: int, volume: str | None) -> Ended:
        container = f"fbc2-{uuid.uuid4().hex}"
        if os.getuid() == 0:
            os.chown(job.output, user, user)
        started = time.monotonic()
        options = [*labels(job.submission.parent, job.limits.seconds), *self._own_options(job.limits)]
        options += self._device_options(job.limits)
        arguments = run_arguments(job, container, user, options, volume)
        process = start_kept(KeptCommand([self.name, *arguments], self.name))
        try:
            stop = supervise(process, job.output, job.limits, log, lambda: self._kill(container, process))
            seconds = time.monotonic() - started
            state = self._state(container)
        finally:
            self._call("rm", "--force", container)
            if volume is not None:
                self._call("volume", "rm", "--force", volume)
        return _ended(stop, process.returncode, seconds, state, log)

    def _volume(self, job: Job, device: str) -> str:
        """Name the output's file system to the engine, which mounts it where it runs; return the name."""
        name = f"fbc2-{uuid.uuid4().hex}"
        options = ("--opt=type=ext4", f"--opt=device={device}", f"--opt=o={OPTIONS}")
        marks = labels(job.submission.parent, job.limits.seconds)
        called = self._call("volume", "create", "--driver=local", *options, *marks, name)
        if called.returncode:
            raise NoVolumeError(f"{self.name}: {reason(called.stderr)}")
        return name

    def _own_options(self, limits: RunLimits) -> list[str]:
        """What this engine alone must be told: podman asks for more processes than it may have, unless it is told."""
        return [f"--ulimit=nproc={limits.processes}:{limits.processes}"] if self.name == "podman" else []

    def _device_options(self, limits: RunLimits) -> list[str]:
        """How this engine is told of GPUs: by id where they are known, so that two runs on a host share none."""
        if not limits.gpus:
            return []
        if self.devices is None:
            return [f"--gpus={limits.gpus}"]
        if self.name == "podman":  # by the names of the Container Device Interface
            return [f"--device=nvidia.com/gpu={one}" for one in self.devices]
        return [f'--gpus="device={",".join(self.devices)}"']  # docker reads it as a line of CSV: hence the quotes

    def has_image(self, image: str) -> bool:
        """Whether the engine has an image. Raises HostError if it does not answer."""
        return self._call("image", "inspect", image).returncode == 0

    def _kill(self, container: str, process: subprocess.Popen[bytes]) -> None:
        """Kill a container that may have ended, and the command that waits for it."""
        if process.poll() is None:
            self._call("kill", container)
            with suppress(subprocess.TimeoutExpired):
                process.wait(ENGINE_SECONDS)
        stop_kept(process)

    def _state(self, container: str) -> dict[str, Any] | None:
        """What the engine knows of a container; None if it never made it."""
        found = self._call("container", "inspect", container)
        if found.returncode:
            return None
        (told,) = json.loads(found.stdout)
        state: dict[str, Any] = told["State"]
        return state

    def _call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return call(self.name, *arguments)


def call(engine: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a short command of an engine to its end. Raises HostError if it does not come back, or can not start."""
    try:
        return subprocess.run(
            [engine, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ENGINE_SECONDS,
            check=False,
            start_new_session=True,  # an interrupt from the keyboard is for the runner, which then cleans up by these
        )
    except subprocess.TimeoutExpired as error:
        raise HostError(f"{engine} {arguments[0]} does not come back", "restart its service") from error
    except OSError as error:
        raise HostError(f"{engine} can not be started: {error.strerror}", "install it again") from error


def run_arguments(
    job: Job, container: str, user: int, own_options: Sequence[str] = (), volume: str | None = None
) -> list[str]:
    """Return the arguments of `docker run`: nothing of the host but the input, read-only, and the output folder.

    The output is the volume of that name, if there is one.
    """
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
    place = f"target={SUBMISSION_FOLDER}/{OUTPUT_FOLDER}"
    bound = f"type=bind,source={job.output},{place}"
    mounts = [
        f"--mount=type=bind,source={job.submission},target={SUBMISSION_FOLDER},readonly",
        f"--mount={bound if volume is None else f'type=volume,source={volume},{place},volume-nocopy'}",
        f"--mount=type=bind,source={job.input},target={INPUT_FOLDER},readonly",
    ]
    program, *arguments = job.metadata.command
    entrance = [f"--workdir={SUBMISSION_FOLDER}", f"--entrypoint={program}"]
    isolation += own_options
    return [
        "run",
        f"--name={container}",
        *isolation,
        *bounds,
        *mounts,
        *entrance,
        job.metadata.image,
        *arguments,
    ]


def _ended(stop: Stop, client: int, seconds: float, state: dict[str, Any] | None, log: BoundedLog) -> Ended:
    """Make out how a container ended, from the engine's word and from its own command's exit status."""
    said = reason(log.content.decode(errors="replace"))
    if state is None:  # so that nobody but the engine's command said anything
        return Ended(stop, None, seconds, host_problem=f"the container was not made: {said}")
    status, out_of_memory = int(state["ExitCode"]), bool(state.get("OOMKilled"))
    if client == ENGINE_FAILED and stop is Stop.EXITED and status not in (ENGINE_FAILED, *NOT_STARTABLE):
        problem = state.get("Error") or said
        return Ended(stop, None, seconds, out_of_memory, f"the engine lost the container: {problem}")
    never_started = str(state.get("StartedAt", "")).startswith("0001")
    if never_started and status not in NOT_STARTABLE:
        return Ended(stop, None, seconds, host_problem=f"the container did not start: {state.get('Error') or said}")
    return Ended(stop, status, seconds, out_of_memory)


def reason(text: str) -> str:
    """Return why an engine refused, out of all that its command said: warnings before it and hints after it go."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    telling = [line for line in lines if line and not _HINT.match(line)]
    errors = [line for line in telling if _ERROR.search(line)]
    if not telling:
        return "no word of why"
    first = errors[0] if errors else telling[-1]
    return _BEFORE_REASON.sub("", first).rstrip(".")


def labels(work: Path, seconds: float) -> list[str]:
    """Return the options that mark what belongs to a run: whose it is, and when it is nobody's for certain."""
    end = int(time.time() + seconds + ENGINE_SECONDS)
    return [f"--label={WORK_LABEL}={work}", f"--label={RUNNER_LABEL}={this_process()}", f"--label={END_LABEL}={end}"]


def remove_run(engine: str, work: Path) -> None:
    """Remove the containers and volumes of the run in a folder. Does nothing where the engine does not answer."""
    with suppress(HostError):
        _remove(engine, f"label={WORK_LABEL}={work}", lambda _runner, _end: True)


def remove_abandoned(engine: str) -> int:
    """Remove what runners left that are gone, or whose time is long up; return the number of containers."""
    now = time.time()
    return _remove(
        engine, f"label={RUNNER_LABEL}", lambda runner, end: is_gone(runner) or (end.isdecimal() and int(end) < now)
    )


def _remove(engine: str, which: str, chosen: Callable[[str, str], bool]) -> int:
    removed = 0
    form = f'{{{{.ID}}}} {{{{.Label "{RUNNER_LABEL}"}}}} {{{{.Label "{END_LABEL}"}}}}'
    for kind, form_of in ((("ps", "--all"), form), (("volume", "ls"), form.replace(".ID", ".Name"))):
        for line in call(engine, *kind, f"--filter={which}", f"--format={form_of}").stdout.splitlines():
            name, _, told = line.partition(" ")
            runner, _, end = told.partition(" ")
            if chosen(runner, end):
                call(engine, *(("rm", "--force") if kind[0] == "ps" else ("volume", "rm", "--force")), name)
                removed += kind[0] == "ps"
    return removed
