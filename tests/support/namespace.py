"""A network and mount namespace with a loopback and a /run of its own.

rpcbind has fixed paths and a fixed port, so a test that needs one runs it in here, beside
whatever the machine has. That takes root; without it the test is skipped and says so.
"""

import os
import subprocess

import pytest

from harness import Process, command, eventually

SETUP = """
mount --make-rprivate / && mount -t tmpfs none /run && mkdir /run/rpcbind &&
ip link set lo up && echo ready && exec cat
"""


def allowed():
    """Why a namespace cannot be had, or None."""
    if os.geteuid() != 0:
        return "needs root, for a network namespace"
    done = subprocess.run(["unshare", "-n", "-m", "mount", "-t", "tmpfs", "none", "/run"],
                          capture_output=True, text=True)
    return None if done.returncode == 0 else f"no namespaces here: {done.stderr.strip()}"


class Namespace:
    """Lives while its holder reads from us, so it goes when the test's process goes."""

    def __init__(self):
        self.holder = Process(["unshare", "-n", "-m", "sh", "-c", SETUP])
        self.holder.wait_line(r"^ready$")
        self.prefix = ["nsenter", f"--target={self.holder.pid}", "--net", "--mount", "--"]
        self.rpcbind = None

    def run(self, *arguments, **options):
        return command(*arguments, prefix=self.prefix, **options)

    def start_rpcbind(self, *options):
        """rpcbind in the foreground: it keeps its entries over a restart with -w."""
        self.rpcbind = Process(["rpcbind", "-f", *options], prefix=self.prefix)
        # It ends on SIGTERM by way of its handler, with status 2.
        self.rpcbind.expected = {0, 2, -15}
        eventually(self.rpcbind_answers, what="rpcbind to answer")
        return self.rpcbind

    def rpcbind_answers(self):
        return self.run("rpcinfo", "-T", "tcp", "127.0.0.1", "100000").returncode == 0

    def registered(self, program):
        """rpcinfo's lines for @program: (version, netid, universal address)."""
        rows = [line.split() for line in self.run("rpcinfo").stdout.splitlines()]
        return [(int(row[1]), row[2], row[3]) for row in rows if row[0] == str(program)]

    def close(self):
        try:
            if self.rpcbind and self.rpcbind.running():
                self.rpcbind.finish()
        finally:
            self.holder.popen.stdin.close()
            self.holder.wait()


@pytest.fixture
def namespace():
    reason = allowed()
    if reason:
        pytest.skip(reason)
    space = Namespace()
    yield space
    space.close()
