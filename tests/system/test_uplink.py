# SPDX-License-Identifier: GPL-2.0-only
"""A segment's uplink as the host's administrator and others see it; settings of guests' ports."""

import errno
import pathlib
import re

import pytest

from guest import wait_until
from host import sh, write_once
from lib_roce import SUBNET, bring_up

PKTGEN = pathlib.Path("/proc/net/pktgen")


@pytest.fixture(name="uplink")
def uplink_fixture(host):
    """The uplink of segment 0, address .254."""
    host.check("ip link add mhca0 type mhca && ip link set mhca0 up && "
               f"ip addr add {SUBNET}.254/24 dev mhca0")
    yield "mhca0"
    sh("ip link del mhca0")


def test_privilege(host):
    """Root of a user namespace makes none; what the host makes may be moved there."""
    rc, text = sh("unshare -Urn ip link add mhca0 type mhca")
    assert rc and "made by the host's administrator" in text, text
    assert not pathlib.Path("/sys/class/net/mhca0").exists()
    # Nor is the module loaded for who asks.
    assert "rtnl-link" not in host.check(f"modinfo -F alias {host.out / 'mhca_soft.ko'}")
    host.check("ip link add mhca0 type mhca")
    try:
        owner = host.check("unshare -Urn sh -c 'echo $$; exec sleep 60' > /run/owner 2>&1 & "
                           "until [ -s /run/owner ]; do sleep 0.1; done; cat /run/owner").strip()
        host.check(f"ip link set mhca0 netns {owner} && "
                   f"nsenter -U -n -t {owner} --preserve-credentials "
                   "ip link set mhca0 address 02:00:00:00:00:01 up")
        host.check(f"kill {owner}")
    finally:
        wait_until(lambda: sh("ip link del mhca0; ip link add mhca0 type mhca")[0] == 0, 30,
                   "the segment to be free again", 0.5)
        sh("ip link del mhca0")


def pktgen(uplink, *options):
    """Set options of pktgen's device on CPU 0."""
    for option in options:
        write_once(PKTGEN / uplink, option)


def test_pktgen(host, net, uplink):
    """One skb sent many times is refused: what is sent waits in a queue. Skbs of their own arrive."""
    guest, inst = net.a, net.instances[0]
    mac = guest.check(f"cat /sys/class/net/{guest.dev}/address").strip()
    host.check("modprobe pktgen")
    try:
        write_once(PKTGEN / "kpktgend_0", f"add_device {uplink}")
        with pytest.raises(OSError) as refused:
            pktgen(uplink, "clone_skb 16")
        assert refused.value.errno in (errno.EOPNOTSUPP, 524)      # ENOTSUPP
        pktgen(uplink, "count 2000", "pkt_size 60", "delay 20000", f"dst_mac {mac}",
               f"dst {guest.roce_address}")
        before = inst.counters()["eth_rx_ucast"]
        write_once(PKTGEN / "pgctrl", "start\n")
        text = (PKTGEN / uplink).read_text()
        assert "Result: OK" in text, text
        wait_until(lambda: inst.counters()["eth_rx_ucast"] +
                   inst.counters()["drop_rx_buffer"] >= before + 2000, 60, "all frames")
    finally:
        sh("rmmod pktgen")
    text = host.check(f"ip -s link show {uplink}")
    assert int(text.splitlines()[-1].split()[1]) >= 2000, text


@pytest.fixture(name="bond")
def bond_fixture(host, make_guest):
    """A guest with two instances without spoof_check, slaves of a bond with address .1."""
    instances = [host.instance("roce", spoof_check="off") for _ in "12"]
    guest = make_guest(instances)
    guest.check("modprobe bonding max_bonds=0 && ip link add bond0 type bond "
                "mode active-backup miimon 50 fail_over_mac none && cd /sys/class/net && "
                "for d in /sys/bus/pci/drivers/mlx5_core/*/net/*; do n=${d##*/}; "
                "ip link set $n down; ip link set $n master bond0; done; "
                f"ip link set bond0 up && ip addr add {SUBNET}.1/24 dev bond0", 120)
    return guest, instances


def test_bond(host, uplink, bond):
    """Active-backup, one MAC for both slaves: it goes to the other one, and comes back.

    The slave whose own it is is the primary: it has its address whenever it is up.
    """
    guest, instances = bond
    slaves = guest.check("cat /sys/class/net/bond0/bonding/slaves").split()
    macs = {inst.read("mac"): inst for inst in instances}

    def active():
        return guest.check("cat /sys/class/net/bond0/bonding/active_slave").strip()

    def reached():
        text = host.check(f"busybox ping -W 10 -i 0.2 -c 3 {SUBNET}.1", 60)
        assert "3 packets received" in text, text

    def fails_over(down, up):
        before = active()
        down(before)
        wait_until(lambda: active() not in ("", before), 30, "the other slave")
        reached()
        up(before)
        wait_until(lambda: active() == before, 60, "the primary to be back")
        reached()

    wait_until(lambda: active() in slaves, 30, "an active slave")
    assert len(slaves) == 2 and len(macs) == 2
    assert guest.check("cat /sys/class/net/bond0/address").strip() in macs
    reached()

    def instance(name):
        perm = guest.check(f"ethtool -P {name}").split()[-1]
        return macs[perm]

    mac = guest.check("cat /sys/class/net/bond0/address").strip()
    owner = next(name for name in slaves if instance(name) is macs[mac])
    guest.check(f"ip link set bond0 type bond primary {owner}")
    wait_until(lambda: active() == owner, 30, "the primary")
    for _ in "12":
        fails_over(lambda name: guest.check(f"ip link set {name} down", 60),
                   lambda name: guest.check(f"ip link set {name} up", 60))
        fails_over(lambda name: instance(name).write("link", "down"),
                   lambda name: instance(name).write("link", "up"))


