# SPDX-License-Identifier: GPL-2.0-only
"""create: the driver's refusals have names, and nothing half-made stays."""

import pytest

from fakehost import POLICY, UUIDS, three_instances

CREATE = "sys/class/mdev_bus/mhca0/mdev_supported_types/mhca-ib-small/create"
NEW = "77777777-1c3a-4d5f-8e9b-112233445599"


@pytest.fixture
def host(bare):
    bare.load()
    bare.add_parent()
    bare.template(policy=POLICY)
    return bare


def test_random_uuid(host, tool):
    first = tool("create").strip()
    second = tool("create", "--type=ib-small", "-p", "mhca0").strip()
    assert first != second
    assert first[14] == "4" and first[19] in "89ab"
    assert sorted(tool("list", "-q").split()) == sorted([first, second])


def test_given_uuid(host, tool):
    assert tool("create", "-u", NEW.upper()).strip() == NEW
    assert tool.json("show", NEW)["instances"][0]["type"] == "mhca-ib-small"


def test_json(host, tool):
    created = tool.json("create", "--uuid", NEW)["created"]
    assert created == {"uuid": NEW, "parent": "mhca0", "type": "mhca-ib-small"}


def test_attributes(host, tool):
    tool("create", "-u", NEW, "rate_mbps=1000", "description=tenant 7")
    shown = tool.json("show", NEW)["instances"][0]["attributes"]
    assert shown["rate_mbps"] == "1000" and shown["description"] == "tenant 7"


def test_refused_attribute_unwinds(host, tool):
    """No instance stays when one of its attributes is refused."""
    host.fail("sys/devices/virtual/mhca/mhca0/" + NEW + "/max_qp", "ERANGE")
    message = tool.fails(8, "create", "-u", NEW, "rate_mbps=5", "max_qp=9")
    assert "max_qp=9: out of the range" in message
    assert tool("list", "-q") == ""


def test_attribute_not_offered_unwinds(bare, tool):
    bare.load()
    bare.add_parent()
    bare.template()
    message = tool.fails(8, "create", "-u", NEW, "rate_mbps=5")
    assert "does not offer" in message
    assert tool("list", "-q") == ""


def test_wrong_value_creates_nothing(host, tool):
    assert "not a number" in tool.fails(8, "create", "rate_mbps=fast")
    assert tool("list", "-q") == ""


@pytest.mark.parametrize("error, code, words", [
    ("ENOSPC", 6, "no room for another instance"),
    ("EUSERS", 6, "no room for another instance"),
    ("EINVAL", 8, "the kernel refuses this UUID"),
    ("EEXIST", 8, "with its addresses, exists"),
    ("EACCES", 7, "run it as root"),
    ("EPERM", 7, "run it as root"),
    ("ENOMEM", 6, "out of memory"),
    ("ENODEV", 4, "driver is going away"),
    ("EIO", 1, "Input/output error"),
])
def test_refused(host, tool, error, code, words):
    host.fail(CREATE, error)
    assert words in tool.fails(code, "create")


def test_kernel_line_is_shown(host, tool):
    """sysfs says an errno, the log says why: both reach the user, old lines do not."""
    host.fail(CREATE, "ENOSPC", "mhca mhca0: cannot create x: all 64 instances are in use")
    message = tool.fails(6, "create")
    assert "kernel: mhca mhca0: cannot create x: all 64 instances are in use" in message
    assert "old line" not in message


def test_exists(host, tool):
    tool("create", "-u", NEW)
    assert "exists" in tool.fails(8, "create", "-u", NEW)


def test_accepted_but_nothing_there(host, tool):
    """Success is only reported for an instance that can be seen."""
    host.path(CREATE).unlink()
    host.link(f"{CREATE}", "/dev/null")
    assert "no instance appeared" in tool.fails(1, "create")


def test_choice(bare, tool):
    three_instances(bare)
    bare.template()
    assert "choose one with --type" in tool.fails(3, "create")
    assert "no type 'gpu'" in tool.fails(3, "create", "-t", "gpu")
    assert "no type 'ib-small' on mhca5" in tool.fails(3, "create", "-t", "ib-small", "-p", "mhca5")


def test_parent_with_most_room(bare, tool):
    bare.load()
    bare.add_parent("mhca0", available=1)
    bare.add_parent("mhca1", available=50)
    bare.template()
    assert tool.json("create")["created"]["parent"] == "mhca1"


def test_usage(host, tool):
    assert "no UUID" in tool.fails(2, "create", "-u", UUIDS[0][:-1])
    assert "no UUID" in tool.fails(2, "create", "-u", UUIDS[0] + "0")
    assert "NAME=VALUE" in tool.fails(2, "create", "rate_mbps")
    assert "not the name" in tool.fails(8, "create", "../x=1")


def test_no_driver(bare, tool):
    assert "modprobe" in tool.fails(4, "create", "-t", "ib-small")
