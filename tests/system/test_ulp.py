# SPDX-License-Identifier: GPL-2.0-only
"""Upper layers of the guest's own kernel over RoCE: they register memory with UMR (FRWR)."""

import types

import pytest

from guest import wait_until
from lib_fio import verified_io
from lib_nvme import connect, disconnect, target
from lib_roce import bring_up
from test_probe import kernel_complaints

pytestmark = pytest.mark.every_kernel

MIB = 24


@pytest.fixture(name="port")
def port_fixture(net):
    """b exports a RAM disk over nvmet-rdma; its port."""
    with target(net, net.b.roce_address) as port:
        yield port


def test_nvme(net, port, record_property):
    """A remote disk: written, read back and compared, after a disconnect too."""
    disk = connect(net, net.b.roce_address, port)
    before = net.instances[0].counters()
    net.a.check(f"dd if=/dev/urandom of=/tmp/data bs=1M count={MIB} 2>&1", 60)
    net.a.check(f"dd if=/tmp/data of={disk} bs=1M oflag=direct conv=fsync 2>&1", 120)
    net.a.check(f"dd if={disk} of=/tmp/back bs=256k iflag=direct count={4 * MIB} 2>&1 && "
                "cmp /tmp/data /tmp/back && rm /tmp/back", 120)
    sums = [g.check(command).split()[0] for g, command in (
        (net.a, "sha256sum /tmp/data"), (net.b, f"head -c {MIB}M /dev/ram0 | sha256sum"))]
    assert sums[0] == sums[1]
    # Odd sizes: requests of few and of many segments.
    net.a.check(f"dd if=/tmp/data of={disk} bs=12k oflag=direct conv=notrunc count=200 2>&1 && "
                f"dd if={disk} bs=20k iflag=direct count=120 2>/dev/null | "
                "cmp - /tmp/data -n 2457600", 120)
    after = net.instances[0].counters()
    record_property("wqes", after["wqes"] - before["wqes"])
    assert after["qp_errors"] == before["qp_errors"]
    disconnect(net.a)
    disk = connect(net, net.b.roce_address, port, queues=1)
    net.a.check(f"dd if={disk} bs=1M iflag=direct count={MIB} 2>/dev/null | cmp - /tmp/data",
                120)
    disconnect(net.a)
    for guest in (net.a, net.b):
        assert not kernel_complaints(guest)


def test_nvme_reset(net, port):
    """The controller is reset while data moves: it comes back, and the data is right."""
    disk = connect(net, net.b.roce_address, port)
    net.a.check(f"dd if=/dev/urandom of=/tmp/data bs=1M count={MIB} 2>&1", 60)
    for _ in range(3):
        job = net.a.start_bg(f"dd if=/tmp/data of={disk} bs=128k oflag=direct 2>&1")
        net.a.check("echo 1 > /sys/class/nvme/nvme0/reset_controller", 60)
        assert job.wait(120)[0] == 0
    net.a.check(f"dd if={disk} bs=1M iflag=direct count={MIB} 2>/dev/null | cmp - /tmp/data",
                120)


@pytest.mark.slow       # guests of four CPUs take minutes under emulation
@pytest.mark.limit(1800)
def test_nvme_queues(alone, make_guest):
    """Four queues, all in use: data verified, also while the controller is reset."""
    a, b = (make_guest([alone.instance("roce")], name=name, cpus=4, start=False) for name in "ab")
    for guest in (a, b):
        guest.start(wait=False)
    for number, guest in enumerate((a, b), 1):
        guest.wait_boot(600)
        bring_up(guest, number)
    with target(types.SimpleNamespace(a=a, b=b), b.roce_address) as port:
        disk = connect(types.SimpleNamespace(a=a, b=b), b.roce_address, port, queues=4,
                       keep_alive=120)
        assert a.check("cat /sys/class/nvme/nvme0/queue_count").strip() == "5"
        verified_io(a, disk, 8, jobs=4)
        for _ in range(3):
            job = a.start_bg(f"fio --name=w --filename={disk} --size=12M --offset_increment=12M "
                             "--numjobs=4 --rw=randrw --bsrange=4k-128k --ioengine=libaio "
                             "--iodepth=32 --direct=1 --verify=crc32c --verify_fatal=1")
            a.check("echo 1 > /sys/class/nvme/nvme0/reset_controller", 180)
            rc, out = job.wait(300)
            assert rc == 0, out
        disconnect(a)
    for guest in (a, b):
        assert not kernel_complaints(guest)
