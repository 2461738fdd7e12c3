"""The man pages: there is one for all that is public, and what they say is so.

Every program and every header has its page; pages and --help name the same options; every
exported function stands in a page of section 3. dist(7)'s first cluster is played as it is
written there, and so are the examples of the programs' pages.
"""

import re
import shutil

import pytest

from conftest import HERE
from harness import command
from pages import Page, steps
from player import player  # noqa: F401

ROOT = HERE.parents[1]
MAN = ROOT / "man"
PROGRAMS = {"distgen": 1, "distctl": 1, "distbench": 1, "distmaster": 8, "distnode": 8}
HEADERS = {path.stem: path for path in (ROOT / "lib" / "include" / "dist").glob("*.h")}

# Headers that another page speaks for.
NO_PAGE = {
    "dist": "it takes all the others, which dist(7) names",
    "xdr_inline": "a part of xdr.h, not for use by itself",
}


def source(name):
    return next(MAN.glob(f"{name}.[178].scd"))


def section_3(installed):
    folder = installed.prefix / "share" / "man" / "man3"
    return {path.name.removesuffix(".3"): path.read_text() for path in folder.glob("*.3")}


def test_each_program_and_each_header_has_its_page(installed):
    made = section_3(installed)
    assert set(made) == {f"dist_{name}" for name in set(HEADERS) - set(NO_PAGE)}
    for name, section in PROGRAMS.items():
        path = installed.prefix / "share" / "man" / f"man{section}" / f"{name}.{section}"
        assert path.exists()
    seven = source("dist").read_text()
    for name in [*PROGRAMS, *made]:
        assert f"*{name}*(" in seven.split("# SEE ALSO")[1], name


@pytest.mark.parametrize("program", PROGRAMS)
def test_page_and_help_name_the_same_options(installed, program):
    offered = set(re.findall(r"(?<=[ ,])--[a-z0-9-]+",
                             installed.run(installed.bin / program, "--help")))
    told = set(re.findall(r"\*(--[a-z0-9-]+)\*", source(program).read_text()))
    assert told == offered


def test_each_exported_function_stands_in_a_page(installed):
    exported = re.findall(r"^\t(\w+);", (ROOT / "lib" / "libdist.map").read_text(), re.M)
    pages = "".join(section_3(installed).values())
    inline = HEADERS["xdr_inline"].read_text()
    missing = [name for name in exported
               # What an inline wrapper calls is told of under the wrapper's name.
               if not re.search(rf"\b{name.removesuffix('_sized')}\b", pages)
               and not re.search(rf"\b{name}\b", inline)]
    assert not missing


@pytest.mark.skipif(not shutil.which("groff"), reason="needs groff")
def test_pages_are_set_without_a_warning(installed):
    pages = sorted((installed.prefix / "share" / "man").glob("man?/*"))
    assert pages
    for path in pages:
        done = command("groff", "-k", "-t", "-man", "-Tutf8", "-ww", "-z", path)
        assert done.returncode == 0 and done.stderr == "", f"{path.name}: {done.stderr}"


def test_apropos_has_one_line_of_each_page(installed):
    for path in (installed.prefix / "share" / "man").glob("man?/*"):
        below = path.read_text().split("\n.SH NAME\n")[1].split("\n.SH ")[0]
        line, = [line for line in below.splitlines() if line not in (".P", ".PP")]
        assert re.match(rf"{path.stem} \\?- [a-z]", line), line
        assert len(line) <= 110, line


# --- Examples ----------------------------------------------------------------------------


def text_of(block):
    """A backslash is written twice in scdoc."""
    return block.text.replace("\\\\", "\\")


def blocks_of(name, heading):
    """The blocks of one section, each with its text."""
    page = Page(source(name))
    lines = page.path.read_text().splitlines()
    start = lines.index(f"# {heading}") + 1
    ends = [number for number, line in enumerate(lines, 1)
            if number > start and line.startswith("# ")]
    return [block for block in page.blocks if start < block.line < ends[0]]


@pytest.fixture
def at_work(player):  # noqa: F811
    """A player with the tree's arith interface, as the examples call it."""
    (player.work / "arith.x").write_text((ROOT / "idl" / "arith.x").read_text())
    (player.work / "arith.so").symlink_to(player.libdir / "dist" / "arith.so")
    return player


def run(player, text, host="alpha"):  # noqa: F811
    printed, failed = player.terminal(host).run(text, "failed", text)
    assert not failed, f"{text}\n" + "\n".join(printed)
    return printed


def start(player, text, line, host="alpha"):  # noqa: F811
    player.terminal(host).run_on(text, [line], text)


def test_the_first_cluster_of_dist_7(player):  # noqa: F811
    shells = []
    for block in blocks_of("dist", "A FIRST CLUSTER"):
        named = re.search(r"_(\w+\.[xc])_:$", block.before)
        if named:
            (player.work / named[1]).write_text(text_of(block))
        else:
            shells.append(text_of(block).splitlines())
    build, use = shells
    daemons = [line for line in build if line.endswith("&")]
    run(player, "\n".join(line for line in build if line not in daemons))
    for line, said in zip(daemons, ["... master-listening ...",
                                    '... node-registered name="one" ...',
                                    '... node-registered name="two" ...'], strict=True):
        start(player, line, said)
    printed = run(player, "\n".join(use))
    assert [line.split()[0] for line in printed[:3]] == ["NAME", "one", "two"]
    assert re.fullmatch(r"42, says (one|two)", printed[3])


