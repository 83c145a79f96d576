# SPDX-License-Identifier: GPL-2.0-only
"""A guest that moves: from its QEMU to another one, which stands on the same host."""

import contextlib
import copy
import pathlib
import time

from channel import Channel, ChannelError

ENDED = ("completed", "failed", "cancelled")


class MoveError(Exception):
    """It did not move; QEMU's words, and where the guest is."""


class Move:
    """The move of a guest that was started with movable=True; move() is all of it.

    instances  what the target has in place of the guest's own
    limit      bytes per second, to catch it on its way; 0: none
    changes    attributes of the Guest that are others in the target (mem=…)
    """

    def __init__(self, guest, instances=(), *, limit=0, **changes):
        self.guest = guest
        # The same guest as the other QEMU sees it; becomes the guest when it has moved.
        self.target = copy.copy(guest)
        self.target.moves = guest.moves + 1
        self.target.instances = list(instances)
        self.target.proc = self.target.qmp_link = None
        vars(self.target).update(changes)
        self.target.channel = Channel(self.target.socket("cmd"), self.target.dead)
        self.limit = limit

    def begin(self):
        """Start the target's QEMU, then the move."""
        target, where = self.target, f"unix:{self.target.socket('move')}"
        # A target that failed has left its sockets, which nobody listens to.
        for name in ("cmd", "qmp", "move"):
            pathlib.Path(target.socket(name)).unlink(missing_ok=True)
        target.proc = target.spawn(["-incoming", "defer"])
        acks = [{"capability": name, "state": True}
                for name in ["return-path"] + ["switchover-ack"] * bool(target.instances)]
        try:
            # Before the guest is there: its agent sees a port that nobody has left.
            target.channel.connect()
            for end in (target, self.guest):
                end.qmp("migrate-set-capabilities", capabilities=acks)
            self.guest.qmp("migrate-set-parameters", **{"max-bandwidth": self.limit or 1 << 34})
            target.qmp("migrate-incoming", uri=where)
            self.guest.qmp("migrate", uri=where)
        except (RuntimeError, ChannelError, OSError):
            self.drop()
            raise
        return self

    def progress(self):
        """query-migrate's answer at the source."""
        return self.guest.qmp("query-migrate")

    def cancel(self):
        """Stop it; the guest stays."""
        self.guest.qmp("migrate_cancel")

    def drop(self):
        """End the target's QEMU, before the guest runs there."""
        self.target.kill()

    def wait(self, timeout=180):
        """Until the guest runs at the target and the source's QEMU is gone.

        MoveError: it did not move, the target is gone.
        """
        end = time.monotonic() + timeout
        while True:
            now = self.progress()
            if now.get("status") in ENDED:
                break
            if time.monotonic() > end:
                self.cancel()
                now["status"] = f"not within {timeout} s ({now.get('status')})"
                break
            time.sleep(0.2)
        if now["status"] != "completed":
            self.drop()
            raise MoveError(f"{now['status']}: {now.get('error-desc', '')}; target: "
                            + self.guest.qemu_log.read_text(errors="replace")[-500:])
        while self.target.qmp("query-status")["status"] != "running":
            time.sleep(0.05)
        self._arrive()
        return now

    def _arrive(self):
        """The guest's object becomes the target's."""
        guest, target = self.guest, self.target
        # What it said on its way is still in the source's socket.
        said = guest.channel.buf
        guest.channel.sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while part := guest.channel.sock.recv(65536):
                said += part
        guest.kill()
        for name in ("moves", "instances", "proc", "qmp_link"):
            setattr(guest, name, getattr(target, name))
        target.channel.buf = said + target.channel.buf
        target.channel.alive = guest.dead
        target.channel.serial = guest.channel.serial
        guest.channel = target.channel


def move(guest, instances=(), **kw):
    """Move a guest to another QEMU; query-migrate's last answer."""
    return Move(guest, instances, **kw).begin().wait()
