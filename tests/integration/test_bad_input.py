"""What is wrong is said in one line: what, where, and what to do. Nothing crashes."""

import os
import re
import resource
import socket
import struct
import subprocess
import time

import pytest

from harness import Cluster, command, eventually, free_port

LAST_FRAGMENT = 0x80000000


# --- The command line -----------------------------------------------------------------

def compile_module(tmp_path, text):
    source = tmp_path / "module.c"
    source.write_text(text)
    target = tmp_path / "module.so"
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", target], check=True)
    return target


def last_line(done):
    lines = done.stderr.strip().splitlines()
    assert lines, "it said nothing"
    return lines[-1]


def run_node(*arguments):
    return command(Cluster.program("distnode"), "--masters", "127.0.0.1:1",
                   "--listen", "127.0.0.1:0", *arguments)


def test_a_module_that_is_not_there_is_named():
    done = run_node("./no-such-module.so")
    assert done.returncode == 1
    assert "no-such-module.so" in last_line(done)


def test_a_module_that_is_no_library_is_named(tmp_path):
    path = tmp_path / "text.so"
    path.write_text("not a library\n")
    done = run_node(path)
    assert done.returncode == 1
    assert str(path) in last_line(done)


def test_a_module_without_services_is_named(tmp_path):
    module = compile_module(tmp_path, "int nothing_to_serve;\n")
    done = run_node(module)
    assert done.returncode == 1
    assert str(module) in last_line(done)
    assert "service" in last_line(done)


def test_a_module_with_a_missing_symbol_names_it(tmp_path):
    module = compile_module(
        tmp_path, "int not_anywhere(void);\nint call(void) { return not_anywhere(); }\n")
    done = run_node(module)
    assert done.returncode == 1
    assert "not_anywhere" in last_line(done)


@pytest.mark.parametrize("address", [
    "nonsense:port", "127.0.0.1:70000", "127.0.0.1:-1", "[::1", "::1:3000", "",
    "300.0.0.1:x", "a b:1"])
@pytest.mark.parametrize("name", ["distmaster", "distnode"])
def test_an_address_that_does_not_parse_is_quoted(name, address):
    arguments = ["--listen", address]
    if name == "distmaster":
        arguments.append("--no-rpcbind")
    else:
        arguments += ["--masters", "127.0.0.1:1", Cluster.module("arith")]
    done = command(Cluster.program(name), *arguments)
    assert done.returncode in (1, 2)
    assert address in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith(name)]
    assert len(lines) == 1, done.stderr


@pytest.mark.parametrize("masters", ["host:port", "127.0.0.1:70000", ",", "a,,b", "[::1"])
@pytest.mark.parametrize("name", ["distnode", "distctl"])
def test_a_list_of_masters_that_does_not_parse_is_quoted(name, masters):
    arguments = ["--masters", masters]
    arguments += ["nodes"] if name == "distctl" else [Cluster.module("arith")]
    done = command(Cluster.program(name), *arguments)
    assert done.returncode in (1, 2)
    assert "empty" in done.stderr or \
        any(part in done.stderr for part in masters.split(",") if part), done.stderr


@pytest.mark.parametrize("name", ["distmaster", "distnode"])
def test_a_port_in_use_is_named(cluster, name):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        arguments = ["--listen", address]
        if name == "distmaster":
            arguments.append("--no-rpcbind")
        else:
            arguments += ["--masters", "127.0.0.1:1", Cluster.module("arith")]
        done = command(Cluster.program(name), *arguments)
    assert done.returncode == 1
    assert address in last_line(done)
    assert "in use" in last_line(done).lower()


def test_a_master_that_is_not_there_is_named_by_distctl():
    address = f"127.0.0.1:{free_port()}"
    done = command(Cluster.program("distctl"), "--masters", address, "nodes")
    assert done.returncode == 1
    assert address in last_line(done)
    assert done.stdout == ""


def test_a_host_that_does_not_resolve_is_named():
    done = command(Cluster.program("distctl"), "--masters", "no-such-host.invalid:3000",
                   "nodes")
    assert done.returncode == 1
    assert "no-such-host.invalid" in last_line(done)


