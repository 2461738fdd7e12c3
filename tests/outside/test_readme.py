"""README's ten minutes, as they are written there: a page that lies fails a test.

Its files and commands are taken from the page itself. Only installing is done otherwise:
into a prefix of the test's own. The commands run in one shell, one block after the other,
in a namespace where the default ports are free.
"""

import os
import re
import shlex

import pytest

from conftest import CC, HERE, SANITIZE
from harness import Process

PAGE = HERE.parents[1] / "README.md"
SECTION = "## Ten minutes from your own `.x` to your own cluster"

# A fenced block is a file, which the sentence before it names last; an indented one is
# a row of commands.
FILE = re.compile(r"`([\w.-]+)`[^`]*?\n\n```c\n(.*?)^```$", re.S | re.M)
COMMANDS = re.compile(r"(?:\A|\n\n)((?:    [^\n]*\n)+)")


def section():
    text = PAGE.read_text().split(SECTION + "\n", 1)[1]
    return re.split(r"^## ", text, maxsplit=1, flags=re.M)[0]


def files(text):
    return dict(FILE.findall(text))


def command_blocks(text):
    """Each row of commands as one piece, as somebody would paste it."""
    text = re.sub(r"^```c\n.*?^```$", "", text, flags=re.S | re.M)
    return ["".join(line[4:] for line in block.splitlines(keepends=True))
            for block in COMMANDS.findall(text)]


class Shell(Process):
    """A shell that is told one block after the other, and keeps what it started."""

    def __init__(self, namespace, env, folder):
        super().__init__(["bash"], env=env, prefix=namespace.prefix)
        # Entering a namespace leaves the folder; the cluster ends with its shell.
        self.write(f"cd {shlex.quote(str(folder))}; trap 'kill $(jobs -p); wait' EXIT\n")

    def paste(self, block):
        """What the block printed on stdout, once its last command has ended well."""
        since = self.mark()
        self.write(f"{block}\necho pasted $?\n")
        _, match = self.wait_line(r"^pasted (\d+)$", 120, since)
        assert match[1] == "0", f"{block}\n{self.text()}"
        with self.changed:
            return [line.text for line in self.lines[since:]
                    if line.stream == "out" and not line.text.startswith("pasted ")]


@pytest.fixture
def shell(installed, namespace, tmp_path):
    """A user's, after the installation: the programs and the library are found."""
    tools = tmp_path / "tools"
    tools.mkdir()
    sanitize = "" if SANITIZE == "none" else f"-fsanitize={SANITIZE}"
    # Under a sanitizer the user's code is built with it too.
    (tools / "cc").write_text(f'#!/bin/sh\nexec {CC} {sanitize} "$@"\n')
    (tools / "cc").chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    env = dict(installed.env, LD_LIBRARY_PATH=str(installed.libdir),
               PATH=f"{tools}:{installed.bin}:{os.environ['PATH']}")
    process = Shell(namespace, env, work)
    yield process, work
    process.popen.stdin.close()
    process.wait(30)
    process.finish()


def nodes_of(products):
    """Which nodes gave the products; each must be right."""
    for product in products:
        assert re.fullmatch(r"node-[abc]: 2 1 4 3", product), products
    assert len(products) == 6
    return {product.split(":")[0] for product in products}


def test_the_page_has_what_is_tried_here():
    text = section()
    assert list(files(text)) == ["matrix.x", "matrix.c", "my-program.c"]
    blocks = command_blocks(text)
    assert [shlex.split(block)[0] for block in blocks] == \
        ["scripts/setup", "distgen", "cc", "distmaster", "distctl", "distctl"]
    assert blocks[0].splitlines() == [
        "scripts/setup", "meson setup build --buildtype=release", "meson compile -C build",
        "sudo meson install -C build && sudo ldconfig"]


def test_ten_minutes(shell):
    user, work = shell
    text = section()
    for name, content in files(text).items():
        (work / name).write_text(content)
    _, stubs, program, cluster, use, drain = command_blocks(text)

    user.paste(stubs)
    user.paste(program)
    user.paste(cluster)
    for name in ("node-a", "node-b", "node-c"):
        user.wait_line(f'node-registered name="{name}"')
    said = user.paste(use)
    listed = {line.split()[0] for line in said if re.match(r"node-\w .* live\b", line)}
    assert listed == {"node-a", "node-b", "node-c"}, user.text()
    assert nodes_of(said[-6:]) == {"node-a", "node-b", "node-c"}
    assert nodes_of(user.paste(drain)[-6:]) == {"node-b", "node-c"}
