# SPDX-License-Identifier: GPL-2.0-only
"""make demo: two stock guests exchange RDMA through mediated instances."""

import itertools
import re
import time

from guest import wait_until
from lib_rdma import device, devinfo, exchange, measured, perftest_rows

# Operation, program, sizes.
TABLE = [
    ("WRITE", "write", (8, 65536, 1048576)),
    ("READ", "read", (8, 65536, 1048576)),
    ("SEND", "send", (8, 65536, 1048576)),
    ("atomic", "atomic", (8,)),
]
SECONDS = 3
SHOWN = ("hca_id", "transport", "fw_ver", "node_guid", "vendor_part_id", "state", "port_lid",
         "link_layer", "active_mtu")
DOORBELL = ("traps", "doorbell_faults")
_ports = itertools.count(18901)


def show_guests(pair):
    """What each guest sees: stock kernel, stock driver, an active port."""
    for g, inst in zip((pair.a, pair.b), pair.instances):
        info = devinfo(g)
        driver = g.check("basename $(readlink /sys/class/infiniband/*/device/driver)").strip()
        print(f"\nGuest {g.name}: Linux {g.check('uname -r').strip()}, driver {driver}, "
              f"instance {inst.uuid}")
        for key in SHOWN:
            print(f"    {key + ':':<16} {info.get(key, '?')}")
        print(f"    {'GID[0]:':<16} {info['gids'][0]}")


def exits_while_running(pair, command):
    """perftest's row, and exits per operation of posting and polling, in the middle of a run.

    Of guest a: all exits, and those that a doorbell or the adapter's registers
    caused. Nobody talks to the guests between the two looks at the counters.
    """
    inst, port = pair.instances[0], next(_ports)
    server = pair.b.start_bg(f"{command} -p {port}")
    wait_until(lambda: pair.b.run(f"ss -Hltn | grep -q ':{port} '")[0] == 0, 30, "server")
    start = inst.counters()["wqes"]
    client = pair.a.start_bg(f"{command} -p {port} {pair.b.address}")
    wait_until(lambda: inst.counters()["wqes"] > start + 200, 60, "traffic", 0.02)
    before, kvm, t = inst.counters(), pair.a.kvm_counters(), time.monotonic()
    wait_until(lambda: time.monotonic() - t > SECONDS / 2 and
               inst.counters()["wqes"] > before["wqes"] + 1000, 60, "traffic", 0.05)
    after, kvm_after = inst.counters(), pair.a.kvm_counters()
    rc, out = client.wait(120)
    assert rc == 0 and server.wait(60)[0] == 0, out
    done = after["wqes"] - before["wqes"]
    doorbells = sum(after[n] - before[n] for n in DOORBELL)
    # An emulator has no exits to count.
    exits = (kvm_after["exits"] - kvm["exits"]) / done if kvm else float("nan")
    return perftest_rows(out)[-1], exits, doorbells / done


def size_option(program, size):
    """perftest's atomics always move 8 bytes."""
    return "" if program == "atomic" else f"-s {size}"


def show_table(pair):
    """The table; each row is two runs of perftest."""
    print("\noperation     bytes   bandwidth      latency    messages   VM exits per operation")
    print("                          MiB/s   us (median)        per s   by doorbells        all")
    for name, program, sizes in TABLE:
        for size in sizes:
            options = f"-F -d {device(pair.a)} {size_option(program, size)}"
            bw = f"ib_{program}_bw {options} -D {SECONDS} -f 1"
            lat = f"ib_{program}_lat {options} -n 100"
            row, exits, doorbells = measured(lambda c=bw: exits_while_running(pair, c))
            lat = measured(lambda c=lat: perftest_rows(exchange(pair.b, pair.a, c)[0])[-1:])[0]
            print(f"{name:<9} {size:>9} {row[3]:>11.2f} {lat[4]:>12.2f} {row[4] * 1e6:>12.0f} "
                  f"{doorbells:>14.4f} {exits:>10.4f}", flush=True)


def show_commands(pair):
    """How many commands trapped, how many were refused."""
    print()
    for g, inst in zip((pair.a, pair.b), pair.instances):
        c = inst.counters()
        print(f"Guest {g.name}: {c['commands']} commands trapped and executed by the host, "
              f"{c['commands_refused']} of them refused; {c['wqes']} work requests without")
    print(f"Host: {sum(i.counters()['pinned_pages'] for i in pair.instances)} pages pinned now")


def vfio_device(guest):
    """The part of QEMU's command line that gives the guest its adapter."""
    return re.search(r"vfio-pci,\S+", " ".join(guest.argv()))[0]


def show_server(pair):
    """The same by hand, where mhcad offers the instances."""
    device = re.search(r"\{[^{]*vfio-user-pci.*?\}\}", " ".join(pair.a.argv()))[0]
    print(f"""
The same by hand:
    mhcad -c {pair.server.config}        # docs/vfio-user.md says what is in it
    qemu-system-x86_64 -M q35,memory-backend=mem -m 1G \\
        -object memory-backend-memfd,id=mem,size=1G,share=on … \\
        -device '{device}'
  in the guests (any stock kernel with mlx5_ib, rdma-core, perftest):
    ibv_devinfo -v
    ib_write_bw -d mlx5_0                   # guest b; it waits
    ib_write_bw -d mlx5_0 {pair.b.address}         # guest a; the same for ib_read_bw, ib_send_lat …""")


def show_by_hand(pair):
    """Each step as a user would do it."""
    if hasattr(pair, "server"):
        show_server(pair)
        return
    uuid = pair.instances[0].uuid
    kind = pair.instances[0].type
    print(f"""
The same by hand (make shell gives a terminal on this host):
    make && insmod ./mhca.ko && insmod ./mhca_soft.ko     # after: modprobe -a mdev vfio_pci
    echo {uuid} > {kind}/create
    qemu-system-x86_64 -accel kvm -cpu host … -device {vfio_device(pair.a)}
  in the guests (any stock kernel with mlx5_ib, rdma-core, perftest):
    ibv_devinfo -v
    ib_write_bw -d mlx5_0                   # guest b; it waits
    ib_write_bw -d mlx5_0 {pair.b.address}         # guest a; the same for ib_read_bw, ib_send_lat …
  on the host:
    grep . /sys/bus/mdev/devices/{uuid}/counters/*
    echo 1 > /sys/bus/mdev/devices/{uuid}/remove""")


def test_demo(pair):
    """Everything in order."""
    show_guests(pair)
    show_table(pair)
    show_commands(pair)
    show_by_hand(pair)
