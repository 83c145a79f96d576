# SPDX-License-Identifier: GPL-2.0-only
"""The Debian packages: who gets which file, control data, the same bytes each time."""

import hashlib
import os
import shutil
import subprocess
import sys

import pytest

from conftest import MHCACTL, REPO

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-shlibdeps") or
                                not (REPO / ".git").exists(),
                                reason="needs dpkg-dev and the repository")

TREE = {
    "usr/share/man/man1/mhcactl.1": REPO / "host-tools/man/mhcactl.1",
    "usr/lib/udev/rules.d/70-mhca.rules": REPO / "host-tools/udev/70-mhca.rules",
    "usr/lib/udev/owns-group": REPO / "host-tools/udev/owns-group",
    "usr/lib/x86_64-linux-gnu/libmhca.so.1.0.0": REPO / "dkms.conf",
    "usr/lib/x86_64-linux-gnu/pkgconfig/libmhca.pc": REPO / "dkms.conf",
    "usr/include/libmhca.h": REPO / "dkms.conf",
}


def sh(*cmd):
    return subprocess.run(list(map(str, cmd)), text=True, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Packages of a tree that stands for an installed one."""
    top = tmp_path_factory.mktemp("deb")
    tree = top / "tree"
    for name, source in TREE.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, tree / name)
    (tree / "usr/sbin").mkdir()
    shutil.copy(MHCACTL, tree / "usr/sbin/mhcactl")
    os.symlink("libmhca.so.1.0.0", tree / "usr/lib/x86_64-linux-gnu/libmhca.so.1")
    os.symlink("libmhca.so.1", tree / "usr/lib/x86_64-linux-gnu/libmhca.so")

    def run(name):
        out = top / name
        sh(sys.executable, REPO / "packaging/deb.py", "--tools", tree, "--out", out)
        return {deb.name.split("_")[0]: deb for deb in out.glob("*.deb")}
    return run


@pytest.fixture(scope="module")
def debs(build):
    return build("one")


def files(deb):
    """path -> mode and owner."""
    rows = [ln.split(None, 5) for ln in sh("dpkg-deb", "-c", deb).splitlines()]
    return {r[5].split(" -> ")[0].removeprefix("./"): (r[0], r[1]) for r in rows}


def field(deb, name):
    return sh("dpkg-deb", "-f", deb, name).strip()


def test_packages(debs):
    assert sorted(debs) == ["libmhca-dev", "libmhca1", "mhca-dkms", "mhca-tools"]
    for deb in debs.values():
        assert {owner for _, owner in files(deb).values()} == {"root/root"}
        assert field(deb, "Version") == "0.1.0" and field(deb, "Description")


def test_who_gets_what(debs):
    tools, lib, dev = (files(debs[n]) for n in ("mhca-tools", "libmhca1", "libmhca-dev"))
    assert tools["usr/sbin/mhcactl"][0] == "-rwxr-xr-x"
    assert tools["usr/lib/udev/owns-group"][0] == "-rwxr-xr-x"
    assert "usr/share/man/man1/mhcactl.1.gz" in tools
    assert {"usr/lib/x86_64-linux-gnu/libmhca.so.1", "usr/lib/x86_64-linux-gnu/libmhca.so.1.0.0"} \
        <= set(lib)
    assert {"usr/lib/x86_64-linux-gnu/libmhca.so", "usr/include/libmhca.h",
            "usr/lib/x86_64-linux-gnu/pkgconfig/libmhca.pc"} <= set(dev)
    owned = [n for p in (tools, lib, dev) for n in p if n and not n.endswith("/")]
    assert len(owned) == len(set(owned)), "a file is in two packages"


def test_dependencies(debs):
    depends = field(debs["mhca-tools"], "Depends")
    for library in ("libc6", "libjson-c5", "libudev1", "libncursesw6"):
        assert library in depends
    assert "dkms" in field(debs["mhca-dkms"], "Depends")
    assert field(debs["libmhca-dev"], "Depends") == "libmhca1 (= 0.1.0), libibverbs-dev"


def test_dkms_sources(debs, tmp_path):
    """Everything that Kbuild names is there, and the scripts are shell."""
    sh("dpkg-deb", "-x", debs["mhca-dkms"], tmp_path)
    sh("dpkg-deb", "-e", debs["mhca-dkms"], tmp_path / "DEBIAN")
    src = tmp_path / "usr/src/mhca-0.1.0"
    for word in (src / "Kbuild").read_text().split():
        if word.startswith("mdev-driver/") and word.endswith(".o"):
            assert (src / word).with_suffix(".c").exists(), word
        if word.startswith("$(src)/") and word.endswith(".mk"):
            assert (src / word.removeprefix("$(src)/")).exists(), word
    assert not list(src.rglob("*.o"))
    for script in ("postinst", "prerm"):
        sh("sh", "-n", tmp_path / "DEBIAN" / script)
        assert "mhca 0.1.0" in (tmp_path / "DEBIAN" / script).read_text().replace(" -v", "")


def test_installed_tool_runs(debs, tmp_path):
    """What is in the package starts (under the loader's own libraries)."""
    sh("dpkg-deb", "-x", debs["mhca-tools"], tmp_path)
    assert "0.1.0" in sh(tmp_path / "usr/sbin/mhcactl", "--version")


def test_same_bytes(build, debs):
    """The same sources make the same packages."""
    again = build("two")
    for name, deb in debs.items():
        assert hashlib.sha256(deb.read_bytes()).digest() == \
            hashlib.sha256(again[name].read_bytes()).digest(), name
