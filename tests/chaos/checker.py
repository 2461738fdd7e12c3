"""Holds what callers were told against what nodes did.

A run leaves a folder of journals: NAME.client as caller.h and client.c describe them,
NAME.node as module.c does, and "events", written by whoever ran it:

    K NAME NS                      process NAME (a journal's, say) was killed
    X NAME TEXT                    it ended otherwise than it should have
    A KIND MACHINE FROM_NS TO_NS   a fault, from its begin to its end

check() reads them and gives a Report. The promises are those of docs/reliability.md.
"""

import bisect
import collections
import struct
import zlib
from pathlib import Path

MS = 1_000_000
S = 1000 * MS

# P6: how late a deadline may be seen to pass, beyond what the machine kept us waiting.
LATE_NS = 50 * MS
# Callers of many calls look at their waiters between two rests of up to 20 ms.
LOOKS_LATER_NS = {"any": 25 * MS, "queue": 25 * MS}
# P6: a clock read a moment before the library's own.
EARLY_NS = 1 * MS
# P2: what bounds a call without a deadline: up to max_tries nodes, each lost after its
# lease (3 s), a connection that only then is found silent, and a look for another.
BOUND_NS = 40 * S
# P7: nothing that closing does waits for a peer.
CLOSE_NS = 2 * S
MAX_TRIES = 3

NOT_RUN = {"DIST_ENONODE", "DIST_ECONNECT", "DIST_EBUSY", "DIST_EENCODE", "DIST_EADDRESS",
           "DIST_ERESOLVE", "DIST_EINVAL"}
# AUTHERROR, PROGUNAVAIL, PROGVERSMISMATCH, PROCUNAVAIL, CANTDECODEARGS: refused unrun.
NOT_RUN_STATUS = {"7", "8", "9", "10", "11"}

Execution = collections.namedtuple("Execution", "node pid attempt begin_ns")


class Violation:
    def __init__(self, promise, subject, what, story=()):
        self.promise = promise
        self.subject = subject
        self.what = what
        self.story = list(story)

    def __str__(self):
        return "\n".join([f"{self.promise} {self.subject}: {self.what}",
                          *(f"    {line}" for line in self.story)])


class Call:
    __slots__ = ("client", "line", "ends", "runs", "finished", "notes")

    def __init__(self, client, line):
        self.client = client
        self.line = line
        self.ends = []      # the lines E, N and T
        self.runs = []      # of class Execution
        self.finished = []  # (node, pid, ns) of an F
        self.notes = []     # other lines


class Client:
    """One process's journal."""

    def __init__(self, name):
        self.name = name
        self.pauses = []  # (from, to); after merge() in order and apart
        self.done = None
        self.killed = False
        self.closes = []

    def merge(self):
        """Pauses of several threads overlap; no moment shall count twice."""
        merged = []
        for begin, end in sorted(self.pauses):
            if merged and begin <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(merged[-1][1], end)
            else:
                merged.append((begin, end))
        self.pauses = merged

    def paused_ns(self, from_ns, to_ns):
        """How long of the time between a thread of the process stood still."""
        at = bisect.bisect_left(self.pauses, (from_ns,))
        total = 0
        for begin, end in self.pauses[max(0, at - 1):]:
            if begin >= to_ns:
                break
            total += max(0, min(end, to_ns) - max(begin, from_ns))
        return total


