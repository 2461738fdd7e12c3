"""The programs as people and init systems meet them: options, logs, signals, statuses."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from harness import BUILD, Cluster, command, eventually, within

DAEMONS = ["distmaster", "distnode"]
PROGRAMS = [*DAEMONS, "distctl", "distbench"]

LOG_LINE = re.compile(
    r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warning|notice|info|debug) "
    r"[a-z0-9-]+( [a-z0-9_]+=.*)?$")


def start_daemon(cluster, name, env=None, options=()):
    if name == "distmaster":
        return cluster.master(*options, env=env, wait=False)
    master = cluster.master()
    return cluster.node(master.address, *options, env=env, wait=False)


def wait_listening(daemon):
    return daemon.wait_line(r"(master|node)-listening ")


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_goes_to_stdout_and_names_every_option(name):
    done = command(Cluster.program(name), "--help")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.lower().startswith("usage:")
    wanted = {"distmaster": ["--listen", "--no-rpcbind", "--log-level"],
              "distnode": ["--masters", "--listen", "--advertise", "--name", "--workers",
                           "--queue", "--heartbeat-ms", "--log-level", "MODULE"],
              "distctl": ["--masters", "nodes", "services", "ping", "stats", "callers", "top", "watch",
                          "doctor", "drain", "bench", "--interval", "--count",
                          "call", "procedures", "--json", "--node", "--address", "--idempotent",
                          "--define", "--include"],
              "distbench": ["--masters", "--servers", "--call", "--rate", "--json"]}
    for word in [*wanted[name], "--help", "--version"]:
        assert word in done.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_version_is_the_projects(name):
    done = command(Cluster.program(name), "--version")
    assert done.returncode == 0
    info = json.loads((BUILD / "meson-info" / "intro-projectinfo.json").read_text())
    assert info["version"] in done.stdout


@pytest.mark.parametrize("arguments", [
    ["distmaster", "--no-such-option"],
    ["distmaster", "--listen"],
    ["distmaster", "stray"],
    ["distmaster", "--log-level", "loud"],
    ["distnode"],
    ["distnode", "--no-such-option"],
    ["distnode", "--masters"],
    ["distnode", "--masters", "127.0.0.1:1"],
    ["distnode", "--masters", "127.0.0.1:1", "--workers", "many", "x.so"],
    ["distnode", "--masters", "127.0.0.1:1", "--queue", "-1", "x.so"],
    ["distctl"],
    ["distctl", "--masters", "127.0.0.1:1"],
    ["distctl", "--masters", "127.0.0.1:1", "dance"],
    ["distctl", "--masters", "127.0.0.1:1", "nodes", "--no-such-option"],
    ["distctl", "top"],
    ["distctl", "--masters", "127.0.0.1:1", "top", "--interval", "1"],
    ["distctl", "--masters", "127.0.0.1:1", "top", "--interval", "50ms"],
    ["distctl", "--masters", "127.0.0.1:1", "top", "--count", "0"],
    ["distctl", "watch"],
    ["distctl", "doctor"],
    ["distctl", "--masters", "a:b:c", "doctor"],
    ["distctl", "--masters", "a:b:c", "--json", "doctor"],
    ["distctl", "--masters", "127.0.0.1:1", "watch", "alpha"],
    ["distctl", "--masters", "127.0.0.1:1", "call"],
    ["distctl", "--masters", "127.0.0.1:1", "call", "a.x"],
    ["distctl", "--masters", "127.0.0.1:1", "call", "a.x", "A", "[]", "more"],
    ["distctl", "call", "a.x", "A", "[]"],
    ["distctl", "--address", "127.0.0.1:1", "nodes"],
    ["distctl", "procedures"],
], ids=" ".join)
def test_wrong_usage_exits_2_with_one_line_and_where_to_look(arguments):
    name = arguments[0]
    done = command(Cluster.program(name), *arguments[1:])
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert 1 <= len(lines) <= 2, done.stderr
    assert name in lines[0]
    assert re.search(rf"Try '.*{name} --help'", done.stderr), done.stderr


@pytest.mark.parametrize("daemon", ["distmaster", "distnode"])
@pytest.mark.parametrize("option, least, most", [
    ("--max-record-bytes", 65536, 2**31 - 1),
    ("--max-buffered-bytes", 2**20, 2**63 - 1),
    ("--max-connections", 1, 2**31 - 1),
    ("--max-connections-per-peer", 1, 2**31 - 1),
    ("--idle-timeout-ms", 1, 2**31 - 1),
    ("--header-timeout-ms", 1, 2**31 - 1),
    ("--record-timeout-ms", 1, 2**31 - 1),
    ("--reply-timeout-ms", 1, 2**31 - 1),
])
def test_both_daemons_have_the_same_limits(daemon, option, least, most):
    for value in least - 1, most + 1, "1k", "":
        done = command(Cluster.program(daemon), option, value)
        assert done.returncode == 2
        assert f"{option}: '{value}' is not a whole number from {least} to {most}\n" \
            in done.stderr


@pytest.mark.parametrize("arguments, option", [
    (["distmaster", "--probe", "1000"], "--probe-ms"),
    (["distnode", "--heartbeat=5"], "--heartbeat-ms"),
    (["distctl", "--timeout", "5", "nodes"], "--timeout-ms"),
    (["distctl", "drain", "a", "--wait=5"], "--wait-ms"),
    (["distbench", "--spin", "50"], "--spin-us"),
], ids=str)
def test_an_option_without_its_unit_is_refused(arguments, option):
    """Abbreviated by its unit, a number of seconds would count as milliseconds."""
    done = command(Cluster.program(arguments[0]), *arguments[1:])
    assert done.returncode == 2
    assert f"has no unit; write {option}\n" in done.stderr


@pytest.mark.parametrize("name", DAEMONS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_ends_cleanly_on_a_signal(cluster, name, number):
    daemon = start_daemon(cluster, name)
    wait_listening(daemon)
    assert daemon.stop(number) == 0


@pytest.mark.parametrize("name", DAEMONS)
def test_every_log_line_has_time_level_id_and_pairs(cluster, name):
    daemon = start_daemon(cluster, name, options=["--log-level", "debug"])
    wait_listening(daemon)
    daemon.stop()
    lines = daemon.text("err").splitlines()
    assert lines
    for line in lines:
        assert LOG_LINE.match(line), line
    assert daemon.text("out") == ""


@pytest.mark.parametrize("name", DAEMONS)
def test_the_log_level_is_obeyed(cluster, name):
    daemon = start_daemon(cluster, name, options=["--log-level", "error"],
                          env={"NOTIFY_SOCKET": ""})
    # With nothing to read, the port of a killed and restarted one cannot be known: look
    # for its listening socket instead.
    eventually(lambda: listening_ports(daemon.pid), what="a listening socket")
    daemon.stop()
    assert daemon.text() == ""


def listening_ports(pid):
    """TCP ports on which this process listens, from the kernel's tables."""
    sockets = set()
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            match = re.match(r"socket:\[(\d+)\]", os.readlink(entry.path))
            if match:
                sockets.add(match[1])
    except OSError:
        return set()
    ports = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}") as rows:
            for row in list(rows)[1:]:
                fields = row.split()
                if fields[3] == "0A" and fields[9] in sockets:
                    ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


