"""The files of deploy/: they say what they should, and the compose file's story is played.

Each of its containers is a network namespace here, on a bridge, with an address and a
hosts file, and runs the command that stands in the file, with the installed programs.
"""

import re
import shlex
import signal

import pytest
import yaml

from conftest import HERE, InstalledCluster
from harness import BUILD, command, eventually
from hosts import Network, allowed

DEPLOY = HERE.parents[1] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
KUBERNETES = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
ADDRESSES = {"master": "10.78.0.2", "web": "10.78.0.3", "caller": "10.78.0.4"}


def healthcheck(service):
    """Its words; a string is a shell's command, by the compose specification."""
    return shlex.split(service["healthcheck"]["test"])


class Cluster(InstalledCluster):
    """Installed programs, and of the build those that are not."""

    def program(self, name):
        not_installed = {"load": "tests/integration/load", "web": "examples/web/web"}
        if name in not_installed:
            return BUILD / not_installed[name]
        return super().program(name)


class Story:
    """The compose file's services on hosts of their own."""

    def __init__(self, installed, folder):
        self.cluster = Cluster(installed)
        self.network = Network(ADDRESSES, folder / "hosts")
        self.processes = {}

    def up(self, service, name=None):
        """`compose up` of one container; its process."""
        name = name or service
        program, *arguments = COMPOSE["services"][service]["command"]
        prefix = self.network.host(name).namespace.prefix
        self.processes[name] = self.cluster.start(self.cluster.program(program), *arguments,
                                                  prefix=prefix)
        return self.processes[name]

    def stop(self, name):
        """`compose stop`: SIGTERM, and the service's grace period."""
        service = "node" if name.startswith("node") else name
        grace = COMPOSE["services"][service].get("stop_grace_period", "10s")
        status = self.processes[name].stop(signal.SIGTERM, int(grace.rstrip("s")))
        assert status == 0, self.processes[name].text()

    def wait_healthy(self, names):
        """A probe has two seconds, and is not believed before it failed several times."""
        eventually(lambda: all(map(self.healthy, names)), what=f"health of {names}")

    def healthy(self, name):
        """What the service's healthcheck says, inside its container."""
        service = "node" if name.startswith("node") else name
        program, *arguments = healthcheck(COMPOSE["services"][service])
        done = self.network.host(name).run(self.cluster.program(program), *arguments)
        return done.returncode == 0

    def addresses(self, *names):
        """Nodes without --name are known by these."""
        return {f"{self.network.host(name).address}:4000" for name in names}

    def close(self):
        try:
            self.cluster.close()
        finally:
            self.network.close()


@pytest.fixture
def story(installed, tmp_path):
    reason = allowed()
    if reason:
        pytest.skip(reason)
    played = Story(installed, tmp_path)
    yield played
    played.close()


def test_the_compose_files_story(story):
    master = story.up("master")
    master.wait_line("master-listening")
    story.up("web").wait_line("web-listening")
    nodes = [f"node-{i}" for i in range(1, 5)]
    for name in nodes[:2]:
        story.up("node", name)
    story.cluster.prefix = story.network.host("caller").namespace.prefix
    story.cluster.wait_nodes("master:3000", exactly=story.addresses(*nodes[:2]))
    load = story.cluster.load("master:3000")
    load.wait_answers(story.addresses(*nodes[:2]))
    story.wait_healthy(["master", "web", *nodes[:2]])

    # Up to 4: newcomers are used.
    for name in nodes[2:]:
        story.up("node", name)
    load.wait_answers(story.addresses(*nodes))

    # Down to 2, under load.
    for name in nodes[2:]:
        story.stop(name)
        assert not story.healthy(name)
    load.wait_view(story.addresses(*nodes[:2]))
    load.wait_answers(story.addresses(*nodes[:2]))

    # The master is away, and calls go on; the nodes are as healthy as before.
    story.stop("master")
    load.wait_answers(story.addresses(*nodes[:2]))
    assert not story.healthy("master")
    story.wait_healthy(nodes[:2])

    # It comes back, and finds them.
    story.up("master").wait_line("master-listening")
    story.cluster.wait_nodes("master:3000", exactly=story.addresses(*nodes[:2]))
    load.wait_answers(story.addresses(*nodes[:2]))

    # The front calls the same nodes, by way of its own master.
    page = story.network.host("caller").run("curl", "-sf", "http://web:8080/palindrome?n=1000")
    assert page.returncode == 0 and page.stdout, page.stderr

    report = load.end()
    assert report["failed"] == report["wrong"] == 0, report
    assert report["calls"] > 0


