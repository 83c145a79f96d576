# SPDX-License-Identifier: GPL-2.0-only
"""A monitor whose guest memory does not answer, so that its command never ends: it is in
nobody's way, and every way to get rid of it works."""

import select
import subprocess
import uuid as uuidlib

import pytest

from guest import wait_until
from lib_client import Client
from lib_rdma import assert_clean
from lib_tools import Tool


@pytest.fixture
def tool(alone):
    """mhcactl on a host without other instances."""
    alone.remove_instances()
    return Tool(alone)


def ends(what, *argv):
    """A command that must come to an end; it may be one that cannot be killed."""
    # No with: that would wait for the one that hangs.
    proc = subprocess.Popen([str(a) for a in argv],     # pylint: disable=consider-using-with
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    wait_until(lambda: proc.poll() is not None, 60, f"the end of {what}")
    assert proc.returncode == 0, what


def shell(what, command):
    """The same for a line of shell."""
    ends(what, "sh", "-c", command)


def assert_usable(alone, inst):
    """Nothing is left, as soon as the opening is over, and somebody else can have it."""
    wait_until(lambda: inst.state == "closed", 30, "the close")
    wait_until(lambda: not inst.counters()["pinned_pages"], 30, "the unpinning")
    assert_clean(inst)
    assert inst.state == "closed"
    assert not Client(alone, "traffic", 1, inst.uuid).result()["failed"]


def test_others_go_on(tool, alone):
    """Attributes, revocation, and what an administrator does with other instances."""
    stuck, other = alone.instance(), alone.instance()
    client = Client(alone, "stuck", stuck.uuid)
    assert client.first == "stuck"
    ends("show", tool.path, "show", stuck.uuid)
    ends("set", tool.path, "set", stuck.uuid, "rate_mbps=500")
    assert stuck.read("rate_mbps") == "500"
    shell("a revocation", f"echo {stuck.uuid} > {stuck.type.parents[1]}/revoke")
    ends("list", tool.path, "list")
    ends("set", tool.path, "set", other.uuid, "rate_mbps=500")
    made = uuidlib.uuid4()
    shell("a creation", f"echo {made} > {other.type}/create")
    ends("remove", tool.path, "remove", made)
    assert stuck.state == "revoked"
    assert_clean(stuck)
    client.kill()
    assert_usable(alone, stuck)


def test_reset(alone):
    """A reset does not wait for the command."""
    inst = alone.instance()
    client = Client(alone, "stuck", inst.uuid)
    client.proc.stdin.write("\n")
    client.proc.stdin.flush()
    assert select.select([client.proc.stdout], [], [], 60)[0], "the reset hangs"
    assert client.proc.stdout.readline().strip() == "reset"
    assert_clean(inst)
    assert client.finish()[0] == 0
    assert_usable(alone, inst)


def test_kill(alone):
    """kill -9: the kernel closes the device before the file that would end the wait."""
    inst = alone.instance()
    client = Client(alone, "stuck", inst.uuid)
    client.proc.kill()
    wait_until(lambda: client.proc.poll() is not None, 60, "its end")
    assert_usable(alone, inst)


@pytest.mark.full       # half a minute of waiting
@pytest.mark.kmsg_ok("is not in guest memory")
def test_nobody_cares(alone):
    """Left alone, the command fails at last: the container's lock is free again."""
    inst = alone.instance()
    client = Client(alone, "stuck", inst.uuid)
    wait_until(lambda: "did not answer" in alone.kmsg.new(), 90, "the command to fail")
    assert client.finish()[0] == 0
    assert_usable(alone, inst)
