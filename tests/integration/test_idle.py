"""Connections that nobody uses cost little.

A bound on memory for each, at a number of them that fits into any run. The figure for ten
thousand comes from the same test:

	DIST_IDLE_CONNECTIONS=10000 pytest -s tests/integration/test_idle.py
"""

import os
import resource
import socket
import struct

from harness import SLOWNESS, eventually

N_CONNECTIONS = int(os.environ.get("DIST_IDLE_CONNECTIONS", "1000"))
LAST_FRAGMENT = 0x80000000
ARITH = 0x20000A01
# What the kernel keeps for a socket is not the process's own and does not show in it.
BYTES_EACH = 3 * 1024


def null_call(xid):
    """NULLPROC of a program that the node serves, with empty credentials."""
    body = struct.pack(">10I", xid, 0, 2, ARITH, 1, 0, 0, 0, 0, 0)
    return struct.pack(">I", LAST_FRAGMENT | len(body)) + body


def connect_and_call(port, number):
    """Each 20,000 from an address of their own, since ports run out."""
    source = f"127.0.0.{2 + number // 20000}"
    peer = socket.create_connection(("127.0.0.1", port), 20, source_address=(source, 0))
    peer.sendall(null_call(number))
    return peer


def take_reply(peer, number):
    reply = b""
    while len(reply) < 28:
        piece = peer.recv(28 - len(reply))
        assert piece, "closed instead of answered"
        reply += piece
    assert struct.unpack(">I", reply[4:8]) == (number,)


def test_an_idle_connection_keeps_little_memory(cluster):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    node = cluster.node(cluster.master().address)
    before = node.memory_bytes()
    peers = []
    try:
        for number in range(N_CONNECTIONS):
            peers.append(connect_and_call(node.port, number))
            take_reply(peers[-1], number)
        eventually(lambda: node.n_descriptors() >= N_CONNECTIONS, what="all of them")
        after = node.memory_bytes()
        print(f"{N_CONNECTIONS} idle connections: {after / 2**20:.1f} MiB in all, "
              f"{(after - before) / N_CONNECTIONS:.0f} bytes each")
        # Sanitizers add to each piece of memory, and give none back.
        if SLOWNESS == 1:
            assert after - before < N_CONNECTIONS * BYTES_EACH
    finally:
        for peer in peers:
            peer.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
