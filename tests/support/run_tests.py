"""Configures a build directory, builds, runs the tests and counts their cases.

scripts/test calls this. Each kind of build has a directory of its own inside the
checkout, held by a lock while it is used, so that a second run beside this one takes
another. Tests speak TAP; the count is of their cases, not of their programs.
"""

import argparse
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = ROOT / "tests" / "support"
SANITIZERS = {"address": "address,undefined", "thread": "thread"}
CXX = {"gcc": "g++", "clang": "clang++"}


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/test", description="Build everything and run the tests.")
    parser.add_argument("--cc", choices=CXX, default="gcc", help="the compiler; gcc")
    parser.add_argument("--sanitize", choices=SANITIZERS,
                        help="build under address and undefined, or under thread")
    parser.add_argument("--optimize", choices=["0", "1", "2", "3"], default="2",
                        help="the -O level; 2")
    parser.add_argument("--ndebug", action="store_true", help="compile with NDEBUG")
    parser.add_argument("--werror", action="store_true", help="warnings are errors")
    parser.add_argument("--suite", action="append", default=[],
                        help="only this suite, such as unit; may be given again")
    parser.add_argument("tests", nargs="*", metavar="TEST",
                        help="only these tests, as `meson test --list` names them")
    return parser.parse_args()


def fail(message, output=""):
    if output:
        sys.stdout.write(output)
    print(f"scripts/test: {message}", flush=True)
    print("0 passed, 1 failed", flush=True)
    sys.exit(1)


# --- The build directory --------------------------------------------------------------

def directory_name(options):
    parts = ["build-test"]
    if options.cc != "gcc":
        parts.append(options.cc)
    if options.sanitize:
        parts.append(options.sanitize)
    if options.optimize != "2":
        parts.append("O" + options.optimize)
    if options.ndebug:
        parts.append("ndebug")
    if options.werror:
        parts.append("werror")
    return "-".join(parts)


