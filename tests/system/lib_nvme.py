# SPDX-License-Identifier: GPL-2.0-only
"""NVMe over fabrics between two guests: b exports a RAM disk, a connects to it."""

import contextlib
import itertools

from guest import wait_until

NQN = "nqn.2026-11.test:mhca"
CONFIG = "/sys/kernel/config/nvmet"
_ports = itertools.count(4420)


def disconnect(guest):
    """Delete all NVMe controllers of a guest."""
    guest.check("for c in /sys/class/nvme/nvme*; do "
                "[ ! -e $c ] || echo 1 > $c/delete_controller; done", 60)
    wait_until(lambda: guest.run("ls /dev/nvme*n1")[0] != 0, 20, "the namespace to go")


@contextlib.contextmanager
def target(pair, address, transport="rdma"):
    """b exports 64 MiB over `transport` (rdma, tcp) at `address`; the port."""
    port = next(_ports)
    pair.b.check(f"modprobe brd rd_nr=1 rd_size=65536 && modprobe nvmet-{transport} && "
                 "mkdir -p /sys/kernel/config && "
                 "(mountpoint -q /sys/kernel/config || "
                 "mount -t configfs none /sys/kernel/config)", 60)
    pair.b.check(f"cd {CONFIG} && mkdir subsystems/{NQN} && cd subsystems/{NQN} && "
                 "echo 1 > attr_allow_any_host && mkdir namespaces/1 && "
                 "echo -n /dev/ram0 > namespaces/1/device_path && echo 1 > namespaces/1/enable")
    pair.b.check(f"cd {CONFIG} && mkdir ports/1 && cd ports/1 && "
                 f"echo {transport} > addr_trtype && echo ipv4 > addr_adrfam && "
                 f"echo {address} > addr_traddr && echo {port} > addr_trsvcid && "
                 f"ln -s {CONFIG}/subsystems/{NQN} subsystems/")
    try:
        yield port
    finally:
        with contextlib.suppress(Exception):
            disconnect(pair.a)
        pair.b.run(f"cd {CONFIG}; rm -f ports/1/subsystems/*; rmdir ports/1; "
                   f"echo 0 > subsystems/{NQN}/namespaces/1/enable; "
                   f"rmdir subsystems/{NQN}/namespaces/1 subsystems/{NQN}; "
                   f"rmmod nvmet-{transport} nvmet brd", 60)
        pair.a.run(f"rmmod nvme-{transport} nvme-fabrics", 60)


def connect(pair, address, port, queues=2, transport="rdma", keep_alive=5):
    """Connect a to the target; its block device.

    A controller's reset has to take less than `keep_alive` seconds. It frees 128 MRs for
    each queue, each by a command, which takes an emulated guest seconds.
    """
    pair.a.check(f"modprobe nvme-{transport}", 60)
    pair.a.check(f"echo -n transport={transport},traddr={address},trsvcid={port},nqn={NQN},"
                 f"nr_io_queues={queues},keep_alive_tmo={keep_alive} > /dev/nvme-fabrics", 60)
    wait_until(lambda: pair.a.run("ls /dev/nvme*n1")[0] == 0, 20, "the namespace")
    return pair.a.check("ls /dev/nvme*n1").split()[0]
