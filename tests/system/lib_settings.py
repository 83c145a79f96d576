# SPDX-License-Identifier: GPL-2.0-only
"""What of a guest's netdev can be set by ethtool, ip and devlink: commands, and what undoes them.

A row is (name, command, undo). N stands for the netdev, DEV for devlink's name of the function.
"""

import re

NEW_MAC = "02:00:5e:10:00:01"

# Settings that every netdev of the driver has, or refuses by itself.
FIXED = [
    ("ring", "ethtool -G N rx 512 tx 256", "ethtool -G N rx 1024 tx 1024"),
    ("channels-1", "ethtool -L N combined 1", "ethtool -L N combined CHANNELS"),
    ("channels-2", "ethtool -L N combined 2", "ethtool -L N combined CHANNELS"),
    ("pause", "ethtool -A N rx off tx off", "true"),
    ("coalesce", "ethtool -C N rx-usecs 64 rx-frames 32 tx-usecs 64 tx-frames 64", "true"),
    ("coalesce-off", "ethtool -C N rx-usecs 0 rx-frames 1", "true"),
    ("adaptive-off", "ethtool -C N adaptive-rx off adaptive-tx off", "true"),
    ("adaptive-on", "ethtool -C N adaptive-rx on adaptive-tx on", "true"),
    ("rss-equal", "ethtool -X N equal 2", "ethtool -X N default"),
    ("rss-weight", "ethtool -X N weight 1 3", "ethtool -X N default"),
    ("rss-xor", "ethtool -X N hfunc xor", "ethtool -X N hfunc toeplitz"),
    ("rss-key", "ethtool -X N hkey $(seq -s: 10 49)", "true"),
    ("rss-context", "ethtool -X N context new equal 2", "ethtool -X N context 1 delete"),
    ("hash-udp4", "ethtool -N N rx-flow-hash udp4 sd", "ethtool -N N rx-flow-hash udp4 sdfn"),
    ("hash-tcp6", "ethtool -N N rx-flow-hash tcp6 sd", "ethtool -N N rx-flow-hash tcp6 sdfn"),
    ("rule-queue", "ethtool -N N flow-type udp4 dst-port 9001 action 1 loc 1",
     "ethtool -N N delete 1"),
    ("rule-drop", "ethtool -N N flow-type tcp4 dst-port 9 action -1 loc 2",
     "ethtool -N N delete 2"),
    ("rule-ether", "ethtool -N N flow-type ether dst 02:00:00:00:00:05 action 0 loc 3",
     "ethtool -N N delete 3"),
    ("speed", "ethtool -s N speed 10000 autoneg off", "ethtool -s N autoneg on"),
    ("message-level", "ethtool -s N msglvl 7", "ethtool -s N msglvl 0"),
    ("wake", "ethtool -s N wol g", "ethtool -s N wol d"),
    ("negotiate", "ethtool -r N", "true"),
    ("identify", "timeout -k 1 1 ethtool -p N 1", "true"),
    ("fec", "ethtool --set-fec N encoding auto", "true"),
    ("eee", "ethtool --set-eee N eee off", "true"),
    ("rx-copybreak", "ethtool --set-tunable N rx-copybreak 128", "true"),
    ("tx-copybreak", "ethtool --set-tunable N tx-copybreak 128", "true"),
    ("time-stamps", "ethtool -T N", "true"),
    ("registers", "ethtool -d N", "true"),
    ("module", "ethtool -m N", "true"),
    ("statistics", "ethtool -S N", "true"),
    ("self-test", "ethtool -t N", "true"),
    ("mtu-9000", "ip link set N mtu 9000", "ip link set N mtu 1500"),
    ("mtu-68", "ip link set N mtu 68", "ip link set N mtu 1500"),
    ("queue-length", "ip link set N txqueuelen 10", "ip link set N txqueuelen 1000"),
    ("all-multicast", "ip link set N allmulticast on", "ip link set N allmulticast off"),
    ("promiscuous", "ip link set N promisc on", "ip link set N promisc off"),
    ("no-multicast", "ip link set N multicast off", "ip link set N multicast on"),
    ("address", f"ip link set N address {NEW_MAC}", "ip link set N address MAC"),
    ("group-address", "ip maddress add 01:00:5e:00:00:77 dev N",
     "ip maddress del 01:00:5e:00:00:77 dev N"),
    ("gso-segments", "ip link set N gso_max_segs 2", "ip link set N gso_max_segs 65535"),
    ("gso-size", "ip link set N gso_max_size 20000", "ip link set N gso_max_size 65536"),
    ("gso-size-big", "ip link set N gso_max_size 200000 gso_ipv4_max_size 200000",
     "ip link set N gso_max_size 65536 gso_ipv4_max_size 65536"),
    ("gro-size-big", "ip link set N gro_max_size 200000 gro_ipv4_max_size 200000",
     "ip link set N gro_max_size 65536 gro_ipv4_max_size 65536"),
    ("vlan", "ip link add link N name w7 type vlan id 7 && ip link set w7 up",
     "ip link del w7"),
    ("vlan-service", "ip link add link N name w8 type vlan proto 802.1ad id 8 && ip link set w8 up",
     "ip link del w8"),
    ("macvlan", "ip link add link N name w9 type macvlan mode bridge && ip link set w9 up",
     "ip link del w9"),
    ("alias", "ip link set N alias weather", "ip link set N alias ''"),
    ("down", "ip link set N down", "ip link set N up"),
    ("mqprio", "tc qdisc replace dev N root mqprio num_tc 2 map 0 0 0 0 1 1 1 1 hw 1 mode channel",
     "tc qdisc del dev N root"),
    ("fq", "tc qdisc replace dev N root fq", "tc qdisc del dev N root"),
    ("ingress", "tc qdisc add dev N ingress && tc filter add dev N ingress protocol ip flower "
                "dst_port 9 ip_proto udp action pass", "tc qdisc del dev N ingress"),
]

