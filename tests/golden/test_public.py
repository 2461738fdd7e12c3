"""Interfaces that others wrote, through distgen, and what is made of them compiled.

They are those that Debian's rpcsvc-proto installs: NFS, mount, NLM, NSM, NIS, yppasswd and
more. libvirt's remote_protocol.x is in no binary package, and so is not here.
"""

from pathlib import Path

import pytest

from conftest import names, outputs

FOLDER = Path("/usr/include/rpcsvc")

# What becomes of each. An interface of which rpcgen itself makes no C, or C that does not
# compile, has the reason beside it.
COMPILES = [
    "bootparam_prot", "klm_prot", "mount", "nfs_prot", "nis_object", "nlm_prot", "rex",
    "rquota", "rstat", "rusers", "sm_inter", "spray", "yp", "yppasswd",
]
# Right, but for a header that a % line asks for and Debian does not have (nis_clnt.h).
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
        pytest.skip(f"{source} is not installed (Debian: rpcsvc-proto)")
    return generator.run("-w", "-o", out, source, cwd=out)


def generate_all(generator, base, out):
    done = generate(generator, base, out)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert names(out) == outputs(base)


@pytest.mark.parametrize("base", COMPILES)
def test_compiles(generator, tmp_path, base):
    generate_all(generator, base, tmp_path)
    generator.compile_sources(tmp_path, base)
    user = tmp_path / "user.cc"
    user.write_text(f'#include "{base}.h"\n')
    assert generator.compile(user, "-w", "-std=c++17") == ""


@pytest.mark.parametrize("base", NEEDS_OTHERS)
def test_is_generated(generator, tmp_path, base):
    generate_all(generator, base, tmp_path)


@pytest.mark.parametrize("base", REFUSED)
def test_is_refused(generator, tmp_path, base):
    done = generate(generator, base, tmp_path)
    said = [line.replace(f"{FOLDER}/", "") for line in done.stderr.splitlines()]
    assert (done.returncode, said) == (1, REFUSED[base])
    assert names(tmp_path) == []


# One that a newer package brings is to be put into a table here.
def test_every_installed_interface_is_in_a_table():
    here = {path.stem for path in FOLDER.glob("*.x")}
    assert here - {*COMPILES, *NEEDS_OTHERS, *REFUSED} == set()
