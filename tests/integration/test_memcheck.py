"""Valgrind's memcheck has nothing to say of a session of everything.

It sees what the sanitizers do not: memory that is used before it is written, and code
that was built as it is shipped, libtirpc's among it.
"""

import os
import re
import shutil

import pytest

from harness import BUILD, command, eventually

ERROR_STATUS = 99
MEMCHECK = ["valgrind", "--quiet", "--leak-check=full", "--num-callers=30",
            "--errors-for-leak-kinds=definite,indirect,possible",
            "--show-leak-kinds=definite,indirect,possible",
            f"--error-exitcode={ERROR_STATUS}"]

pytestmark = [
    pytest.mark.skipif(not shutil.which("valgrind"), reason="needs valgrind"),
    pytest.mark.skipif(os.environ.get("DIST_SANITIZE", "none") != "none",
                       reason="valgrind does not run what a sanitizer looks at"),
]


def assert_no_word(text):
    """Its notes on system calls that it does not know begin with '--'."""
    assert not re.search(r"^==\d+==", text, re.M), text


def test_a_session_inside_one_process():
    done = command(BUILD / "tests" / "unit" / "agent_test_session", prefix=MEMCHECK,
                   seconds=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_no_word(done.stderr)


def test_real_daemons_and_a_caller(cluster):
    cluster.prefix = MEMCHECK
    master = cluster.master(seconds=60)
    node = cluster.node(master.address, name="first", wait=False)
    cluster.prefix = []
    eventually(lambda: cluster.live(master.address) == {"first"}, seconds=60,
               what="the node in the registry")
    cluster.prefix = MEMCHECK
    load = cluster.load(master.address, threads=2, wait=False)
    load.wait_line(r"^calling ", 60)
    load.wait_answers({"first"}, 60)
    assert load.end()["failed"] == 0
    for process in (node, master):
        assert process.stop(seconds=60) == 0, process.text()
    for process in (load, node, master):
        assert_no_word(process.text("err"))
