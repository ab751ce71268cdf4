"""What docker/ci.sh leaves to these tests: an engine, and the names of the images it built. Without it they fail."""

import os

import pytest

from evaluation.container.container_engine import ContainerEngine


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
