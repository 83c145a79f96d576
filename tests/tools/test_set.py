# SPDX-License-Identifier: GPL-2.0-only
"""set: what the driver offers, all or nothing."""

import pytest

from fakehost import POLICY, UUIDS, three_instances


@pytest.fixture
def host(bare):
    return three_instances(bare, policy=POLICY)


def value(host, name):
    return host.read(f"{host.device(UUIDS[0])}/{name}")


def test_set(host, tool):
    assert tool("set", UUIDS[0], "rate_mbps=1000", "description=tenant 7 = good") == ""
    assert value(host, "rate_mbps") == "1000"
    assert value(host, "description") == "tenant 7 = good"


def test_empty(host, tool):
    """An empty value is written, though sysfs ignores a write of no bytes."""
    tool("set", UUIDS[0], "description=x")
    tool("set", UUIDS[0], "description=")
    assert value(host, "description") == ""


def test_addresses(host, tool):
    """What cannot be a list of IP addresses does not reach the driver."""
    host.write(f"{host.device(UUIDS[0])}/addresses", "\n")
    for wrong in ("192.0.2", "192.0.2.7/33", "192.0.2.7,,::1", "::1/", "example.org"):
        assert "not IP addresses" in tool.fails(8, "set", UUIDS[0], f"addresses={wrong}")
    tool("set", UUIDS[0], "addresses=192.0.2.7,2001:db8::/64")
    assert value(host, "addresses") == "192.0.2.7,2001:db8::/64"


def test_json_is_what_the_driver_made_of_it(host, tool):
    done = tool.json("set", "0f9a", "weight=0x10")["set"]
    assert done == {"uuid": UUIDS[0], "attributes": {"weight": "0x10"}}


def test_from_file(host, tool, tmp_path):
    host.write(f"{host.device(UUIDS[0])}/config", "{}")
    config = tmp_path / "config.json"
    config.write_text('{"rate_mbps": 100, "max_qp": 16}\n')
    tool("set", UUIDS[0], f"config=@{config}")
    assert value(host, "config") == '{"rate_mbps": 100, "max_qp": 16}'
    assert "No such file" in tool.fails(1, "set", UUIDS[0], "config=@/nowhere")


def test_not_offered(bare, tool):
    three_instances(bare)
    assert "rate_mbps: this driver does not offer the attribute (a newer one does)" in \
        tool.fails(8, "set", UUIDS[0], "rate_mbps=5")
    message = tool.fails(8, "set", UUIDS[0], "colour=red")
    assert "does not offer the attribute\n" in message


def test_read_only(host, tool):
    assert "cannot be set" in tool.fails(8, "set", UUIDS[0], "mac=02:00:00:00:00:01")
    assert "cannot be set" in tool.fails(8, "set", UUIDS[0], "remove=1")
    assert "cannot be set" in tool.fails(8, "set", UUIDS[0], "uevent=change")
    assert host.path(host.device(UUIDS[0])).is_symlink()


def test_none_written_when_one_is_not_offered(host, tool):
    tool.fails(8, "set", UUIDS[0], "rate_mbps=7", "colour=red")
    assert value(host, "rate_mbps") == "0"


def test_roll_back(host, tool):
    """The second is refused: the first gets its old value back."""
    host.fail(f"{host.device(UUIDS[0])}/max_qp", "EINVAL",
              "mhca 0f9a: max_qp: 9 is not in 16..65536")
    message = tool.fails(8, "set", UUIDS[0], "rate_mbps=7", "max_qp=9", "weight=3")
    assert "max_qp=9: the driver refuses this value" in message
    assert "kernel: mhca 0f9a: max_qp: 9 is not in 16..65536" in message
    assert value(host, "rate_mbps") == "0"
    assert value(host, "weight") == "100"


@pytest.mark.parametrize("error, code, words", [
    ("EBUSY", 5, "while the instance is in use"),
    ("EINVAL", 8, "driver refuses"),
    ("ERANGE", 8, "out of the range"),
    ("EEXIST", 8, "another instance has"),
    ("EOPNOTSUPP", 8, "backend does not support"),
    ("ENOSPC", 6, "more than the host has left"),
    ("EACCES", 7, "run it as root"),
])
def test_refused(host, tool, error, code, words):
    host.fail(f"{host.device(UUIDS[0])}/rate_mbps", error)
    assert words in tool.fails(code, "set", UUIDS[0], "rate_mbps=7")


@pytest.mark.parametrize("setting, words", [
    ("mac=02:00:00:00:00", "not a MAC"),
    ("mac=03:00:00:00:00:01", "multicast"),
    ("mac=00:00:00:00:00:00", "zero"),
    ("mac=02:00:00:00:00:001", "not a MAC"),
    ("node_guid=0000:0000:0000:0000", "zero"),
    ("port_guid=hello", "not a GUID"),
    ("port_guid=0x", "not a GUID"),
    ("rate_mbps=-1", "not a number"),
    ("rate_mbps= 1", "not a number"),
    ("rate_mbps=1 2", "not a number"),
    ("rate_mbps=", "not a number"),
    ("segment=4294967296", "too large"),
    ("max_qp=99999999999999999999", "too large"),
    ("weight=0", "must not be zero"),
    ("doorbell=poll", "'map' or 'trap'"),
    ("link=auto", "'up' or 'down'"),
    ("description=a\nb", "control character"),
    ("description=" + "x" * 256, "longer than 255"),
    ("config=[]", "not a JSON object"),
    ("config={", "not a JSON object"),
    ("Rate=1", "not the name"),
])
def test_values_that_cannot_be_right(host, tool, setting, words):
    """Refused before the driver sees them."""
    assert words in tool.fails(8, "set", UUIDS[0], setting)


def test_values_that_can(bare, tool):
    three_instances(bare, policy=POLICY | {"mac": "x", "node_guid": "x", "port_guid": "x"})
    for name in ("mac", "node_guid", "port_guid"):
        bare.path(f"{bare.device(UUIDS[2])}/{name}").chmod(0o644)
    tool("set", UUIDS[2], "mac=02:00:5E:00:00:09", "node_guid=0200:5eff:fe00:0009",
         "port_guid=0x02005efffe000009", "doorbell=trap", "rate_mbps=0", "segment=0xffffffff")
    assert bare.read(f"{bare.device(UUIDS[2])}/doorbell") == "trap"


def test_usage(host, tool):
    assert "argument is missing" in tool.fails(2, "set", UUIDS[0])
    assert "NAME=VALUE" in tool.fails(2, "set", UUIDS[0], "=5")
    assert "no such instance" in tool.fails(3, "set", "77", "weight=1")
