"""Against a real rpcbind, in a namespace of its own: found, restarted, absent, silent."""

import time

import pytest

from harness import Process, eventually, within

REGISTRY = 0x2d150000
ARITH = 0x20000A01
OTHERS = 0x20000BFF


def universal(port, host="127.0.0.1"):
    """RFC 5665: the port is two more numbers after the address."""
    return f"{host}.{port >> 8}.{port & 255}"


def ports(space, program):
    """TCP ports at which rpcbind knows the program."""
    found = set()
    for _, netid, address in space.registered(program):
        if netid.startswith("tcp"):
            high, low = address.rsplit(".", 2)[1:]
            found.add(int(high) * 256 + int(low))
    return found


def listen_inside(namespace, port, behaviour):
    """A server on a port of the namespace: 'silent' takes connections and says nothing."""
    script = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", server.getsockname()[1], flush=True)
peers = []
while True:
    peers.append(server.accept()[0])
    if sys.argv[2] == "closing":
        peers.pop().close()
"""
    process = Process(["/usr/bin/python3", "-c", script, str(port), behaviour],
                      prefix=namespace.prefix)
    process.expected = {-15}
    process.wait_line(r"^listening")
    return process


def set_entry(namespace, program, port, version=1, netid="tcp"):
    """An entry by the owner that rpcbind sees on its socket: this user."""
    script = """
import ctypes, sys
rpc = ctypes.CDLL("libtirpc.so.3")
class netbuf(ctypes.Structure):
    _fields_ = [("maxlen", ctypes.c_uint), ("len", ctypes.c_uint), ("buf", ctypes.c_void_p)]
