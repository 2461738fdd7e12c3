"""Installing, as the tutorial and README have it: the commands of the page, word for word.

A copy of the source is built and installed as a newcomer would, on a machine that is the
test's own as far as it is written to: /usr/local, /etc and the linker's cache. What was
installed has to work there at once, with nothing in the environment to help.
"""

import os
import shutil

import pytest

from conftest import HERE, SANITIZE
from namespace import allowed
from pages import Page

ROOT = HERE.parents[1]
TUTORIAL = Page(ROOT / "docs" / "tutorial.md")

pytestmark = [
    pytest.mark.skipif(bool(allowed()), reason=str(allowed())),
    pytest.mark.skipif(SANITIZE != "none", reason="a release is built, whatever this build is"),
]


def commands():
    block, = [block for block in TUTORIAL.blocks if block.words == ["shown"]]
    return block.text


class Machine:
    """The namespace's, with what is installed into hidden from all others."""

    def __init__(self, namespace, scratch):
        self.namespace = namespace
        self.source = scratch / "source"
        self.home = scratch / "home"
        shutil.copytree(ROOT, self.source, ignore=self._not_of_the_source, symlinks=True)
        self.home.mkdir()
        shutil.copytree("/etc", scratch / "etc", symlinks=True)
        for arguments in (["--bind", scratch / "etc", "/etc"],
                          ["-t", "tmpfs", "none", "/usr/local"],
                          ["-t", "tmpfs", "none", "/var/cache/ldconfig"]):
            done = namespace.run("mount", *arguments)
            assert done.returncode == 0, done.stderr
        self.path = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        if not shutil.which("sudo", path=self.path):
            self._put_sudo(scratch / "tools")

    @staticmethod
    def _not_of_the_source(folder, names):
        return [name for name in names if name in (".git", "__pycache__") or
                os.path.exists(os.path.join(folder, name, "build.ninja"))]

    def _put_sudo(self, tools):
        """It is root who tests."""
        tools.mkdir()
        (tools / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
        (tools / "sudo").chmod(0o755)
        self.path += f":{tools}"

    def run(self, script, folder):
        """A shell's commands, each of which has to end well; what they print."""
        done = self.namespace.run(
            "env", "-i", f"HOME={self.home}", f"PATH={self.path}", "LC_ALL=C.UTF-8",
            "sh", "-e", "-c", f"cd '{folder}'\n{script}", seconds=3000)
        assert done.returncode == 0, f"{script}:\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def machine(namespace, tmp_path):
    return Machine(namespace, tmp_path)


def test_what_the_tutorial_installs_works_at_once(machine):
    machine.run(commands(), machine.source)
    assert machine.run("distnode --version", "/").startswith("distnode ")
    said = machine.run("distgen --new hello && cd hello && make run", machine.home)
    assert said.splitlines().count("total: 333833500") == 1


def test_readme_installs_in_the_same_way():
    text = "".join(f"    {line}\n" for line in commands().splitlines())
    assert text in (ROOT / "README.md").read_text()
