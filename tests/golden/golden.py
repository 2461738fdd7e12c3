"""What distgen itself yields, held against what it should, byte for byte.

A case is a folder in cases/: an interface in a .x file, and beside it

  header    what was added to NAME.h
  service   NAME_dist.c
  messages  what was said; without the other two, distgen must have failed

The rest is rpcgen's, and only has to compile. `golden.py --update` writes the files anew,
to be read before they are committed.
"""

import functools
import shutil
import sys
from pathlib import Path

import tap
from generator import MARK, SUFFIXES, Directory, Generator, names, outputs

CASES = Path(__file__).resolve().parent / "cases"
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def read(path):
    return path.read_text() if path.exists() else None


def compile_all(generator, out, base):
    for suffix in SUFFIXES[1:]:
        said = generator.compile(out, out / (base + suffix), "-w", "-std=gnu11")
        tap.equal(said, "", base + suffix)
    # What we add has to stand any user's warnings, and C++.
    service = out / f"{base}_dist.c"
    tap.equal(generator.compile(out, service, "-std=gnu11", *STRICT), "", service.name)
    for suffix, standard in ((".c", "-std=c11"), (".cc", "-std=c++17")):
        for before in ("", "#include <dist/dist.h>\n"):
            user = out / f"user{suffix}"
            user.write_text(f'{before}#include "{base}.h"\n#include "{base}.h"\n')
            said = generator.compile(out, user, standard, "-D_DEFAULT_SOURCE", *STRICT)
            tap.equal(said, "", user.name)


def run_case(generator, case):
    source = next(case.glob("[!_]*.x"))
    base = source.stem
    with Directory() as work:
        out = work / "out"
        out.mkdir()
        shutil.copytree(case, work / "in")
        done = generator.run("-o", "../out", source.name, cwd=work / "in")
        seen = {"header": None, "service": None, "messages": done.stderr or None}
        if done.returncode == 0:
            tap.equal(names(out), outputs(base), "files made")
            added = (out / f"{base}.h").read_text().partition(MARK)[2]
            seen["header"] = added.rpartition("#endif /* !")[0].strip("\n") + "\n"
            seen["service"] = (out / f"{base}_dist.c").read_text()
            compile_all(generator, out, base)
        else:
            tap.equal(done.returncode, 1, "exit status")
            tap.equal(names(out), [], "files made by a run that failed")
        tap.equal(done.stdout, "", "standard output")
    for name, text in seen.items():
        if generator.options.update and text:
            (case / name).write_text(text)
        elif generator.options.update:
            (case / name).unlink(missing_ok=True)
        tap.equal(text, read(case / name), f"{case.name}/{name}")


def main():
    generator = Generator(__doc__.splitlines()[0])
    return tap.run([(case.name, functools.partial(run_case, generator, case))
                    for case in sorted(CASES.iterdir())])


if __name__ == "__main__":
    sys.exit(main())
