"""The machines of a chaos test: network namespaces on one wire, and what runs in them.

Two masters, one of them with an rpcbind, four nodes and two clients, each in a network
namespace of its own. wire.c carries their packets. Their logs go to a file system of
their own that can be full; journals and all else to the folder of the run.
"""

import os
import re
import shutil
import signal
import struct
import subprocess
import time
from pathlib import Path

from harness import SANITIZER_REPORT, Process, command, eventually
from namespace import Namespace

LOG = "/run/small/log"
LOG_BYTES = 16 << 20
ADDRESSES = {"m1": 1, "m2": 2, "n1": 11, "n2": 12, "n3": 13, "n4": 14, "c1": 21, "c2": 22}
MASTERS = "10.77.0.1,10.77.0.2:3000"


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def why_not():
    """Why this machine cannot have a chaos test, or None."""
    import namespace
    reason = namespace.allowed()
    if reason:
        return reason
    for program in "ip", "nsenter", "setpriv", "rpcbind":
        if not shutil.which(program):
            return f"needs {program}"
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as problem:
        return f"needs /dev/net/tun, for a wire between namespaces: {problem.strerror}"
    return None


class Wire:
    """wire.c, and the rules that are in force: of several for a direction the worst."""

    KEYS = "cut", "loss", "delay", "jitter", "double", "reset"

    def __init__(self, program, seed, machines):
        self.names = [machine.name for machine in machines]
        self.process = Process([program, seed] + [
            f"{machine.name}={machine.address}=/proc/{machine.namespace.holder.pid}/ns/net"
            for machine in machines])
        self.process.wait_line("^ready$")
        self.rules = {}
        self.shown = {}
        self.n_rules = 0

    def add(self, rules):
        self.n_rules += 1
        self.rules[self.n_rules] = rules
        self._show()
        return self.n_rules

    def remove(self, number):
        del self.rules[number]
        self._show()

    def _show(self):
        now = {}
        for rules in self.rules.values():
            for sender, receiver, key, value in rules:
                for one in self.names if sender == "*" else [sender]:
                    for other in self.names if receiver == "*" else [receiver]:
                        at = one, other, key
                        now[at] = max(now.get(at, 0), value)
        changed = {at: now.get(at, 0) for at in now.keys() | self.shown.keys()
                   if now.get(at, 0) != self.shown.get(at, 0)}
        self.process.write("".join(f"{one} {other} {key} {value}\n"
                                   for (one, other, key), value in changed.items()))
        self.shown = now

    def close(self):
        """What it did, in its own words."""
        if self.process.running():
            self.process.popen.stdin.close()
            self.process.wait()
        return self.process.text("out").split("\n")[-1]


