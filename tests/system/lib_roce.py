# SPDX-License-Identifier: GPL-2.0-only
"""Guests with RoCE instances: their netdevs, addresses, GIDs and connections."""

import itertools
import re

from guest import wait_until

SUBNET = "192.0.2"
V1, V2 = "IB/RoCE v1", "RoCE v2"
_ports = itertools.count(26000)


def netdev(guest):
    """The instance's netdev in a guest."""
    return guest.check("ls -d /sys/bus/pci/drivers/mlx5_core/*/net/*").split("/")[-1].strip()


def carrier(guest):
    """Wait until a guest's netdev has it."""
    path = f"/sys/class/net/{netdev(guest)}/carrier"
    wait_until(lambda: guest.check(f"cat {path}").strip() == "1", 30, "carrier")


def bring_up(guest, number):
    """Give the netdev an address, SUBNET.NUMBER, and wait for its carrier; its name."""
    name = netdev(guest)
    guest.roce_address = f"{SUBNET}.{number}"
    guest.check(f"ip link set {name} up && ip addr replace {guest.roce_address}/24 dev {name}",
                120)
    carrier(guest)
    return name


def roce_gids(guest):
    """(index, GID, type) of the RoCE address table."""
    text = guest.check(
        "cd /sys/class/infiniband/*/ports/1; for i in gid_attrs/types/*; do n=${i##*/}; "
        "t=$(cat $i 2>/dev/null) && echo \"$n $(cat gids/$n) $t\"; done; true")
    return [tuple(line.split(None, 2)) for line in text.splitlines()]


def gid_index(guest, address=None, kind=V2):
    """The index of the GID of an IPv4 address, the guest's own by default."""
    a, b, c, d = map(int, (address or guest.roce_address).split("."))
    mapped = f":ffff:{a << 8 | b:04x}:{c << 8 | d:04x}"
    return next(int(i) for i, gid, k in roce_gids(guest) if gid.endswith(mapped) and k == kind)


def counted(pair):
    """What the instances of a pair count that is not 0, as text for a failure."""
    return "\n".join(str({k: v for k, v in inst.counters().items()
                          if v and k.startswith(("eth_", "drop_", "wqes", "messages", "cqes"))})
                     for inst in pair.instances)


def connect_many(pair, address, count):
    """`count` QPs of a connect to b by rdma_cm, all at once, and disconnect (cmtime).

    Then as many connections without QPs. Connections with QPs per second.
    """
    port = next(_ports)
    command = f"cmtime -c {count} -p {port}"
    server = pair.b.start_bg(f"{command} -b {address}")
    wait_until(lambda: pair.b.run(f"ss -Hltn | grep -q ':{port} '")[0] == 0, 30, "cmtime")
    rc, out = pair.a.run(f"{command} -s {address}", 600)
    if rc:
        server.kill()
    server_rc, server_out = server.wait(60)
    assert (rc, server_rc) == (0, 0), f"{out}\n--- server\n{server_out}"
    table = out[out.index("qp_conn"):]
    assert int(table.split()[1]) == count, out
    return 1e6 / int(re.search(r"^full connect\s+(\d+)", table, re.M)[1])
