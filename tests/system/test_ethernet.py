# SPDX-License-Identifier: GPL-2.0-only
"""The netdev of RoCE instances: guests of a segment, the host behind its uplink."""

import contextlib
import json
import re

import pytest

from guest import wait_until
from host import sh
from lib_rdma import objects
from lib_roce import SUBNET, bring_up, carrier
from test_probe import RELOAD, UNLOAD, kernel_complaints

pytestmark = pytest.mark.every_kernel


def ping(guest, address, args="", count=4):
    """All of @count answers, or fail."""
    text = guest.check(f"busybox ping -W 10 -i 0.2 -c {count} {args} {address}", 120)
    assert f"{count} packets received" in text, text


def silent(guest, address):
    """Nobody answers."""
    rc, text = guest.run(f"busybox ping -W 2 -i 0.2 -c 3 {address}", 60)
    assert rc, text


def iperf(server, client, address, args="", seconds=3):
    """iperf3's result as a dict; bits per second and no broken stream."""
    job = server.start_bg(f"iperf3 -s -1 -J -B {address}")
    wait_until(lambda: server.run(f"ss -Hltn | grep -q {address}:5201")[0] == 0, 30, "iperf3")
    text = client.check(f"iperf3 -J -c {address} -t {seconds} {args}", 120)
    job.wait()
    end = json.loads(text)["end"]
    return (end.get("sum_received") or end["sum"])["bits_per_second"]


@pytest.fixture(name="guests")
def guests_fixture(net):
    """Two guests with a RoCE instance each; MTU 1500 before and after, and no VLAN after."""
    both = net.a, net.b
    for guest, inst in zip(both, net.instances):
        guest.inst = inst
        guest.check("sysctl -qw net.ipv6.conf.all.accept_dad=0 "
                    "net.ipv6.conf.default.accept_dad=0")
    yield both
    for guest in both:
        guest.run(f"ip link del v7; ip link del v8; ip link set {guest.dev} mtu 1500", 120)


@pytest.fixture(name="uplink")
def uplink_fixture(host):
    """The uplink of segment 0, address .254."""
    host.check("ip link add mhca0 type mhca && ip link set mhca0 up && "
               f"ip addr add {SUBNET}.254/24 dev mhca0")
    yield "mhca0"
    sh("ip link del mhca0")


def ethtool(host, dev):
    """The uplink's counters."""
    text = host.check(f"ethtool -S {dev}")
    return {m[1]: int(m[2]) for m in re.finditer(r"(\w+): (\d+)", text)}


def test_guest_to_guest(guests, record_property):
    """Ping v4 and v6, TCP and UDP, jumbo frames, VLANs, ifdown and ifup."""
    a, b = guests
    forged = a.inst.counters()["drop_spoof"]
    ping(a, b.roce_address)
    ping(b, a.roce_address, "-s 1472")
    v6 = b.check(f"ip -6 -o addr show dev {b.dev} scope link").split()[3].split("/")[0]
    ping(a, f"{v6}%{a.dev}")
    record_property("tcp_bps", iperf(b, a, b.roce_address))
    record_property("udp_bps", iperf(b, a, b.roce_address, "-u -b 20M"))

    for g in guests:
        g.check(f"ip link set {g.dev} mtu 9000", 120)
        carrier(g)
    ping(a, b.roce_address, "-s 8972")
    record_property("tcp_jumbo_bps", iperf(b, a, b.roce_address))
    for g in guests:
        g.check(f"ip link set {g.dev} mtu 1500", 120)
        carrier(g)

    for g in guests:
        g.check(f"ip link add link {g.dev} name v7 type vlan id 7 && ip link set v7 up && "
                f"ip addr add 10.98.0.{g.roce_address[-1]}/24 dev v7", 60)
    ping(a, "10.98.0.2", "-s 1472")
    b.check("ip link del v7 && "
            f"ip link add link {b.dev} name v8 type vlan id 8 && ip link set v8 up && "
            "ip addr add 10.98.0.2/24 dev v8", 60)
    silent(a, "10.98.0.2")

    for _ in range(3):
        b.check(f"ip link set {b.dev} down && ip link set {b.dev} up", 120)
        carrier(b)
        ping(a, b.roce_address, count=3)
    assert a.inst.counters()["drop_spoof"] == forged


