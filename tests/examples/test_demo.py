"""scripts/demo: each step shows what it should, and nothing of it is left afterwards."""

import os
import re
from pathlib import Path

import pytest

from harness import BUILD, command
from namespace import namespace  # noqa: F401

DEMO = Path(__file__).resolve().parents[2] / "scripts" / "demo"


def processes_of(space):
    """All that runs in the namespace, its holder apart."""
    ours = os.readlink(f"/proc/{space.holder.pid}/ns/net")
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "ns" / "net") == ours:
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if pid != space.holder.pid]


@pytest.mark.skipif(os.environ.get("DIST_SANITIZE", "none") != "none",
                    reason="its steps are timed for a build that users make")
def test_the_demo_shows_all_its_steps_and_cleans_up(namespace, tmp_path):  # noqa: F811
    done = namespace.run(DEMO, seconds=90,
                         env={"DIST_BUILD": str(BUILD), "TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "rpcbind started" in done.stdout
    assert re.search(r"^All 7 steps showed what they should", done.stdout, re.M)
    assert processes_of(namespace) == []
    assert list(tmp_path.iterdir()) == []


def test_the_demo_knows_its_options():
    assert command(DEMO, "--help").stdout.startswith("Shows a cluster at work")
    done = command(DEMO, "--no-such-option")
    assert done.returncode == 2
    assert "Try 'scripts/demo --help'" in done.stderr
