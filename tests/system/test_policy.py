# SPDX-License-Identifier: GPL-2.0-only
"""What an administrator sets: attributes, types, limits at exactly their value."""

import errno
import itertools
import json
import pathlib
import random

import pytest

from host import Instance
from lib_client import Client, run
from lib_rdma import assert_clean

SYNDROMES = 0x6d480000
QUOTA, PINNED_LIMIT, MR_LIMIT = (SYNDROMES + n for n in (15, 17, 40))
LIM_ERR = 8

CLOSED_ONLY = {
    "mac": "02:00:5e:00:01:02", "node_guid": "0200:5eff:fe00:0102",
    "port_guid": "0200:5eff:fe01:0102", "max_qp": "100", "max_cq": "50", "max_srq": "10",
    "max_mkey": "200", "max_pd": "20", "max_pinned_mb": "64", "max_mr_mb": "8",
    "doorbell": "trap",
}
LIVE = {
    "segment": "7", "rate_mbps": "1000", "burst_kb": "512", "cmd_rate": "5000",
    "weight": "300", "spoof_check": "off", "addresses": "192.0.2.7,2001:db8::/64",
    "link": "down", "description": 'tenant 7, "blue"',
}


def refused(inst, name, value):
    """The errno with which the driver refuses a value."""
    with pytest.raises(OSError) as e:
        inst.write(name, value)
    return e.value.errno


def test_any_order(alone):
    """Every attribute can be set in any order and says what was set."""
    rng = random.Random(5)
    every = list((CLOSED_ONLY | LIVE).items())
    inst = alone.instance("ib-large")
    for _ in range(5):
        rng.shuffle(every)
        for name, value in every:
            inst.write(name, value)
        for name, value in every:
            assert inst.read(name) == value
    config = json.loads(inst.read("config"))
    assert {k: str(v) for k, v in config.items()} == dict(every)


def test_open_and_closed(alone):
    """While the instance is open some attributes are fixed: EBUSY, and a line says which."""
    inst = alone.instance()
    before = json.loads(inst.read("config"))
    client = Client(alone, "idle", inst.uuid)
    alone.kmsg.new()
    for name, value in CLOSED_ONLY.items():
        assert refused(inst, name, value) == errno.EBUSY, name
        assert f"{name} cannot change while the instance is open" in alone.kmsg.new()
    for name, value in LIVE.items():
        inst.write(name, value)
        assert inst.read(name) == value
    # The whole configuration may be written back, as mdevctl does.
    inst.write("config", json.dumps({**before, "weight": 5}))
    assert inst.read("weight") == "5" and inst.read("description") == ""
    assert refused(inst, "config", json.dumps({**before, "weight": 9, "max_qp": 9})) \
        == errno.EBUSY
    assert inst.read("weight") == "5"
    inst.write("segment", 0)
    assert client.finish()[0] == 0
    inst.write("max_qp", 9)


@pytest.mark.parametrize("name,value,error,line", [
    ("max_qp", "0", errno.ERANGE, "max_qp must be 1..16777214"),
    ("max_qp", "many", errno.EINVAL, "max_qp must be 1..16777214"),
    ("rate_mbps", "100001", errno.ERANGE, "rate_mbps must be 0 (no bound) or 1..100000 Mbit/s"),
    ("mac", "01:00:00:00:00:01", errno.ERANGE, "mac must be an address like"),
    ("node_guid", "0", errno.EINVAL, "node_guid must be a GUID like"),
    ("doorbell", "poll", errno.EINVAL, "doorbell must be 'map' or 'trap'"),
    ("description", "x" * 256, errno.ERANGE, "description must be printable text"),
    ("addresses", "192.0.2.7/24", errno.ERANGE, "addresses must be up to 16 IP addresses"),
    ("config", "{", errno.EINVAL, "config: byte 1: a string is expected"),
    ("config", '{"max_qps": 1}', errno.ENOENT, "there is no attribute max_qps"),
    ("config", '{"weight": 7, "max_qp": 0}', errno.ERANGE, "max_qp must be"),
])
def test_wrong_values(alone, name, value, error, line):
    """A precise errno, one line in the log with attribute and range, nothing changed."""
    inst = alone.instance()
    before = inst.read("config")
    alone.kmsg.new()
    assert refused(inst, name, value) == error
    lines = [ln for ln in alone.kmsg.new().splitlines() if inst.uuid in ln]
    assert len(lines) == 1 and line in lines[0], lines
    assert inst.read("config") == before


