"""What the programs and the library are built with, as their ELF headers tell."""

import os
import re
import shutil

import pytest

from harness import BUILD, command

PROGRAMS = ["master/distmaster", "node/distnode", "tools/distctl", "bench/distbench",
            "gen/distgen/distgen"]
LIBRARY = "lib/libdist.so.0"

pytestmark = [
    pytest.mark.skipif(not shutil.which("readelf"), reason="needs readelf"),
    pytest.mark.skipif(os.environ.get("DIST_SANITIZE", "none") != "none",
                       reason="a sanitizer has its own"),
]


def path_of(name):
    path = BUILD / name
    if not path.exists():
        pytest.skip(f"{name} was not built")
    return path


def readelf(option, name):
    done = command("readelf", "-W", option, path_of(name))
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_optimized():
    kind = (BUILD / "bench" / "kind").read_text()
    return re.search(r" -O[123s]\b", kind) is not None


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_are_loaded_anywhere(name):
    assert re.search(r"Type:\s+DYN \(Position-Independent Executable", readelf("-h", name))


@pytest.mark.parametrize("name", [*PROGRAMS, LIBRARY])
def test_what_is_resolved_once_cannot_be_written(name):
    assert "GNU_RELRO" in readelf("-l", name)
    assert re.search(r"BIND_NOW|FLAGS_1.*\bNOW\b", readelf("-d", name))


@pytest.mark.parametrize("name", [*PROGRAMS, LIBRARY])
def test_no_stack_is_code(name):
    stack = re.search(r"GNU_STACK\s+\S+\s+\S+\s+\S+\s+\S+\s+\S+\s+(\S+)", readelf("-l", name))
    assert stack and stack[1] == "RW"


@pytest.mark.parametrize("name", [*PROGRAMS, LIBRARY])
def test_buffers_on_the_stack_have_a_canary(name):
    assert "__stack_chk_fail" in readelf("-s", name)


@pytest.mark.parametrize("name", [*PROGRAMS, LIBRARY])
def test_copies_into_buffers_are_checked(name):
    if not is_optimized():
        pytest.skip("_FORTIFY_SOURCE does nothing without optimizing")
    assert re.search(r"\b__\w+_chk@GLIBC", readelf("-s", name).replace("__stack_chk", ""))
