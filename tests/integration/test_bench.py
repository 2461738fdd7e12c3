"""distbench against real clusters: what it counts, checks and prints. No test judges by
how fast anything was."""

import json
import re
import subprocess
import xml.etree.ElementTree
from pathlib import Path

import pytest

from harness import BUILD, Cluster, command, eventually

ROOT = Path(__file__).resolve().parents[2]
DISTBENCH = Cluster.program("distbench")
ARITH_SUM = "0x20000A01/1/1"
SHORT = ("--duration-ms", "200", "--warm-up-ms", "50")
# For all that does not look at the time: the calls end it, on a busy machine too.
COUNTED = ("--calls", "300", "--warm-up-ms", "10")

MEMBERS = {
    "threads", "in_flight", "clusters", "spin_us", "rate", "seconds", "calls", "failures",
    "unsent", "calls_per_s", "sent_bytes", "received_bytes", "sent_bytes_per_s",
    "received_bytes_per_s", "mean_us", "p50_us", "p90_us", "p99_us", "p999_us", "max_us",
    "client_cpu_us", "server_cpu_us", "client_switches", "latencies"}

# Serves ARITH_SUM, and says 0 whatever it was asked.
WRONG_SUMS = r"""
#include <dist/node.h>

static void
dispatch(struct svc_req *rqstp, SVCXPRT *xprt)
{
	quad_t sum = 0;

	(void)rqstp;
	svc_sendreply(xprt, (xdrproc_t)xdr_quad_t, (caddr_t)&sum);
}

static const struct dist_service service = {
	.size = sizeof(service),
	.program = 0x20000A01,
	.version = 1,
	.program_name = "WRONG",
	.dispatch = dispatch,
};

__attribute__((constructor)) static void load(void) { dist_service_offer(&service); }
__attribute__((destructor)) static void unload(void) { dist_service_withdraw(&service); }
"""


@pytest.fixture
def masters(cluster):
    """A master's address, with one node that serves sums."""
    master = cluster.master()
    master.node = cluster.node(master.address)
    return master


def until_a_call_ended(run):
    """What @run came to, once it was long enough for a call to end: a machine with others
    to run may let none end within milliseconds, which is told apart from other failures."""
    def inconclusive_or_done():
        done = run()
        return None if "no call ended" in done.stderr else done
    return eventually(inconclusive_or_done, seconds=30, what="a run in which a call ended")


def bench(masters, *options, duration=COUNTED):
    return command(DISTBENCH, "--masters", masters.address, *duration, *options)


def report(masters, *options, duration=COUNTED):
    done = until_a_call_ended(lambda: bench(masters, "--json", *options, duration=duration))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("options", [
    ["--in-flight", "1"],
    ["--in-flight", "1", "--threads", "3"],
    ["--in-flight", "64"],
    ["--in-flight", "64", "--in-order"],
    ["--in-flight", "16", "--threads", "3", "--clusters", "2"],
    ["--in-flight", "4", "--ints", "20000", "--timeout-ms", "10000"],
    ["--in-flight", "8", "--spin-us", "50", "--idempotent"],
], ids=" ".join)
def test_the_report_is_whole_and_adds_up(masters, options):
    found = report(masters, "--server-pid", masters.node.pid, *options, duration=SHORT)
    asked = dict(zip(options[::2], options[1::2]))
    n_ints = int(asked.get("--ints", 3))
    assert set(found) == MEMBERS
    assert found["threads"] == int(asked.get("--threads", 1))
    assert found["in_flight"] == int(asked["--in-flight"])
    assert found["seconds"] == 0.2
    assert found["rate"] is None
    assert found["calls"] > 0
    assert found["failures"] == 0
    assert found["unsent"] == 0
    assert found["latencies"] == found["calls"]
    assert found["calls_per_s"] == pytest.approx(found["calls"] / 0.2, abs=0.1)
    assert found["sent_bytes"] == found["calls"] * (4 + 4 * n_ints)
    assert found["received_bytes"] == found["calls"] * 8
    assert 0 < found["p50_us"] <= found["p90_us"] <= found["p99_us"] <= found["p999_us"]
    assert found["p999_us"] <= found["max_us"]
    assert found["client_cpu_us"] > 0
    assert found["server_cpu_us"] >= 0
    assert found["client_switches"] >= 0


@pytest.mark.parametrize("options", [
    [],
    ["--in-flight", "64"],
    ["--in-flight", "64", "--in-order"],
    ["--threads", "3", "--in-flight", "8"],
    ["--threads", "3", "--warm-up-ms", "50"],
    ["--rate", "5000"],
    ["--rate", "5000", "--threads", "2", "--in-flight", "4"],
], ids=" ".join)
def test_a_number_of_calls_is_made_exactly(masters, options):
    for n_calls in ("1", "1000"):
        done = bench(masters, "--calls", n_calls, "--print", "calls,latencies,unsent",
                     *options, duration=["--warm-up-ms", "0"])
        assert (done.returncode, done.stdout) == (0, f"{n_calls}\t{n_calls}\t0\n")


