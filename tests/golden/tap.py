"""Runs cases and speaks TAP: a case is a name and a function that raises when it fails."""

import sys
import traceback


class Skipped(Exception):
    """Raised by a case that cannot run here; its text says why."""


def run(cases):
    print(f"1..{len(cases)}")
    n_failed = 0
    for number, (name, function) in enumerate(cases, 1):
        try:
            function()
        except Skipped as why:
            print(f"ok {number} - {name} # SKIP {why}")
        except Exception:
            n_failed += 1
            print(f"not ok {number} - {name}")
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
        else:
            print(f"ok {number} - {name}")
        sys.stdout.flush()
    return 1 if n_failed else 0


def equal(seen, expected, what):
    if seen != expected:
        raise AssertionError(f"{what}:\n--- seen\n{seen}\n--- expected\n{expected}")
