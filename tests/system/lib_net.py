# SPDX-License-Identifier: GPL-2.0-only
"""A host bridge for guests: what perftest and others need to find each other."""

import contextlib

from host import sh


class Bridge:
    """A bridge with one tap (virtio-net, vhost) for each guest plugged in.

    The subnet is ours alone; guests get their address with up().
    """

    def __init__(self, name="mhcabr", subnet="10.77.0"):
        self.name, self.subnet, self.taps = name, subnet, []
        self._do("modprobe -a tun vhost_net; true")
        sh(f"ip link del {name} 2>/dev/null")
        self._do(f"ip link add {name} type bridge && "
                 f"ip addr add {subnet}.254/24 dev {name} && ip link set {name} up")

    @staticmethod
    def _do(cmd):
        rc, out = sh(cmd)
        assert rc == 0, f"`{cmd}` ended with {rc}:\n{out}"

    def plug(self):
        """QEMU arguments of a network card for the next guest."""
        tap = f"{self.name}t{len(self.taps)}"
        sh(f"ip link del {tap} 2>/dev/null")
        self._do(f"ip tuntap add dev {tap} mode tap && "
                 f"ip link set {tap} master {self.name} up")
        self.taps.append(tap)
        mac = f"52:54:00:77:00:{len(self.taps):02x}"
        return ["-netdev", f"tap,id={tap},ifname={tap},script=no,downscript=no,vhost=on",
                "-device", f"virtio-net-pci,netdev={tap},mac={mac},romfile="]

    def up(self, guest, number):
        """Give a running guest its address; it is kept as guest.address."""
        guest.address = f"{self.subnet}.{number}"
        guest.check("sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1; "
                    f"ip addr add {guest.address}/24 dev eth0 && ip link set eth0 up")

    def remove(self):
        """Remove bridge and taps."""
        for link in [*self.taps, self.name]:
            with contextlib.suppress(AssertionError):
                self._do(f"ip link del {link}")
        self.taps = []
