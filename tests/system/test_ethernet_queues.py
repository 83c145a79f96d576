# SPDX-License-Identifier: GPL-2.0-only
"""Send queues of a netdev: errors and recovery, very large sends, service tags."""

import contextlib
import json
import pathlib
import time

import pytest

from guest import wait_until
from lib_roce import SUBNET
from test_ethernet import guests_fixture, ping, silent, uplink_fixture  # noqa: F401

pytestmark = [pytest.mark.every_kernel, pytest.mark.others_full]

FAIL_SEND = pathlib.Path("/sys/module/mhca/parameters/fail_send")
TRACE = "/sys/kernel/tracing"
EVENT = f"{TRACE}/events/net/net_dev_xmit"
LARGE = 400000
# mlx5e_xmit of 6.12 copies a TCP header behind an IPv6 header, and FORTIFY_SOURCE warns.
OWN_WARNING = pytest.mark.kmsg_ok(r"WARNING: .*mlx5e_xmit|field-spanning write")


def reporter(guest):
    """What the guest's tx reporter says of itself."""
    text = guest.check("devlink -j health show", 60)
    return next(r for entries in json.loads(text)["health"].values() for r in entries
                if r["reporter"] == "tx")


def refused(guest):
    """Errors of queues that the device saw."""
    return guest.inst.counters()["qp_errors"]


@pytest.mark.kmsg_ok(r"mlx5_core .*(?:Error cqe|ERR CQE)")
def test_recovery(guests):
    """A WQE fails: the driver recovers its SQ, by itself and each time; traffic goes on."""
    a, b = guests
    try:
        for _ in range(3):
            before = {g: reporter(g) for g in guests}
            errors = sum(map(refused, guests))
            FAIL_SEND.write_text("5\n")
            a.run(f"busybox ping -W 1 -i 0.1 -c 20 {b.roce_address}", 60)
            wait_until(lambda: sum(map(refused, guests)) == errors + 1, 30, "the error")
            assert FAIL_SEND.read_text() == "0\n"
            wait_until(lambda: sum(reporter(g)["recover"] - before[g]["recover"]
                                   for g in guests) == 1, 60, "recovery", 0.5)
            for guest in guests:
                assert reporter(guest)["state"] == "healthy", reporter(guest)
            ping(a, b.roce_address, "-s 1400")
            ping(b, a.roce_address, "-s 1400")
            # Errors that follow each other faster than the reporter's grace period stay.
            time.sleep(1)
        assert sum(map(refused, guests)) == errors + 1
    finally:
        FAIL_SEND.write_text("0\n")
        for guest in guests:
            guest.run("dmesg -C")


@contextlib.contextmanager
def large_sends(guest):
    """A function: packets of more than 64 KiB that the stack gave to the netdev."""
    guest.check(f"echo 'len > 66000' > {EVENT}/filter && echo > {TRACE}/trace && "
                f"echo 1 > {EVENT}/enable")
    try:
        yield lambda: int(guest.check(f"grep -c 'dev={guest.dev}' {TRACE}/trace || true"))
    finally:
        guest.run(f"echo 0 > {EVENT}/enable; echo 0 > {EVENT}/filter; echo > {TRACE}/trace")


def stream(server, client, address):
    """TCP for two seconds; the bytes that came."""
    listens = "ss -Hltn | grep -q ':5201'"
    server.check("iperf3 -s -1 -D")
    wait_until(lambda: server.run(listens)[0] == 0, 30, "iperf3")
    text = client.check(f"iperf3 -J -c {address} -t 2 -l 1M", 120)
    wait_until(lambda: server.run(listens)[0], 30, "its end")
    return json.loads(text)["end"]["sum_received"]["bytes"]


def very_large(server, client, addresses, record_property):
    """Sends beyond 64 KiB, of both families if the guest's kernel has them, arrive."""
    seen = {}
    for family, option in (("v6", "gso_max_size"), ("v4", "gso_ipv4_max_size")):
        rc, out = client.run(f"ip link set {client.dev} {option} {LARGE}")
        if rc and family == "v4":
            # Before 6.3 there is none.
            assert client.check("uname -r").startswith("6.1."), out
            continue
        assert rc == 0, out
        try:
            errors = refused(client)
            # The first one makes the driver of 6.12 complain of itself, which takes a while.
            stream(server, client, addresses[family])
            with large_sends(client) as count:
                assert stream(server, client, addresses[family]) > 1 << 20
                seen[family] = count()
            assert refused(client) == errors
        finally:
            client.run(f"ip link set {client.dev} {option} 65536")
    record_property("large_sends", seen)
    assert all(seen.values()), seen


@pytest.fixture(name="v6")
def v6_fixture(guests):
    """IPv6 addresses of the guests, fd77::1 and fd77::2."""
    for number, guest in enumerate(guests, 1):
        guest.check(f"ip -6 addr add fd77::{number}/64 dev {guest.dev} nodad")
    yield
    for guest in guests:
        guest.run(f"ip -6 addr flush dev {guest.dev} scope global")


@OWN_WARNING
def test_big_tcp(guests, v6, record_property):
    """BIG TCP from each guest to the other."""
    a, b = guests
    very_large(b, a, {"v4": b.roce_address, "v6": "fd77::2"}, record_property)
    very_large(a, b, {"v4": a.roce_address, "v6": "fd77::1"}, record_property)


@OWN_WARNING
def test_big_tcp_to_host(host, guests, v6, uplink, record_property):
    """BIG TCP through the uplink."""
    host.check(f"ip -6 addr add fd77::fe/64 dev {uplink} nodad")
    for guest in guests:
        ping(guest, f"{SUBNET}.254", count=2)
        very_large(host, guest, {"v4": f"{SUBNET}.254", "v6": "fd77::fe"}, record_property)


def test_service_tag(guests):
    """802.1ad is 802.1ad when it arrives, and no 802.1Q."""
    a, b = guests
    try:
        for guest, proto in ((a, "802.1ad"), (b, "802.1ad")):
            guest.check(f"ip link add link {guest.dev} name v7 type vlan proto {proto} id 7 && "
                        f"ip link set v7 up && ip addr add 10.98.0.{guest.roce_address[-1]}/24 "
                        "dev v7", 60)
        ping(a, "10.98.0.2", "-s 1472")
        ping(b, "10.98.0.1")
        b.check(f"ip link del v7 && ip link add link {b.dev} name v7 type vlan id 7 && "
                "ip link set v7 up && ip addr add 10.98.0.2/24 dev v7", 60)
        silent(a, "10.98.0.2")
    finally:
        for guest in guests:
            guest.run("ip link del v7", 60)
