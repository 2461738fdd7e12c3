"""distctl watch: what happens to nodes and services, as it happens."""

import json
import re
import signal

import pytest

from harness import Cluster, command, eventually, free_port
from test_gateway import ARITH, HELD_C
from test_reflection import build_module

# Of a killed node: its port may be closed before or after the master asks there.
LOST = {"silent", "unreachable"}


def watch(cluster, masters, *options, n_masters=1):
    """A distctl that follows all masters already."""
    process = cluster.start(cluster.program("distctl"), "--masters", masters, *options, "watch")
    for address in masters.split(",")[:n_masters]:
        process.wait_line(rf"master-followed\W.*{re.escape(address)}")
    return process


def events(process):
    """What was printed so far, each line without its time."""
    return [line.split(" ", 1)[1] for line in process.text("out").splitlines()]


def test_each_line_is_a_time_and_what_happened(cluster):
    master = cluster.master()
    cluster.node(master.address, name="there")
    watching = watch(cluster, master.address)
    node = cluster.node(master.address, "--workers", "3", name="alpha")
    watching.wait_line(r"node-registered")
    assert node.stop() == 0
    watching.wait_line(r"node-gone")
    assert watching.stop(signal.SIGINT) == 0
    lines = watching.text("out").splitlines()
    for line in lines:
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line)
    address = f"127.0.0.1:{node.port}"
    assert events(watching) == [
        f"master-followed address={master.address} nodes=1",
        f'node-registered name="alpha" address={address} services=ARITH_PROG/1 capacity=3',
        f'node-gone name="alpha" address={address} why=left']
    assert watching.text("err") == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_well_on_a_signal(cluster, number):
    watching = watch(cluster, cluster.master().address)
    watching.send(number)
    assert watching.wait() == 0


def test_a_lost_node_and_one_that_comes_back(cluster):
    master = cluster.master()
    watching = watch(cluster, master.address)
    node = cluster.node(master.address, name="alpha")
    watching.wait_line(r"service-registered name=\"ARITH_PROG\" version_name=ARITH_V1 "
                       r"program=0x20000a01 version=1$")
    node.kill()
    watching.wait_line(r'node-gone name="alpha" address=\S+ why=(silent|unreachable)$')
    watching.wait_line(r'service-gone name="ARITH_PROG"')
    cluster.node(master.address, name="alpha")
    watching.wait_line(r'node-registered name="alpha" .* away_ms=\d+$')


def test_a_node_that_is_ordered_out(cluster, tmp_path):
    """It drains for as long as a call runs there, which ends when that was seen, though a
    service manager stops it meanwhile."""
    gate = tmp_path / "gate"
    module = build_module(tmp_path, ARITH.read_text(), HELD_C % gate, base="arith")
    master = cluster.master()
    node = cluster.node(master.address, name="alpha", module=str(module))
    caller = cluster.start(cluster.program("distctl"), "--masters", master.address, "call", ARITH,
                           "ARITH_SUM", "[[1]]")
    eventually(lambda: cluster.nodes(master.address).get("alpha", {}).get("in_flight"),
               what="a call that runs")
    watching = watch(cluster, master.address)
    drain = cluster.start(cluster.program("distctl"), "--masters", master.address, "drain",
                          "alpha")
    watching.wait_line(r"node-draining")
    node.wait_line(r"node-stopping order=drain")
    node.send(signal.SIGTERM)
    gate.touch()
    assert caller.wait() == drain.wait() == node.wait() == 0
    watching.wait_line(r'node-gone name="alpha" address=\S+ why=left$')
    assert [line.split()[0] for line in events(watching)] == [
        "master-followed", "node-draining", "service-gone", "node-gone"]