rpc.getnetconfigent.restype = ctypes.c_void_p
rpc.uaddr2taddr.restype = ctypes.POINTER(netbuf)
config = ctypes.c_void_p(rpc.getnetconfigent(sys.argv[3].encode()))
address = rpc.uaddr2taddr(config, sys.argv[4].encode())
assert rpc.rpcb_set(int(sys.argv[1]), int(sys.argv[2]), config, address)
"""
    done = namespace.run("/usr/bin/python3", "-c", script, program, version, netid,
                         universal(port))
    assert done.returncode == 0, done.stderr


def test_rpcinfo_shows_the_registry_until_the_master_ends(namespace, cluster_inside):
    namespace.start_rpcbind()
    master = cluster_inside.master(rpcbind=True)
    eventually(lambda: ports(namespace, REGISTRY) == {master.port}, what="the entry")
    master.stop()
    assert namespace.registered(REGISTRY) == []


def test_the_registry_answers_rpcinfos_ping(namespace, cluster_inside):
    namespace.start_rpcbind()
    master = cluster_inside.master(rpcbind=True)
    eventually(lambda: ports(namespace, REGISTRY) == {master.port}, what="the entry")
    done = namespace.run("rpcinfo", "-T", "tcp", "127.0.0.1", REGISTRY, "1")
    assert done.returncode == 0, done.stderr
    assert "ready and waiting" in done.stdout


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_host_name_is_enough_to_find_the_master(namespace, cluster_inside, host):
    namespace.start_rpcbind()
    master = cluster_inside.master(rpcbind=True)
    eventually(lambda: ports(namespace, REGISTRY) == {master.port}, what="the entry")
    cluster_inside.node(host)
    load = cluster_inside.load(host)
    load.wait_answers({"n1"})
    assert load.end()["failed"] == 0


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restarted_rpcbind_is_told_again(namespace, cluster_inside, end):
    namespace.start_rpcbind()
    master = cluster_inside.master(rpcbind=True)
    eventually(lambda: ports(namespace, REGISTRY) == {master.port}, what="the entry")
    getattr(namespace.rpcbind, end)()
    namespace.start_rpcbind()
    eventually(lambda: ports(namespace, REGISTRY) == {master.port},
               what="the entry in the new rpcbind")


def test_an_rpcbind_that_comes_later_is_told(namespace, cluster_inside):
    master = cluster_inside.master(rpcbind=True)
    namespace.start_rpcbind()
    eventually(lambda: ports(namespace, REGISTRY) == {master.port},
               what="the entry in the late rpcbind")


def test_the_stale_entry_of_a_killed_master_is_replaced(namespace, cluster_inside):
    namespace.start_rpcbind()
    first = cluster_inside.master(rpcbind=True)
    eventually(lambda: ports(namespace, REGISTRY) == {first.port}, what="the entry")
    first.kill()
    assert ports(namespace, REGISTRY) == {first.port}
    second = cluster_inside.master(rpcbind=True)
    eventually(lambda: ports(namespace, REGISTRY) == {second.port},
               what="the second master's entry")


def test_without_rpcbind_port_3000_is_tried(namespace, cluster_inside):
    master = cluster_inside.master(listen=None, rpcbind=True)
    assert master.port == 3000
    cluster_inside.node("localhost")
    assert cluster_inside.live("localhost") == {"n1"}


def test_an_entry_where_nobody_answers_falls_back_to_port_3000(namespace, cluster_inside):
    namespace.start_rpcbind()
    set_entry(namespace, REGISTRY, 9)
    cluster_inside.master(listen="127.0.0.1:3000")
    cluster_inside.node("localhost")
    assert cluster_inside.live("localhost") == {"n1"}


@pytest.mark.parametrize("rpcbind", [True, False], ids=["rpcbind", "no rpcbind"])
def test_with_no_master_both_tries_are_named(namespace, cluster_inside, rpcbind):
    if rpcbind:
        namespace.start_rpcbind()
    done = cluster_inside.ctl("127.0.0.1", "nodes")
    assert done.returncode == 1
    assert "rpcbind" in done.stderr
    assert "3000" in done.stderr


def test_a_silent_rpcbind_costs_no_more_than_the_deadline(namespace, cluster_inside):
    silent = listen_inside(namespace, 111, "silent")
    machine = cluster_inside.bystander()
    began = machine.begin()
    done = cluster_inside.ctl("127.0.0.1", "--timeout-ms", "3000", "nodes")
    took = time.monotonic() - began
    assert done.returncode == 1
    assert "rpcbind" in done.stderr and "3000" in done.stderr
    assert took < within(6) + machine.stall()

    cluster_inside.master(listen="127.0.0.1:3000")
    cluster_inside.node("127.0.0.1", name="asked")
    assert cluster_inside.live("127.0.0.1") == {"asked"}
    silent.finish()


def test_the_master_serves_while_rpcbind_is_silent(namespace, cluster_inside):
    silent = listen_inside(namespace, 111, "silent")
    master = cluster_inside.master(rpcbind=True)
    cluster_inside.node(master.address)
    assert cluster_inside.live(master.address) == {"n1"}
    silent.finish()


def test_a_nodes_program_stands_in_rpcbind_and_is_inherited(namespace, cluster_inside):
    """One of the nodes on a host holds the entry; when it dies another takes it."""
    namespace.start_rpcbind()
    master = cluster_inside.master(rpcbind=True)
    nodes = [cluster_inside.node(master.address, rpcbind=True) for _ in range(2)]
    by_port = {node.port: node for node in nodes}
    (holder,) = eventually(lambda: ports(namespace, ARITH), what="an entry")
    assert holder in by_port
    by_port.pop(holder).kill()
    eventually(lambda: ports(namespace, ARITH) == set(by_port),
               what="the other node's entry")
    (left,) = by_port.values()
    left.stop()
    assert namespace.registered(ARITH) == []


def test_a_living_servers_entry_is_left_alone(namespace, cluster_inside):
    """A stock server of the same program: its entry stays while its port answers."""
    namespace.start_rpcbind()
    port = cluster_inside.node(None).port
    set_entry(namespace, ARITH, port)
    master = cluster_inside.master(rpcbind=True)
    node = cluster_inside.node(master.address, rpcbind=True)
    # Twice the time between two checks.
    end = time.monotonic() + 11
    while time.monotonic() < end:
        assert ports(namespace, ARITH) == {port}
        time.sleep(0.1)
    node.stop()
    assert ports(namespace, ARITH) == {port}


def test_nothing_of_others_is_touched(namespace, cluster_inside):
    namespace.start_rpcbind()
    set_entry(namespace, OTHERS, 9)
    master = cluster_inside.master(rpcbind=True)
    node = cluster_inside.node(master.address, rpcbind=True)
    eventually(lambda: ports(namespace, ARITH), what="an entry of ours")
    node.stop()
    master.stop()
    assert ports(namespace, OTHERS) == {9}


def test_no_rpcbind_asks_and_tells_nothing(namespace, cluster_inside):
    namespace.start_rpcbind()
    master = cluster_inside.master(rpcbind=False)
    cluster_inside.node(master.address)
    load = cluster_inside.load(master.address)
    load.wait_answers({"n1"})
    load.end()
    assert namespace.registered(REGISTRY) == []
    assert namespace.registered(ARITH) == []
