"""A short run, of a few programs, and that it finds what it is there to find."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run")
BUILD = Path(os.environ["DIST_BUILD"])


def run(program):
    """The exit status, what was found, and the program's row of the table."""
    done = subprocess.run([sys.executable, "-B", RUN, "--build", BUILD, program],
                          capture_output=True, text=True, timeout=280)
    print(done.stdout, done.stderr)
    heads, _, cells, _ = [[cell.strip() for cell in line.strip("|").split("|")]
                          for line in done.stdout.splitlines()]
    return done.returncode, done.stderr, dict(zip(heads, cells))


@pytest.mark.parametrize(
    "program", ["client/test_members", "registry/test_table", "server/test_deferred"])
def test_the_library_bears_it_everywhere(program):
    status, found, row = run(program)
    assert status == 0, found
    assert int(row["refused"]) > int(row["sites"]) > 10
    assert int(row["not reached"]) < int(row["refused"]) / 2


def test_who_does_not_bear_it_is_found():
    status, found, row = run(str(BUILD / "tests/no_memory/careless"))
    assert status == 1
    assert row["sites"] == row["refused"] == "5"
    assert row["passed"] == row["failed an assertion"] == "1"
    # A sanitizer knows whose code it was that looked at NULL.
    assert int(row["finding"]) + int(row["fault of its own"]) == 3
    for case, why in [("looks_at_what_it_did_not_get", "exception|AddressSanitizer|runtime"),
                      ("leaves_a_descriptor_open", "leaves descriptors open"),
                      ("takes_it_for_its_own_bug", "Assertion `list'")]:
        assert re.search(f"({why}).*\n.*number 1 in test_{case}\n", found)
