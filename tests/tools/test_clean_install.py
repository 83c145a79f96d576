# SPDX-License-Identifier: GPL-2.0-only
"""The packages of `make deb` in a Debian that has never seen us: they install, DKMS
builds the modules, a program is compiled against the library, all of it goes again.

Takes some minutes, root and a Debian mirror: only with MHCA_FULL=1 (make test-full).
"""

import os
import shutil
import subprocess
import sys

import pytest

from conftest import REPO

sys.path.insert(0, str(REPO / "tests/lab"))

import image  # noqa: E402
from common import die_with_parent, isolated  # noqa: E402

SUITE = "trixie"
# What a host has that is to build modules; nothing that our packages must bring.
BASE = ["linux-headers-amd64", "gcc", "libc6-dev", "pkgconf", "kmod"]
PACKAGES = ["libmhca-dev", "libmhca1", "mhca-dkms", "mhca-tools"]
PROGRAM = r"""
#include <stdio.h>
#include <libmhca.h>

int main(void)
{
	struct ibv_context *context = mhca_open("00000000-0000-4000-8000-000000000000");

	printf("%s\n", context ? "open" : "refused");
	return 0;
}
"""

pytestmark = pytest.mark.skipif(os.environ.get("MHCA_FULL") != "1" or os.geteuid() != 0 or
                                not shutil.which("mmdebstrap"),
                                reason="needs MHCA_FULL=1, root and mmdebstrap")


def sh(*cmd, **kw):
    """Run it; its output. What it said is shown when it fails.

    What it mounts and starts ends with it, and it ends with us.
    """
    p = subprocess.run(isolated(map(str, cmd)), text=True, stdout=subprocess.PIPE,
                       preexec_fn=die_with_parent,
                       stderr=subprocess.STDOUT, check=False, **kw)
    assert p.returncode == 0, f"{cmd}: {p.returncode}\n{p.stdout[-5000:]}"
    return p.stdout


class Clean:
    """A root file system of a suite, and its programs."""

    def __init__(self, root):
        self.root = root
        sh("mmdebstrap", "--mode=root", "--variant=minbase", "--skip=cleanup/apt/lists",
           "--include=" + ",".join(BASE), "--dpkgopt=force-unsafe-io", *image.APT_OPTIONS,
           SUITE, root, *image.sources(SUITE))
        shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")

    def run(self, *cmd):
        """Run it inside."""
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}
        return sh("chroot", self.root, *cmd, env=env)

    def modules(self):
        """Our modules that are installed."""
        return sorted(p.name.split(".")[0] for p in
                      (self.root / "lib/modules").glob("*/updates/dkms/*.ko*"))


@pytest.fixture(scope="module")
def debs(tmp_path_factory):
    """The packages, as `make deb` makes them."""
    out = tmp_path_factory.mktemp("debs")
    sh(sys.executable, REPO / "packaging/deb.py", "--out", out)
    found = sorted(out.glob("*.deb"))
    assert [d.name.split("_")[0] for d in found] == PACKAGES
    return found


@pytest.fixture(scope="module")
def clean(tmp_path_factory, debs):
    """With the packages installed, and their dependencies from the mirror."""
    c = Clean(tmp_path_factory.mktemp("clean") / "root")
    (c.root / "debs").mkdir()
    for deb in debs:
        shutil.copy(deb, c.root / "debs")
    c.run("apt-get", "-qq", "-y", "--no-install-recommends", "install",
          *(f"/debs/{d.name}" for d in debs))
    yield c
    shutil.rmtree(c.root)


def test_modules(clean):
    """DKMS has built both for the suite's kernel, with what they need to be loaded."""
    assert ": installed" in clean.run("dkms", "status", "-m", "mhca")
    assert clean.modules() == ["mhca", "mhca_soft"]
    kernel = next((clean.root / "lib/modules").glob("*/updates/dkms")).parents[1].name
    for name in clean.modules():
        info = clean.run("modinfo", "-k", kernel, name)
        assert "version:        0.1.0" in info or "vermagic:" in info
        assert kernel in info
    assert "mhca" in clean.run("modinfo", "-k", kernel, "-F", "depends", "mhca_soft").split(",")[0]


def test_tools(clean):
    """The tool runs with the suite's libraries; its files are where others look."""
    assert "0.1.0" in clean.run("mhcactl", "--version")
    assert "mhca-pingpong" in clean.run("sh", "-c", "mhca-pingpong --help 2>&1 || true")
    assert "libmhca1" in clean.run("dpkg-query", "-W", "-f", "${Depends}", "mhca-tools")
    for name in ("usr/lib/udev/rules.d/70-mhca.rules", "usr/lib/systemd/system/mhca.service",
                 "usr/share/bash-completion/completions/mhcactl"):
        assert (clean.root / name).exists(), name


def test_library(clean):
    """A program finds header and library through pkg-config, and starts."""
    (clean.root / "tmp/t.c").write_text(PROGRAM)
    clean.run("sh", "-ec", "gcc -Wall -Werror -o /tmp/t /tmp/t.c "
              "$(pkg-config --cflags --libs libmhca)")
    assert clean.run("/tmp/t") == "refused\n"


def test_lintian(debs):
    """Debian's own checker has no error to show."""
    lintian = shutil.which("lintian")
    if not lintian:
        pytest.skip("lintian is not installed")
    sh(lintian, "--fail-on", "error", "--allow-root", *debs)


def test_removal(clean):
    """Purged, nothing is left: no module, no source, no configuration."""
    clean.run("apt-get", "-qq", "-y", "purge", *PACKAGES)
    assert clean.modules() == []
    assert not clean.run("dkms", "status", "-m", "mhca").strip()
    assert not list((clean.root / "usr/src").glob("mhca-*"))
    assert "mhca" not in clean.run("dpkg-query", "-W", "-f", "${Package}\n")
