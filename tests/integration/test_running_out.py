"""What runs out, short of memory: descriptors, and room for the log.

tests/unit/agent/test_no_memory.c and test_system_fails.c refuse one thing after the other
inside one process; here the system itself does, to real ones.
"""

import os
import resource
import socket
import struct
import time

import pytest

from harness import eventually, free_port

N_NEWCOMERS = 40


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def assert_idles(process):
    """That it does not try again and again what fails."""
    began, used = time.monotonic(), cpu_seconds(process.pid)
    time.sleep(0.5)  # not for an event: what it uses meanwhile is the question
    assert cpu_seconds(process.pid) - used < (time.monotonic() - began) / 2


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def is_closed(peer):
    """Whether the other end has closed it, looked at without waiting."""
    peer.setblocking(False)
    try:
        return peer.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


# --- Descriptors ----------------------------------------------------------------------

@pytest.mark.parametrize("of", ["node", "master"])
def test_newcomers_beyond_the_descriptors_are_closed_at_once(cluster, of):
    master = cluster.master()
    node = cluster.node(master.address, name="first")
    load = cluster.load(master.address)
    load.wait_answers({"first"})
    victim = node if of == "node" else master
    limit = victim.n_descriptors() + 10
    resource.prlimit(victim.pid, resource.RLIMIT_NOFILE, (limit, limit))
    peers = [connect(victim.port) for _ in range(N_NEWCOMERS)]
    try:
        # Each beyond the limit is told, also the last one: none waits to be accepted.
        eventually(lambda: sum(map(is_closed, peers)) >= N_NEWCOMERS - 10,
                   what="newcomers closed")
        # For each one ends that has sent nothing yet; else the newcomer is refused.
        victim.wait_line(r"connection-(ended|refused) .*no descriptors left")
        # Who was there before is served, and heartbeats and watches go on.
        load.forget()
        load.wait_answers({"first"})
        assert load.report()["failed"] == 0
        load.pause()  # what its calls cost is not the question
        assert_idles(victim)
        load.resume()
    finally:
        for peer in peers:
            peer.close()
    eventually(lambda: victim.n_descriptors() < limit - 5, what="descriptors back")
    with connect(victim.port) as peer:
        # A newcomer is served again: that there is no such program, it is told.
        peer.sendall(struct.pack(">11I", 0x80000000 | 40, 1, 0, 2, 1, 1, 0, 0, 0, 0, 0))
        assert peer.recv(4) != b""
    assert cluster.live(master.address) == {"first"}
    assert load.end()["failed"] == 0


def test_a_caller_without_descriptors_says_so_and_goes_on_later(cluster):
    """Its connections stay; a node that comes meanwhile is used once there is room."""
    master = cluster.master()
    cluster.node(master.address, name="first")
    load = cluster.load(master.address)
    load.wait_answers({"first"})
    hard = resource.prlimit(load.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(load.pid, resource.RLIMIT_NOFILE, (3, hard))
    second = cluster.node(master.address, name="second")
    eventually(lambda: load.report()["failed"] > 0 or
               load.report()["nodes"].get("first", 0) > 0, what="a call")
    resource.prlimit(load.pid, resource.RLIMIT_NOFILE, (hard, hard))
    load.forget()
    load.wait_answers({"first", "second"})
    assert second.running()
    load.end()


# --- The log --------------------------------------------------------------------------

def to_full_disk():
    return ["sh", "-c", 'exec "$@" 2>/dev/full', "sh"]


def to_file_at_its_limit(path):
    """Appended to, so that not one byte more is allowed."""
    path.write_bytes(b"\n" * 4096)
    return ["sh", "-c", f'exec "$@" 2>>{path}', "sh", "prlimit", "--fsize=4096"]


@pytest.mark.parametrize("kind", ["full disk", "file at its limit"])
def test_a_log_that_cannot_be_written_stops_nothing(cluster, tmp_path, kind):
    """Its lines are lost; each program serves as before and ends as it should."""
    def prefix(name):
        return to_full_disk() if kind == "full disk" else to_file_at_its_limit(tmp_path / name)

    port = free_port()
    address = f"127.0.0.1:{port}"
    cluster.prefix = prefix("master.log")
    master = cluster.master("--log-level", "debug", listen=address, wait=False)
    cluster.prefix = prefix("node.log")
    node = cluster.node(address, "--log-level", "debug", name="first", wait=False)
    cluster.prefix = []
    cluster.wait_nodes(address, at_least={"first"})
    load = cluster.load(address)
    load.wait_answers({"first"})
    assert load.end()["failed"] == 0
    assert node.stop() == 0
    assert master.stop() == 0


@pytest.mark.parametrize("arguments, status", [
    (["--no-such-option"], 2),
    (["--listen", "192.0.2.1:3000", "--no-rpcbind"], 1),
])
def test_an_error_that_cannot_be_told_keeps_its_status(cluster, arguments, status):
    process = cluster.start(cluster.program("distmaster"), *arguments,
                            prefix=to_full_disk())
    process.expected = {status}
    assert process.wait() == status
