"""Fixtures: a cluster of real processes, and one in a network namespace of its own.

A suite's conftest.py imports those that its tests ask for.
"""

import pytest

from harness import Cluster
from namespace import namespace  # noqa: F401


@pytest.fixture
def cluster():
    """Masters and nodes in a few lines; all are ended, and looked at, after the test."""
    processes = Cluster()
    yield processes
    processes.close()


@pytest.fixture
def cluster_inside(namespace):  # noqa: F811
    """The same inside the namespace, where an rpcbind may run."""
    processes = Cluster(prefix=namespace.prefix)
    yield processes
    processes.close()
