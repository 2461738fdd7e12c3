"""The cluster over HTTP: what distmaster --http shows to people and to programs."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

import browser
from harness import Cluster, command, eventually, within

pytestmark = pytest.mark.skipif(
    "built without HTTP" in command(Cluster.program("distmaster"), "--http", "x").stderr,
    reason="built without HTTP")

# Pictures of the page are left here, for people.
PICTURES = os.environ.get("DIST_PICTURES")


class Board:
    """A master with HTTP, and what it answers."""

    def __init__(self, cluster, *options, http="0", stats_ms=200):
        self.cluster = cluster
        self.master = cluster.master("--http", http, "--stats-ms", str(stats_ms), *options)
        _, match = self.master.wait_line(r"http-listening address=(\S+):(\d+)")
        self.host, self.port = match[1], int(match[2])
        self.url = f"http://{self.host}:{self.port}/"

    def ask(self, path, method="GET", headers=None, body=None):
        """Status, headers and body."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=within(20))
        connection.request(method, path, headers=headers or {}, body=body)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, response.headers, text

    def nodes(self):
        return {node["name"]: node for node in json.loads(self.ask("/nodes")[2])["nodes"]}

    def callers(self):
        return json.loads(self.ask("/callers")[2])

    def metrics(self):
        return self.ask("/metrics")[2]

    def calls(self, name, outcome="ok"):
        """Of ARITH_SUM, as /nodes has it."""
        for procedure in self.nodes().get(name, {}).get("procedures", []):
            if procedure["procedure_name"] == "ARITH_SUM":
                return procedure["counters"][outcome]
        return 0

    def wait_caller(self):
        """What a master did not take in time is told it again after a minute."""
        eventually(lambda: self.callers()["callers"], 90, "the caller")

    def wait_ready(self):
        eventually(lambda: self.ask("/readyz")[0] == 200, what="/readyz")


@pytest.fixture
def board(cluster):
    return Board(cluster)


# --- Where, and for whom ---------------------------------------------------------------

def test_it_is_on_loopback_unless_told_otherwise(cluster, board):
    assert board.host == "127.0.0.1"
    everywhere = Board(cluster, http=":0")
    assert everywhere.host in ("[::]", "0.0.0.0")
    assert Board(cluster, http="127.0.0.1:0").host == "127.0.0.1"


def test_without_the_option_there_is_none_and_nodes_are_not_asked(cluster):
    master = cluster.master()
    node = cluster.node(master.address, name="alone")
    assert not master.find_line("http-listening")
    done = cluster.ctl(master.address, "stats", "--json")
    calls = {procedure["procedure_name"]: procedure["counters"]["calls"]
             for procedure in json.loads(done.stdout)["nodes"][0]["procedures"]}
    assert calls["DIST_NODE_PING"] >= 1
    # The question itself may be counted already.
    assert calls.get("DIST_NODE_STATS", 0) <= 1
    assert node.running()


def test_a_port_that_is_taken_is_named(cluster, board):
    done = command(Cluster.program("distmaster"), "--listen", "127.0.0.1:0", "--no-rpcbind",
                   "--http", str(board.port))
    assert done.returncode == 1 and str(board.port) in done.stderr and "in use" in done.stderr
    for wrong in ("", "x", "::1", "nowhere.example:1", "127.0.0.1:70000"):
        done = command(Cluster.program("distmaster"), "--http", wrong)
        assert done.returncode == 2 and "--http takes" in done.stderr, wrong


def test_names_of_others_are_refused(cluster):
    board = Board(cluster, "--http-host", "board.example")
    for host in ("evil.example", "127.0.0.1.evil.example", f"evil.example:{board.port}"):
        for path in ("/", "/nodes", "/events", "/metrics", "/readyz"):
            status, headers, text = board.ask(path, headers={"Host": host})
            assert status == 421 and "--http-host" in text, (host, path)
            assert "Access-Control-Allow-Origin" not in headers
    for host in ("localhost", "board.example", f"[::1]:{board.port}"):
        assert board.ask("/nodes", headers={"Host": host})[0] in (200, 503), host


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X"])
def test_nothing_but_looking_is_answered(board, method):
    for path in ("/", "/nodes", "/callers", "/events", "/metrics", "/healthz", "/readyz",
                 "/drain"):
        status, headers, text = board.ask(path, method, body="x" * 100)
        assert status == 405 and headers["Allow"] == "GET, HEAD", (method, path)
        assert "nothing can be changed" in text


