"""Stock ONC RPC and ours: their client and our node, our client and their server."""

import subprocess

import pytest

from harness import Cluster, Process, command, eventually

ARITH = 0x20000A01
REGISTRY = 0x2d150000


def stock_client(host, port, *words, prefix=()):
    done = command(Cluster.program("stock-client"), host, port, *words, prefix=prefix)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(params=["127.0.0.1", "::1"])
def host(request):
    return request.param


@pytest.fixture
def node(cluster, host):
    """A node with two modules, called without any master."""
    listen = f"[{host}]:0" if ":" in host else f"{host}:0"
    return cluster.node(None, cluster.module("who"), listen=listen)


def test_a_stock_client_calls_nullproc(node, host):
    assert stock_client(host, node.port, "null") == "null\n"


def test_a_stock_client_makes_many_calls_on_one_connection(node, host):
    assert stock_client(host, node.port, "sum", 2000) == "sum 2000\n"


@pytest.mark.parametrize("flavor, seen", [
    ("none", "flavor 0\n"),
    ("sys", "sys machine=somewhere uid=1234 gid=5678 gids=7,8,9\n")])
def test_a_procedure_sees_a_stock_clients_credentials(node, host, flavor, seen):
    assert stock_client(host, node.port, "who", flavor) == seen


def test_a_stock_client_hears_the_standard_errors(node, host):
    assert stock_client(host, node.port, "unknown").splitlines() == [
        "RPC: Procedure unavailable",
        "RPC: Program/version mismatch; 1 to 1",
        "RPC: Program unavailable"]


def test_rpcinfo_pings_a_node(cluster):
    node = cluster.node(None)
    address = f"127.0.0.1.{node.port >> 8}.{node.port & 255}"
    done = command("rpcinfo", "-a", address, "-T", "tcp", ARITH, 1)
    assert done.returncode == 0, done.stderr
    assert "ready and waiting" in done.stdout


def test_several_stock_clients_at_once(cluster):
    node = cluster.node(None)
    clients = [Process([Cluster.program("stock-client"), "127.0.0.1", node.port, "sum",
                        "2000"]) for _ in range(8)]
    for client in clients:
        assert client.wait(60) == 0, client.text()
        client.finish()


@pytest.fixture
def stock_server(cluster):
    server = cluster.start(cluster.program("stock-server"))
    # svc_run() ends by its signal alone.
    server.expected = {-15}
    server.port = int(server.wait_line(r"listening port=(\d+)")[1][1])
    return server


@pytest.mark.parametrize("in_flight", [1, 64])
def test_our_client_calls_a_stock_server(cluster, stock_server, in_flight):
    address = f"127.0.0.1:{stock_server.port}"
    load = cluster.load(None, "--servers", address, "--in-flight", str(in_flight))
    eventually(lambda: load.report()["calls"] > 5000, seconds=60, what="5000 calls")
    report = load.end()
    assert report["failed"] == 0
    assert report["wrong"] == 0
    assert set(report["nodes"]) == {address}


def test_stock_servers_and_their_deaths_are_noticed(cluster, stock_server):
    other = cluster.start(cluster.program("stock-server"))
    other.expected = {-15}
    port = int(other.wait_line(r"listening port=(\d+)")[1][1])
    addresses = [f"127.0.0.1:{stock_server.port}", f"127.0.0.1:{port}"]
    load = cluster.load(None, "--servers", ",".join(addresses), "--idempotent")
    load.wait_answers(addresses)
    other.kill()
    load.wait_answers(addresses[:1])
    report = load.end()
    assert report["failed"] == 0
    assert report["wrong"] == 0


class Capture:
    """tshark on the namespace's loopback, and what it makes of the bytes afterwards."""

    def __init__(self, namespace, path):
        self.namespace, self.path = namespace, path
        self.tshark = Process(["tshark", "-i", "lo", "-f", "tcp", "-w", path],
                              prefix=namespace.prefix)
        self.wait_until_seen(port=9)

    def knock(self, port):
        """A connection that is refused: it stands in the capture, and nothing else."""
        self.namespace.run("/usr/bin/python3", "-c", "import socket, sys\n"
                           "socket.socket().connect_ex(('127.0.0.1', int(sys.argv[1])))",
                           port)

    def wait_until_seen(self, port):
        """Until the file holds all that was sent before: it is written now and then."""
        def seen():
            self.knock(port)
            return self.path.exists() and self.frames(f"tcp.dstport=={port}")
        eventually(seen, seconds=20, what="a packet in the capture")

    def frames(self, condition, rpc_ports=()):
        """Numbers of the frames that match, a frame once for each message in it."""
        decode = [word for port in rpc_ports for word in ("-d", f"tcp.port=={port},rpc")]
        done = subprocess.run(
            ["tshark", "-r", self.path, "-o", "rpc.dissect_unknown_programs:TRUE", *decode,
             "-Y", condition, "-T", "fields", "-e", "frame.number", "-e", "rpc.xid"],
            capture_output=True, text=True)
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        return [row[0] for row in rows for _ in row[-1].split(",")]

    def finish(self):
        self.wait_until_seen(port=11)
        self.tshark.finish()


def test_tshark_decodes_a_capture_as_onc_rpc(namespace, cluster_inside, tmp_path):
    """Registry, node and user's calls alike: all are calls and replies, none malformed."""
    capture = Capture(namespace, tmp_path / "capture.pcap")
    master = cluster_inside.master()
    node = cluster_inside.node(master.address)
    # No more than tshark keeps up with: it leaves out what it had no time for.
    calls = 500
    bench = cluster_inside.start(cluster_inside.program("distbench"), "--masters",
                                 master.address, "--calls", str(calls), "--warm-up", "0s",
                                 "--in-flight", "4")
    assert bench.wait() == 0, bench.text()
    stock_client("127.0.0.1", node.port, "sum", 10, prefix=namespace.prefix)
    cluster_inside.close()
    capture.finish()

    def decoded(condition):
        return capture.frames(condition, rpc_ports=[master.port, node.port])

    at_node, at_master = f"tcp.port=={node.port}", f"tcp.port=={master.port}"
    assert len(decoded(f"{at_node} && rpc.program=={ARITH} && rpc.msgtyp==0")) >= calls + 10
    assert len(decoded(f"{at_node} && rpc.msgtyp==1")) >= calls + 10
    assert decoded(f"{at_master} && rpc.program=={REGISTRY} && rpc.msgtyp==0")
    assert decoded(f"{at_master} && rpc.msgtyp==1 && rpc.replystat==0")
    assert decoded("_ws.malformed") == []
    # What is no message at all is called a continuation, and has no type.
    assert decoded("rpc && !rpc.msgtyp") == []
