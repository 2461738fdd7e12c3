"""The checker itself: each kind of broken promise, made up, is found, and nothing else."""

import pytest

import checker

T0 = 1_000_000_000_000
MS = checker.MS
TOKEN = 77


class Journals:
    """A run that kept every promise; a test changes what it needs to."""

    def __init__(self, folder):
        self.folder = folder
        self.client = []
        self.nodes = {}
        self.events = []
        self.done = True

    def call(self, token=TOKEN, kind="sync", idempotent=0, timeout=0, wait=0, size=10,
             work=100):
        self.client.append(f"S {token} {kind} 1 {idempotent} {timeout} {wait} {work} "
                           f"{size} {T0}")

    def end(self, token=TOKEN, err="DIST_OK", status=0, node="n1", ran_on=None, pid=5,
            crc=None, to_ms=10, size=10, text=""):
        ok = err == "DIST_OK"
        crc = crc if crc is not None else checker.expected_crc(token, size) if ok else 0
        self.client.append(
            f"E {token} {err} {status} {node} {ran_on or (node if ok else '-')} "
            f"{pid if ok else 0} {crc} {T0} {T0 + int(to_ms * MS)} {text}")

    def ran(self, token=TOKEN, node="n1", pid=5, to_ms=5, finished=True):
        lines = self.nodes.setdefault(f"{node}.1", [])
        lines.append(f"B {token} {node} {pid} 1 {T0 + MS}")
        if finished:
            lines.append(f"F {token} {node} {pid} {T0 + to_ms * MS}")

    def check(self):
        lines = list(self.client)
        if self.done:
            n_begun = sum(line[0] == "S" for line in lines)
            lines.append(f"D {n_begun} {n_begun}")
        (self.folder / "c1.1.client").write_text("\n".join(lines) + "\n")
        for name, of_node in self.nodes.items():
            (self.folder / f"{name}.node").write_text("\n".join(of_node) + "\n")
        (self.folder / "events").write_text("".join(line + "\n" for line in self.events))
        return checker.check(self.folder)

    def broken(self):
        """The promises that are found broken, in order."""
        return [violation.promise for violation in self.check().violations]


@pytest.fixture
def journals(tmp_path):
    return Journals(tmp_path)


def test_a_good_run_has_no_violation(journals):
    journals.call()
    journals.ran()
    journals.end()
    report = journals.check()
    assert not report.violations
    assert report.n_outcomes == {"DIST_OK": 1}
    assert report.n_executions == 1


def test_a_call_that_never_ends(journals):
    journals.call()
    journals.ran()
    assert journals.broken() == ["P1"]


def test_a_call_of_a_killed_caller_need_not_end(journals):
    journals.call()
    journals.ran()
    journals.done = False
    journals.events.append(f"K c1.1 {T0}")
    report = journals.check()
    assert not report.violations
    assert report.n_unknown_fate == 1


def test_a_caller_that_never_says_it_is_done(journals):
    journals.call()
    journals.ran()
    journals.end()
    journals.done = False
    assert journals.broken() == ["P1"]


def test_a_caller_whose_counts_differ(journals):
    journals.done = False
    journals.client.append("D 4 3")
    assert journals.broken() == ["P1"]


def test_a_call_that_ends_twice(journals):
    journals.call()
    journals.ran()
    journals.end()
    journals.end()
    assert journals.broken() == ["P1"]


def test_a_callback_that_comes_twice(journals):
    journals.call(kind="then")
    journals.ran()
    journals.end()
    journals.client.append(f"T {TOKEN}")
    assert journals.broken() == ["P1"]


def test_a_cancelled_call_that_goes_on(journals):
    journals.call(kind="cancel")
    journals.client.append(f"L {TOKEN} after-cancel")
    journals.end(err="DIST_ECANCELED", status=18)
    assert journals.broken() == ["P1"]


def test_a_call_without_a_deadline_that_takes_forever(journals):
    journals.call()
    journals.ran()
    journals.end(to_ms=checker.BOUND_NS / MS + 100)
    assert journals.broken() == ["P2"]


def test_while_the_caller_stood_still_no_time_passed(journals):
    journals.call()
    journals.ran()
    journals.client.append(f"P {T0} {T0 + checker.BOUND_NS}")
    journals.end(to_ms=checker.BOUND_NS / MS + 100)
    assert journals.broken() == []


def test_success_without_an_execution(journals):
    journals.call()
    journals.end()
    assert journals.broken() == ["P3"]


def test_success_of_an_execution_that_never_finished(journals):
    journals.call()
    journals.ran(finished=False)
    journals.end()
    assert journals.broken() == ["P3"]


def test_success_before_the_execution_had_finished(journals):
    journals.call()
    journals.ran(to_ms=50)
    journals.end(to_ms=10)
    assert journals.broken() == ["P3"]


def test_another_node_is_said_to_have_answered(journals):
    journals.call()
    journals.ran(node="n1")
    journals.end(node="n2", ran_on="n1")
    assert journals.broken() == ["P3"]


@pytest.mark.parametrize("err", sorted(checker.NOT_RUN))
def test_not_run_and_yet_it_ran(journals, err):
    journals.call()
    journals.ran(finished=False)
    journals.end(err=err, status=12)
    assert journals.broken() == ["P3"]


def test_refused_unrun_and_yet_it_ran(journals):
    journals.call()
    journals.ran()
    journals.end(err="DIST_ERPC", status=10)
    assert journals.broken() == ["P3"]