ARP = '''import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("{dev}", 0))
own, ip = s.getsockname()[4], socket.inet_aton("{address}")
s.send(b"\\xff" * 6 + own + bytes.fromhex("0806" "0001" "0800" "0604" "0001") + own + ip + bytes(6) + ip)
'''


def gratuitous(machine, dev, address):
    """A gratuitous ARP request: this machine has that address now."""
    machine.check(f"python3 -c '{ARP.format(dev=dev, address=address)}'", 30)


def neighbour(guest, address):
    """The MAC that a guest has for an address."""
    return re.search(r"lladdr (\S+)", guest.check(f"ip neigh show {address} dev {guest.dev}"))[1]


def test_addresses(host, net, uplink):
    """A guest with a list takes no other address, and the host not its own."""
    a, b, inst = net.a, net.b, net.instances[0]
    reachable = f"busybox ping -W 10 -i 0.2 -c 2 {b.roce_address}"
    gateway, spare = f"{SUBNET}.254", f"{SUBNET}.77"
    inst.write("addresses", f"{a.roce_address},fe80::/10")
    try:
        assert inst.read("addresses") == f"{a.roce_address},fe80::/10"
        a.check(f"ip neigh flush all; {reachable}", 60)
        b.check(f"busybox ping -W 10 -c 1 {gateway}", 60)
        before, host_mac, a_mac = (inst.counters()["drop_spoof"], neighbour(b, gateway),
                                   neighbour(b, a.roce_address))
        host.kmsg.new()
        gratuitous(a, a.dev, gateway)
        wait_until(lambda: inst.counters()["drop_spoof"] > before, 30, "the drop")
        assert neighbour(b, gateway) == host_mac
        lines = [ln for ln in host.kmsg.new().splitlines() if inst.uuid in ln]
        assert len(lines) == 1 and "IP address" in lines[0], lines
        a.check(f"ip addr add {spare}/24 dev {a.dev}")
        rc, text = a.run(f"busybox ping -W 2 -c 2 -I {spare} {b.roce_address}", 60)
        assert rc, text
        # The other way round.
        gratuitous(host, uplink, a.roce_address)
        wait_until(lambda: "drop_address: 0\n" not in host.check(f"ethtool -S {uplink}"), 30,
                   "the drop")
        assert neighbour(b, a.roce_address) == a_mac
        inst.write("addresses", "\n")
        a.check(f"{reachable} -I {spare}", 60)
    finally:
        inst.write("addresses", "\n")
        a.run(f"ip addr del {spare}/24 dev {a.dev}")


@pytest.fixture(name="rxe")
def rxe_fixture(net):
    """Guests with RoCE switched off and rxe above the netdev; as before afterwards."""
    def roce(guest, value):
        guest.check(f"d=pci/$(basename $(readlink /sys/class/net/{guest.dev}/device)) && "
                    f"devlink dev param set $d name enable_roce value {value} cmode driverinit && "
                    "devlink dev reload $d", 300)

    guests = net.a, net.b
    for number, guest in enumerate(guests, 1):
        roce(guest, "false")
        guest.dev = bring_up(guest, number)
        guest.check("modprobe -a rdma_rxe rdma_ucm && "
                    f"rdma link add rxe0 type rxe netdev {guest.dev}", 60)
    yield net
    for number, guest in enumerate(guests, 1):
        guest.check("rdma link delete rxe0; modprobe -r rdma_rxe", 60)
        roce(guest, "true")
        guest.dev = bring_up(guest, number)


def test_rxe(rxe):
    """Another RoCE implementation above the netdev of a port whose own is off."""
    refused = [inst.counters()["drop_spoof"] for inst in rxe.instances]
    server = rxe.b.start_bg(f"rping -s -v -C 20 -S 1000 -a {rxe.b.roce_address}")
    wait_until(lambda: rxe.b.run("rdma resource show cm_id | grep -q LISTEN")[0] == 0, 30, "rping")
    text = rxe.a.check(f"rping -c -v -C 20 -S 1000 -a {rxe.b.roce_address}", 120)
    assert text.count("ping data: rdma-ping-") == 20, text
    assert server.wait(60)[0] == 0, server.output()
    assert [inst.counters()["drop_spoof"] for inst in rxe.instances] == refused
