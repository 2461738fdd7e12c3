"""Interfaces that others wrote, through distgen, and what is made of them compiled.

They are those that Debian's rpcsvc-proto installs: NFS, mount, NLM, NSM, NIS, yppasswd and
more. libvirt's remote_protocol.x is in no binary package, and so is not here.
"""

import functools
import sys
from pathlib import Path

import tap
from generator import SUFFIXES, Directory, Generator, names, outputs
from tap import Skipped

FOLDER = Path("/usr/include/rpcsvc")

# What becomes of each. An interface of which rpcgen itself makes no C, or C that does not
# compile, has the reason beside it.
COMPILES = [
    "bootparam_prot", "klm_prot", "mount", "nfs_prot", "nis_object", "nlm_prot", "rex",
    "rquota", "rstat", "rusers", "sm_inter", "spray", "yp", "yppasswd",
]
# Right, but for headers that its % lines ask for and Debian does not have (nis_clnt.h).
NEEDS_OTHERS = ["nis_callback"]
REFUSED = {
    # A % line ends in a backslash, and the lines that follow it have no %: rpcgen says
    # "definition keyword expected" there, too.
    "nis": ["nis.x:411: error: expected const, enum, struct, typedef, union or program, "
            "found 'NIS_MODIFY_ACC'"],
    # typedef opaque keybuf[HEXKEYBYTES]; rpcgen -N makes C that contradicts its header.
    "key_prot": [f"key_prot.x:{line}: error: 'keybuf' is an array of fixed length, which "
                 "C cannot pass by value as rpcgen tries to: put it into a struct"
                 for line in (176, 218, 279)],
}


def generate(generator, base, out):
    source = FOLDER / f"{base}.x"
    if not source.exists():
        raise Skipped(f"{source} is not installed (Debian: rpcsvc-proto)")
    return generator.run("-w", "-o", out, source, cwd=out)


def compiles(base, generator, out):
    done = generate(generator, base, out)
    tap.equal((done.returncode, done.stdout, done.stderr), (0, "", ""), "the run")
    tap.equal(names(out), outputs(base), "files")
    for suffix in SUFFIXES[1:]:
        said = generator.compile(out, out / (base + suffix), "-w", "-std=gnu11")
        tap.equal(said, "", base + suffix)
    user = out / "user.cc"
    user.write_text(f'#include "{base}.h"\n')
    tap.equal(generator.compile(out, user, "-w", "-std=c++17"), "", "the header in C++")


def is_generated(base, generator, out):
    done = generate(generator, base, out)
    tap.equal((done.returncode, done.stdout, done.stderr), (0, "", ""), "the run")
    tap.equal(names(out), outputs(base), "files")


def is_refused(base, generator, out):
    done = generate(generator, base, out)
    said = [line.replace(f"{FOLDER}/", "") for line in done.stderr.splitlines()]
    tap.equal((done.returncode, said), (1, REFUSED[base]), "the run")
    tap.equal(names(out), [], "files")


def in_a_directory(function, base, generator):
    with Directory() as out:
        function(base, generator, out)


def all_are_known():
    """An interface that a newer package brings is to be put into a table here."""
    here = {path.stem for path in FOLDER.glob("*.x")}
    unknown = here - {*COMPILES, *NEEDS_OTHERS, *REFUSED}
    tap.equal(sorted(unknown), [], "interfaces that are in no table")


def main():
    generator = Generator(__doc__.splitlines()[0])
    cases = [("every installed interface is in a table", all_are_known)]
    for bases, function, what in ((COMPILES, compiles, "compiles"),
                                  (NEEDS_OTHERS, is_generated, "is generated"),
                                  (REFUSED, is_refused, "is refused")):
        cases += [(f"{base}.x {what}",
                   functools.partial(in_a_directory, function, base, generator))
                  for base in bases]
    return tap.run(cases)


if __name__ == "__main__":
    sys.exit(main())
