"""One distmaster, simulated nodes in a few processes, and watching clusters in others."""

import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

LINE_SIZE = 16            # struct board_line of board.h
NODES_PER_PROCESS = 2500  # each has two descriptors, and now and then a probe's
WATCHERS_PER_PROCESS = 50
# Hundreds of clusters that decode at once would be on machines of their own: here they
# must not take the CPUs from those whose heartbeats are due.
WATCHERS_NICE = 19
WINDOW = 1000             # registrations under way at once, over all processes
TICKS = os.sysconf("SC_CLK_TCK")


class Helper:
    """A process that answers each line on its stdin with one of JSON."""

    def __init__(self, *command, nice=0):
        self.popen = subprocess.Popen([str(part) for part in command], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      preexec_fn=lambda: os.nice(nice))

    def tell(self, line):
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()

    def hear(self):
        line = self.popen.stdout.readline()
        assert line, f"{self.popen.args[0]} ended with {self.popen.wait()}"
        return json.loads(line)

    def close(self):
        self.popen.stdin.close()
        self.popen.wait()
        self.popen.stdout.close()


def tell_all(helpers, *lines):
    """One line for all, or one for each; the answers when all have come."""
    for helper, line in zip(helpers, lines * len(helpers) if len(lines) == 1 else lines):
        helper.tell(line)
    return [helper.hear() for helper in helpers]


class Simulation:
    def __init__(self, build, n_nodes, changes_per_s=0, seconds=0, heartbeat_ms=1000,
                 master_options=()):
        self.build = Path(build)
        self.changes_per_s = changes_per_s
        self.heartbeat_ms = heartbeat_ms
        self.master_options = master_options
        self.n_processes = -(-n_nodes // NODES_PER_PROCESS)
        # What may ever join, in each process: those of the start, those of the churn.
        each = -(-n_nodes // self.n_processes)
        each += int(changes_per_s * seconds / self.n_processes) + 16
        self.board = tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="membership-")
        self.board.truncate(LINE_SIZE * each * self.n_processes)
        self.start_master()
        self.nodes = [
            Helper(self.build / "bench/membership/nodes", "--master", self.address,
                   "--board", self.board.name, "--first", i * each, "--max", each,
                   "--heartbeat-ms", heartbeat_ms)
            for i in range(self.n_processes)]
        self.watchers = []

    def start_master(self):
        self.log = tempfile.TemporaryFile("w+")
        self.master = subprocess.Popen(
            [self.build / "master/distmaster", "--listen", "127.0.0.1:0", "--no-rpcbind",
             *self.master_options],
            stderr=self.log)
        self.address = None
        while not self.address:
            assert self.master.poll() is None, self.log_text()
            found = re.search(r"master-listening .*port=(\d+)", self.log_text())
            self.address = found and f"127.0.0.1:{found[1]}"
            time.sleep(0.01)

    def log_text(self):
        self.log.seek(0)
        return self.log.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for helper in self.watchers + self.nodes:
            helper.close()
        self.master.terminate()
        self.master.wait()
        self.board.close()
        self.log.close()

    # --- What the master takes ---

    def cpu_s(self):
        fields = Path(f"/proc/{self.master.pid}/stat").read_text().rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / TICKS

    def rss_bytes(self):
        status = Path(f"/proc/{self.master.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M)[1]) * 1024

    # --- What happens ---

    def join(self, n_nodes):
        """All register; the seconds until the last one is answered."""
        shares = [n_nodes // self.n_processes + (i < n_nodes % self.n_processes)
                  for i in range(self.n_processes)]
        window = max(1, WINDOW // self.n_processes)
        began = time.monotonic()
        answers = tell_all(self.nodes, *(f"join {n} {window}" for n in shares))
        self.members = sum(answer["members"] for answer in answers)
        return time.monotonic() - began

    @staticmethod
    def settle(seconds):
        time.sleep(seconds)

    def report(self):
        """The counts of all nodes since the last report."""
        answers = tell_all(self.nodes, "report")
        return {key: sum(answer[key] for answer in answers) for key in answers[0]}

    def beat(self, seconds):
        """Nothing but heartbeats, and the probes that are due."""
        self.report()
        cpu, began = self.cpu_s(), time.monotonic()
        time.sleep(seconds)
        cpu, took = self.cpu_s() - cpu, time.monotonic() - began
        counts = self.report()
        return {"beats": counts["beats"], "unknown": counts["unknown"],
                "late": counts["late"], "probes": counts["probes"],
                "beat_cpu": 100 * cpu / took,
                "beat_us": 1e6 * cpu / max(1, counts["answers"]),
                "rss_mib": self.rss_bytes() / 2**20}

    def watch(self, n_watchers):
        """Clusters open, all at once."""
        self.n_watchers = n_watchers
        n_processes = -(-n_watchers // WATCHERS_PER_PROCESS)
        shares = [n_watchers // n_processes + (i < n_watchers % n_processes)
                  for i in range(n_processes)]
        self.watchers = [
            Helper(self.build / "bench/membership/watchers", "--masters", self.address,
                   "--board", self.board.name, "--clusters", n, nice=WATCHERS_NICE)
            for n in shares]
        self.report()
        cpu, began = self.cpu_s(), time.monotonic()
        answers = tell_all(self.watchers, "open")
        took = time.monotonic() - began
        counts = self.report()
        views = tell_all(self.watchers, "report")
        return {"opened": sum(answer["opened"] for answer in answers), "open_s": took,
                "open_cpu_s": self.cpu_s() - cpu, "open_counts": counts,
                "view_kb": sum(view["bytes"] for view in views) / n_watchers / 1000,
                "view_fewest": min(view["fewest"] for view in views),
                "view_most": max(view["most"] for view in views),
                "watched_rss_mib": self.rss_bytes() / 2**20}

    def wait_seen(self, n_events, seconds):
        """Until the watchers have seen so many events; how many they did see in time."""
        until = time.monotonic() + seconds
        while True:
            n_seen = sum(answer["seen"] for answer in tell_all(self.watchers, "seen"))
            if n_seen >= n_events or time.monotonic() > until:
                return n_seen
            time.sleep(0.02)

    def churn(self, seconds, patience=5):
        """Nodes end and others join, and the watchers hear of it."""
        tell_all(self.watchers, "watch")
        before = tell_all(self.watchers, "report")
        self.report()
        cpu, began = self.cpu_s(), time.monotonic()
        rate = self.changes_per_s / self.n_processes
        answers = tell_all(self.nodes, f"churn {rate} {seconds}")
        cpu, took = self.cpu_s() - cpu, time.monotonic() - began
        counts = self.report()
        n_changes = counts["joined"] + counts["left"]
        n_seen = self.wait_seen(n_changes * self.n_watchers, patience)
        views = tell_all(self.watchers, "report")
        n_bytes = sum(after["bytes"] - first["bytes"]
                      for after, first in zip(views, before))
        row = {"changes": n_changes, "seen": n_seen, "churn_counts": counts,
               "churn_cpu": 100 * cpu / took,
               "change_bytes": n_bytes / max(1, n_seen),
               "members": sum(answer["members"] for answer in answers),
               "fewest": min(view["fewest"] for view in views),
               "most": max(view["most"] for view in views)}
        for kind, name in (("joins", "join"), ("leaves", "leave")):
            for quantile in ("p50", "p90", "p99", "max"):
                # Each process has as many watchers: the median of their medians will do.
                values = sorted(view[kind].get(quantile, 0) for view in views)
                row[f"{name}_{quantile}"] = \
                    values[-1 if quantile == "max" else len(values) // 2]
        return row
