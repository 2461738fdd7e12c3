"""A project that `distgen --new` starts, built and run at once with the installed files."""

import os
import re
import stat
import subprocess

import pytest

# "std" and "string" are names of headers, "int" is a word of C, the last is the longest.
NAMES = ["hello", "int", "string", "std", "a_1", "x" * 48]


def new(installed, where, *arguments):
    return subprocess.run([installed.bin / "distgen", *arguments], cwd=where, text=True,
                          env=installed.env, capture_output=True)


def make(installed, project, *targets, **variables):
    """As its user would: the programs and the library are found."""
    env = dict(installed.env, PATH=f"{installed.bin}:{os.environ['PATH']}",
               LD_LIBRARY_PATH=str(installed.libdir), **variables)
    done = subprocess.run(["make", "-C", project, *targets], env=env, text=True,
                          capture_output=True, timeout=300)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture
def hello(installed, tmp_path):
    done = new(installed, tmp_path, "--new", "hello")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "hello is made. Next: cd hello && make run\n"
    return tmp_path / "hello"


def test_a_new_project_builds_and_runs_at_once(installed, hello):
    done = make(installed, hello, "run")
    answers = re.findall(r"^(one|two|three): (\d+)$", done.stdout, re.M)
    assert len(answers) == 10, done.stdout + done.stderr
    assert len({name for name, _ in answers}) > 1, "one node did it all"
    assert sum(int(part) for _, part in answers) == sum(n * n for n in range(1, 1001))
    assert done.stdout.splitlines().count("total: 333833500") == 1
    # Nothing of the user's own code is warned of.
    assert "warning:" not in done.stderr, done.stderr


def test_run_fails_where_its_port_is_taken_and_joins_nobody(installed, hello, cluster):
    make(installed, hello)
    master = cluster.master()
    env = dict(installed.env, PATH=f"{installed.bin}:{os.environ['PATH']}",
               LD_LIBRARY_PATH=str(installed.libdir),
               PORT=master.address.rpartition(":")[2])
    done = subprocess.run([hello / "run"], env=env, text=True, capture_output=True,
                          timeout=60)
    assert done.returncode == 1 and "the address is in use" in done.stderr
    assert done.stdout == ""
    assert cluster.nodes(master.address) == {}


def test_its_page_tells_the_commands_that_work(installed, hello, cluster):
    """The commands of its README, but for the addresses."""
    page = (hello / "README.md").read_text()
    for line in ["distmaster --listen :3000", "./client MASTER",
                 "distnode --listen :0 --masters MASTER ./hello.so"]:
        assert f"    {line}" in page
    make(installed, hello)
    master = cluster.master()
    cluster.node(master.address, name="here", module=str(hello / "hello.so"))
    output = installed.run(hello / "client", master.address)
    assert output.splitlines()[-1] == "total: 333833500"
    assert output.count("here: ") == 10


def test_what_is_made_is_ignored_and_cleaned(installed, hello):
    before = {path.name for path in hello.iterdir()}
    assert before == {".gitignore", "Makefile", "README.md", "client.c", "hello.x",
                      "module.c", "run"}
    make(installed, hello)
    subprocess.run(["git", "init", "-q", hello], check=True)
    seen = subprocess.run(["git", "-C", hello, "ls-files", "-o", "--exclude-standard"],
                          check=True, capture_output=True, text=True).stdout
    assert set(seen.split()) == before
    make(installed, hello, "clean")
    assert {path.name for path in hello.iterdir()} == before | {".git"}


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_compile(installed, tmp_path, name):
    assert new(installed, tmp_path, "--new", name).returncode == 0
    make(installed, tmp_path / name)
    assert (tmp_path / name / f"{name}.so").exists()


def test_two_projects_have_program_numbers_of_their_own(installed, tmp_path):
    numbers = set()
    for name in NAMES:
        new(installed, tmp_path, "--new", name)
        text = (tmp_path / name / f"{name}.x").read_text()
        numbers.add(int(re.search(r"^} = (0x3[0-9a-f]{7});$", text, re.M)[1], 16))
    assert len(numbers) == len(NAMES)


@pytest.mark.parametrize("name", ["", "Hello", "2nd", "a-b", "a/b", "../up", "é", "x" * 49])
def test_a_name_that_is_none_is_refused(installed, tmp_path, name):
    done = new(installed, tmp_path, "--new", name)
    assert done.returncode == 1
    assert "small letters, digits and '_'" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["directory", "file", "dangling link"])
def test_what_is_there_is_never_touched(installed, tmp_path, what):
    path = tmp_path / "hello"
    {"directory": path.mkdir, "file": path.touch,
     "dangling link": lambda: path.symlink_to("nowhere")}[what]()
    done = new(installed, tmp_path, "--new", "hello")
    assert done.returncode == 1
    assert done.stderr == ("distgen: error: hello is there already: choose another name, "
                           "or move it away\n")
    assert list(tmp_path.iterdir()) == [path]
    assert path.is_symlink() or not path.is_dir() or list(path.iterdir()) == []


def test_it_is_made_where_told_with_the_users_umask(installed, tmp_path):
    (tmp_path / "there").mkdir()
    before = os.umask(0o027)
    try:
        done = new(installed, tmp_path, "-o", "there", "--new", "hello")
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stderr
    project = tmp_path / "there" / "hello"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode)
             for path in [project, project / "run", project / "hello.x"]}
    assert modes == {"hello": 0o750, "run": 0o750, "hello.x": 0o640}
    assert list((tmp_path / "there").iterdir()) == [project]


def test_a_file_beside_the_name_is_wrong_usage(installed, tmp_path):
    done = new(installed, tmp_path, "--new", "hello", "hello.x")
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []
