"""The small world is made once for all trainings of the tests."""

from pathlib import Path

import pytest

from tests.training.small_world import make_small_world
from tests.training.watched_training import watched as watched


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tune")
    make_small_world(root)
    return root
