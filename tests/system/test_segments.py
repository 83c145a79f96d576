# SPDX-License-Identifier: GPL-2.0-only
"""What guests see when an administrator moves a port or takes its link, and of VLANs."""

import re

import pytest

from guest import wait_until
from lib_rdma import device, devinfo, exchange
from lib_roce import carrier, gid_index, netdev
from test_ethernet import ping, silent

pytestmark = pytest.mark.every_kernel

# IBV_WC_RETRY_EXC_ERR, as ibv_*_pingpong prints it.
LOST = r"transport retry counter exceeded \(12\)"


@pytest.fixture
def restored(net):
    """The pair, whose second port is in segment 0 with its link up afterwards."""
    yield net
    net.instances[1].write("segment", 0)
    net.instances[1].write("link", "up")
    carrier(net.b)


def endless(net):
    """An RC ping-pong between the guests that runs; (server, client) in the background."""
    index = gid_index(net.b)
    command = f"ibv_rc_pingpong -e -n 1000000000 -g {index} -d"
    before = net.instances[0].counters()["messages"]
    server = net.b.start_bg(f"{command} {device(net.b)}")
    wait_until(lambda: net.b.run("ss -Hltn | grep -q :18515")[0] == 0, 30, "the server")
    client = net.a.start_bg(f"{command} {device(net.a)} {net.b.address}")
    wait_until(lambda: net.instances[0].counters()["messages"] > before + 100, 60, "traffic")
    return server, client


def lost(server, client):
    """The end whose turn it was has its QP in error; the other waits for it for ever."""
    wait_until(lambda: not (server.running() and client.running()), 120, "the error", 0.5)
    for job in (server, client):
        if job.running():
            job.kill()
        job.wait(20)
    text = server.output() + client.output()
    assert re.search(LOST, text), text


def works(net):
    """Frames and RDMA between the guests."""
    ping(net.a, net.b.roce_address, count=2)
    exchange(net.b, net.a, f"ibv_rc_pingpong -e -c -n 50 -d {device(net.b)} -g {gid_index(net.a)}")


def test_segment(restored):
    """A port that is moved: connections are lost as on a dead link; moved back, all works."""
    net = restored
    works(net)
    jobs = endless(net)
    net.instances[1].write("segment", 7)
    lost(*jobs)
    silent(net.a, net.b.roce_address)
    # Both there, they reach each other again.
    net.instances[0].write("segment", 7)
    try:
        works(net)
    finally:
        net.instances[0].write("segment", 0)
    silent(net.a, net.b.roce_address)
    net.instances[1].write("segment", 0)
    works(net)


def test_link(restored):
    """A link that is taken: no carrier, port down, connections lost; then as before."""
    net = restored
    jobs = endless(net)
    net.instances[1].write("link", "down")
    name = netdev(net.b)
    wait_until(lambda: net.b.check(f"cat /sys/class/net/{name}/carrier").strip() == "0", 60,
               "the carrier to go")
    wait_until(lambda: "PORT_DOWN" in devinfo(net.b)["text"], 60, "PORT_DOWN", 0.5)
    lost(*jobs)
    silent(net.a, net.b.roce_address)
    net.instances[1].write("link", "up")
    carrier(net.b)
    wait_until(lambda: "PORT_ACTIVE" in devinfo(net.b)["text"], 60, "PORT_ACTIVE", 0.5)
    works(net)


def test_link_of_infiniband(pair):
    """The same on an InfiniBand port: the subnet's port goes down and comes back."""
    inst, guest = pair.instances[1], pair.b
    try:
        inst.write("link", "down")
        wait_until(lambda: "PORT_DOWN" in devinfo(guest)["text"], 60, "PORT_DOWN", 0.5)
    finally:
        inst.write("link", "up")
    wait_until(lambda: "PORT_ACTIVE" in devinfo(guest)["text"], 60, "PORT_ACTIVE", 0.5)
    exchange(guest, pair.a, f"ibv_rc_pingpong -e -c -n 50 -d {device(guest)}")


def has_gid(guest, address):
    """Is an address in the guest's table already?"""
    try:
        return gid_index(guest, address) >= 0
    except StopIteration:
        return False


@pytest.fixture
def vlans(net):
    """Adds a VLAN with an address to a guest; all go afterwards."""
    def add(guest, vlan):
        name, address = netdev(guest), f"198.51.100.{guest.roce_address[-1]}"
        guest.check(f"ip link add link {name} name v{vlan} type vlan id {vlan} && "
                    f"ip link set v{vlan} up && ip addr add {address}/24 dev v{vlan}", 60)
        wait_until(lambda: has_gid(guest, address), 60, "the VLAN's GID")
        return gid_index(guest, address)

    yield add
    for guest in (net.a, net.b):
        guest.run("for v in 7 8; do ip link del v$v; done", 60)


def test_vlan(net, vlans):
    """GIDs of VLANs reach each other on the same VLAN only: elsewhere nobody answers to ARP."""
    a, b = vlans(net.a, 7), vlans(net.b, 7)
    command = f"ibv_rc_pingpong -e -n 50 -c -d {device(net.b)}"
    assert a == b
    exchange(net.b, net.a, f"{command} -g {a}")
    net.b.check("ip link del v7", 60)
    b = vlans(net.b, 8)
    server = net.b.start_bg(f"{command} -g {b}")
    wait_until(lambda: net.b.run("ss -Hltn | grep -q :18515")[0] == 0, 30, "the server")
    rc, out = net.a.run(f"{command} -g {a} {net.b.address}", 60)
    server.kill()
    server.wait(20)
    out += server.output()
    assert rc and re.search(f"{LOST}|Failed to modify QP to RTR", out), out
