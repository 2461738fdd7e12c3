"""Interfaces that nodes hand out: calls and lists without a .x file, and peers that lie."""

import json
import re
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pytest

from harness import BUILD, Cluster, command

ROOT = Path(__file__).resolve().parents[2]
ARITH_PROG = 0x20000A01
CONSTRUCTS = ROOT / "tests" / "unit" / "json" / "constructs.x"
TEXT_MAX = 262144
PIECE = 65536


def distctl(*arguments, **options):
    return command(Cluster.program("distctl"), *arguments, **options)


def where(node):
    return f"127.0.0.1:{node.port}"


def rows(done):
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return [re.split(r"  +", line) for line in done.stdout.splitlines()][1:]


# --- Calls ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ARITH_PROG/ARITH_SUM", "ARITH_PROG/1/ARITH_SUM",
                                  "ARITH_PROG/ARITH_V1/1", "0x20000a01/1/ARITH_SUM"])
def test_a_call_needs_no_file(cluster, name):
    master = cluster.master()
    node = cluster.node(master.address, name="only")
    for done in (cluster.ctl(master.address, "call", name, "[[2,4,6]]"),
                 cluster.ctl(master.address, "--node", "only", "call", name, "[[2,4,6]]")):
        assert re.fullmatch(r"12 \(from only, \d+\.\d ms\)\n", done.stdout), done.stderr
        assert done.stderr == ""
    done = distctl("--address", where(node), "call", name, "[[2,4,6]]")
    assert done.stdout.startswith(f"12 (from {where(node)}, "), done.stderr


def test_every_type_comes_with_the_interface(cluster):
    node = cluster.node(None, module="echo")
    value = {"color": "CON_MORE", "id": "AQIDBAUGBw=="}
    unions = {"color": value, "number": {"kind": -1, "reason": "none"},
              "flag": {"there": True, "ints": [1]}, "word": {"kind": 0, "flag": False}}
    done = distctl("--address", where(node), "--json", "call", "CON_PROG/CON_UNIONS", "-",
                   stdin=json.dumps([unions]))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"] == unions


def test_what_does_not_fit_is_pointed_at_in_the_authors_file(cluster):
    node = cluster.node(None)
    done = distctl("--address", where(node), "call", "ARITH_PROG/ARITH_SUM", '[["a"]]')
    assert done.returncode == 2
    assert done.stderr == ("distctl: JSON:1:3: $[0][0]: a string stands where a number of "
                           "type int belongs (arith.x:5)\n")


def test_what_is_not_there_is_told(cluster):
    master = cluster.master()
    node = cluster.node(master.address, name="only")
    for name, status, message in [
            ("ARITH_PROG/ARITH_SUB", 2, "the program has no procedure 'ARITH_SUB'"),
            ("ARITH_PROG/2/ARITH_SUM", 1,
             "no live node serves 'ARITH_PROG/2': see 'distctl services'"),
            ("OTHER_PROG/ARITH_SUM", 1, "no live node serves 'OTHER_PROG': see 'distctl services'"),
            ("ARITH_SUM", 2, "'ARITH_SUM': without a FILE.x, say PROGRAM/PROCEDURE or "
                             "PROGRAM/VERSION/PROCEDURE")]:
        done = cluster.ctl(master.address, "call", name, "[[1]]")
        assert done.returncode == status
        assert done.stderr.splitlines()[0] == f"distctl: {message}"
    done = distctl("--address", where(node), "call", "OTHER_PROG/A", "[[1]]")
    assert done.returncode == 1
    assert done.stderr == (f"distctl: {where(node)} hands out no interface of 'OTHER_PROG': "
                           "give a FILE.x\n")
    done = cluster.ctl(master.address, "--node", "only", "call", "OTHER_PROG/A", "[[1]]")
    assert done.stderr == "distctl: only does not serve 'OTHER_PROG': see 'distctl nodes'\n"


# --- What there is to call ------------------------------------------------------------


