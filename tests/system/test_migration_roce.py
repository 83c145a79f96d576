# SPDX-License-Identifier: GPL-2.0-only
"""A guest with a RoCE port moves to another QEMU: RDMA, rdma_cm, sockets and block devices."""

import re

import pytest

from guest import wait_until
from lib_fio import verified_io
from lib_move import JOURNEYS, Travellers, moves_while
from lib_nvme import connect, disconnect, target
from lib_rdma import BIN, device, verified
from lib_roce import bring_up, gid_index, netdev


@pytest.fixture
def travel(lab, host):
    """Travellers on RoCE ports, with addresses."""
    return JOURNEYS["roce"].get(lab, host)


def program(travel, server, client, least=1):
    """A program between the guests while one moves all the time; the outputs (client's, server's)."""
    values = {"a": travel.a.roce_address, "b": travel.b.roce_address}
    there = travel.b.start_bg(server.format(**values))
    here = travel.a.start_bg("sleep 2; " + client.format(**values))
    moves = moves_while(travel, here)
    rc, out = here.wait(10)
    there_rc, there_out = there.wait(60)
    assert (rc, there_rc) == (0, 0), f"{out}\n--- server\n{there_out}"
    assert moves >= least
    return out, there_out


def test_idle(travel):
    """Netdev, addresses and GIDs are the same; the peer finds it at once."""
    name = netdev(travel.a)
    shown = "ip -o addr show dev {0}; ibv_devinfo -v; ethtool {0}".format(name)
    wait_until(lambda: "tentative" not in travel.a.check(shown), 20, "its IPv6 address")
    before, mac = travel.a.check(shown), travel.here.read("mac")
    travel.move()
    assert travel.a.check(shown) == before
    assert travel.here.read("mac") == mac
    travel.b.check(f"busybox ping -c 3 -W 5 {travel.a.roce_address}")


@pytest.mark.limit(1500)
def test_traffic(travel):
    """Verified RC traffic with GRH, on keys that UMR filled."""
    options = [f"-S 15 -T 120 -t soak -p 18970 -d {device(g)} -g {gid_index(g)}"
               for g in (travel.a, travel.b)]
    out, _ = program(travel, f"{BIN}/mhca-verify {options[1]}",
                     f"{BIN}/mhca-verify {options[0]} {travel.b.address}")
    assert verified(out)[0] == 1


def test_sockets(travel):
    """TCP over the netdev: iperf3 counts no error, and goes on after each move."""
    out, _ = program(travel, "iperf3 -s -1", "iperf3 -c {b} -t 12")
    assert re.search(r"receiver", out), out


def test_rping(travel):
    """A connection of rdma_cm, its data compared."""
    program(travel, "rping -s -a {b} -p 7174 -C 1500 -S 4000 -V",
            "rping -c -a {b} -p 7174 -C 1500 -S 4000 -V")


def test_perftest(travel):
    """ib_write_bw that never ends by itself."""
    command = f"ib_write_bw -R -F -D 12 -d {device(travel.a)}"
    out, _ = program(travel, command, command + " {b}")
    assert "BW average" in out


@pytest.mark.limit(1500)
def test_nvme(travel):
    """A block device over RDMA: what fio writes it reads, wherever the guest is."""
    with target(travel, travel.b.roce_address) as port:
        path = connect(travel, travel.b.roce_address, port, keep_alive=60)
        job = travel.a.start_bg(
            f"fio --name=v --filename={path} --rw=randrw --bs=4k --size=8m --verify=crc32c "
            "--iodepth=8 --ioengine=libaio --direct=1 --verify_fatal=1 --time_based --runtime=15")
        moves = moves_while(travel, job)
        rc, out = job.wait(30)
        assert rc == 0 and moves, out
        verified_io(travel.a, path)
        disconnect(travel.a)


@pytest.mark.limit(1500)
@pytest.mark.parametrize("kind", [pytest.param("ib", marks=pytest.mark.full), "roce"])
def test_kernels(host, make_guest, guest_suite, kind, record_property):
    """Guests of each kernel, whichever port they have, there and back again."""
    pair = Travellers(host, make_guest, kind, suite=guest_suite)
    try:
        options = ["", ""]
        if kind == "roce":
            for number, guest in enumerate((pair.a, pair.b), 1):
                bring_up(guest, number)
            options = [f"-d {device(g)} -g {gid_index(g)}" for g in (pair.a, pair.b)]
        command = f"{BIN}/mhca-verify -S 12 -T 120 -t soak -p 18960"
        there = pair.b.start_bg(f"{command} {options[1]}")
        here = pair.a.start_bg(f"sleep 1; {command} {options[0]} {pair.b.address}")
        for _ in range(2):
            record_property("downtime_ms", pair.move()["downtime"])
        rc, out = here.wait(200)
        assert (rc, there.wait(60)[0]) == (0, 0), out
        assert verified(out)[0] == 1
    finally:
        pair.end()
