# SPDX-License-Identifier: GPL-2.0-only
"""Two guests, of which one moves between two QEMUs with its instance."""

from fixtures import PAIRS, Factory
from lib_net import Bridge
from lib_roce import bring_up
from move import Move


class Travellers:
    """Guests `a`, which moves, and `b`, with an instance each and a network.

    Each time `a` moves to another instance, and to another tap with the same address.
    """

    def __init__(self, host, make_guest, kind="ib", suite=None, **kw):
        self.host, self.kind = host, kind
        self.net = Bridge()
        self.taps = self._twins()
        extra = self.net.plug()
        self.instances = [host.instance(kind) for _ in range(3)]
        self.here, self.other, theirs = self.instances
        self.a = make_guest([self.here], suite=suite, name="a", start=False, movable=True,
                            extra=self.taps[0], **kw)
        self.b = make_guest([theirs], suite=suite, name="b", start=False, movable=True,
                            extra=extra, **kw)
        for g in (self.a, self.b):
            g.start(wait=False)
        for number, g in enumerate((self.a, self.b), 1):
            g.wait_boot()
            self.net.up(g, number)

    def _twins(self):
        """QEMU arguments of a card, twice: the second on a tap of its own."""
        first, second = self.net.plug(), self.net.plug()
        mac = next(a for a in first if "mac=" in a).split("mac=")[1].split(",")[0]
        theirs = next(a for a in second if "mac=" in a).split("mac=")[1].split(",")[0]
        return [first, [a.replace(theirs, mac) for a in second]]

    def begin(self, wrap=(), **kw):
        """Begin a move of `a`; end it with done(). `wrap`: what starts the target's QEMU."""
        move = Move(self.a, [self.other], extra=self.taps[1], **kw)
        if wrap:
            argv = move.target.argv()
            move.target.argv = lambda: [*wrap, *argv]
        return move.begin()

    def done(self, move):
        """Wait for its end; query-migrate's last answer."""
        result = move.wait()
        self.here, self.other = self.other, self.here
        self.taps.reverse()
        return result

    def move(self, **kw):
        """Move `a` to the other instance; query-migrate's last answer."""
        return self.done(self.begin(**kw))

    def alive(self):
        """Do both execute commands?"""
        return self.a.alive() and self.b.alive()

    def end(self):
        """The network and the instances go; the guests have ended, or are their fixture's."""
        self.net.remove()
        for inst in self.instances:
            if inst.exists() and inst.state == "closed":
                inst.remove()
                self.host.instances.remove(inst)


class Journey:
    """Travellers that are kept between tests; of these and all pairs one is alive at a time."""

    def __init__(self, kind):
        self.kind = kind
        self.factory = self.pair = None

    @property
    def instances(self):
        """What they have."""
        return self.pair.instances if self.pair else []

    def get(self, lab, host):
        """The travellers, new ones when the last test left them broken."""
        if self.pair and self.pair.alive():
            for g in (self.pair.a, self.pair.b):
                g.run("busybox killall mhca-verify; dmesg -C")
            return self.pair
        for pair in PAIRS:
            pair.clear()
        self.factory = Factory(lab)
        self.pair = Travellers(host, self.factory, self.kind, mem=768)
        if self.kind == "roce":
            for number, guest in enumerate((self.pair.a, self.pair.b), 1):
                bring_up(guest, number)
        return self.pair

    def clear(self):
        """End them."""
        if self.factory:
            self.factory.end_all()
        if self.pair:
            self.pair.end()
        self.factory = self.pair = None


JOURNEYS = {kind: Journey(kind) for kind in ("ib", "roce")}
PAIRS.extend(JOURNEYS.values())


def moves_while(travel, job, most=200):
    """Move as often as it takes until a program in `a` has ended; how often."""
    for n in range(most):
        if not job.running():
            return n
        travel.move()
    raise AssertionError(f"still running after {most} moves")
