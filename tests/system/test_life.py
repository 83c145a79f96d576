# SPDX-License-Identifier: GPL-2.0-only
"""The life of an instance by mhcactl and by mdevctl, as an administrator lives it."""

import errno
import json
import pathlib
import subprocess
import uuid as uuidlib

import pytest

from guest import wait_until
from host import MDEV, Instance
from lib_client import Client, run
from lib_rdma import assert_clean
from lib_tools import Tool

BUSY, NO_CAPACITY, REFUSED = 5, 6, 8          # mhcactl(1)


@pytest.fixture
def tool(alone):
    """mhcactl, the call-out of mdevctl, and a host without instances."""
    alone.remove_instances()
    return Tool(alone)


def attribute(uuid, name):
    """An attribute of an instance that somebody else made."""
    return (MDEV / uuid / name).read_text().strip()


def test_mhcactl(tool):
    """Created with its attributes, shown, changed, used, removed."""
    before = Instance.available("ib-small")
    uuid = tool("create", "--type=ib-small", "rate_mbps=500", "description=tenant 7",
                "max_qp=99").strip()
    assert attribute(uuid, "rate_mbps") == "500" and attribute(uuid, "max_qp") == "99"
    listed = {i["uuid"]: i for i in tool.json("list")["instances"]}
    assert listed[uuid]["type"] == "mhca-ib-small" and listed[uuid]["state"] == "closed"
    shown, = tool.json("show", uuid)["instances"]
    assert shown["attributes"]["description"] == "tenant 7"
    tool("set", uuid, "rate_mbps=0", "weight=700")
    assert attribute(uuid, "weight") == "700"
    types = {t["type"]: t for t in tool.json("types")["types"]}
    assert types["mhca-ib-small"]["available_instances"] == before - 1
    assert f"sysfsdev=/sys/bus/mdev/devices/{uuid}" in tool("qemu", "--format=args", uuid)
    assert f'uuid="{uuid}"' in tool("metrics")
    tool("remove", uuid)
    assert not (MDEV / uuid).exists()
    assert Instance.available("ib-small") == before


def test_failing_create(tool):
    """A value that the driver refuses leaves no instance; the reason is shown."""
    status, _, err = tool.run("create", "--type=ib-small", "burst_kb=3")
    assert status == REFUSED and "burst_kb must be 16..1048576 KiB" in err, err
    assert not tool.json("list")["instances"]
    param = pathlib.Path("/sys/module/mhca/parameters/memory_mb")
    param.write_text("1000")
    try:
        status, _, err = tool.run("create", "--type=ib-small")
    finally:
        param.write_text("0")
    assert status == NO_CAPACITY and "of the 1000 MiB of memory_mb" in err, err


def test_set_is_atomic(tool, alone):
    """Several attributes, of which one is refused: none changes."""
    inst = alone.instance("ib-small")
    before = inst.read("config")
    status, _, err = tool.run("set", inst.uuid, "weight=5", "max_pinned_mb=16777217")
    assert status == REFUSED and "max_pinned_mb must be" in err
    assert inst.read("config") == before


def test_remove_in_use(tool, alone):
    """Refused; with --force the user's device is dead and the host holds nothing."""
    inst = alone.instance()
    client = Client(alone, "idle", inst.uuid)
    status, _, err = tool.run("remove", inst.uuid)
    assert status == BUSY and f"(pid {client.pid})" in err, err
    with subprocess.Popen([tool.path, "remove", "--force", "--wait=1", inst.uuid],
                          stderr=subprocess.PIPE, text=True) as remover:
        wait_until(lambda: "revoked" in alone.kmsg.new(), 30, "the device to die")
        # Its files are gone while the kernel waits for its user.
        wait_until(lambda: not (inst.path / "state").exists(), 30, "its files to go")
        client.kill()
        assert remover.wait(60) == 0, remover.stderr.read()
    assert not inst.exists()
    alone.instances.remove(inst)


def test_revoke(alone):
    """A revoked device holds nothing and moves nothing; closed, it is as new."""
    inst = alone.instance()
    revoke = inst.type.parents[1] / "revoke"

    def write(text):
        with open(revoke, "wb", buffering=0) as f:
            f.write(text.encode())

    for name, error in ((inst.uuid, errno.ENODEV), (uuidlib.uuid4(), errno.ENOENT),
                        ("", errno.ENOENT)):
        with pytest.raises(OSError) as e:
            write(f"{name}\n")
        assert e.value.errno == error
    client = Client(alone, "idle", inst.uuid)
    assert inst.counters()["pinned_pages"] > 0
    write(inst.uuid)
    assert inst.state == "revoked"
    assert_clean(inst)
    assert inst.read("open") == "1"
    write(inst.uuid)
    assert client.finish(timeout=120)[0] != 0, "traffic on a dead device"
    assert inst.state == "closed"
    assert not Client(alone, "traffic", 1, inst.uuid).result()["failed"]