def test_not_started_and_yet_it_ran(journals):
    journals.call(kind="any")
    journals.ran()
    journals.client.append(f"N {TOKEN} DIST_ENOMEM {T0 + MS} out of memory")
    assert journals.broken() == ["P3"]


@pytest.mark.parametrize("err", ["DIST_ECONNRESET", "DIST_ECANCELED", "DIST_ECLOSED"])
@pytest.mark.parametrize("ran", [True, False])
def test_may_have_run_is_true_either_way(journals, err, ran):
    journals.call()
    if ran:
        journals.ran()
    journals.end(err=err, status=4)
    assert journals.broken() == []


def test_a_call_that_nobody_made(journals):
    journals.ran(token=12345)
    assert journals.broken() == ["P3"]


def test_a_call_that_is_not_idempotent_runs_twice(journals):
    journals.call(idempotent=0)
    journals.ran(node="n1", finished=False)
    journals.ran(node="n2")
    journals.end(node="n2")
    assert journals.broken() == ["P4"]


def test_an_idempotent_call_may_run_on_several_nodes(journals):
    journals.call(idempotent=1)
    journals.ran(node="n1", finished=False)
    journals.ran(node="n2")
    journals.end(node="n2")
    report = journals.check()
    assert not report.violations
    assert report.n_twice == 1


@pytest.mark.parametrize("idempotent, allowed", [(1, 3), (2, 4)])
def test_an_idempotent_call_runs_more_often_than_allowed(journals, idempotent, allowed):
    journals.call(idempotent=idempotent)
    for _ in range(allowed):
        journals.ran()
    journals.end()
    assert journals.broken() == []
    journals.ran()
    assert journals.broken() == ["P4"]


def test_a_call_that_never_started_kept_its_caller_beyond_the_deadline(journals):
    journals.call(kind="then", timeout=100)
    journals.client.append(f"N {TOKEN} DIST_EDEADLINE {T0 + 151 * MS} no room")
    assert journals.broken() == ["P6"]


def test_a_wrong_answer(journals):
    journals.call()
    journals.ran()
    journals.end(crc=123)
    assert journals.broken() == ["P5"]


def test_an_answer_to_another_call(journals):
    journals.call()
    journals.ran()
    journals.end(crc=checker.expected_crc(TOKEN + 1, 10))
    assert journals.broken() == ["P5"]


@pytest.mark.parametrize("err, status", [("DIST_EDEADLINE", 5), ("DIST_OK", 0)])
def test_a_deadline_that_is_not_kept(journals, err, status):
    journals.call(timeout=100)
    journals.ran()
    journals.end(err=err, status=status, to_ms=151)
    assert journals.broken() == ["P6"]


def test_a_deadline_passes_late_as_the_machine_stood_still(journals):
    journals.call(timeout=100)
    journals.client.append(f"P {T0 + 90 * MS} {T0 + 130 * MS}")
    journals.end(err="DIST_EDEADLINE", status=5, to_ms=205)
    assert journals.broken() == []


def test_a_deadline_passes_later_than_the_machine_stood_still(journals):
    journals.call(timeout=100)
    journals.client.append(f"P {T0 + 90 * MS} {T0 + 130 * MS}")
    journals.end(err="DIST_EDEADLINE", status=5, to_ms=215)
    assert journals.broken() == ["P6"]


def test_a_stall_before_the_deadline_excuses_nothing(journals):
    journals.call(timeout=100)
    journals.client.append(f"P {T0} {T0 + 90 * MS}")
    journals.end(err="DIST_EDEADLINE", status=5, to_ms=170)
    assert journals.broken() == ["P6"]


def test_a_deadline_that_passes_early(journals):
    journals.call(timeout=100)
    journals.end(err="DIST_EDEADLINE", status=5, to_ms=90)
    assert journals.broken() == ["P6"]


@pytest.mark.parametrize("where", ["after-close", "after-close-queue", "after-close-then"])
def test_closing_leaves_a_call(journals, where):
    journals.call(kind="any")
    journals.client.append(f"L {TOKEN} {where}")
    journals.end(err="DIST_ECLOSED", status=16)
    assert journals.broken() == ["P7"]


def test_closing_takes_forever(journals):
    journals.client.append(f"C {T0} {T0 + checker.CLOSE_NS + MS}")
    assert journals.broken() == ["P7"]


def test_a_process_that_ends_by_itself(journals):
    journals.events.append("X n1.1 it ended with status -11")
    assert journals.broken() == ["P8"]


def test_a_violation_tells_the_whole_story(journals):
    journals.call()
    journals.ran(node="n1", finished=False)
    journals.ran(node="n2")
    journals.end(node="n2")
    journals.events.append(f"A kill-node n1 {T0 + 2 * MS} {T0 + 9 * MS}")
    journals.events.append(f"A kill-node n3 {T0 + 9000 * MS} {T0 + 9001 * MS}")
    report = journals.check()
    story = str(report.violations[0])
    assert f"S {TOKEN}" in story and f"E {TOKEN}" in story
    assert "n1 (pid 5) began it" in story and "n2 (pid 5) finished it" in story
    assert "kill-node n1" in story and "kill-node n3" not in story
    assert report.n_faults == {"kill-node": 2}


def test_the_last_half_line_of_a_killed_process_is_left_out(journals):
    journals.done = False
    journals.call()
    journals.events.append(f"K c1.1 {T0}")
    journals.check()
    path = journals.folder / "c1.1.client"
    path.write_text(path.read_text() + f"E {TOKEN} DIST_OK 0 n")
    assert not checker.check(journals.folder).violations
