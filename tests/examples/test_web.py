"""The web example: HTTP in front, nodes behind."""

import http.client
import json
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import BUILD, Cluster, command, eventually, within

WEB = BUILD / "examples" / "web" / "web"

pytestmark = pytest.mark.skipif(not WEB.exists(), reason="built without the web example")


class Web:
    def __init__(self, cluster):
        self.cluster = cluster
        self.process = cluster.start(WEB, "--http", "127.0.0.1:0", "--listen",
                                     "127.0.0.1:0", "--no-rpcbind")
        _, match = self.process.wait_line(
            r"web-listening address=(\S+):(\d+) master_port=(\d+)")
        self.host, self.port = match[1], int(match[2])
        self.masters = f"127.0.0.1:{match[3]}"

    def ask(self, path, method="GET", seconds=20):
        """Status and JSON body."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=within(seconds))
        connection.request(method, path)
        response = connection.getresponse()
        body = json.loads(response.read())
        connection.close()
        return response.status, body

    def node(self, **options):
        return self.cluster.node(self.masters, str(Cluster.module("palindrome")), **options)

    def nodes(self):
        return {node["name"] for node in self.ask("/nodes")[1]["nodes"]
                if node["state"] == "live"}

    def wait_nodes(self, *names):
        eventually(lambda: self.nodes() == set(names), what=f"nodes {names}")

    def in_flight(self, name):
        """Calls under way at the node of that name."""
        return {node["name"]: node["in_flight"] for node in self.ask("/nodes")[1]["nodes"]}[name]

    def begin_sum(self, pool, name):
        """A sum that is under way at the node, whose time is long. Where the machine kept
        this test from looking until it was over, another."""
        while True:
            slow = pool.submit(self.ask, "/sum")
            while not slow.done():
                if self.in_flight(name) == 1:
                    return slow


@pytest.fixture
def web(cluster):
    return Web(cluster)


def is_sentence(body):
    return list(body) == ["error"] and len(body["error"].split()) >= 3


# --- Answers ---------------------------------------------------------------------------

def test_sum_names_the_node(web):
    web.node(name="alone")
    web.wait_nodes("alone")
    status, body = web.ask("/sum")
    assert status == 200
    assert len(body["numbers"]) == 3
    assert body["sum"] == sum(body["numbers"])
    assert body["node"] == "alone"


def test_palindrome_counts_over_all_nodes(web):
    for name in ("a", "b", "c"):
        web.node(name=name)
    web.wait_nodes("a", "b", "c")
    status, body = web.ask("/palindrome?n=2000")
    assert status == 200
    assert body["n"] == 2000
    assert body["count"] == 93
    assert set(body["nodes"]) == {"a", "b", "c"}


def test_palindrome_at_the_edges(web):
    web.node(name="alone")
    web.wait_nodes("alone")
    for n, count in [(0, 1), (1, 2), (2, 2), (3, 3)]:
        assert web.ask(f"/palindrome?n={n}")[1]["count"] == count


def test_nodes_lists_them(web):
    node = web.node(name="alone")
    web.wait_nodes("alone")
    status, body = web.ask("/nodes")
    assert status == 200
    (entry,) = body["nodes"]
    assert entry["address"] == f"127.0.0.1:{node.port}"
    assert entry["capacity"] >= 1


# --- At the same time ------------------------------------------------------------------

def test_concurrent_sums_do_not_wait_for_each_other(web):
    for name in ("a", "b", "c"):
        web.node(name=name, delay_ms=500)
    web.wait_nodes("a", "b", "c")
    over = threading.Event()

    def ask_until_over():
        answers = []
        while not over.is_set():
            answers.append(web.ask("/sum"))
        return answers

    def n_in_flight():
        return sum(node["in_flight"] for node in web.ask("/nodes")[1]["nodes"])

    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(ask_until_over) for _ in range(6)]
        try:
            eventually(lambda: n_in_flight() == 6, what="six calls in flight at once")
        finally:
            over.set()
    answers = [answer for each in asked for answer in each.result()]
    assert all(status == 200 for status, _ in answers)
    assert {body["node"] for _, body in answers} == {"a", "b", "c"}


def test_a_slow_sum_does_not_delay_others(web):
    node = web.node(name="slow", delay_ms=600000)
    web.wait_nodes("slow")
    with ThreadPoolExecutor(1) as pool:
        slow = web.begin_sum(pool, "slow")
        assert web.ask("/palindrome?n=2000")[1]["count"] == 93
        assert not slow.done()
        node.kill()
        status, body = slow.result()
        assert status == 502 and is_sentence(body)


# --- What can be wrong -----------------------------------------------------------------

@pytest.mark.parametrize("path", [
    "/palindrome", "/palindrome?", "/palindrome?n", "/palindrome?n=", "/palindrome?m=5",
    "/palindrome?n=x", "/palindrome?n=-1", "/palindrome?n=1.5", "/palindrome?n=1e3",
    "/palindrome?n=%205", "/palindrome?n=%2B5", "/palindrome?n=5%00",
    "/palindrome?n=1000000001", "/palindrome?n=99999999999999999999",
])
def test_a_bad_n_is_400_with_a_sentence(web, path):
    status, body = web.ask(path)
    assert status == 400
    assert is_sentence(body)
    assert "n must be a whole number" in body["error"]


@pytest.mark.parametrize("path", ["/sum", "/palindrome?n=2000"])
def test_without_nodes_it_is_503_with_a_sentence(web, path):
    status, body = web.ask(path)
    assert status == 503
    assert is_sentence(body)
    assert "no live node" in body["error"]
    assert web.ask("/nodes") == (200, {"nodes": []})


def test_other_paths_and_methods(web):
    status, body = web.ask("/nothing")
    assert status == 404 and is_sentence(body)
    status, body = web.ask("/sum", method="DELETE")
    assert status == 405 and is_sentence(body)


def test_a_node_that_dies_is_not_noticed(web):
    web.node(name="stays")
    # None of its sums ends before it does.
    doomed = web.node(name="dies", delay_ms=600000)
    web.wait_nodes("stays", "dies")
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(web.ask, "/sum") for _ in range(4)]
        eventually(lambda: web.in_flight("dies") > 0, what="a call in flight there")
        doomed.kill()
        assert {answer.result()[1]["node"] for answer in answers} == {"stays"}
    web.wait_nodes("stays")


# --- Start and stop --------------------------------------------------------------------

def test_a_port_in_use_is_told_in_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = command(WEB, "--http", address, "--listen", "127.0.0.1:0", "--no-rpcbind")
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert address in done.stderr and "--http" in done.stderr
        done = command(WEB, "--http", "127.0.0.1:0", "--listen", address, "--no-rpcbind")
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert address in done.stderr


@pytest.mark.parametrize("arguments", [
    ["stray"], ["--no-such-option"], ["--http", "8080"], ["--http", "::1:8080"],
    ["--http", "127.0.0.1:0", "--listen", "nonsense:port", "--no-rpcbind"],
])
def test_wrong_usage_exits_2_and_says_where_to_look(arguments):
    done = command(WEB, *arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2, done.stderr
    assert "Try 'web --help'" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_finish(web, number):
    web.node(name="slow", delay_ms=1000)
    web.wait_nodes("slow")
    with ThreadPoolExecutor(1) as pool:
        slow = web.begin_sum(pool, "slow")
        web.process.send(number)
        assert slow.result()[0] == 200
    assert web.process.wait() == 0


def test_a_signal_ends_requests_that_take_too_long(web):
    web.node(name="slow", delay_ms=600000)
    web.wait_nodes("slow")
    with ThreadPoolExecutor(1) as pool:
        slow = web.begin_sum(pool, "slow")
        web.process.send(signal.SIGTERM)
        status, body = slow.result()
        assert status == 503 and is_sentence(body)
    assert web.process.wait() == 0


def test_http_over_ipv6(cluster):
    process = cluster.start(WEB, "--http", "[::1]:0", "--listen", "127.0.0.1:0",
                            "--no-rpcbind")
    _, match = process.wait_line(r"web-listening address=\[::1\]:(\d+) ")
    connection = http.client.HTTPConnection("::1", int(match[1]), timeout=within(20))
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    connection.close()
