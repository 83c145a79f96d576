# SPDX-License-Identifier: GPL-2.0-only
"""Stock guests with a RoCE instance: an mlx5e netdev, GIDs, RDMA between them."""

import itertools
import re

import pytest

from guest import wait_until
from lib_rdma import BIN, assert_clean, device, devinfo, exchange, perftest_rows
from lib_roce import V1, V2, bring_up, counted, gid_index, netdev, roce_gids
from test_probe import RELOAD, UNLOAD, kernel_complaints

pytestmark = pytest.mark.every_kernel

PINGPONG = {
    "rc": "ibv_rc_pingpong -c -n 100 -s 4096",
    "rc_events": "ibv_rc_pingpong -e -c -n 100 -s 4096",
    "uc": "ibv_uc_pingpong -c -n 100 -s 4096",
    "ud": "ibv_ud_pingpong -c -n 100 -s 1024",
    "srq": "ibv_srq_pingpong -c -n 10 -s 4096",
    "xsrq": "ibv_xsrq_pingpong -s 4096",
}

_ports = itertools.count(21000)


def test_life(host, make_guest, guest_suite, record_property):
    """mlx5_core, mlx5e and mlx5_ib probe in silence; a netdev, a port that is up, traffic.

    Each guest kernel registers the processes' memory as it likes to: with UMR.
    """
    inst = host.instance("roce")
    guest = make_guest([inst], suite=guest_suite)
    name = bring_up(guest, 1)
    record_property("guest_kernel", guest.check("uname -r").strip())
    record_property("commands_of_probe", inst.counters()["commands"])
    assert guest.check(f"cat /sys/class/net/{name}/address").strip() == inst.read("mac")
    info = devinfo(guest)
    assert info["state"].startswith("PORT_ACTIVE"), info["text"]
    assert info["link_layer"] == "Ethernet"
    assert info["node_guid"] == inst.read("node_guid")
    gids = roce_gids(guest)
    assert {kind for _, _, kind in gids} == {V1, V2}, gids
    ethtool = guest.check(f"ethtool {name}; ethtool -i {name}; ethtool -S {name} | head -n 5")
    assert re.search(r"Speed: 100000Mb/s", ethtool) and "driver: mlx5_core" in ethtool, ethtool
    guest.check(f"ip link set {name} down && ip link set {name} mtu 9000 && "
                f"ip link set {name} up && ip link set {name} mtu 1500", 120)
    guest.check(UNLOAD, 120)
    assert_clean(inst)
    guest.check(RELOAD, 120)
    bring_up(guest, 1)
    assert "MEM_MGT_EXTENSION" in devinfo(guest)["text"]
    index = gid_index(guest)
    for tool in ("rc", "rc_events", "ud"):
        exchange(guest, guest, f"{PINGPONG[tool]} -d {device(guest)} -g {index}")
    assert not kernel_complaints(guest)
    assert inst.counters()["commands_refused"] == 0


def test_ping(net):
    """IPv4 and IPv6 between the netdevs of two guests."""
    rc, out = net.a.run(f"busybox ping -c 3 -W 5 {net.b.roce_address}")
    assert rc == 0, f"{out}\n{counted(net)}"
    name = netdev(net.b)
    text = net.b.check(f"ip -6 addr show dev {name} scope link")
    address = re.search(r"inet6 (fe80[0-9a-f:]+)", text)[1]
    net.a.check(f"busybox ping -6 -c 3 -W 5 {address}%{netdev(net.a)}")


@pytest.mark.parametrize("tool,kind", [(tool, V2) for tool in PINGPONG]
                         + [("rc_events", V1), ("ud", V1)])
def test_pingpong(net, tool, kind):
    """rdma-core's examples over RoCE, with the data they receive checked."""
    index = gid_index(net.a, kind=kind)
    assert index == gid_index(net.b, kind=kind)
    exchange(net.b, net.a, f"{PINGPONG[tool]} -d {device(net.b)} -g {index}")


def cm_exchange(pair, server, client):
    """A program over rdma_cm: `server` in b, then `client` in a; (client's, server's output)."""
    job = pair.b.start_bg(server)
    wait_until(lambda: "LISTEN" in pair.b.check("rdma resource show cm_id"), 20,
               f"`{server}` to listen")
    rc, out = pair.a.run(client, 60)
    if rc:
        job.kill()
    server_rc, server_out = job.wait(30)
    assert (rc, server_rc) == (0, 0), f"{rc}, {server_rc}\n{out}\n--- server\n{server_out}"
    return out, server_out


