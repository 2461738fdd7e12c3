"""Which faults come when: a pure function of the seed, and what each kind does.

schedule() decides all before anything runs, so that a seed which failed gives the same
faults again. A Fault has a begin and an end; end() of each is what heals it.
"""

import random
import resource
import signal
from collections import namedtuple
from pathlib import Path

Fault = namedtuple("Fault", "at kind machine seconds detail")

# No faults before a first view is there, nor so late that nothing could come of it.
CALM_BEGIN = 2.0
CALM_END = 1.0
MEAN_GAP = 0.5

# Kind: whom it befalls (first letters of machines), which part of a machine it uses, so
# that two of one part never overlap, how long it lasts, how often it is drawn.
KINDS = {
    "kill-node":     ("n", {"process"}, (0.05, 2.0), 8),
    "kill-master":   ("m", {"process"}, (0.05, 5.0), 4),
    "kill-client":   ("c", {"process"}, (0.05, 1.0), 2),
    "drain-node":    ("n", {"process"}, (0.05, 1.0), 4),
    "stop-node":     ("n", {"process"}, (0.05, 6.0), 6),
    "stop-master":   ("m", {"process"}, (0.05, 6.0), 3),
    "stop-client":   ("c", {"process"}, (0.05, 6.0), 3),
    "reboot":        ("n", {"process", "network"}, (0.3, 6.0), 5),
    "link-down":     ("mnc", {"network"}, (0.1, 6.0), 5),
    "cut":           ("mnc", {"network"}, (0.1, 6.0), 5),
    "one-way-out":   ("mnc", {"network"}, (0.1, 5.0), 4),
    "one-way-in":    ("mnc", {"network"}, (0.1, 5.0), 4),
    "partition":     ("mnc", {"pair"}, (0.5, 20.0), 6),
    "loss":          ("mnc", {"network"}, (0.5, 5.0), 6),
    "delay":         ("mnc", {"network"}, (0.5, 4.0), 5),
    "reorder":       ("mnc", {"network"}, (0.5, 5.0), 5),
    "reset":         ("mnc", {"network"}, (0.01, 0.5), 12),
    "log-full":      ("mnc", {"disk"}, (0.5, 5.0), 3),
    "clock-jump":    ("mnc", {"clock"}, (0.1, 5.0), 4),
    "rpcbind":       ("m", {"rpcbind"}, (0.1, 6.0), 2),
    "descriptors":   ("mnc", {"process"}, (0.2, 4.0), 4),
    "memory":        ("mnc", {"process"}, (0.2, 3.0), 4),
}


def schedule(seed, seconds, machines, kinds=None):
    """The faults of a run, in order of time."""
    dice = random.Random(seed)
    names = sorted(kinds or KINDS)
    weights = [KINDS[name][3] for name in names]
    busy_until = {}
    faults = []
    at = CALM_BEGIN
    while True:
        at += dice.expovariate(1 / MEAN_GAP)
        if at >= seconds - CALM_END:
            return faults
        kind = dice.choices(names, weights)[0]
        letters, parts, (shortest, longest), _ = KINDS[kind]
        machine = dice.choice([name for name in sorted(machines) if name[0] in letters])
        if kind == "rpcbind":
            machine = min(name for name in machines if name[0] == "m")
        # Most are short, and the long ones are as long as a lease and more.
        lasts = shortest + (longest - shortest) * dice.random() ** 2
        lasts = min(lasts, seconds - at)
        detail = dice.getrandbits(32)
        if any(busy_until.get((machine, part), 0) > at for part in parts):
            continue
        for part in parts:
            busy_until[machine, part] = at + lasts
        faults.append(Fault(at, kind, machine, lasts, detail))


# --- What each does: begin(world, machine, detail) and what heals it -----------------------


def rule(world, machine, out=(), into=()):
    """Rules of the wire for what leaves a machine and what reaches it."""
    token = world.wire.add([(machine.name, "*", key, value) for key, value in out] +
                           [("*", machine.name, key, value) for key, value in into])
    return lambda: world.wire.remove(token)


