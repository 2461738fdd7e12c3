"""What a project outside the tree sees: the installed files, and compilers."""

import os
import subprocess
from pathlib import Path

import pytest

from harness import BUILD, Cluster
from namespace import namespace  # noqa: F401

HERE = Path(__file__).resolve().parent

# Meson tells what it was configured with.
PREFIX = os.environ["DIST_PREFIX"]
LIBDIR = os.environ["DIST_LIBDIR"]
SANITIZE = os.environ["DIST_SANITIZE"]
CC, CXX = {"clang": ("clang", "clang++")}.get(os.environ["DIST_CC"], ("gcc", "g++"))


class Installed:
    """The tree as `meson install` leaves it, moved to a prefix of the test's own."""

    def __init__(self, scratch):
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet",
                        "--destdir", scratch], check=True, stdout=subprocess.DEVNULL)
        self.prefix = scratch / PREFIX.lstrip("/")
        self.bin = self.prefix / "bin"
        self.include = self.prefix / "include"
        self.libdir = self.prefix / LIBDIR
        pc = self.libdir / "pkgconfig" / "dist.pc"
        pc.write_text(pc.read_text().replace(f"prefix={PREFIX}", f"prefix={self.prefix}", 1))
        self.env = self._environment(pc.parent)

    def _environment(self, pkgconfig):
        """A user's: nothing of the build, the library found as from any odd prefix."""
        env = dict(os.environ)
        for name in ("LD_LIBRARY_PATH", "DESTDIR", "MAKEFLAGS", "MAKELEVEL"):
            env.pop(name, None)
        # Under a sanitizer, what links with the library is built with it too.
        flags = "" if SANITIZE == "none" else f"-fsanitize={SANITIZE}"
        env.update(PKG_CONFIG_PATH=str(pkgconfig), CC=CC, CXX=CXX, CFLAGS=flags,
                   CXXFLAGS=flags, LDFLAGS=f"-Wl,-rpath,{self.libdir} {flags}")
        return env

    def run(self, *command, **options):
        """A command of that user's, which must succeed; its output."""
        done = subprocess.run([str(part) for part in command], env=self.env, text=True,
                              capture_output=True, timeout=300, **options)
        assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def flags(self):
        """What pkg-config gives to compile with."""
        return self.run("pkg-config", "--cflags", "dist").split()


class InstalledCluster(Cluster):
    """Masters and nodes from the installed tree, with no help to find the library."""

    def __init__(self, installed, prefix=()):
        super().__init__(prefix)
        self.installed = installed

    def program(self, name):
        return self.installed.bin / name

    def module(self, name):
        if "/" in str(name):
            return name
        return self.installed.libdir / "dist" / f"{name}.so"

    def start(self, *arguments, env=None, **options):
        env = dict(env or {}, LD_LIBRARY_PATH="")
        return super().start(*arguments, env=env, **options)


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("installed"))


@pytest.fixture
def cluster(installed):
    processes = InstalledCluster(installed)
    yield processes
    processes.close()


@pytest.fixture
def cluster_inside(installed, namespace):  # noqa: F811
    processes = InstalledCluster(installed, namespace.prefix)
    yield processes
    processes.close()