# The guest's driver complains about its dead device, as it should.
@pytest.mark.full       # on a busy emulated host the guest takes minutes to find out
@pytest.mark.kmsg_ok("mlx5_core|infiniband|pcieport")
def test_force_under_a_guest(tool, alone, make_guest):
    """The guest sees a device that is gone, lets go, and lives on."""
    guest = make_guest([], root_ports=1)
    guest.check("modprobe pciehp; modprobe -a mlx5_ib ib_umad")
    inst = alone.instance()
    guest.qmp("device_add", driver="vfio-pci", id="hca", bus="rp0",
              sysfsdev=f"/sys/bus/mdev/devices/{inst.uuid}")
    wait_until(lambda: guest.run("ls /sys/class/infiniband/*")[0] == 0, 60,
               "RDMA device after hot-plug", 0.5)
    wait_until(lambda: "PORT_ACTIVE" in guest.run("ibv_devinfo")[1], 60, "its port", 0.5)
    (inst.type.parents[1] / "revoke").write_text(inst.uuid)
    assert_clean(inst)
    # The guest's driver has to find out first.
    tool("remove", "--force", "--wait=150", inst.uuid, timeout=200)
    assert not inst.exists()
    alone.instances.remove(inst)
    wait_until(lambda: guest.run("ls /sys/class/infiniband/*")[0] != 0, 60,
               "the RDMA device to go", 0.5)
    assert guest.check("echo alive").strip() == "alive"


def test_mdevctl(tool, alone, tmp_path):
    """Defined once, started with attributes; again when the driver comes back."""
    uuid = str(uuidlib.uuid4())
    attrs = [{"weight": "321"}, {"max_qp": "77"}, {"description": "by mdevctl"}]
    file = tmp_path / "definition.json"
    file.write_text(json.dumps({"mdev_type": "mhca-ib-medium", "start": "auto",
                                "attrs": attrs}))
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({"mdev_type": "mhca-ib-medium", "start": "auto",
                                 "attrs": [{"weight": "heavy"}]}))
    assert alone.run(f"mdevctl define -u {uuid} -p mhca0 --jsonfile {wrong}")[0]
    alone.check(f"mdevctl define -u {uuid} -p mhca0 --jsonfile {file}")
    try:
        alone.check(f"mdevctl start -u {uuid}")
        assert [attribute(uuid, n) for n in ("weight", "max_qp", "description")] == \
            ["321", "77", "by mdevctl"]
        running = json.loads(alone.check("mdevctl list --dumpjson"))[0]["mhca0"]
        stored = next(d[uuid] for d in running if uuid in d)
        assert {"max_qp": "77"} in stored["attrs"]
        alone.check(f"mdevctl stop -u {uuid}")
        assert not (MDEV / uuid).exists()
        # What udev does when the HCA appears after a reboot.
        alone.unload()
        alone.load()
        alone.check("mdevctl start-parent-mdevs mhca0")
        assert attribute(uuid, "weight") == "321"
        assert run(alone, "limits", uuid)
        alone.check(f"mdevctl stop -u {uuid}")
    finally:
        alone.run(f"mdevctl undefine -u {uuid}")


def test_debugfs(alone):
    """The objects that a client holds and the commands that made them, as text."""
    inst = alone.instance()
    client = Client(alone, "traffic", 600, inst.uuid)
    folder = pathlib.Path("/sys/kernel/debug/mhca") / inst.uuid
    objects = (folder / "objects").read_text().splitlines()
    kinds = [line.split(" 0x")[0] for line in objects]
    counters = inst.counters()
    for kind in ("QP", "CQ", "MKEY", "PD", "EQ", "UAR"):
        assert kinds.count(kind) == counters[f"objects_{kind.lower()}"], kind
    assert any("RC RTS peer=" in line for line in objects)
    commands = {line.split()[0]: line.split()[1:] for line in
                (folder / "commands").read_text().splitlines()[1:]}
    assert int(commands["CREATE_MKEY"][0]) >= 1
    assert sum(int(c[0]) for c in commands.values()) == counters["commands"]
    assert client.finish()[0] == 0
    inst.remove()
    alone.instances.remove(inst)
    assert not folder.exists()


def test_orchestrators_contract(alone):
    """The files that KubeVirt, Nova (through libvirt) and mdevctl read: docs/orchestration.md."""
    inst = alone.instance("ib-small")
    link = MDEV / inst.uuid
    assert link.is_symlink()
    parent = link.resolve().parent
    assert (pathlib.Path("/sys/class/mdev_bus") / parent.name).resolve() == parent
    name = (link / "mdev_type/name").read_text().strip().replace(" ", "_")
    assert name == "mHCA_InfiniBand_small"
    folder = parent / "mdev_supported_types/mhca-ib-small"
    assert (link / "mdev_type").resolve() == folder.resolve()
    assert (folder / "name").read_text().strip().replace(" ", "_") == name
    assert (folder / "device_api").read_text() == "vfio-pci\n"
    assert int((folder / "available_instances").read_text()) > 0
    assert (folder / "devices" / inst.uuid).exists()
    for writable in (folder / "create", link / "remove"):
        assert writable.stat().st_mode & 0o777 == 0o200
    group = pathlib.Path("/dev/vfio") / (link / "iommu_group").resolve().name
    assert group.is_char_device()
    inst.remove()
    alone.instances.remove(inst)
    wait_until(lambda: not group.exists(), 10, "the group's device to go")