def test_the_examples_of_distmaster(player):  # noqa: F811
    for block in blocks_of("distmaster", "EXAMPLES"):
        start(player, f"{text_of(block).strip()} &", "... master-listening ...")
        run(player, "kill $! && wait $!")


def test_the_examples_of_distnode(at_work):
    start(at_work, "distmaster --listen :3000 &", "... master-listening ...")
    elsewhere, two = blocks_of("distnode", "EXAMPLES")
    # The hosts file has no such name; alpha is one.
    command = text_of(elsewhere).strip().replace("master.example.net", "alpha")
    start(at_work, f"{command} &", "... notice registered master=alpha ...", "beta")
    for line in text_of(two).splitlines():
        name = re.search(r"--name (\w+)", line)[1]
        start(at_work, line, f'... node-registered name="{name}" ...')


def start_nodes(at_work, *names):
    start(at_work, "distmaster &", "... master-listening ...")
    for name in names:
        start(at_work, f"distnode --masters localhost --name {name} ./arith.so &",
              f'... node-registered name="{name}" ...')


def test_the_examples_of_distctl(at_work):
    start_nodes(at_work, "alpha", "beta")
    blocks = blocks_of("distctl", "EXAMPLES")
    # Those with a prompt end by themselves, and show what they print.
    sessions = [block for block in blocks if block.text.startswith("$ ")]
    assert len(sessions) >= 2
    names, top, watch, bench, drain = [block for block in blocks if block not in sessions]
    for step in [step for block in sessions for step in steps(block)]:
        printed = run(at_work, step.command)
        # Addresses and times are another machine's.
        assert [line.split()[0] for line in printed] == \
            [line.split()[0] for line in step.output]
    assert run(at_work, text_of(names)) == ["alpha", "beta"]
    # As it is written, but not for so long.
    printed = run(at_work, text_of(top).replace("10s", "500ms"))
    assert printed[1].split()[0] == "NODE" and {"alpha", "beta"} == {
        line.split()[0] for line in printed[2:4]}
    printed = run(at_work, text_of(bench).replace("10s", "500ms"))
    assert any("calls/s" in line for line in printed), printed
    watch_example(at_work, text_of(watch))
    assert run(at_work, text_of(drain)) == ["alpha left"]


def watch_example(at_work, text):
    """It names a node that is lost, and none that left."""
    # In a pipe jq would keep what it has; what it gets is shown here, too. The job is
    # distctl's own process: when it ends, so do the others.
    run(at_work, 'jq() { command jq --unbuffered "$@"; }\n'
                 'distctl() { exec distctl "$@" > >(exec tee /dev/stderr); }')
    start(at_work, f"{text.rstrip()} &", '..."id":"master-followed"...')
    run(at_work, "unset -f jq distctl")
    for name, signal in ("leaver", "TERM"), ("victim", "KILL"):
        start(at_work, f"distnode --masters localhost --name {name} ./arith.so &",
              f'..."id":"node-registered","name":"{name}"...')
        start(at_work, f"kill -{signal} $!; wait $!",
              f'..."id":"node-gone","name":"{name}"...')
    at_work.terminal("alpha").wait_line("^victim$")
    assert not at_work.terminal("alpha").find_line("^leaver$")


OWN = """program OWN_PROG {
	version OWN_V1 {
		int OWN_TWICE(int) = 2;
	} = 1;
} = 0x20000B01;
"""


def test_the_examples_of_distbench(at_work):
    (at_work.work / "own.x").write_text(OWN)
    (at_work.work / "procedures.c").write_text(
        '#include "own.h"\n'
        "bool_t own_twice_1_svc(int number, int *twice, struct svc_req *rqstp)\n"
        "{ (void)rqstp; *twice = 2 * number; return TRUE; }\n")
    run(at_work, "distgen own.x\ncc -shared -fPIC $CFLAGS $(pkg-config --cflags dist) "
                 "procedures.c own_svc.c own_dist.c -o own.so $(pkg-config --libs dist)")
    start_nodes(at_work, "sums")
    start(at_work, "distnode --masters localhost --name own ./own.so &",
          '... node-registered name="own" ...')
    # As they are written, but not for so long.
    run(at_work, 'distbench() { command distbench "$@" --warm-up 100ms --duration 300ms; }')
    *reports, script = blocks_of("distbench", "EXAMPLES")
    assert len(reports) == 3
    for block in reports:
        printed = run(at_work, text_of(block))
        assert any("calls/s" in line for line in printed), printed
    printed = run(at_work, f'{text_of(script)}echo "$p99"')
    assert float(printed[-1]) > 0


def test_the_examples_of_distgen(at_work):
    project, by_hand = blocks_of("distgen", "EXAMPLES")
    printed = run(at_work, text_of(project))
    assert printed[-1].startswith("total: ")
    (at_work.work / "procedures.c").write_text(
        '#include "arith.h"\n'
        "bool_t arith_sum_1_svc(int_array numbers, quad_t *sum, struct svc_req *rqstp)\n"
        "{ (void)rqstp; *sum = numbers.int_array_len; return TRUE; }\n")
    (at_work.work / "arith.so").unlink()
    *commands, node = text_of(by_hand).replace("\\\n", " ").splitlines()
    run(at_work, "cd ..\n" + "\n".join(commands))
    start(at_work, "distmaster &", "... master-listening ...")
    start(at_work, f"{node} &", "... notice registered ...")
