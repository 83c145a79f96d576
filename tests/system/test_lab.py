# SPDX-License-Identifier: GPL-2.0-only
"""The lab itself: guests boot, answer, reboot and end."""

import pytest

from guest import ExitCauses
from move import Move, MoveError, move


def test_guest(make_guest):
    """A guest without an instance: commands, background, QMP, exit counters, reboot, kill."""
    g = make_guest(mem=512)
    assert "Linux" in g.check("uname -a")
    assert g.run("exit 3")[0] == 3
    assert g.run("printf 'a\\nb'") == (0, "a\nb")
    assert g.run("sleep 10", timeout=1)[0] == 124
    g.check("[ -d /mhca/out/bin ]")
    assert g.dmesg()
    job = g.start_bg("echo started; read x < /run/never-there || exit 7")
    assert job.wait() == (7, job.output())
    job = g.start_bg("sleep 100")
    assert job.running()
    job.kill()
    assert g.qmp("query-status")["status"] == "running"
    before = g.kvm_counters()
    with ExitCauses() as causes:
        g.check("true")
    assert g.kvm_counters()["exits"] > before["exits"]
    assert sum(causes.result.values()) > 0
    g.check("touch /tmp/mark")
    g.reboot()
    assert g.run("[ -e /tmp/mark ]")[0] != 0
    g.kill()
    assert g.dead()


def test_guest_moves(make_guest):
    """A guest without an instance, twice; between that a move that is cancelled, fails, is refused."""
    g = make_guest(mem=512, movable=True)
    g.check("[ -x /mhca/out/bin/mhca-verify ]; echo kept > /tmp/mark")
    job = g.start_bg("n=0; while sleep 0.2; do n=$((n + 1)); echo $n; done")
    first = g.pid
    result = move(g)
    assert result["ram"]["transferred"] > 0 and g.pid != first
    assert g.check("cat /tmp/mark").strip() == "kept"
    assert job.running() and g.check("cat /sys/block/vdb/serial").strip() == "programs"

    second = g.pid
    slow = Move(g, limit=1 << 20).begin()
    slow.cancel()
    with pytest.raises(MoveError, match="cancel"):
        slow.wait()
    slow = Move(g, limit=1 << 20).begin()
    slow.drop()
    with pytest.raises(MoveError, match="failed"):
        slow.wait()
    with pytest.raises(MoveError, match="failed"):
        move(g, mem=640)
    assert g.pid == second and g.qmp("query-status")["status"] == "running"
    assert job.running() and g.check("cat /tmp/mark").strip() == "kept"

    move(g)
    counted = [int(n) for n in job.output().split()]
    assert counted == list(range(1, len(counted) + 1))
    job.kill()


def test_modules_load_and_unload(host):
    """This kernel takes our modules, makes an instance, and lets go of all."""
    inst = host.instance()
    assert inst.exists() and inst.state
    inst.remove()
    host.unload()
    assert not host.loaded("mhca") and not host.loaded("mhca_soft")
    host.load()
