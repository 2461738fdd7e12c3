"""--user: what was root binds a port, and nothing is left of root when code of others runs.

In a namespace of its own, where users can be made and ports under 512 are free (from there
up the C library takes some for clients of rpcbind): it takes root.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness import Cluster, command, eventually

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = 0x2d150000
PROGRAM = 0x20000b01

USER, UID, GID, MORE_GID = "distuser", 41234, 41235, 41236

MODULE = r"""
#include <dist/node.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void
tell(const char *what)
{
	int back = setuid(0) ? errno : 0;

	printf("%s uid=%d gid=%d back=%d home=%s\n", what, (int)geteuid(), (int)getegid(),
	       back, getenv("HOME"));
	fflush(stdout);
}

static void
dispatch(struct svc_req *rqstp, SVCXPRT *xprt)
{
	(void)rqstp;
	tell("procedure");
	svc_sendreply(xprt, (xdrproc_t)xdr_void, NULL);
}

static const struct dist_service service = {
	.size = sizeof(service),
	.program = 0x20000b01,
	.version = 1,
	.program_name = "TELLS",
	.dispatch = dispatch,
};

__attribute__((constructor)) static void
load(void)
{
	tell("constructor");
	dist_service_offer(&service);
}

int
dist_module_init(void)
{
	tell("init");
	return 0;
}
"""


@pytest.fixture
def users(namespace):
    """A user with a second group, known inside the namespace alone, where all of /etc is a
    copy: a file mounted there would be gone once somebody on this host replaces it."""
    folder = Path(tempfile.mkdtemp())
    subprocess.run(["cp", "-a", "/etc/.", folder], stderr=subprocess.DEVNULL)
    folder.chmod(0o755)
    for name, lines in {"passwd": f"{USER}:x:{UID}:{GID}::/srv/{USER}:/bin/false\n",
                        "group": f"distgroup:x:{GID}:\ndistmore:x:{MORE_GID}:{USER}\n"}.items():
        (folder / name).write_text(Path("/etc", name).read_text() + lines)
    done = namespace.run("mount", "--bind", folder, "/etc")
    assert done.returncode == 0, done.stderr
    yield folder / "passwd"
    shutil.rmtree(folder)


@pytest.fixture
def module():
    """Where others may read it, which pytest's folders are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "tells.c").write_text(MODULE)
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{ROOT}/lib/include", "-I/usr/include/tirpc",
                    folder / "tells.c", "-o", folder / "tells.so", "-ltirpc"], check=True)
    yield folder / "tells.so"
    shutil.rmtree(folder)


def status_of(process):
    """Of each thread, what /proc says of who it is and what it may do."""
    found = {}
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        found[task.name] = {key: value.split()
                            for key, value in (line.split(":", 1) for line in lines)}
    return found


def assert_nothing_of_root(process, at_least_threads):
    threads = status_of(process)
    assert len(threads) >= at_least_threads
    for status in threads.values():
        assert status["Uid"] == [str(UID)] * 4
        assert status["Gid"] == [str(GID)] * 4
        assert status["Groups"] == [str(GID), str(MORE_GID)]
        for which in ("Inh", "Prm", "Eff", "Bnd", "Amb"):
            assert status[f"Cap{which}"] == ["0" * 16], which
        assert status["NoNewPrivs"] == ["1"]


def owners(namespace, program):
    """Who has set rpcbind's entries for @program, and their ports."""
    found = set()
    for row in map(str.split, namespace.run("rpcinfo").stdout.splitlines()):
        if row[0] == str(program):
            high, low = row[3].rsplit(".", 2)[1:]
            found.add((row[-1], int(high) * 256 + int(low)))
    return found


def call(namespace, port):
    """Procedure 0, in ONC RPC's own words (RFC 5531 section 9)."""
    words = [1 << 31 | 40, 7, 0, 2, PROGRAM, 1, 0, 0, 0, 0, 0]
    script = ("import socket, struct\n"
              f"peer = socket.create_connection(('127.0.0.1', {port}))\n"
              f"peer.sendall(struct.pack('>11I', *{words}))\n"
              "assert peer.recv(28, socket.MSG_WAITALL)[-4:] == bytes(4)\n")
    done = command("/usr/bin/python3", "-c", script, prefix=namespace.prefix)
    assert done.returncode == 0, done.stderr


