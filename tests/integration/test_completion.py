"""What bash and zsh offer to complete a distctl line with."""

import os
import pty
import shutil
import signal
from pathlib import Path

import pytest

from harness import BUILD, Cluster, command, eventually

ROOT = Path(__file__).resolve().parents[2]
COMPLETION = ROOT / "tools" / "completion"
CONSTRUCTS = ROOT / "tests" / "unit" / "json" / "constructs.x"
COMMANDS = {"nodes", "services", "ping", "stats", "callers", "top", "watch", "doctor", "drain",
            "call", "procedures", "bench"}

BASH = """
source "$1"
COMP_LINE=$2 COMP_POINT=${#2}
_distctl
printf '%s\\n' "${COMPREPLY[@]}"
"""

# Instead of showing what there is, the shell prints it between two marks, and ends.
ZSHRC = r"""
PROMPT= LISTMAX=10000
fpath=("$COMPLETION" $fpath)
autoload -Uz compinit && compinit -u -D
zstyle ':completion:*' insert-tab false
bindkey '^I' complete-word
mark() { print -r -- '<mark>' }
compprefuncs=(mark)
comppostfuncs=(mark exit)
compadd() {
	local -a found
	[[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]] && { builtin compadd "$@"; return }
	builtin compadd -A found "$@"
	(( $#found )) && print -rl -- $found
	builtin compadd "$@"
}
print '<ready>'
"""


def bash(line, cwd, path):
    done = command("bash", "--norc", "-c", BASH, "bash", COMPLETION / "distctl.bash", line,
                   cwd=cwd, env={"PATH": path})
    assert done.stderr == ""
    return set(done.stdout.split("\n")) - {""}


def read_until(fd, seen, mark, n=1):
    while seen.count(mark) < n:
        seen += os.read(fd, 4096).decode(errors="replace")
    return seen


def zsh(line, cwd, path):
    (cwd / ".zshrc").write_text(ZSHRC)
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execvpe("zsh", ["zsh", "-d", "-i"], {
            **os.environ, "PATH": path, "TERM": "dumb", "ZDOTDIR": str(cwd),
            "COMPLETION": str(COMPLETION)})
    try:
        read_until(fd, "", "<ready>")
        os.write(fd, f"{line}\t".encode())
        seen = read_until(fd, "", "<mark>", 2)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(fd)
    offered = seen.split("<mark>")[1].replace("\r", "").split("\n")
    return {word.strip() for word in offered} - {""}


SHELLS = [pytest.param(bash, id="bash"),
          pytest.param(zsh, id="zsh", marks=pytest.mark.skipif(
              not shutil.which("zsh"), reason="there is no zsh"))]


@pytest.fixture(params=SHELLS)
def complete(request, tmp_path):
    """A function from a line to what is offered, in a directory with an interface."""
    (tmp_path / "shapes.x").symlink_to(CONSTRUCTS)
    (tmp_path / "shapes.txt").write_text("")
    (tmp_path / "folder").mkdir()
    path = f"{BUILD / 'tools'}:{BUILD / 'bench'}:{os.environ['PATH']}"
    return lambda line: request.param(line, tmp_path, path)


def test_commands(complete):
    assert complete("distctl ") == COMMANDS
    assert complete("distctl --masters a:1 p") == {"ping", "procedures"}


def test_files_are_interfaces_and_folders(complete):
    for line in ("distctl procedures ", "distctl call "):
        offered = {name.rstrip("/") for name in complete(line)}
        assert offered == {"shapes.x", "folder"}


def test_procedures_come_out_of_the_file(complete):
    offered = complete("distctl call shapes.x ")
    assert {"CON_ARRAYS", "CON_SEVERAL"} < offered
    assert len(offered) == 10
    assert complete("distctl call shapes.x CON_B") == {"CON_BOOL", "CON_BIG"}
    assert "CON_PROG/1/CON_BIG" in complete("distctl call shapes.x CON_PROG/")


def test_options(complete):
    offered = {option.rstrip("=") for option in complete("distctl --i")}
    assert offered <= {"--idempotent", "--include", "--interval"}
    assert "--idempotent" in {option.rstrip("=") for option in
                              complete("distctl call --i")}


def test_orders(complete):
    assert complete("distctl top --sort ") == {"calls", "failed", "in-flight", "p99", "name"}


def test_options_behind_bench_are_distbenchs(complete):
    offered = {option.rstrip("=") for option in complete("distctl --masters a:1 bench --ca")}
    assert offered == {"--call", "--calls"}
    assert "--masters" not in complete("distctl bench --in")
    assert complete("distctl bench al") == set()


def offered_by_masters(complete, line):
    """Whoever completes waits a second for them and offers nothing then: asks again."""
    return eventually(lambda: complete(line), what=f"something to complete {line!r}")


def test_nodes_come_out_of_the_registry(complete, cluster):
    master = cluster.master()
    for name in ("alpha", "beta", "better"):
        cluster.node(master.address, name=name)
    line = f"distctl --masters {master.address}"
    for words, nodes in [(f"{line} ping ", {"alpha", "beta", "better"}),
                         (f"{line} drain alpha be", {"beta", "better"}),
                         (f"{line} --node ", {"alpha", "beta", "better"}),
                         (f"distctl --masters={master.address} stats b", {"beta", "better"})]:
        assert offered_by_masters(complete, words) == nodes


def test_procedures_come_out_of_what_is_served(complete, cluster):
    master = cluster.master()
    cluster.node(master.address, name="only")
    line = f"distctl --masters {master.address} call"
    # Where files are, too.
    eventually(lambda: "ARITH_PROG/1/ARITH_SUM" in complete(f"{line} "), what="the procedure")
    assert offered_by_masters(complete, f"{line} ARI") == {"ARITH_PROG/1/ARITH_SUM"}
    assert complete(f"{line} ARITH_PROG/1/ARITH_SUM ") in ({"arguments, a JSON array"}, set())


def test_a_name_with_a_colon_is_completed_behind_it(cluster, tmp_path):
    """readline's words end at a colon, and so does what bash replaces."""
    master = cluster.master()
    cluster.node(master.address, name="rack:one")
    path = f"{BUILD / 'tools'}:{os.environ['PATH']}"
    line = f"distctl --masters {master.address} ping "
    for words, offered in [(line, {"rack:one"}), (f"{line}rack:", {"one"})]:
        assert offered_by_masters(lambda it: bash(it, tmp_path, path), words) == offered


def test_nothing_is_offered_where_nothing_is_known(complete):
    assert complete("distctl call missing.x ") == set()