# Set by FIXED in other ways, or a fight with the test's own network.
NOT_FEATURES = {"hw-tc-offload"}
# Parts of the function that go with a reload, and the netdev with them.
NOT_PARAMETERS = {"enable_eth"}


def features(text):
    """Rows of the features that `ethtool -k` says can be changed."""
    rows = []
    for name, state in re.findall(r"^\s*(\S+): (on|off)(?: \[requested \w+\])?$", text, re.M):
        if name not in NOT_FEATURES:
            other = {"on": "off", "off": "on"}[state]
            rows.append((f"feature-{name}", f"ethtool -K N {name} {other}",
                         f"ethtool -K N {name} {state}"))
    return rows


def private_flags(text):
    """Rows of `ethtool --show-priv-flags`."""
    rows = []
    for name, state in re.findall(r"^(\S+)\s*: (on|off)$", text, re.M):
        other = {"on": "off", "off": "on"}[state]
        rows.append((f"flag-{name}", f"ethtool --set-priv-flags N {name} {other}",
                     f"ethtool --set-priv-flags N {name} {state}"))
    return rows


def parameters(shown):
    """Rows of `devlink -j dev param show`: each changed where it takes effect at once or by reload."""
    rows = []
    for params in shown["param"].values():
        for param in params:
            for value in param["values"]:
                rows += parameter(param["name"], value["cmode"], value["value"])
    return rows


def parameter(name, mode, value):
    """Rows of one parameter; numbers and words only where the test knows others."""
    others = {"true": "false", "false": "true", True: "false", False: "true"}
    words = {"flow_steering_mode": {"dmfs": "smfs", "smfs": "dmfs"},
             "io_eq_size": {1024: 512}, "event_eq_size": {4096: 1024}}
    other = others.get(value, words.get(name, {}).get(value))
    if other is None or mode == "permanent" or name in NOT_PARAMETERS:
        return []
    back = {True: "true", False: "false"}.get(value, value)
    reload = " && devlink dev reload DEV" if mode == "driverinit" else ""
    return [(f"devlink-{name}",
             f"devlink dev param set DEV name {name} value {other} cmode {mode}{reload}",
             f"devlink dev param set DEV name {name} value {back} cmode {mode}{reload}")]


def reporters(shown):
    """Rows of `devlink -j health show`."""
    rows = []
    for where, found in shown["health"].items():
        for reporter in found:
            name = reporter["reporter"]
            at = f"{where} reporter {name}"
            rows += [(f"health-{name}-period", f"devlink health set {at} grace_period 1000",
                      f"devlink health set {at} grace_period {reporter.get('grace_period', 0)}"),
                     (f"health-{name}-diagnose", f"devlink health diagnose {at}", "true")]
    return rows