def chatter(guest, to):
    """Datagrams to another guest, without an end; what does not reach it is no error."""
    mac = to.check(f"cat /sys/class/net/{to.dev}/address").strip()
    return guest.start_bg(
        f"ip neigh replace {to.roce_address} lladdr {mac} nud permanent dev {guest.dev}; "
        f"exec bash -c 'while :; do head -c 1400 /dev/zero > /dev/udp/{to.roce_address}/9; "
        "done 2> /dev/null'")


def restarts(guests, times):
    """b's netdev goes down and up, then its driver is reloaded, `times` each, while a sends to it."""
    a, b = guests

    def reload():
        b.check(f"{UNLOAD} && {RELOAD}", 120)

    # What a driver makes at its first use (mlx5_ib's UMR QP) is no part of the comparison.
    reload()
    b.dev = bring_up(b, 2)
    before = objects(b.inst)
    job = chatter(a, b)

    def received():
        return b.inst.counters()["eth_rx_ucast"]

    def hears():
        count = received()
        wait_until(lambda: received() > count + 20, 60, "frames")

    try:
        for restart in (lambda: b.check(f"ip link set {b.dev} down && ip link set {b.dev} up", 120),
                        reload):
            for _ in range(times):
                hears()
                restart()
                b.dev = bring_up(b, 2)
        hears()
        assert job.running()
    finally:
        job.kill()
    a.check("ip neigh flush all nud permanent; ip neigh flush all")
    ping(a, b.roce_address)
    assert objects(b.inst) == before
    assert not kernel_complaints(b)


def test_under_traffic(guests):
    """Restarts while another guest sends; nothing stays of them."""
    restarts(guests, 2)


@pytest.mark.slow
@pytest.mark.limit(3600)
def test_fifty_times_under_traffic(guests):
    """The same, fifty times."""
    restarts(guests, 50)


def test_forged_source(guests):
    """A guest that takes another's MAC, or any, reaches nobody and is counted."""
    a, b = guests
    ping(a, b.roce_address)
    own = a.check(f"cat /sys/class/net/{a.dev}/address").strip()
    other = b.check(f"cat /sys/class/net/{b.dev}/address").strip()
    for forged in (other, "02:12:34:56:78:9a"):
        before = a.inst.counters()["drop_spoof"]
        a.check(f"ip link set {a.dev} address {forged} && ip neigh flush all; "
                f"ip neigh replace {b.roce_address} lladdr {other} dev {a.dev}", 60)
        got = b.inst.counters()["eth_rx_ucast"]
        silent(a, b.roce_address)
        assert a.inst.counters()["drop_spoof"] > before
        assert b.inst.counters()["eth_rx_ucast"] == got
    a.check(f"ip link set {a.dev} address {own} && ip neigh flush all", 60)
    ping(a, b.roce_address)


def test_uplink(host, guests, uplink, record_property):
    """The host through the uplink: ping, TCP both ways, jumbo frames."""
    a, b = guests
    ping(host, a.roce_address, count=3)
    ping(a, f"{SUBNET}.254", "-s 1472")
    assert host.check(f"cat /sys/class/net/{uplink}/carrier").strip() == "1"
    server = a.start_bg("iperf3 -s")
    wait_until(lambda: a.run("ss -Hltn | grep -q :5201")[0] == 0, 30, "iperf3")
    for way in ("", "-R"):
        text = host.check(f"iperf3 -J -c {a.roce_address} -t 3 {way}", 120)
        record_property(f"host_tcp{way}_bps",
                        json.loads(text)["end"]["sum_received"]["bits_per_second"])
    with contextlib.suppress(Exception):
        server.kill()
    for g in guests:
        g.check(f"ip link set {g.dev} mtu 9000", 120)
        carrier(g)
    host.check(f"ip link set {uplink} mtu 9000")
    ping(a, f"{SUBNET}.254", "-s 8972")
    ping(a, b.roce_address, "-s 8972")


