"""Real processes for the integration tests: started, listened to, and gone afterwards.

A test waits for events: a line that a process prints, or a condition that is looked at
again until a deadline. Every process is ended with the test, and the test fails when one
of them left a child behind, ended badly, or a sanitizer spoke up.
"""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

BUILD = Path(os.environ.get("DIST_BUILD", "build")).resolve()

# Sanitizer builds take this much longer; limits that are part of a promise grow with it.
SLOWNESS = float(os.environ.get("DIST_TEST_SLOWNESS", "1"))

# How long a test waits for what should be there at once: on a busy machine it is not.
PATIENCE = 30

SANITIZER_REPORT = re.compile(
    r"(ERROR|WARNING): (Address|Leak|Thread|Memory)Sanitizer|runtime error: ")


def within(seconds):
    """A limit as it holds in this build."""
    return seconds * SLOWNESS


def eventually(condition, seconds=PATIENCE, what="the condition"):
    """Looks until @condition gives something true, which is returned."""
    deadline = time.monotonic() + within(seconds)
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not hold within {within(seconds)} s"
        time.sleep(0.002)


def free_port(host="127.0.0.1"):
    """A port nobody listens on now; only for tests that need one known beforehand."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


class Line:
    def __init__(self, stream, text):
        self.when = time.monotonic()
        self.stream = stream
        self.text = text


class Process:
    """A program that runs, and all that it has printed so far."""

    def __init__(self, command, env=None, prefix=(), cwd=None):
        self.command = [str(part) for part in command]
        self.name = Path(self.command[0]).name
        self.lines = []
        self.changed = threading.Condition()
        self.expected = {0}
        self.popen = subprocess.Popen(
            [*prefix, *self.command], cwd=cwd, env=dict(os.environ, **(env or {})),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True)
        self.readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("out", self.popen.stdout), ("err", self.popen.stderr))]
        for reader in self.readers:
            reader.start()

    def _read(self, name, stream):
        for raw in stream:
            line = Line(name, raw.decode(errors="replace").rstrip("\n"))
            with self.changed:
                self.lines.append(line)
                self.changed.notify_all()
        stream.close()
        with self.changed:
            self.changed.notify_all()

    @property
    def pid(self):
        return self.popen.pid

    def text(self, stream=None):
        with self.changed:
            return "\n".join(line.text for line in self.lines
                             if stream in (None, line.stream))

    def mark(self):
        """For wait_line(since=): only what is printed from now on."""
        with self.changed:
            return len(self.lines)

    def find_line(self, pattern, since=0):
        with self.changed:
            for line in self.lines[since:]:
                match = re.search(pattern, line.text)
                if match:
                    return line, match
        return None

    def wait_line(self, pattern, seconds=PATIENCE, since=0):
        """The first line that matches, and its match; fails when the process ends."""
        deadline = time.monotonic() + within(seconds)
        while True:
            found = self.find_line(pattern, since)
            if found:
                return found
            assert any(reader.is_alive() for reader in self.readers), \
                f"{self.name} ended without {pattern!r}:\n{self.text()}"
            left = deadline - time.monotonic()
            assert left > 0, f"{self.name} did not say {pattern!r}:\n{self.text()}"
            with self.changed:
                self.changed.wait(min(left, 0.05))

    def write(self, text):
        self.popen.stdin.write(text.encode())
        self.popen.stdin.flush()

    def send(self, number):
        self.popen.send_signal(number)

    def kill(self):
        """kill -9, and gone when this returns; not an end that needs explaining."""
        self.expected = {-signal.SIGKILL}
        self.popen.kill()
        self.wait()

    def pause(self):
        self.send(signal.SIGSTOP)
        eventually(lambda: self.state() == "T", what=f"stopping {self.name}")

    def resume(self):
        self.send(signal.SIGCONT)

    def state(self):
        """The kernel's letter: R, S, T when stopped, Z when ended."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0]

    def n_descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def memory_bytes(self, field="VmRSS"):
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+) kB", status, re.M)[1]) * 1024

    def running(self):
        return self.popen.poll() is None

    def wait(self, seconds=PATIENCE):
        """Its exit status, once it has ended and all it said was read."""
        status = self.popen.wait(within(seconds))
        for reader in self.readers:
            reader.join(2)
        return status

    def stop(self, number=signal.SIGTERM, seconds=2 * PATIENCE):
        """Ask it to end, and wait until it has."""
        if self.running():
            self.resume()
            self.send(number)
        return self.wait(seconds)

    def finish(self):
        """The end of the test: no process, no child, no complaint may be left."""
        try:
            status = self.stop()
        except subprocess.TimeoutExpired:
            status = f"it did not end on SIGTERM; its threads: {self.threads()}"
        self.popen.stdin.close()
        orphans = self.kill_group()
        assert not orphans, f"{self.name} left children behind"
        for reader in self.readers:
            reader.join(10)
        assert not SANITIZER_REPORT.search(self.text()), f"{self.name}:\n{self.text()}"
        assert status in self.expected, f"{self.name} ended with {status}:\n{self.text()}"

    def threads(self):
        """Each thread's name and where it sits in the kernel, for the report."""
        found = []
        for task in Path(f"/proc/{self.pid}/task").glob("*"):
            name = (task / "comm").read_text().strip()
            try:
                found.append(f"{name}: {(task / 'wchan').read_text()}")
            except OSError:
                found.append(name)
        return found

    def kill_group(self):
        """Whether it left anything of its session behind; nothing runs afterwards."""
        had_ended = self.popen.poll() is not None
        # A sanitizer's symbolizer, for one, sees only now that nobody asks it any more.
        deadline = time.monotonic() + (5 if had_ended else 0)
        try:
            while time.monotonic() < deadline:
                os.killpg(self.pid, 0)
                time.sleep(0.002)
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.popen.wait()
        return had_ended