def node_of(cluster, masters, module, *options, **more):
    return cluster.node(masters, "--user", USER, *options, module=str(module), **more)


def test_no_thread_of_a_node_has_anything_of_root(users, cluster_inside, module):
    node = node_of(cluster_inside, None, module, "--workers", "4", listen="127.0.0.1:412")
    assert node.port == 412
    assert_nothing_of_root(node, at_least_threads=5)


def test_no_thread_of_a_master_has_anything_of_root(users, cluster_inside):
    master = cluster_inside.master("--user", USER, listen="127.0.0.1:411")
    assert master.port == 411
    assert_nothing_of_root(master, at_least_threads=3)


def test_a_modules_code_never_runs_as_root(users, namespace, cluster_inside, module):
    master = cluster_inside.master("--user", USER, listen="127.0.0.1:411")
    node = node_of(cluster_inside, master.address, module, listen="127.0.0.1:412")
    call(namespace, node.port)
    eperm = 1
    said = f"uid={UID} gid={GID} back={eperm} home=/srv/{USER}"
    node.wait_line("^procedure")
    assert node.text("out").splitlines() == [f"constructor {said}", f"init {said}",
                                             f"procedure {said}"]


def test_rpcbinds_entries_are_the_users_and_gone_at_the_end(users, namespace, cluster_inside,
                                                            module):
    namespace.start_rpcbind()
    master = cluster_inside.master("--user", USER, listen="127.0.0.1:411", rpcbind=True)
    node = node_of(cluster_inside, master.address, module, listen="127.0.0.1:412",
                   rpcbind=True)
    eventually(lambda: owners(namespace, REGISTRY) == {(str(UID), 411)}, what="the master's")
    eventually(lambda: owners(namespace, PROGRAM) == {(str(UID), 412)}, what="the node's")
    assert node.stop() == 0
    assert owners(namespace, PROGRAM) == set()
    assert master.stop() == 0
    assert owners(namespace, REGISTRY) == set()


def test_a_module_that_the_user_may_not_read_is_not_loaded(users, namespace, module):
    module.chmod(0o600)
    done = command(Cluster.program("distnode"), "--no-masters", "--user", USER, module,
                   prefix=namespace.prefix)
    assert done.returncode == 1
    assert "does not load" in done.stderr and "ermission denied" in done.stderr


def test_a_second_root_is_refused(users, namespace, module):
    """uid 0 under another name."""
    users.write_text(users.read_text().replace(f"{USER}:x:{UID}:", f"{USER}:x:0:"))
    done = command(Cluster.program("distnode"), "--no-masters", "--user", USER, module,
                   prefix=namespace.prefix)
    assert done.returncode == 1
    assert re.search(f"--user: '{USER}' is root itself", done.stderr)


def arguments(daemon):
    return ["--listen", "127.0.0.1:0", "--no-rpcbind",
            *(["--no-masters", "./none.so"] if daemon == "distnode" else [])]


@pytest.mark.parametrize("daemon", ["distmaster", "distnode"])
@pytest.mark.parametrize("user,said", [("root", "is root itself"),
                                       ("no-such-user", "this host has no user")])
def test_a_user_that_will_not_do_is_told(daemon, user, said):
    if os.geteuid() != 0:
        pytest.skip("needs root, as others may become nobody")
    done = command(Cluster.program(daemon), "--user", user, *arguments(daemon))
    assert done.returncode == 1
    assert f"--user: '{user}' {said}" in done.stderr or \
        f"--user: {said} '{user}'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("daemon", ["distmaster", "distnode"])
def test_without_root_it_says_what_to_do(daemon):
    prefix = []
    if os.geteuid() == 0:
        prefix = ["unshare", "--user", "--map-user=1000", "--"]
        if subprocess.run([*prefix, "true"], capture_output=True).returncode:
            pytest.skip("root here, and no namespace of users to be somebody else in")
    done = command(Cluster.program(daemon), "--user", "nobody", *arguments(daemon),
                   prefix=prefix)
    assert done.returncode == 1
    assert done.stderr == (f"{daemon}: --user: only root can become another user; start it "
                           "as root, or as 'nobody' without --user\n")
