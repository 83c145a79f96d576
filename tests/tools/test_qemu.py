# SPDX-License-Identifier: GPL-2.0-only
"""qemu: options that QEMU takes as they are, XML that libvirt takes."""

import json
import os
import shlex
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest

from conftest import golden
from fakehost import UUIDS


def test_all(host, tool):
    golden("qemu.txt", tool("qemu", UUIDS[0]))
    golden("qemu-two-i440fx.txt", tool("qemu", "-M", "i440fx", UUIDS[0], UUIDS[1]))


def test_json(host, tool):
    golden("qemu.json", tool("qemu", "--json", UUIDS[0]))
    device = tool.json("qemu", UUIDS[0])["devices"][0]
    assert device["qmp"]["arguments"]["sysfsdev"] == f"/sys/bus/mdev/devices/{UUIDS[0]}"
    assert str(host.root) not in json.dumps(device)


def test_args(host, tool):
    args = shlex.split(tool("qemu", "--format=args", "--machine=i440fx", UUIDS[0]))
    assert args == ["-device", f"vfio-pci,id=mhca-{UUIDS[0]},"
                    f"sysfsdev=/sys/bus/mdev/devices/{UUIDS[0]}"]


def test_root_ports_differ(host, tool):
    args = shlex.split(tool("qemu", "-f", "args", *UUIDS))
    ports = [a for a in args if a.startswith("pcie-root-port")]
    assert len(ports) == 3
    assert len({p.split("chassis=")[1] for p in ports}) == 3


def test_libvirt(host, tool):
    hostdev = ET.fromstring(tool("qemu", "-f", "libvirt", UUIDS[0]))
    assert hostdev.attrib == {"mode": "subsystem", "type": "mdev", "managed": "no",
                              "model": "vfio-pci"}
    assert hostdev.find("source/address").attrib == {"uuid": UUIDS[0]}


def test_qmp(host, tool):
    command = json.loads(tool("qemu", "-f", "qmp", UUIDS[1]))
    assert command["execute"] == "device_add"
    assert command["arguments"]["bus"] == "mhca-port0"


@pytest.mark.parametrize("machine", ["q35", "i440fx"])
def test_qemu_understands_it(host, tool, machine):
    """Stock QEMU parses the options and fails only for want of the device."""
    qemu = shlex.split(os.environ.get("MHCA_QEMU", "qemu-system-x86_64"))
    if not shutil.which(qemu[0]):
        pytest.skip("qemu-system-x86_64 is not installed")
    args = shlex.split(tool("qemu", "-f", "args", "-M", machine, *UUIDS[:2]))
    done = subprocess.run(
        [*qemu, "-M", {"i440fx": "pc"}.get(machine, machine), "-accel", "tcg", "-display",
         "none", "-nodefaults", "-S", *args],
        capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "no such host device" in done.stderr or "No such file" in done.stderr, done.stderr
    assert "Property" not in done.stderr and "nvalid" not in done.stderr, done.stderr


def test_usage(host, tool):
    assert "argument is missing" in tool.fails(2, "qemu")
    assert "none of all, args" in tool.fails(2, "qemu", "-f", "xml", UUIDS[0])
    assert "neither q35" in tool.fails(2, "qemu", "-M", "microvm", UUIDS[0])
    assert "too many instances" in tool.fails(2, "qemu", *[UUIDS[0]] * 129)
    assert "no such instance" in tool.fails(3, "qemu", UUIDS[0], "77")
