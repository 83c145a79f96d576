# SPDX-License-Identifier: GPL-2.0-only
"""Two guests, of which one moves between two QEMUs with its instance."""

from lib_net import Bridge
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

    def end(self):
        """The network goes; guests are their fixture's."""
        self.net.remove()


def moves_while(travel, job, most=200):
    """Move as often as it takes until a program in `a` has ended; how often."""
    for n in range(most):
        if not job.running():
            return n
        travel.move()
    raise AssertionError(f"still running after {most} moves")
