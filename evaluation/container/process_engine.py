"""Runs a submission as a plain process, for people without a container engine. Keeps its clock and output in bounds.

Nothing else: the process sees this machine's files, network, processors and memory. For submissions one trusts.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from evaluation.container.job import NOT_FOUND, SIGNAL_BASE, Ended, Job
from evaluation.container.supervision import Log, Stop, supervise

# Of this process's environment, what a submission gets to see: nothing that could hold a secret.
PASSED_ON = ("LANG", "LC_ALL", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "TMPDIR")


class ProcessEngine:
    """No container: the entrypoint with this Python first on the path."""

    name = "process"
    keeps = "wall clock, output and log only: no container, no limit of processors and memory, and the network is open"

    def image_id(self, job: Job) -> None:
        """No image is used."""

    def run(self, job: Job, log: Log) -> Ended:
        """Run the entrypoint in the submission's folder. A command that does not exist ends with status 127."""
        started = time.monotonic()
        try:
            process = subprocess.Popen(
                job.metadata.command,
                cwd=job.submission,
                env=_environment(job.submission.parent),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            log.add(f"{job.metadata.entrypoint}: {error.strerror}\n".encode())
            return Ended(Stop.EXITED, NOT_FOUND, time.monotonic() - started)
        # One file can not outgrow the bound between two looks at the folder; what all of them hold is looked at.
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (job.limits.output + 1, job.limits.output + 1))
        stop = supervise(process, job.output, job.limits, log, lambda: _kill_group(process.pid))
        status = process.returncode
        return Ended(stop, SIGNAL_BASE - status if status < 0 else status, time.monotonic() - started)


def _kill_group(leader: int) -> None:
    """Kill a process and what it started; what moved into a session of its own lives on, as there is no container."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _environment(home: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {"PATH": path, "HOME": str(home), **{key: os.environ[key] for key in PASSED_ON if key in os.environ}}
