"""Who is alive, seen by real processes: deaths, silences, returns and arrivals.

Limits in time hold beyond what the machine keeps any program waiting meanwhile, since it
may have others to run. A bystander tells that.
"""

import signal
import time

import pytest

from harness import eventually, within

# A heartbeat that tests need not wait for long; a lease is three of them.
HEARTBEAT_MS = 200
HEARTBEAT = ("--heartbeat-ms", str(HEARTBEAT_MS))
LEASE = 3 * HEARTBEAT_MS / 1000
# Where a lease has to end, or be kept, and no node may be kept from beating for so long: as by
# default.
LONG_LEASE = 3
FORGIVING = ("--min-lease-ms", str(1000 * LONG_LEASE))


@pytest.mark.parametrize("sight", ["master", "cluster"])
def test_a_killed_node_is_noticed_within_100_ms(cluster, sight):
    master = cluster.master()
    nodes = [cluster.node(master.address) for _ in range(3)]
    left = {node.node_name for node in nodes[1:]}
    load = cluster.load(master.address, "--idempotent")
    load.wait_view({node.node_name for node in nodes})
    machine = cluster.bystander()
    since = load.mark()

    killed = machine.begin()
    nodes[0].kill()
    if sight == "master":
        gone = rf'node-gone name="{nodes[0].node_name}"'
        noticed = master.wait_line(gone)[0].when
        assert cluster.live(master.address) == left
    else:
        noticed = load.wait_view(left, since=since)
    assert noticed - killed < within(0.1) + machine.stall()


def test_a_killed_node_loses_no_idempotent_call(cluster):
    master = cluster.master()
    nodes = [cluster.node(master.address) for _ in range(3)]
    load = cluster.load(master.address, "--idempotent", "--in-flight", "16")
    load.wait_answers([node.node_name for node in nodes])
    nodes[0].kill()
    load.wait_answers([node.node_name for node in nodes[1:]])
    report = load.end()
    assert report["failed"] == 0
    assert report["wrong"] == 0


def test_calls_that_a_killed_node_may_have_run_fail_and_name_it(cluster):
    master = cluster.master()
    doomed = cluster.node(master.address, delay_ms=60000)
    load = cluster.load(master.address, threads=4)
    load.wait_view({doomed.node_name})
    since = load.mark()
    # Its calls sleep for a minute: what it was given by now cannot have been answered.
    eventually(lambda: len(doomed.threads()) > 4, what="calls at the node")
    doomed.kill()
    line, _ = load.wait_line(r"^failed ", since=since)
    assert doomed.node_name in line.text or f":{doomed.port}" in line.text
    load.end()


def test_a_stopped_node_is_out_within_its_lease_and_welcome_again(cluster):
    master = cluster.master(patient=False)
    quick = cluster.node(master.address)
    stopped = cluster.node(master.address, *HEARTBEAT)
    both = {quick.node_name, stopped.node_name}
    load = cluster.load(master.address, "--idempotent", "--timeout-ms", "20000")
    load.wait_view(both)
    machine = cluster.bystander()
    since = load.mark()

    began = machine.begin()
    stopped.pause()
    gone = load.wait_view({quick.node_name}, since=since)
    assert gone - began < within(LEASE + 0.2) + machine.stall()
    assert cluster.live(master.address) == {quick.node_name}

    since = load.mark()
    stopped.resume()
    load.wait_view(both, since=since)
    load.wait_answers(both)
    report = load.end()
    assert report["failed"] == 0
    assert report["wrong"] == 0


def test_a_master_that_stood_still_ends_nobodys_lease(cluster):
    """The heartbeats that it did not hear wait in its sockets."""
    master = cluster.master(*FORGIVING, patient=False)
    nodes = [cluster.node(master.address, *HEARTBEAT) for _ in range(3)]
    names = {node.node_name for node in nodes}
    cluster.wait_nodes(master.address, exactly=names)

    master.pause()
    # The nodes go on without it: each lease is over when it wakes.
    time.sleep(1.5 * LONG_LEASE)
    since = master.mark()
    master.resume()
    master.wait_line("master-stalled", since=since)
    # Each is heard again in the course of one more lease.
    time.sleep(1.5 * LONG_LEASE)
    assert cluster.live(master.address) == names
    assert not master.find_line("node-gone")


def test_a_master_killed_and_started_again_has_all_nodes_within_two_heartbeats(cluster):
    master = cluster.master()
    nodes = [cluster.node(master.address, *HEARTBEAT) for _ in range(3)]
    names = {node.node_name for node in nodes}
    load = cluster.load(master.address)
    load.wait_answers(names)
    machine = cluster.bystander()

    machine.begin()
    load.forget()
    master.kill()
    load.wait_answers(names)
    again = cluster.master(listen=master.address)
    began = again.find_line("master-listening")[0].when
    there = max(again.wait_line(rf'node-registered name="{name}"')[0].when for name in names)
    assert there - began < within(2 * HEARTBEAT_MS / 1000 + 0.1) + machine.stall()
    assert cluster.live(again.address) == names

    load.wait_answers(names)
    stall = machine.stall()
    report = load.end()
    assert report["failed"] == 0
    assert report["wrong"] == 0
    assert report["max_gap_ms"] < within(200) + 1000 * stall


