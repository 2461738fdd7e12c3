"""Machines of a network of their own: each a namespace on a bridge, with an address.

All know each other by the names of one hosts file, which a test writes.
"""

import shutil

from namespace import Namespace, allowed as namespaces_allowed


def allowed():
    """Why there can be none, or None."""
    return namespaces_allowed() or (None if shutil.which("ip") else "needs ip")


class Host:
    """A machine to its programs: an address, names of others, a /run of its own."""

    def __init__(self, bridge, name, address, hosts_file):
        self.name = name
        self.address = address
        self.namespace = Namespace()
        pid = str(self.namespace.holder.pid)
        must(bridge.run("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name",
                        "eth0", "netns", pid))
        must(bridge.run("ip", "link", "set", f"to-{name}", "master", "bridge0", "up"))
        must(self.run("ip", "addr", "add", f"{address}/24", "dev", "eth0"))
        must(self.run("ip", "link", "set", "eth0", "up"))
        must(self.run("mount", "--bind", hosts_file, "/etc/hosts"))

    def run(self, *arguments):
        return self.namespace.run(*arguments)


def must(done):
    assert done.returncode == 0, done.stderr


class Network:
    """The bridge, and the hosts on it by name, made when they are first asked for."""

    def __init__(self, addresses, hosts_file):
        self.addresses = addresses
        self.hosts = {}
        self.hosts_file = hosts_file
        self.hosts_file.write_text("127.0.0.1 localhost\n" + "".join(
            f"{address} {name}\n" for name, address in addresses.items()))
        self.bridge = Namespace()
        must(self.bridge.run("ip", "link", "add", "bridge0", "type", "bridge"))
        must(self.bridge.run("ip", "link", "set", "bridge0", "up"))

    def host(self, name):
        """A name without an address of its own gets the next one of the network's."""
        if name not in self.hosts:
            network = next(iter(self.addresses.values())).rpartition(".")[0]
            address = self.addresses.get(name, f"{network}.{len(self.hosts) + 10}")
            self.hosts[name] = Host(self.bridge, name, address, self.hosts_file)
        return self.hosts[name]

    def close(self):
        for space in [host.namespace for host in self.hosts.values()] + [self.bridge]:
            space.close()
