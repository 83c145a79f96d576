# SPDX-License-Identifier: GPL-2.0-only
"""A guest moves to another QEMU and another instance; its connections stay."""

import json
import time

import pytest

from guest import wait_until
from lib_client import run
from lib_move import JOURNEYS, moves_while
from lib_rdma import BIN, assert_clean, devinfo, exchange, verified
from move import MoveError


def lid(instance):
    """Its LID."""
    return int(instance.read("lid"))


@pytest.fixture
def travel(lab, host):
    """Travellers on InfiniBand ports."""
    return JOURNEYS["ib"].get(lab, host)


def test_idle(travel):
    """A guest that does nothing; it is the same to its peer, and works at its new place."""
    before = devinfo(travel.a)
    lids = lid(travel.here), lid(travel.other)
    travel.move()
    after = devinfo(travel.a)
    assert before["text"] == after["text"]
    assert (lid(travel.here), lid(travel.other)) == lids
    exchange(travel.b, travel.a, "ibv_rc_pingpong -n 200 -c")
    assert_clean(travel.other)


@pytest.mark.limit(1500)
def test_traffic(travel, record_property):
    """RC traffic, every byte checked, while the guest moves back and forth."""
    command = f"{BIN}/mhca-verify -S 25 -T 120 -t soak -p 18990"
    server = travel.b.start_bg(command)
    client = travel.a.start_bg(f"sleep 1; {command} {travel.b.address}")
    for n in range(50):
        if n >= 5 or not client.running():
            break
        record_property("downtime_ms", travel.move()["downtime"])
    assert n
    rc, out = client.wait(300)
    server_rc, server_out = server.wait(60)
    assert (rc, server_rc) == (0, 0), f"{out}\n--- server\n{server_out}"
    passed, messages, size = verified(out)
    assert passed == 1 and messages > 100
    record_property("messages", messages)


# Datagrams to a guest that is on its way are lost, as the standard allows: no ud_*.
GROUPS = ["rc_*", "uc_*", "xrc_*", "srq_*", "rnr_*", "mw_*", "access_*", "solicited_*", "cq_*"]


# The overrun of a CQ is meant; its owner's driver says that it has seen it.
@pytest.mark.kmsg_ok(r"cq_err_event_notifier.*CQ error")
@pytest.mark.limit(1500)
@pytest.mark.parametrize("mover", ["a", pytest.param("b", marks=pytest.mark.full)])
def test_groups(travel, mover, record_property):
    """Everything that connections can do, begun and ended while one end or the other moves."""
    server, client = (travel.b, travel.a) if mover == "a" else (travel.a, travel.b)
    for number, group in enumerate(GROUPS):
        command = f"{BIN}/mhca-verify -T 120 -t '{group}' -p {18900 + number}"
        there = server.start_bg(command)
        here = client.start_bg(f"sleep 1; {command} {server.address}")
        moves = moves_while(travel, here)
        rc, out = here.wait(10)
        there_rc, there_out = there.wait(60)
        assert (rc, there_rc) == (0, 0), f"{group}: {out}\n--- server\n{there_out}"
        passed, messages, _ = verified(out)
        assert passed
        record_property(group, f"{moves} moves, {passed} tests, {messages} messages")


def running(travel):
    """The guest runs where it was, and its instance too."""
    assert travel.a.qmp("query-status")["status"] == "running"
    assert travel.here.state == "initialised"