def test_a_master_that_is_something_else_is_told_apart(cluster):
    """A port where HTTP answers, say: the error comes at once and names it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        process = cluster.start(cluster.program("distctl"), "--masters", address, "nodes")
        process.expected = {1}
        server.settimeout(10)
        # Whatever connection comes gets the same words, until it gives up.
        while process.running():
            try:
                server.settimeout(0.1)
                peer, _ = server.accept()
            except TimeoutError:
                continue
            with peer:
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert process.wait() == 1
    assert address in process.text("err")


def test_an_absent_master_is_a_warning_at_start_and_no_end(cluster):
    address = f"127.0.0.1:{free_port()}"
    node = cluster.node(address, wait=False)
    node.wait_line(r"node-listening")
    node.wait_line(rf" warning .*{re.escape(address)}")
    assert node.running()


def test_a_node_on_loopback_with_a_master_elsewhere_names_listen():
    """192.0.2.0/24 is for documentation (RFC 5737): nobody is there."""
    done = command(Cluster.program("distnode"), "--masters", "192.0.2.1:3000",
                   Cluster.module("arith"))
    assert done.returncode == 1
    assert "--listen" in last_line(done)
    assert "192.0.2.1" in last_line(done)


def test_a_program_nobody_serves_fails_at_once_and_names_masters(cluster):
    master = cluster.master()
    load = cluster.load(master.address, threads=1)
    line, _ = load.wait_line(r"^failed ")
    assert "no live node" in line.text
    assert master.address in line.text
    load.end()


# --- Bytes on a node's port -----------------------------------------------------------

def record(body, last=True, length=None):
    length = len(body) if length is None else length
    return struct.pack(">I", length | (LAST_FRAGMENT if last else 0)) + body


def call(xid=1, rpc_version=2, program=0x20000A01, version=1, procedure=1, body=b"",
         message_type=0, credential=(0, b""), verifier=(0, b"")):
    """A call message (RFC 5531 section 9)."""
    def auth(flavor, data):
        padded = data + b"\0" * (-len(data) % 4)
        return struct.pack(">II", flavor, len(data)) + padded
    return struct.pack(">6I", xid, message_type, rpc_version, program, version,
                       procedure) + auth(*credential) + auth(*verifier) + body


def ints(*numbers, count=None):
    count = len(numbers) if count is None else count
    return struct.pack(f">I{len(numbers)}i", count, *numbers)


HOSTILE = {
    "nothing at all": b"",
    "one byte": b"\x80",
    "half a record mark": b"\x80\x00",
    "a mark alone": record(b"", length=100),
    "half a record": record(call(body=ints(1, 2, 3))[:20], length=64),
    "an empty record": record(b""),
    "a record of four bytes": record(b"\0\0\0\1"),
    "a reply where a call belongs": record(call(message_type=1)),
    "an unknown message type": record(call(message_type=7)),
    "RPC version 3": record(call(rpc_version=3)),
    "a record beyond the limit": record(b"x" * 64, length=0x7fffffff),
    "many empty fragments": record(b"", last=False) * 10000,
    "fragments of one byte without end": record(b"x", last=False) * 10000,
    "an array longer than its record": record(call(body=ints(1, 2, 3, count=0x10000000))),
    "an array of 2^32 - 1": record(call(body=ints(count=0xffffffff))),
    "a credential longer than 400 bytes": record(call(credential=(1, b"x" * 404))),
    "a credential longer than the record":
        record(struct.pack(">8I", 1, 0, 2, 0x20000A01, 1, 1, 1, 0xffffffff)),
    "a broken AUTH_SYS credential": record(call(credential=(1, b"\xff" * 16))),
    "an unknown flavor": record(call(credential=(4711, b"xxxx"))),
    "an unknown program": record(call(program=0x3fffffff)),
    "an unknown version": record(call(version=99)),
    "an unknown procedure": record(call(procedure=99)),
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x5a" * 500,
    "random bytes": bytes((i * 7919 + 13) % 256 for i in range(100000)),
}


def assert_serves(port, host="127.0.0.1"):
    """A plain call on a fresh connection is answered: the node is all there."""
    with socket.create_connection((host, port), timeout=20) as peer:
        peer.sendall(record(call(xid=77, body=ints(1, 2, 3))))
        answer = b""
        while len(answer) < 36:
            piece = peer.recv(4096)
            assert piece, "closed instead of answered"
            answer += piece
    xid, kind, accepted = struct.unpack(">3I", answer[4:16])
    assert (xid, kind, accepted) == (77, 1, 0)
    assert struct.unpack(">Iq", answer[-12:]) == (0, 6)


@pytest.mark.parametrize("what", HOSTILE)
def test_a_node_survives(cluster, what):
    master = cluster.master()
    node = cluster.node(master.address)
    assert_serves(node.port)
    before = node.memory_bytes("VmData")
    n_descriptors = node.n_descriptors()
    peers = []
    for _ in range(20):
        peer = socket.create_connection(("127.0.0.1", node.port), timeout=20)
        try:
            peer.sendall(HOSTILE[what])
        except (ConnectionResetError, BrokenPipeError):
            pass
        peers.append(peer)
    # Others are served while the bad ones are still there.
    assert_serves(node.port)
    for peer in peers:
        peer.close()
    eventually(lambda: node.n_descriptors() <= n_descriptors, what="descriptors back")
    assert_serves(node.port)
    # Twenty times a lying length of 2 GiB would show; buffers and threads' stacks may.
    assert node.memory_bytes("VmData") - before < 256 << 20
    assert node.running()


@pytest.mark.parametrize("what", ["half a record", "HTTP", "random bytes",
                                  "a record beyond the limit",
                                  "fragments of one byte without end"])
def test_a_master_survives(cluster, what):
    master = cluster.master()
    with socket.create_connection(("127.0.0.1", master.port), timeout=20) as peer:
        try:
            peer.sendall(HOSTILE[what])
        except (ConnectionResetError, BrokenPipeError):
            pass
        node = cluster.node(master.address)
    assert cluster.live(master.address) == {node.node_name}


def test_every_cut_of_a_call_leaves_the_node_serving(cluster):
    master = cluster.master()
    node = cluster.node(master.address)
    whole = record(call(body=ints(1, 2, 3)))
    for cut in range(len(whole)):
        with socket.create_connection(("127.0.0.1", node.port), timeout=20) as peer:
            peer.sendall(whole[:cut])
    assert_serves(node.port)


def test_a_thousand_half_calls_do_not_stop_the_node(cluster):
    master = cluster.master()
    node = cluster.node(master.address)
    n_descriptors = node.n_descriptors()
    half = record(call(body=ints(1, 2, 3)))[:30]
    peers = []
    try:
        for _ in range(900):
            peer = socket.create_connection(("127.0.0.1", node.port), timeout=20)
            peer.sendall(half)
            peers.append(peer)
        assert_serves(node.port)
    finally:
        for peer in peers:
            peer.close()
    eventually(lambda: node.n_descriptors() <= n_descriptors, what="descriptors back")


def test_descriptors_running_out_stops_nothing_for_good(cluster):
    """accept() fails then: the node neither spins nor forgets those it has."""
    master = cluster.master()
    node = cluster.node(master.address)
    with socket.create_connection(("127.0.0.1", node.port), timeout=20) as before:
        before.sendall(record(call(body=ints(1))))
        assert before.recv(4096)
        limit = node.n_descriptors() + 10
        resource.prlimit(node.pid, resource.RLIMIT_NOFILE, (limit, limit))
        peers = [socket.create_connection(("127.0.0.1", node.port), timeout=20)
                 for _ in range(40)]
        eventually(lambda: node.n_descriptors() >= limit - 1, what="the limit")
        began, used = time.monotonic(), cpu_seconds(node.pid)
        time.sleep(0.5)  # not for an event: what it uses meanwhile is the question
        assert cpu_seconds(node.pid) - used < (time.monotonic() - began) / 2
        before.sendall(record(call(body=ints(1))))
        assert before.recv(4096)
        for peer in peers:
            peer.close()
    eventually(lambda: node.n_descriptors() < limit - 10, what="descriptors back")
    assert_serves(node.port)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
