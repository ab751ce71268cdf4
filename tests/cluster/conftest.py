"""What docker/slurm/prove.sh leaves to these tests: a cluster, whose hosts are up when a test begins."""

import os
from collections.abc import Iterator

import pytest

from tests.cluster.slurm import NODES, ask, idle_nodes, until


@pytest.fixture(autouse=True)
def cluster() -> Iterator[None]:
    if "CLUSTER" not in os.environ:
        pytest.fail("CLUSTER is not set: these tests are run by docker/slurm/prove.sh")
    until(lambda: idle_nodes() == set(NODES), "all hosts are idle")
    yield
    ask("scancel", "--user=root", "--quiet")
