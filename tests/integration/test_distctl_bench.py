"""distctl bench: distbench, with the masters of distctl."""

import json
import os
import shutil

import pytest

from harness import BUILD, Cluster, command

PATH = f"{BUILD / 'bench'}:{os.environ['PATH']}"


def bench(*arguments, path=PATH, program=None, env=None):
    return command(program or Cluster.program("distctl"), *arguments,
                   env={"PATH": path, **(env or {})})


def test_it_calls_the_nodes_of_these_masters(cluster):
    master = cluster.master()
    cluster.node(master.address, name="alpha")
    done = bench("--masters", master.address, "bench", "--calls", "50")
    assert done.returncode == 0, done.stderr
    assert "50" in done.stdout


@pytest.mark.parametrize("ours, theirs", [(["--json"], []), ([], ["--json"])])
def test_json_before_or_behind_the_command(cluster, ours, theirs):
    master = cluster.master()
    cluster.node(master.address, name="alpha")
    done = bench("--masters", master.address, *ours, "bench", *theirs, "--calls", "50",
                 "--in-flight", "4")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["calls"] == 50


def test_masters_may_be_left_to_distbench(cluster):
    node = cluster.node(None)
    done = bench("bench", "--servers", f"127.0.0.1:{node.port}", "--calls", "5")
    assert done.returncode == 0, done.stderr
    done = bench("bench", "--calls", "5")
    assert done.returncode == 2
    assert done.stderr.startswith("distbench: ")


def test_options_behind_it_are_distbenchs():
    assert bench("bench", "--help").stdout.startswith("Usage: distbench ")
    assert bench("--help", "bench").stdout.startswith("Usage: distctl ")
    done = bench("--masters", "127.0.0.1:1", "bench", "--no-such-option")
    assert done.returncode == 2
    assert done.stderr.startswith("distbench: ")
    done = bench("--no-such-option", "bench")
    assert done.returncode == 2
    assert done.stderr.startswith("distctl: ")


def test_its_name_behind_another_command_is_a_word():
    done = bench("--masters", "127.0.0.1:1", "nodes", "bench", "--json")
    assert done.returncode == 2
    assert "distctl: nodes takes no 'bench'" in done.stderr


def test_one_beside_distctl_comes_first(tmp_path):
    (tmp_path / "bin").mkdir()
    program = shutil.copy(Cluster.program("distctl"), tmp_path / "bin" / "distctl")
    script = tmp_path / "bin" / "distbench"
    script.write_text("#!/bin/sh\necho beside: \"$@\"\n")
    script.chmod(0o755)
    done = bench("--masters", "a,b", "bench", "one word", "--two", program=program,
                 env={"LD_LIBRARY_PATH": str(BUILD / "lib")})
    assert done.stdout == "beside: --masters a,b one word --two\n"


def test_without_distbench_it_says_what_is_missing(tmp_path):
    done = bench("--masters", "127.0.0.1:1", "bench", path=str(tmp_path))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (f"distctl: distbench is neither in {BUILD / 'tools'} nor in PATH: "
                           "install it, it comes with distctl\n")
