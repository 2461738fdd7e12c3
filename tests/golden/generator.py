"""distgen as the tests run it, and the compilers for what it makes."""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from tap import Skipped

SUFFIXES = [".h", "_xdr.c", "_clnt.c", "_svc.c", "_dist.c"]
MARK = "/* Added by distgen. */"


class Generator:
    def __init__(self, description):
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--distgen", type=Path, required=True)
        parser.add_argument("--include", type=Path, required=True,
                            help="where <dist/node.h> is")
        parser.add_argument("--cc", action="append", help="the compiler; cc")
        parser.add_argument("--update", action="store_true",
                            help="write what is expected, instead of comparing with it")
        self.options = parser.parse_args()
        self.program = self.options.distgen.resolve()
        self.cc = self.options.cc or ["cc"]
        self.tirpc = subprocess.run(["pkg-config", "--cflags", "libtirpc"], check=True,
                                    capture_output=True, text=True).stdout.split()

    def run(self, *arguments, cwd, env=None):
        return subprocess.run([self.program, *arguments], cwd=cwd, env=env, text=True,
                              capture_output=True, timeout=60, errors="replace")

    def compile(self, directory, source, *flags):
        """One file of C, to nothing; what the compiler said, "" if all is well."""
        compiler = self.cc
        if source.suffix == ".cc":
            if not shutil.which("c++"):
                raise Skipped("no C++ compiler")
            compiler = ["c++"]
        system = [flag.replace("-I", "-isystem") for flag in self.tirpc]
        done = subprocess.run(
            [*compiler, "-c", "-o", "/dev/null", *flags, f"-I{directory}",
             f"-I{self.options.include}", *system, source],
            text=True, capture_output=True)
        return "" if done.returncode == 0 else done.stderr or "the compiler failed"


class Directory:
    """A directory of its own for each case."""

    def __enter__(self):
        self.path = Path(tempfile.mkdtemp(prefix="dist-golden-"))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def outputs(base):
    return sorted(base + suffix for suffix in SUFFIXES)
