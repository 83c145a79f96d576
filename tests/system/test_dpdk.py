# SPDX-License-Identifier: GPL-2.0-only
"""DPDK's poll-mode driver for mlx5 on stock guests' RoCE ports: testpmd, default arguments."""

import re

import pytest

from lib_roce import bring_up

# A core that takes commands and one that forwards, on whatever CPUs there are; no huge pages.
TESTPMD = ("dpdk-testpmd --no-huge -m 256 --iova-mode=va --lcores 0@0,1@0 --no-telemetry -a {slot} "
           "-- --total-num-mbufs=16384 --auto-start --forward-mode={mode}")
A_COMPLETION = 32       # frames that the driver has completed by one CQE


def command(guest, mode, seconds, more=""):
    """testpmd on the guest's port for a time, from when it forwards."""
    slot = guest.check(f"basename $(readlink /sys/class/net/{guest.dev}/device)").strip()
    return ("f=$(mktemp); (i=0; until grep -q 'Press enter' $f || [ $i -gt 300 ]; do i=$((i+1)); "
            f"sleep 0.2; done; sleep {seconds}; echo) | "
            f"stdbuf -oL {TESTPMD.format(slot=slot, mode=mode)} {more} 2>&1 | tee $f")


def forwarded(text):
    """(received, sent) of what testpmd says at its end."""
    end = text[text.index("Accumulated forward statistics"):]
    return tuple(int(re.search(rf"{way}-packets: (\d+)", end)[1]) for way in ("RX", "TX"))


def exchange(net, mode, seconds):
    """b in a mode, a sends to it; ((received, sent) of b, of a)."""
    a, b = net.a, net.b
    mac = net.instances[1].read("mac")
    job = b.start_bg(command(b, mode, seconds + 15))
    b.check("i=0; until grep -q 'Press enter' /run/bg/{0}.out; do i=$((i+1)); [ $i -lt 400 ] || "
            "exit 1; sleep 0.1; done".format(job.tag), 60)
    text = a.check(command(a, "txonly", seconds, f"--eth-peer=0,{mac}"), seconds + 120)
    rc, other = job.wait(seconds + 120)
    assert rc == 0, other
    return forwarded(other), forwarded(text)


@pytest.fixture(name="ports")
def ports_fixture(net):
    """The pair; no CQ of either overruns."""
    before = [inst.counters() for inst in net.instances]
    yield net
    for inst, old in zip(net.instances, before):
        new = inst.counters()
        for name in ("cq_overruns", "commands_refused"):
            assert new[name] == old[name], (name, old, new)
    for number, guest in enumerate((net.a, net.b), 1):
        bring_up(guest, number)
        # The PMD makes the netdev promiscuous, of which mlx5_core has something to say.
        guest.check("dmesg -C")


def test_receive_and_swap(ports):
    """Frames are sent, received, and sent back with the addresses exchanged."""
    back = ports.instances[0].counters()["eth_rx_ucast"]
    (received, _), (_, sent) = exchange(ports, "rxonly", 4)
    assert sent > 1000 and received > 1000, (sent, received)
    (received, swapped), _ = exchange(ports, "macswap", 4)
    assert received > 1000 and swapped > 1000, (received, swapped)
    # The sender takes no frame out of its queue: as many come back as that has buffers.
    assert ports.instances[0].counters()["eth_rx_ucast"] - back > 100


@pytest.mark.full
def test_a_long_time(ports):
    """Past 70,000 completions of a send queue, whose consumer index has 16 bits."""
    sent = ports.instances[0].counters()["eth_tx_ucast"]
    for _ in range(30):
        (received, _), _ = exchange(ports, "rxonly", 60)
        assert received > 1000, received
        now = ports.instances[0].counters()["eth_tx_ucast"]
        if now - sent > 70000 * A_COMPLETION:
            return
        sent = now
    raise AssertionError("too slow a machine for 70,000 completions in a minute")
