"""A plugin of pytest (`-p tests.passed`) for proofs that may run out of time: it notes each test that has passed.

A line each in the file that the environment's PASSED names, at once: who runs out of time is killed. What failed goes
to the file that FAILED names, and how: pytest itself would say so in its end.
"""

import os

import pytest

USUAL_LIMIT = 360  # seconds, that of docker/proof.sh


def hang_seconds(parts: int) -> int:
    """After how many seconds a test hangs: a part of the proof's LIMIT, and never of less than the usual one.

    Where CI leaves less time, that runs out first, which says: slow. A test that takes as long as ever does not hang.
    """
    return max(USUAL_LIMIT, int(os.environ.get("LIMIT", USUAL_LIMIT))) // parts


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        with open(os.environ["FAILED"], "a") as stream:
            stream.write(f"FAILED {report.nodeid} ({report.when})\n{report.longreprtext}\n")
    elif report.when == "call" and report.passed:
        with open(os.environ["PASSED"], "a") as stream:
            stream.write(f"{report.nodeid}\n")
