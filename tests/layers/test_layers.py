# SPDX-License-Identifier: GPL-2.0-only
"""The test of the rooms finds what it is for."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import layers  # noqa: E402
import rooms  # noqa: E402


@pytest.fixture
def tree(tmp_path):
    """A driver of a few files: write(name, text)."""
    (tmp_path / "guest-provider").mkdir()
    (tmp_path / "host-tools").mkdir()
    (tmp_path / "tests").mkdir()

    def write(name, text):
        path = tmp_path / "mdev-driver" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return tmp_path
    write("soft/queue/queue.h", '#include "memory/memory.h"\n')
    write("soft/memory/memory.h", "#include <mhca/hca.h>\n")
    write("soft/memory/inner.h", "\n")
    return write


@pytest.mark.parametrize("caller,called,fault", [
    ("soft/queue/cq", "soft/memory/sgl", False),
    ("soft/memory/sgl", "soft/queue/cq", True),
    ("soft/lane/lane", "soft/schedule/share", False),
    ("soft/schedule/share", "soft/lane/lane", True),
    ("prm/eq", "soft/queue/cq", True),
    ("soft/queue/cq", "prm/eq", False),
    ("soft/transport/qp", "soft/hca", True),
    ("soft/ethernet/rq", "soft/transport/wire/icrc", True),
])
def test_calls(caller, called, fault):
    assert bool(list(layers.call_faults({caller: {called: ["f"]}}))) == fault


def test_circles():
    edges = {"soft/queue/a": {"soft/queue/b": []}, "soft/queue/b": {"soft/queue/c": []},
             "soft/queue/c": {"soft/queue/a": [], "soft/queue/d": []}}
    assert layers.circles(edges) == [{f"soft/queue/{x}" for x in "abc"}]
    assert any("soft/queue/a" in fault for fault in layers.circle_faults(edges))
    # None of the excused ones is there: each is named.
    assert sum("excused" in fault for fault in layers.circle_faults(edges)) == len(rooms.CIRCLES)


@pytest.mark.parametrize("name,text,fault", [
    ("soft/queue/cq.c", '#include "queue.h"\n#include <mhca/kernel.h>\n', False),
    ("soft/queue/cq.c", '#include "memory/memory.h"\n', False),
    ("soft/queue/cq.c", '#include "memory/inner.h"\n', True),
    ("soft/memory/sgl.c", '#include "inner.h"\n', False),
    ("soft/memory/sgl.c", '#include "queue/queue.h"\n', True),
    ("soft/memory/sgl.c", "#include <linux/slab.h>\n", True),
    ("soft/lane/lane_thread.c", "#include <linux/kthread.h>\n", False),
    ("prm/eq.c", "#include <linux/mlx5/device.h>\n", False),
])
def test_includes(tree, name, text, fault):
    assert bool(list(layers.include_faults(tree(name, text)))) == fault


@pytest.mark.parametrize("name,lines,fault", [
    ("soft/queue/queue.h", 300, False), ("soft/queue/queue.h", 301, True),
    ("soft/queue/cq.c", 700, False), ("soft/queue/cq.c", 701, True),
])
def test_lengths(tree, name, lines, fault):
    found = [f for f in layers.length_faults(tree(name, "\n" * lines)) if name in f]
    assert bool(found) == fault
