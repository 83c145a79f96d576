# SPDX-License-Identifier: GPL-2.0-only
"""Instances driven from the host through VFIO, without guests."""

import json
import pathlib
import statistics
import subprocess

import pytest

from guest import wait_until
from lib_client import Client, run
from lib_rdma import assert_clean


@pytest.mark.parametrize("number", [2, 16])
def test_instances_at_once(alone, number, record_property):
    """Each one writes to, reads from and adds to the next one's memory."""
    instances = [alone.instance() for _ in range(number)]
    client = Client(alone, "traffic", 600, *[i.uuid for i in instances])
    wait_until(lambda: all(i.counters()["messages"] > 50 for i in instances), 60, "traffic")
    result = client.result()
    record_property("result", result)
    assert result["instances"] == number and not result["failed"]
    assert result["least_messages"] > 0
    for inst in instances:
        assert_clean(inst)
        assert inst.state == "closed"


@pytest.mark.parametrize("number,class_", [(1, "normal"), (2, "normal"), (2, "idle")])
def test_unmap_under_traffic(alone, number, class_, record_property):
    """Memory comes and goes while one or two instances of its container use it, whether
    the thread that takes it gets to run or not."""
    instances = [alone.instance() for _ in range(number)]
    result = Client(alone, "unmap", 5, class_, *[i.uuid for i in instances]).result()
    record_property("result", result)
    least = 10 if class_ == "normal" else 0
    assert not result["failed"] and result["unmaps"] > least and result["messages"] > 100
    for inst in instances:
        assert_clean(inst)


def test_one_instance_to_itself(alone):
    """The same, within one instance."""
    inst = alone.instance()
    assert not Client(alone, "traffic", 3, inst.uuid).result()["failed"]


@pytest.mark.full       # compares throughputs: nothing else may run meanwhile
def test_thousand_qps(alone, record_property):
    """A busy QP keeps its throughput (less than 10 % lost) beside 999 others."""
    uuids = [alone.instance().uuid for _ in range(2)]
    rows = [json.loads(line) for line in run(alone, "busy", 999, 5, 1000, *uuids)]
    one = statistics.median(r["alone"] for r in rows)
    many = statistics.median(r["among"] for r in rows)
    record_property("messages_per_second_alone", [r["alone"] for r in rows])
    record_property("messages_per_second_among_999", [r["among"] for r in rows])
    record_property("ratio", round(many / one, 3))
    assert many >= 0.9 * one


def test_kill_client(alone):
    """kill -9 in the middle of traffic: nothing stays, all are usable again."""
    instances = [alone.instance() for _ in range(3)]
    uuids = [i.uuid for i in instances]
    client = Client(alone, "traffic", 600, *uuids)
    wait_until(lambda: all(i.counters()["messages"] > 50 for i in instances), 60, "traffic")
    client.kill()
    for inst in instances:
        assert_clean(inst)
        assert inst.state == "closed"
    assert not Client(alone, "traffic", 2, *uuids).result()["failed"]


def test_one_dies_others_go_on(alone):
    """A client that is killed does not disturb the traffic of others."""
    others = Client(alone, "traffic", 600, *[alone.instance().uuid for _ in range(2)])
    for _ in range(3):
        victim = alone.instance()
        client = Client(alone, "traffic", 600, victim.uuid)
        wait_until(lambda i=victim: i.counters()["messages"] > 50, 60, "traffic")
        client.kill()
        victim.remove()
    assert not others.result()["failed"]


def test_remove_while_open(alone):
    """Removing an instance waits for its user, and then happens."""
    inst = alone.instance()
    client = Client(alone, "idle", inst.uuid)
    with subprocess.Popen(["sh", "-c", f"echo 1 > {inst.path}/remove"]) as remover:
        wait_until(lambda: "remove" in pathlib.Path(f"/proc/{remover.pid}/stack").read_text()
                   or remover.poll() is not None, 10, "the removal to begin")
        assert remover.poll() is None, "removed under an open device"
        assert client.finish()[0] == 0
        assert remover.wait(60) == 0
    assert not inst.exists()
