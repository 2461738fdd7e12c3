"""bench/soak for ten seconds; by hand it runs for half an hour."""

import os
from pathlib import Path

from harness import BUILD, command

SOAK = Path(__file__).resolve().parents[2] / "bench" / "soak"


def test_nothing_grows_under_a_mixed_load_with_churn():
    options = [] if os.environ.get("DIST_SANITIZE", "none") == "none" else ["--any-memory"]
    done = command(SOAK, "--build", BUILD, "--seconds", "10", "--every", "1", *options,
                   seconds=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nodes: " in done.stdout, done.stdout
