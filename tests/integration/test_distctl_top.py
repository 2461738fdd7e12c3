"""distctl top: what nodes do now, as lines and in a terminal."""

import errno
import fcntl
import json
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from harness import PATIENCE, SANITIZER_REPORT, Cluster, command, eventually, within

SUMMARY = re.compile(r"^\d\d:\d\d:\d\d UTC, (\d+) nodes, (\S+) calls/s, (\S+) failed/s, "
                     r"(\d+) in flight, (\d+) queued, ran p50 (\S+), p99 (\S+)$", re.M)
NODES = "NODE STATE CALLS/S FAILED/S IN FLIGHT QUEUED RAN p50 p99 WAITED p99"
PROCEDURES = "PROCEDURE CALLS/S FAILED/S IN FLIGHT RAN p50 p99 WAITED p99"


# For nodes that a busy machine keeps waiting: they are not silent.
PATIENT = ("--timeout-ms", "20000")


def top(masters, *options):
    return command(Cluster.program("distctl"), "--masters", masters, *PATIENT, "top", *options)


def top_once_called(masters, *options):
    """Each round of it as an object, once each of the busy nodes was called in all of them:
    a busy machine may keep a caller waiting for as long as a round is."""
    def called():
        done = top(masters, "--json", *options)
        assert done.returncode == 0, done.stderr
        rounds = [json.loads(line) for line in done.stdout.splitlines()]
        nodes = [node for one in rounds for node in one["nodes"]]
        return all(node["calls_per_s"] for node in nodes
                   if node["name"] in ("alpha", "beta")) and rounds
    return eventually(called, what="rounds with calls")


@pytest.fixture
def busy(cluster):
    """A master with two nodes that are called all the time: its address."""
    master = cluster.master()
    for name in "alpha", "beta":
        cluster.node(master.address, name=name)
    load = cluster.load(master.address)
    load.wait_answers({"alpha", "beta"})
    return master.address


# --- Lines ---

def test_each_round_is_two_tables(busy):
    def called():
        done = top(busy, "--count", "2", "--interval", "300ms")
        return not re.search(r", 0\.0 calls/s", done.stdout) and done
    done = eventually(called, what="rounds with calls")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    rounds = done.stdout.strip().split("\n\n")
    assert len(rounds) == 2
    for text in rounds:
        summary, *lines = text.splitlines()
        match = SUMMARY.match(summary)
        assert match and match[1] == "2" and float(match[2]) > 0
        assert float(match[3]) == 0
        assert " ".join(lines[0].split()) == NODES
        assert " ".join(lines[3].split()) == PROCEDURES
        nodes = {line.split()[0]: line.split() for line in lines[1:3]}
        assert set(nodes) == {"alpha", "beta"}
        assert all(row[1] == "live" for row in nodes.values())
        assert lines[4].split()[0] == "ARITH_SUM"
        calls = sum(float(row[2]) for row in nodes.values())
        assert calls == pytest.approx(float(match[2]), abs=2)
        assert calls == pytest.approx(float(lines[4].split()[1]), abs=2)


def test_callers_are_told_where_a_master_gathers_statistics(cluster):
    master = cluster.master("--http", "127.0.0.1:0", "--stats-ms", "200")
    cluster.node(master.address, name="alpha")
    load = cluster.load(master.address)

    def callers(*options):
        done = cluster.ctl(master.address, "callers", *options)
        assert done.returncode == 0 and done.stderr == ""
        return done.stdout

    # What a master did not take in time is told it again after a minute.
    eventually(lambda: json.loads(callers("--json"))["callers"], 90, what="the caller")
    (one,) = json.loads(callers("--json"))["callers"]
    assert one["name"].startswith(f"load[{load.pid}]@")
    assert one["counters"]["ok"] > 0 and one["counters"]["retries"] == 0
    eventually(lambda: json.loads(callers("--json"))["callers"][0]["calls_per_s"],
               what="calls a second")
    rows = [line.split() for line in callers().splitlines()]
    assert rows[0][:3] == ["CALLER", "ADDRESS", "CALLS/S"]
    assert rows[1][0] == one["name"] and rows[1][1] == one["address"]
    assert rows[3][:2] == ["PROCEDURE", "TRIES"] and rows[4][0] == "ARITH_SUM"

    done = top(master.address, "--count", "1", "--interval", "300ms")
    assert [line.split()[0] for line in done.stdout.splitlines() if line][-2:] == [
        "CALLER", one["name"]]
    (again,) = json.loads(top(master.address, "--count", "1", "--json").stdout)["callers"]
    assert again["address"] == one["address"]

    answered = load.end()["calls"]
    eventually(lambda: sum(it["counters"]["ok"] for it in json.loads(
        callers("--json"))["procedures"]) == answered, what="its last word")
    eventually(lambda: json.loads(callers("--json"))["n"] == 0, what="nobody")