@pytest.mark.parametrize("in_flight", [1, 32])
def test_sigterm_of_a_node_under_load_loses_no_call(cluster, in_flight):
    master = cluster.master()
    nodes = [cluster.node(master.address) for _ in range(3)]
    names = {node.node_name for node in nodes}
    load = cluster.load(master.address, "--in-flight", str(in_flight))
    load.wait_answers(names)
    assert nodes[0].stop() == 0
    load.wait_answers([node.node_name for node in nodes[1:]])
    report = load.end()
    assert report["failed"] == 0
    assert report["wrong"] == 0
    assert nodes[0].node_name not in cluster.nodes(master.address)


def test_a_call_that_runs_when_sigterm_comes_is_finished(cluster):
    master = cluster.master()
    node = cluster.node(master.address, delay_ms=300)
    load = cluster.load(master.address, threads=1)
    eventually(lambda: load.report()["calls"] >= 1, what="a first call")
    node.send(signal.SIGTERM)
    assert node.wait() == 0
    report = load.end()
    # The calls begun before it are answered; later ones hear that nobody serves.
    assert report["wrong"] == 0
    failed = [line.text for line in load.lines if line.text.startswith("failed")]
    assert not [text for text in failed if "may have run" in text], failed


def test_a_new_node_is_used_by_a_running_program_within_200_ms(cluster):
    master = cluster.master()
    cluster.node(master.address)
    load = cluster.load(master.address)
    load.wait_view({"n1"})
    machine = cluster.bystander()
    machine.begin()
    new = cluster.node(master.address, name="new", wait=False)
    listening, _ = new.wait_line(r"node-listening")
    load.wait_view({"n1", "new"})
    eventually(lambda: load.report()["nodes"].get("new"), what="an answer of the new node")
    assert time.monotonic() - listening.when < within(0.2) + machine.stall()
    assert load.end()["failed"] == 0


def test_a_call_waits_for_a_first_node_if_told_to(cluster):
    master = cluster.master()
    patient = cluster.load(master.address, "--wait-for-nodes-ms", "20000")
    hasty = cluster.load(master.address)
    # By now the patient one has called too, and there is nobody.
    hasty.wait_line("^failed ")
    node = cluster.node(master.address)
    patient.wait_answers({node.node_name})
    report = patient.end()
    assert report["failed"] == 0
    assert report["wrong"] == 0


def test_of_two_masters_one_dies_and_no_caller_notices(cluster):
    masters = [cluster.master(*FORGIVING, patient=False) for _ in range(2)]
    both = ",".join(master.address for master in masters)
    nodes = [cluster.node(both, *HEARTBEAT) for _ in range(2)]
    names = {node.node_name for node in nodes}
    for master in masters:
        cluster.wait_nodes(master.address, exactly=names)
    load = cluster.load(both)
    load.wait_view(names)
    load.wait_answers(names)
    since = load.mark()

    masters[0].kill()
    # Long enough for every lease to have ended, if anybody had let it.
    end = time.monotonic() + 1.5 * LONG_LEASE
    while time.monotonic() < end:
        load.wait_answers(names)
    assert not load.find_line(r"^(view|failed) ", since)

    joined = cluster.node(both, name="late", wait=False)
    joined.wait_line(r"node-listening")
    load.wait_view(names | {"late"})
    load.wait_answers(names | {"late"})
    report = load.end()
    assert report["failed"] == 0
    assert report["wrong"] == 0


def test_calls_go_on_while_every_master_is_away(cluster):
    master = cluster.master(patient=False)
    nodes = [cluster.node(master.address, *HEARTBEAT) for _ in range(2)]
    names = {node.node_name for node in nodes}
    load = cluster.load(master.address, "--idempotent")
    load.wait_view(names)
    master.kill()
    end = time.monotonic() + 2 * LEASE
    while time.monotonic() < end:
        load.wait_answers(names)
    # The view stays, corrected by what the connections see.
    nodes[0].kill()
    load.wait_answers({nodes[1].node_name})
    report = load.end()
    assert report["failed"] == 0


def test_a_node_started_before_its_master_registers_once_it_is_there(cluster):
    first = cluster.master()
    address = first.address
    first.kill()
    node = cluster.node(address, *HEARTBEAT, wait=False)
    node.wait_line(r"node-listening")
    cluster.master(listen=address)
    cluster.wait_nodes(address, exactly={node.node_name})


def test_a_node_restarted_under_its_old_name_and_port_is_another_instance(cluster):
    master = cluster.master()
    node = cluster.node(master.address, name="same")
    load = cluster.load(master.address, "--idempotent", "--wait-for-nodes-ms", "10000")
    load.wait_answers({"same"})
    node.kill()
    cluster.node(master.address, name="same", listen=f"127.0.0.1:{node.port}")
    load.wait_answers({"same"})
    report = load.end()
    assert report["wrong"] == 0
    assert report["failed"] == 0
