"""arith, arith-load, palindrome and bayes, on real nodes."""

import fcntl
import hashlib
import os
import pty
import re
import signal
import struct
import subprocess
import tempfile
import termios
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import BUILD, command

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "bayes" / "digits.csv"

PROGRAMS = {
    "arith": BUILD / "examples" / "arith" / "arith",
    "arith-load": BUILD / "examples" / "arith" / "arith-load",
    "palindrome": BUILD / "examples" / "palindrome" / "palindrome",
    "bayes": BUILD / "examples" / "bayes" / "bayes",
}


def run(name, *arguments, seconds=30):
    return command(PROGRAMS[name], *arguments, seconds=seconds)


def answer(name, *arguments):
    """What it prints when all goes well."""
    done = run(name, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def start(cluster, n_nodes, **options):
    """A master and nodes; the master's address."""
    master = cluster.master()
    for _ in range(n_nodes):
        cluster.node(master.address, **options)
    return master.address


# --- Any of them -----------------------------------------------------------------------

@pytest.mark.parametrize("name", PROGRAMS)
def test_help_and_version_go_to_stdout(name):
    assert answer(name, "--help").startswith(f"Usage: {name} ")
    assert answer(name, "--version").startswith(f"{name} ")


@pytest.mark.parametrize("name, arguments", [
    ("arith", []),
    ("arith", ["--no-such-option", "1"]),
    ("arith", ["--async", "many", "1"]),
    ("arith", ["1", "two"]),
    ("arith", ["2147483648"]),
    ("arith-load", ["stray"]),
    ("arith-load", ["--seconds", "-1"]),
    ("arith-load", ["--in-flight", "0"]),
    ("palindrome", []),
    ("palindrome", ["1", "2"]),
    ("palindrome", ["-5"]),
    ("palindrome", ["--", "-5"]),
    ("palindrome", ["9223372036854775808"]),
    ("palindrome", ["--pieces", "0", "5"]),
    ("bayes", []),
    ("bayes", ["--shards", "0", "x.csv"]),
])
def test_wrong_usage_exits_2_and_says_where_to_look(name, arguments):
    done = run(name, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 2, done.stderr
    assert f"Try '{name} --help'" in done.stderr


def test_without_a_master_one_line_says_so():
    arguments = {"arith": ["1"], "arith-load": [], "palindrome": ["5"], "bayes": [DIGITS]}

    def run_alone(name):
        return run(name, "--masters", "127.0.0.1:1", *arguments[name])

    # All at once, since each looks for a master for five seconds.
    with ThreadPoolExecutor(len(arguments)) as pool:
        for done in pool.map(run_alone, arguments):
            assert done.returncode == 1
            assert len(done.stderr.splitlines()) == 1, done.stderr
            assert "127.0.0.1:1" in done.stderr


@pytest.mark.parametrize("name, argument", [
    ("arith", "1"), ("palindrome", "5"), ("bayes", DIGITS)])
def test_without_a_node_a_line_says_so(cluster, name, argument):
    done = run(name, "--masters", cluster.master().address, argument)
    assert done.returncode == 1
    assert "no live node" in done.stderr


# --- arith -----------------------------------------------------------------------------

def test_arith_names_the_node_that_answered(cluster):
    masters = start(cluster, 1, name="alone")
    assert answer("arith", "--masters", masters, "2", "4", "6") == "12 by alone\n"
    assert answer("arith", "--masters", masters, "--", "-2") == "-2 by alone\n"


def test_arith_sums_beyond_32_bits(cluster):
    masters = start(cluster, 1, name="alone")
    assert answer("arith", "--masters", masters, "2147483647", "2147483647") == \
        "4294967294 by alone\n"


def test_arith_spreads_calls_made_at_once(cluster):
    masters = start(cluster, 3, delay_ms=100)
    lines = answer("arith", "--masters", masters, "--async", "12", "2", "4", "6")
    found = re.findall(r"^12 by (n\d)$", lines, re.M)
    assert len(found) == 13
    assert set(found) == {"n1", "n2", "n3"}


def test_arith_load_counts_calls_by_node(cluster):
    masters = start(cluster, 2)
    lines = answer("arith-load", "--masters", masters, "--in-flight", "8",
                   "--seconds", "1")
    by_node = dict(re.findall(r"^(n\d) (\d+)$", lines, re.M))
    n_calls, n_failures, n_nodes = map(int, re.search(
        r"^calls=(\d+) failures=(\d+) nodes=(\d+)$", lines, re.M).groups())
    assert set(by_node) == {"n1", "n2"}
    assert n_nodes == 2
    assert n_failures == 0
    assert n_calls == sum(map(int, by_node.values()))


def test_arith_load_ends_on_a_signal_and_waits_for_its_calls(cluster):
    masters = start(cluster, 1, delay_ms=50)
    load = cluster.start(PROGRAMS["arith-load"], "--masters", masters,
                         "--in-flight", "4")
    load.wait_line(" calls ")
    assert load.stop(signal.SIGINT) == 0
    assert re.search(r"^calls=\d+ failures=0 nodes=1$", load.text("out"), re.M)


# --- palindrome ------------------------------------------------------------------------

def pieces_of(lines):
    """(first, last, count, node) of each piece, in order of the range."""
    found = re.findall(r"^(\d+)\.\.(\d+): (\d+) by (\S+)$", lines, re.M)
    return sorted((int(a), int(b), int(c), node) for a, b, c, node in found)


def palindromes(masters, last, *options):
    lines = answer("palindrome", "--masters", masters, *options, str(last))
    total = int(re.search(rf"^(\d+) binary palindromes from 0 to {last}$", lines, re.M)[1])
    pieces = pieces_of(lines)
    # Together the pieces are the range: each number once, both ends in it.
    assert pieces[0][0] == 0
    assert pieces[-1][1] == last
    for piece, following in zip(pieces, pieces[1:]):
        assert following[0] == piece[1] + 1
    assert total == sum(piece[2] for piece in pieces)
    return total, pieces


def test_there_are_93_up_to_2000_however_it_is_cut(cluster):
    masters = start(cluster, 2, module="palindrome")
    for n_pieces in (1, 2, 7, 1000, 2001, 100000):
        total, pieces = palindromes(masters, 2000, "--pieces", str(n_pieces))
        assert total == 93
        assert len(pieces) == min(n_pieces, 2001)


def test_the_smallest_ranges(cluster):
    masters = start(cluster, 1, module="palindrome")
    for last, expected in [(0, 1), (1, 2), (2, 2), (3, 3), (4, 3), (5, 4)]:
        assert palindromes(masters, last)[0] == expected


# A length of L digits has 2^(ceil(L/2) - 1) palindromes, and 0 is one more.
def test_larger_ranges_agree_with_the_closed_formula(cluster):
    masters = start(cluster, 2, module="palindrome")
    for n_bits in (10, 17, 20):
        expected = 1 + sum(2 ** ((length + 1) // 2 - 1) for length in range(1, n_bits + 1))
        assert palindromes(masters, 2 ** n_bits - 1)[0] == expected


def test_all_nodes_count(cluster):
    masters = start(cluster, 3, module="palindrome")
    _, pieces = palindromes(masters, 2000)
    assert {piece[3] for piece in pieces} == {"n1", "n2", "n3"}


def count_palindromes(last):
    """How many there are from 0 to @last, made from their first halves."""
    found = 1  # 0
    for length in range(1, last.bit_length() + 1):
        half = (length + 1) // 2
        for first in range(1 << (half - 1), 1 << half):
            digits = f"{first:b}"
            found += int(digits + digits[::-1][length % 2:], 2) <= last
    return found


class OnTerminal:
    """A program whose stderr is a terminal: what the bar draws there, and its stdout."""

    def __init__(self, name, *arguments, columns=120, env=()):
        self.drawn = ""
        self.out = tempfile.TemporaryFile("w+")  # a pipe could be full
        self.end, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.popen = subprocess.Popen(
            [PROGRAMS[name], *map(str, arguments)], stdin=subprocess.DEVNULL,
            stdout=self.out, stderr=terminal,
            env={**os.environ, "TERM": "xterm", **dict(env)})
        os.close(terminal)

    def wait_drawn(self, pattern):
        """Until it drew what matches; None: it ended without that."""
        while True:
            match = re.search(pattern, self.drawn)
            if match:
                return match
            try:
                some = os.read(self.end, 65536)
            except OSError:  # the other end is closed
                return None
            if not some:
                return None
            self.drawn += some.decode()

    @contextmanager
    def held(self):
        """Stands still meanwhile: it hands out no work, and hears of nothing."""
        self.popen.send_signal(signal.SIGSTOP)
        yield
        self.popen.send_signal(signal.SIGCONT)

    def finish(self):
        """Its stdout, once it ended well."""
        self.wait_drawn("(?!)")
        os.close(self.end)
        assert self.popen.wait(30) == 0, self.drawn
        with self.out:
            self.out.seek(0)
            return self.out.read()


# Some seconds of work; the bar says when it is time for the next change. The work waits for
# newcomers, whose start may take as long.
def test_the_bar_and_the_count_survive_nodes_that_are_killed_and_added(cluster):
    last = 10 ** 9 if os.environ["DIST_SANITIZE"] == "none" else 3 * 10 ** 8
    master = cluster.master()
    nodes = [cluster.node(master.address, module="palindrome") for _ in range(2)]
    run = OnTerminal("palindrome", "--masters", master.address, "--pieces", "2000",
                     str(last))
    assert run.wait_drawn(r" +[1-9]\d* % \[#* *\] \d+/2000  \d+")
    with run.held():
        nodes[0].kill()
        cluster.node(master.address, module="palindrome", name="late")
    assert run.wait_drawn(r"late [1-9]\d*")
    with run.held():
        nodes[1].kill()
        cluster.node(master.address, module="palindrome", name="later")
    assert run.wait_drawn(r"later [1-9]\d*")
    out = run.finish()
    assert f"{count_palindromes(last)} binary palindromes from 0 to {last}" in out
    pieces = pieces_of(out)
    assert len(pieces) == 2000
    assert sum(piece[2] for piece in pieces) == count_palindromes(last)
    assert {"late", "later"} <= {piece[3] for piece in pieces}
    # It ends with a whole line, and there was one at a time.
    assert re.search(r"100 % \[#+\] 2000/2000  .* in all  .*\r\n$", run.drawn)
    assert run.drawn.count("\n") == 1


def test_the_bar_fits_a_narrow_terminal(cluster):
    masters = start(cluster, 3, module="palindrome")
    for columns in (10, 40, 70, 200):
        run = OnTerminal("palindrome", "--masters", masters, "100000", columns=columns)
        run.finish()
        lines = re.split(r"\r\x1b\[K|\r\n", run.drawn)
        assert len(lines) > 2
        assert max(map(len, lines)) < columns


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"TERM": ""}, {"NO_COLOR": "1"}])
def test_there_is_no_bar_where_it_is_not_wanted(cluster, env):
    masters = start(cluster, 1, module="palindrome")
    run = OnTerminal("palindrome", "--masters", masters, "2000", env=env)
    assert "93 binary palindromes" in run.finish()
    assert run.drawn == ""


# --- bayes -----------------------------------------------------------------------------

# What scikit-learn 1.2.1 finds, by
#
#   from hashlib import sha256
#   from sklearn.datasets import load_digits
#   from sklearn.naive_bayes import GaussianNB
#   X, y = load_digits(return_X_y=True)
#   found = GaussianNB().fit(X[0::2], y[0::2]).predict(X[1::2])
#   print((found == y[1::2]).sum(), len(found))
#   print(sha256("".join(map(str, found)).encode()).hexdigest())
GOLDEN = "700 of 898 right (77.95 %), trained on 899"
GOLDEN_LABELS = "9bf601fe3b5c7405b2480e3e29c47bbc894776c1293ecd22fd30b5aa31f18ae9"


def digest(path):
    return hashlib.sha256(path.read_text().replace("\n", "").encode()).hexdigest()


def test_bayes_in_one_process_agrees_with_scikit_learn(tmp_path):
    labels = tmp_path / "labels"
    assert answer("bayes", "--local", "--labels", labels, DIGITS) == GOLDEN + "\n"
    assert digest(labels) == GOLDEN_LABELS


def test_bayes_on_nodes_finds_the_same_for_each_example(cluster, tmp_path):
    masters = start(cluster, 3, module="bayes")
    labels = tmp_path / "labels"
    for n_shards in (1, 3, 8, 100):
        lines = answer("bayes", "--masters", masters, "--shards", str(n_shards),
                       "--labels", labels, DIGITS).splitlines()
        assert lines[-1] == GOLDEN
        assert digest(labels) == GOLDEN_LABELS
        trained = re.findall(r"^(\d+) examples trained on by (\S+)$", "\n".join(lines),
                             re.M)
        classified = re.findall(r"^(\d+) examples classified by (\S+)$",
                                "\n".join(lines), re.M)
        assert len(trained) == len(classified) == n_shards
        assert sum(int(n) for n, _ in trained) == 899
        assert sum(int(n) for n, _ in classified) == 898
    assert {node for _, node in trained} == {"n1", "n2", "n3"}


@pytest.mark.parametrize("text, where", [
    ("", ":0: "),
    ("1,2,3\n4,5\n", ":2: "),
    ("1,2,3\n4,five,6\n", ":2: "),
    ("1,2,3\n\n", ":2: "),
    ("1\n", ":1: "),
    ("1,99999999,0\n", ":1: "),
])
def test_bayes_names_the_line_that_is_wrong(tmp_path, text, where):
    data = tmp_path / "data.csv"
    data.write_text(text)
    done = run("bayes", "--local", data)
    assert done.returncode == 1
    assert done.stderr.startswith(f"bayes: {data}{where}"), done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_bayes_names_a_file_that_is_not_there():
    done = run("bayes", "--local", "/no/such/file")
    assert done.returncode == 1
    assert done.stderr == "bayes: /no/such/file: No such file or directory\n"


def test_bayes_wants_an_example_for_each_shard(tmp_path):
    data = tmp_path / "data.csv"
    data.write_text("1,2,0\n3,4,1\n5,6,0\n")
    done = run("bayes", "--local", "--shards", "2", data)
    assert done.returncode == 1
    assert "too few examples" in done.stderr