def test_without_statistics_callers_says_what_to_do(busy):
    done = command(Cluster.program("distctl"), "--masters", busy, "callers")
    assert done.returncode == 1 and done.stdout == ""
    assert "no master gathers statistics: start distmaster with --http" in done.stderr


def test_json_is_an_object_a_round(busy):
    rounds = top_once_called(busy, "--count", "2", "--interval", "300ms")
    assert len(rounds) == 2
    for one in rounds:
        assert {node["name"] for node in one["nodes"]} == {"alpha", "beta"}
        assert one["total"]["calls_per_s"] > 0
        assert one["total"]["failed_per_s"] == 0
        assert one["total"]["ran_p50_ns"] <= one["total"]["ran_p99_ns"]
        (procedure,) = one["procedures"]
        assert (procedure["name"], procedure["program"], procedure["procedure"]) == (
            "ARITH_SUM", 0x20000A01, 1)
        # The busiest one comes first.
        calls = [node["calls_per_s"] for node in one["nodes"]]
        assert calls == sorted(calls, reverse=True)
        assert one["trouble"] is None


def test_the_order_can_be_given(cluster, busy):
    cluster.node(busy, name="aaa", module="echo")  # is never called
    for order in "calls", "failed", "in-flight", "p99", "name":
        (one,) = top_once_called(busy, "--count", "1", "--interval", "300ms", "--sort", order)
        names = [node["name"] for node in one["nodes"]]
        assert sorted(names) == ["aaa", "alpha", "beta"]
        if order in ("failed", "name"):  # nothing fails, and ties go by name
            assert names == sorted(names)
        elif order != "in-flight":  # at that moment nothing may be
            assert names[2] == "aaa"


def test_an_order_that_there_is_not(busy):
    done = top(busy, "--sort", "size")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == (
        "distctl: --sort: 'size' is not one of calls, failed, in-flight, p99, name")


def test_a_silent_node_and_one_that_is_new(cluster):
    master = cluster.master()
    paused = cluster.node(master.address, "--heartbeat-ms", "20000", name="paused")
    process = cluster.start(cluster.program("distctl"), "--masters", master.address,
                            "--timeout-ms", "1000", "top", "--interval", "200ms")
    process.wait_line(r"^paused +live +0\.0 ")
    paused.pause()
    process.wait_line(r"^paused +silent +- +- +- +- ")
    process.wait_line(r"^distctl: paused: .* did not answer in time")
    paused.resume()
    since = process.mark()
    cluster.node(master.address, name="later")
    process.wait_line(r"^later +live +", since=since)
    process.wait_line(r"^paused +live +0\.0 ", since=since)
    assert process.stop(signal.SIGINT) == 0


def test_masters_that_go_leave_what_was_known(cluster):
    master = cluster.master()
    cluster.node(master.address, name="alpha")
    process = cluster.start(cluster.program("distctl"), "--masters", master.address, "top",
                            "--interval", "200ms")
    process.wait_line(r"^alpha +live +0\.0 ")
    master.kill()
    process.wait_line(r"^distctl: master: ")
    since = process.mark()
    process.wait_line(r"^alpha +live +0\.0 ", since=since)
    assert process.stop() == 0


# --- In a terminal ---

