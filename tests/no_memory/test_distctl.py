"""distctl without memory: every command ends, and in words, wherever memory is refused.

Each command is run once with all memory, to count its requests, then again and again with
one of them refused, and with all from one on: some thirty of each, or with
DIST_NO_MEMORY_ALL=1 every one. The screen of top is not tried: ncurses looks at what it did
not get by itself.
"""

import json
import os
import re
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import BUILD, PATIENCE, SANITIZER_REPORT, Cluster, within

PROGRAM = BUILD / "tests" / "no_memory" / "distctl_refused"
ROOT = Path(__file__).resolve().parents[2]
ARITH = ROOT / "idl" / "arith.x"
SAMPLES = 1 << 30 if os.environ.get("DIST_NO_MEMORY_ALL") else 30
EVERY_ONE = 1 << 40


@pytest.fixture(scope="module")
def masters():
    cluster = Cluster()
    master = cluster.master()
    for name in "alpha", "beta":
        cluster.node(master.address, name=name)
    yield master.address
    cluster.close()


class Ended:
    def __init__(self, status, out, err):
        self.status, self.out = status, out
        self.refused = "refused\n" in err
        self.err = err.replace("refused\n", "")


def run(words, **env):
    watches = "watch" in words
    process = subprocess.Popen([PROGRAM, *map(str, words)], text=True, errors="replace",
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT if watches else subprocess.PIPE,
                               env={**os.environ, **env})
    hangs = threading.Timer(within(PATIENCE), process.kill)
    hangs.start()
    lines = []
    while watches and (line := process.stdout.readline()):
        # It goes on until a signal; this says that it is at work, or what is wrong.
        lines.append(line)
        if line != "refused\n":
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate()
    hangs.cancel()
    if watches:
        err = "".join(lines) + out
        out = "".join(line for line in err.splitlines(True) if not line[0].isalpha())
    # A signal may also come when it has said what is wrong and is about to end.
    status = 1 if watches and process.returncode == -signal.SIGINT else process.returncode
    return Ended(status, out or "", err)


def count(words, tmp_path):
    """How it ends with all memory, and how often it asks for some."""
    path = tmp_path / "count"
    ended = run(words, DIST_NO_MEMORY_COUNT=str(path))
    return ended, int(path.read_text())


def plan(total):
    step = max(1, total // SAMPLES)
    return [(first, n) for n in (1, EVERY_ONE) for first in range(1, total + 1, step)]


def refuse_each(words, total, check):
    def one(refusal):
        ended = run(words, DIST_NO_MEMORY_NTH="%d:%d" % refusal)
        try:
            assert ended.status >= 0 and not SANITIZER_REPORT.search(ended.err)
            check(ended)
        except AssertionError as failure:
            raise AssertionError(f"{words} with {refusal}: status {ended.status}\n"
                                 f"{ended.err}\n{ended.out}") from failure
        return ended.refused
    with ThreadPoolExecutor(2) as pool:
        refused = list(pool.map(one, plan(total)))
    # Threads do not ask in the same order each time, nor quite as often.
    assert sum(refused) > len(refused) / 2


@pytest.mark.parametrize("words", [
    ["nodes"], ["services"], ["ping"], ["stats"], ["callers"], ["procedures"], ["doctor"],
    ["top", "--count", "1", "--interval", "100ms"], ["drain", "nobody"], ["watch"],
    # A cluster that cannot be opened is tried again as long as that.
    ["call", "--timeout-ms", "1000", "ARITH_PROG/ARITH_SUM", "[[2,4,6]]"],
    ["call", "--timeout-ms", "1000", ARITH, "ARITH_SUM", "[[2,4,6]]"],
    ["bench", "--calls", "1"],
], ids=lambda words: " ".join(map(str, words)).replace(str(ARITH), "arith.x"))
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_a_command_ends_in_words(words, as_json, masters, tmp_path):
    words = ["--masters", masters, *(["--json"] if as_json else []), *words]
    well, total = count(words, tmp_path)

    def check(ended):
        if ended.status:
            # The doctor's own words are its checks.
            assert ended.err or re.search(r"\bwrong\b", ended.out)
        elif as_json:
            lines = ended.out.splitlines() if "top" in words or "watch" in words \
                else [ended.out]
            for line in lines:
                assert json.loads(line)
        else:
            assert ended.out or ended.err or not well.out
    assert total > 10 or "bench" in words
    refuse_each(words, total, check)