def test_calls_that_fail_are_among_those_that_were_asked_for(masters):
    done = bench(masters, "--call", "0x20000A01/1/99", "--calls", "10", "--print",
                 "calls,failures", duration=["--warm-up-ms", "0"])
    assert (done.returncode, done.stdout) == (1, "0\t10\n")


def test_nodes_tell_their_cpu_time_themselves(cluster):
    master = cluster.master()
    for module in ("arith", "arith", "palindrome"):
        cluster.node(master.address, module=module)

    # They are asked while the load goes on, and may answer when it is over.
    def told(*options):
        return bench(master, *options, duration=SHORT).stdout

    for in_flight in ("1", "64"):
        number = eventually(lambda n=in_flight: re.fullmatch(
            r"(\d+\.\d+)\n", told("--in-flight", n, "--print", "server_cpu_us")),
            what="their CPU time")
        assert float(number[1]) > 0
    eventually(lambda: re.search(r"^CPU a call  client \d\S* us  servers \d\S* us$",
                                 told("--in-flight", "64"), re.M), what="their CPU time")


def test_a_stock_server_does_not_tell_its_cpu_time(cluster):
    server = cluster.start(BUILD / "bench" / "tirpc" / "server", "0")
    server.expected = {-15}
    port = server.wait_line(r"^listening on port (\d+)$")[1][1]
    options = ["--servers", f"127.0.0.1:{port}", *COUNTED, "--print",
               "failures,server_cpu_us"]
    done = command(DISTBENCH, *options)
    assert (done.returncode, done.stdout) == (0, "0\t-\n")
    done = command(DISTBENCH, *options, "--server-pid", server.pid)
    assert re.fullmatch(r"0\t\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("options", [[], ["--in-flight", "64"], ["--threads", "2"]],
                         ids=" ".join)
def test_an_open_loop_starts_what_it_was_asked_for(masters, options):
    found = report(masters, "--rate", "500", *options, duration=SHORT)
    assert found["rate"] == 500
    assert found["calls"] + found["unsent"] == 100
    assert found["latencies"] == 100
    assert found["failures"] == 0


def test_an_open_loop_counts_the_calls_that_could_not_start(cluster):
    master = cluster.master()
    cluster.node(master.address, delay_ms=50)
    found = report(master, "--rate", "1000", "--in-flight", "2",
                   duration=["--duration-ms", "200", "--warm-up-ms", "0"])
    # Each call takes 50 ms and two may be in flight: the others wait, and that counts.
    assert found["unsent"] >= 100
    assert found["calls"] + found["unsent"] == 200
    assert found["latencies"] == 200
    assert found["p50_us"] > 50000
    assert found["max_us"] >= 100000


def test_text_has_every_figure(masters):
    done = bench(masters, "--in-flight", "8", "--server-pid", masters.node.pid)
    assert done.returncode == 0
    for word in ["sums of 3 integers", "8 in flight", "calls/s", "p50", "p90", "p99 ",
                 "p99.9", "max", "MB/s", "client", "servers", " 0 failed"]:
        assert word in done.stdout


def test_members_can_be_printed_alone(masters):
    done = bench(masters, "--print", "failures,rate,in_flight")
    assert done.stdout == "0\t-\t1\n"


@pytest.mark.parametrize("duration, seconds", [
    (["--duration", "0.1s"], "0.100"),
    (["--duration", "150ms"], "0.150"),
    (["--duration", ".002m"], "0.120"),
    (["--duration-ms", "100"], "0.100"),
], ids=str)
def test_a_duration_has_its_unit(masters, duration, seconds):
    done = until_a_call_ended(lambda: bench(masters, *duration, "--print", "seconds",
                                            duration=["--warm-up", "50ms"]))
    assert (done.returncode, done.stdout) == (0, seconds + "\n")


@pytest.mark.parametrize("option", ["--duration", "--warm-up"])
@pytest.mark.parametrize("time", ["2", "", "s", "1.5", "-1s", "1e3s", "0x1s", "1..5s", "2 s",
                                  "2sec", "30d", "1000h"])
def test_a_time_without_a_unit_is_refused(option, time):
    done = command(DISTBENCH, "--masters", "127.0.0.1:1", option, time)
    assert done.returncode == 2
    assert f"{option}: '{time}' is not " in done.stderr


def test_a_duration_is_some_time():
    done = command(DISTBENCH, "--masters", "127.0.0.1:1", "--duration", "0s")
    assert done.returncode == 2
    assert "is not from 1ms to" in done.stderr