# One that can do no more than to be written to at a place: what is on its screen is easy
# to follow, and what restores it to see.
TERMINFO = r"""plain|a terminal that can do little,
	cols#80, lines#24, cup=\E[%i%p1%d;%p2%dH, clear=\E[H\E[2J, cr=\r,
	smcup=\E[?1049h, rmcup=\E[?1049l, civis=\E[?25l, cnorm=\E[?25h,
"""
WRITTEN = re.compile(r"\x1b\[(\d+);(\d+)H|(\x1b\[H\x1b\[2J)|\x1b\[\?\d+[hl]|(\r)|([^\x1b\r])")


@pytest.fixture(scope="module")
def terminfo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("terminfo")
    (folder / "plain.ti").write_text(TERMINFO)
    assert command("tic", "-o", folder, folder / "plain.ti").returncode == 0
    return folder


class Terminal:
    """distctl top in a pseudo-terminal of its own, and what is to be seen there."""

    def __init__(self, terminfo, masters, *options, lines=24, columns=80, term="plain"):
        self.leader, self.follower = os.openpty()
        self.resize(lines, columns)
        self.before = termios.tcgetattr(self.follower)
        self.raw = ""
        self.process = subprocess.Popen(
            [Cluster.program("distctl"), "--masters", masters, "top", *options],
            stdin=self.follower, stdout=self.follower, stderr=subprocess.PIPE,
            env={**os.environ, "TERM": term, "TERMINFO_DIRS": f"{terminfo}:/usr/share/terminfo:"
                 "/lib/terminfo", "LC_ALL": "C.UTF-8"},
            start_new_session=True)

    def resize(self, lines, columns):
        self.lines = lines
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ,
                    struct.pack("HHHH", lines, columns, 0, 0))
        if hasattr(self, "process"):
            self.process.send_signal(signal.SIGWINCH)

    def read(self):
        """What has come, if anything comes within a moment."""
        if select.select([self.leader], [], [], 0.05)[0]:
            try:
                self.raw += os.read(self.leader, 65536).decode(errors="replace")
            except OSError as error:
                assert error.errno == errno.EIO

    def text(self):
        """The screen. What came in half at last is seen the next time."""
        line = column = 0
        cells = {}
        for match in WRITTEN.finditer(self.raw):
            if match[1]:
                line, column = int(match[1]) - 1, int(match[2]) - 1
            elif match[3]:
                cells, line, column = {}, 0, 0
            elif match[4]:
                column = 0
            elif match[5] == "\n":
                line += 1
            elif match[5]:
                cells[line, column] = match[5]
                column += 1
        return "\n".join("".join(cells.get((line, column), " ") for column in range(200))
                         .rstrip() for line in range(self.lines))

    def wait(self, *patterns):
        """Until all are to be seen at once."""
        deadline = time.monotonic() + within(PATIENCE)
        while not all(re.search(pattern, self.text(), re.M) for pattern in patterns):
            assert time.monotonic() < deadline, f"no {patterns} on the screen:\n{self.text()}"
            self.read()

    def key(self, keys):
        os.write(self.leader, keys.encode())

    def end(self):
        """Its exit status, when all it wrote was read."""
        deadline = time.monotonic() + within(PATIENCE)
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.text()
            self.read()
        self.read()
        return self.process.returncode

    def is_as_it_was(self):
        """Its settings, what was on its screen before, and the cursor."""
        return (termios.tcgetattr(self.follower) == self.before and
                self.raw.rfind("\x1b[?1049l") > self.raw.rfind("\x1b[?1049h") > -1 and
                self.raw.rfind("\x1b[?25h") > self.raw.rfind("\x1b[?25l") > -1)

    def close(self):
        """Ended already, or not. What it said beside is kept."""
        if self.process.stderr.closed:
            return
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.said = self.process.stderr.read().decode()
        self.process.stderr.close()
        os.close(self.leader)
        os.close(self.follower)
        assert not SANITIZER_REPORT.search(self.said), self.said


@pytest.fixture
def terminal(terminfo):
    made = []

    def make(*arguments, **options):
        made.append(Terminal(terminfo, *arguments, **options))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("term", ["plain", "xterm", "vt100"])
