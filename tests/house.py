"""Holds the sources against the house rules that a compiler does not know.

Layers know only what is below them, includes are rooted at lib/, comments are /* */,
and libdist exports exactly what its public headers declare. Prints TAP.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

# What each layer may include, beside itself and the public headers: layers, or a single
# header. Addresses are plain values, so io may speak of them without knowing the wire.
LAYERS = {
    "base": set(),
    "wire": {"base"},
    "io": {"base", "wire/uaddr.h"},
    "client": {"wire", "io", "base"},
    "bulk": {"client", "io", "base"},
    "server": {"wire", "io", "base"},
    "registry": {"base"},
    "agent": {"client", "server", "wire", "io", "base"},
    "master": {"registry", "client", "server", "wire", "io", "base"},
}

# Programs see the public headers, generated ones, and files of their own; but for the
# simulated nodes, which speak the protocols themselves, and for what measures a layer.
INSIDERS = ["bench/arrays", "bench/counting", "bench/membership"]
PROGRAMS = ["master", "node", "tools", "examples", "bench"]

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)

# Strings and character constants first, so that a // inside one is not a comment.
TOKEN = re.compile(
    r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.S)


def sources(root, folder, suffixes=("*.c", "*.h")):
    found = []
    for suffix in suffixes:
        found += (root / folder).rglob(suffix)
    return sorted(found)


def blank(match):
    """Comments and strings out, lines kept, so that line numbers stay right."""
    return "\n" * match[0].count("\n")


def strip(text):
    return TOKEN.sub(blank, text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def wrong_arrows(root):
    """Includes of a layer above, of a sibling, or of another program."""
    for path in sources(root, "lib"):
        layer = path.relative_to(root / "lib").parts[0]
        if layer == "include":
            continue
        text = path.read_text()
        for match in INCLUDE.finditer(text):
            target = match[1].split("/")[0] if "/" in match[1] else None
            allowed = LAYERS.get(layer, set())
            if target in LAYERS and target != layer and \
                    not {target, match[1]} & allowed:
                yield f"{path}:{line_of(text, match.start())}: {layer} must not know {match[1]}"
    for folder in PROGRAMS:
        for path in sources(root, folder):
            if str(path.parent.relative_to(root)) in INSIDERS:
                continue
            text = path.read_text()
            for match in INCLUDE.finditer(text):
                name = match[1]
                others = set(PROGRAMS) | set(LAYERS) | {"lib"}
                if name.split("/")[0] in others and "/" in name and \
                        not (root / folder / name).exists() and \
                        not (path.parent / name).exists():
                    yield (f"{path}:{line_of(text, match.start())}: "
                           f"programs know public headers alone, not {name}")


def wrong_paths(root):
    """Includes that climb, or that start beside the file instead of at lib/."""
    for folder in ["lib", "gen", *PROGRAMS, "tests"]:
        for path in sources(root, folder):
            text = path.read_text()
            for match in INCLUDE.finditer(text):
                where = f"{path}:{line_of(text, match.start())}"
                if ".." in match[1].split("/"):
                    yield f"{where}: {match[1]} climbs; includes are rooted"
                elif folder == "lib" and "/" not in match[1] and \
                        (path.parent / match[1]).exists():
                    yield f"{where}: {match[1]} is not rooted at lib/"


def line_comments(root):
    for folder in ["lib", "gen", *PROGRAMS, "tests", "idl"]:
        for path in sources(root, folder, ("*.c", "*.h", "*.x")):
            text = path.read_text()
            for match in TOKEN.finditer(text):
                if match[0].startswith("//"):
                    yield f"{path}:{line_of(text, match.start())}: {match[0]}"


def declared(root):
    """Functions that the public headers mark with DIST_PUBLIC."""
    names = set()
    for path in sources(root, "lib/include/dist"):
        text = re.sub(r"^[ \t]*#.*(?:\\\n.*)*$", "", strip(path.read_text()), flags=re.M)
        for match in re.finditer(r"\bDIST_PUBLIC\b([^;{]*)[;{]", text):
            words = match[1].split("(")[0]
            names.add(re.findall(r"\w+", words)[-1])
    return names


def mapped(root):
    """Names between global: and local: in the version script."""
    text = strip((root / "lib/libdist.map").read_text())
    names = set()
    for match in re.finditer(r"global:(.*?)(?:local:|\})", text, re.S):
        names |= set(re.findall(r"\w+", match[1]))
    return names


def exported(library):
    lines = subprocess.run(["nm", "-D", "--defined-only", "--format=posix", library],
                           check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in lines.splitlines()]
    return {row[0].split("@")[0] for row in rows if row[1] != "A"}


def difference(left, left_name, right, right_name):
    for name in sorted(left - right):
        yield f"{name} is in {left_name} and not in {right_name}"


def symbols(root, library):
    yield from difference(declared(root), "the public headers", mapped(root),
                          "lib/libdist.map")
    yield from difference(mapped(root), "lib/libdist.map", declared(root),
                          "the public headers")
    yield from difference(mapped(root), "lib/libdist.map", exported(library), library)
    # Sanitizers and the runtime add names of their own; ours all begin alike.
    ours = {name for name in exported(library) if not name.startswith("_")}
    yield from difference(ours, library, mapped(root), "lib/libdist.map")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--library", required=True)
    options = parser.parse_args()
    cases = [
        ("includes go down the layers only", wrong_arrows(options.root)),
        ("includes are rooted and never climb", wrong_paths(options.root)),
        ("comments are /* */", line_comments(options.root)),
        ("exports are what the public headers declare",
         symbols(options.root, options.library)),
    ]
    print(f"1..{len(cases)}")
    n_failed = 0
    for number, (name, findings) in enumerate(cases, 1):
        found = list(findings)
        n_failed += bool(found)
        print(f"{'not ok' if found else 'ok'} {number} - {name}")
        for line in found:
            print(f"# {line}")
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
