"""The systems that bench/run compares: how each is built, started and called.

A server says "listening on port N"; a client prints calls/s, p50 and p99 in microseconds,
and CPU microseconds a call of client and servers (measure/peer.h). Ours is a real
cluster: a distmaster, distnodes that register with it, and distbench.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
PEERS = SOURCE / "bench" / "peers"
FIGURES = ["calls_per_s", "p50_us", "p99_us", "client_cpu_us", "server_cpu_us"]
OPEN_LOOP_FIGURES = ["calls_per_s", "unsent", "p50_us", "p90_us", "p99_us", "p999_us"]
SPIN = ["--spin-us", "50"]
WORKERS = 4  # of a node whose procedure sleeps


class Failed(Exception):
    """A sentence for whoever runs this."""


def run_quietly(command, **options):
    done = subprocess.run([str(part) for part in command], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        raise Failed(f"{command[0]} failed:\n{done.stdout}")
    return done.stdout


def pinned(cpu):
    """For a child: it stays on this CPU; None: it runs where it likes."""
    return (lambda: os.sched_setaffinity(0, {cpu})) if cpu is not None else None


def sleep_takes(delay, seconds=0.25):
    """What such a sleep really takes, in a loop here and now: the ideal is made of it."""
    began = time.monotonic()
    n = 0
    while time.monotonic() - began < seconds:
        time.sleep(delay)
        n += 1
    return (time.monotonic() - began) / n


class Server:
    """A process that serves, until it is stopped."""

    def __init__(self, command, pattern, cpu=None, env=None, tool=()):
        """@tool: what it runs in, such as strace, which then gets the signals too."""
        self.log = tempfile.TemporaryFile()
        self.name = Path(str(command[0])).name
        self.in_tool = bool(tool)
        self.slowness = 10 if tool else 1
        self.popen = subprocess.Popen(
            [str(part) for part in [*tool, *command]], stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log, preexec_fn=pinned(cpu),
            env=dict(os.environ, **(env or {})), start_new_session=self.in_tool)
        try:
            self.match = self.wait_for(pattern)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self):
        return self.popen.pid

    def text(self):
        """All it said. The place in the file is the server's, and stays where it is."""
        size = os.fstat(self.log.fileno()).st_size
        return os.pread(self.log.fileno(), size, 0).decode(errors="replace")

    def wait_for(self, pattern):
        deadline = time.monotonic() + 10 * self.slowness
        while time.monotonic() < deadline:
            match = re.search(pattern, self.text())
            if match:
                return match
            if self.popen.poll() is not None:
                break
            time.sleep(0.005)
        raise Failed(f"{self.name} did not say that it listens:\n{self.text()}")

    def signal(self, number):
        if self.in_tool:
            os.killpg(self.pid, number)
        else:
            self.popen.send_signal(number)

    def stop(self):
        if self.popen.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            self.popen.wait(5 * self.slowness)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.popen.wait()
        self.log.close()


class Job:
    """One run of one system: so many integers, so many in flight, where, how long."""

    def __init__(self, n_ints=3, in_flight=1, seconds=1.0, server_cpu=None,
                 client_cpu=None, nodes=1, delay_ms=0, rate=None):
        self.n_ints = n_ints
        self.in_flight = in_flight
        self.seconds = seconds
        self.server_cpu = server_cpu
        self.client_cpu = client_cpu
        self.nodes = nodes
        self.delay_ms = delay_ms  # what the procedure sleeps, in one of WORKERS
        self.rate = rate          # calls a second, in an open loop


class Peer:
    """A system with one server and one client, both in a folder of the build."""

    def __init__(self, build, name, folder, server=(), client=()):
        self.build = build
        self.name = name
        self.folder = folder
        self.server = server or [folder / "server"]
        self.client = client or [folder / "client"]

    def can(self, job):
        return job.rate is None and not job.delay_ms

    def run(self, job):
        server = Server([*self.server, "0"], r"listening on port (\d+)", job.server_cpu)
        try:
            return call([*self.client, server.match[1], server.pid, job.n_ints,
                         job.in_flight, job.seconds], job, FIGURES)
        finally:
            server.stop()


class StockPeer(Peer):
    def can(self, job):
        """Its server keeps its connections in a table of FD_SETSIZE (1024) places."""
        return super().can(job) and job.in_flight <= 512


