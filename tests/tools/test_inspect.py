# SPDX-License-Identifier: GPL-2.0-only
"""list, show, types."""

from conftest import golden
from fakehost import POLICY, TYPES, UUIDS


def test_list(host, tool):
    golden("list.txt", tool("list"))


def test_list_json(host, tool):
    document = tool.json("list")
    golden("list.json", tool("list", "--json"))
    assert [i["uuid"] for i in document["instances"]] == UUIDS
    assert document["instances"][0]["pinned_bytes"] == 1 << 30
    assert document["instances"][0]["counters"]["bytes"] == 98765432109
    assert document["instances"][2]["open"] is False


def test_list_filters(host, tool):
    assert tool("list", "-q", "--state=closed").split() == [UUIDS[2]]
    assert tool("list", "-q", "--type=ib-small").split() == UUIDS[1:]
    assert tool("list", "-q", "--type", "mhca-ib-small", "-s", "initialised").split() == UUIDS[1:2]
    assert tool("list", "-q", "-t", "roce-small") == ""
    assert tool("list", "-q", "-p", "mhca7") == ""
    assert tool("list", "-p", "mhca7").startswith("UUID")


def test_list_description(bare, tool):
    bare.load()
    bare.add_parent()
    bare.add_instance(UUIDS[0], policy={"description": "tenant Ä, \x1b[31mred"})
    line = tool("list").splitlines()[1]
    assert "tenant Ä, ?[31mred" in line


def test_list_leaves_others_alone(host, tool):
    """Mediated devices of other drivers are not ours."""
    other = "11111111-2222-3333-4444-555555555555"
    host.link(f"sys/devices/pci0/{other}/mdev_type", "../mdev_supported_types/i915-GVTg_V5_4")
    host.link(host.device(other), f"../../../devices/pci0/{other}")
    host.write("sys/devices/pci0/mdev_supported_types/i915-GVTg_V5_4/name", "GVTg")
    host.link("sys/class/mdev_bus/0000:00:02.0", "../../devices/pci0")
    assert other not in tool("list")
    assert "i915" not in tool("types")
    assert "no such instance" in tool.fails(3, "show", other)


def test_empty_host(bare, tool):
    bare.load()
    bare.add_parent()
    assert len(tool("list").splitlines()) == 1
    assert tool.json("list")["instances"] == []


def test_no_driver(bare, tool):
    for verb in ("list", "types", "stats"):
        assert "modprobe mhca_soft" in tool.fails(4, verb)
    assert "not loaded" in tool.fails(4, "show", "x")


def test_no_backend(bare, tool):
    bare.load()
    assert "without a backend" in tool.fails(4, "list")


def test_show(host, tool):
    golden("show.txt", tool("show", UUIDS[0]))


def test_show_policy(bare, tool):
    bare.load()
    bare.add_parent()
    bare.add_instance(UUIDS[0], policy=POLICY)
    golden("show-policy.txt", tool("show", UUIDS[0]))


def test_show_json(host, tool):
    golden("show.json", tool("show", UUIDS[0], "--json"))
    shown = tool.json("show", UUIDS[0], UUIDS[2])["instances"]
    assert shown[0]["users"] == [{"pid": 4242, "command": "qemu-system-x86"}]
    assert shown[0]["objects"]["qp"] == 12
    assert shown[1]["users"] == []


def test_show_cdev_user(host, tool):
    """A VMM that uses the device node and no group."""
    host.process(4444, "qemu-kvm", fds=("/dev/vfio/devices/vfio3",))
    host.path(f"{host.device(UUIDS[1])}/vfio-dev/vfio3").mkdir(parents=True)
    users = tool.json("show", UUIDS[1])["instances"][0]["users"]
    assert [u["pid"] for u in users] == [4343, 4444]


def test_prefix(host, tool):
    assert UUIDS[0] in tool("show", "0f9a")
    assert UUIDS[1] in tool("show", UUIDS[1].upper())
    assert "more than one" in tool.fails(3, "show", "5b")
    assert "no such instance" in tool.fails(3, "show", "77")
    assert "no such instance" in tool.fails(3, "show", "")


def test_types(host, tool):
    host.add_parent("mhca10", available=64)
    host.add_parent("mhca2", available=64)
    golden("types.txt", tool("types"))
    golden("types.json", tool("types", "--json"))
    types = tool.json("types")["types"]
    assert [t["parent"] for t in types] == ["mhca0"] * len(TYPES) + ["mhca2", "mhca10"]
    assert {t["type"]: t["instances"] for t in types[:len(TYPES)]} == {
        **dict.fromkeys(TYPES, []), "mhca-ib-medium": UUIDS[:1], "mhca-ib-small": UUIDS[1:]}
    assert tool("types", "-q").split()[:len(TYPES)] == sorted(TYPES)


def test_broken_attributes(host, tool):
    """What cannot be read is absent, never invented."""
    device = host.device(UUIDS[0])
    host.path(f"{device}/lid").unlink()
    host.path(f"{device}/iommu_group").unlink()
    host.path(f"{device}/counters/messages").unlink()
    host.write(f"{device}/counters/bytes", "N/A")
    shown = tool.json("show", UUIDS[0])["instances"][0]
    assert shown["lid"] is None and shown["iommu_group"] is None
    assert "messages" not in shown["counters"] and "bytes" not in shown["counters"]


def test_instance_vanishes(host, tool):
    """A link to nothing: removed between two reads."""
    host.link(host.device("99999999-2222-3333-4444-555555555555"), "../nowhere")
    assert tool("list", "-q").split() == UUIDS


def test_root_option(host, tool):
    tool.root = None
    assert tool("--root", host.root, "list", "-q").split() == UUIDS
    assert tool("list", "-q", "-r", host.root).split() == UUIDS
