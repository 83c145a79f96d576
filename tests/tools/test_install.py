# SPDX-License-Identifier: GPL-2.0-only
"""What is installed beside the tool: udev rule and helper, units, scripts."""

import os
import re
import shutil
import subprocess

import pytest

from conftest import REPO, environment
from fakehost import UUIDS

TOOLS = REPO / "host-tools"
OWNS_GROUP = TOOLS / "udev/owns-group"


def owns(host, group):
    env = environment(None)
    env["MHCA_SYSFS_ROOT"] = str(host.root)
    return subprocess.run([OWNS_GROUP, str(group)], env=env, check=False).returncode


def test_owns_group(host):
    assert owns(host, 12) == 0
    assert owns(host, 14) == 0


def test_owns_group_before_the_attributes(host):
    """udev asks while the instance is made: neither type link nor attributes yet."""
    uuid = "88888888-0000-4000-8000-000000000000"
    host.path(f"sys/devices/virtual/mhca/mhca0/{uuid}").mkdir()
    host.link(f"sys/kernel/iommu_groups/20/devices/{uuid}",
              f"../../../../devices/virtual/mhca/mhca0/{uuid}")
    assert owns(host, 20) == 0


def test_owns_no_other_group(host):
    """A graphics card, another driver's mdev, both beside ours, nothing."""
    host.path("sys/devices/pci0000:00/0000:01:00.0").mkdir(parents=True)
    host.link("sys/kernel/iommu_groups/1/devices/0000:01:00.0",
              "../../../../devices/pci0000:00/0000:01:00.0")
    assert owns(host, 1) != 0
    host.path("sys/devices/gpu/mdev_supported_types/i915-x").mkdir(parents=True)
    host.path("sys/devices/gpu/uuid").mkdir()
    host.link("sys/kernel/iommu_groups/2/devices/uuid", "../../../../devices/gpu/uuid")
    assert owns(host, 2) != 0
    host.link("sys/kernel/iommu_groups/12/devices/zz", "../../../../devices/gpu/uuid")
    assert owns(host, 12) != 0
    host.path("sys/kernel/iommu_groups/3/devices").mkdir(parents=True)
    assert owns(host, 3) != 0
    assert owns(host, 99) != 0


@pytest.mark.parametrize("argument", ["", "x", "1/../2", "../12", "-1"])
def test_owns_group_refuses_what_is_no_number(host, argument):
    assert owns(host, argument) == 2


def test_udev_rule():
    """Only our nodes; group and mode, nothing run as root on top."""
    rules = [line for line in (TOOLS / "udev/70-mhca.rules").read_text().splitlines()
             if line and not line.startswith("#")]
    assert len(rules) == 2
    for rule in rules:
        for key in rule.split(", "):
            assert re.fullmatch(r'[A-Z]+(==|=)"[^"]*"', key), key
        assert rule.endswith('GROUP="kvm", MODE="0660"')
        assert "RUN" not in rule


def test_units_verify(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if not analyze:
        pytest.skip("systemd-analyze is not installed")
    units = []
    for unit in (TOOLS / "systemd").iterdir():
        text = re.sub(r"^(Exec\w+=)\S+", r"\1/bin/true", unit.read_text(), flags=re.MULTILINE)
        text = re.sub(r"^Documentation=.*\n", "", text, flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
        units.append(tmp_path / unit.name)
    done = subprocess.run([analyze, "verify", "--man=no", *units], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0 and "mhca" not in done.stderr, done.stderr


def test_scripts_lint():
    shellcheck = shutil.which("shellcheck")
    if not shellcheck:
        pytest.skip("shellcheck is not installed")
    subprocess.run([shellcheck, TOOLS / "mdevctl/mhca.sh", OWNS_GROUP], check=True)
    subprocess.run([shellcheck, "-s", "bash", TOOLS / "completion/mhcactl"], check=True)
    for script in (TOOLS / "mdevctl/mhca.sh", OWNS_GROUP):
        assert os.access(script, os.X_OK)


def test_unit_removes_what_it_can(host, tool):
    """ExecStop: idle instances go, one in use stops the stop with its reason."""
    done = tool.run("remove", "--all")
    assert done.returncode == 5 and "is in use" in done.stderr
    assert tool("list", "-q").split() == UUIDS[:2]