@contextlib.contextmanager
def linux_bridge(host):
    """A function that plugs a netdev into a bridge."""
    host.check("ip link add br9 type bridge && ip link set br9 up")
    try:
        yield lambda port: host.check(f"ip link set {port} master br9 up")
    finally:
        sh("ip link del br9")


@contextlib.contextmanager
def ovs_bridge(host):
    """The same for an Open vSwitch bridge, in the kernel's datapath."""
    run, vsctl = "/run/openvswitch", "ovs-vsctl --timeout=60"
    # By hand: ovs-ctl wants a kernel whose datapath is a module.
    sh("modprobe -q openvswitch")
    host.check(f"rm -rf {run} && mkdir {run} && "
               f"ovsdb-tool create {run}/db /usr/share/openvswitch/vswitch.ovsschema && "
               f"ovsdb-server {run}/db --remote=punix:{run}/db.sock --detach --pidfile && "
               "ovs-vsctl --no-wait init && ovs-vswitchd --detach --pidfile 2>&1", 120)
    try:
        host.check(f"{vsctl} add-br br9", 120)
        yield lambda port: host.check(f"ip link set {port} up && {vsctl} add-port br9 {port}", 120)
    finally:
        sh(f"{vsctl} del-br br9; ovs-appctl -t ovs-vswitchd exit; "
           "ovs-appctl -t ovsdb-server exit; modprobe -rq openvswitch")


@pytest.mark.parametrize("bridge", [linux_bridge, ovs_bridge], ids=["linux", "ovs"])
def test_third_party(host, guests, uplink, bridge):
    """Somebody in a namespace of its own, behind a bridge that the uplink is in."""
    a, b = guests
    host.check(f"ip netns add third; ip addr flush dev {uplink}; "
               "ip link add t0 type veth peer name t1 netns third && "
               "ip netns exec third ip link set t1 up && "
               f"ip netns exec third ip addr add {SUBNET}.9/24 dev t1")
    try:
        with bridge(host) as plug:
            plug("t0")
            plug(uplink)
            # The third party of another bridge had another MAC.
            for guest in guests:
                guest.check("ip neigh flush all")
            ping(a, f"{SUBNET}.9", count=3)
            ping(b, f"{SUBNET}.9", count=3)
            text = host.check(f"ip netns exec third busybox ping -c 3 -W 10 {a.roce_address}", 60)
            assert "3 packets received" in text, text
            server = a.start_bg("iperf3 -s -1")
            wait_until(lambda: a.run("ss -Hltn | grep -q :5201")[0] == 0, 30, "iperf3")
            host.check(f"ip netns exec third iperf3 -c {a.roce_address} -t 2", 120)
            assert server.wait(60)[0] == 0
            counters = ethtool(host, uplink)
            assert counters["drop_mac"] == 0 and counters["drop_frame"] == 0, counters
    finally:
        sh("ip netns del third; ip link del t0")


@pytest.mark.others_full
def test_self_test(guests):
    """ethtool -t: link, speed, health, and a frame that a port sends to itself."""
    for guest in guests:
        refused = guest.inst.counters()["commands_refused"]
        text = guest.check(f"ethtool -t {guest.dev}", 60)
        assert "The test result is PASS" in text, text
        assert re.search(r"Loopback Test\s+0", text), text
        assert guest.inst.counters()["commands_refused"] == refused
    ping(guests[0], guests[1].roce_address)
