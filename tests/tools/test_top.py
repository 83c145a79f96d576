# SPDX-License-Identifier: GPL-2.0-only
"""top, through a terminal: what a person sees is what is compared."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

import pyte
import pytest

from conftest import MHCACTL, environment, golden
from fakehost import UUIDS


class Terminal:
    """A program on a pseudo-terminal of a given size."""

    def __init__(self, root, *args, columns=120, lines=16):
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        env = environment(root)
        env.update(TERM="linux", COLUMNS=str(columns), LINES=str(lines))
        self.process = subprocess.Popen([MHCACTL, "top", *args], stdin=slave, stdout=slave,
                                        stderr=slave, env=env, start_new_session=True)
        os.close(slave)
        self.master = master

    def pump(self, seconds):
        ready, _, _ = select.select([self.master], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.stream.feed(data)
        return bool(data)

    def wait_for(self, words, seconds=10):
        end = time.monotonic() + seconds
        while words not in self.text():
            assert time.monotonic() < end, self.text()
            self.pump(0.1)
        while self.pump(0.15):
            pass
        return self.text()

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip() + "\n"

    def key(self, key):
        os.write(self.master, key.encode())

    def quit(self, key="q"):
        self.key(key)
        while self.pump(0.5):
            pass
        code = self.process.wait(timeout=10)
        os.close(self.master)
        return code


@pytest.fixture
def terminal(host):
    terminals = []

    def start(*args, **size):
        terminals.append(Terminal(host.root, *args, **size))
        return terminals[-1]

    yield start
    for opened in terminals:
        if opened.process.poll() is None:
            opened.process.kill()
            opened.process.wait()


def traffic(host, clock, **values):
    """Time passes and the first instance works."""
    for name, value in values.items():
        host.path(f"{host.device(UUIDS[0])}/counters/{name}").chmod(0o644)
        host.write(f"{host.device(UUIDS[0])}/counters/{name}", value)
    host.lane(0, 12345 + int(64.2 * (clock - 1000)))
    host.clock(clock)


def test_live_view(host, terminal):
    """The capture that docs/mhcactl.md shows."""
    host.clock(1000)
    top = terminal("-d", "60")
    first = top.wait_for("q quit")
    assert "3 instances, 2 in use" in first
    traffic(host, 1002, bytes=98765432109 + 9_000_000_000, messages=1234567 + 2_400_000,
            commands=4711 + 80, doorbell_faults=44, error_cqes=4)
    top.key(" ")
    text = top.wait_for("36.0 Gbit/s")
    golden("top.txt", text)
    assert top.quit() == 0


def test_sorting_and_filter(host, terminal):
    top = terminal("-d", "3600", columns=140)
    top.wait_for("q quit")

    def order():
        return [u for line in top.text().splitlines() for u in UUIDS if line.startswith(u)]

    assert order() == UUIDS
    host.write(f"{host.device(UUIDS[2])}/counters/objects_qp", 99)
    top.key(" ")
    top.key("o")
    top.wait_for(" 99 ")
    assert order() == [UUIDS[2], UUIDS[0], UUIDS[1]]
    top.key("i")
    while top.pump(0.3):
        pass
    assert order() == UUIDS[:2]
    top.key("u")
    top.key("i")
    while top.pump(0.3):
        pass
    assert order() == UUIDS
    assert top.quit() == 0


def test_refreshes_by_itself(host, terminal):
    top = terminal("--interval=0.2")
    top.wait_for("q quit")
    host.write(f"{host.device(UUIDS[1])}/counters/objects_qp", 777)
    top.wait_for("777", seconds=5)
    assert top.quit("\x1b") == 0


def test_interval_keys(terminal):
    top = terminal("-d", "1000")
    top.wait_for("every 1000 s")
    top.key("+")
    top.wait_for("every 2000 s")
    top.key("+")
    top.key("+")
    top.key("-")
    top.wait_for("every 1000 s")
    assert top.quit() == 0


def test_narrow_and_many(host, terminal):
    """More instances than lines, fewer columns than wanted: it scrolls, never breaks."""
    for n in range(30):
        host.add_instance(f"{n:08x}-0000-4000-8000-000000000000", lid=10 + n, guid=16 + n)
    top = terminal("-d", "3600", columns=60, lines=12)
    text = top.wait_for("q quit")
    assert "00000000-0000" in text and "0000001d-0000" not in text
    for _ in range(12):
        top.key("\x1b[6~")
    top.wait_for(UUIDS[2][:13])
    assert top.quit() == 0


def test_driver_goes(host, terminal):
    top = terminal("-d", "3600")
    top.wait_for("q quit")
    for uuid in UUIDS:
        host.path(host.device(uuid)).unlink()
    host.path("sys/class/mdev_bus/mhca0").unlink()
    top.key(" ")
    assert top.quit("") == 4


def test_unknown_terminal(host, terminal, monkeypatch):
    monkeypatch.setitem(os.environ, "TERM", "xterm")
    env = environment(host.root)
    env["TERM"] = "no-such-terminal"
    master, slave = pty.openpty()
    done = subprocess.run([MHCACTL, "top"], stdin=slave, stdout=slave, text=True,
                          stderr=subprocess.PIPE, env=env, timeout=10, check=False)
    os.close(slave)
    os.close(master)
    assert done.returncode == 1 and "stats --watch" in done.stderr


def test_usage(host, tool):
    assert "needs a terminal" in tool.fails(2, "top")
    assert "--interval" in tool.fails(2, "top", "-d", "0")
    assert "too many" in tool.fails(2, "top", "x")