# --- The files themselves ---------------------------------------------------------------


def options_of(installed, program):
    help_text = command(Cluster(installed).program(program), "--help").stdout
    return set(re.findall(r"--[a-z-]+", help_text))


def containers():
    """Each container of the manifests: what it belongs to, itself."""
    for document in KUBERNETES:
        template = document["spec"].get("template")
        for container in template["spec"]["containers"] if template else []:
            yield document, template["spec"], container


def all_commands():
    for service in COMPOSE["services"].values():
        yield service["command"]
        yield healthcheck(service)
    for _, _, container in containers():
        yield container["command"]
        for probe in "livenessProbe", "readinessProbe":
            yield container[probe]["exec"]["command"]


@pytest.mark.parametrize("words", list(all_commands()), ids=" ".join)
def test_commands_use_options_that_the_programs_have(installed, words):
    known = options_of(installed, words[0])
    assert {word for word in words if word.startswith("--")} <= known
    assert all(isinstance(word, str) for word in words)


def option(words, name):
    return words[words.index(name) + 1]


def test_kubernetes_manifests_fit_together():
    by_kind = {document["kind"]: document for document in KUBERNETES}
    assert set(by_kind) == {"Service", "StatefulSet", "Deployment", "PodDisruptionBudget"}
    service, masters, nodes = (by_kind[kind] for kind in
                               ("Service", "StatefulSet", "Deployment"))
    assert service["spec"]["clusterIP"] == "None"
    assert masters["spec"]["serviceName"] == service["metadata"]["name"]
    for document in masters, nodes:
        labels = document["spec"]["template"]["metadata"]["labels"]
        assert document["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert service["spec"]["selector"].items() <= \
        masters["spec"]["template"]["metadata"]["labels"].items()
    assert by_kind["PodDisruptionBudget"]["spec"]["selector"] == nodes["spec"]["selector"]

    # Nodes know each master by its name under the headless service.
    [(_, pod, container)] = [row for row in containers() if row[0] is nodes]
    name = masters["metadata"]["name"]
    wanted = [f"{name}-{i}.{service['metadata']['name']}:3000"
              for i in range(masters["spec"]["replicas"])]
    assert option(container["command"], "--masters").split(",") == wanted
    # The drain ends before the pod is killed.
    drain_s = int(option(container["command"], "--drain-timeout-ms")) / 1000
    assert drain_s < pod["terminationGracePeriodSeconds"]


def test_probes_ask_the_container_itself():
    for _, _, container in containers():
        [port] = [port["containerPort"] for port in container["ports"]]
        assert option(container["command"], "--listen") == f":{port}"
        for kind in "livenessProbe", "readinessProbe":
            probe = container[kind]
            words = probe["exec"]["command"]
            assert words[-2:] == ["ping", f"127.0.0.1:{port}"]
            assert "--masters" not in words
            assert int(option(words, "--timeout-ms")) / 1000 < probe["timeoutSeconds"]


def test_containers_are_given_nothing():
    for _, pod, container in containers():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
    for service in COMPOSE["services"].values():
        assert service["cap_drop"] == ["ALL"] and service["read_only"] is True
    assert re.findall(r"^USER (\S+)$", (DEPLOY / "Containerfile").read_text(), re.M) == \
        ["_dist"]
