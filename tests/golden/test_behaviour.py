"""distgen as a program: where it writes, when it writes nothing, and what it says."""

import os
import shutil
import signal
import subprocess

import pytest

from conftest import names, outputs

GOOD = """\
typedef int numbers<10>;
program SUM_PROG { version SUM_V1 { int SUM_OF(numbers) = 1; } = 1; } = 0x20000001;
"""
BAD = "typedef int numbers<10>\n"
TRY = "Try 'distgen --help' for more information.\n"


@pytest.fixture
def work(tmp_path):
    """A directory of the case's own, with nothing in it."""
    return tmp_path


def made(directory, base="sum"):
    assert names(directory) == outputs(base)


def well(done):
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def failed(done, message):
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message + "\n")


def misused(done, message):
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"distgen: error: {message}\n{TRY}"


# --- Where it writes ------------------------------------------------------------------

def test_writes_into_the_current_directory(generator, work):
    (work / "sum.x").write_text(GOOD)
    well(generator.run("sum.x", cwd=work))
    assert names(work) == sorted(outputs("sum") + ["sum.x"])


def test_writes_nothing_beside_a_source_elsewhere(generator, work):
    (work / "in").mkdir()
    (work / "out").mkdir()
    (work / "in/sum.x").write_text(GOOD)
    well(generator.run("../in/sum.x", cwd=work / "out"))
    assert names(work / "in") == ["sum.x"]
    made(work / "out")
    for name in outputs("sum")[1:]:
        text = (work / "out" / name).read_text()
        assert '#include "sum.h"' in text
        assert "in/sum" not in text


def test_takes_absolute_and_odd_paths(generator, work):
    odd = work / "a b:c$d"
    odd.mkdir()
    (odd / "sum.x").write_text('#include "part.x"\n' + GOOD)
    (odd / "part.x").write_text("typedef int part;\n")
    (work / "out").mkdir()
    well(generator.run("-o", work / "out", odd / "sum.x", cwd="/"))
    made(work / "out")
    assert "typedef int part;" in (work / "out/sum.h").read_text()


def test_replaces_what_is_there(generator, work):
    (work / "sum.x").write_text(GOOD)
    (work / "out").mkdir()
    for name in outputs("sum"):
        (work / "out" / name).write_text("old")
        (work / "out" / name).chmod(0o444)
    well(generator.run("-o", "out", "sum.x", cwd=work))
    made(work / "out")
    for name in outputs("sum"):
        assert (work / "out" / name).read_text() != "old"


def test_makes_the_same_twice(generator, work):
    (work / "sum.x").write_text(GOOD)
    (work / "one").mkdir()
    (work / "two").mkdir()
    well(generator.run("-o", "one", "sum.x", cwd=work))
    well(generator.run("-o", "two", "./sum.x", cwd=work))
    for name in outputs("sum"):
        assert (work / "one" / name).read_text() == (work / "two" / name).read_text()


def test_lists_files_only_if_asked(generator, work):
    (work / "sum.x").write_text(GOOD)
    done = generator.run("-v", "sum.x", cwd=work)
    assert sorted(done.stdout.split()) == sorted(f"./{n}" for n in outputs("sum"))


def test_passes_macros_and_directories_on(generator, work):
    (work / "inc").mkdir()
    (work / "inc/size.x").write_text("const SUM_MAX = SIZE;\n")
    (work / "sum.x").write_text('#include "size.x"\n#ifdef EXTRA\n' + GOOD + "#endif\n")
    done = generator.run("-D", "SIZE=77", "-DEXTRA", "-I", "inc", "sum.x", cwd=work)
    well(done)
    header = (work / "sum.h").read_text()
    assert "#define SUM_MAX 77" in header
    assert "sum_of_1_reply" in header
    assert "sum_of_1(numbers" in header


def test_tells_make_what_it_read(generator, work):
    (work / "in put").mkdir()
    (work / "in put/part.x").write_text("typedef int part;\n")
    (work / "in put/sum.x").write_text('#include "part.x"\n' + GOOD)
    (work / "out").mkdir()
    well(generator.run("-o", "out", "--depfile", "sum.d", "in put/sum.x", cwd=work))
    targets, _, sources = (work / "sum.d").read_text().partition(":")
    assert sorted(targets.split()) == [f"out/{name}" for name in outputs("sum")]
    read = [line.strip(" \\") for line in sources.splitlines()]
    assert "in\\ put/sum.x" in read and "in\\ put/part.x" in read
    (work / "Makefile").write_text("all: out/sum.h\n%.h:\n\techo anew\n-include sum.d\n")
    make = ["make", "-s", "--no-print-directory", "-C", work]
    assert subprocess.run(make, capture_output=True, text=True).stdout == ""
    os.utime(work / "in put/part.x", (2**32, 2**32))
    assert subprocess.run(make, capture_output=True, text=True).stdout == "anew\n"