class Machine:
    """A namespace with one program that is killed, stopped and started again."""

    def __init__(self, world, name):
        self.world = world
        self.name = name
        self.address = f"10.77.0.{ADDRESSES[name]}"
        self.namespace = Namespace()
        # Should this program be killed, what it started goes with it.
        self.namespace.prefix = ["setpriv", "--pdeathsig", "KILL", *self.namespace.prefix]
        self.popen = None
        self.life = 0
        self.may_end = set()
        self.killed = False
        self.start_again = False
        self.clock = world.folder / f"clock.{name}"
        self.set_clock(0)

    def connect(self):
        self.run("ip", "addr", "add", f"{self.address}/24", "dev", "wire0")
        self.run("ip", "link", "set", "wire0", "up")
        self.run("mkdir", "/run/small")
        self.run("mount", "-t", "tmpfs", "-o", f"size={LOG_BYTES}", "none", "/run/small")

    def run(self, *arguments):
        done = self.namespace.run(*arguments)
        assert done.returncode == 0, f"{self.name}: {arguments}: {done.stderr}"
        return done

    # --- Its program ---

    @property
    def pid(self):
        return self.popen.pid

    def age(self):
        """Of its program, in seconds."""
        return time.monotonic() - self.started

    @property
    def journal(self):
        return f"{self.name}.{self.life}"

    def arguments(self):
        build = self.world.build
        if self.name[0] == "m":
            return [build / "master/distmaster", "--listen", ":3000",
                    *([] if self.namespace.rpcbind else ["--no-rpcbind"])]
        if self.name[0] == "n":
            return [build / "node/distnode", "--masters", MASTERS, "--listen",
                    f"{self.address}:4000", "--name", self.name, "--workers", "4",
                    "--queue", "64", "--no-rpcbind", build / "tests/chaos/chaos.so"]
        # Tokens of different runs of different clients never meet.
        number = int(self.name[1:]) << 44 | self.life << 28
        return [build / "tests/chaos/client", "--masters", MASTERS, "--journal",
                self.world.folder / f"{self.journal}.client", "--token", str(number + 1),
                "--pace-us", str(self.world.pace_us)]

    def environment(self):
        given = {"CHAOS_NODE": self.name, "CHAOS_CLOCK": str(self.clock),
                 "CHAOS_JOURNAL": str(self.world.folder / f"{self.journal}.node")}
        if not self.world.sanitized:
            given["LD_PRELOAD"] = str(self.world.build / "tests/chaos/chaos-clock.so")
        return [f"{name}={value}" for name, value in given.items()]

    def start(self):
        self.life += 1
        self.may_end = set()
        self.killed = False
        self.start_again = False
        self.started = time.monotonic()
        # Each exec()s the next, so this is the program's own process.
        self.popen = subprocess.Popen(
            [*self.namespace.prefix, "sh", "-c", f'exec env "$@" 2>>{LOG}', "sh",
             *self.environment(), *map(str, self.arguments())],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
        # A client is told to stop there; to all others it is empty.
        if self.name[0] != "c":
            self.popen.stdin.close()

    def signal(self, number):
        if self.popen.poll() is None:
            self.popen.send_signal(number)

    def kill(self):
        self.look()
        self.start_again = False
        if self.popen.poll() is None:
            self.world.event(f"K {self.journal} {now_ns()}")
            self.popen.kill()
        self.popen.wait()
        self.killed = True

    def terminate(self):
        # 1: calls were abandoned, which outlasted the drain. Asked twice, it ends at once.
        at_once = bool(self.may_end) or not self.hears_term()
        self.may_end = {0, 1, -signal.SIGTERM} if at_once else {0, 1}
        self.signal(signal.SIGTERM)

    def hears_term(self):
        """In its first moments it ends as any program does."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return True
        return any(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1
                   for line in status.splitlines() if line.startswith(("SigBlk", "SigCgt")))

    def start_after_end(self):
        self.start_again = True
        self.look()

    def look(self):
        """Whether it has ended though nothing ended it; one that shall is started anew."""
        status = self.popen.poll()
        if status is None or self.killed:
            return
        if status not in self.may_end:
            self.world.event(f"X {self.journal} it ended with status {status}")
            self.may_end = {status}
            self.start_again = True
        if self.start_again:
            self.start()

    def end(self, seconds):
        """At the run's end: asked to stop, it shall, and well."""
        self.look()
        if self.name[0] == "c":
            try:
                self.popen.stdin.write(b"stop\n")
                self.popen.stdin.close()
            except BrokenPipeError:
                pass
            self.may_end = {0}
        else:
            self.may_end = {0} if self.hears_term() else {0, -signal.SIGTERM}
            self.signal(signal.SIGTERM)
        return time.monotonic() + seconds

    def wait_end(self, until):
        try:
            status = self.popen.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.world.event(f"X {self.journal} it did not end when it was asked to; its "
                             f"threads: {', '.join(self.threads())}")
            self.popen.kill()
            self.popen.wait()
            return
        if status not in self.may_end:
            self.world.event(f"X {self.journal} it ended with status {status}")

    def threads(self):
        found = []
        for task in Path(f"/proc/{self.pid}/task").glob("*"):
            try:
                found.append((task / "comm").read_text().strip() + " in " +
                             (task / "wchan").read_text())
            except OSError:
                pass
        return found

    # --- What faults need ---

    def log(self):
        return Path(f"/proc/{self.namespace.holder.pid}/root{LOG}")

    def fill_log(self):
        self.namespace.run("dd", "if=/dev/zero", "of=/run/small/filler", "bs=64k")

    def empty_log(self):
        self.run("rm", "-f", "/run/small/filler")

    def set_clock(self, seconds):
        mode = "r+b" if self.clock.exists() else "wb"
        with open(self.clock, mode) as clock:
            clock.write(struct.pack("<q", seconds))

    def kill_rpcbind(self):
        if self.namespace.rpcbind.running():
            self.namespace.rpcbind.kill()

    def start_rpcbind(self):
        self.namespace.start_rpcbind()

    def close(self):
        if self.popen and self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        if self.log().exists():
            shutil.copyfile(self.log(), self.world.folder / f"{self.name}.log")
        self.namespace.close()


class World:
    def __init__(self, build, folder, seed, pace_us):
        self.build = Path(build).resolve()
        self.folder = Path(folder).resolve()
        self.pace_us = pace_us
        self.sanitized = b"libclang_rt" in (node := (self.build / "node/distnode")
                                            .read_bytes()) or b"__asan_init" in node or \
            b"__tsan_init" in node
        self.events = open(self.folder / "events", "a", buffering=1)
        self.machines = {}
        self.wire = None
        self.wire_said = ""
        try:
            for name in ADDRESSES:
                self.machines[name] = Machine(self, name)
            self.wire = Wire(self.build / "tests/chaos/wire", seed, self.machines.values())
            for machine in self.machines.values():
                machine.connect()
        except BaseException:
            self.close()
            raise

    def event(self, line):
        self.events.write(line + "\n")

    def start(self):
        """All runs, and both clients have calls to tell of."""
        self.machines["m1"].start_rpcbind()
        for machine in self.machines.values():
            machine.start()

        def calling():
            journals = [self.folder / f"{name}.1.client" for name in ("c1", "c2")]
            return all(path.exists() and "\nE " in path.read_text() for path in journals)
        eventually(calling, 20, "a first call of both clients")

    def look(self):
        for machine in self.machines.values():
            machine.look()

    def end(self):
        """Everybody is asked to stop: first who calls, then who serves, masters last."""
        for letter, seconds in ("c", 90), ("n", 30), ("m", 20):
            machines = [self.machines[name] for name in self.machines if name[0] == letter]
            until = [machine.end(seconds) for machine in machines]
            for machine, limit in zip(machines, until):
                machine.wait_end(limit)
        self.wire_said = self.wire.close()

    def close(self):
        if self.wire:
            self.wire.close()
        for machine in self.machines.values():
            machine.close()
        self.complaints()
        self.events.close()

    def complaints(self):
        """What a sanitizer said is a violation, too."""
        for name in self.machines:
            path = self.folder / f"{name}.log"
            text = path.read_text(errors="replace") if path.exists() else ""
            found = SANITIZER_REPORT.search(text)
            if found:
                line = text[found.start():].split("\n")[0]
                self.event(f"X {name} {line}")