def test_a_wrong_sum_is_a_failure(cluster, tmp_path):
    source, module = tmp_path / "wrong.c", tmp_path / "wrong.so"
    source.write_text(WRONG_SUMS)
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{ROOT}/lib/include",
                    "-I/usr/include/tirpc", source, "-o", module, "-ltirpc"], check=True)
    master = cluster.master()
    cluster.node(master.address, module=module)
    for options in ([], ["--in-flight", "8"]):
        done = bench(master, *options)
        assert done.returncode == 1
        assert "a wrong sum came back" in done.stderr


def test_any_procedure_can_be_called_with_prepared_arguments(masters, tmp_path):
    arguments = tmp_path / "arguments.xdr"
    arguments.write_bytes(bytes([0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 6]))
    for given in (["--arguments", arguments], ["--arguments-hex", "0000000100000007"]):
        for in_flight in ("1", "16"):
            found = report(masters, "--call", ARITH_SUM, *given, "--result-bytes", "8",
                           "--in-flight", in_flight)
            n_bytes = 12 if given[0] == "--arguments" else 8
            assert found["calls"] > 0
            assert found["sent_bytes"] == found["calls"] * n_bytes
            assert found["received_bytes"] == found["calls"] * 8


def test_prepared_arguments_may_come_from_standard_input(masters):
    done = command(DISTBENCH, "--masters", masters.address, *COUNTED, "--call", ARITH_SUM,
                   "--arguments", "-", "--print", "failures", stdin="\0\0\0\0")
    assert (done.returncode, done.stdout) == (0, "0\n")


def test_a_result_of_another_length_is_a_failure(masters):
    done = bench(masters, "--call", ARITH_SUM, "--arguments-hex", "00000000",
                 "--result-bytes", "12")
    assert done.returncode == 1
    assert "--result-bytes" in done.stderr


def test_what_the_server_refuses_is_a_failure_with_its_reason(masters):
    done = bench(masters, "--call", "0x20000A01/1/99")
    assert done.returncode == 1
    assert "procedure" in done.stderr.lower()
    done = bench(masters, "--call", ARITH_SUM)  # without its arguments
    assert done.returncode == 1
    assert "calls failed; the first: " in done.stderr


def test_a_deadline_that_passes_is_a_failure(cluster):
    master = cluster.master()
    cluster.node(master.address, delay_ms=10000)
    done = bench(master, "--timeout-ms", "20", "--in-flight", "4",
                 duration=["--calls", "8", "--warm-up-ms", "0"])
    assert done.returncode == 1
    # The caller's word or the node's, whoever saw it first.
    assert "calls failed; the first: " in done.stderr


def test_servers_need_no_master(cluster):
    node = cluster.node(None)
    done = command(DISTBENCH, "--servers", f"127.0.0.1:{node.port}", *COUNTED,
                   "--in-flight", "8", "--print", "failures")
    assert (done.returncode, done.stdout) == (0, "0\n")


def test_no_master_and_no_node_are_said(cluster):
    done = command(DISTBENCH, "--masters", "127.0.0.1:1", *COUNTED)
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr


@pytest.mark.parametrize("options", [
    [],
    ["--masters"],
    ["--masters", "a:b:c:d"],
    ["--masters", "127.0.0.1:1", "stray"],
    ["--masters", "127.0.0.1:1", "--in-flight", "0"],
    ["--masters", "127.0.0.1:1", "--rate", "fast"],
    ["--masters", "127.0.0.1:1", "--calls", "0"],
    ["--masters", "127.0.0.1:1", "--calls", "5", "--duration-ms", "5"],
    ["--masters", "127.0.0.1:1", "--call", "1/2"],
    ["--masters", "127.0.0.1:1", "--call", "1/2/99999999999"],
    ["--masters", "127.0.0.1:1", "--call", "1/2/3", "--arguments-hex", "abc"],
    ["--masters", "127.0.0.1:1", "--call", "1/2/3", "--arguments-hex", "abcd"],
    ["--masters", "127.0.0.1:1", "--arguments-hex", "00000000"],
    ["--masters", "127.0.0.1:1", "--result-bytes", "8"],
    ["--masters", "127.0.0.1:1", "--server-pid", "1,x"],
    ["--masters", "127.0.0.1:1", "--print", "calls,speed"],
    ["--masters", "127.0.0.1:1", "--clusters", "2"],
    ["--masters", "127.0.0.1:1", "--rate", "5", "--in-order"],
], ids=" ".join)
def test_wrong_usage_exits_2_and_says_where_to_look(options):
    done = command(DISTBENCH, *options)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Try 'distbench --help'" in done.stderr