def test_q_ends_it_and_the_terminal_is_as_it_was(busy, terminal, term):
    screen = terminal(busy, term=term)
    while "q quits" not in screen.raw:
        screen.read()
    assert termios.tcgetattr(screen.follower) != screen.before
    screen.key("q")
    assert screen.end() == 0
    if term == "vt100":  # It has one screen, and its cursor is always there.
        assert termios.tcgetattr(screen.follower) == screen.before
    else:
        assert screen.is_as_it_was()


def test_nodes_and_procedures_are_drawn_anew(busy, terminal):
    screen = terminal(busy, "--interval", "200ms")
    seen = set()
    while len(seen) < 3:
        screen.wait(r"^distctl top, by calls", r"UTC, 2 nodes, [1-9]\S+ calls/s, 0.0 failed/s",
                    r"^NODE +STATE +CALLS/S +FAILED/S +IN FLIGHT", r"^alpha +live +[0-9]",
                    r"^beta +live +[0-9]", r"^PROCEDURE +CALLS/S", r"^ARITH_SUM +[1-9]")
        seen.add(screen.text().splitlines()[1])
        screen.read()
    for line in screen.text().splitlines():
        assert len(line) <= 80
    screen.key("q")
    assert screen.end() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_terminal_as_it_was(busy, terminal, number):
    screen = terminal(busy)
    screen.wait(r"^NODE +STATE")
    screen.process.send_signal(number)
    assert screen.end() == 0
    assert screen.is_as_it_was()


def test_keys_choose_the_order(busy, terminal):
    screen = terminal(busy)
    screen.wait(r"by calls \(")
    for key, order in (("n", "name"), ("f", "failed"), ("i", "in-flight"), ("l", "p99"),
                       ("c", "calls"), ("n", "name")):
        screen.key(key)
        screen.wait(rf"by {order} \(")
    screen.wait(r"^alpha.*\n^beta")
    screen.key("q")
    assert screen.end() == 0


def test_it_goes_by_the_size_of_the_terminal(cluster, terminal):
    master = cluster.master()
    names = ["alpha", "beta", "gamma", "delta", "a-node-of-a-name-that-is-rather-long"]
    for name in names:
        cluster.node(master.address, name=name)
    screen = terminal(master.address, lines=40, columns=120)
    screen.wait(*[rf"^{name} +live +0\.0 " for name in names], "WAITED p99")
    screen.resize(9, 40)
    screen.wait(r"^\.\.\. and [0-9]+ more$", r"^NODE +STATE +CALLS/S")
    assert "WAITED" not in screen.text()
    assert all(len(line) <= 40 for line in screen.text().splitlines())
    screen.resize(40, 120)
    screen.wait(*[rf"^{name} +live +0\.0 " for name in names], "WAITED p99")
    screen.resize(2, 5)
    screen.resize(1, 1)
    screen.key("q")
    assert screen.end() == 0
    assert screen.is_as_it_was()


def test_what_is_wrong_has_a_line(cluster, terminal):
    master = cluster.master()
    node = cluster.node(master.address, "--heartbeat-ms", "20000", name="alpha")
    screen = terminal(master.address, "--interval", "200ms")
    screen.wait(r"^alpha +live +0\.0 ")
    node.pause()
    screen.wait(r"^alpha: .* did not answer in time", r"^alpha +silent +- ")
    node.resume()
    screen.wait(r"^alpha +live +0\.0 ")
    screen.key("q")
    assert screen.end() == 0


def test_so_many_rounds_in_a_terminal(busy, terminal):
    screen = terminal(busy, "--count", "2", "--interval", "200ms")
    assert screen.end() == 0
    assert screen.is_as_it_was()


def test_a_terminal_that_cannot_be_drawn_in_gets_lines(busy, terminal):
    screen = terminal(busy, "--count", "1", "--interval", "200ms", *PATIENT, term="dumb")
    assert screen.end() == 0
    assert "\x1b" not in screen.raw
    assert "ARITH_SUM" in screen.raw


def test_a_terminal_that_is_not_known_is_named(busy, terminal):
    screen = terminal(busy, term="no-such-terminal")
    assert screen.end() == 1
    screen.close()
    assert "the terminal 'no-such-terminal' (TERM) is not known" in screen.said
