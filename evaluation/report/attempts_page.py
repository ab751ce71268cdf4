"""A day of the register of attempts as one page that needs nothing else."""

from __future__ import annotations

from pathlib import Path

from contest.console import one_line
from contest.limits import VALID_ATTEMPTS_A_DAY
from contest.writing import write_bytes
from evaluation.container.attempts_day import AttemptsDay, means, verdict
from evaluation.report.build import template_environment

ATTEMPTS_PAGE = "attempts.html"


def build_attempts_page(day: AttemptsDay, directory: Path) -> Path:
    """Write the page into a folder (made if it is not there) and return its path. Raises ContestError, OSError."""
    page = (
        template_environment()
        .get_template("attempts.html")
        .render(day=day, most=VALID_ATTEMPTS_A_DAY, means=means, verdict=verdict, name=one_line)
    )
    directory.mkdir(parents=True, exist_ok=True)
    write_bytes(directory / ATTEMPTS_PAGE, page.encode("utf-8", errors="replace"))
    return directory / ATTEMPTS_PAGE
