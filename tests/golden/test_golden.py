"""What distgen itself yields, held against what it should, byte for byte.

A case is a folder in cases/: an interface in a .x file, and beside it

  header    what was added to NAME.h
  service   NAME_dist.c
  messages  what was said; without the other two, distgen must have failed

The rest is rpcgen's, and only has to compile. With DIST_UPDATE=1 in the environment the
files are written anew, to be read before they are committed.
"""

import os
import shutil

import pytest

from conftest import HERE, names, outputs

CASES = sorted((HERE / "cases").iterdir())
MARK = "/* Added by distgen. */"
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def run(generator, case, work):
    """What was made: base and directory, and the texts that a case pins."""
    source = next(case.glob("[!_]*.x"))
    shutil.copytree(case, work / "in")
    out = work / "out"
    out.mkdir()
    done = generator.run("-o", "../out", source.name, cwd=work / "in")
    assert done.stdout == ""
    seen = {"header": None, "service": None, "messages": done.stderr or None}
    if done.returncode != 0:
        assert done.returncode == 1
        assert names(out) == []
        return None, out, seen
    assert names(out) == outputs(source.stem)
    added = (out / f"{source.stem}.h").read_text().partition(MARK)[2]
    seen["header"] = added.rpartition("#endif /* !")[0].strip("\n") + "\n"
    seen["service"] = (out / f"{source.stem}_dist.c").read_text()
    return source.stem, out, seen


def update(case, seen):
    for name, text in seen.items():
        if text is None:
            (case / name).unlink(missing_ok=True)
        else:
            (case / name).write_text(text)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(generator, tmp_path, case):
    base, out, seen = run(generator, case, tmp_path)
    if os.environ.get("DIST_UPDATE"):
        update(case, seen)
    for name, text in seen.items():
        expected = case / name
        assert text == (expected.read_text() if expected.exists() else None), name
    if base:
        generator.compile_sources(out, base)


# What we add has to stand any user's warnings, and C++.
@pytest.mark.parametrize("case", [case for case in CASES if (case / "header").exists()],
                         ids=lambda case: case.name)
def test_our_part_compiles_strictly(generator, tmp_path, case):
    base, out, _ = run(generator, case, tmp_path)
    assert generator.compile(out / f"{base}_dist.c", "-std=gnu11", *STRICT) == ""
    for suffix, standard in ((".c", "-std=c11"), (".cc", "-std=c++17")):
        for before in ("", "#include <dist/dist.h>\n"):
            user = out / f"user{suffix}"
            user.write_text(f'{before}#include "{base}.h"\n#include "{base}.h"\n')
            assert generator.compile(user, standard, "-D_DEFAULT_SOURCE", *STRICT) == ""