def test_a_file_that_is_not_there_is_named(tmp_path):
    done = command(DISTBENCH, "--masters", "127.0.0.1:1", "--call", "1/2/3",
                   "--arguments", tmp_path / "nothing")
    assert done.returncode == 1
    assert "nothing: No such file" in done.stderr


@pytest.mark.parametrize("name", ["raw", "tirpc"])
@pytest.mark.parametrize("in_flight, n_ints", [(1, 3), (64, 3), (4, 20000)])
def test_the_baselines_do_the_same_work(cluster, name, in_flight, n_ints):
    server = cluster.start(BUILD / "bench" / name / "server", "0")
    server.expected = {-15}
    port = server.wait_line(r"^listening on port (\d+)$")[1][1]
    done = until_a_call_ended(lambda: command(
        BUILD / "bench" / name / "client", port, server.pid, n_ints, in_flight, "0.1"))
    assert done.returncode == 0, done.stderr
    figures = [float(figure) for figure in done.stdout.split()]
    assert len(figures) == 5
    assert figures[0] > 0 and 0 < figures[1] <= figures[2]


def test_all_systems_run_side_by_side(tmp_path):
    """bench/run: real servers, one short round; and its rows give the same tables."""
    rows = tmp_path / "rows.tsv"
    run = [ROOT / "bench" / "run", "--build", BUILD, "--no-build"]

    def run_anew():
        rows.unlink(missing_ok=True)
        return command("/usr/bin/python3", "-B", *run, "--quick", "--tsv", rows, seconds=60)

    done = until_a_call_ended(run_anew)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    heads = [line for line in done.stdout.splitlines() if line.startswith("| metric")]
    assert re.findall(r"\w+", heads[0]) == ["metric", "raw", "tirpc", "dist", "distspin"]
    assert re.search(r"^\| L1, us .*\d", done.stdout, re.M)
    assert re.search(r"^\| T64, k/s .*\d", done.stdout, re.M)
    n_figures = 5
    assert len(rows.read_text().splitlines()) == 2 * 4 * n_figures
    again = command("/usr/bin/python3", "-B", *run, "--table", rows)
    assert again.stdout == done.stdout


def test_another_version_is_what_ratios_are_to(tmp_path):
    run = ["/usr/bin/python3", "-B", ROOT / "bench" / "run", "--build", BUILD, "--no-build",
           "--systems", "dist"]
    done = until_a_call_ended(lambda: command(*run, "--against", BUILD, "--quick", seconds=60))
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\| / before +\| +dist \|$", done.stdout, re.M)
    assert re.search(r"^\| T64 +\| +\d+\.\d\d \|$", done.stdout, re.M)
    done = command(*run, "--against", tmp_path, "--quick", seconds=60)
    assert done.returncode == 1 and f"no distbench in {tmp_path}" in done.stderr


def test_nodes_are_compared_with_what_their_sleeps_allow():
    done = until_a_call_ended(lambda: command(
        "/usr/bin/python3", "-B", ROOT / "bench" / "run", "--build", BUILD, "--no-build",
        "--metrics", "N1,N2", "--systems", "dist", "--rounds", "1", "--seconds", "0.1",
        seconds=60))
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\| nodes +\| dist, of ideal \| CPUs in use \|$", done.stdout, re.M)
    for metric in ("N1", "N2"):
        assert re.search(rf"^\| {metric} +\| +\d\.\d\d \| +\d\.\d\d \|$", done.stdout, re.M)


def test_medians_have_the_interval_that_their_order_gives():
    figures = command("/usr/bin/python3", "-B", "-c",
                      "import figures; print(figures.median_interval(list(range(15))), "
                      "figures.median_interval(list(range(5))))", cwd=ROOT / "bench")
    # The 4th and the 12th of 15 hold the median with 96.5 %; 5 values never with 95.
    assert figures.stdout == "(3, 11) None\n"


@pytest.mark.parametrize("what, metrics, words", [
    ("throughput", ["T1", "T64"], ["raw TCP", "distribution", "calls in flight"]),
    ("latency", ["R1000", "R5000"], ["p50", "p99.9", "calls/s offered"]),
])
def test_plots_are_drawn_of_the_rows(tmp_path, what, metrics, words):
    rows = tmp_path / "rows.tsv"
    figures = {"unsent": 0, "p50_us": 20, "p90_us": 30, "p99_us": 50, "p999_us": 100}
    rows.write_text("".join(
        f"{system}\t{metric}\t1\t{figure}\t{value}\n"
        for system in ("raw", "dist") for metric in metrics
        for figure, value in [("calls_per_s", int(metric[1:]) * 1000), *figures.items()]))
    done = command("/usr/bin/python3", "-B", ROOT / "bench" / "plot", what, rows)
    assert done.returncode == 0, done.stderr
    svg = xml.etree.ElementTree.fromstring(done.stdout)
    texts = {element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert set(words) <= texts
