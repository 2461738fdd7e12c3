"""The manual in docs/, run as it is written: a page that lies fails a test.

docs/README.md says which pages there are. Each begins anew, on three machines that have
the programs installed: alpha, beta and gamma, namespaces with a network and a folder in
common. Its fenced blocks are taken one after the other; the words behind the fence say
what each is:

    ```x NAME  ```c NAME  ```make NAME  ```meson NAME
        the file NAME, which is written into the folder. The paragraph before names it too,
        for readers do not see the fence.
    ```sh
        commands, pasted into alpha's shell. Each has to end well.
    ```console
        a session. "$ " begins a command on alpha, "beta$ " one on beta, "> " goes on with
        it. Below it stands all that it prints, stdout and stderr. "..." in a line is what
        varies; alone it is any number of lines. One that fails has "$ echo $?" behind it.
        One that ends in "&" goes on; the lines below it are waited for.
    ```LANGUAGE shown
        is not run. NOT_RUN has each of them, and why.

Names in the prose are held against the programs' --help, the headers and the files there
are; the tables of errors against the library, the man pages and the sources.
"""

import re
import shutil

import pytest

from conftest import HERE
from pages import Page, steps
from player import FILES, player  # noqa: F401

ROOT = HERE.parents[1]
DOCS = ROOT / "docs"
INDEX = Page(DOCS / "README.md")
PAGES = {path: Page(DOCS / path)
         for path in re.findall(r"\]\(([\w-]+\.md)\)",
                                INDEX.prose_text().split("\n## ")[1])}

# (page, language): how many, and why they are not run.
NOT_RUN = {
    ("tutorial.md", "sh"): (1, "installs: test_install runs it, on a machine of its own"),
    ("migrating.md", "go"): (2, "what one comes from: Go is not needed here"),
}


def test_the_manual_has_its_parts():
    assert list(PAGES) == ["tutorial.md", "x-files.md", "calling.md", "running.md",
                           "migrating.md", "errors.md"]
    assert "(docs/README.md)" in (ROOT / "README.md").read_text()


def test_what_is_not_run_is_listed():
    shown = {}
    for page in PAGES.values():
        for block in page.blocks:
            if block.words == ["shown"]:
                key = page.name, block.language
                shown[key] = shown.get(key, 0) + 1
    assert shown == {key: number for key, (number, _) in NOT_RUN.items()}


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_each_block_is_of_a_kind_that_is_run(page):
    for block in page.blocks:
        if block.words == ["shown"]:
            continue
        if block.language in FILES:
            assert len(block.words) == 1, f"{block.place}: which file is it?"
            assert f"`{block.words[0]}`" in block.before, \
                f"{block.place}: the text before it does not name {block.words[0]}"
        else:
            assert block.language in ("sh", "console"), block.place
            assert block.words == [], block.place
        if block.language == "console":
            assert steps(block), block.place
    for number, line in page.prose:
        assert not re.match(r"    \S|\t", line), \
            f"{page.name}:{number}: an indented block, which is not run"


# --- A page is played --------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_the_page_is_true(player, page):  # noqa: F811
    if any("nft " in block.text for block in page.blocks) and \
            player.network.bridge.run("nft", "list", "tables").returncode:
        pytest.skip("needs nft, and a kernel with nftables")
    if any("gearmand " in block.text for block in page.blocks) and \
            not shutil.which("gearmand"):
        pytest.skip("needs gearmand and libgearman")
    for block in page.blocks:
        player.play(block)


# --- What the prose names ----------------------------------------------------------------


ALL = [INDEX, *PAGES.values()]
HEADERS = "".join(path.read_text() for path in
                  sorted((ROOT / "lib" / "include" / "dist").glob("*.h")))
PROGRAMS = ["distgen", "distmaster", "distnode", "distctl", "distbench"]

# Those that are read by people alone, too.
EVERY = [*ALL, *(Page(path) for path in [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "bench" / "README.md",
    *sorted(DOCS.glob("*.md"))] if path not in [page.path for page in ALL])]

# Options of others' programs that the prose names.
FOREIGN_OPTIONS = {"--status"}  # gearadmin's; its --workers is ours, too


# What names of files are relative to.
SOURCES = [".", "lib", "lib/include", "tests"]


def place(page):
    return str(page.path.relative_to(ROOT))


@pytest.mark.parametrize("page", EVERY, ids=place)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", page.prose_text()):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        there = (page.path.parent / path) if path else page.path
        assert there.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(there), f"{page.name}: {target}"