@pytest.mark.kmsg_ok("MEMLOCK")
@pytest.mark.limit(1500)
def test_failures(travel):
    """Cancelled on its way, target dead, target of another kind: the guest stays, traffic goes on."""
    command = f"{BIN}/mhca-verify -S 30 -T 120 -t soak -p 18980"
    server = travel.b.start_bg(command)
    client = travel.a.start_bg(f"sleep 1; {command} {travel.b.address}")
    for n in range(4):
        slow = travel.begin(limit=8 << 20)
        wait_until(lambda: slow.progress().get("status") == "active", 20, "the move to begin")
        time.sleep(0.3 * n)
        assert travel.here.state == "pre-copy"
        assert travel.other.state == "resuming"
        if n % 2:
            slow.drop()
        else:
            slow.cancel()
        with pytest.raises(MoveError):
            slow.wait()
        running(travel)
        assert travel.other.state == "closed"
        assert_clean(travel.other)
    # Its limits are smaller, or it is elsewhere: refused while the guest runs.
    for name, value in (("max_qp", 64), ("segment", 7)):
        before = travel.other.read(name)
        travel.other.write(name, value)
        try:
            with pytest.raises(MoveError, match="failed"):
                travel.move()
        finally:
            travel.other.write(name, before)
        running(travel)
    # Pages that the target may not lock: those of its driver are more.
    with pytest.raises(MoveError, match="failed"):
        travel.move(wrap=["prlimit", f"--memlock={1 << 16}", "setpriv", "--bounding-set=-ipc_lock"])
    running(travel)
    travel.move()
    rc, out = client.wait(300)
    server_rc, server_out = server.wait(60)
    assert (rc, server_rc) == (0, 0), f"{out}\n--- server\n{server_out}"


def test_stop_and_continue(travel):
    """`stop` and `cont` without a move: the instance stands still and goes on."""
    command = f"{BIN}/mhca-verify -S 8 -T 120 -t soak -p 18981"
    server = travel.b.start_bg(command)
    client = travel.a.start_bg(f"sleep 1; {command} {travel.b.address}")
    time.sleep(2)
    for _ in range(5):
        travel.a.qmp("stop")
        assert travel.here.state == "stop"
        time.sleep(0.5)
        travel.a.qmp("cont")
        assert travel.here.state == "initialised"
        time.sleep(0.3)
    rc, out = client.wait(300)
    assert (rc, server.wait(60)[0]) == (0, 0), out


def test_reboot_on_the_way(travel):
    """The guest reboots in PRE_COPY; the move is over in some way, and the guest works."""
    slow = travel.begin(limit=8 << 20)
    wait_until(lambda: travel.here.state == "pre-copy", 20, "the move to begin")
    travel.a.qmp("system_reset")
    time.sleep(0.5)
    slow.cancel()
    with pytest.raises(MoveError):
        slow.wait()
    travel.a.wait_boot()
    travel.net.up(travel.a, 1)
    exchange(travel.b, travel.a, "ibv_rc_pingpong -n 200 -c")
    travel.move()
    exchange(travel.b, travel.a, "ibv_rc_pingpong -n 200 -c")


def test_loading(travel):
    """The driver is being loaded and unloaded while its guest moves."""
    again = travel.a.start_bg(
        "for n in $(seq 4); do modprobe -r mlx5_ib mlx5_core; modprobe mlx5_ib || exit; done; "
        "ibv_devinfo")
    moves = moves_while(travel, again)
    rc, out = again.wait(10)
    assert rc == 0 and moves, out
    exchange(travel.b, travel.a, "ibv_rc_pingpong -n 200 -c")
    assert not [ln for ln in travel.a.dmesg().splitlines() if "mlx5" in ln and "fail" in ln]


# ---- Without guests: a monitor's calls, as fast as they go (mhca-host) -----------------

def test_fast(alone, record_property):
    """Fifty moves with a message of each kind under way; every byte and completion checked."""
    instances = [alone.instance().uuid for _ in range(3)]
    record_property("moves", json.loads(run(alone, "move", 50, *instances, timeout=300)[-1]))


@pytest.mark.full
def test_fast_thousand(alone, record_property):
    """A thousand of them."""
    instances = [alone.instance().uuid for _ in range(3)]
    record_property("moves", json.loads(run(alone, "move", 1000, *instances, timeout=3000)[-1]))


def test_arcs(alone):
    """Every state asked for in every other, files that outlive their stream and device."""
    assert json.loads(run(alone, "arcs", *[alone.instance().uuid for _ in range(2)],
                          timeout=300)[-1])["ok"]


def test_images(alone, record_property):
    """Images that are cut, spoiled, or for which there is no memory; nothing is left of them."""
    source, target = alone.instance(), alone.instance()
    result = json.loads(run(alone, "images", 1, 100, source.uuid, target.uuid, timeout=900)[-1])
    record_property("images", result)
    assert result["refused"] > 120 and result["failures"] > 20
    assert_clean(source)
    assert_clean(target)
