# SPDX-License-Identifier: GPL-2.0-only
"""Upper layers of the guest's own kernel over RoCE: they register memory with UMR (FRWR)."""

import itertools

import pytest

from guest import wait_until
from test_probe import kernel_complaints

NQN = "nqn.2026-11.test:mhca"
CONFIG = "/sys/kernel/config/nvmet"
MIB = 24
_ports = itertools.count(4420)


@pytest.fixture
def target(net):
    """b exports a RAM disk over nvmet-rdma; its port."""
    port = next(_ports)
    net.b.check("modprobe brd rd_nr=1 rd_size=65536 && modprobe nvmet-rdma && "
                "mkdir -p /sys/kernel/config && "
                "(mountpoint -q /sys/kernel/config || "
                "mount -t configfs none /sys/kernel/config)", 60)
    net.b.check(f"cd {CONFIG} && mkdir subsystems/{NQN} && cd subsystems/{NQN} && "
                "echo 1 > attr_allow_any_host && mkdir namespaces/1 && "
                "echo -n /dev/ram0 > namespaces/1/device_path && echo 1 > namespaces/1/enable")
    net.b.check(f"cd {CONFIG} && mkdir ports/1 && cd ports/1 && echo rdma > addr_trtype && "
                f"echo ipv4 > addr_adrfam && echo {net.b.roce_address} > addr_traddr && "
                f"echo {port} > addr_trsvcid && ln -s {CONFIG}/subsystems/{NQN} subsystems/")
    yield port
    net.a.run("for c in /sys/class/nvme/nvme*; do echo 1 > $c/delete_controller; done", 60)
    net.b.run(f"cd {CONFIG}; rm -f ports/1/subsystems/*; rmdir ports/1; "
              f"echo 0 > subsystems/{NQN}/namespaces/1/enable; "
              f"rmdir subsystems/{NQN}/namespaces/1 subsystems/{NQN}; "
              "rmmod nvmet-rdma nvmet brd", 60)
    net.a.run("rmmod nvme-rdma nvme-fabrics", 60)


def connect(pair, port, queues=2):
    """Connect a to the target; its block device."""
    pair.a.check("modprobe nvme-rdma", 60)
    pair.a.check(f"echo -n transport=rdma,traddr={pair.b.roce_address},trsvcid={port},nqn={NQN},"
                 f"nr_io_queues={queues} > /dev/nvme-fabrics", 60)
    wait_until(lambda: pair.a.run("ls /dev/nvme*n1")[0] == 0, 20, "the namespace")
    return pair.a.check("ls /dev/nvme*n1").split()[0]


def disconnect(guest):
    """Delete all NVMe controllers of a guest."""
    guest.check("for c in /sys/class/nvme/nvme*; do echo 1 > $c/delete_controller; done", 60)
    wait_until(lambda: guest.run("ls /dev/nvme*n1")[0] != 0, 20, "the namespace to go")


def test_nvme(net, target, record_property):
    """A remote disk: written, read back and compared, after a disconnect too."""
    disk = connect(net, target)
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
    disk = connect(net, target, queues=1)
    net.a.check(f"dd if={disk} bs=1M iflag=direct count={MIB} 2>/dev/null | cmp - /tmp/data",
                120)
    disconnect(net.a)
    for guest in (net.a, net.b):
        assert not kernel_complaints(guest)


def test_nvme_reset(net, target):
    """The controller is reset while data moves: it comes back, and the data is right."""
    disk = connect(net, target)
    net.a.check(f"dd if=/dev/urandom of=/tmp/data bs=1M count={MIB} 2>&1", 60)
    for _ in range(3):
        job = net.a.start_bg(f"dd if=/tmp/data of={disk} bs=128k oflag=direct 2>&1")
        net.a.check("echo 1 > /sys/class/nvme/nvme0/reset_controller", 60)
        assert job.wait(120)[0] == 0
    net.a.check(f"dd if={disk} bs=1M iflag=direct count={MIB} 2>/dev/null | cmp - /tmp/data",
                120)
