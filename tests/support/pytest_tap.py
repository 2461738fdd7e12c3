"""A pytest plugin that prints TAP instead of pytest's own report.

Meson and scripts/test then count each case. What a failed case printed and raised follows
it as comments. One that goes on for too long, and is ended by Meson for that, tells where
it is. Used as: pytest -p pytest_tap FILE.
"""

import faulthandler
import os
import signal
import sys

import pytest

number = 0

# To stderr as it is now, before pytest takes it.
faulthandler.register(signal.SIGTERM, file=os.dup(2), chain=True)


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    # Its options stay, for the plugins that read them; its report goes.
    config.pluginmanager.unregister(name="terminalreporter")


def say(line):
    # pytest has replaced sys.stdout while a test runs; this is the real one.
    print(line, file=sys.__stdout__, flush=True)


def comment(text):
    for line in str(text).splitlines():
        say("# " + line)


def case(ok, nodeid, directive=""):
    global number
    number += 1
    name = nodeid.split("::", 1)[-1].replace("#", "")
    say(f"{'ok' if ok else 'not ok'} {number} - {name}{directive}")


def pytest_runtest_logreport(report):
    if report.failed:
        case(False, report.nodeid, "" if report.when == "call" else f" ({report.when})")
        comment(report.longrepr)
        for title, content in report.sections:
            comment(f"--- {title}")
            comment(content)
    elif report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        case(True, report.nodeid, f" # SKIP {reason}")
    elif report.when == "call":
        case(True, report.nodeid)


def pytest_collectreport(report):
    if report.failed:
        case(False, report.nodeid or "collection")
        comment(report.longrepr)


def pytest_internalerror(excrepr):
    case(False, "pytest itself")
    comment(excrepr)


def pytest_sessionfinish(session, exitstatus):
    if number == 0:
        say("1..0 # SKIP no test was collected")
    else:
        say(f"1..{number}")