@pytest.mark.parametrize("name", DAEMONS)
def test_readiness_is_told_to_systemd(cluster, name):
    # A socket's path must be short, so it is not pytest's.
    with tempfile.TemporaryDirectory() as scratch, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        path = f"{scratch}/notify"
        inbox.bind(path)
        inbox.settimeout(within(20))
        daemon = start_daemon(cluster, name, env={"NOTIFY_SOCKET": path})
        # The master of a node tells its own systemd, which is none.
        words = inbox.recv(4096).decode().splitlines()
        assert "READY=1" in words
        wait_listening(daemon)
        daemon.send(signal.SIGTERM)
        told = []
        while "STOPPING=1" not in told:
            told += inbox.recv(4096).decode().splitlines()
        assert daemon.wait() == 0


@pytest.mark.parametrize("name", DAEMONS)
def test_under_the_journal_lines_carry_its_levels(name, tmp_path):
    """JOURNAL_STREAM names stderr by device and inode; a file will do for a socket."""
    log = tmp_path / "log"
    with open(log, "w") as stream:
        status = os.fstat(stream.fileno())
        env = dict(os.environ, JOURNAL_STREAM=f"{status.st_dev}:{status.st_ino}")
        arguments = ["--listen", "127.0.0.1:0", "--no-rpcbind"]
        if name == "distnode":
            arguments = ["--listen", "127.0.0.1:0", "--masters", "127.0.0.1:1",
                         str(Cluster.module("arith"))]
        daemon = subprocess.Popen([Cluster.program(name), *arguments], stderr=stream,
                                  env=env)
        try:
            eventually(lambda: "-listening " in log.read_text(), what="the log line")
        finally:
            daemon.terminate()
            daemon.wait(30)
    for line in log.read_text().splitlines():
        assert re.match(r"<[3-7]>[a-z0-9-]+( |$)", line), line


def test_nodes_prints_a_table_for_people(cluster):
    master = cluster.master()
    cluster.node(master.address, name="first")
    cluster.node(master.address, name="second")
    done = cluster.ctl(master.address, "nodes")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done.stdout
    for line, name in zip(lines[1:], ["first", "second"]):
        assert line.split()[0] == name
        assert "live" in line.split()
    # Columns line up.
    column = lines[1].index("live")
    assert lines[2][column:].startswith("live")


def test_nodes_as_json_has_what_scripts_need(cluster):
    master = cluster.master()
    node = cluster.node(master.address, "--workers", "3", name="only")
    done = cluster.ctl(master.address, "nodes", "--json")
    assert done.returncode == 0
    (entry,) = json.loads(done.stdout)["nodes"]
    assert entry["name"] == "only"
    assert entry["address"] == f"127.0.0.1:{node.port}"
    assert entry["state"] == "live"
    assert entry["services"]
    assert "ARITH_PROG" in json.dumps(entry["services"])