def both_ways(*rules):
    return lambda world, machine, detail: rule(world, machine, rules, rules)


def partition(world, machine, detail):
    """Two machines cannot reach each other, or one cannot the other; all others can."""
    others = sorted(name for name in world.machines if name != machine.name)
    other = others[detail % len(others)]
    rules = [(machine.name, other, "cut", 1), (other, machine.name, "cut", 1)]
    token = world.wire.add(rules[:1 + (detail >> 8) % 2])
    return lambda: world.wire.remove(token)


def kill(world, machine, detail):
    machine.kill()
    return machine.start


def drain(world, machine, detail):
    """Asked to stop, it finishes what it runs; a new one takes its place after."""
    machine.terminate()
    return lambda: machine.start_after_end()


def stop(world, machine, detail):
    machine.signal(signal.SIGSTOP)
    return lambda: machine.signal(signal.SIGCONT)


def reboot(world, machine, detail):
    """Nobody hears a FIN or a RST: to its peers it is silent, then knows nothing of them."""
    heal = both_ways(("cut", 1))(world, machine, detail)
    machine.kill()
    machine.start()
    return heal


def link_down(world, machine, detail):
    machine.run("ip", "link", "set", "wire0", "down")
    return lambda: machine.run("ip", "link", "set", "wire0", "up")


def log_full(world, machine, detail):
    machine.fill_log()
    return machine.empty_log


def clock_jump(world, machine, detail):
    """Back by up to three years, or on."""
    machine.set_clock(detail % 200_000_000 - 100_000_000)
    return lambda: machine.set_clock(0)


def rpcbind(world, machine, detail):
    machine.kill_rpcbind()
    return machine.start_rpcbind


def limit(pid, what, value):
    try:
        _, hard = resource.prlimit(pid, what)
        before = resource.prlimit(pid, what, (min(value, hard) if hard >= 0 else value, hard))
    except OSError:  # it is gone
        return lambda: None

    def restore():
        try:
            resource.prlimit(pid, what, before)
        except OSError:
            pass
    return restore


def descriptors(world, machine, detail):
    """Not one more than it has; what is only starting may need some, and is left alone."""
    if machine.age() < 1:
        return lambda: None
    try:
        used = {int(path.name) for path in Path(f"/proc/{machine.pid}/fd").iterdir()}
    except OSError:
        return lambda: None
    free = next(number for number in range(len(used) + 1) if number not in used)
    return limit(machine.pid, resource.RLIMIT_NOFILE, free)


def memory(world, machine, detail):
    """What it has, and up to 4 MB more: what the C library holds free may still be used."""
    if machine.age() < 1:
        return lambda: None
    try:
        pages = int(Path(f"/proc/{machine.pid}/statm").read_text().split()[0])
    except OSError:
        return lambda: None
    return limit(machine.pid, resource.RLIMIT_AS, pages * 4096 + detail % (4 << 20))


BEGIN = {
    "kill-node": kill, "kill-master": kill, "kill-client": kill, "drain-node": drain,
    "stop-node": stop, "stop-master": stop, "stop-client": stop, "reboot": reboot,
    "link-down": link_down,
    "cut": both_ways(("cut", 1)),
    "one-way-out": lambda world, machine, detail: rule(world, machine, out=[("cut", 1)]),
    "one-way-in": lambda world, machine, detail: rule(world, machine, into=[("cut", 1)]),
    "partition": partition,
    "loss": both_ways(("loss", 300)),
    "delay": both_ways(("delay", 200)),
    "reorder": both_ways(("jitter", 30), ("double", 50)),
    "reset": both_ways(("reset", 1)),
    "log-full": log_full, "clock-jump": clock_jump, "rpcbind": rpcbind,
    "descriptors": descriptors, "memory": memory,
}


def begin(world, fault):
    """Lets it happen; gives the function that heals it."""
    return BEGIN[fault.kind](world, world.machines[fault.machine], fault.detail)
