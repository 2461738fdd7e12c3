"""What peers send, or leave out, harms nobody but them.

Peers that take no replies, that stop in the middle of a call, that send a byte a second,
and that are more than there is room for. Beside them is always one that is as it should
be, and what it gets is compared with what it got before they came.
"""

import json
import resource
import selectors
import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from harness import BUILD, SLOWNESS, command, eventually, within

ROOT = Path(__file__).resolve().parents[2]

LAST_FRAGMENT = 0x80000000
STRAIN = 0x20000E01
MAKE, SLEEP, TAKE = 1, 2, 3


def call(xid, procedure, *words, rest=b""):
    """A call of the module strain (RFC 5531 section 9), with empty credentials."""
    body = struct.pack(f">{10 + len(words)}I", xid, 0, 2, STRAIN, 1, procedure,
                       0, 0, 0, 0, *words) + rest
    return struct.pack(">I", LAST_FRAGMENT | len(body)) + body


@pytest.fixture(autouse=True)
def all_descriptors():
    """As many as this process may have, for it and those it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def bench(cluster, node, procedure, argument, seconds, *options, master=None):
    """distbench on a procedure that takes one number; without @seconds, so many calls as
    @options say. Only with a master it learns that the node can say "busy, not run", and
    tries again."""
    duration = ["--duration", f"{int(seconds * 1000)}ms"] if seconds else []
    where = ["--masters", master.address] if master else \
        ["--servers", f"127.0.0.1:{node.port}"]
    return cluster.start(cluster.program("distbench"), *where,
                         "--call", f"{STRAIN}/1/{procedure}",
                         "--arguments-hex", f"{argument:08x}", "--warm-up", "100ms",
                         *duration, "--json", *options)


def report_of(bench, status=0):
    assert bench.wait(60) == status, bench.text()
    return json.loads(bench.text("out"))


def measure(cluster, node, seconds, master=None):
    """What a program gets that calls the node one call after the other: each call is
    answered, and how long the slowest in a hundred take."""
    return report_of(bench(cluster, node, MAKE, 100, seconds, "--result-bytes", "104",
                           "--threads", "2", master=master))


def p99_ms(report):
    return report["p99_us"] / 1000


# --- Peers that take no replies -------------------------------------------------------

class Glutton(threading.Thread):
    """Asks for 100,000 replies of 64 KiB, and takes none. It ends when its connection
    does, or when all were read: those for which there was no room are told busy, which
    is so short that the kernel may keep it for all of them."""

    N_CALLS = 100_000

    def __init__(self, port):
        super().__init__(daemon=True)
        self.peer = socket.create_connection(("127.0.0.1", port), 20)
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.peer.settimeout(within(60))
        self.n_sent = 0
        self.ended = False
        self.start()

    def run(self):
        try:
            while self.n_sent < self.N_CALLS:
                self.peer.sendall(b"".join(call(xid, MAKE, 65536)
                                           for xid in range(100)))
                self.n_sent += 100
        except (ConnectionResetError, BrokenPipeError):
            pass
        self.ended = True


def test_peers_that_take_no_replies_cost_little_and_end(cluster):
    master = cluster.master()
    node = cluster.node(master.address, "--workers", "2", "--max-record-bytes",
                        str(1 << 20), "--reply-timeout-ms", "2000", module="strain")
    before = measure(cluster, node, 1, master)
    memory = node.memory_bytes()
    gluttons = [Glutton(node.port) for _ in range(4)]
    eventually(lambda: all(glutton.n_sent > 0 for glutton in gluttons), what="calls")
    beside = measure(cluster, node, 1, master)
    grown = node.memory_bytes() - memory
    assert beside["failures"] == 0
    assert p99_ms(beside) < 10 * p99_ms(before) + 50 * SLOWNESS
    print(f"{len(gluttons)} that take no replies: {grown / 2**20:.1f} MiB more; p99 "
          f"{p99_ms(before):.3f} ms before, {p99_ms(beside):.3f} ms beside them")
    # Of each: a megabyte until it is not read, two records, and what workers still had.
    if SLOWNESS == 1:
        assert grown < len(gluttons) * (4 << 20) + (8 << 20)
    node.wait_line(r"connection-ended .*it does not take its replies", 30)
    eventually(lambda: all(glutton.ended for glutton in gluttons), 30, "their end")
    after = measure(cluster, node, 0.5, master)
    assert after["failures"] == 0


# --- Peers that do not go on ----------------------------------------------------------

class Dawdlers(threading.Thread):
    """Connections that begin a call. Half of them stop there, the others send another
    byte each second."""

    def __init__(self, port, n):
        super().__init__(daemon=True)
        # More than a header, so that only the record's own time is up in the end.
        self.bytes = call(1, TAKE, 4096, rest=bytes(4096))
        self.peers = []
        for i in range(n):
            peer = socket.create_connection(("127.0.0.1", port), 20)
            peer.sendall(self.bytes[:44 + i % 10])
            self.peers.append(peer)
        self.stopping = threading.Event()
        self.n_rounds = 0
        self.n_ended = 0
        self.start()

    def run(self):
        slow = self.peers[::2]
        while not self.stopping.is_set():
            began = time.monotonic()
            for i, peer in enumerate(slow):
                try:
                    peer.send(b"\0")
                except OSError:
                    self.n_ended += 1
                # Not all at one moment.
                if i % 100 == 0 and self.stopping.wait(0.8 * 100 / len(slow)):
                    break
            self.n_rounds += 1
            self.stopping.wait(max(0, began + 1 - time.monotonic()))

    def close(self):
        self.stopping.set()
        self.join()
        for peer in self.peers:
            peer.close()


def test_ten_thousand_half_calls_keep_nobody_waiting(cluster, all_descriptors):
    n = min(10_000, all_descriptors - 500)
    # None shall end before all are there, however long that takes.
    node = cluster.node(None, "--record-timeout-ms", "600000", module="strain")
    before = measure(cluster, node, 2)
    dawdlers = Dawdlers(node.port, n)
    try:
        eventually(lambda: node.n_descriptors() > n, what="all of them")
        beside = measure(cluster, node, 3)
        assert node.n_descriptors() > n
        assert dawdlers.n_rounds > 0
        assert dawdlers.n_ended == 0
    finally:
        dawdlers.close()
    print(f"{n} half calls: p99 {p99_ms(before):.3f} ms before, {p99_ms(beside):.3f} ms "
          f"beside them; {beside['calls']} calls")
    assert before["failures"] == 0 and beside["failures"] == 0
    assert p99_ms(beside) < 10 * p99_ms(before) + 50 * SLOWNESS
    eventually(lambda: node.n_descriptors() < 100, 20, "their end")


def test_a_flood_of_half_calls_makes_room_for_whoever_calls(cluster):
    """Three times as many as there is room for; each new one is a half call more."""
    node = cluster.node(None, "--max-connections", "500", module="strain")
    before = measure(cluster, node, 1)
    dawdlers = Dawdlers(node.port, 1500)
    try:
        node.wait_line(r"connection-ended .*half-sent.*max_connections ")
        assert node.n_descriptors() < 600
        beside = measure(cluster, node, 1)
        eventually(lambda: dawdlers.n_ended > 0, what="the end of the oldest")
    finally:
        dawdlers.close()
    assert before["failures"] == 0 and beside["failures"] == 0
    assert not node.find_line(r"connection-refused")
    # One line for each would be the next flood.
    ended = [line for line in node.lines if "connection-ended" in line.text]
    assert len(ended) < 100


# --- More calls than there is room for ------------------------------------------------

def test_one_that_fills_the_queue_does_not_starve_another(cluster):
    """Five hundred calls of one program want the 64 places of the queue all the time; the
    other one makes one call after the other, and sees as much of the node as its place
    in the queue is worth."""
    master = cluster.master()
    node = cluster.node(master.address, "--workers", "2", "--queue", "64",
                        module="strain")
    hog = bench(cluster, node, SLEEP, 2000, 5, "--in-flight", "500", master=master)
    hog.expected = {0, 1}
    node.wait_line(r"calls-refused .*as many calls wait as queue allows")
    # Each takes some 64 places * 2 ms / 2 workers: there is time for ten times as many.
    other = report_of(bench(cluster, node, SLEEP, 2000, None, "--calls", "6", master=master))
    assert hog.running(), "it was answered when there was nobody else"
    assert other["failures"] == 0
    assert node.running()
    hog.wait(60)
    assert json.loads(hog.text("out"))["calls"] > 0


def test_three_times_the_capacity_is_refused_and_does_no_harm():
    """That no call fails but those told "busy", that memory stays where it is, and that
    nothing of it is left a second later; the figures are for a quiet machine."""
    # A sanitizer gives no memory back for a while.
    memory = ("--memory-mib", "1024") if SLOWNESS != 1 else ()
    done = command(ROOT / "bench" / "overload", "--build", BUILD, "--seconds", "3", *memory,
                   seconds=60)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
