"""Calls under which real nodes die: how many they take along, and what is said of it."""

import re
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Who runs a call of ARITH_PROG, version 1, dies.
POISON = r"""
#include <dist/node.h>
#include <signal.h>
#include <unistd.h>

static void
dispatch(struct svc_req *rqstp, SVCXPRT *xprt)
{
	(void)rqstp, (void)xprt;
	kill(getpid(), SIGKILL);
}

static const struct dist_service service = {
	.size = sizeof(service),
	.program = 0x20000a01,
	.version = 1,
	.program_name = "ARITH_PROG",
	.dispatch = dispatch,
};

__attribute__((constructor)) static void load(void) { dist_service_offer(&service); }
__attribute__((destructor)) static void unload(void) { dist_service_withdraw(&service); }
"""


@pytest.fixture
def poison(tmp_path):
    source, target = tmp_path / "poison.c", tmp_path / "poison.so"
    source.write_text(POISON)
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{ROOT}/lib/include",
                    "-I/usr/include/tirpc", source, "-o", target], check=True)
    return target


def start_poisoned(cluster, poison, n):
    master = cluster.master()
    nodes = {}
    for _ in range(n):
        node = cluster.node(master.address, module=poison)
        node.expected = {-signal.SIGKILL}
        nodes[node.node_name] = node
    return master, nodes


@pytest.mark.parametrize("n_nodes, options, n_dead", [
    (4, ("--idempotent",), 3),
    (5, ("--idempotent", "--max-tries", "2"), 2),
    (3, (), 1),
    (3, ("--idempotent", "--max-tries", "9"), 3),
])
def test_a_poison_call_takes_so_many_nodes_along_and_names_them(cluster, poison, n_nodes,
                                                                options, n_dead):
    master, nodes = start_poisoned(cluster, poison, n_nodes)
    load = cluster.load(master.address, *options, threads=1)
    line, _ = load.wait_line(r"^failed ")
    named = {name for name in nodes if re.search(rf"\b{name}\b", line.text)}
    assert "the call may have run" in line.text
    assert len(named) == n_dead, line.text
    # The next call has killed others meanwhile, but never fewer than these.
    for name in named:
        assert nodes[name].wait() == -signal.SIGKILL
    load.stop()
    for node in nodes.values():
        node.expected = {0, -signal.SIGKILL}