class Distribution:
    """Ours, with options of the node and of distbench beside the defaults."""

    def __init__(self, build, name, node_options=(), client_options=()):
        self.build = build
        self.name = name
        self.node_options = list(node_options)
        self.client_options = list(client_options)

    def can(self, job):
        return True

    def master(self, job):
        return Server([self.build / "master" / "distmaster", "--listen", "127.0.0.1:0",
                       "--no-rpcbind"], r"master-listening .*port=(\d+)", job.server_cpu)

    def node(self, job, masters, options, env):
        return Server([self.build / "node" / "distnode", "--masters", masters, "--listen",
                       "127.0.0.1:0", "--no-rpcbind", *self.node_options, *options,
                       self.build / "examples" / "arith" / "arith.so"],
                      r" registered ", job.server_cpu, env)

    def client(self, job, masters, servers):
        pids = ",".join(str(server.pid) for server in servers)
        options = ["--masters", masters, "--server-pid", pids, "--ints", job.n_ints,
                   "--in-flight", job.in_flight, "--duration-ms", int(job.seconds * 1000),
                   "--warm-up-ms", int(min(job.seconds, 0.5) * 1000), *self.client_options]
        figures = FIGURES
        if job.rate is not None:
            options = [one for one in options if one != "--in-order"]
            options += ["--rate", job.rate]
            figures = OPEN_LOOP_FIGURES
        return call([self.build / "bench" / "distbench", *options, "--print",
                     ",".join(figures)], job, figures)

    def run(self, job):
        options, env = [], {}
        if job.delay_ms:
            options = ["--workers", WORKERS]
            env = {"ARITH_DELAY_MS": str(job.delay_ms)}
        servers = [self.master(job)]
        try:
            masters = f"127.0.0.1:{servers[0].match[1]}"
            for _ in range(job.nodes):
                servers.append(self.node(job, masters, options, env))
            ideal = {}
            if job.delay_ms:
                ideal["ideal_per_s"] = \
                    job.nodes * WORKERS / sleep_takes(job.delay_ms * 1e-3)
            return {**self.client(job, masters, servers), **ideal}
        finally:
            for server in reversed(servers):
                server.stop()


def call(command, job, figures):
    """Runs a client: a dictionary of its figures."""
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True,
                          timeout=60 + 3 * job.seconds, preexec_fn=pinned(job.client_cpu),
                          check=False)
    values = done.stdout.split()
    if done.returncode != 0 or len(values) != len(figures):
        raise Failed(f"{Path(str(command[0])).name}: {done.stderr.strip()}")
    return {name: float(value) for name, value in zip(figures, values)}


# --- Which there are, and how they are built ------------------------------------------

def c_flags(*packages):
    return run_quietly(["pkg-config", "--cflags", "--libs", *packages]).split()


def need(*tools):
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        raise Failed(f"{', '.join(missing)} is not installed")


def measure_flags(build):
    return [f"-I{SOURCE / 'bench'}", build / "bench" / "libmeasure.a", "-lpthread"]


def build_zmq(build, folder):
    need("cc", "pkg-config")
    for name in ("server", "client"):
        run_quietly(["cc", "-O3", "-D_GNU_SOURCE", "-o", folder / name,
                     PEERS / "zmq" / f"{name}.c", *measure_flags(build),
                     *c_flags("libzmq")])


def build_gonetrpc(_build, folder):
    need("go")
    run_quietly(["go", "build", "-o", folder / "gonetrpc",
                 PEERS / "gonetrpc" / "main.go"],
                env=dict(os.environ, GOFLAGS="", GO111MODULE="off"))


def build_grpc(build, folder):
    need("protoc", "grpc_cpp_plugin", "c++", "pkg-config")
    run_quietly(["protoc", f"-I{PEERS / 'grpc'}", f"--cpp_out={folder}",
                 f"--grpc_out={folder}",
                 f"--plugin=protoc-gen-grpc={shutil.which('grpc_cpp_plugin')}",
                 "arith.proto"])
    for name in ("server", "client"):
        run_quietly(["c++", "-std=c++17", "-O3", f"-I{folder}", "-o", folder / name,
                     PEERS / "grpc" / f"{name}.cc", folder / "arith.pb.cc",
                     folder / "arith.grpc.pb.cc", *measure_flags(build),
                     *c_flags("grpc++", "protobuf")])


OPTIONAL = {"grpc": build_grpc, "gonetrpc": build_gonetrpc, "zmq": build_zmq}


def build_tree(build):
    if not (build / "build.ninja").exists():
        run_quietly(["meson", "setup", build, SOURCE, "--buildtype=release",
                     "-Db_ndebug=true", "-Dtests=disabled", "-Dman=disabled",
                     "-Dweb=disabled"])
    run_quietly(["ninja", "-C", build])


def build_optional(build, name):
    """Of a peer: the system, built unless it is there already."""
    folder = build / "bench" / "peers" / name
    folder.mkdir(parents=True, exist_ok=True)
    if not any(os.access(path, os.X_OK) for path in folder.iterdir()):
        OPTIONAL[name](build, folder)
    if name == "gonetrpc":
        program = folder / "gonetrpc"
        return Peer(build, name, folder, [program, "server"], [program, "client"])
    return Peer(build, name, folder)


def before(build):
    """Another version of this system, built somewhere else."""
    if not (build / "bench" / "distbench").exists():
        raise Failed(f"no distbench in {build}: build that version there first, as "
                     "bench/run does with its own")
    return Distribution(build, "before", client_options=["--in-order"])


def shipped(build):
    """Those that the tree builds, by name."""
    folder = build / "bench"
    in_order = ["--in-order"]
    return {system.name: system for system in [
        Peer(build, "raw", folder / "raw"),
        StockPeer(build, "tirpc", folder / "tirpc"),
        Distribution(build, "dist", client_options=in_order),
        Distribution(build, "distqueue"),
        Distribution(build, "distspin", SPIN, [*in_order, *SPIN]),
    ]}
