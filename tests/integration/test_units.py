"""The systemd units: they parse, and take away what a daemon does not need."""

import os
import re
import shutil

import pytest

from harness import BUILD, command

# systemd-analyze's measure, in tenths; 100 is a service without any setting, and what a
# program that uses the network cannot do without is some 10.
EXPOSURE_MAX = 15

UNITS = ["distmaster.service", "distnode@.service"]

pytestmark = [
    pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze"),
]


@pytest.fixture(params=UNITS)
def unit(request, tmp_path):
    """The unit with the programs of the build, so that it can be looked at uninstalled."""
    text = (BUILD / "deploy" / request.param).read_text()
    for name in ("master", "node"):
        text = re.sub(rf"(?m)^ExecStart=\S+/dist{name} ",
                      f"ExecStart={BUILD}/{name}/dist{name} ", text)
    path = tmp_path / request.param.replace("@.", "@test.")
    path.write_text(text)
    return path


def analyze(*arguments):
    # Without units of the host's, which may have faults of their own.
    return command("systemd-analyze", "--no-pager", *arguments,
                   env={"SYSTEMD_UNIT_PATH": os.path.dirname(arguments[-1]) + ":"})


def test_units_are_understood(unit):
    done = analyze("verify", "--man=no", unit)
    assert done.returncode == 0, done.stderr
    ours = [line for line in done.stderr.splitlines() if unit.stem in line]
    assert not ours, done.stderr


def test_units_take_away_what_is_not_needed(unit):
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", unit)
    assert "Overall exposure level" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0, done.stdout


def test_options_of_the_units_are_the_programs(unit):
    """What ExecStart passes of its own is known to the program."""
    program, *words = re.search(r"(?m)^ExecStart=(.*)$", unit.read_text())[1].split()
    help_text = command(program, "--help").stdout
    for word in words:
        assert not word.startswith("--") or word in help_text
