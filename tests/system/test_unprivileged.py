# SPDX-License-Identifier: GPL-2.0-only
"""QEMU as an ordinary user: our udev rule, group kvm, a limit of locked memory."""

import os
import pathlib
import re

from host import sh
from lib_rdma import assert_clean, devinfo, verified, verify

USER = 2001


def as_user(guest):
    """Have QEMU started as USER, in group kvm, with 256 MiB to lock and no capability."""
    plain, kvm = guest.argv, sh("getent group kvm")[1].split(":")[2]
    # What the lab made as root and QEMU opens itself; Debian's udev rule for /dev/kvm.
    sh(f"chgrp kvm /dev/kvm; chmod 660 /dev/kvm; chmod o+r {guest.disk()}; "
       f"chown -R {USER} {guest.tmp.name}; touch {guest.console}; chmod 666 {guest.console}")
    guest.argv = lambda: [
        "setpriv", f"--reuid={USER}", f"--regid={USER}", f"--groups={kvm}", "--bounding-set=-all",
        "--inh-caps=-all", "--", "sh", "-c", 'ulimit -l 262144; exec "$@"', "qemu", *plain()]


def test_qemu_of_a_user(host, make_guest, udev):
    """The node belongs to group kvm; a member's guest works, and stays below the limit."""
    inst = host.instance()
    sh("udevadm settle")
    group = os.readlink(f"/sys/bus/mdev/devices/{inst.uuid}/iommu_group").rpartition("/")[2]
    assert sh(f"stat -c '%G %a' /dev/vfio/{group}")[1].split() == ["kvm", "660"]
    guest = make_guest([inst], start=False)
    as_user(guest)
    guest.start()
    status = pathlib.Path(f"/proc/{guest.pid}/status").read_text()
    assert re.search(rf"^Uid:\t{USER}\t{USER}\t", status, re.M), status
    assert re.search(r"^CapEff:\t0+$", status, re.M), status
    assert devinfo(guest)["state"].startswith("PORT_ACTIVE")
    verified(verify(guest, guest, "rc_lists"))
    guest.kill()
    assert_clean(inst)