def expected_crc(token, size):
    """Of an answer: its token, and the payload last byte first. See caller.c, module.c."""
    bytes_of_token = struct.pack("<Q", token)
    payload = (bytes_of_token * (size // 8 + 1))[:size]
    return zlib.crc32(payload[::-1], zlib.crc32(bytes_of_token))


class Report:
    def __init__(self, slowness=1):
        self.slowness = slowness  # limits in time grow in builds that are slow
        self.violations = []
        self.calls = {}
        self.clients = {}
        self.faults = []
        self.n_faults = collections.Counter()
        self.n_outcomes = collections.Counter()
        self.n_kinds = collections.Counter()
        self.n_executions = 0
        self.n_twice = 0
        self.n_unknown_fate = 0
        self.late_ns = []
        self.longest_ns = 0
        self.longest_close_ns = 0

    def blame(self, promise, token, what):
        self.violations.append(Violation(promise, f"token {token}", what, self.story(token)))

    def story(self, token):
        """All that is written about a call, and what was going on meanwhile."""
        call = self.calls.get(token)
        if not call:
            return []
        lines = [f"{call.client.name}: {call.line}"]
        lines += [f"{call.client.name}: {line}" for line in call.ends + call.notes]
        lines += [f"{run.node} (pid {run.pid}) began it at {run.begin_ns}, attempt "
                  f"{run.attempt}" for run in call.runs]
        lines += [f"{node} (pid {pid}) finished it at {ns}"
                  for node, pid, ns in call.finished]
        begin = int(call.line.split()[9])
        ends = [int(line.split(None, 10)[9 if line[0] == "E" else 3])
                for line in call.ends if line[0] in "EN"]
        until = max(ends, default=begin + 10 * S)
        lines += [f"fault {kind} {machine} from {from_ns} to {to_ns}"
                  for kind, machine, from_ns, to_ns in self.faults
                  if from_ns < until and to_ns > begin - S]
        return lines

    def table(self):
        """For people: what was done, what happened, what came of it."""
        def rows(title, counter):
            yield f"{title}: {sum(counter.values())}"
            for name, count in sorted(counter.items(), key=lambda row: -row[1]):
                yield f"    {count:9d}  {name}"
        late = sorted(self.late_ns)
        yield from rows("faults", self.n_faults)
        yield from rows("calls by kind", self.n_kinds)
        yield from rows("calls by outcome", self.n_outcomes)
        yield f"executions: {self.n_executions}; calls that ran more than once, all " \
              f"idempotent: {self.n_twice}"
        yield f"calls whose caller was killed: {self.n_unknown_fate}"
        if late:
            yield f"deadlines that passed: {len(late)}; seen later than set, stalls of " \
                  f"the machine taken off: median {late[len(late) // 2] / MS:.2f} ms, " \
                  f"99.9 % {late[len(late) * 999 // 1000] / MS:.2f} ms, " \
                  f"most {late[-1] / MS:.2f} ms"
        yield f"longest call without a deadline: {self.longest_ns / S:.2f} s; longest " \
              f"close: {self.longest_close_ns / MS:.0f} ms"
        yield f"violations: {len(self.violations)}"


# --- Reading -----------------------------------------------------------------------------


def lines_of(path):
    """Whole lines alone: a kill may have come while the last one was written."""
    with open(path, errors="replace") as journal:
        for line in journal:
            if line.endswith("\n") and len(line) > 1:
                yield line[:-1]


def read_client(report, path):
    client = Client(path.stem)
    report.clients[client.name] = client
    for line in lines_of(path):
        letter = line[0]
        if letter == "S":
            token = int(line.split(None, 2)[1])
            report.calls[token] = Call(client, line)
        elif letter in "ENT":
            token = int(line.split(None, 2)[1])
            report.calls[token].ends.append(line)
        elif letter == "L":
            token = int(line.split()[1])
            report.calls[token].notes.append(line)
        elif letter == "P":
            _, from_ns, to_ns = line.split()
            client.pauses.append((int(from_ns), int(to_ns)))
        elif letter in "CR":
            _, from_ns, to_ns = line.split()
            client.closes.append((int(from_ns), int(to_ns)))
        elif letter == "D":
            client.done = tuple(map(int, line.split()[1:3]))
    client.merge()


def read_node(report, path):
    for line in lines_of(path):
        words = line.split()
        if words[0] == "#":
            continue
        token = int(words[1])
        call = report.calls.get(token)
        if not call and words[0] == "B":
            report.violations.append(Violation(
                "P3", f"token {token}", f"{path.stem} ran a call that nobody made", [line]))
        elif call and words[0] == "B":
            call.runs.append(Execution(words[2], int(words[3]), int(words[4]),
                                       int(words[5])))
        elif call and words[0] == "F":
            call.finished.append((words[2], int(words[3]), int(words[4])))


def read_events(report, path):
    for line in lines_of(path):
        letter, name, rest = line.split(None, 2)
        if letter == "K" and name in report.clients:
            report.clients[name].killed = True
        elif letter == "X":
            report.violations.append(Violation("P8", name, rest))
        elif letter == "A":
            machine, from_ns, to_ns = rest.split()
            report.faults.append((name, machine, int(from_ns), int(to_ns)))
            report.n_faults[name] += 1


# --- The promises --------------------------------------------------------------------------


def check_runs(report, token, call, idempotent):
    """P4. A call that is hedged goes to one more node."""
    allowed = (1, MAX_TRIES, MAX_TRIES + 1)[idempotent]
    report.n_executions += len(call.runs)
    if len(call.runs) > allowed:
        report.blame("P4", token, f"{'' if idempotent else 'not '}idempotent, and ran "
                                  f"{len(call.runs)} times")
    elif len(call.runs) > 1:
        report.n_twice += 1


def check_success(report, token, call, words, size):
    """P3 and P5 for a call that went well."""
    node, ran_on, pid, crc, to_ns = words[4], words[5], int(words[6]), int(words[7]), \
        int(words[9])
    if node != ran_on:
        report.blame("P3", token, f"{node} is said to have answered, and {ran_on} did")
    if not any((by, number) == (ran_on, pid) and ns <= to_ns
               for by, number, ns in call.finished):
        report.blame("P3", token, f"success, and {ran_on} (pid {pid}) never finished it")
    if crc != expected_crc(token, size):
        report.blame("P5", token, "the answer is not that to this call")


def check_time(report, token, call, kind, limits, err, from_ns, to_ns):
    """P2 and P6."""
    timeout_ns, beside_ns = limits
    if timeout_ns:
        due = from_ns + timeout_ns
        late = to_ns - due - LOOKS_LATER_NS.get(kind, 0)
        if late > 0:
            # The call passes from thread to thread: each may have had to wait for a CPU.
            late -= 2 * call.client.paused_ns(due, to_ns)
        if late > LATE_NS * report.slowness:
            report.blame("P6", token, f"ended {late / MS:.1f} ms after its deadline")
        if err == "DIST_EDEADLINE":
            report.late_ns.append(max(late, 0))
            if to_ns < due - EARLY_NS:
                report.blame("P6", token,
                             f"{(due - to_ns) / MS:.1f} ms before its deadline it is said "
                             f"to have passed")
        return
    took = to_ns - from_ns - call.client.paused_ns(from_ns, to_ns)
    report.longest_ns = max(report.longest_ns, took)
    if took > BOUND_NS * report.slowness + beside_ns:
        report.blame("P2", token, f"it took {took / S:.1f} s")


def check_call(report, token, call):
    _, _, kind, _, idempotent, timeout, wait, work, size, begun = call.line.split()
    limits = int(timeout) * MS, int(wait) * MS + int(work) * 1000
    report.n_kinds[kind] += 1
    check_runs(report, token, call, int(idempotent))
    for note in call.notes:
        after_close = note.split()[2].startswith("after-close")
        report.blame("P7" if after_close else "P1", token,
                     "the cluster was closed, and it had not ended" if after_close else
                     "it was cancelled, and had not ended")
    if not call.ends:
        if not call.client.killed:
            report.blame("P1", token, "it never ended")
        report.n_unknown_fate += 1
        return
    if len(call.ends) > 1:
        report.blame("P1", token, f"it ended {len(call.ends)} times")
    words = call.ends[0].split(None, 10)
    if words[0] == "N":
        report.n_outcomes["not started: " + words[2]] += 1
        not_run = True
        check_time(report, token, call, kind, limits, words[2], int(begun), int(words[3]))
    elif words[0] == "E":
        report.n_outcomes[words[2]] += 1
        if words[2] == "DIST_OK":
            check_success(report, token, call, words, int(size))
        not_run = words[2] in NOT_RUN or \
            words[2] == "DIST_ERPC" and words[3] in NOT_RUN_STATUS
        check_time(report, token, call, kind, limits, words[2], int(words[8]),
                   int(words[9]))
    else:
        return
    if not_run and call.runs:
        report.blame("P3", token, f"{words[2]} says that it did not run, and it did")


def check_client(report, client):
    """P1 and P7 for a process as a whole."""
    if client.done is None and not client.killed:
        report.violations.append(Violation("P1", client.name,
                                           "it did not account for all its calls"))
    elif client.done and client.done[0] != client.done[1]:
        report.violations.append(Violation(
            "P1", client.name, "it began %d calls, and %d have ended" % client.done))
    for from_ns, to_ns in client.closes:
        took = to_ns - from_ns - client.paused_ns(from_ns, to_ns)
        report.longest_close_ns = max(report.longest_close_ns, took)
        if took > CLOSE_NS * report.slowness:
            report.violations.append(Violation(
                "P7", client.name, f"closing its cluster at {from_ns} took "
                                   f"{took / S:.2f} s"))


def check(folder, slowness=1):
    report = Report(slowness)
    folder = Path(folder)
    for path in sorted(folder.glob("*.client")):
        read_client(report, path)
    for path in sorted(folder.glob("*.node")):
        read_node(report, path)
    if (folder / "events").exists():
        read_events(report, folder / "events")
    for token, call in report.calls.items():
        check_call(report, token, call)
    for client in report.clients.values():
        check_client(report, client)
    return report
