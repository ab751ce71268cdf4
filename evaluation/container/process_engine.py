"""Runs a submission as a plain process, for people without a container engine. Keeps its clock and output in bounds.

Nothing else: the process sees this machine's files, network, processors and memory. For submissions one trusts.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from evaluation.container.job import Ended, Job
from evaluation.container.keeper import KeptCommand, start_kept, stop_kept
from evaluation.container.supervision import BoundedLog, supervise

# Of this process's environment, what a submission gets to see: nothing that tells of this machine or holds a secret.
PASSED_ON = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")
USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROGRAMS_FOLDER, HOME_FOLDER = "bin", "home"


class ProcessEngine:
    """No container: the entrypoint with this Python first on the path."""

    name = "process"
    keeps = "wall clock, output and log only: no container, no limit of processors and memory, and the network is open"

    def image_id(self, job: Job) -> None:
        """No image is used."""

    def run(self, job: Job, log: BoundedLog) -> Ended:
        """Run the entrypoint in the submission's folder. A command that does not exist ends with status 127."""
        started = time.monotonic()
        keeper = start_kept(
            KeptCommand(
                job.metadata.command,
                job.metadata.entrypoint,
                folder=str(job.submission),
                environment=_environment(job.submission.parent),
                # One file can not outgrow the bound between two looks at the folder; what all hold is looked at.
                file_bytes=job.limits.output + 1,
            )
        )
        stop = supervise(keeper, job.output, job.limits, log, lambda: stop_kept(keeper))
        return Ended(stop, keeper.returncode, time.monotonic() - started)


def _environment(work: Path) -> dict[str, str]:
    """Make a home and a folder with this Python, by a name that tells nothing; return the environment."""
    programs, home = work / PROGRAMS_FOLDER, work / HOME_FOLDER
    programs.mkdir()
    home.mkdir()
    for name in ("python", "python3"):
        # No link: by a link's place Python would look for its packages.
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (programs / name).chmod(0o755)
    passed_on = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
    return {"PATH": f"{programs}:{USUAL_PATH}", "HOME": str(home), "LANG": "C.UTF-8", **passed_on}
