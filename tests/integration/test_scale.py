"""Membership with hundreds of nodes: a small run of bench/membership, for its outcomes."""

import sys
from pathlib import Path

import pytest

from harness import BUILD, within

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench" / "membership"))

from simulation import Simulation  # noqa: E402

N_NODES = 300
N_WATCHERS = 5
CHANGES_PER_S = 60  # so many nodes end a second, and as many join
SECONDS = 2

# What one change costs a watcher: an entry, and its share of a reply. All nodes are more.
CHANGE_BYTES_MAX = 600


@pytest.fixture
def simulation():
    with Simulation(BUILD, N_NODES, CHANGES_PER_S, SECONDS) as processes:
        yield processes


def test_hundreds_of_nodes_come_and_go_and_every_watcher_sees_each(simulation):
    simulation.join(N_NODES)
    assert simulation.members == N_NODES

    watched = simulation.watch(N_WATCHERS)
    assert watched["opened"] == N_WATCHERS
    assert watched["view_fewest"] == watched["view_most"] == N_NODES

    churned = simulation.churn(SECONDS, patience=within(10))
    counts = churned["churn_counts"]
    assert counts["joined"] == counts["left"] == CHANGES_PER_S * SECONDS
    assert churned["seen"] == N_WATCHERS * churned["changes"]
    assert churned["fewest"] == churned["most"] == churned["members"] == N_NODES

    # Nobody was refused, cut off, or forgotten, here or before.
    for those in (watched["open_counts"], counts, simulation.report()):
        assert those["refused"] == those["broken"] == those["unknown"] == 0
    # Changes were told as changes.
    assert churned["change_bytes"] < CHANGE_BYTES_MAX
    assert watched["view_kb"] * 1000 > 20 * CHANGE_BYTES_MAX