@pytest.mark.parametrize("headers, body", [
    ({}, b"x"), ({"Transfer-Encoding": "chunked"}, b"1\r\nx\r\n0\r\n\r\n"),
], ids=["length", "chunks"])
def test_who_only_looks_sends_no_body(board, headers, body):
    """It could be without an end."""
    status, headers, text = board.ask("/healthz", headers=headers, body=body)
    assert status == 413 and "no body" in text and headers["Connection"] == "close"
    assert board.ask("/healthz", headers={"Content-Length": "0"})[0] == 200


def test_head_is_get_without_a_body(board):
    board.wait_ready()
    for path in ("/", "/nodes", "/callers", "/metrics", "/healthz", "/readyz"):
        status, headers, text = board.ask(path, "HEAD")
        assert status == 200 and text == "" and int(headers["Content-Length"]) > 0, path


def test_a_connection_serves_many_requests(board):
    connection = http.client.HTTPConnection(board.host, board.port, timeout=within(20))
    connection.request("GET", "/healthz")
    connection.getresponse().read()
    ours = connection.sock.getsockname()
    for _ in range(20):
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        assert connection.sock and connection.sock.getsockname() == ours
    connection.close()


def test_browsers_may_do_nothing_else_with_an_answer(board):
    for path in ("/", "/nodes", "/metrics", "/none"):
        _, headers, _ = board.ask(path)
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy, path
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert board.ask("/none")[0] == 404


def test_broken_requests_end_only_their_connection(board):
    for request in (b"\0\0\0\0", b"GET / HTTP/1.1\r\n\r\n", b"GET /" + b"x" * 100000,
                    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 20000,
                    b"POST /nodes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"):
        with socket.create_connection((board.host, board.port), within(20)) as connection:
            try:
                connection.sendall(request)
            except OSError:
                pass  # it may have ended already
    status, _, text = board.ask("/healthz")
    assert status == 200, text
    assert board.master.running()


