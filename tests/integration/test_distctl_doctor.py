"""distctl doctor: what is wrong with a cluster, in words."""

import json
import socket
import struct
import threading
import time

import pytest

from harness import Cluster, command, eventually, free_port

REGISTRY, NODE = 0x2D150000, 0x2D150002
LIST, STATS = 4, 2


def doctor(*arguments, **options):
    """Its exit status, and each check as (verdict, check, subject): what was found."""
    done = command(Cluster.program("distctl"), *arguments, "doctor", **options)
    checks = {}
    for line in done.stdout.splitlines():
        verdict, text = line.split(None, 1)
        check, subject, found = text.split(": ", 2)
        checks[check, subject] = (verdict, found)
    return done, checks


def verdicts(checks):
    return {verdict for verdict, _ in checks.values()}


# --- A master, and a node, that tell what a test wants ---

def text(value):
    raw = value.encode()
    return struct.pack(">I", len(raw)) + raw + b"\0" * (-len(raw) % 4)


def stats(instance, counters):
    words = [struct.pack(">I", len(counters))]
    words += [text(name) + struct.pack(">Q", value) for name, value in counters.items()]
    return instance + b"".join(words) + struct.pack(">I", 0)


def entry(instance, name, port):
    uaddr = f"127.0.0.1.{port >> 8}.{port & 255}"
    return (instance + struct.pack(">I", 0) + text(name) +
            struct.pack(">I", 1) + text("tcp") + text(uaddr) + struct.pack(">I", 0) +
            struct.pack(">IIIIIII", 1, 0, 0, 0, 3000, 0, 0) + struct.pack(">I", 0))


class FakeCluster:
    """One process that is a master and the node that it lists; it answers what it is told."""

    def __init__(self, listed=b"n" * 16, runs=b"n" * 16, counters=None):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.results = {(NODE, STATS): lambda: stats(runs, counters() if counters else {})}
        self.list(entry(listed, "alpha", self.port))
        threading.Thread(target=self.accept, daemon=True).start()

    def list(self, *entries):
        self.results[REGISTRY, LIST] = (
            b"m" * 16 + struct.pack(">QIIII", 1, 3000, 9000, 1, len(entries)) +
            b"".join(entries))

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            while len(mark := stream.read(4)) == 4:
                call = stream.read(struct.unpack(">I", mark)[0] & 0x7FFFFFFF)
                xid, _, _, program, _, procedure = struct.unpack(">6I", call[:24])
                result = self.results.get((program, procedure), b"")
                result = result() if callable(result) else result
                reply = struct.pack(">6I", xid, 1, 0, 0, 0, 0) + result
                connection.sendall(struct.pack(">I", len(reply) | 1 << 31) + reply)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def fake():
    made = []

    def make(**options):
        made.append(FakeCluster(**options))
        return made[-1]
    yield make
    for one in made:
        one.close()


# --- What is well ---

def test_a_cluster_that_is_well(cluster):
    master = cluster.master()
    node = cluster.node(master.address, name="alpha")
    done, checks = doctor("--masters", master.address)
    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    assert checks["name", "127.0.0.1"] == ("ok", "it is 127.0.0.1")
    assert checks["address", master.address] == ("ok", "a master answers")
    assert checks["master", master.address][1].startswith(f"answers at {master.address} in ")
    assert checks["node", "alpha"][0] == "ok"
    assert f"answers at 127.0.0.1:{node.port} in " in checks["node", "alpha"][1]
    assert checks["node", "alpha"][1].endswith("and so do its services: 1")
    assert checks["clock", "this host"] == (
        "ok", "within a second of 2 of 2 masters and nodes")
    assert checks["version", "this distctl"][1].endswith("as 2 of 2 masters and nodes")
    assert {"descriptors", "backlog", "ports"} < {check for check, _ in checks}
    assert "wrong" not in verdicts(checks)


def test_json_has_the_same(cluster):
    master = cluster.master()
    cluster.node(master.address, name="alpha")
    done = command(Cluster.program("distctl"), "--masters", master.address, "--json", "doctor")
    assert done.returncode == 0
    checks = json.loads(done.stdout)["checks"]
    assert {"name", "address", "master", "node", "clock", "version", "descriptors"} <= {
        check["check"] for check in checks}
    for check in checks:
        assert set(check) == {"verdict", "check", "subject", "found", "advice"}
        assert check["verdict"] in ("ok", "warning")
        assert (check["advice"] is None) == (check["verdict"] == "ok")


