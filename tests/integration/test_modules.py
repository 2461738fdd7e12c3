"""distnode and its modules: found, loaded, asked, made serial, told of the end."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from harness import Cluster, command, eventually

ROOT = Path(__file__).resolve().parents[2]

MODULE = r"""
#include <dist/node.h>
#include <stdio.h>
#include <stdlib.h>

static void
dispatch(struct svc_req *rqstp, SVCXPRT *xprt)
{
	(void)rqstp;
	svc_sendreply(xprt, (xdrproc_t)xdr_void, NULL);
}

static const struct dist_service service = {
	.size = sizeof(service),
	.program = PROGRAM,
	.version = 1,
	.program_name = NAME,
	.dispatch = dispatch,
};

__attribute__((constructor)) static void load(void) { dist_service_offer(&service); }
__attribute__((destructor)) static void unload(void) { dist_service_withdraw(&service); }

int dist_module_init(void) { fputs("init of " NAME "\n", stdout); fflush(stdout); return INIT; }
void dist_module_fini(void) { fputs("fini of " NAME "\n", stdout); fflush(stdout); }
"""


@pytest.fixture
def module(tmp_path):
    """Makes modules with a service each: module("EXTRA_PROG", 0x20000b01)."""
    def make(name, program, init=0):
        source = tmp_path / f"{name}.c"
        target = tmp_path / f"{name}.so"
        source.write_text(MODULE)
        subprocess.run(["cc", "-shared", "-fPIC", f"-I{ROOT}/lib/include",
                        "-I/usr/include/tirpc", f"-DPROGRAM={program}",
                        f'-DNAME="{name}"', f"-DINIT={init}", source, "-o", target],
                       check=True)
        return target
    return make


def start(cluster, *arguments, **options):
    node = cluster.start(cluster.program("distnode"), "--no-masters", "--listen",
                         "127.0.0.1:0", *arguments, **options)
    node.wait_line("node-listening ")
    return node


def test_init_comes_before_serving_and_fini_after(cluster, module):
    first, second = module("FIRST", 0x20000b01), module("SECOND", 0x20000b02)
    node = start(cluster, first, second)
    assert node.text("out").splitlines() == ["init of FIRST", "init of SECOND"]
    assert node.stop() == 0
    # The last loaded ends first: it may use what those before it set up.
    assert node.text("out").splitlines()[2:] == ["fini of SECOND", "fini of FIRST"]


def test_a_module_that_refuses_ends_the_start_and_the_others(module):
    done = command(Cluster.program("distnode"), "--no-masters", module("FIRST", 0x20000b01),
                   module("SECOND", 0x20000b02, init=5))
    assert done.returncode == 1
    assert re.search(r"SECOND\.so' cannot serve: its dist_module_init\(\) gave 5",
                     done.stderr)
    assert done.stdout.splitlines() == ["init of FIRST", "init of SECOND", "fini of FIRST"]


def test_services_of_all_modules_are_in_the_registry(cluster, module):
    master = cluster.master()
    extra = module("EXTRA", 0x20000b01)
    cluster.node(master.address, extra, name="both")
    services = cluster.nodes(master.address)["both"]["services"]
    assert {service["name"] for service in services} == {"ARITH_PROG", "EXTRA"}
    assert {service["program"] for service in services} >= {0x20000b01}


def test_a_module_named_twice_is_told(module):
    path = module("TWICE", 0x20000b01)
    done = command(Cluster.program("distnode"), "--no-masters", path, path)
    assert done.returncode == 1
    assert "named twice" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_module_in_this_directory_needs_no_slash(cluster, module, tmp_path):
    module("HERE", 0x20000b01)
    node = start(cluster, "HERE.so", cwd=tmp_path)
    assert node.stop() == 0


@pytest.mark.parametrize("program", ["EXTRA", "0x20000b01", str(0x20000b01)])
def test_a_program_is_made_serial_by_name_or_number(cluster, module, program):
    node = start(cluster, "--serial", program, module("EXTRA", 0x20000b01))
    assert node.stop() == 0


def test_a_serial_program_that_is_not_served_is_wrong_usage(module):
    done = command(Cluster.program("distnode"), "--no-masters", "--serial", "OTHER",
                   module("EXTRA", 0x20000b01))
    assert done.returncode == 2
    assert "OTHER" in done.stderr
    assert "Try 'distnode --help'" in done.stderr


def test_attributes_are_shown_beside_the_node(cluster):
    master = cluster.master()
    cluster.node(master.address, "--attribute", "rack=7", "--attribute", "url=a=b",
                 name="only")
    node = cluster.nodes(master.address)["only"]
    assert node["attributes"] == {"rack": "7", "url": "a=b"}


def wait_busy(cluster, master, node):
    """Until a call runs there."""
    def busy():
        done = cluster.ctl(master.address, "ping", node.node_name, "--json")
        return json.loads(done.stdout)["answers"][0]["in_flight"] == 1
    eventually(busy, what="a running call")


def test_a_drain_that_takes_too_long_abandons_its_calls_and_says_so(cluster):
    master = cluster.master()
    # The node ends with a call still running, so its threads are not joined: on purpose.
    leaks = os.environ.get("TSAN_OPTIONS", "") + ":report_thread_leaks=0"
    node = cluster.node(master.address, "--drain-timeout-ms", "100", delay_ms=60000,
                        env={"TSAN_OPTIONS": leaks})
    node.expected = {1}
    load = cluster.load(master.address, threads=1)
    load.expected = {0, -signal.SIGTERM}
    wait_busy(cluster, master, node)
    assert node.stop() == 1
    node.wait_line(r" error calls-abandoned ")


def test_a_second_signal_ends_a_drain_at_once(cluster):
    master = cluster.master()
    node = cluster.node(master.address, delay_ms=60000)
    node.expected = {-signal.SIGTERM}
    load = cluster.load(master.address, threads=1)
    load.expected = {0, -signal.SIGTERM}
    wait_busy(cluster, master, node)
    node.send(signal.SIGTERM)
    node.wait_line(r" node-stopping signal=SIGTERM")
    node.send(signal.SIGTERM)
    assert node.wait() == -signal.SIGTERM
