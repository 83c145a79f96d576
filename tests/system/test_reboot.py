# SPDX-License-Identifier: GPL-2.0-only
"""Instances that mdevctl has defined are there again after a reboot.

A guest is the host here, since that one cannot be rebooted under its tests: it has the
modules, udevd, mdevctl and what mhca.service does, and keeps /etc/mdevctl.d.
"""

import pathlib
import re
import uuid as uuidlib

import pytest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "host-tools"
ATTRIBUTES = {"weight": "321", "max_qp": "77", "segment": "5", "description": "for a tenant"}


def put(guest, path, file):
    """A file of ours at a place of the guest."""
    guest.check(f"mkdir -p $(dirname {path}) && cat > {path} <<'MHCA-EOF'\n"
                f"{file.read_text(encoding='utf-8')}\nMHCA-EOF")


def boot(guest):
    """What a machine with our packages does from its disk to the end of mhca.service."""
    guest.check("mount --bind /mhca/etc /etc/mdevctl.d; "
                "mkdir -p /lib/modules/$(uname -r)/updates && "
                "cp /mhca/out/mhca*.ko /lib/modules/$(uname -r)/updates/ && depmod -a; "
                "find /usr/lib/udev/rules.d -type f ! -name 60-mdevctl.rules -delete", 120)
    put(guest, "/usr/lib/udev/rules.d/70-mhca.rules", TOOLS / "udev/70-mhca.rules")
    put(guest, "/usr/lib/mhca/owns-group", TOOLS / "udev/owns-group")
    guest.check("chmod +x /usr/lib/mhca/owns-group; /usr/lib/systemd/systemd-udevd --daemon")
    unit = (TOOLS / "systemd/mhca.service").read_text()
    for must, command in re.findall(r"^ExecStart=(-?)(.*)$", unit, re.M):
        rc, out = guest.run(command.replace("$$", "$"), 120)
        assert rc == 0 or must == "-", f"`{command}` ended with {rc}:\n{out}"


def attribute(guest, uuid, name):
    """An attribute of an instance in the guest."""
    return guest.check(f"cat /sys/bus/mdev/devices/{uuid}/{name}").strip()


@pytest.mark.limit(600)
def test_reboot(make_guest, tmp_path):
    """Defined with attributes and started; both after a reboot, one that is not `auto` not."""
    guest = make_guest([], extra=[
        "-fsdev", f"local,id=etc,path={tmp_path},security_model=none",
        "-device", "virtio-9p-pci,fsdev=etc,mount_tag=etc"])
    boot(guest)
    uuid, by_hand = uuidlib.uuid4(), uuidlib.uuid4()
    guest.check(f"mdevctl define -a -u {uuid} -p mhca0 -t mhca-roce-small && "
                + " && ".join(f"mdevctl modify -u {uuid} -p mhca0 --addattr={name} "
                              f"--value='{value}'" for name, value in ATTRIBUTES.items())
                + f" && mdevctl define -u {by_hand} -p mhca0 -t mhca-ib-small && "
                f"mdevctl start -u {uuid} && mdevctl start -u {by_hand}", 120)
    before = {name: attribute(guest, uuid, name) for name in [*ATTRIBUTES, "mac", "node_guid"]}
    assert {name: before[name] for name in ATTRIBUTES} == ATTRIBUTES
    guest.reboot()
    assert guest.run("ls /sys/class/mdev_bus")[0] != 0
    boot(guest)
    assert {name: attribute(guest, uuid, name) for name in before} == before
    assert guest.run(f"ls /sys/bus/mdev/devices/{by_hand}")[0] != 0
    assert attribute(guest, uuid, "state") == "closed"
