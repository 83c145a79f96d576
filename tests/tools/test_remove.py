# SPDX-License-Identifier: GPL-2.0-only
"""remove: idle, in use, with waiting, by force."""

import subprocess
import threading
import time

import pytest

from conftest import MHCACTL, environment
from fakehost import UUIDS


def gone(host, uuid):
    return not host.path(host.device(uuid)).is_symlink()


def allow_force(host):
    host.write("sys/class/mdev_bus/mhca0/revoke", "", 0o200)


def test_idle(host, tool):
    assert tool("remove", UUIDS[2]) == ""
    assert gone(host, UUIDS[2]) and not gone(host, UUIDS[0])


def test_json(host, tool):
    assert tool.json("remove", UUIDS[2])["removed"] == [UUIDS[2]]


def test_in_use_is_refused(host, tool):
    message = tool.fails(5, "remove", UUIDS[0])
    assert "is in use" in message and "--wait" in message and "--force" in message
    assert "held by qemu-system-x86 (pid 4242)" in message
    assert not gone(host, UUIDS[0])


def test_wait_until_guest_lets_go(host, tool):
    host.hold()
    threading.Timer(0.3, host.path(".fake/hold").unlink).start()
    tool("remove", "--wait=10", UUIDS[0])
    assert gone(host, UUIDS[0])


def test_wait_too_short(host, tool):
    """The removal goes on without us: nobody's pipe is held open by it."""
    host.hold()
    start = time.monotonic()
    message = tool.fails(10, "remove", "--wait=0.2", UUIDS[0])
    assert time.monotonic() - start < 5
    assert "has begun and ends when its user closes" in message
    assert not gone(host, UUIDS[0])
    host.path(".fake/hold").unlink()
    for _ in range(100):
        if gone(host, UUIDS[0]):
            break
        time.sleep(0.05)
    assert gone(host, UUIDS[0])


def test_force_is_refused_by_old_driver(host, tool):
    assert "does not offer forced removal" in tool.fails(8, "remove", "--force", UUIDS[0])
    assert not gone(host, UUIDS[0])


def test_force(host, tool):
    """The guest is asked, does not answer, and loses its device."""
    allow_force(host)
    host.hold()
    tool("remove", "--force", "--wait=0.2", UUIDS[0])
    assert gone(host, UUIDS[0])


def test_force_fails(host, tool):
    allow_force(host)
    host.hold()
    host.fail("sys/class/mdev_bus/mhca0/revoke", "EPERM")
    # The second wait is 10 s long: end it from here once the refusal is there.
    threading.Timer(0.6, host.path(".fake/hold").unlink).start()
    done = tool.run("remove", "--force", "--wait=0.1", UUIDS[0])
    assert done.returncode == 7 and "cannot revoke" in done.stderr


def test_force_not_needed(host, tool):
    """A guest that lets go in time is not forced."""
    allow_force(host)
    host.fail("sys/class/mdev_bus/mhca0/revoke", "EIO")
    tool("remove", "--force", UUIDS[0])
    assert gone(host, UUIDS[0])


@pytest.mark.parametrize("error, code, words", [
    ("EBUSY", 5, "in use"),
    ("EAGAIN", 5, "HCA is being removed"),
    ("EACCES", 7, "run it as root"),
    ("ENODEV", 4, "going away"),
])
def test_refused(host, tool, error, code, words):
    host.fail(f"{host.device(UUIDS[2])}/remove", error)
    assert words in tool.fails(code, "remove", UUIDS[2])
    assert not gone(host, UUIDS[2])


def test_several_go_on_after_an_error(host, tool):
    host.fail(f"{host.device(UUIDS[0])}/remove", "EPERM")
    done = tool.run("remove", "-w", UUIDS[0], UUIDS[2], "--json")
    assert done.returncode == 7
    assert UUIDS[2] in done.stdout and UUIDS[0] not in done.stdout
    assert gone(host, UUIDS[2])


def test_wrong_name_removes_nothing(host, tool):
    assert "no such instance" in tool.fails(3, "remove", UUIDS[2], "abc")
    assert not gone(host, UUIDS[2])


def test_all(host, tool):
    tool("remove", "--all", "--wait=2")
    assert all(gone(host, uuid) for uuid in UUIDS)
    tool("remove", "--all")


def test_usage(host, tool):
    assert "argument is missing" in tool.fails(2, "remove")
    assert "too many" in tool.fails(2, "remove", "--all", UUIDS[0])
    assert "--wait" in tool.fails(2, "remove", "--wait=-1", UUIDS[0])
    assert "--wait" in tool.fails(2, "remove", "--wait=soon", UUIDS[0])


def test_interrupted_by_signal(host):
    """Ctrl-C ends the waiting, not with an error of the tool's own."""
    host.hold()
    process = subprocess.Popen([MHCACTL, "remove", "--wait=15", UUIDS[0]],
                               env=environment(host.root))
    time.sleep(0.4)
    process.terminate()
    assert process.wait(timeout=5) == -15
    host.path(".fake/hold").unlink()
