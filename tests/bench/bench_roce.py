# SPDX-License-Identifier: GPL-2.0-only
"""make bench, Ethernet ports: RDMA, the netdev, NVMe, connections; against virtio-net and rxe.

Both peers' figures come from the same two guests: each has an instance of the roce type
and a virtio-net card with vhost, whose taps are in one host bridge.
"""

import os
import pathlib
import re

import pytest

import lib_nvme
from bench import OPS, compare, measure_rdma, rxe_link, tcp_bandwidth
from figures import REPEAT
from guest import wait_until
from lib_fio import random_reads
from lib_rdma import device
from lib_roce import bring_up, connect_many, gid_index, netdev

FRAMES = 100000     # two seconds of them and more, beside which starting is little
SECONDS = 3
CONNECTIONS = 100
TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def peers(roce_pair):
    """The guests; (netdev, b's address) of each way from a to b."""
    for number, guest in enumerate((roce_pair.a, roce_pair.b), 1):
        bring_up(guest, number)
    roce_pair.ways = {"mhca": (netdev(roce_pair.a), roce_pair.b.roce_address),
                      "virtio-net": ("eth0", roce_pair.b.address)}
    return roce_pair


def test_rdma(peers, figures):
    """What bench.py measures on an InfiniBand port, beside its figures of rxe, TCP and memcpy."""
    options = f"-d {device(peers.a)} -x {gid_index(peers.a)}"
    for op in OPS:
        measure_rdma(peers, figures, "mhca roce", op, options)
    compare(figures, "mhca roce")


def busy_seconds():
    """CPU time that the host has used, guests included."""
    fields = pathlib.Path("/proc/stat").read_text().split()[1:9]
    return sum(int(n) for i, n in enumerate(fields) if i not in (3, 4)) / TICKS


def test_tcp(peers, figures):
    """iperf3 from guest to guest."""
    print("\nTCP")
    for who, (_, address) in peers.ways.items():
        figures.add(who, "TCP bandwidth", "MiB/s",
                    [tcp_bandwidth(peers, address) for _ in range(REPEAT)])
    figures.ratio("TCP bandwidth / virtio-net", ("mhca", "TCP bandwidth"),
                  ("virtio-net", "TCP bandwidth"))


def prepare_pktgen(guest, dev, mac):
    """FRAMES frames of 64 bytes (with FCS), each an skb of its own, for start_pktgen()."""
    options = [f"count {FRAMES}", "pkt_size 60", "clone_skb 0", "delay 0", "dst 198.18.0.2",
               f"dst_mac {mac}"]
    guest.check("modprobe pktgen && cd /proc/net/pktgen && echo rem_device_all > kpktgend_0 && "
                f"echo 'add_device {dev}' > kpktgend_0")
    for option in options:
        guest.check(f"echo '{option}' > /proc/net/pktgen/{dev}")


def start_pktgen(guest, dev):
    """Send them; seconds."""
    text = guest.check(f"echo start > /proc/net/pktgen/pgctrl; cat /proc/net/pktgen/{dev}", 300)
    took = re.search(r"Result: OK: (\d+)\(", text)
    assert took, text
    return int(took[1]) / 1e6


def test_packets(peers, figures):
    """64-byte frames: those that arrive per second, and the host's CPU time for each.

    The host's time is all that it used meanwhile, both guests included.
    """
    print("\n64-byte frames")
    rates, costs = ({who: [] for who in peers.ways} for _ in range(2))
    for _ in range(REPEAT):
        for who, (dev, _) in peers.ways.items():
            mac = peers.b.check(f"cat /sys/class/net/{dev}/address").strip()
            received = f"cat /sys/class/net/{dev}/statistics/rx_packets"
            prepare_pktgen(peers.a, dev, mac)
            count, busy = int(peers.b.check(received)), busy_seconds()
            seconds = start_pktgen(peers.a, dev)
            used, arrived = busy_seconds() - busy, int(peers.b.check(received)) - count
            rates[who].append(arrived / seconds)
            costs[who].append(used / arrived * 1e6)
    for who in peers.ways:
        figures.add(who, "64 B frames received", "1/s", rates[who])
        figures.add(who, "host CPU per 64 B frame", "us", costs[who])
    figures.ratio("64 B frames / virtio-net", ("mhca", "64 B frames received"),
                  ("virtio-net", "64 B frames received"))
    figures.ratio("host CPU per 64 B frame / virtio-net", ("mhca", "host CPU per 64 B frame"),
                  ("virtio-net", "host CPU per 64 B frame"), "lower")


def test_nvme(peers, figures):
    """4 KiB random reads of the other guest's RAM disk."""
    print("\nNVMe over fabrics")
    for who, transport in (("mhca", "rdma"), ("virtio-net", "tcp")):
        address = peers.ways[who][1]
        with lib_nvme.target(peers, address, transport) as port:
            disk = lib_nvme.connect(peers, address, port, 1, transport)
            for depth in (1, 32):
                figures.add(f"nvme-{transport}", f"4 KiB randread QD{depth}", "IOPS",
                            [random_reads(peers.a, disk, depth, SECONDS) for _ in range(REPEAT)])
    for depth in (1, 32):
        what = f"4 KiB randread QD{depth}"
        figures.ratio(f"{what}: nvme-rdma / nvme-tcp over virtio-net", ("nvme-rdma", what),
                      ("nvme-tcp", what))


def test_connections(peers, figures):
    """rdma_cm: QPs connected per second, of CONNECTIONS that are begun at once."""
    print("\nConnections by rdma_cm")
    rxe_link(peers)
    for who, way in (("mhca", "mhca"), ("rxe", "virtio-net")):
        address = peers.ways[way][1]
        figures.add(who, "connections", "1/s",
                    [connect_many(peers, address, CONNECTIONS) for _ in range(REPEAT)])
    figures.ratio("connections / rxe", ("mhca", "connections"), ("rxe", "connections"))