def test_a_draining_node_and_no_node_are_not_wrong(cluster):
    master = cluster.master()
    done, checks = doctor("--masters", master.address)
    assert done.returncode == 0
    assert checks["nodes", "all masters"] == (
        "warning", "no node is registered; start distnode with --masters")


# --- What is not ---

def test_a_host_without_an_address_and_a_master_that_is_not_there(cluster):
    nobody = f"127.0.0.1:{free_port()}"
    done, checks = doctor("--masters", f"no-such-host.invalid,{nobody}")
    assert done.returncode == 1
    assert checks["name", "no-such-host.invalid"][0] == "wrong"
    assert "have DNS or /etc/hosts know it" in checks["name", "no-such-host.invalid"][1]
    verdict, found = checks["master", nobody]
    assert verdict == "wrong"
    assert f"no master answers at {nobody}" in found and "start distmaster there" in found


def test_one_master_of_two_shows_the_nodes(cluster):
    master = cluster.master()
    cluster.node(master.address, name="alpha")
    nobody = f"127.0.0.1:{free_port()}"
    done, checks = doctor("--masters", f"{nobody},{master.address}")
    assert done.returncode == 1
    assert checks["master", nobody][0] == "wrong"
    assert checks["node", "alpha"][0] == "ok"


def test_a_node_that_does_not_answer(cluster):
    """Its lease is long enough for the master to list it all the while."""
    master = cluster.master()
    node = cluster.node(master.address, "--heartbeat-ms", "20000", name="alpha")
    node.pause()
    done, checks = doctor("--masters", master.address, "--timeout-ms", "3000")
    node.resume()
    assert done.returncode == 1
    verdict, found = checks["node", "alpha"]
    assert verdict == "wrong"
    assert "did not answer in time; look whether it is stopped" in found


@pytest.fixture
def together(fake):
    """A master, and the names of nodes none of which answers before all have been asked."""
    names = [f"node-{i}" for i in range(10)]
    barrier = threading.Barrier(len(names), timeout=60)
    master = fake()
    nodes = [fake(runs=name.encode() * 2 + b"....", counters=lambda: {"calls": barrier.wait()})
             for name in names]
    master.list(*[entry(name.encode() * 2 + b"....", name, node.port)
                  for name, node in zip(names, nodes)])
    return master, names


def test_nodes_are_asked_at_once_and_told_in_order(together):
    master, names = together
    done, checks = doctor("--masters", master.address, "--timeout-ms", "60000")
    assert done.returncode == 0, done.stdout
    assert [subject for check, subject in checks if check == "node"] == names
    _, found = checks["version", "master " + master.address]
    assert found.startswith("unknown, as 11 of 11 masters and nodes; this distctl is ")


def test_so_they_are_by_stats(together):
    master, names = together
    done = command(Cluster.program("distctl"), "--masters", master.address,
                   "--timeout-ms", "60000", "stats", "--json")
    assert done.returncode == 0, done.stderr
    assert [node["name"] for node in json.loads(done.stdout)["nodes"]] == names


def test_another_process_at_the_address_of_a_node(fake):
    done, checks = doctor("--masters", fake(runs=b"x" * 16).address)
    assert done.returncode == 1
    assert checks["node", "alpha"][0] == "wrong"
    assert "another process answers at" in checks["node", "alpha"][1]


@pytest.mark.parametrize("off_s, said", [(90, "90.0 s ahead of"), (-3600, "3600.0 s behind")])
def test_a_clock_that_is_far_off(fake, off_s, said):
    there = fake(counters=lambda: {"clock_ms": int((time.time() + off_s) * 1000)})
    done, checks = doctor("--masters", there.address)
    assert done.returncode == 0, done.stdout
    verdict, found = checks["clock", "alpha"]
    assert verdict == "warning"
    # To a tenth of a second, on a machine that may be busy.
    seconds = float(found.split()[1])
    assert abs(seconds - abs(off_s)) < 5
    assert found.split(" s ")[1].startswith(said.split(" s ")[1])
    assert ("clock", "this host") not in checks


def test_another_version_is_named(fake):
    done, checks = doctor("--masters", fake(counters=lambda: {"version": 1002003}).address)
    assert done.returncode == 0
    verdict, found = next(value for (check, _), value in checks.items() if check == "version")
    assert verdict == "warning"
    assert found.startswith("1.2.3, as 2 of 2 masters and nodes; this distctl is ")