@pytest.mark.parametrize("page", EVERY, ids=place)
def test_files_that_are_named_are_there(page):
    """As `client/pick.c` is for lib/client/pick.c, `dist/xdr.h` for what is included."""
    own = {word for block in page.blocks for word in block.words}
    for number, code in page.inline_code():
        for name in re.findall(r"(?<![\w./-])(?:[\w-]+/)+[\w-]+\.(?:[ch]|py|x|tsv)\b", code):
            assert name in own or re.search("[A-Z]", name) or \
                any((ROOT / folder / name).exists() for folder in SOURCES), \
                f"{place(page)}:{number}: {name}"


def anchors(path):
    """As GitHub makes them of headings."""
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)$", path.read_text(), re.M)}


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_names_of_the_library_are_there(page):
    for number, code in page.inline_code():
        for name in re.findall(r"\b(?:dist_\w+|DIST_E\w+)", code):
            name = name.removeprefix("DIST_")
            assert re.search(rf"\b{name}\b", HEADERS), f"{page.name}:{number}: {name}"


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_options_are_ones_that_the_programs_have(installed, page):
    known = set().union(*(re.findall(r"--[a-z-]+", installed.run(installed.bin / name,
                                                                 "--help"))
                          for name in PROGRAMS))
    named = {option for _, code in page.inline_code()
             for option in re.findall(r"(?<!\S)--[a-z-]+", code)}
    assert named <= known | FOREIGN_OPTIONS


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_pages_of_the_man_are_there(page):
    for name, section in re.findall(r"\b(dist\w*)\((\d)\)", page.prose_text()):
        made = ROOT / "man" / f"{name}.{section}.scd"
        header = ROOT / "lib" / "include" / "dist" / f"{name.removeprefix('dist_')}.h"
        assert made.exists() or section == "3" and header.exists(), f"{page.name}: {name}"


# --- The tables of errors ----------------------------------------------------------------


ERRORS_C = r"""
#include <dist/dist.h>
#include <stdio.h>
#include <string.h>

int
main(void)
{
	for (int i = 1; strcmp(dist_error_name(i), "DIST_?"); i++)
		printf("%s|%d|%s\n", dist_error_name(i), dist_error_to_clnt_stat(i),
		       dist_error_string(i));
	return 0;
}
"""


def statuses(installed):
    """The numbers of enum clnt_stat by name, as libtirpc's header has them."""
    header = installed.run("sh", "-c",
                           "echo '#include <rpc/rpc.h>' | "
                           "$CC -E - $(pkg-config --cflags dist)")
    body = re.search(r"enum clnt_stat \{(.*?)\};", header, re.S)[1]
    return {name: int(number) for name, number in re.findall(r"(RPC_\w+)\s*=\s*(\d+)", body)}


def test_each_error_is_told_as_the_library_has_it(installed, tmp_path):
    source, program = tmp_path / "errors.c", tmp_path / "errors"
    source.write_text(ERRORS_C)
    installed.run("sh", "-c", f"$CC $CFLAGS {source} -o {program} $LDFLAGS "
                              "$(pkg-config --cflags --libs dist)")
    numbers = statuses(installed)
    told = [(row[0].strip("`"), str(numbers[row[1]]), row[2])
            for row in PAGES["errors.md"].rows("## All of them")]
    assert told == [tuple(line.split("|"))
                    for line in installed.run(program).splitlines()]


def test_statuses_are_ones_of_onc_rpc(installed):
    rows = PAGES["errors.md"].rows("## When the server says no")
    assert {row[0] for row in rows} <= set(statuses(installed))


def exit_statuses(program):
    """Those that the man page tells of."""
    path = next((ROOT / "man").glob(f"{program}.[18].scd"))
    section = re.split(r"^# ", path.read_text().split("# EXIT STATUS\n")[1], flags=re.M)[0]
    return set(re.findall(r"^\*(\d)\*$|(?:^|\. )(\d):", section, re.M))


def test_exit_statuses_are_those_of_the_man_pages():
    told = {row[0].strip("`"): {str(i) for i, cell in enumerate(row[1:]) if cell}
            for row in PAGES["errors.md"].rows("## Exit statuses")}
    assert told == {name: {"".join(pair) for pair in exit_statuses(name)}
                    for name in PROGRAMS}


LOGGED = re.compile(r"(?:dist_log_(?:warning|error)\(|dist_log\(DIST_LOG_(?:WARNING|ERROR),"
                    r"|agent_log_trouble\(agent,)\s*\"([a-z-]+)\"")


def test_each_warning_is_told():
    logged = set()
    for folder in ("lib", "node", "master", "tools"):
        for path in (ROOT / folder).rglob("*.c"):
            logged.update(LOGGED.findall(path.read_text()))
    told = [row[0].strip("*") for row in PAGES["errors.md"].rows("## Lines in the log")]
    assert sorted(told) == sorted(logged)
