"""Calls over HTTP: distmaster --http-call."""

import http.client
import json
import socket
import threading
import time
from pathlib import Path

import pytest

from harness import Cluster, command, eventually, within
from test_http import Board, Feed
from test_reflection import OWN, OWN_C, build_module

ROOT = Path(__file__).resolve().parents[2]
ARITH = ROOT / "idl" / "arith.x"
TOKEN = "a-token-of-some-length"

pytestmark = pytest.mark.skipif(
    "built without" in command(Cluster.program("distmaster"), "--http", "x", "--http-call",
                               "--http-token-file", "/dev/null").stderr,
    reason="built without HTTP, or without JSON")


class Gateway(Board):
    """A master over HTTP that takes calls."""

    def __init__(self, cluster, directory, *options):
        (directory / "token").write_text(TOKEN + "\n")
        super().__init__(cluster, "--http-call", "--http-token-file", directory / "token",
                         *options)

    def post(self, path, body="", token=TOKEN, headers=None):
        """Status and headers, and what the JSON says."""
        headers = dict(headers or {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        status, headers, text = self.ask(f"/call/{path}", "POST", headers, body)
        assert headers["Content-Type"] == "application/json"
        return status, headers, json.loads(text)

    def answer(self, path, body="", **options):
        """The same, asked again where that is what it says: it has a second to find the
        node, and one to ask for its interface, which a busy machine may let pass."""
        def asked():
            status, headers, answer = self.post(path, body, **options)
            again = status == 503 and not answer["may_have_run"]
            return None if again else (status, headers, answer)
        return eventually(asked, what=f"another answer than that it is for later: {path}")

    def call(self, path, *arguments):
        status, _, answer = self.answer(path, json.dumps(arguments))
        assert status == 200, answer
        return answer["result"]

    def refused(self, path, body="", **options):
        """Status, sentence and whether it may have run."""
        status, _, answer = self.answer(path, body, **options)
        assert set(answer) == {"error", "may_have_run"}
        return status, answer["error"], answer["may_have_run"]

    def taken(self, name="n1"):
        """Calls of ARITH_SUM that the node has taken, as it says itself."""
        done = self.cluster.ctl(self.master.address, "--json", "stats", name)
        assert done.returncode == 0, done.stderr
        for one in json.loads(done.stdout)["nodes"][0]["procedures"]:
            if one["procedure_name"] == "ARITH_SUM":
                return one["counters"]["calls"]
        return 0

    def wait_taken(self, n, name="n1"):
        eventually(lambda: self.taken(name) == n, what=f"{n} calls at {name}")

    def wait_service(self, name="n1"):
        eventually(lambda: self.nodes().get(name, {}).get("state") == "live",
                   what=f"{name} on the board")


@pytest.fixture
def gateway(cluster, tmp_path):
    return Gateway(cluster, tmp_path)


SUM = "ARITH_PROG/1/ARITH_SUM"
PATIENT_SUM = f"{SUM}?timeout_ms=60000"  # the most there is


def node_of(gateway, *arguments, name="n1", **options):
    node = gateway.cluster.node(gateway.master.address, *arguments, name=name, **options)
    gateway.wait_service(name)
    return node


# Sums that end when the test says so, and not by the clock.
HELD_C = """\
#include "arith.h"
#include <unistd.h>
bool_t arith_sum_1_svc(int_array numbers, quad_t *sum, struct svc_req *rqstp)
{
	while (access("%s", F_OK))
		usleep(1000);
	*sum = 0;
	for (u_int i = 0; i < numbers.int_array_len; i++)
		*sum += numbers.int_array_val[i];
	return TRUE;
}
"""


@pytest.fixture
def held(gateway, tmp_path):
    """A node of 40 workers whose calls run until .let_go(). It has taken one already, so
    that nothing is left to be found out of it."""
    gate = tmp_path / "gate"
    module = build_module(tmp_path, ARITH.read_text(), HELD_C % gate, base="arith")
    node = node_of(gateway, "--workers", "40", module=module)
    node.let_go = gate.touch
    node.let_go()
    assert gateway.call(SUM, [1]) == 1
    gate.unlink()
    yield node
    gate.touch()


# --- Calls ----------------------------------------------------------------------------

def test_the_page_tells_of_a_node_once(gateway):
    """And not again when the cluster that calls are made on sees it, too."""
    node_of(gateway).stop()
    feed = Feed(gateway)
    ids = []
    eventually(lambda: "node-gone" in ids or ids.extend(
        event["id"] for event in feed.next()[1]["events"]), what="the end of n1")
    assert ids.count("node-registered") == 1
    assert "node-seen" not in ids and "node-left" not in ids
    feed.close()


def test_a_call_is_answered_with_its_result_its_node_and_its_time(gateway):
    node = node_of(gateway, name="only")
    status, headers, answer = gateway.answer(SUM, "[[2,4,6]]")
    assert status == 200
    assert answer.pop("ms") > 0
    assert answer == {"node": "only", "address": f"127.0.0.1:{node.port}", "result": 12}
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["ARITH_PROG/ARITH_V1/ARITH_SUM", "0x20000A01/1/1",
                                  "536873473/1/ARITH_SUM"])
def test_names_and_numbers_will_do(gateway, path):
    node_of(gateway)
    assert gateway.call(path, [7]) == 7


def test_all_64_bits_and_every_type_are_exact(gateway):
    node_of(gateway, module="echo")
    assert gateway.call("CON_PROG/1/CON_BIG", 18446744073709551615) == 18446744073709551615
    assert gateway.call("CON_PROG/1/CON_STRING", "any \u0001 text é") == "any \u0001 text é"
    value = {"number": None, "list": {"name": "a", "next": None}, "node": None,
             "arrays": None}
    assert gateway.call("CON_PROG/1/CON_OPTIONAL", value) == value


def test_no_body_is_no_arguments(gateway, tmp_path):
    source = OWN.replace("OWN_GET(own_number)", "OWN_GET(void)")
    code = OWN_C.replace("own_number n, ", "").replace("n + ", "40 + ")
    node_of(gateway, module=build_module(tmp_path, source, code))
    assert gateway.answer("OWN_PROG/2/OWN_GET")[2]["result"] == 42
    assert gateway.call("OWN_PROG/1/OWN_GET") == 41


def test_calls_go_on_beside_each_other_and_beside_the_page(gateway, held):
    """One that lasts keeps nobody waiting."""
    answers = []
    callers = [threading.Thread(target=lambda: answers.append(gateway.call(PATIENT_SUM, [1])))
               for _ in range(4)]
    for caller in callers:
        caller.start()
    gateway.wait_taken(1 + 4)
    assert answers == []
    assert gateway.ask("/healthz")[0] == 200
    held.let_go()
    for caller in callers:
        caller.join()
    assert answers == [1] * 4


def test_a_call_that_runs_keeps_its_place(gateway, held):
    """Others who hold connections end before it."""
    answers = []
    caller = threading.Thread(target=lambda: answers.append(gateway.call(PATIENT_SUM, [1])))
    caller.start()
    gateway.wait_taken(1 + 1)
    others = [socket.create_connection((gateway.host, gateway.port), within(20))
              for _ in range(400)]
    assert gateway.ask("/healthz")[0] == 200
    held.let_go()
    caller.join()
    assert answers == [1]
    for connection in others:
        connection.close()


def test_a_connection_takes_one_call_after_another(gateway):
    node_of(gateway)
    assert gateway.call(SUM, [1]) == 1
    connection = http.client.HTTPConnection(gateway.host, gateway.port, timeout=within(20))
    for number in range(20):
        connection.request("POST", f"/call/{SUM}", body=f"[[{number}]]",
                           headers={"Authorization": f"bearer  {TOKEN}"})
        response = connection.getresponse()
        assert json.loads(response.read())["result"] == number
    connection.close()


def test_a_large_result_is_whole(gateway):
    node_of(gateway, module="echo")
    names = [f"n{i % 10}" for i in range(100000)]
    assert gateway.call("CON_PROG/1/CON_NAMES", names) == names


# --- Who may call ---------------------------------------------------------------------

@pytest.mark.parametrize("token", [None, "", TOKEN[:-1], TOKEN + "x", TOKEN.upper(),
                                   "x" * 256, "x" * 5000])
def test_nobody_calls_without_the_token(gateway, token):
    node_of(gateway)
    status, headers, answer = gateway.post(SUM, "[[1]]", token=token)
    assert status == 401
    assert headers["WWW-Authenticate"] == "Bearer"
    assert "token" in answer["error"] and answer["may_have_run"] is False
    assert gateway.call(SUM, [1]) == 1


def test_the_token_is_asked_for_before_anything_else_is_told(gateway):
    for path in ("OTHER/1/NAME", "ARITH_PROG", ""):
        assert gateway.refused(path, token="x" * 20)[0] == 401


def test_a_basic_credential_is_none(gateway):
    status, _, _ = gateway.post(SUM, "[[1]]", token=None,
                                headers={"Authorization": f"Basic {TOKEN}"})
    assert status == 401


def test_nothing_can_be_called_unless_asked_for(cluster):
    board = Board(cluster)
    board.cluster.node(board.master.address)
    status, _, text = board.ask(f"/call/{SUM}", "POST",
                                {"Authorization": f"Bearer {TOKEN}"}, "[[1]]")
    assert (status, "nothing can be changed here" in text) == (405, True)


def test_a_call_for_a_host_of_a_foreign_name_is_refused(gateway):
    status, _, _ = gateway.ask(f"/call/{SUM}", "POST",
                               {"Authorization": f"Bearer {TOKEN}", "Host": "evil.example"},
                               "[[1]]")
    assert status == 421


@pytest.mark.parametrize("text", ["", "short\n", "x" * 257, "with a blank in it\n",
                                  "\n" + TOKEN])
def test_a_file_without_a_token_is_refused(tmp_path, text):
    (tmp_path / "token").write_text(text)
    done = command(Cluster.program("distmaster"), "--listen", "127.0.0.1:0", "--http", "0",
                   "--http-call", "--http-token-file", tmp_path / "token")
    assert done.returncode == 1
    assert "its first line is no token" in done.stderr


def test_a_file_that_is_not_there_is_told(tmp_path):
    done = command(Cluster.program("distmaster"), "--listen", "127.0.0.1:0", "--http", "0",
                   "--http-call", "--http-token-file", tmp_path / "token")
    assert done.returncode == 1
    assert f"--http-token-file {tmp_path / 'token'}: No such file" in done.stderr


@pytest.mark.parametrize("arguments", [
    ["--http-call"], ["--http", "0", "--http-call"],
    ["--http", "0", "--http-token-file", "x"], ["--http-token-file", "x"],
    ["--http-call", "--http-token-file", "x"]], ids=" ".join)
def test_the_options_belong_together(arguments):
    done = command(Cluster.program("distmaster"), *arguments)
    assert done.returncode == 2
    assert "--http" in done.stderr


# --- What is refused, and how calls end -----------------------------------------------

def test_what_is_wrong_is_pointed_at(gateway):
    node_of(gateway)
    for body, error in [
            ("[[1,\n2.5]]", "2:1: $[0][1]: 2.5 is no whole number, written without fraction "
                            "or exponent"),
            ("[[1", "1:3: ']' expected near end of file"),
            ("[1,2]", "1:1: $: 2 arguments are given, and 'ARITH_SUM' takes 1"),
            ("", "1:1: $: 0 arguments are given, and 'ARITH_SUM' takes 1")]:
        assert gateway.refused(SUM, body) == (400, error, False)
    for timeout in ("0", "-1", "60001", "x", "1x", "", "99999999999999999999"):
        assert gateway.refused(f"{SUM}?timeout_ms={timeout}", "[[1]]") == (
            400, "timeout_ms is a number from 1 to 60000", False)


def test_what_is_not_there_is_not_found(gateway):
    node_of(gateway)
    assert gateway.refused("ARITH_PROG/1/ARITH_SUB", "[]") == (
        404, "the program has no procedure 'ARITH_SUB'", False)
    assert gateway.refused("ARITH_PROG/2/ARITH_SUM", "[]") == (
        404, "no node serves ARITH_PROG/2", False)
    assert gateway.refused("OTHER/1/A", "[]") == (404, "no node serves OTHER/1", False)
    for path in ("", "ARITH_PROG", "ARITH_PROG/ARITH_SUM", "ARITH_PROG/1/", "//",
                 "/1/ARITH_SUM", "ARITH_PROG/1/ARITH_SUM/", "a/b/c/d"):
        assert gateway.refused(path, "[]")[0] == 404
    status, _, text = gateway.ask("/call", "POST", {"Authorization": f"Bearer {TOKEN}"}, "[]")
    assert status == 404 and "/call/PROGRAM/VERSION/PROCEDURE" in text


def test_only_post_is_a_call(gateway):
    for method in ("GET", "PUT", "DELETE", "HEAD"):
        status, headers, _ = gateway.ask(f"/call/{SUM}", method,
                                         {"Authorization": f"Bearer {TOKEN}"})
        assert (status, headers["Allow"]) == (405, "POST")
    assert gateway.ask("/nodes", "POST", body="[]")[1]["Allow"] == "GET, HEAD"


def test_a_node_is_called_as_soon_as_it_is_registered(gateway):
    # What the page shows is up to a second old; time enough for each of these.
    for number in range(3):
        node = gateway.cluster.node(gateway.master.address, name=f"n{number}")
        began = time.monotonic()
        status, _, answer = gateway.post(SUM, "[[2,4,6]]")
        if time.monotonic() - began > 1:  # it may have given up a step of it
            status, _, answer = gateway.answer(SUM, "[[2,4,6]]")
        assert (status, answer.get("node"), answer.get("result")) == (
            200, f"n{number}", 12), answer
        node.stop()
        node.finish()


def test_a_body_has_a_limit(gateway):
    node_of(gateway)
    most = 1 << 20
    body = "[[" + "1," * 1000 + "1" + " " * (most - 2005) + "]]"
    assert len(body) == most
    assert gateway.answer(SUM, body)[2]["result"] == 1001
    for much in (" ", " " * 5000000):
        assert gateway.refused(SUM, much + body) == (
            413, "the body is larger than 1048576 bytes", False)
    # Not a byte of it is waited for.
    with socket.create_connection((gateway.host, gateway.port)) as connection:
        connection.sendall(f"POST /call/{SUM} HTTP/1.1\r\nHost: localhost\r\n"
                           f"Authorization: Bearer {TOKEN}\r\n"
                           "Content-Length: 999999999999\r\n\r\n".encode())
        assert b" 413 " in connection.recv(1000)


def test_a_body_in_chunks_has_a_limit(gateway):
    """Its length is not told before."""
    node_of(gateway)
    assert gateway.call(SUM, [1]) == 1

    def chunked(n):
        connection = http.client.HTTPConnection(gateway.host, gateway.port,
                                                timeout=within(20))
        pieces = iter([b"[[1]", *[b" " * 65536] * n, b"]"])
        connection.request("POST", f"/call/{SUM}", body=pieces, encode_chunked=True,
                           headers={"Authorization": f"Bearer {TOKEN}",
                                    "Transfer-Encoding": "chunked"})
        response = connection.getresponse()
        answer = response.status, json.loads(response.read())
        connection.close()
        return answer
    assert chunked(4)[1]["result"] == 1
    assert chunked(17)[0] == 413


def test_nobody_who_serves_it_any_more_is_for_later(gateway):
    node = node_of(gateway)
    assert gateway.call(SUM, [1]) == 1
    assert node.stop() == 0
    eventually(lambda: gateway.nodes().get("n1", {}).get("state") != "live",
               what="the end of n1")
    status, headers, answer = gateway.post(SUM, "[[1]]")
    assert (status, headers["Retry-After"]) == (503, "1")
    assert answer == {"error": "no live node serves ARITH_PROG/1", "may_have_run": False}


def test_a_module_without_its_interface_cannot_be_called(gateway, tmp_path):
    node_of(gateway, module=build_module(tmp_path, OWN, OWN_C, "--no-interface"))
    for _ in range(3):
        status, error, may_have_run = gateway.refused("OWN_PROG/1/OWN_GET", "[1]")
        assert (status, may_have_run) == (501, False)
        assert error.startswith("n1: its module carries no interface of this program")


def test_a_node_that_cannot_be_asked_is_asked_again_soon(gateway):
    """It may have the interface: that is another answer than that it has none."""
    node = node_of(gateway, "--heartbeat-ms", "10000")
    node.pause()
    status, headers, answer = gateway.post(SUM, "[[1]]")
    assert (status, headers["Retry-After"]) == (503, "1"), answer
    assert answer["error"].startswith("n1: ") and answer["may_have_run"] is False
    node.resume()
    eventually(lambda: gateway.post(SUM, "[[7]]")[0] == 200, what="an answer of n1")


def test_time_that_is_up_is_told(gateway):
    node = node_of(gateway, delay_ms=60000)
    node.expected = {0, 1}

    def outcome():
        begin = time.monotonic()
        status, error, may_have_run = gateway.refused(f"{SUM}?timeout_ms=300", "[[1]]")
        assert status == 504
        assert 0.25 < time.monotonic() - begin < within(10)
        return may_have_run and error
    # On a busy machine time may be up before the call is under way.
    assert "n1" in eventually(outcome, what="a call that was under way")
    node.kill()


def test_a_lost_node_may_have_run_it(gateway):
    node = node_of(gateway, delay_ms=60000)
    answers = []
    caller = threading.Thread(
        target=lambda: answers.append(gateway.refused(SUM, "[[1]]")))
    caller.start()
    gateway.wait_taken(1)
    node.kill()
    caller.join()
    status, error, may_have_run = answers[0]
    assert (status, may_have_run) == (502, True)
    assert "n1" in error


def test_a_procedure_without_an_answer_has_failed(gateway):
    node_of(gateway, module="echo")
    status, _, may_have_run = gateway.refused("CON_PROG/1/CON_SEVERAL", '[0,"ab",[5,6]]')
    assert (status, may_have_run) == (500, True)


def test_calls_beyond_a_limit_are_for_later(gateway, held):
    answers = []

    def call():
        answers.append(gateway.post(PATIENT_SUM, "[[1]]"))
    callers = [threading.Thread(target=call) for _ in range(33)]
    for caller in callers:
        caller.start()
    eventually(lambda: answers, what="a refusal")
    status, headers, answer = answers[0]
    assert (status, headers["Retry-After"]) == (503, "1")
    assert answer == {"error": "32 calls are on their way already", "may_have_run": False}
    held.let_go()
    for caller in callers:
        caller.join()
    assert sorted(status for status, _, _ in answers) == [200] * 32 + [503]


MANY = """\
typedef hyper many_numbers<>;
program MANY_PROG { version MANY_V1 { many_numbers MANY_GET(int) = 1; } = 1; } = 0x20000c41;
"""
MANY_C = """\
#include "many.h"
#include <stdlib.h>
#include <string.h>
bool_t many_get_1_svc(int n, many_numbers *result, struct svc_req *rqstp)
{
	size_t length = (size_t)n * sizeof(*result->many_numbers_val);
	result->many_numbers_val = malloc(length);
	result->many_numbers_len = (u_int)n;
	memset(result->many_numbers_val, 0x7f, length);
	return TRUE;
}
"""


def test_large_answers_that_are_not_taken_block_nobody_for_long(gateway, tmp_path):
    """There are 8 at most, so that memory is; who takes none of it loses it to others."""
    node_of(gateway, module=build_module(tmp_path, MANY, MANY_C, base="many"))
    path, n = "MANY_PROG/1/MANY_GET", 500000  # 10 MB, which no socket holds
    assert len(gateway.call(path, n)) == n
    request = (f"POST /call/{path} HTTP/1.1\r\nHost: localhost\r\n"
               f"Authorization: Bearer {TOKEN}\r\nContent-Length: 8\r\n\r\n[{n}]")
    lazy = []
    begin = time.monotonic()
    for _ in range(8):
        lazy.append(socket.create_connection((gateway.host, gateway.port), within(20)))
        lazy[-1].sendall(request.encode())
        lazy[-1].recv(1, socket.MSG_PEEK)  # the answer has begun
    status, headers, answer = gateway.post(path, "[1]")
    if time.monotonic() - begin < 10:  # else the first of them may have ended for it
        assert (status, headers["Retry-After"]) == (503, "1"), answer
        assert "too many large answers" in answer["error"] and answer["may_have_run"] is False
    assert gateway.ask("/healthz")[0] == 200
    eventually(lambda: gateway.post(path, "[1]")[0] == 200, what="the end of one of them")
    for connection in lazy:
        connection.close()


def test_a_master_that_stops_answers_all(gateway, held):
    answers = []
    callers = [threading.Thread(target=lambda: answers.append(gateway.post(PATIENT_SUM, "[[1]]")))
               for _ in range(32)]
    for caller in callers:
        caller.start()
    gateway.wait_taken(1 + 32)
    assert gateway.master.stop() == 0
    for caller in callers:
        caller.join()
    assert [(status, answer["may_have_run"]) for status, _, answer in answers] == \
        [(503, True)] * 32


def test_a_caller_that_goes_away_costs_nothing(gateway):
    node_of(gateway, "--workers", "8", delay_ms=500)
    for n in range(1, 6):
        with socket.create_connection((gateway.host, gateway.port)) as connection:
            connection.sendall(f"POST /call/{SUM} HTTP/1.1\r\nHost: localhost\r\n"
                               f"Authorization: Bearer {TOKEN}\r\nContent-Length: 5\r\n\r\n"
                               "[[1]]".encode())
            gateway.wait_taken(n)
    assert gateway.call(SUM, [3]) == 3
    with socket.create_connection((gateway.host, gateway.port)) as connection:
        connection.sendall(f"POST /call/{SUM} HTTP/1.1\r\nHost: localhost\r\n"
                           f"Authorization: Bearer {TOKEN}\r\nContent-Length: 50\r\n\r\n"
                           "[[1".encode())
    assert gateway.call(SUM, [3]) == 3


# --- Interfaces -----------------------------------------------------------------------

def test_an_interface_is_fetched_once_and_anew_from_another_run(gateway, tmp_path):
    """A new release of a program, under the old name."""
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    first = node_of(gateway, module=build_module(tmp_path / "1", OWN, OWN_C))
    for number in range(5):
        assert gateway.call("OWN_PROG/1/OWN_GET", number) == number + 1
    assert gateway.call("OWN_PROG/2/OWN_GET", 1) == 3
    source = OWN.replace("OWN_GET(own_number) = 1; } = 1;",
                         "OWN_GET(own_number) = 1; own_number OWN_PUT(own_number) = 2; } "
                         "= 1;")
    code = OWN_C + ("bool_t own_put_1_svc(own_number n, own_number *result, "
                    "struct svc_req *rqstp)\n{ *result = n + 9; return TRUE; }\n")
    assert gateway.refused("OWN_PROG/1/OWN_PUT", "[1]")[0] == 404
    done = gateway.cluster.ctl(gateway.master.address, "--json", "stats", "n1")
    counted = {one["procedure_name"]: one["counters"]["calls"]
               for one in json.loads(done.stdout)["nodes"][0]["procedures"]}
    assert counted["DIST_NODE_INTERFACE"] == 2  # for two versions
    assert first.stop() == 0
    node_of(gateway, name="n2", module=build_module(tmp_path / "2", source, code))
    eventually(lambda: gateway.nodes().get("n1", {}).get("state") != "live", what="no n1")
    assert gateway.call("OWN_PROG/1/OWN_PUT", 1) == 10
