# SPDX-License-Identifier: GPL-2.0-only
"""As many instances as a host offers, and instances that come and go."""

import pathlib
import re

import pytest

from host import MDEV, Instance, sh
from lib_client import Client
from lib_rdma import assert_clean

MANY = 64
CYCLES = 1000
# A list of what instances leave in sysfs, /dev and debugfs; all of it must go.
TRACES = ("/sys/bus/mdev/devices/*", "/sys/kernel/iommu_groups/*", "/dev/vfio/*",
          "/sys/kernel/debug/mhca/*", "/sys/class/vfio/*")


def meminfo():
    """/proc/meminfo in KiB."""
    text = pathlib.Path("/proc/meminfo").read_text()
    return {k: int(v) for k, v in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}


def free_kib():
    """Memory that nobody uses, caches dropped."""
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
    return meminfo()["MemFree"]


def slab_kib():
    """Slab memory that is held."""
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
    return meminfo()["SUnreclaim"]


def resident_kib(pid):
    """What a process has in memory."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1])


@pytest.fixture
def many(alone):
    """Every instance that the host offers, and what one of them costs while closed."""
    alone.remove_instances()
    assert Instance.available("ib-small") == MANY
    before = free_kib()
    instances = [alone.instance("ib-small") for _ in range(MANY)]
    closed = (before - free_kib()) / MANY
    assert Instance.available("ib-small") == 0
    return instances, closed


@pytest.mark.limit(600)
def test_all_at_once(alone, many, record_property):
    """Traffic on all of them, every byte checked; nothing is held afterwards."""
    instances, _ = many
    client = Client(alone, "traffic", 5, *[i.uuid for i in instances])
    # 64 threads that poll leave nobody the time to look at counters meanwhile.
    client.proc.wait(300)
    result = client.result()
    record_property("result", result)
    assert result["instances"] == MANY and not result["failed"]
    assert result["least_messages"] > 10
    for inst in instances:
        assert_clean(inst)
        assert inst.state == "closed"


def test_memory(alone, many, record_property):
    """What an idle instance costs the host: closed, and open with a client's queues."""
    instances, closed = many
    some = instances[:16]
    before = free_kib()
    client = Client(alone, "idle", *[i.uuid for i in some])
    # The client's own memory is not the driver's.
    used = (before - free_kib() - resident_kib(client.pid)) / len(some)
    record_property("closed_kib_per_instance", round(closed))
    record_property("open_kib_per_instance", round(used))
    assert client.finish()[0] == 0
    assert closed < 1024 and used < 4096


def existing():
    """Everything in TRACES."""
    return sh("ls -d " + " ".join(TRACES) + " 2>/dev/null")[1].split()


@pytest.mark.limit(600)
def test_come_and_go(alone, record_property):
    """A thousand instances made and removed, some of them used: all as before."""
    alone.remove_instances()

    def cycles(count):
        for i in range(count):
            inst = Instance("ib-small")
            try:
                if i % 100 == 0:
                    assert Client(alone, "idle", inst.uuid).finish()[0] == 0
            finally:
                inst.remove()

    # The first ones fill caches.
    cycles(50)
    before, files, slab = Instance.available("ib-small"), existing(), slab_kib()
    cycles(CYCLES)
    grown = slab_kib() - slab
    record_property("slab_kib_grown", grown)
    assert existing() == files
    assert Instance.available("ib-small") == before and not list(MDEV.iterdir())
    # KASAN keeps what is freed for a while; where it does there is kmemleak.
    if pathlib.Path("/sys/kernel/debug/kmemleak").exists():
        alone.check_leaks()
    else:
        # 2 KiB that are lost each time would show.
        assert grown < 2 * CYCLES