def test_leaves_the_interface_out_if_told(generator, work):
    (work / "sum.x").write_text(GOOD)
    (work / "one").mkdir()
    (work / "two").mkdir()
    well(generator.run("-o", "one", "sum.x", cwd=work))
    well(generator.run("-o", "two", "--no-interface", "sum.x", cwd=work))
    assert "typedef int numbers" in (work / "one/sum_dist.c").read_text()
    assert "typedef" not in (work / "two/sum_dist.c").read_text()
    for name in set(outputs("sum")) - {"sum_dist.c"}:
        assert (work / "one" / name).read_text() == (work / "two" / name).read_text()


def test_carries_an_interface_up_to_a_limit(generator, work):
    constants = "".join(f"const SUM_CONSTANT_{i:05} = {i};\n" for i in range(7900))
    (work / "sum.x").write_text(GOOD + constants)
    well(generator.run("sum.x", cwd=work))
    assert "SUM_CONSTANT_07899" in (work / "sum_dist.c").read_text()
    assert generator.compile(work / "sum_dist.c", "-std=gnu11", "-Wall", "-Wextra",
                             "-Wpedantic", "-Werror") == ""
    (work / "sum.x").write_text(GOOD + constants + constants.replace("SUM_", "SUM_MORE_"))
    done = generator.run("sum.x", cwd=work)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("sum.x: warning: a module carries no text of over 262144 "
                                  "bytes, and this interface has ")
    assert "SUM_CONSTANT" not in (work / "sum_dist.c").read_text()


# --- When it writes nothing -----------------------------------------------------------

def test_leaves_all_as_it_was_when_it_fails(generator, work):
    (work / "sum.x").write_text(BAD)
    (work / "out").mkdir()
    (work / "out/sum.h").write_text("old")
    failed(generator.run("-o", "out", "sum.x", cwd=work),
           "sum.x:2: error: expected ';' after the definition, found the end of the file")
    assert names(work / "out") == ["sum.h"]
    assert (work / "out/sum.h").read_text() == "old"


def test_names_a_source_that_cannot_be_read(generator, work):
    failed(generator.run("sum.x", cwd=work),
           "distgen: error: sum.x: No such file or directory")
    (work / "sum.x").mkdir()
    failed(generator.run("sum.x", cwd=work),
           "distgen: error: sum.x: is not a regular file")
    failed(generator.run("sum.c", cwd=work),
           "distgen: error: sum.c: an interface's name ends in .x")
    assert names(work) == ["sum.x"]


def test_names_a_directory_that_cannot_be_written(generator, work):
    (work / "sum.x").write_text(GOOD)
    failed(generator.run("-o", "nowhere", "sum.x", cwd=work),
           "distgen: error: nowhere: cannot write into this directory: No such file or "
           "directory")
    (work / "sum_svc.c").mkdir()
    failed(generator.run("sum.x", cwd=work),
           "distgen: error: ./sum_svc.c: is a directory")
    assert names(work) == ["sum.x", "sum_svc.c"]


def fake_rpcgen(work, script):
    """A PATH on which rpcgen is @script."""
    (work / "bin").mkdir()
    fake = work / "bin/rpcgen"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    return {"PATH": f"{work}/bin:{os.environ['PATH']}"}


def test_says_when_there_is_no_rpcgen(generator, work):
    (work / "sum.x").write_text(GOOD)
    (work / "bin").mkdir()
    (work / "bin/cpp").symlink_to(shutil.which("cpp"))
    failed(generator.run("sum.x", cwd=work, env={"PATH": f"{work}/bin"}),
           "distgen: error: no rpcgen found: install it (Debian: rpcsvc-proto)")
    assert names(work) == ["bin", "sum.x"]


