# SPDX-License-Identifier: GPL-2.0-only
"""Everything that ethtool, ip and devlink can set of a guest's netdev, under traffic, on four vCPUs."""

import json
import re
import time

import pytest

import kmsg
import lib_settings
from guest import wait_until
from host import sh
from lib_roce import SUBNET, bring_up

FLOWS = 16              # UDP ports, so that every queue of four has some

# Datagrams to each port, a few hundred in a second; errors while the netdev is away are none.
SENDER = f"""
import socket, time
flows = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range({FLOWS})]
while True:
    for i, s in enumerate(flows):
        try:
            s.sendto(bytes(900), ("%s", 9000 + i))
        except OSError:
            pass
    time.sleep(0.03)
"""


class Walk:
    """A guest, the host behind the segment's uplink, datagrams in both directions."""

    def __init__(self, host, guest, inst):
        self.host, self.guest, self.inst = host, guest, inst
        self.dev = bring_up(guest, 1)
        path = f"/sys/class/net/{self.dev}"
        self.mac = guest.check(f"cat {path}/address").strip()
        self.slot = guest.check(f"basename $(readlink {path}/device)").strip()
        # A command ends before the driver's own work does: wait for nothing but frames.
        host.check("ip link add mhca0 type mhca && ip link set mhca0 up && "
                   f"ip addr add {SUBNET}.254/24 dev mhca0 && "
                   f"ip neigh replace {SUBNET}.1 lladdr {self.mac} nud permanent dev mhca0")
        self.uplink = host.check("cat /sys/class/net/mhca0/address").strip()
        self.neighbour()
        for where, script, to in ((guest, "/run/sender.py", 254), (host, "/tmp/sender.py", 1)):
            where.check(f"cat > {script} <<'MHCA-PY'\n{SENDER % f'{SUBNET}.{to}'}\nMHCA-PY")
        host.check("setsid python3 /tmp/sender.py > /dev/null 2>&1 & echo $! > /tmp/sender.pid")
        self.job = guest.start_bg("exec python3 /run/sender.py")
        self.channels = guest.check(f"ls -d {path}/queues/rx-* | wc -l").strip()

    def neighbour(self):
        """The host's address needs no ARP, which some settings break on purpose."""
        self.guest.check(f"ip neigh replace {SUBNET}.254 lladdr {self.uplink} nud permanent "
                         f"dev {self.dev}")

    def text(self, command):
        """A row's command with this guest's names."""
        for name, value in (("CHANNELS", self.channels), ("MAC", self.mac),
                            ("DEV", f"pci/{self.slot}"), (" N ", f" {self.dev} ")):
            command = (command + " ").replace(name, value).rstrip()
        return command

    def frames(self):
        """Frames of this guest in both directions."""
        c = self.inst.counters()
        return c["eth_rx_ucast"], c["eth_tx_ucast"]

    def stands(self, name):
        """What is wrong with the traffic after a setting: nothing, or a line. A way out is tried."""
        first = self.frames()

        def both():
            return all(b > a + 2 * FLOWS for a, b in zip(first, self.frames()))

        try:
            wait_until(both, 60, "", 0.2)
            return []
        except AssertionError:
            line = f"{name}: frames received and sent were {first}, a minute later {self.frames()}"
        self.guest.check(f"ip link set {self.dev} down && ip link set {self.dev} up", 120)
        self.neighbour()
        return [line]

    def run(self, command):
        """One command; the netdev may have a new address, name or life after it."""
        rc, out = self.guest.run(self.text(command), 180)
        if "reload" in command:
            self.dev = bring_up(self.guest, 1)
            self.neighbour()
        return rc, out

    def end(self):
        """Ends the host's half."""
        self.job.kill()
        sh("kill $(cat /tmp/sender.pid); ip link del mhca0")


def rows_of(guest, dev, slot):
    """All rows of this guest."""
    shown = guest.run(f"devlink -j dev param show pci/{slot}")
    health = guest.run(f"devlink -j health show pci/{slot}")
    return (lib_settings.FIXED +
            lib_settings.features(guest.check(f"ethtool -k {dev}")) +
            lib_settings.private_flags(guest.run(f"ethtool --show-priv-flags {dev}")[1]) +
            (lib_settings.reporters(json.loads(health[1])) if not health[0] else []) +
            (lib_settings.parameters(json.loads(shown[1])) if not shown[0] else []))


# An address that is not the port's, a netdev that is down, frames that are too long for it.
STOPS = ("address", "down", "mtu-68")

# What the host refuses, and the driver complains of: the EEPROM of a cable, which a function
# has none of, and the counters of a VNIC (QUERY_VNIC_ENV), of which there are none either.
SAID = {"module": "ACCESS_REG", "health-vnic-diagnose": "QUERY_VNIC_ENV"}
# A flag that the driver itself refuses.
REFUSED_FLAG = r"private flag '\w+' failed err -95"


def judged(walk, name, command, undo):
    """One row: (what is wrong with it, what the driver itself refused)."""
    before = walk.inst.counters()["commands_refused"]
    wrong, refused = [], None
    rc, out = walk.run(command)
    if rc:
        refused = f"{name}: {out.strip()[:100]}"
    else:
        if name not in STOPS:
            wrong += walk.stands(name)
        rc, out = walk.run(undo)
        if rc:
            wrong.append(f"{name}: `{undo}` ended with {rc}: {out.strip()[:200]}")
        if name in STOPS:
            wrong += walk.stands(name)
    said = [line for line in kmsg.bad_lines(walk.guest.check("dmesg -c"))
            if SAID.get(name, "\0") not in line and not re.search(REFUSED_FLAG, line)]
    if name not in SAID and walk.inst.counters()["commands_refused"] != before:
        wrong.append(f"{name}: the host refused a command")
    return wrong + [f"{name}: {line}" for line in said], refused


@pytest.mark.kmsg_ok(*SAID.values(), REFUSED_FLAG)
@pytest.mark.limit(1500)
@pytest.mark.others_full
def test_walk(host, make_guest, guest_suite, record_property):
    """Each once, and back: frames go on, no complaint, no command that the host refuses.

    What a driver refuses by itself is refused; it is counted, not judged.
    """
    inst = host.instance("roce")
    guest = make_guest([inst], suite=guest_suite, cpus=4, mem=1536)
    walk = Walk(host, guest, inst)
    wrong, refused, times = walk.stands("at the start"), [], []
    try:
        for name, command, undo in rows_of(guest, walk.dev, walk.slot):
            start = time.monotonic()
            bad, no = judged(walk, name, command, undo)
            wrong += bad
            refused += [no] if no else []
            times.append((round(time.monotonic() - start, 1), name))
            print(f"{times[-1][0]:6} {name} {no or ''} {bad or ''}", flush=True)
    finally:
        walk.end()
    record_property("set", len(times) - len(refused))
    record_property("refused by the driver", "; ".join(refused))
    record_property("slowest", sorted(times, reverse=True)[:8])
    assert not wrong, "\n".join(wrong)