def test_procedures_of_all_that_is_served(cluster):
    master = cluster.master()
    assert "no live node serves a program" in cluster.ctl(master.address,
                                                          "procedures").stderr
    arith = cluster.node(master.address, name="arith")
    echo = cluster.node(master.address, name="echo", module="echo")
    arith_row = ["ARITH_PROG/1/ARITH_SUM", "hyper", "int_array"]
    every = rows(cluster.ctl(master.address, "procedures"))
    assert every[0] == arith_row
    assert every[1:] == rows(distctl("procedures", CONSTRUCTS))
    for name in ("ARITH_PROG", "ARITH_PROG/1", "0x20000a01/ARITH_V1"):
        assert rows(cluster.ctl(master.address, "procedures", name)) == [arith_row]
    assert rows(distctl("--address", where(arith), "procedures")) == [arith_row]
    assert rows(cluster.ctl(master.address, "--node", "echo", "procedures")) == every[1:]
    listed = json.loads(cluster.ctl(master.address, "--json", "procedures").stdout)
    assert [one["procedure_name"] for one in listed["procedures"]][0] == "ARITH_SUM"
    assert arith.running() and echo.running()


def test_who_is_not_there_is_named_once():
    done = distctl("--address", "127.0.0.1:1", "procedures")
    assert done.returncode == 1
    assert done.stderr == ("distctl: 127.0.0.1:1: cannot connect to 127.0.0.1:1: "
                           "Connection refused\n")


def test_the_registry_hands_out_its_own(cluster):
    master = cluster.master()
    names = [row[0] for row in rows(distctl("--address", master.address, "procedures"))]
    assert "DIST_REGISTRY/1/DIST_LIST" in names


# --- Modules --------------------------------------------------------------------------


def compile_module(directory, base):
    files = [directory / f"{base}{end}" for end in ("_xdr.c", "_svc.c", "_dist.c")]
    subprocess.run(["cc", "-w", "-std=gnu11", "-shared", "-fPIC", f"-I{ROOT}/lib/include",
                    "-I/usr/include/tirpc", "-I.", "procedures.c",
                    *[one for one in files if one.exists()], "-ltirpc", "-o", f"{base}.so"],
                   cwd=directory, check=True)
    return directory / f"{base}.so"


def build_module(directory, source, procedures, *options, base="own"):
    """A module out of an interface, as users make theirs."""
    (directory / f"{base}.x").write_text(source)
    (directory / "procedures.c").write_text(procedures)
    subprocess.run([BUILD / "gen/distgen/distgen", "-w", *options, f"{base}.x"],
                   cwd=directory, check=True)
    return compile_module(directory, base)


OWN = """\
typedef int own_number;
program OWN_PROG {
	version OWN_V1 { own_number OWN_GET(own_number) = 1; } = 1;
	version OWN_V2 { own_number OWN_GET(own_number) = 1; } = 2;
} = 0x20000c40;
"""
OWN_C = """\
#include "own.h"
bool_t own_get_1_svc(own_number n, own_number *result, struct svc_req *rqstp)
{ *result = n + 1; return TRUE; }
bool_t own_get_2_svc(own_number n, own_number *result, struct svc_req *rqstp)
{ *result = n + 2; return TRUE; }
"""


def test_a_procedure_of_two_versions_has_to_be_said_which(cluster, tmp_path):
    node = cluster.node(None, module=build_module(tmp_path, OWN, OWN_C))
    done = distctl("--address", where(node), "call", "OWN_PROG/OWN_GET", "[1]")
    assert done.returncode == 2
    assert ("OWN_PROG has 2 procedures 'OWN_GET': say PROGRAM/VERSION/PROCEDURE"
            in done.stderr)
    for version in (1, 2):
        done = distctl("--address", where(node), "call", f"OWN_PROG/{version}/OWN_GET",
                       "[1]")
        assert done.stdout.startswith(f"{1 + version} (from "), done.stderr


def test_a_large_interface_comes_in_pieces(cluster, tmp_path):
    constants = "".join(f"const OWN_CONSTANT_{i:05} = {i};\n" for i in range(7000))
    node = cluster.node(None, module=build_module(tmp_path, OWN + constants, OWN_C))
    done = distctl("--address", where(node), "call", "OWN_PROG/2/OWN_GET", "[1]")
    assert done.stdout.startswith("3 (from "), done.stderr