def command(*arguments, seconds=2 * PATIENCE, env=None, prefix=(), cwd=None, stdin=""):
    """A command that ends by itself: its status, stdout and stderr."""
    done = subprocess.run([*prefix, *map(str, arguments)], input=stdin, text=True,
                          capture_output=True, timeout=within(seconds), cwd=cwd,
                          env=dict(os.environ, **(env or {})), errors="replace")
    assert not SANITIZER_REPORT.search(done.stderr), done.stderr
    return done


class Cluster:
    """Masters, nodes and callers of one test. @prefix runs them elsewhere: a namespace."""

    def __init__(self, prefix=()):
        self.prefix = list(prefix)
        self.processes = []
        self.n_named = 0

    # --- Programs of the build ---

    @staticmethod
    def program(name):
        folder = {"distmaster": "master", "distnode": "node", "distctl": "tools",
                  "distbench": "bench", "load": "tests/integration", "stock-client": "tests/interop",
                  "stock-server": "tests/interop"}[name]
        return BUILD / folder / name

    @staticmethod
    def module(name):
        if "/" in str(name):
            return name
        for folder in ("examples", "tests"):
            # Beside other tests, whose directories come and go: os.walk() minds none of that.
            for path, folders, files in os.walk(BUILD / folder):
                folders[:] = sorted(one for one in folders if not one.startswith("pytest-"))
                if f"{name}.so" in files:
                    return Path(path) / f"{name}.so"
        raise AssertionError(f"{BUILD} has no {name}.so")

    def start(self, *arguments, env=None, prefix=None, cwd=None):
        process = Process(arguments, env=env, cwd=cwd,
                          prefix=self.prefix if prefix is None else prefix)
        self.processes.append(process)
        return process

    # --- What a cluster is made of ---

    def master(self, *options, listen="127.0.0.1:0", rpcbind=False, wait=True, env=None,
               seconds=PATIENCE, patient=True):
        """A master that listens; .address says where. Where silence is not the point it is
        @patient: a busy machine may keep a node from beating for as long as a lease."""
        arguments = ["--listen", listen] if listen else []
        if patient:
            arguments += ["--min-lease-ms", "20000"]
        if not rpcbind:
            arguments.append("--no-rpcbind")
        process = self.start(self.program("distmaster"), *arguments, *options, env=env)
        if wait:
            _, match = process.wait_line(r"master-listening .*address=(\S+) .*port=(\d+)",
                                         seconds)
            host = f"[{match[1]}]" if ":" in match[1].strip("[]") else match[1]
            process.port = int(match[2])
            process.address = f"{host.replace('[[', '[').replace(']]', ']')}:{match[2]}"
        return process

    def node(self, masters, *options, module="arith", listen="127.0.0.1:0", name=None,
             delay_ms=None, rpcbind=False, wait=True, env=None):
        """A node that listens and, with @wait, is in the registry; .name is its name."""
        self.n_named += 1
        name = name or f"n{self.n_named}"
        env = dict(env or {})
        if delay_ms is not None:
            env["ARITH_DELAY_MS"] = str(delay_ms)
        arguments = ["--masters", masters] if masters else ["--no-masters"]
        arguments += ["--listen", listen, "--name", name]
        if not rpcbind:
            arguments.append("--no-rpcbind")
        arguments += options
        process = self.start(self.program("distnode"), *arguments, self.module(module),
                             env=env)
        process.node_name = name
        if wait:
            line, match = process.wait_line(r"node-listening .*address=(\S+) .*port=(\d+)")
            process.listening_since = line.when
            process.port = int(match[2])
            if masters:
                self.wait_nodes(masters, at_least={name})
        return process

    def load(self, masters, *options, threads=4, wait=True):
        """A program that calls without a pause until it is told to report or to stop."""
        arguments = ["--masters", masters] if masters else []
        process = self.start(self.program("load"), *arguments, "--threads", str(threads),
                             *options)
        process.__class__ = Load
        # A test may leave it calling until the end.
        process.expected = {0, -signal.SIGTERM}
        if wait:
            process.wait_line(r"^calling ")
        return process

    def bystander(self):
        """What tells how long this machine keeps a program waiting; see Bystander."""
        node = self.node(None)
        process = self.load(None, "--servers", f"127.0.0.1:{node.port}", threads=1)
        process.__class__ = Bystander
        process.sleeper = Sleeper()
        process.wait_answers({process.only_node()})
        return process

    # --- What the operator sees ---

    def ctl(self, masters, *arguments, seconds=2 * PATIENCE):
        return command(self.program("distctl"), "--masters", masters, *arguments,
                       seconds=seconds, prefix=self.prefix)

    def nodes(self, masters, *options):
        """The registry as distctl prints it: a dictionary by name."""
        done = self.ctl(masters, "nodes", "--json", *options)
        if done.returncode != 0:
            return {}
        return {node["name"]: node for node in json.loads(done.stdout)["nodes"]}

    def live(self, masters):
        return {name for name, node in self.nodes(masters).items()
                if node["state"] == "live"}

    def wait_nodes(self, masters, exactly=None, at_least=frozenset(), seconds=PATIENCE):
        def there():
            live = self.live(masters)
            return live == exactly if exactly is not None else live >= set(at_least)
        eventually(there, seconds, f"nodes {exactly or at_least} at {masters}")

    def close(self):
        """Callers end first, masters last, as an operator would do it."""
        problems = []
        for process in reversed(self.processes):
            try:
                process.finish()
            except AssertionError as problem:
                problems.append(str(problem))
        assert not problems, "\n".join(problems)


