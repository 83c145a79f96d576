# SPDX-License-Identifier: GPL-2.0-only
"""events: uevents as udev writes them down."""

import json
import os

import pytest

from conftest import golden, validate
from fakehost import UUIDS

# As 'udevadm monitor --udev --property' prints it.
STREAM = f"""monitor will print the received events for:
UDEV - the event which udev sends out after rule processing

UDEV  [77.1] change   /devices/virtual/mhca/mhca0 (mhca)
ACTION=change
DEVPATH=/devices/virtual/mhca/mhca0
SUBSYSTEM=mhca
MDEV_STATE=registered
SEQNUM=4001

UDEV  [78.2] add      /devices/virtual/mhca/mhca0/{UUIDS[0]} (mdev)
ACTION=add
DEVPATH=/devices/virtual/mhca/mhca0/{UUIDS[0]}
SUBSYSTEM=mdev

UDEV  [78.3] add      /devices/virtual/vfio/12 (vfio)
ACTION=add
DEVPATH=/devices/virtual/vfio/12
SUBSYSTEM=vfio

UDEV  [78.4] add      /devices/pci0000:00/0000:00:02.0/{UUIDS[1]} (mdev)
ACTION=add
DEVPATH=/devices/pci0000:00/0000:00:02.0/{UUIDS[1]}
SUBSYSTEM=mdev

ACTION=bind
DEVPATH=/devices/virtual/mhca/mhca0/{UUIDS[0]}
SUBSYSTEM=mdev
DRIVER=mhca

ACTION=remove
DEVPATH=/devices/virtual/mhca/mhca0/{UUIDS[2]}
SUBSYSTEM=mdev
"""


def test_text(host, tool):
    golden("events.txt", tool("events", "--from=-", stdin=STREAM))


def test_file_and_count(host, tool, tmp_path):
    (tmp_path / "stream").write_text(STREAM)
    assert len(tool("events", "-f", tmp_path / "stream", "-n2").splitlines()) == 2


def test_json(host, tool):
    lines = tool("events", "--from=-", "--json", stdin=STREAM).splitlines()
    events = [json.loads(line) for line in lines]
    for event in events:
        validate(event)
    assert [e["event"]["action"] for e in events] == ["change", "add", "bind", "remove"]
    assert events[0]["event"]["mdev_state"] == "registered"
    assert events[1]["event"]["type"] == "mhca-ib-medium"
    assert events[3]["event"]["uuid"] == UUIDS[2]


@pytest.mark.parametrize("stream", [
    "", "\n\n\n", "ACTION=add\n", "DEVPATH=/x\n\n", "=\n\n", "ACTION\n\n",
    "ACTION=add\nDEVPATH=\nSUBSYSTEM=mdev\n",
    "ACTION=add\nDEVPATH=/devices/virtual/mhca/mhca0/not-a-uuid\nSUBSYSTEM=mdev\n",
    "ACTION=add\nDEVPATH=mhca\n",
])
def test_garbage(host, tool, stream):
    assert tool("events", "--from=-", stdin=stream) == ""


def test_listens_to_udev(host, tool):
    """A real monitor, opened and closed; nothing happens meanwhile."""
    if not os.path.isdir("/sys/class/net"):
        pytest.skip("no sysfs")
    host.write("run/udev/control", "")
    done = tool.run("events", "--timeout=0.2")
    if done.returncode == 1 and "cannot listen" in done.stderr:
        pytest.skip("no netlink here")
    assert done.returncode == 0 and done.stdout == "" and done.stderr == ""


def test_says_that_udev_is_missing(host, tool):
    assert "udev does not run here" in tool.run("events", "-t", "0.1").stderr


def test_usage(host, tool):
    assert "No such file" in tool.fails(1, "events", "--from=/nowhere")
    assert "--count" in tool.fails(2, "events", "-n", "none")
    assert "--timeout" in tool.fails(2, "events", "-t", "-3")
    assert "too many" in tool.fails(2, "events", "x")