def test_a_module_without_its_interface_says_so(cluster, tmp_path):
    master = cluster.master()
    cluster.node(master.address, name="only",
                 module=build_module(tmp_path, OWN, OWN_C, "--no-interface"))
    for words in (["call", "OWN_PROG/2/OWN_GET", "[1]"], ["procedures"]):
        done = cluster.ctl(master.address, *words)
        assert done.returncode == 1
        assert ("distctl: only: OWN_PROG/2: its module carries no interface of this program: "
                "it was made by an earlier distgen, or with --no-interface\n") in done.stderr
    done = cluster.ctl(master.address, "call", tmp_path / "own.x", "OWN_PROG/2/OWN_GET",
                       "[1]")
    assert done.stdout.startswith("3 (from only, "), done.stderr


def test_a_module_of_an_earlier_release_is_served(cluster, tmp_path):
    """Its struct dist_service ends where that release's did."""
    build_module(tmp_path, OWN, OWN_C)
    text = (tmp_path / "own_dist.c").read_text()
    text = text.replace("\tsizeof(struct dist_service),",
                        "\t__builtin_offsetof(struct dist_service, interface),")
    (tmp_path / "own_dist.c").write_text(text)
    node = cluster.node(None, module=compile_module(tmp_path, "own"))
    done = distctl("--address", where(node), "call", tmp_path / "own.x",
                   "OWN_PROG/1/OWN_GET", "[1]")
    assert done.stdout.startswith("2 (from "), done.stderr
    done = distctl("--address", where(node), "procedures")
    assert done.returncode == 1
    assert done.stderr == f"distctl: {where(node)} has no interface to hand out\n"


# --- Peers that do not, or lie --------------------------------------------------------


# Procedures of DIST_NODE.
WHICH, TEXT = 5, 6


def opaque(data):
    return struct.pack(">I", len(data)) + data + b"\0" * (-len(data) % 4)


def entries(length, prog=ARITH_PROG, name=b"ARITH_PROG"):
    """An answer of INTERFACES with one entry."""
    return (b"i" * 16 + struct.pack(">III", 1, prog, 1) + opaque(name) +
            opaque(b"ARITH_V1") + struct.pack(">I", length))


def piece(length, text, instance=b"i"):
    return instance * 16 + struct.pack(">I", length) + opaque(text)


class Peer(threading.Thread):
    """Answers calls of DIST_NODE: with the results it is given for a procedure, one after
    the other, and the last one for good; or with an accept status."""

    def __init__(self, answers):
        super().__init__(daemon=True)
        self.answers = {proc: list(those) for proc, those in answers.items()}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.start()

    def run(self):
        try:
            while True:
                connection = self.listener.accept()[0]
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()
        except OSError:
            pass

    def serve(self, connection):
        with connection, connection.makefile("rwb") as stream:
            while mark := stream.read(4):
                call = stream.read(struct.unpack(">I", mark)[0] & 0x7FFFFFFF)
                xid, proc = call[:4], struct.unpack(">I", call[20:24])[0]
                those = self.answers.get(proc, [3])
                answer = those.pop(0) if len(those) > 1 else those[0]
                status, result = (0, answer) if isinstance(answer, bytes) else (answer, b"")
                reply = xid + struct.pack(">IIIII", 1, 0, 0, 0, status) + result
                stream.write(struct.pack(">I", 0x80000000 | len(reply)) + reply)
                stream.flush()

    def close(self):
        self.listener.close()


@pytest.fixture
def peer():
    peers = []

    def make(answers):
        peers.append(Peer(answers))
        return peers[-1]
    yield make
    for one in peers:
        one.close()


GOOD = b"program ARITH_PROG { version ARITH_V1 { int ARITH_SUM(int) = 1; } = 1; } = 0x20000A01;"