def test_addresses_are_unique(alone):
    """No two instances of a host with one address."""
    one, two = alone.instance(), alone.instance()
    for name in ("mac", "node_guid", "port_guid"):
        alone.kmsg.new()
        assert refused(two, name, one.read(name)) == errno.EEXIST
        assert f"{name} is that of {one.uuid}" in alone.kmsg.new()
        two.write(name, two.read(name))


def test_views(alone):
    """Configured, enforced and visible values are told apart."""
    inst = alone.instance("ib-large", max_qp=100, max_cq=16777214, max_pinned_mb=100000)
    views = {name: (inst.read(name), (inst.path / "clamped" / name).read_text().strip())
             for name in ("max_qp", "max_cq", "max_pinned_mb")}
    assert views == {"max_qp": ("100", "100"), "max_cq": ("16777214", "65536"),
                     "max_pinned_mb": ("100000", "65536")}
    assert (inst.path / "visible/max_qp").read_text() == "64\n"
    assert not (inst.path / "visible/weight").exists()


def test_types(alone):
    """Each type starts with its size; the attributes say so."""
    sizes = {kind: alone.instance(f"ib-{kind}") for kind in ("small", "medium", "large")}
    assert [sizes[k].read("max_qp") for k in sizes] == ["256", "4096", "65536"]
    assert [sizes[k].read("weight") for k in sizes] == ["100", "200", "400"]
    for inst in sizes.values():
        text = (inst.type / "description").read_text()
        assert f"{inst.read('max_qp')} QPs" in text
        assert f"weight {inst.read('weight')}" in text


def test_memory_budget(alone):
    """available_instances is true, and creation says which resource is used up."""
    param = pathlib.Path("/sys/module/mhca/parameters/memory_mb")
    taken = [alone.instance("ib-small") for _ in range(2)]
    promised = sum(int((p / "clamped/max_pinned_mb").read_text())
                   for p in pathlib.Path("/sys/bus/mdev/devices").iterdir())
    param.write_text(str(promised + 3 * 1024 + 500))
    try:
        assert Instance.available("ib-small") == 3
        assert Instance.available("ib-medium") == 0
        assert refused(taken[0], "max_pinned_mb", 1024 + 3 * 1024 + 501) == errno.ENOSPC
        taken += [alone.instance("ib-small") for _ in range(3)]
        assert Instance.available("ib-small") == 0
        alone.kmsg.new()
        with pytest.raises(OSError) as e:
            alone.instance("ib-small")
        assert e.value.errno == errno.ENOSPC
        assert "MiB of memory_mb are taken" in alone.kmsg.new()
        taken[0].write("max_pinned_mb", 1)
        assert Instance.available("ib-small") == 1
    finally:
        param.write_text("0")
    for inst in taken:
        inst.remove()
        alone.instances.remove(inst)


SMALL = {"pd": 64, "mkey": 4096, "cq": 256, "qp": 256, "srq": 64}


@pytest.mark.parametrize("kind,limits", [
    ("ib", {"pd": 9, "mkey": 30, "cq": 12, "qp": 17, "srq": 5}),
    ("roce-small", {"pd": 8, "mkey": 29, "cq": 11, "qp": 16, "srq": 6}),
    # What the type itself says.
    pytest.param("ib-small", SMALL, marks=pytest.mark.full),
])
def test_object_limits(alone, kind, limits):
    """A guest gets exactly what the limit says, then LIM_ERR; all of it comes back."""
    inst = alone.instance(kind, **({} if limits == SMALL else
                                   {f"max_{k}": v for k, v in limits.items()}))
    for line in run(alone, "limits", inst.uuid):
        row = json.loads(line)
        assert row["had"] + row["made"] == limits[row["kind"]], row
        assert (row["status"], row["syndrome"]) == (LIM_ERR, QUOTA), row
        assert row["left"] == row["had"] and row["again"] == 1, row
    assert_clean(inst)


