# SPDX-License-Identifier: GPL-2.0-only
"""A distribution's ordinary boot, with systemd, udev and what rdma-core starts."""

import time

import pytest

from guest import wait_until

# Of rdma-core; udev starts them when the device is there.
STARTED = ("rdma-ndd.service", "rdma-load-modules@rdma.service", "rdma-hw.target")
MODULES = ("mlx5_core", "mlx5_ib", "ib_umad", "ib_uverbs", "rdma_ucm")


def lines(guest, command, timeout=60):
    """The lines that a command prints, whatever its status."""
    return [ln for ln in guest.run(command, timeout)[1].splitlines() if ln.strip()]


@pytest.mark.limit(1200)
@pytest.mark.others_full
def test_ordinary_boot(host, make_guest, guest_suite, record_property):
    """Nothing fails, nothing is refused: an InfiniBand and a RoCE port, each kernel."""
    instances = host.instance("ib"), host.instance("roce")
    guest = make_guest(instances, suite=guest_suite, systemd=True, start=False)
    begin = time.monotonic()
    guest.start(timeout=600)
    state = lines(guest, "systemctl is-system-running --wait", 600)
    # Nobody waits for devices: they may come after all that a boot waits for.
    for unit in STARTED:
        wait_until(lambda u=unit: lines(guest, f"systemctl is-active '{u}'") == ["active"], 300,
                   unit, 1)
    record_property("boot_seconds", round(time.monotonic() - begin))
    failed = lines(guest, "systemctl --failed --plain --no-legend")
    assert (state, failed) == (["running"], []), lines(guest, "journalctl -b -p warning --no-pager")
    errors = lines(guest, "dmesg --level=emerg,alert,crit,err")
    assert not [ln for ln in errors if "mlx5" in ln or "infiniband" in ln], errors
    for module in MODULES:
        assert guest.run(f"test -d /sys/module/{module}")[0] == 0, module
    # rdma-ndd tells the ports who they are.
    wait_until(lambda: [n.split()[0] for n in lines(guest, "cat /sys/class/infiniband/*/node_desc")]
               == ["mhca-guest"] * 2, 60, "rdma-ndd's node descriptions", 1)
    # Nobody has configured the netdev of the RoCE port.
    assert lines(guest, "grep -l InfiniBand /sys/class/infiniband/*/ports/1/link_layer | "
                 "xargs dirname | xargs -I{} cat {}/state") == ["4: ACTIVE"]
    for inst in instances:
        assert inst.counters()["commands_refused"] == 0, \
            host.check(f"dmesg | grep -F {inst.uuid} | tail -20 || :")
