"""distctl call: procedures of a .x file, called with JSON."""

import json
import re
from pathlib import Path

import pytest

from harness import Cluster, command, eventually

ROOT = Path(__file__).resolve().parents[2]
ARITH = ROOT / "idl" / "arith.x"
NODE = ROOT / "idl" / "node.x"
CONSTRUCTS = ROOT / "tests" / "unit" / "json" / "constructs.x"

# For what may have run.
UNKNOWN = 3


def distctl(*arguments, **options):
    return command(Cluster.program("distctl"), *arguments, **options)


def is_running(cluster, master):
    """Whether the node "slow" has told its master that it runs a call."""
    return cluster.nodes(master.address).get("slow", {}).get("in_flight", 0) > 0


def result(done):
    """Of --json."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["result"]


def test_the_result_is_printed_with_its_node_and_its_time(cluster):
    master = cluster.master()
    cluster.node(master.address, name="node-2")
    done = cluster.ctl(master.address, "call", ARITH, "ARITH_SUM", "[[2,4,6]]")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"12 \(from node-2, \d+\.\d ms\)\n", done.stdout)
    assert done.stderr == ""


def test_json_has_node_address_time_and_result(cluster):
    master = cluster.master()
    node = cluster.node(master.address, name="only")
    done = cluster.ctl(master.address, "--json", "call", ARITH, "ARITH_PROG/1/ARITH_SUM",
                       "[[-5]]")
    answer = json.loads(done.stdout)
    assert answer.pop("ms") > 0
    assert answer == {"node": "only", "address": f"127.0.0.1:{node.port}", "result": -5}


def test_a_node_can_be_chosen(cluster):
    master = cluster.master()
    nodes = {name: cluster.node(master.address, name=name) for name in ("a", "b", "c")}
    for name, node in nodes.items():
        for chosen in (name, f"127.0.0.1:{node.port}"):
            done = cluster.ctl(master.address, "--node", chosen, "call", ARITH,
                               "ARITH_SUM", "[[1]]")
            assert f"(from {name}, " in done.stdout, done.stderr
    done = cluster.ctl(master.address, "--node", "d", "call", ARITH, "ARITH_SUM", "[[1]]")
    assert done.returncode == 1
    assert "no node is called 'd'" in done.stderr


def test_a_server_can_be_called_without_masters(cluster):
    node = cluster.node(None)
    address = f"127.0.0.1:{node.port}"
    done = distctl("--address", address, "call", NODE, "DIST_NODE_PING")
    assert done.returncode == 0, done.stderr
    assert f"(from {address}, " in done.stdout


def test_a_stock_server_can_be_called(cluster):
    server = cluster.start(cluster.program("stock-server"))
    server.expected = {-15}
    port = server.wait_line(r"listening port=(\d+)")[1][1]
    done = distctl("--address", f"127.0.0.1:{port}", "call", ARITH, "ARITH_SUM", "[[2,3]]")
    assert done.stdout.startswith("5 (from "), done.stderr


VALUES = {
    "CON_NUMBERS": {
        "c": -1, "uc": 255, "s": -2, "us": 65535, "i": -3, "u": 4294967295, "ui": 0,
        "l": -4, "ul": 4294967295, "h": -9007199254740993, "uh": 18446744073709551615,
        "f": 0.5, "d": 0.1, "b": True, "color": "CON_BLUE", "i64": 9007199254740993,
        "word": 7},
    "CON_ARRAYS": {
        "fixed": [1, 2, 3], "chars": [-1], "shorts": [0, 1], "flags": [True, False],
        "doubles": [0.1, "NaN"], "floats": [1, 2], "hypers": [1, 2, 3],
        "table": [[], [4]], "names": ["a", "é"], "colors": ["CON_RED"],
        "ids": ["AQIDBAUG"], "nodes": [{"name": "x", "next": None}], "blob": "/+8=",
        "bytes": "AQIDBAU=", "more": "", "text": {"base64": "/2E="}},
    "CON_OPTIONAL": {
        "number": None, "list": {"name": "a", "next": {"name": "b", "next": None}},
        "node": None, "arrays": None},
    "CON_UNIONS": {
        "color": {"color": "CON_MORE", "id": "AQIDBAUGBw=="},
        "number": {"kind": -1, "reason": "none"}, "flag": {"there": True, "ints": [1]},
        "word": {"kind": 0, "flag": False}},
    "CON_STRING": "any \u0001 text",
    "CON_COLOR": "CON_GREEN",
    "CON_BOOL": True,
    "CON_BIG": 18446744073709551615,
    "CON_NAMES": ["one", "two", ""],
}


def test_every_construct_goes_to_a_node_and_back(cluster):
    node = cluster.node(None, module="echo")
    for name, value in VALUES.items():
        done = distctl("--address", f"127.0.0.1:{node.port}", "--json", "call", CONSTRUCTS,
                       name, "-", stdin=json.dumps([value]))
        assert result(done) == value


def test_several_arguments_and_no_result(cluster):
    node = cluster.node(None, module="echo")
    done = distctl("--address", f"127.0.0.1:{node.port}", "call", CONSTRUCTS,
                   "CON_SEVERAL", '[1, "ab", [5, 6]]')
    assert done.stdout.startswith("null (from "), done.stderr


def test_a_large_result_is_whole(cluster):
    node = cluster.node(None, module="echo")
    value = [f"n{i % 10}" for i in range(300000)]
    done = distctl("--address", f"127.0.0.1:{node.port}", "--json", "call", CONSTRUCTS,
                   "CON_NAMES", "-", stdin=json.dumps([value]))
    assert result(done) == value


# --- What goes wrong ------------------------------------------------------------------


@pytest.mark.parametrize("arguments, message", [
    ([ARITH, "ARITH_SUM", "[[1, 2.5]]"],
     f"distctl: JSON:1:6: $[0][1]: 2.5 is no whole number, written without fraction or "
     f"exponent ({ARITH}:5)"),
    ([ARITH, "ARITH_SUM", "[[1,\n2"], "distctl: JSON:2:1: ']' expected near end of file"),
    ([ARITH, "ARITH_SUM", "[]"],
     f"distctl: JSON:1:1: $: 0 arguments are given, and 'ARITH_SUM' takes 1 ({ARITH}:10)"),
    ([ARITH, "ARITH_SUB", "[]"], f"distctl: {ARITH} has no procedure 'ARITH_SUB'"),
    (["/nowhere/a.x", "A", "[]"],
     "distctl: error: /nowhere/a.x: No such file or directory"),
], ids=["value", "syntax", "count", "procedure", "file"])
def test_what_is_wrong_is_told_before_anything_is_called(arguments, message):
    """Nobody listens at this address, which is never noticed."""
    done = distctl("--address", "127.0.0.1:1", "call", *arguments)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == message
    assert done.stdout == ""


def test_an_interface_that_is_wrong_is_pointed_into(tmp_path):
    (tmp_path / "wrong.x").write_text("struct a {\n\tint b\n};\n")
    done = distctl("--address", "127.0.0.1:1", "call", "wrong.x", "A", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "wrong.x:3: error: expected ';' after the member, found '}'\n"


def test_what_only_rpcgens_c_cannot_have_is_called_all_the_same(cluster, tmp_path):
    """A server may have been made by other means."""
    node = cluster.node(None)
    (tmp_path / "odd.x").write_text(
        ARITH.read_text().replace("typedef int int_array<>;",
                                  "typedef int int_array<>; struct a { int for; };"))
    done = distctl("--address", f"127.0.0.1:{node.port}", "call", "odd.x", "ARITH_SUM",
                   "[[4]]", cwd=tmp_path)
    assert done.stdout.startswith("4 (from ")
    assert done.stderr == (
        "odd.x:5: warning: 'for', a member, is a word of C: give it another name\n"
        "distctl: odd.x: distgen refuses it; going on\n")


def test_a_procedure_of_several_versions_is_asked_for(tmp_path):
    (tmp_path / "two.x").write_text(
        "program A_PROG { version A_V1 { void A_GET(void) = 1; } = 1;\n"
        "version A_V2 { void A_GET(void) = 1; } = 2; } = 0x20000C02;\n")
    done = distctl("--address", "127.0.0.1:1", "call", "two.x", "A_GET", cwd=tmp_path)
    assert done.returncode == 2
    assert "two.x has 2 procedures 'A_GET'; say which:" in done.stderr
    assert "  A_PROG/2/A_GET\n" in done.stderr


def test_macros_and_included_files_are_found(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "types.x").write_text("typedef opaque a_id<A_SIZE>;\n")
    (tmp_path / "main.x").write_text(
        '#include "types.x"\n'
        "program A_PROG { version A_V1 { void A_PUT(a_id) = 1; } = 1; } = 0x20000C02;\n")
    done = distctl("--address", "127.0.0.1:1", "--include", "more", "--define", "A_SIZE=2",
                   "call", "main.x", "A_PUT", '["AQID"]', cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == ("distctl: JSON:1:2: $[0]: 3 bytes, and there may be 2 "
                           "(more/types.x:1)\n")


def test_a_result_of_another_type_is_noticed(cluster, tmp_path):
    node = cluster.node(None)
    (tmp_path / "other.x").write_text(
        ARITH.read_text().replace("hyper ARITH_SUM", "int ARITH_SUM"))
    done = distctl("--address", f"127.0.0.1:{node.port}", "call", "other.x", "ARITH_SUM",
                   "[[1]]", cwd=tmp_path)
    assert done.returncode == UNKNOWN
    assert done.stderr == ("distctl: the result, byte 4: $: 4 bytes are left over: this is "
                           "another type (other.x:10)\n")


def test_nobody_who_serves_it_is_a_failure(cluster):
    master = cluster.master()
    done = cluster.ctl(master.address, "call", ARITH, "ARITH_SUM", "[[1]]")
    assert done.returncode == 1
    assert "no live node serves" in done.stderr


def test_nobody_who_listens_is_a_failure():
    done = distctl("--address", "127.0.0.1:1", "call", ARITH, "ARITH_SUM", "[[1]]")
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr


def test_a_call_that_may_have_run_has_a_status_of_its_own(cluster):
    node = cluster.node(None, delay_ms=60000)
    node.expected = {0, 1}

    def under_way():
        done = distctl("--address", f"127.0.0.1:{node.port}", "--timeout-ms", "200", "call",
                       ARITH, "ARITH_SUM", "[[1]]")
        assert done.returncode in (1, UNKNOWN)
        assert "deadline" in done.stderr or "time" in done.stderr
        return done.returncode == UNKNOWN
    # On a busy machine time may be up before the call is under way.
    eventually(under_way, what="a call that may have run")
    node.kill()


def test_a_procedure_without_an_answer_may_have_run(cluster):
    node = cluster.node(None, module="echo")
    done = distctl("--address", f"127.0.0.1:{node.port}", "call", CONSTRUCTS,
                   "CON_SEVERAL", '[0, "ab", [5, 6]]')
    assert done.returncode == UNKNOWN
    assert done.stderr != ""


def test_an_idempotent_call_goes_on_when_its_node_is_lost(cluster):
    master = cluster.master()
    slow = cluster.node(master.address, name="slow", delay_ms=60000)
    cluster.node(master.address, name="other")
    other = r"^1 \(from other, "
    # Either node may get a call; the first one that "slow" gets is lost with it.
    for _ in range(100):
        process = cluster.start(cluster.program("distctl"), "--masters", master.address,
                                "--idempotent", "call", ARITH, "ARITH_SUM", "[[1]]")
        if eventually(lambda: process.find_line(other) and "other" or
                      is_running(cluster, master) and "slow",
                      what="a call that runs") == "slow":
            break
    slow.kill()
    process.wait_line(other)
    assert process.wait() == 0


def test_a_call_whose_node_is_lost_may_have_run(cluster):
    master = cluster.master()
    slow = cluster.node(master.address, name="slow", delay_ms=60000)
    process = cluster.start(cluster.program("distctl"), "--masters", master.address, "call",
                            ARITH, "ARITH_SUM", "[[1]]")
    process.expected = {UNKNOWN}
    eventually(lambda: is_running(cluster, master), what="a call that runs")
    slow.kill()
    assert process.wait() == UNKNOWN


# --- procedures, and --json everywhere ------------------------------------------------


def test_procedures_are_listed_without_a_master():
    done = distctl("procedures", CONSTRUCTS)
    assert done.returncode == 0
    rows = [re.split(r"  +", line) for line in done.stdout.splitlines()]
    assert rows[0] == ["PROCEDURE", "RESULT", "ARGUMENTS"]
    assert rows[5] == ["CON_PROG/1/CON_STRING", "string", "string"]
    assert rows[10] == ["CON_PROG/1/CON_SEVERAL", "void",
                        "int first, con_name second, con_ints third"]
    listed = json.loads(distctl("procedures", "--json", CONSTRUCTS).stdout)["procedures"]
    assert listed[-1] == {
        "program": 0x20000C01, "version": 1, "procedure": 10, "program_name": "CON_PROG",
        "version_name": "CON_V1", "procedure_name": "CON_SEVERAL", "result": "void",
        "arguments": ["int first", "con_name second", "con_ints third"]}


@pytest.mark.parametrize("words, what", [
    (["watch", "--count", "3"], "watch takes no --count"),
    (["nodes", "--wait-ms", "5"], "nodes takes no --wait-ms"),
    (["call", "--interval", "1s", ARITH, "ARITH_SUM"], "call takes no --interval"),
    (["stats", "--all"], "stats takes no --all"),
    (["ping", "--address", "127.0.0.1:1"], "ping takes no --address"),
    (["procedures", "--idempotent"], "procedures takes no --idempotent"),
    (["call", "--define", "A=1", "P/A"], "call takes no --define without a FILE.x"),
    (["call", "--address", "127.0.0.1:1", "--node", "n", ARITH, "ARITH_SUM"],
     "call takes no --node with --address"),
    (["--timeout-ms", "5", "bench"],
     "bench takes no --timeout-ms: its own options stand behind it"),
])
def test_an_option_that_would_do_nothing_is_refused(words, what):
    done = distctl("--masters", "127.0.0.1:1", *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[0] == f"distctl: {what}"


def test_a_node_by_name_takes_masters():
    done = distctl("--address", "127.0.0.1:1", "--node", "n", "call", ARITH, "ARITH_SUM", "[[1]]")
    assert done.returncode == 2
    assert "call takes no --node with --address" in done.stderr


def test_every_command_prints_json(cluster):
    master = cluster.master()
    node = cluster.node(master.address, name="only")
    for words, name in [(["nodes"], "nodes"), (["services"], "services"),
                        (["ping"], "answers"), (["stats"], "nodes"),
                        (["procedures", ARITH], "procedures"),
                        (["call", ARITH, "ARITH_SUM", "[[1]]"], "result"),
                        (["drain", "only"], "left")]:
        done = cluster.ctl(master.address, "--json", *words)
        assert done.returncode == 0, done.stderr
        assert name in json.loads(done.stdout)
    assert json.loads(done.stdout) == {"left": ["only"]}
    assert node.wait() == 0