def has_ended(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: local"], ids=["idle", "half"])
def test_who_holds_connections_keeps_nobody_out(board, begun):
    """The longest held one ends for each newcomer; a page that listens does not."""
    feed = Feed(board)
    assert feed.next()[0] == "whole"
    held = []
    try:
        for _ in range(400):
            held.append(socket.create_connection((board.host, board.port), within(20)))
            held[-1].sendall(begun)
        status, _, text = board.ask("/healthz")
        assert status == 200, text
        eventually(lambda: sum(map(has_ended, held)) >= 400 - 256, what="the end of the first")
        assert not has_ended(held[-1])
        feed.next()
    finally:
        for connection in held:
            connection.close()


# --- Health ----------------------------------------------------------------------------

def test_a_master_is_ready_when_its_nodes_had_time_to_come_back(cluster):
    board = Board(cluster)
    status, _, text = board.ask("/healthz")
    assert status == 200, text  # from the first moment on
    status, headers, text = board.ask("/readyz")
    if status != 200:  # three seconds may be over already
        assert status == 503 and headers["Retry-After"] == "1"
        assert "just started" in text or "does not answer calls yet" in text
    board.wait_ready()
    assert board.ask("/readyz")[2] == "ok\n"


# --- Figures ---------------------------------------------------------------------------

def test_what_a_node_counts_is_shown_under_the_same_names(cluster, board):
    cluster.node(board.master.address, name="counted")
    load = cluster.load(board.master.address, threads=2)
    load.wait_answers({"counted"})
    answered = load.end()["nodes"]["counted"]
    eventually(lambda: board.calls("counted") == answered, what="all calls in /nodes")

    from_ctl = json.loads(cluster.ctl(board.master.address, "stats", "--json").stdout)["nodes"][0]
    from_http = board.nodes()["counted"]
    assert from_http["state"] == "live" and from_http["stats_error"] is None
    assert set(from_http["counters"]) == set(from_ctl["counters"])
    by_name = {p["procedure_name"]: p for p in from_ctl["procedures"]}
    for procedure in from_http["procedures"]:
        like = by_name[procedure["procedure_name"]]
        assert set(procedure) == set(like)
        assert set(procedure["counters"]) == set(like["counters"])
    ours = next(p for p in from_http["procedures"] if p["procedure_name"] == "ARITH_SUM")
    assert ours["counters"] == by_name["ARITH_SUM"]["counters"]
    assert ours["times"] == by_name["ARITH_SUM"]["times"]

    labels = 'program="ARITH_PROG",version="ARITH_V1",procedure="ARITH_SUM"'
    metrics = board.metrics()
    assert f'dist_node_calls_total{{node="counted",{labels},outcome="ok"}} {answered}\n' in metrics
    assert f'dist_calls_total{{{labels},outcome="ok"}} {answered}\n' in metrics
    assert f'dist_service_time_seconds_count{{{labels}}} {answered}\n' in metrics
    assert f'dist_service_time_seconds_bucket{{{labels},le="+Inf"}} {answered}\n' in metrics
    assert 'dist_node_up{node="counted"} 1\n' in metrics
    assert 'dist_nodes{state="live"} 1\n' in metrics
    assert 'dist_master_calls_total{program="DIST_REGISTRY",version="DIST_REGISTRY_V1",' \
           'procedure="DIST_REGISTER",outcome="ok"} 1\n' in metrics


def test_totals_do_not_fall_when_a_node_is_killed(cluster, board):
    node = cluster.node(board.master.address, name="mortal")
    load = cluster.load(board.master.address, threads=1)
    load.wait_answers({"mortal"})
    answered = load.end()["nodes"]["mortal"]
    eventually(lambda: board.calls("mortal") == answered, what="all calls in /nodes")
    node.kill()
    eventually(lambda: board.nodes()["mortal"]["state"] == "gone", what="the node gone")
    metrics = board.metrics()
    assert re.search(rf'^dist_calls_total{{.*"ARITH_SUM",outcome="ok"}} {answered}$', metrics, re.M)
    assert re.search(r'^dist_calls_in_flight{.*"ARITH_SUM"} 0$', metrics, re.M)
    assert "dist_node_calls_total{" not in metrics
    assert 'dist_nodes{state="gone"} 1\n' in metrics


def test_callers_are_shown_and_their_calls_stay_when_they_left(cluster, board):
    cluster.node(board.master.address, name="one")
    load = cluster.load(board.master.address, threads=2)
    board.wait_caller()
    caller = board.callers()["callers"][0]
    assert caller["name"].startswith(f"load[{load.pid}]@")
    assert caller["address"].startswith("127.0.0.1:") and caller["counters"]["ok"] > 0
    assert "\ndist_callers 1\n" in board.metrics()
    answered = load.end()["nodes"]["one"]
    # Its last word came before it ended.
    eventually(lambda: board.callers()["n"] == 0, what="the caller gone")
    together = {procedure["procedure"]: procedure
                for procedure in board.callers()["together"]["procedures"]}
    assert together[1]["counters"]["ok"] == answered
    assert together[1]["times"]["latency"]["p99_ns"] > 0
    eventually(lambda: re.search(rf'^dist_caller_calls_total{{program="ARITH_PROG",'
                                 rf'version="ARITH_V1",procedure="ARITH_SUM",'
                                 rf'outcome="ok"}} {answered}$', board.metrics(), re.M),
               what="the calls by name")


def test_a_caller_that_is_killed_is_gone_and_what_it_told_stays(cluster, board):
    cluster.node(board.master.address, name="one")
    load = cluster.load(board.master.address, threads=1)
    board.wait_caller()
    load.kill()
    eventually(lambda: board.callers()["n"] == 0, what="the caller gone")
    assert board.callers()["together"]["counters"] == {}
    assert board.callers()["together"]["procedures"][0]["counters"]["ok"] > 0


def test_a_silent_node_is_told_and_costs_the_others_nothing(cluster, board):
    frozen = cluster.node(board.master.address, "--heartbeat-ms", "10000", name="frozen")
    cluster.node(board.master.address, name="awake")
    # One of them waits for the frozen one, and the other goes on.
    load = cluster.load(board.master.address, threads=2)
    load.wait_answers({"awake", "frozen"})
    eventually(lambda: board.nodes().get("frozen", {}).get("counters"), what="a first answer")
    frozen.pause()
    eventually(lambda: board.nodes()["frozen"]["stats_error"], 20, "an error of the frozen one")
    before = board.calls("awake")
    eventually(lambda: board.calls("awake") > before and
               board.nodes()["awake"]["stats_error"] is None, what="newer figures of the other")
    assert 'dist_node_up{node="frozen"} 0\n' in board.metrics()
    frozen.resume()
    eventually(lambda: board.nodes()["frozen"]["stats_error"] is None, 60, "answers again")
    load.end()


def check_with_promtool(metrics):
    """promtool, of Debian's package prometheus, where it is there."""
    program = shutil.which("promtool")
    if not program:
        return
    done = subprocess.run([program, "check", "metrics"], input=metrics, text=True,
                          capture_output=True, timeout=within(30))
    assert done.returncode == 0 and not done.stdout + done.stderr, done.stdout + done.stderr


def test_metrics_are_what_prometheus_reads(cluster, board):
    parser = pytest.importorskip("prometheus_client.parser", reason="no python3-prometheus-client")
    for name in ("one", "two"):
        cluster.node(board.master.address, name=name)
    load = cluster.load(board.master.address, threads=2)
    load.wait_answers({"one", "two"})
    eventually(lambda: board.calls("one") and board.calls("two"), what="calls in /nodes")
    load.end()
    status, headers, metrics = board.ask("/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    check_with_promtool(metrics)
    families = {family.name: family for family in parser.text_string_to_metric_families(metrics)}
    for name, family in families.items():
        assert family.type != "unknown" and family.documentation, name
        seen = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
        assert len(seen) == len(set(seen)), name
    for name in ("dist_service_time_seconds", "dist_queue_time_seconds"):
        by_labels = {}
        for sample in families[name].samples:
            if sample.name.endswith("_bucket"):
                labels = {key: value for key, value in sample.labels.items() if key != "le"}
                by_labels.setdefault(tuple(sorted(labels.items())), []).append(
                    (float(sample.labels["le"]), sample.value))
        assert by_labels
        for buckets in by_labels.values():
            assert buckets == sorted(buckets)
            counts = [count for _, count in buckets]
            assert counts == sorted(counts) and buckets[-1][0] == float("inf")
    for name in ("process_cpu_seconds", "process_open_fds", "dist_build_info",
                 "dist_node_cpu_seconds"):
        assert families[name].samples, name


# --- The feed --------------------------------------------------------------------------

class Feed:
    """/events, as a browser reads them; @host is where it runs."""

    def __init__(self, board, host="127.0.0.1"):
        self.connection = http.client.HTTPConnection(
            board.host, board.port, timeout=within(20), source_address=(host, 0))
        self.connection.request("GET", "/events")
        self.response = self.connection.getresponse()

    def next(self):
        kind = self.response.readline().decode()
        data = self.response.readline().decode()
        assert kind.startswith("event: ") and data.startswith("data: "), (kind, data)
        assert self.response.readline() == b"\n"
        return kind[7:].strip(), json.loads(data[6:])

    def close(self):
        self.connection.close()


def test_listeners_get_all_once_and_then_what_changed(cluster, board):
    cluster.node(board.master.address, name="first")
    eventually(lambda: board.nodes().get("first"), what="the node in /nodes")
    feed = Feed(board)
    assert feed.response.headers["Content-Type"] == "text/event-stream"
    kind, state = feed.next()
    assert kind == "whole" and [node["name"] for node in state["nodes"]] == ["first"]
    assert len(state["series"]) == 60 and len(state["nodes"][0]["history"]) == 60
    assert "node-registered" in [event["id"] for event in state["events"]]

    second = cluster.node(board.master.address, name="second")
    names = set()
    while "second" not in names:
        kind, change = feed.next()
        assert kind == "change"
        names = {node["name"] for node in change["nodes"]}
    # Nodes that idle are not told again.
    eventually(lambda: not feed.next()[1]["nodes"], what="a moment without news")
    second.stop()
    gone = []
    while not gone:
        gone = [node for node in feed.next()[1]["nodes"] if node["state"] == "gone"]
    assert gone[0]["name"] == "second"
    feed.close()


def test_there_are_not_more_listeners_than_that(board):
    eventually(lambda: board.ask("/healthz")[0] == 200, what="/healthz")
    feeds = [Feed(board) for _ in range(64)]
    for feed in feeds:
        assert feed.response.status == 200 and feed.next()[0] == "whole"
    status, headers, text = board.ask("/events")
    assert status == 503 and headers["Retry-After"] and "too many" in text
    assert board.ask("/healthz")[0] == 200
    for feed in feeds:
        feed.close()
    eventually(lambda: Feed(board).response.status == 200, what="room again")


def test_no_host_listens_at_the_cost_of_all_others(board):
    """Where there is no room one of the host that has most ends for one that has fewer."""
    feeds = [Feed(board) for _ in range(64)]
    for feed in feeds:
        feed.next()
    other = Feed(board, "127.0.0.2")
    assert other.response.status == 200 and other.next()[0] == "whole"
    while feeds[0].response.readline():
        pass
    for feed in feeds[1:]:
        feed.next()
    assert Feed(board).response.status == 503
    other.next()
    for feed in [*feeds, other]:
        feed.close()


def test_a_listener_that_reads_nothing_holds_up_nobody(board):
    with socket.create_connection((board.host, board.port)) as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        feed = Feed(board)
        for _ in range(5):
            feed.next()
        feed.close()
        assert board.ask("/healthz")[0] == 200


def test_a_master_ends_at_once_with_listeners(board):
    feeds = [Feed(board) for _ in range(3)]
    for feed in feeds:
        feed.next()
    assert board.master.stop() == 0
    for feed in feeds:
        while feed.response.readline():
            pass
        feed.close()


# --- The page --------------------------------------------------------------------------

needs_browser = pytest.mark.skipif(not browser.PROGRAM, reason="no Chromium")


class Page:
    """The page of a board in a browser."""

    def __init__(self, board, window):
        self.board = board
        self.window = window
        window.size(1280, 900)
        window.open(board.url)
        self.wait_live()

    def wait_live(self):
        self.window.wait("document.querySelector('#link').innerText === '● live'")

    def rows(self):
        """The table of nodes: a dictionary of texts by name."""
        return self.window.run("""Object.fromEntries(
            [...document.querySelectorAll('#nodes tbody tr')].map(row => [
                row.querySelector('b').innerText,
                Object.fromEntries([...row.cells].map(cell => [cell.dataset.label,
                    cell.innerText]))]))""")

    def wait_row(self, name, what, condition, seconds=20):
        return eventually(lambda: name in self.rows() and condition(self.rows()[name]),
                          seconds, what)

    def picture(self, name):
        if PICTURES:
            Path(PICTURES).mkdir(parents=True, exist_ok=True)
            self.window.picture(Path(PICTURES) / f"{name}.png")

    def fits(self):
        return self.window.run("document.documentElement.scrollWidth <= window.innerWidth")


@needs_browser
def test_a_node_appears_is_loaded_and_is_killed(cluster, board):
    with browser.Browser() as window:
        page = Page(board, window)
        assert "No node has registered" in window.text("#no-nodes")
        node = cluster.node(board.master.address, name="mortal")
        page.wait_row("mortal", "the node to appear", lambda row: "live" in row["State"])
        assert page.rows()["mortal"]["Services"] == "ARITH_PROG/1"
        assert window.run("document.querySelector('#no-nodes').hidden")
        page.picture("appeared")

        cluster.node(board.master.address, name="other", delay_ms=20)
        load = cluster.load(board.master.address, threads=4)
        for name in ("mortal", "other"):
            page.wait_row(name, f"calls of {name}", lambda row: row["Calls/s"] not in ("0", "–")
                          and "s" in row["p50"] and "s" in row["p99"])
        page.wait_row("other", "its time", lambda row: "ms" in row["p50"])
        assert "ARITH_SUM" in window.text("#procedures tbody")
        window.wait("/[1-9]/.test(document.querySelector('#c-calls').innerText)")
        window.wait(f"document.querySelector('#callers tbody').innerText"
                    f".includes('load[{load.pid}]@')", 90)  # see Board.wait_caller()
        assert window.run("document.querySelector('#no-callers').hidden")
        # A line that is not flat, with its end at the right.
        assert window.run("new Set(document.querySelector('#s-calls path.line')"
                          ".getAttribute('d').match(/ [\\d.]+/g)).size > 1")
        page.picture("loaded")

        node.kill()
        page.wait_row("mortal", "the node gone", lambda row: "gone" in row["State"])
        window.wait("document.querySelector('#events').innerText.includes('node-gone')")
        assert "1 gone" in window.text("#c-nodes-more")
        window.dark(True)
        page.picture("killed-dark")
        load.end()
        assert not window.complaints()
        assert window.asked_for() == {board.url, board.url + "events"}


@needs_browser
def test_the_page_fits_a_phone_and_is_dark_at_night(cluster, board):
    cluster.node(board.master.address, name="a-node-whose-name-is-quite-long-" + "x" * 60)
    cluster.node(board.master.address, name="short")
    with browser.Browser() as window:
        page = Page(board, window)
        eventually(lambda: len(page.rows()) == 2, what="both nodes")
        light = window.run("getComputedStyle(document.body).backgroundColor")
        assert page.fits()
        window.size(1280, 900)
        assert window.run("[...document.querySelectorAll('.scroll')]"
                          ".every(it => it.scrollWidth <= it.clientWidth)")
        for width in (320, 390, 768):
            window.size(width, 844)
            assert page.fits(), width
            page.picture(f"width-{width}")
        window.dark(True)
        assert window.run("getComputedStyle(document.body).backgroundColor") != light
        page.picture("phone-dark")
        assert not window.complaints()


@needs_browser
def test_a_lost_connection_is_plain_to_see_and_comes_back(cluster, board):
    cluster.node(board.master.address, name="kept")
    with browser.Browser() as window:
        page = Page(board, window)
        page.wait_row("kept", "the node", lambda row: "live" in row["State"])
        assert window.run("document.querySelector('#lost').hidden")
        board.master.pause()
        window.wait("!document.querySelector('#lost').hidden")
        assert "No connection to the master" in window.text("#lost")
        assert window.text("#link") == "▲ disconnected"
        assert "kept" in page.rows()
        page.picture("lost")
        board.master.resume()
        window.wait("document.querySelector('#lost').hidden")
        page.wait_live()
        page.wait_row("kept", "the node again", lambda row: "live" in row["State"])


@needs_browser
def test_a_master_that_is_gone_is_found_again(cluster):
    board = Board(cluster)
    with browser.Browser() as window:
        page = Page(board, window)
        assert board.master.stop() == 0
        window.wait("!document.querySelector('#lost').hidden")
        again = Board(cluster, http=str(board.port))
        assert again.port == board.port
        window.wait("document.querySelector('#lost').hidden", 30)
        page.wait_live()


@needs_browser
def test_nodes_are_sorted_and_filtered(cluster, board):
    for name in ("b", "c", "a"):
        cluster.node(board.master.address, name=name)
    with browser.Browser() as window:
        page = Page(board, window)
        eventually(lambda: list(page.rows()) == ["a", "b", "c"], what="nodes by name")
        head = "document.querySelector('#nodes th button')"
        window.run(f"{head}.click()")
        assert list(page.rows()) == ["c", "b", "a"]
        assert window.run(f"{head}.parentElement.getAttribute('aria-sort')") == "descending"
        window.run("document.querySelector('#filter').value = 'live B'")
        window.run("document.querySelector('#filter').dispatchEvent(new Event('input'))")
        assert list(page.rows()) == ["b"]
        assert window.text("#n-shown") == "1 of 3"


@needs_browser
def test_what_a_node_calls_itself_is_text(cluster, board):
    name = "<img src=x onerror=document.title='owned'>"
    cluster.node(board.master.address, name=name)
    with browser.Browser() as window:
        page = Page(board, window)
        eventually(lambda: list(page.rows()) == [name], what="the node")
        assert "owned" not in window.run("document.title")
        assert window.run("document.images.length") == 0
        assert not window.complaints()


@needs_browser
def test_a_silent_node_says_so(cluster, board):
    node = cluster.node(board.master.address, "--heartbeat-ms", "10000", name="frozen")
    with browser.Browser() as window:
        page = Page(board, window)
        page.wait_row("frozen", "the node", lambda row: "live" in row["State"])
        node.pause()
        page.wait_row("frozen", "silence", lambda row: "silent" in row["State"])
        assert "1 silent" in window.text("#c-nodes-more")
        page.picture("silent")
        node.send(signal.SIGCONT)
        page.wait_row("frozen", "its voice", lambda row: "live" in row["State"], 60)
