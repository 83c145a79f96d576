# SPDX-License-Identifier: GPL-2.0-only
"""The README's quick start for a real host, as it stands there.

QEMU's command line is not run here: the lab starts each guest with it.
"""

import pathlib
import re

import pytest

from host import MDEV
from test_modules import own_host               # noqa: F401  (a fixture)

TOP = pathlib.Path(__file__).resolve().parents[2]
SECTION = "## On a real host"
UUID = "6d480000-0000-4000-8000-00000000d0c5"


def paragraphs():
    """The paragraphs of the section's shell blocks, without QEMU's."""
    text = (TOP / "README.md").read_text(encoding="utf-8")
    section = re.search(rf"^{SECTION}$(.*?)^## ", text, re.M | re.S)[1]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.S)
    return [p for block in blocks for p in block.strip().split("\n\n")
            if "qemu-system" not in p]


@pytest.fixture
def shell(own_host, tmp_path):                  # noqa: F811
    """Runs commands in a copy of the source, as root (sudo does nothing)."""
    sudo = tmp_path / "bin/sudo"
    sudo.parent.mkdir()
    sudo.write_text('#!/bin/sh\nexec "$@"\n')
    sudo.chmod(0o755)
    own_host.check(f"cp -r {TOP} {tmp_path}/src")

    def run(commands):
        return own_host.check(f"set -e; export PATH={sudo.parent}:$PATH; "
                              f"cd {tmp_path}/src; uuid={UUID}\n{commands}", 3000)

    yield run
    own_host.run("rmmod mhca_soft mhca; find /lib/modules -name 'mhca*.ko*' -delete; depmod -a; "
                 f"mdevctl undefine --uuid {UUID}")


@pytest.mark.parametrize("built_here", [
    False, pytest.param(True, marks=[pytest.mark.full, pytest.mark.limit(3600)])])
def test_quick_start(own_host, shell, built_here):  # noqa: F811
    """Build, install, load; an instance through sysfs, then through mdevctl.

    Compiling takes an emulated host ten minutes and more, so what the lab built
    and loads has to do where time is short.
    """
    build, sysfs, mdevctl, uplink = paragraphs()
    assert "make install" in build and "create" in sysfs and "mdevctl" in mdevctl
    if built_here:
        shell(build)
    else:
        own_host.load()
    assert pathlib.Path("/sys/class/mdev_bus/mhca0").exists()

    # The block makes a UUID of its own; this one is known here.
    assert re.search(r"^uuid=", sysfs, re.M)
    shell(re.sub(r"^uuid=.*$", "", sysfs, flags=re.M))
    assert (MDEV / UUID / "state").read_text()
    shell(f"echo 1 > {MDEV / UUID}/remove")

    shell(mdevctl)
    assert (MDEV / UUID).exists()
    assert UUID in shell("mdevctl list --defined")
    shell("mdevctl stop --uuid $uuid")
    assert not (MDEV / UUID).exists()

    shell(uplink)
    assert "type mhca" in uplink and "UP" in shell("ip -d link show mhca5")
    shell("ip link del mhca5")
