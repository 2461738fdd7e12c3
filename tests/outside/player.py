"""Plays the blocks of a page, pages.py, as somebody would who reads it.

On machines of a network of their own, alpha, beta and gamma, that have the programs installed
and one folder in common. test_manual.py says what kinds of blocks there are.
"""

import os
import re
import shlex

import pytest

from conftest import CC, SANITIZE
from harness import Process
from hosts import Network, allowed
from pages import line_pattern, output_matches, steps

ADDRESSES = {"alpha": "10.79.0.1", "beta": "10.79.0.2", "gamma": "10.79.0.3"}

# Languages whose blocks are files.
FILES = {"x", "c", "make", "meson"}


class Terminal(Process):
    """A shell on one of the machines. What it starts in the background it keeps.

    stdout has what commands print, both streams in one; stderr what those print that run
    on, so that neither gets between the other's lines.
    """

    def __init__(self, host, env, folder):
        super().__init__(["bash"], env=env, prefix=host.namespace.prefix)
        # Entering a namespace leaves the folder; what was started ends with its shell.
        self.write(f"cd {shlex.quote(str(folder))}\n"
                   "trap 'kill $(jobs -p) 2>/dev/null; wait; exit 0' EXIT\n"
                   "trap 'failed=$?' ERR\n")

    def run(self, text, verdict, place):
        """What @text prints, and its status; @verdict: of all of it, or any that failed."""
        since = self.mark()
        # The group begins with the last one's status, which `echo $?` may ask for.
        self.write(f"failed=0; (exit ${{status:-0}}); {{ {text}\n}} </dev/null 2>&1; "
                   f"status=$?; printf '\\n@ended %d\\n' ${verdict}\n")
        try:
            _, match = self.wait_line(r"^@ended (\d+)$", 120, since)
        except AssertionError:
            self.kill_group()
            raise AssertionError(f"{place}: does not end: {text}\n{self.text()}") from None
        with self.changed:
            lines = [line.text for line in self.lines[since:] if line.stream == "out"]
        lines = lines[:lines.index(match[0])]
        # The mark begins with a line's end, so that it stands in a line of its own.
        if lines[-1] == "":
            lines.pop()
        return [line for line in lines if not re.match(r"bash: line \d+: +\d+ \w+", line)], \
            int(match[1])

    def run_on(self, text, output, place):
        """Starts @text, and waits for the lines of its output that are shown."""
        since = self.mark()
        self.write(f"{{ {text}\n}} </dev/null >&2\n")
        for line in output:
            if line != "...":
                self.wait_shown(line, since, place)

    def wait_shown(self, line, since, place):
        try:
            self.wait_line(f"^{line_pattern(line)}$", 60, since)
        except AssertionError as failure:
            raise AssertionError(f"{place}: {failure}") from None


class Player:
    """Plays the blocks of a page, in order, on machines that are made as they are named."""

    def __init__(self, installed, network, tmp_path):
        self.network = network
        self.libdir = installed.libdir
        self.work = tmp_path / "work"
        self.work.mkdir()
        tools = tmp_path / "tools"
        tools.mkdir()
        sanitize = "" if SANITIZE == "none" else f"-fsanitize={SANITIZE}"
        # Under a sanitizer the user's code is built with it too.
        (tools / "cc").write_text(f'#!/bin/sh\nexec {CC} {sanitize} "$@"\n')
        (tools / "cc").chmod(0o755)
        self.env = dict(installed.env, LD_LIBRARY_PATH=str(installed.libdir), CC="cc",
                        CFLAGS="", LDFLAGS="", NO_COLOR="1", LC_ALL="C.UTF-8",
                        PATH=f"{tools}:{installed.bin}:{os.environ['PATH']}")
        self.terminals = {}

    def terminal(self, host):
        if host not in self.terminals:
            self.terminals[host] = Terminal(self.network.host(host), self.env, self.work)
        return self.terminals[host]

    def play(self, block):
        if block.words == ["shown"]:
            return
        if block.language in FILES:
            path = self.work / block.words[0]
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)
        elif block.language == "sh":
            printed, failed = self.terminal("alpha").run(block.text, "failed", block.place)
            assert not failed, f"{block.place}: failed\n" + "\n".join(printed)
        else:
            self.play_session(steps(block))

    def play_session(self, session):
        for step, following in zip(session, [*session[1:], None]):
            terminal = self.terminal(step.host)
            if step.runs_on:
                terminal.run_on(step.command, step.output, step.place)
                continue
            printed, failed = terminal.run(step.command, "status", step.place)
            told = "\n".join(printed)
            assert not failed or following and following.command == "echo $?", \
                f"{step.place}: failed with {failed}\n{told}"
            assert output_matches(step.output, printed), \
                f"{step.place}: {step.command}\nprinted:\n{told}"

    def close(self):
        for terminal in self.terminals.values():
            terminal.popen.stdin.close()
        for terminal in reversed(self.terminals.values()):
            terminal.wait(60)
            terminal.finish()


@pytest.fixture
def player(installed, tmp_path):
    reason = allowed()
    if reason:
        pytest.skip(reason)
    network = Network(ADDRESSES, tmp_path / "hosts")
    played = Player(installed, network, tmp_path)
    try:
        yield played
        played.close()
    finally:
        network.close()
