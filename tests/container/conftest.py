"""What docker/ci.sh leaves to these tests: an engine, and the names of the images it built. Without it they fail."""

import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from evaluation.container.container_engine import ContainerEngine
from tests.passed import hang_seconds

MOST_SECONDS = hang_seconds(3)
"""Of one test, or of its fixtures: several times what the longest takes, so that slow is not taken for hung."""


def hangs(_number: int, _frame: FrameType | None) -> None:
    pytest.fail(f"it hangs: not done after {MOST_SECONDS} s")


@contextmanager
def bounded() -> Iterator[None]:
    signal.signal(signal.SIGALRM, hangs)
    signal.alarm(MOST_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, None, None]:
    with bounded():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    with bounded():
        yield


def image(variable: str) -> str:
    name = os.environ.get(variable)
    if name is None:
        pytest.fail(f"{variable} is not set: these tests are run by docker/ci.sh")
    return name


@pytest.fixture(scope="session")
def submission_image() -> str:
    return image("FBC2_SUBMISSION_IMAGE")


@pytest.fixture(scope="session")
def evaluation_image() -> str:
    return image("FBC2_EVALUATION_IMAGE")


@pytest.fixture
def engine() -> ContainerEngine:
    return ContainerEngine("docker")
