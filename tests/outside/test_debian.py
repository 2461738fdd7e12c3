"""The Debian packaging keeps pace: each installed file is in one package, versions agree.

Whether dpkg-buildpackage works is for dpkg-buildpackage to say; this notices at once what
would stop it there.
"""

import fnmatch
import re

import pytest

from conftest import HERE, LIBDIR

ROOT = HERE.parents[1]
DEBIAN = ROOT / "debian"
PACKAGES = ["libdist0", "libdist-dev", "dist-tools"]


def patterns(package):
    """What its .install file takes of the installed tree."""
    lines = (DEBIAN / f"{package}.install").read_text().splitlines()
    return [line.split()[0] for line in lines if line.startswith("usr/")]


def takes(pattern, path):
    return fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch(path, f"{pattern}/*")


@pytest.fixture(scope="module")
def files(installed):
    """As below /usr."""
    return sorted("usr/" + str(path.relative_to(installed.prefix))
                  for path in installed.prefix.rglob("*")
                  if path.is_symlink() or path.is_file())


def test_each_installed_file_is_in_one_package(files):
    for path in files:
        owners = {package for package in PACKAGES
                  if any(takes(pattern, path) for pattern in patterns(package))}
        assert len(owners) == 1, f"{path} is in {owners or 'no package'}"


# What a build without scdoc or libsystemd does not install.
OPTIONAL = ["usr/share/man/", "usr/lib/systemd/", "usr/lib/sysusers.d"]


def is_built(pattern, files):
    return all(any(path.startswith(part) for path in files)
               for part in OPTIONAL if pattern.startswith(part))


def test_what_packages_name_is_there(files):
    for package in PACKAGES:
        for pattern in patterns(package):
            assert not is_built(pattern, files) or any(
                takes(pattern, path) for path in files), f"{package}: {pattern}"
        for line in (DEBIAN / f"{package}.install").read_text().splitlines():
            if not line.startswith("usr/"):
                assert list(ROOT.glob(line.split()[0])), f"{package}: {line}"


def test_documents_and_examples_are_there():
    lists = [*DEBIAN.glob("*.docs"), *DEBIAN.glob("*.examples")]
    assert {path.stem for path in lists} <= set(PACKAGES)
    for path in lists:
        for name in path.read_text().split():
            assert (ROOT / name).exists(), f"{path.name}: {name}"


def test_packages_are_those_of_control():
    control = (DEBIAN / "control").read_text()
    assert re.findall(r"^Package: (\S+)$", control, re.M) == PACKAGES


def test_versions_and_names_agree(installed):
    project = re.search(r"version: '([\d.]+)'", (ROOT / "meson.build").read_text())[1]
    changelog = (DEBIAN / "changelog").read_text()
    assert re.match(r"distribution \(([\d.]+)\)", changelog)[1] == project
    # The soname, the package and its symbols' version go together.
    assert (installed.prefix / LIBDIR / "libdist.so.0").exists()
    symbols = (DEBIAN / "libdist0.symbols").read_text()
    nodes = re.findall(r"^(\w+) \{", (ROOT / "lib" / "libdist.map").read_text(), re.M)
    assert symbols.startswith("libdist.so.0 libdist0 ")
    assert re.findall(r"^ \(symver\)(\S+) ", symbols, re.M) == nodes
    major, minor = (int(part) for part in project.split(".")[:2])
    assert f"libdist0 (<< {major}.{minor + 1}~)" in symbols


def test_the_units_user_is_the_one_that_is_made():
    made = re.findall(r"^u (\S+) ", (ROOT / "deploy/systemd/dist.conf").read_text(), re.M)
    for unit in "distmaster.service.in", "distnode@.service.in":
        text = (ROOT / "deploy" / "systemd" / unit).read_text()
        assert re.findall(r"^User=(\S+)$", text, re.M) == made