def test_memory_limits(alone):
    """The same for the length of a region and for all of them together."""
    inst = alone.instance(max_pinned_mb=40, max_mr_mb=16)
    longest, rows = map(json.loads, run(alone, "limits", inst.uuid, 16))
    assert longest == {"too_long": 1, "status": LIM_ERR, "syndrome": MR_LIMIT}
    assert (rows["status"], rows["syndrome"]) == (LIM_ERR, PINNED_LIMIT)
    # To the last page, and nothing stays.
    assert rows["pinned"] == 40 * 256
    assert rows["left"] == rows["had"]
    assert_clean(inst)


def test_doorbell_trap(alone):
    """With doorbells that trap nothing is mapped, and traffic is correct."""
    pair = [alone.instance(doorbell="trap") for _ in range(2)]
    before = [i.counters() for i in pair]
    assert not Client(alone, "traffic", 2, *[i.uuid for i in pair]).result()["failed"]
    for inst, old in zip(pair, before):
        new = inst.counters()
        assert new["doorbell_faults"] == old["doorbell_faults"]
        assert new["traps"] - old["traps"] > 20


def test_command_rate(alone, record_property):
    """A guest over its rate of commands is slowed, none of its commands fails."""
    inst = alone.instance(cmd_rate=2000, max_pinned_mb=40)
    for line in itertools.islice(run(alone, "limits", inst.uuid, 16), 2):
        assert json.loads(line)
    waited = inst.counters()["command_wait_us"]
    record_property("command_wait_us", waited)
    assert waited > 0


def flow(alone, size, seconds, instances):
    """Bytes per second that each instance moves within itself while all are busy."""
    client = Client(alone, "flow", size, seconds, *[i.uuid for i in instances])
    status, out, err = client.finish(timeout=seconds + 120)
    assert status == 0, err
    rows = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return [r["bytes"] * 1e9 / r["ns"] for r in rows]


@pytest.mark.parametrize("mbps,seconds", [
    (100, 5),
    pytest.param(1000, 10, marks=pytest.mark.full),
])
def test_rate(alone, record_property, mbps, seconds):
    """An instance's rate is held within 5 %, burst aside; a change counts at once."""
    inst = alone.instance(rate_mbps=mbps, burst_kb=1024)
    rate, = flow(alone, 65536, seconds, [inst])
    record_property("bytes_per_second", round(rate))
    assert 0.95 * mbps * 125000 <= rate <= 1.05 * mbps * 125000
    assert inst.counters()["rate_wait_us"] > 0


@pytest.mark.full       # compares throughputs: nothing else may run meanwhile
def test_rate_neighbour(alone, record_property):
    """A neighbour without limit keeps its throughput beside a limited one."""
    limited, free = alone.instance(rate_mbps=100), alone.instance()
    before, = flow(alone, 65536, 10, [free])
    rates = flow(alone, 65536, 10, [limited, free])
    record_property("alone_and_beside", [round(before), *map(round, rates)])
    assert rates[1] >= 0.95 * (before - rates[0])


@pytest.mark.full       # the same
def test_weights(alone, record_property):
    """Weights 1:2:4 share a saturated lane within 10 %."""
    instances = [alone.instance(weight=100 * w) for w in (1, 2, 4)]
    rates = flow(alone, 65536, 10, instances)
    record_property("bytes_per_second", [round(r) for r in rates])
    for rate, weight in zip(rates, (1, 2, 4)):
        assert 0.9 * weight <= rate * 7 / sum(rates) <= 1.1 * weight
