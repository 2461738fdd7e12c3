"""The fixture of the integration tests: a cluster of real processes."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from harness import Cluster  # noqa: E402


@pytest.fixture
def cluster():
    processes = Cluster()
    yield processes
    processes.close()
