"""Fixtures as in the integration tests."""

import pytest

from harness import Cluster
from namespace import namespace  # noqa: F401


@pytest.fixture
def cluster():
    processes = Cluster()
    yield processes
    processes.close()


@pytest.fixture
def cluster_inside(namespace):  # noqa: F811
    processes = Cluster(prefix=namespace.prefix)
    yield processes
    processes.close()