def take_directory(options):
    """The first directory of this kind that no other run holds, and its lock."""
    name = directory_name(options)
    for number in range(1, 100):
        directory = ROOT / (name if number == 1 else f"{name}-{number}")
        directory.mkdir(exist_ok=True)
        lock = open(directory / ".lock", "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return directory, lock
    return fail(f"a hundred runs hold {ROOT / name} and its siblings")


def meson_options(options):
    optimize = "1" if options.sanitize and options.optimize == "2" else options.optimize
    arguments = ["-Dtests=enabled", "-Dauto_features=enabled",
                 f"-Doptimization={optimize}", "-Ddebug=true",
                 f"-Db_ndebug={'true' if options.ndebug else 'false'}",
                 f"-Dwerror={'true' if options.werror else 'false'}"]
    if options.sanitize:
        arguments.append(f"-Db_sanitize={SANITIZERS[options.sanitize]}")
    return arguments


def configured_here(directory):
    """Whether it holds a build of this very checkout: copies and moves do not count."""
    try:
        info = json.loads((directory / "meson-info" / "meson-info.json").read_text())
        return (not info["error"] and (directory / "build.ninja").exists() and
                info["directories"]["source"] == str(ROOT) and
                info["directories"]["build"] == str(directory))
    except (OSError, ValueError, KeyError):
        return False


def run_quietly(what, command, env):
    """Output is for a terminal, or for when it went wrong."""
    if sys.stdout.isatty():
        done = subprocess.run(command, env=env)
        output = ""
    else:
        done = subprocess.run(command, env=env, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = done.stdout
    if done.returncode:
        fail(f"{what} failed", output)


def empty(directory):
    """All but the lock, which another run may be looking at."""
    for entry in directory.iterdir():
        if entry.name == ".lock":
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def build(directory, options):
    env = dict(os.environ, CC=options.cc, CXX=CXX[options.cc])
    wanted = meson_options(options)
    stamp = directory / ".options"
    if not configured_here(directory) or not stamp.exists() or \
            stamp.read_text() != "\n".join(wanted):
        empty(directory)
        run_quietly("configuring the build",
                    ["meson", "setup", *wanted, str(directory), str(ROOT)], env)
        stamp.write_text("\n".join(wanted))
    run_quietly("the build", ["ninja", "-C", str(directory)], env)


# --- Sanitizers -----------------------------------------------------------------------

def works(command, env):
    try:
        return subprocess.run(command, env=env, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def sanitizer_setting(options, env):
    """What to put before the test command, after trying what this kernel allows.

    The thread sanitizer of clang 14 and gcc 12 does not know every layout that address
    randomisation gives, and the leak check needs ptrace, which containers may deny.
    """
    if not options.sanitize:
        return []
    env["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1"
    env["ASAN_OPTIONS"] = "detect_stack_use_after_return=1:abort_on_error=0"
    env["TSAN_OPTIONS"] = f"suppressions={SUPPORT / 'tsan.supp'}:second_deadlock_stack=1"
    with tempfile.TemporaryDirectory() as scratch:
        probe = f"{scratch}/probe"
        Path(probe + ".c").write_text("int main(void) { return 0; }\n")
        subprocess.run([options.cc, f"-fsanitize={SANITIZERS[options.sanitize]}",
                        probe + ".c", "-o", probe], check=True)
        prefix = []
        if options.sanitize == "thread" and works(["setarch", "-R", probe], env):
            prefix = ["setarch", "-R"]
        if works([*prefix, probe], env):
            return prefix
        env["ASAN_OPTIONS"] += ":detect_leaks=0"
        if works([*prefix, probe], env):
            print("scripts/test: leaks are not looked for: this machine denies ptrace")
            return prefix
    return fail(f"programs do not run under the {options.sanitize} sanitizer here")


# --- The tests ------------------------------------------------------------------------

def run_meson_tests(directory, options):
    env = dict(os.environ)
    prefix = sanitizer_setting(options, env)
    # Tests mostly wait, so twice as many as there are CPUs; those that measure run alone.
    command = [*prefix, "meson", "test", "-C", str(directory), "--no-rebuild",
               "--num-processes", str(2 * len(os.sched_getaffinity(0)))]
    if options.sanitize:
        command += ["--timeout-multiplier", "4"]
    for suite in options.suite:
        command += ["--suite", suite]
    log = directory / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    output = None if sys.stdout.isatty() else subprocess.PIPE
    done = subprocess.run([*command, *options.tests], env=env, stdout=output,
                          stderr=output and subprocess.STDOUT, text=True)
    if not log.exists():
        fail("no test ran", done.stdout or "")
    return done.returncode, [json.loads(line) for line in log.read_text().splitlines()]


def show_failure(test):
    """What a failed test said, without the cases that passed."""
    print(f"\n--- {test['name']}: {test['result']}, status {test['returncode']}, "
          f"{test['duration']:.1f} s")
    for line in test.get("stdout", "").splitlines():
        if not line.startswith("ok "):
            print(line)
    print(test.get("stderr", ""), flush=True)


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add_tap(self, stdout):
        """Cases of one test program, from what it printed."""
        for line in stdout.splitlines():
            case = re.match(r"(not )?ok\b[^#]*(?:#\s*(SKIP|TODO)\b)?", line, re.I)
            if case:
                if case[2]:
                    self.skipped += 1
                elif case[1]:
                    self.failed += 1
                else:
                    self.passed += 1
            elif re.match(r"1\.\.0\b", line):
                self.skipped += 1

    def add_test(self, test):
        failed_before, all_before = self.failed, self.total()
        self.add_tap(test.get("stdout", ""))
        if test["result"] in ("OK", "EXPECTEDFAIL"):
            if self.total() == all_before:
                self.passed += 1
        elif test["result"] == "SKIP":
            if self.total() == all_before:
                self.skipped += 1
        elif self.failed == failed_before:
            # It crashed, hung, or a sanitizer spoke up after its last case.
            self.failed += 1

    def total(self):
        return self.passed + self.failed + self.skipped

    def __str__(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


def main():
    options = parse_arguments()
    directory, lock = take_directory(options)
    with lock:
        build(directory, options)
        status, tests = run_meson_tests(directory, options)
    count = Count()
    for test in tests:
        count.add_test(test)
        if test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL"):
            show_failure(test)
    if status and not count.failed:
        count.failed += 1
    print(count, flush=True)
    return 1 if count.failed or not count.passed else 0


if __name__ == "__main__":
    sys.exit(main())
