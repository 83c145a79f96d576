# SPDX-License-Identifier: GPL-2.0-only
"""Stock guests bind to an instance, let go of it, and leave nothing behind."""

import re

import pytest

from guest import wait_until
from lib_rdma import BIN, assert_clean, devinfo, verified, verify

RELOAD = "modprobe -a mlx5_ib ib_umad rdma_ucm"
UNLOAD = "modprobe -r rdma_ucm ib_umad mlx5_ib && modprobe -r mlx5_core"


def kernel_complaints(guest):
    """Warnings and errors of the drivers in a guest's log."""
    text = guest.check("dmesg --level=emerg,alert,crit,err,warn")
    return re.findall(r"^.*(?:mlx5|infiniband|mhca).*$", text, re.M | re.I)


def working(guest):
    """Verified traffic inside the guest; what was moved."""
    return verified(verify(guest, guest, "rc_lists"))


def as_probed(inst, guest):
    """What the drivers made of an instance that is theirs since the guest booted."""
    info = devinfo(guest)
    assert info["state"].startswith("PORT_ACTIVE"), info["text"]
    assert info["link_layer"] == "InfiniBand"
    assert info["node_guid"] == inst.read("node_guid")
    assert info["gids"][0].replace(":", "")[16:] == inst.read("port_guid").replace(":", "")
    for name in ("node_guid", "sys_image_guid"):
        assert int(info[name].replace(":", ""), 16), f"{name} is zero"
    assert int(info["port_lid"]) == int(inst.read("lid")) > 0
    assert inst.state == "initialised"
    assert not kernel_complaints(guest)
    assert inst.counters()["commands_refused"] == 0


def test_life(host, make_guest, guest_suite, record_property):
    """Probed in silence; unbind, reset, rebind; unload, load; kill -9: clean and working."""
    inst = host.instance()
    guest = make_guest([inst], suite=guest_suite)
    record_property("guest_kernel", guest.check("uname -r").strip())
    record_property("traps_of_probe", inst.counters()["traps"])
    record_property("commands_of_probe", inst.counters()["commands"])
    as_probed(inst, guest)
    working(guest)

    slot = guest.check("basename $(readlink /sys/class/infiniband/*/device)").strip()
    driver = "/sys/bus/pci/drivers/mlx5_core"
    guest.check(f"echo {slot} > {driver}/unbind")
    assert_clean(inst)
    guest.check(f"echo 1 > /sys/bus/pci/devices/{slot}/reset")
    guest.check(f"echo {slot} > {driver}/bind")
    working(guest)

    guest.check(UNLOAD, 120)
    assert_clean(inst)
    assert inst.state == "reset"
    guest.check(RELOAD, 120)
    working(guest)
    assert not kernel_complaints(guest)
    killed(inst, guest)


def killed(inst, guest):
    """kill -9 of QEMU: nothing stays held, and the next guest finds it usable."""
    guest.kill()
    assert inst.state == "closed"
    assert_clean(inst)
    guest.start()
    as_probed(inst, guest)
    working(guest)


def test_identities_differ(host):
    """Node and port GUID, LID and MAC of two instances are their own."""
    names = ("node_guid", "port_guid", "lid", "mac")
    a, b = ({n: i.read(n) for n in names} for i in (host.instance(), host.instance()))
    for n in names:
        assert a[n] != b[n]
        assert a[n].strip("0:") != ""


def test_identity_follows_uuid(host):
    """An instance that is created anew under its UUID is the same one."""
    first = host.instance()
    before = first.read("node_guid"), first.read("port_guid"), first.read("mac")
    first.remove()
    again = host.instance(uuid=first.uuid)
    assert before == (again.read("node_guid"), again.read("port_guid"), again.read("mac"))


def test_ends_in_traffic(host, make_guest):
    """Guests that reboot and that are killed in the middle of traffic leave nothing."""
    inst = host.instance()
    guest = make_guest([inst])
    for end in (guest.reboot, lambda: killed(inst, guest)):
        before = inst.counters()["messages"]
        guest.start_bg(f"{BIN}/mhca-verify -l -S 600 -t soak")
        wait_until(lambda n=before: inst.counters()["messages"] > n + 500, 60, "traffic")
        end()
        as_probed(inst, guest)
        working(guest)


# The machine, its empty PCIe ports, where the device goes.
@pytest.mark.parametrize("machine,ports,bus", [("q35", 1, "rp0"), ("pc", 0, "pci.0")])
def test_hot_plug(host, make_guest, machine, ports, bus):
    """An instance comes and goes while its guest runs: by pciehp, and by ACPI on i440fx."""
    guest = make_guest([], machine=machine, root_ports=ports)
    guest.check("modprobe pciehp; modprobe -a mlx5_ib ib_umad")
    inst = host.instance()
    for _ in range(2):
        guest.qmp("device_add", driver="vfio-pci", id="hca", bus=bus,
                  sysfsdev=f"/sys/bus/mdev/devices/{inst.uuid}")
        wait_until(lambda: guest.run("ls /sys/class/infiniband/*")[0] == 0, 60,
                   "RDMA device after hot-plug", 0.5)
        working(guest)
        guest.qmp("device_del", id="hca")
        wait_until(lambda: inst.state == "closed", 60, "end of hot-unplug", 0.2)
        assert_clean(inst)
