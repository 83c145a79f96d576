# SPDX-License-Identifier: GPL-2.0-only
"""The host modules: loading, unloading, removing what is in use."""

import pathlib
import subprocess

import pytest

from guest import wait_until
from host import Host
from lib_client import Client
from lib_rdma import BIN, assert_clean, verified, verify

MODULES = ("mhca_soft", "mhca")


@pytest.fixture
def own_host(lab, alone):
    """A host whose modules the test loads and unloads; as before afterwards."""
    alone.unload()
    h = Host(lab)
    yield h
    h.unload()
    alone.load()


def test_kernel_and_modules(host, record_property):
    """They are built for this kernel, and say who they are."""
    record_property("host_kernel", pathlib.Path("/proc/sys/kernel/osrelease").read_text().strip())
    for name in MODULES:
        info = host.check(f"modinfo {host.out / name}.ko")
        assert "license:        GPL" in info
        assert "description:" in info
        assert host.loaded(name)


def test_load_cycles(own_host):
    """Ten times: load, create, drive, remove, unload."""
    for _ in range(10):
        own_host.load()
        uuids = [own_host.instance().uuid for _ in range(2)]
        assert not Client(own_host, "traffic", 1, *uuids).result()["failed"]
        own_host.unload()
        assert not any(own_host.loaded(m) for m in MODULES)


def test_unload_with_unused_instances(own_host):
    """Instances that nobody has open go with the modules."""
    own_host.load()
    inst = own_host.instance()
    own_host.check("rmmod mhca_soft")
    assert not inst.exists()
    own_host.instances.clear()


def test_unload_while_in_use(own_host):
    """An open instance keeps the modules; afterwards they can go."""
    own_host.load()
    inst = own_host.instance()
    client = Client(own_host, "idle", inst.uuid)
    for name in MODULES:
        assert own_host.run(f"rmmod {name}")[0] != 0
    assert client.finish()[0] == 0
    assert_clean(inst)


def test_request_of_a_guest_in_use(host, make_guest):
    """Removing an instance under a guest asks it to let go, and it does."""
    guest = make_guest([], root_ports=1)
    guest.check("modprobe pciehp; modprobe -a mlx5_ib ib_umad")
    inst = host.instance()
    guest.qmp("device_add", driver="vfio-pci", id="hca", bus="rp0",
              sysfsdev=f"/sys/bus/mdev/devices/{inst.uuid}")
    wait_until(lambda: guest.run("ls /sys/class/infiniband/*")[0] == 0, 60, "device", 0.5)
    remover = subprocess.Popen(["sh", "-c", f"echo 1 > {inst.path}/remove"])
    wait_until(lambda: remover.poll() is not None, 120, "removal", 0.5)
    assert remover.returncode == 0 and not inst.exists()
    assert guest.run("ls /sys/class/infiniband/* 2>/dev/null")[0] != 0
    assert guest.alive()


@pytest.mark.soak
@pytest.mark.limit(7200)
def test_fifty_cycles(own_host, make_guest, record_property):
    """Load, boot a guest, traffic, kill the guest, unload; fifty times."""
    for cycle in range(50):
        own_host.load()
        inst = own_host.instance()
        guest = make_guest([inst])
        assert verified(verify(guest, guest, "rc_mix"))[0] == 1
        job = guest.start_bg(f"{BIN}/mhca-verify -l -S 60 -t soak")
        start = inst.counters()["messages"]
        wait_until(lambda s=start, i=inst: i.counters()["messages"] > s + 300, 60, "traffic")
        assert job.running()
        make_guest.end(guest)
        assert_clean(inst)
        own_host.unload()
        record_property("cycles", cycle + 1)