LIES = {
    "no such text": ([piece(0, b"")],
                     "its module carries no interface of this program: it was made by an "
                     "earlier distgen, or with --no-interface"),
    "over the limit": ([piece(TEXT_MAX + 1, b"a" * PIECE)],
                       f"it tells of an interface of {TEXT_MAX + 1} bytes, and there may be "
                       f"{TEXT_MAX}"),
    "4 GiB": ([piece(2**32 - 1, b"a" * PIECE)],
              f"it tells of an interface of {2**32 - 1} bytes, and there may be {TEXT_MAX}"),
    "nothing of it": ([piece(10, b"")],
                      "it hands out an interface that is not as long as it says"),
    "less than it says": ([piece(10, b"a" * 9)],
                          "it hands out an interface that is not as long as it says"),
    "more than it says": ([piece(10, b"a" * 11)],
                          "it hands out an interface that is not as long as it says"),
    "another length later": ([piece(PIECE + 5, b" " * PIECE), piece(PIECE + 6, b" " * 6)],
                             "it hands out an interface that is not as long as it says"),
    "a piece beyond the limit": ([piece(PIECE + 5, b" " * (PIECE + 4))], None),
    "another run later": ([piece(PIECE + 5, b" " * PIECE), piece(PIECE + 5, b" " * 5, b"j")],
                          "another node took its place while it was asked: try again"),
    "another program": ([piece(12, b"const A = 1;")],
                        "it hands out an interface without the program that was asked for"),
    "a name that steers a terminal": (
        [piece(22, b"# 7 \"\x1b[2J\x07.x\"\nstruct;\n")],
        "it hands out an interface that is wrong: ?[2J?.x:7: error: expected the struct's "
        "name, found ';'"),
}


@pytest.mark.parametrize("what", LIES)
def test_a_text_is_not_believed_that_is(peer, what):
    texts, message = LIES[what]
    lying = peer({WHICH: [entries(10)], TEXT: texts})
    done = distctl("--address", lying.address, "call", "ARITH_PROG/ARITH_SUM", "[1]")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == ("distctl: no interface was handed out: give a "
                                            "FILE.x")
    if message:
        assert done.stderr.splitlines()[0] == (
            f"distctl: {lying.address}: ARITH_PROG/1: {message}")


def test_a_peer_that_does_not_lie_is_believed(peer):
    """So that what is refused above is refused for the reason that is told."""
    telling = peer({WHICH: [entries(len(GOOD))], TEXT: [piece(len(GOOD), GOOD)]})
    assert rows(distctl("--address", telling.address, "procedures")) == [
        ["ARITH_PROG/1/ARITH_SUM", "int", "int"]]


def test_a_name_out_of_a_peer_does_not_steer_the_terminal(peer):
    lying = peer({WHICH: [entries(5, name=b"\x1b[2J")], TEXT: [piece(0, b"")]})
    done = distctl("--address", lying.address, "procedures")
    assert done.returncode == 1
    assert "\x1b" not in done.stderr
    assert f"{lying.address}: ?[2J/1: " in done.stderr


@pytest.mark.parametrize("status, message", [
    (3, "it is a node of an earlier release, which hands out no interfaces"),
    (1, "it is no node of ours, and hands out no interfaces"),
], ids=["a node of an earlier release", "a stock server"])
def test_who_cannot_hand_out_interfaces_is_told(peer, status, message):
    earlier = peer({WHICH: [status]})
    done = distctl("--address", earlier.address, "call", "ARITH_PROG/ARITH_SUM", "[1]")
    assert done.returncode == 1
    assert done.stderr == f"distctl: {earlier.address}: {message}\n"


def test_a_stock_server_hands_out_none(cluster):
    server = cluster.start(cluster.program("stock-server"))
    server.expected = {-15}
    port = server.wait_line(r"listening port=(\d+)")[1][1]
    done = distctl("--address", f"127.0.0.1:{port}", "procedures")
    assert done.returncode == 1
    assert done.stderr == (f"distctl: 127.0.0.1:{port}: it is no node of ours, and hands out "
                           "no interfaces\n")


def test_a_peer_that_says_nothing_costs_its_time(peer):
    silent = socket.create_server(("127.0.0.1", 0))
    address = "127.0.0.1:%d" % silent.getsockname()[1]
    done = distctl("--address", address, "--timeout-ms", "300", "procedures")
    silent.close()
    assert done.returncode == 1
    assert address in done.stderr
