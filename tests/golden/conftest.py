"""distgen as the tests run it, and the compilers for what it makes."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
INCLUDE = HERE.parents[1] / "lib" / "include"
SUFFIXES = [".h", "_xdr.c", "_clnt.c", "_svc.c", "_dist.c"]


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def outputs(base):
    return sorted(base + suffix for suffix in SUFFIXES)


class Generator:
    program = Path(os.environ["DIST_BUILD"]) / "gen" / "distgen" / "distgen"

    def __init__(self):
        self.tirpc = subprocess.run(
            ["pkg-config", "--cflags", "libtirpc"], check=True, capture_output=True,
            text=True).stdout.replace("-I", "-isystem").split()

    def run(self, *arguments, cwd, env=None):
        return subprocess.run([self.program, *arguments], cwd=cwd, env=env, text=True,
                              capture_output=True, timeout=60, errors="replace")

    def compile(self, source, *flags):
        """One file of C or C++, to nothing; what the compiler said, "" if all is well."""
        compiler = os.environ.get("DIST_CC", "cc")
        if source.suffix == ".cc":
            compiler = {"clang": "clang++"}.get(compiler, "g++")
        if not shutil.which(compiler):
            pytest.skip(f"{compiler} is not installed")
        done = subprocess.run(
            [compiler, "-c", "-o", "/dev/null", *flags, f"-I{source.parent}",
             f"-I{INCLUDE}", *self.tirpc, source],
            text=True, capture_output=True)
        return "" if done.returncode == 0 else done.stderr or "the compiler failed"

    def compile_sources(self, directory, base):
        """The four files of C, as users are told to compile them."""
        for suffix in SUFFIXES[1:]:
            assert self.compile(directory / (base + suffix), "-w", "-std=gnu11") == ""


@pytest.fixture(scope="session")
def generator():
    return Generator()