CM = {
    "rping": ("rping -s -a {b} -p {p} -C 20 -S 1000 -V", "rping -c -a {b} -p {p} -C 20 -S 1000 -V"),
    "ucmatose": ("ucmatose -b {b} -p {p} -C 10 -S 4096 -c 4",
                 "ucmatose -s {b} -p {p} -C 10 -S 4096 -c 4"),
    "udaddy": ("udaddy -b {b} -C 10 -S 512 -c 4", "udaddy -s {b} -C 10 -S 512 -c 4"),
    "rdma_server": ("rdma_server -s {b} -p {p}", "rdma_client -s {b} -p {p}"),
    "rstream": ("rstream -b {b} -p {p} -S 4096 -C 100 -T b",
                "rstream -s {b} -p {p} -S 4096 -C 100 -T b"),
}


@pytest.mark.parametrize("tool", CM)
def test_cm(net, tool):
    """librdmacm's examples: address and route resolution, connect, data, disconnect."""
    values = {"b": net.b.roce_address, "p": next(_ports)}
    server, client = (command.format(**values) for command in CM[tool])
    cm_exchange(net, server, client)


def dropped(instance):
    """How many messages and frames to it were dropped, by cause."""
    return {k: v for k, v in instance.counters().items() if k.startswith("drop_")}


def test_multicast(net):
    """mckey: a group's member gets what another guest sends to it.

    A datagram whose receiver's memory is not pinned within 100 ms is lost, and then
    counted; on an emulated host that happens. Then it is tried again.
    """
    group = "239.1.2.3"
    for _ in range(4):
        before = dropped(net.instances[1])
        job = net.b.start_bg(f"stdbuf -oL mckey -m {group} -b {net.b.roce_address} -C 20 -S 500")
        wait_until(lambda j=job: "joined" in net.b.check(f"cat /run/bg/{j.tag}.out"), 20, "the join")
        net.a.check(f"mckey -m {group} -b {net.a.roce_address} -C 20 -S 500 -s", 60)
        rc, out = job.wait(15)
        if rc == 0:
            assert "receiving data transfers" in out, out
            return
        job.kill()
        assert dropped(net.instances[1]) != before, f"lost and not counted: {out}\n{counted(net)}"
    raise AssertionError(f"{out}\n{counted(net)}")


PERFTEST = ["ib_write_bw -s 65536 -n 100", "ib_read_lat -s 64 -n 100",
            "ib_send_bw -s 1000 -n 200 -c UD", "ib_atomic_lat -n 100"]


@pytest.mark.parametrize("tool", PERFTEST)
def test_perftest_over_cm(net, tool):
    """perftest whose connections rdma_cm makes."""
    command = f"{tool} -R -F -p {next(_ports)}"
    out, _ = cm_exchange(net, command, f"{command} {net.b.roce_address}")
    assert perftest_rows(out), out


PRELOAD = "LD_PRELOAD=/usr/lib/x86_64-linux-gnu/rsocket/librspreload.so"


def test_sockets(net):
    """librspreload: a program of sockets, unmodified; its bytes go by RDMA, not by the netdev."""
    def count(name):
        return sum(inst.counters()[name] for inst in net.instances)

    frames, moved = count("eth_tx_ucast_bytes"), count("bytes")
    command = f"{PRELOAD} {BIN}/mhca-tcp -p {next(_ports)} -s 65536 -n 50"
    cm_exchange(net, command, f"{command} {net.b.roce_address}")
    assert count("bytes") - moved >= 2 * 50 * 65536
    assert count("eth_tx_ucast_bytes") - frames < 1 << 20


NOBODY = {
    "wrong_port": ("{b}", r"RDMA_CM_EVENT_REJECTED"),
    "no_such_host": ("192.0.2.77", r"RDMA_CM_EVENT_ADDR_ERROR|rdma_resolve_addr"),
    "no_route": ("198.51.100.1", r"RDMA_CM_EVENT_ADDR_ERROR|rdma_resolve_addr"),
}


@pytest.mark.parametrize("case", NOBODY)
def test_nobody_there(net, case):
    """A connection to nobody ends with the documented event, at once or after the timeout."""
    address, event = NOBODY[case]
    rc, out = net.a.run(f"rping -c -a {address.format(b=net.b.roce_address)} -p 9 -C 1 -d", 60)
    assert rc and re.search(event, out), f"{rc}\n{out}"
