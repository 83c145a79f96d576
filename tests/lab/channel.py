# SPDX-License-Identifier: GPL-2.0-only
"""The command channel to a VM: a root shell behind a virtio port.

Used on the outer machine (to drive the host VM) and inside the host VM (to
drive guests). One command at a time; its output, then its exit status.
"""

import shlex
import socket
import time

READY = b"MHCA-AGENT-READY\n"


class ChannelError(Exception):
    """The VM died or did not answer in time."""


class Channel:
    """A stream of commands to one agent, over QEMU's UNIX socket.

    `alive` is called while waiting and raises or returns text when the VM
    can no longer answer (QEMU gone, kernel panic on the console).
    """

    def __init__(self, path, alive=lambda: None):
        self.path = str(path)
        self.alive = alive
        self.sock = None
        self.buf = b""
        self.serial = 0

    def connect(self, timeout=20):
        """Connect to QEMU, which listens before the VM runs."""
        end = time.monotonic() + timeout
        while True:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(self.path)
                self.sock = s
                return
            except OSError as e:
                s.close()
                self._check_alive()
                if time.monotonic() > end:
                    raise ChannelError(f"cannot connect to {self.path}: {e}") \
                        from e
                time.sleep(0.05)

    def close(self):
        """Forget the connection."""
        if self.sock:
            self.sock.close()
            self.sock = None

    def wait_ready(self, timeout):
        """Wait for the agent's greeting: the VM has booted."""
        self._read_until(READY, timeout, "boot")

    def run(self, cmd, timeout=60, stream=None, silence=None):
        """Run a shell command; (exit status, output as text).

        The VM's own timeout(1) ends the command, with status 124; the channel
        itself gives up some seconds later, or after `silence` seconds without
        output. `stream` gets bytes as they come.
        """
        self.serial += 1
        mark = f"@MHCA-{self.serial}-{id(self) & 0xffff:x}:"
        line = (f"timeout -k 5 {timeout:g} sh -c {shlex.quote(cmd)} "
                f"</dev/null 2>&1; printf '\\n%s%d@\\n' '{mark}' $?\n")
        self.sock.sendall(line.encode())
        what = f"`{cmd if len(cmd) < 100 else cmd[:100] + '…'}`"
        out = self._read_until(b"\n" + mark.encode(), timeout + 30, what,
                               stream, silence)
        status = self._read_until(b"@\n", 10, what)
        return int(status), out.decode("utf-8", "replace")

    def _check_alive(self):
        dead = self.alive()
        if dead:
            raise ChannelError(dead)

    def _read_until(self, mark, timeout, what, stream=None, silence=None):
        """The bytes before `mark`, which is consumed."""
        end = time.monotonic() + timeout
        heard = time.monotonic()
        shown = 0
        while True:
            at = self.buf.find(mark)
            if at >= 0:
                out, self.buf = self.buf[:at], self.buf[at + len(mark):]
                if stream:
                    stream(out[shown:])
                return out
            if stream:
                # A mark may have arrived in part: hold back its length.
                safe = max(shown, len(self.buf) - len(mark))
                stream(self.buf[shown:safe])
                shown = safe
            if time.monotonic() > end:
                raise ChannelError(f"no answer within {timeout:g} s to {what}; "
                                   f"so far: {self.buf[-2000:].decode('utf-8', 'replace')!r}")
            if silence and time.monotonic() - heard > silence:
                raise ChannelError(f"{what}: nothing heard for {silence:g} s")
            self.sock.settimeout(0.5)
            try:
                data = self.sock.recv(65536)
                heard = time.monotonic()
            except TimeoutError:
                self._check_alive()
                continue
            except OSError as e:
                raise ChannelError(f"{what}: connection lost ({e})") from e
            if not data:
                self._check_alive()
                raise ChannelError(f"{what}: QEMU closed the connection")
            self.buf += data