def test_no_nodes_is_an_empty_list_and_no_failure(cluster):
    master = cluster.master()
    done = cluster.ctl(master.address, "nodes", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"nodes": []}
    assert cluster.ctl(master.address, "nodes").returncode == 0


def test_services_are_listed_by_name(cluster):
    master = cluster.master()
    cluster.node(master.address)
    done = cluster.ctl(master.address, "services")
    assert done.returncode == 0
    assert "ARITH_PROG" in done.stdout


def test_ping_reaches_each_node(cluster):
    master = cluster.master()
    cluster.node(master.address, name="first")
    cluster.node(master.address, name="second")
    done = cluster.ctl(master.address, "ping")
    assert done.returncode == 0
    assert "first" in done.stdout and "second" in done.stdout


def test_stats_tell_what_each_node_was_asked(cluster):
    master = cluster.master()
    cluster.node(master.address, name="first")
    cluster.node(master.address, name="second")
    done = cluster.ctl(master.address, "stats")
    assert done.returncode == 0
    assert "first" in done.stdout and "second" in done.stdout
    # Its master has called it back.
    assert "DIST_NODE_PING" in done.stdout

    done = cluster.ctl(master.address, "stats", "second", "--json")
    assert done.returncode == 0
    [node] = json.loads(done.stdout)["nodes"]
    assert node["name"] == "second"
    assert node["counters"]["connections"] >= 1
    [ping] = [procedure for procedure in node["procedures"]
              if procedure["procedure_name"] == "DIST_NODE_PING"]
    assert ping["program_name"] == "DIST_NODE"
    assert ping["counters"]["calls"] == ping["counters"]["ok"] >= 1
    assert ping["times"]["service_time"]["count"] == ping["counters"]["calls"]
    assert ping["times"]["service_time"]["p50_ns"] > 0

    assert cluster.ctl(master.address, "stats", "third").returncode == 1


def test_ping_of_an_address_asks_no_master(cluster):
    """What a probe wants: a process that lives says so, whoever else does not."""
    master = cluster.master()
    node = cluster.node(master.address, name="alone")
    addresses = [master.address, f"127.0.0.1:{node.port}"]
    ctl = cluster.program("distctl")
    done = command(ctl, "ping", *addresses)
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines()[1:]] == addresses
    master.kill()
    done = command(ctl, "ping", addresses[1])
    assert done.returncode == 0, done.stderr
    done = command(ctl, "ping", *addresses)
    assert done.returncode == 1
    assert addresses[0] in done.stderr and addresses[1] in done.stdout
    # All of them needs somebody who knows.
    assert command(ctl, "ping").returncode == 2


def test_ping_of_a_node_that_is_silent_fails(cluster):
    master = cluster.master()
    node = cluster.node(master.address, "--heartbeat-ms", "10000", name="silent")
    node.pause()
    done = cluster.ctl(master.address, "ping", seconds=30)
    assert done.returncode == 1
    assert "silent" in done.stdout + done.stderr


def test_drain_ends_a_node_and_loses_no_call(cluster):
    master = cluster.master()
    first = cluster.node(master.address, name="first")
    cluster.node(master.address, name="second")
    load = cluster.load(master.address)
    load.wait_answers({"first", "second"})
    done = cluster.ctl(master.address, "drain", "first")
    assert done.returncode == 0, done.stderr
    assert first.wait() == 0
    load.wait_answers({"second"})
    assert load.end()["failed"] == 0


def test_drain_of_a_node_that_is_not_there_fails_and_names_it(cluster):
    master = cluster.master()
    done = cluster.ctl(master.address, "drain", "nobody")
    assert done.returncode == 1
    assert "nobody" in done.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_default_is_both_loopbacks_on_one_port(cluster, host):
    """--listen's default, with a port that is free instead of 3000."""
    node_master = cluster.master()
    node = cluster.start(cluster.program("distnode"), "--masters", node_master.address,
                         "--name", "default", "--no-rpcbind", cluster.module("arith"))
    port = int(node.wait_line(r"node-listening .*port=(\d+)")[1][1])
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(10)
        probe.connect((host, port))


def test_a_node_is_called_by_ipv6(cluster):
    master = cluster.master(listen="[::1]:0")
    cluster.node(master.address, listen="[::1]:0", name="six")
    load = cluster.load(master.address)
    load.wait_answers({"six"})
    assert load.end()["failed"] == 0


def test_workers_bound_the_calls_that_run_at_once(cluster):
    """With one worker and 50 ms a call, four threads get at most 20 answers a second."""
    master = cluster.master()
    cluster.node(master.address, "--workers", "1", delay_ms=50)
    load = cluster.load(master.address, threads=4)
    eventually(lambda: load.report()["calls"] >= 1, what="a first call")
    # Before it is asked: what the two of us wait for each other only adds to the time.
    began = time.monotonic()
    first = load.report()["calls"]
    eventually(lambda: load.report()["calls"] >= first + 10, what="ten calls")
    assert time.monotonic() - began > 9 * 0.05
    load.end()