def test_peers_that_tell_neither_clock_nor_version(fake):
    done, checks = doctor("--masters", fake().address)
    assert done.returncode == 0
    assert not [check for check, _ in checks if check == "clock"]
    assert any(found.startswith("unknown, ") for _, found in checks.values())


def test_limits_that_are_low(cluster):
    master = cluster.master()
    done, checks = doctor("--masters", master.address,
                          prefix=["prlimit", "--nofile=200:300", "--"])
    assert done.returncode == 0
    assert checks["descriptors", "this host"][0] == "warning"
    assert "300 descriptors at most" in checks["descriptors", "this host"][1]


def test_a_backlog_and_ports_that_are_low(namespace):
    for name, value in (("net/core/somaxconn", "128"),
                        ("net/ipv4/ip_local_port_range", "40000 40999")):
        namespace.run("sh", "-c", f"echo {value} > /proc/sys/{name}")
    done, checks = doctor("--masters", "127.0.0.1:1", prefix=namespace.prefix)
    assert done.returncode == 1
    assert checks["backlog", "this host"][0] == "warning"
    assert "net.core.somaxconn" in checks["backlog", "this host"][1]
    assert checks["ports", "this host"][0] == "warning"
    assert "1000 ports, 40000 to 40999" in checks["ports", "this host"][1]


# --- Addresses and rpcbind ---

def test_an_address_that_is_tried_before_the_masters_own(cluster_inside):
    """localhost is 127.0.0.1, then ::1."""
    cluster_inside.master(listen="[::1]:3000")
    done, checks = doctor("--masters", "localhost:3000", prefix=cluster_inside.prefix)
    assert done.returncode == 0
    assert checks["address", "127.0.0.1:3000"][0] == "warning"
    assert "tried before one that does" in checks["address", "127.0.0.1:3000"][1]
    assert checks["address", "[::1]:3000"] == ("ok", "a master answers")


def test_an_address_behind_the_masters_own_does_no_harm(cluster_inside):
    cluster_inside.master(listen="127.0.0.1:3000")
    done, checks = doctor("--masters", "localhost:3000", prefix=cluster_inside.prefix)
    assert done.returncode == 0
    assert checks["address", "[::1]:3000"][0] == "ok"


def test_rpcbind_tells_where_the_master_is_and_forgets_no_dead_one(namespace, cluster_inside):
    namespace.start_rpcbind()
    master = cluster_inside.master(listen="127.0.0.1:4000", rpcbind=True)
    eventually(lambda: namespace.registered(REGISTRY), what="rpcbind's entry")
    done, checks = doctor("--masters", "127.0.0.1", prefix=namespace.prefix)
    assert done.returncode == 0, done.stdout
    assert checks["rpcbind", "127.0.0.1"] == ("ok", "it tells port 4000 for the master")
    master.kill()
    done, checks = doctor("--masters", "127.0.0.1", prefix=namespace.prefix)
    assert done.returncode == 1
    assert checks["rpcbind", "127.0.0.1"][0] == "wrong"
    assert "port 4000, of a master that is gone" in checks["rpcbind", "127.0.0.1"][1]


def test_rpcbind_that_knows_no_master_and_none_at_all(namespace, cluster_inside):
    cluster_inside.master(listen="127.0.0.1:3000")
    done, checks = doctor("--masters", "127.0.0.1", prefix=namespace.prefix)
    assert done.returncode == 0
    assert checks["rpcbind", "127.0.0.1"] == ("ok", "there is none, so port 3000 is tried")
    namespace.start_rpcbind()
    done, checks = doctor("--masters", "127.0.0.1", prefix=namespace.prefix)
    assert done.returncode == 0
    assert checks["rpcbind", "127.0.0.1"] == (
        "ok", "it knows no master, so port 3000 is tried")


def test_rpcbind_that_keeps_silent(cluster_inside):
    silent = cluster_inside.start(
        "/usr/bin/python3", "-c",
        "import socket, sys\nserver = socket.create_server(('127.0.0.1', 111))\n"
        "print('ready', flush=True)\nsys.stdin.read()")
    silent.wait_line(r"^ready$")
    silent.expected = {0, -15}
    cluster_inside.master(listen="127.0.0.1:3000")
    done, checks = doctor("--masters", "127.0.0.1", "--timeout-ms", "4000",
                          prefix=cluster_inside.prefix)
    assert done.returncode == 0, done.stdout
    assert checks["rpcbind", "127.0.0.1"][0] == "warning"
    assert "give the port, HOST:PORT" in checks["rpcbind", "127.0.0.1"][1]