class Load(Process):
    """tests/integration/load.c from the outside."""

    def report(self):
        """What it has seen so far: calls, failed, wrong, max_gap_ms, nodes, view."""
        since = self.mark()
        self.write("report\n")
        return json.loads(self.wait_line(r"^report (.*)$", since=since)[1][1])

    def forget(self):
        """Gaps are counted from now on."""
        since = self.mark()
        self.write("forget\n")
        self.wait_line(r"^report ", since=since)

    def wait_view(self, exactly, seconds=PATIENCE, since=0):
        """When its own view of the nodes first was this one."""
        names = ",".join(sorted(exactly))
        return self.wait_line(rf"^view {re.escape(names)}$", seconds, since)[0].when

    def wait_answers(self, names, seconds=PATIENCE):
        """Until each of @names has answered a call from now on."""
        before = self.report()["nodes"]

        def answered():
            now = self.report()["nodes"]
            return all(now.get(name, 0) > before.get(name, 0) for name in names)
        eventually(answered, seconds, f"answers of {names}")

    def end(self):
        """Stop calling; the last report."""
        since = self.mark()
        self.write("stop\n")
        report = json.loads(self.wait_line(r"^report (.*)$", 30, since)[1][1])
        assert self.wait() == 0, self.text()
        return report


class Sleeper(threading.Thread):
    """Sleeps for a moment again and again, and adds up by how much it woke too late: so
    long the test itself had no CPU, to do something or to hear of it."""

    TICK = 0.005

    def __init__(self):
        super().__init__(daemon=True)
        self.over = False
        self.so_far = 0.0, time.monotonic() + self.TICK
        self.start()

    def run(self):
        while not self.over:
            time.sleep(self.TICK)
            self.so_far = self.late(), time.monotonic() + self.TICK

    def late(self):
        """In seconds, since it was started; the sleep that goes on now is counted too."""
        late, due = self.so_far
        return late + max(0.0, time.monotonic() - due)


class Bystander(Load):
    """A program that calls a node of its own, which no master knows, without a pause.

    Nothing that a test does to masters and other nodes concerns the two. What keeps their
    answers back is the machine, which has others to run, or stands still; and that keeps
    back what the test looks at, too. So a limit in time is one beyond that, and beyond
    what keeps the test itself waiting.
    """

    def only_node(self):
        return eventually(lambda: list(self.report()["nodes"]), what="a first answer")[0]

    def begin(self):
        """The time; stalls count from now on."""
        self.forget()
        self.late_before = self.sleeper.late()
        return time.monotonic()

    def stall(self):
        """What the machine may have kept anybody waiting since begin(), in seconds."""
        late = self.sleeper.late() - self.late_before
        return late + self.report()["max_gap_ms"] / 1000

    def finish(self):
        self.sleeper.over = True
        super().finish()
