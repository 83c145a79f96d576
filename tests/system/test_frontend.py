# SPDX-License-Identifier: GPL-2.0-only
"""The front end's other ways: trapped doorbells, iommufd, a limit of locked memory."""

import json
import os
import pathlib

import pytest

from host import sh
from lib_client import Client
from lib_rdma import assert_clean, devinfo, verified, verify


def kernel():
    """The version of this one."""
    return tuple(int(n) for n in os.uname().release.split("-")[0].split("+")[0].split(".")[:2])


def test_trapped_doorbells(host, make_guest):
    """With x-no-mmap every doorbell traps: slower, and everything works."""
    inst = host.instance()
    guest = make_guest([inst], extra=["-global", "vfio-pci.x-no-mmap=on"])
    before = inst.counters()
    verified(verify(guest, guest, "rc_lists"))
    after = inst.counters()
    assert after["doorbell_faults"] == 0
    assert after["traps"] - before["traps"] > after["messages"] - before["messages"] > 0
    guest.kill()
    assert_clean(inst)


def test_mapped_doorbells(pair):
    """Without it a doorbell is a store; it faults only after an idle spell."""
    inst, guest = pair.instances[0], pair.a
    before = inst.counters()
    verified(verify(guest, guest, "rc_lists"))
    after = inst.counters()
    messages = after["messages"] - before["messages"]
    assert messages > 0
    assert 0 < after["doorbell_faults"] - before["doorbell_faults"] < messages


def test_iommufd(host, make_guest):
    """A guest by the device's own node and an iommufd instead of a VFIO container."""
    sh("modprobe -q iommufd")
    if not pathlib.Path("/dev/iommu").exists():
        pytest.skip("this kernel has no iommufd; the debug kernel has")
    inst = host.instance()
    guest = make_guest([inst], start=False, extra=["-object", "iommufd,id=iommufd0"])
    plain = guest.argv
    guest.argv = lambda: [f"{a},iommufd=iommufd0" if a.startswith("vfio-pci,") else a
                          for a in plain()]
    guest.start()
    verified(verify(guest, guest, "rc_lists"))
    assert inst.counters()["pinned_pages"] > 0
    guest.kill()
    assert_clean(inst)


@pytest.mark.kmsg_ok("MEMLOCK", "mlx5_cmd_out_err", "create mkey failed")
def test_memlock_limit(host, make_guest):
    """A monitor that meets its limit of locked memory: the guest's registration
    fails, the host log says how much was asked, held and allowed."""
    inst = host.instance()
    guest = make_guest([inst], start=False)
    plain = guest.argv
    guest.argv = lambda: ["capsh", "--drop=cap_ipc_lock", "--", "-c",
                          'ulimit -l 65536; exec "$@"', "qemu", *plain()]
    guest.start()
    assert devinfo(guest)["state"].startswith("PORT_ACTIVE")
    host.check("dmesg -C")
    rc, out = guest.run("ibv_rc_pingpong -s 134217728", 60)
    assert rc == 1 and "register MR" in out, out
    log = host.check("dmesg")
    assert f"RLIMIT_MEMLOCK of pid {guest.pid} reached" in log and "limit 67108864" in log
    verified(verify(guest, guest, "rc_lists"))
    guest.kill()
    assert_clean(inst)


def test_mappings(alone):
    """Doorbell pages can be mapped so often and not more; a mapping that is kept after the
    device was closed holds the device, or (before 6.10) shows nothing any more."""
    inst = alone.instance()
    result = Client(alone, "mappings", inst.uuid)
    assert '"kept"' in result.first, result.finish()[2]
    seen = json.loads(result.first)
    assert 0 < seen["mappings"] < 64
    assert seen["kept"] == ("the device" if kernel() >= (6, 10) else "nothing")
    assert result.finish()[0] == 0
    assert_clean(inst)