def test_tells_rpcgens_errors_as_its_own(generator, work):
    (work / "sum.x").write_text(GOOD)
    env = fake_rpcgen(work, "echo '  foo' >&2; echo '  ^^^' >&2; "
                            "echo 'sum.x, line 7: it does not like this' >&2; exit 1")
    failed(generator.run("sum.x", cwd=work, env=env),
           "sum.x:7: error: it does not like this")
    (work / "bin/rpcgen").write_text("#!/bin/sh\necho oh, no >&2\nexit 3\n")
    failed(generator.run("sum.x", cwd=work, env=env),
           "distgen: error: sum.x: rpcgen failed: oh, no")
    (work / "bin/rpcgen").write_text("#!/bin/sh\nkill -9 $$\n")
    failed(generator.run("sum.x", cwd=work, env=env),
           "distgen: error: sum.x: rpcgen failed without a word")
    assert names(work) == ["bin", "sum.x"]


def test_refuses_an_rpcgen_that_writes_something_else(generator, work):
    (work / "sum.x").write_text(GOOD)
    env = fake_rpcgen(work, 'while [ "$1" != -o ]; do shift; done; echo hello > "$2"')
    failed(generator.run("sum.x", cwd=work, env=env),
           "distgen: error: this rpcgen's sum.h has no include guard, so distgen cannot "
           "add to it")
    assert names(work) == ["bin", "sum.x"]


def test_leaves_nothing_when_it_is_interrupted(generator, work):
    (work / "sum.x").write_text(GOOD)
    os.mkfifo(work / "started")
    os.mkfifo(work / "never")
    env = fake_rpcgen(work, f"echo go > {work}/started\nread line < {work}/never")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with subprocess.Popen([generator.program, "sum.x"], cwd=work, env=env,
                              start_new_session=True) as process:
            (work / "started").read_text()
            process.send_signal(number)
            assert process.wait(30) == -number
        assert names(work) == ["bin", "never", "started", "sum.x"]


# --- What it says ---------------------------------------------------------------------

def test_helps_and_tells_its_version(generator, work):
    done = generator.run("--help", cwd=work)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: distgen ")
    done = generator.run("--version", cwd=work)
    assert (done.returncode, done.stdout.split()[0]) == (0, "distgen")


def test_refuses_wrong_usage(generator, work):
    misused(generator.run(cwd=work), "which interface? give a FILE.x")
    misused(generator.run("a.x", "b.x", cwd=work),
            "one FILE.x at a time, and a second is b.x")
    misused(generator.run("-o", "", "a.x", cwd=work), "-o wants a directory")
    done = generator.run("--frobnicate", cwd=work)
    assert (done.returncode, done.stderr.splitlines()[-1] + "\n") == (2, TRY)


def test_is_silent_about_habits_if_told(generator, work):
    (work / "sum.x").write_text("typedef int numbers<>;\n")
    done = generator.run("sum.x", cwd=work)
    assert (done.returncode, "sum.x:1: warning: " in done.stderr) == (0, True)
    well(generator.run("-w", "sum.x", cwd=work))


def test_preprocessors_warnings_are_told(generator, work):
    (work / "sum.x").write_text("\n#warning old\n" + GOOD)
    done = generator.run("sum.x", cwd=work)
    assert (done.returncode, done.stdout) == (0, "")
    assert [line[:16] for line in done.stderr.splitlines()] == ["sum.x:2:2: warni"]
    well(generator.run("-w", "sum.x", cwd=work))


# --- Garbage --------------------------------------------------------------------------

GARBAGE = {
    "a comment that does not end": b"struct a { int b; };\n/* and so on\n",
    "a number without end": b"const A = " + b"9" * 500 + b";\n",
    "a NUL byte": b"struct a { in\0t b; };\n",
    "a NUL byte in a comment": b"/* \0 */ const A = 1;\n",
    "a name of a megabyte": b"struct " + b"a" * 1_000_000 + b" { int b; };\n",
    "a hundred thousand structs inside each other":
        b"struct a {\n" + b"struct {\n" * 100_000 + b"int a; } b;\n" * 100_000 + b"};\n",
    "bytes of every kind": bytes(range(256)) * 16,
    "a string that does not end": b'const A = "abc\n;\n',
    "a condition that does not end": b"#if 1\nconst A = 1;\n",
    "a program that does not end": b"program P {",
    "a directive that nobody knows": b"#frobnicate\nconst A = 1;\n",
    "a marker with a line beyond counting": b'# 99999999999999999999 "y"\nstruct\n',
}


@pytest.mark.parametrize("what", GARBAGE)
def test_one_line_for(generator, work, what):
    (work / "sum.x").write_bytes(GARBAGE[what])
    done = generator.run("-w", "sum.x", cwd=work)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "error: " in done.stderr
    assert names(work) == ["sum.x"]
