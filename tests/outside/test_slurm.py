"""deploy/slurm/nodes.sbatch, run by a Slurm of one machine that is the test's own.

slurmctld and slurmd run with a configuration and state of the test's in a namespace, with
two allocations on it. Without Slurm, which scripts/setup installs, or root it is skipped.
It takes half a minute, nearly all of it waiting: Slurm's shortest time limit is a minute.
"""

import os
import re
import shutil
import socket

import pytest

from conftest import HERE, InstalledCluster
from harness import BUILD, command, eventually
from namespace import allowed

SCRIPT = HERE.parents[1] / "deploy" / "slurm" / "nodes.sbatch"
MISSING = [name for name in ("slurmctld", "slurmd", "sbatch", "srun", "scontrol")
           if not shutil.which(name)]

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"needs Slurm: no {', '.join(MISSING)}"),
    pytest.mark.skipif(bool(allowed()), reason=str(allowed())),
]

# The least that Slurm needs: one host, that any number of jobs share.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=6817
SlurmdPort=6818
SlurmUser=root
AuthType=auth/none
CredType=cred/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SchedulerType=sched/builtin
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=30
StateSaveLocation={folder}/state
SlurmdSpoolDir=/run/slurmd
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
"""


class Cluster(InstalledCluster):
    def program(self, name):
        return BUILD / "tests/integration/load" if name == "load" else super().program(name)


class Slurm:
    def __init__(self, namespace, installed, folder):
        self.folder = folder
        (folder / "state").mkdir()
        # For its sockets, whose paths may not be long; /run is the namespace's own.
        assert namespace.run("mkdir", "/run/slurmd").returncode == 0
        self.configuration = folder / "slurm.conf"
        host = socket.gethostname().split(".")[0]
        self.configuration.write_text(CONFIGURATION.format(folder=folder, host=host))
        hosts = folder / "hosts"
        hosts.write_text(f"127.0.0.1 localhost {host}\n")
        assert namespace.run("mount", "--bind", hosts, "/etc/hosts").returncode == 0
        # Its daemons want an address that is no loopback's before they listen.
        assert namespace.run("ip", "addr", "add", "10.79.0.1", "dev", "lo").returncode == 0
        self.cluster = Cluster(installed, namespace.prefix)
        self.env = {"SLURM_CONF": str(self.configuration),
                    "PATH": f"{installed.bin}:{os.environ['PATH']}"}

    def start(self):
        for daemon in ["slurmctld", "-D", "-i"], ["slurmd", "-D"]:
            self.cluster.start(*daemon, env=self.env)
        eventually(lambda: "idle" in self.run("sinfo", "-h", "-o", "%T").stdout, 30,
                   "Slurm to have an idle host")

    def stop(self):
        """Jobs are nobody's children: they have to be gone before the daemons are."""
        try:
            self.run("scancel", "--user=root")
            eventually(lambda: not self.run("squeue", "-h").stdout, 60, "all jobs to end")
        finally:
            self.cluster.close()

    def run(self, *arguments):
        return command(*arguments, prefix=self.cluster.prefix, env=self.env, cwd="/")

    def submit(self, *options):
        """Node arguments come after the script; the job's number."""
        before, after = options[:options.index(SCRIPT)], options[options.index(SCRIPT):]
        done = self.run("sbatch", "--parsable", "--output", f"{self.folder}/job-%j", *before,
                        *after)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    def job(self, number):
        text = self.run("scontrol", "show", "job", str(number)).stdout
        return dict(re.findall(r"(\w+)=(\S*)", text))

    def output(self, number):
        return (self.folder / f"job-{number}").read_text()


@pytest.fixture
def slurm(namespace, installed, tmp_path):
    here = Slurm(namespace, installed, tmp_path)
    try:
        here.start()
        yield here
    finally:
        here.stop()


def test_nodes_of_an_allocation_drain_before_its_time_limit(slurm):
    master = slurm.cluster.master()
    arguments = [SCRIPT, "--masters", master.address, "arith"]
    # The one that goes has two nodes; the other has time enough.
    short = slurm.submit("--ntasks-per-node=2", "--time=1", "--signal=TERM@30", *arguments)
    long = slurm.submit("--ntasks-per-node=1", *arguments)
    gone, stays = {f"slurm-{short}-0", f"slurm-{short}-1"}, {f"slurm-{long}-0"}
    slurm.cluster.wait_nodes(master.address, exactly=gone | stays, seconds=30)
    load = slurm.cluster.load(master.address)
    load.wait_answers(gone | stays)
    for name, node in slurm.cluster.nodes(master.address).items():
        assert node["attributes"]["slurm_job"] == name.split("-")[1]

    load.wait_view(stays, seconds=90)
    load.wait_answers(stays)
    job = eventually(lambda: (job := slurm.job(short))["JobState"] not in
                     ("RUNNING", "COMPLETING") and job, 30, "the job to end")
    # By itself, all calls finished: not at the limit, and not killed.
    assert job["JobState"] == "COMPLETED" and job["ExitCode"] == "0:0", slurm.output(short)
    assert slurm.output(short).count("node-stopping signal=SIGTERM") == 2

    report = load.end()
    assert report["failed"] == report["wrong"] == 0, report

    # By hand, too.
    assert slurm.run("scancel", "--signal=TERM", str(long)).returncode == 0
    eventually(lambda: slurm.job(long)["JobState"] == "COMPLETED", 30, "the other to end")
