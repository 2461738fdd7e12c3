"""A project outside the tree, with its own interface, against the installed files."""

import itertools
import os
import shutil

import pytest

from conftest import CC, HERE
from harness import command

COMPILERS = [("gcc", "-std=c11"), ("clang", "-std=c11"),
             ("g++", "-xc++", "-std=c++17"), ("clang++", "-xc++", "-std=c++17")]
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
HEADERS = sorted(path.name for path in
                 (HERE.parents[1] / "lib" / "include" / "dist").glob("*.h"))


def compiler_id(compiler):
    return " ".join(compiler)


@pytest.fixture
def project(tmp_path):
    """A copy of the project, so that nothing is built in the tree."""
    for name in ("matrix.x", "module.c", "main.c", "main.cc", "Makefile", "meson.build"):
        shutil.copy(HERE / "project" / name, tmp_path)
    return tmp_path


def build_with_make(installed, project):
    installed.run("make", "-C", project)
    return project


def build_with_meson(installed, project):
    installed.run("meson", "setup", "-Db_lundef=false", project / "build", project)
    installed.run("ninja", "-C", project / "build")
    return project / "build"


BUILDS = {"make": build_with_make, "meson": build_with_meson}


@pytest.mark.parametrize("tool", BUILDS)
def test_a_project_of_ones_own_is_built_and_runs(installed, project, cluster, tool):
    built = BUILDS[tool](installed, project)
    master = cluster.master()
    cluster.node(master.address, name="here", module=str(built / "matrix.so"))
    for program in ("main-c", "main-cc"):
        output = installed.run(built / program, master.address)
        assert output == "7 10 15 22 trace 5 from here\n"


@pytest.mark.parametrize("header, compiler", itertools.product(HEADERS, COMPILERS),
                         ids=lambda value: value if isinstance(value, str)
                         else compiler_id(value))
def test_each_header_stands_alone(installed, tmp_path, header, compiler):
    source = tmp_path / "alone.c"
    source.write_text(f"#include <dist/{header}>\n#include <dist/{header}>\nint alone;\n")
    installed.run(*compiler, *STRICT, "-fsyntax-only", *installed.flags(), source)


@pytest.fixture
def stubs(installed, tmp_path):
    """What distgen makes of the example interface, as a user would run it."""
    shutil.copy(HERE.parents[1] / "idl" / "arith.x", tmp_path)
    installed.run(installed.bin / "distgen", "arith.x", cwd=tmp_path)
    return tmp_path


def build_contract(installed, stubs, compiler):
    """The program as it stands, with the C stubs of rpcgen."""
    sanitize = installed.env["CFLAGS"].split()
    common = [*installed.flags(), f"-I{stubs}", *sanitize]
    installed.run(*compiler, *STRICT, *common, "-c", HERE / "contract.c", "-o",
                  stubs / "contract.o")
    for name in ("arith_clnt", "arith_xdr"):
        installed.run(installed.env["CC"], "-w", "-std=gnu11", "-D_GNU_SOURCE", *common,
                      "-c", stubs / f"{name}.c", "-o", stubs / f"{name}.o")
    libraries = installed.run("pkg-config", "--libs", "dist").split()
    installed.run(compiler[0], *sanitize, *installed.env["LDFLAGS"].split(),
                  stubs / "contract.o", stubs / "arith_clnt.o", stubs / "arith_xdr.o",
                  *libraries, "-o", stubs / "contract")
    return stubs / "contract"


@pytest.mark.parametrize("compiler", COMPILERS, ids=compiler_id)
def test_the_contract_program_compiles_as_it_stands(installed, stubs, compiler):
    installed.run(*compiler, *STRICT, *installed.flags(), f"-I{stubs}", "-fsyntax-only",
                  HERE / "contract.c")


@pytest.mark.parametrize("language", ["C", "C++"])
@pytest.mark.parametrize("way", ["rpcbind", "port 3000"])
def test_the_contract_program_runs(installed, stubs, namespace, cluster_inside, language,
                                   way):
    """It opens "localhost" with no port: by way of rpcbind, or of the default port."""
    by_rpcbind = way == "rpcbind"
    if by_rpcbind:
        namespace.start_rpcbind()
    master = cluster_inside.master(
        listen="127.0.0.1:0" if by_rpcbind else "127.0.0.1:3000", rpcbind=by_rpcbind)
    cluster_inside.node(master.address, name="here")
    compiler = (installed.env["CC"], "-std=c11") if language == "C" else \
        (installed.env["CXX"], "-xc++", "-std=c++17")
    program = build_contract(installed, stubs, compiler)
    done = command(program, prefix=namespace.prefix, env=installed.env)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == "here: 12\nhere: 12\n"


def test_everything_is_installed(installed):
    expected = [*(f"bin/{name}" for name in
                  ("distgen", "distmaster", "distnode", "distctl", "distbench")),
                *(f"include/dist/{name}" for name in HEADERS),
                *(f"share/man/man1/{name}.1"
                  for name in ("distgen", "distctl", "distbench")),
                *(f"share/man/man8/{name}.8" for name in ("distmaster", "distnode"))]
    missing = [name for name in expected if not (installed.prefix / name).exists()]
    for name in ("libdist.so", "libdist.so.0", "libdist.a", "pkgconfig/dist.pc",
                 "dist/arith.so", "dist/palindrome.so", "dist/bayes.so"):
        if not (installed.libdir / name).exists():
            missing.append(name)
    assert not missing


@pytest.mark.parametrize("program", ["distgen", "distmaster", "distnode", "distctl",
                                     "distbench"])
def test_programs_run_from_any_prefix(installed, program):
    output = installed.run(installed.bin / program, "--version", cwd="/")
    version = installed.run("pkg-config", "--modversion", "dist").strip()
    assert version in output


def test_nothing_installed_names_the_build(installed):
    """A path of the build would be a library found by accident."""
    build = os.environ["DIST_BUILD"].encode()
    for path in [*installed.bin.iterdir(), *installed.libdir.rglob("*.so*")]:
        dynamic = installed.run("readelf", "-d", path)
        assert build.decode() not in dynamic, path


@pytest.mark.parametrize("module", ["arith", "arith.so"])
def test_an_installed_module_is_found_by_its_name(cluster, tmp_path, module):
    node = cluster.start(cluster.program("distnode"), "--no-masters", "--listen",
                         "127.0.0.1:0", module, cwd=tmp_path)
    node.wait_line("node-listening ")
    assert node.stop() == 0


def test_a_program_links_the_static_library(installed, project, cluster):
    """Without libdist.so: what pkg-config --static names is enough, and nothing less."""
    installed.run("make", "-C", project)
    flags = installed.run("pkg-config", "--static", "--cflags", "--libs", "dist").split()
    flags = [installed.libdir / "libdist.a" if flag == "-ldist" else flag
             for flag in flags + installed.env["CFLAGS"].split()]
    installed.run(CC, "-w", "-D_GNU_SOURCE", "-o", project / "static",
                  project / "main.c", project / "matrix_clnt.c", project / "matrix_xdr.c",
                  *flags)
    assert "libdist" not in installed.run("ldd", project / "static")
    master = cluster.master()
    cluster.node(master.address, name="here", module=str(project / "matrix.so"))
    assert installed.run(project / "static", master.address) == \
        "7 10 15 22 trace 5 from here\n"