def test_json_is_an_object_a_line(cluster):
    master = cluster.master()
    watching = watch(cluster, master.address, "--json")
    node = cluster.node(master.address, name="a b")
    watching.wait_line(r"service-registered")
    node.kill()
    watching.wait_line(r"service-gone")
    seen = [json.loads(line) for line in watching.text("out").splitlines()]
    times = [event.pop("time_ms") for event in seen]
    assert times == sorted(times)
    instance = seen[1]["instance"]
    assert re.fullmatch(r"[0-9a-f]{32}", instance)
    assert seen[3]["why"] in LOST
    service = {"name": "ARITH_PROG", "version_name": "ARITH_V1", "program": 0x20000A01,
               "version": 1}
    address = f"127.0.0.1:{node.port}"
    assert seen == [
        {"id": "master-followed", "address": master.address, "nodes": 0},
        {"id": "node-registered", "name": "a b", "address": address, "instance": instance,
         "services": [service], "capacity": seen[1]["capacity"], "away_ms": None},
        {"id": "service-registered", **service},
        {"id": "node-gone", "name": "a b", "address": address, "instance": instance,
         "why": seen[3]["why"]},
        {"id": "service-gone", **service}]


def test_a_master_that_starts_anew_loses_no_node(cluster):
    address = f"127.0.0.1:{free_port()}"
    master = cluster.master(listen=address)
    cluster.node(address, name="alpha")
    watching = watch(cluster, address)
    master.kill()
    watching.wait_line(rf"master-lost address={re.escape(address)} why=\"")
    since = watching.mark()
    cluster.master(listen=address)
    watching.wait_line(rf"master-followed address={re.escape(address)} nodes=1$", since=since)
    cluster.wait_nodes(address, exactly={"alpha"})
    other = cluster.node(address, name="beta")
    watching.wait_line(r'node-registered name="beta"')
    assert other.running()
    assert 'name="alpha"' not in watching.text("out")


def test_a_node_that_does_not_find_the_new_master_is_missing(cluster):
    """Once its lease would be over."""
    address = f"127.0.0.1:{free_port()}"
    master = cluster.master(listen=address, patient=False)
    node = cluster.node(address, name="alpha")
    watching = watch(cluster, address)
    master.kill()
    watching.wait_line(r"master-lost")
    node.kill()
    cluster.master(listen=address, patient=False)
    watching.wait_line(r'node-gone name="alpha" address=\S+ why=missing$')


def test_two_masters_are_one_cluster(cluster):
    one, two = cluster.master(), cluster.master()
    masters = f"{one.address},{two.address}"
    watching = watch(cluster, masters, n_masters=2)
    node = cluster.node(masters, name="alpha")
    cluster.wait_nodes(two.address, exactly={"alpha"})
    assert node.stop() == 0
    watching.wait_line(r"service-gone")
    assert [line.split()[0] for line in events(watching)] == [
        "master-followed", "master-followed", "node-registered", "service-registered",
        "node-gone", "service-gone"]


def test_a_master_that_comes_later_is_followed(cluster):
    one = cluster.master()
    address = f"127.0.0.1:{free_port()}"
    watching = watch(cluster, f"{one.address},{address}")
    assert f"distctl: no master answers at {address}" in watching.text("err")
    cluster.master(listen=address)
    watching.wait_line(rf"master-followed address={re.escape(address)}")
    cluster.node(address, name="alpha")
    watching.wait_line(r'node-registered name="alpha"')


def test_no_master_at_all_is_a_failure():
    address = f"127.0.0.1:{free_port()}"
    done = command(Cluster.program("distctl"), "--masters", address, "watch")
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"no master answers at {address}" in done.stderr


def test_a_master_that_refuses_watchers_is_named(cluster):
    """Who has the one place gives it up for a moment now and then, and may lose it."""
    master = cluster.master("--max-watchers", "1")
    first = watch(cluster, master.address)
    second = cluster.start(cluster.program("distctl"), "--masters", master.address, "watch")
    address = re.escape(master.address)
    eventually(lambda: second.find_line(rf"^distctl: master {address}: ") or
               first.find_line(rf"master-lost address={address} why=\""),
               what="that one of the two was refused")
    assert second.stop() == 0
