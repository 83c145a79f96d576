# SPDX-License-Identifier: GPL-2.0-only
"""One allocation or pin of the kernel modules fails, each in its turn (fail_nth)."""

import json
import pathlib

import pytest

from host import Instance
from lib_client import run
from lib_rdma import assert_clean

PARAMETER = pathlib.Path("/sys/module/mhca/parameters/fail_nth")
INJECTION = pathlib.Path("/sys/kernel/debug/mhca/fail")


@pytest.fixture(autouse=True)
def nothing_fails_after(host):
    """Whatever happens, nothing fails on purpose after the test."""
    yield host
    PARAMETER.write_text("0")
    if INJECTION.exists():
        (INJECTION / "probability").write_text("0")


def test_parameter():
    """Only root sees it, and only numbers are taken."""
    assert PARAMETER.stat().st_mode & 0o777 == 0o600
    assert PARAMETER.read_text() == "0\n"
    for bad in ("-1", "x", ""):
        with pytest.raises(OSError):
            PARAMETER.write_text(bad or "\n")


def test_life(host, record_property):
    """Open, register, create, connect, send, destroy: errors are reported, nothing leaks."""
    inst = host.instance()
    result = json.loads(run(host, "sweep", inst.uuid, timeout=600)[-1])
    record_property("sweep", result)
    assert result["failures"] > 100
    assert result["reported"] > result["failures"] // 2
    assert_clean(inst)


@pytest.mark.parametrize("kind", ["ib", "roce"])
def test_creation(host, kind):
    """An instance that cannot be made leaves nothing, and the next one can."""
    free = Instance.available(kind)
    for n in range(1, 200):
        PARAMETER.write_text(str(n))
        try:
            inst = host.instance(kind)
        except OSError as e:
            inst = None
            assert PARAMETER.read_text() == "0\n", e
        left = int(PARAMETER.read_text())
        PARAMETER.write_text("0")
        if inst:
            inst.remove()
            host.instances.remove(inst)
        assert Instance.available(kind) == free, n
        if left:
            break
        host.instance(kind).remove()
    assert inst and n > 3


def test_fault_injection(alone):
    """The kernel's own way to ask for a failure, where it is configured."""
    if not INJECTION.exists():
        pytest.skip("this kernel has no fault injection; the debug kernel has")
    for name, value in (("verbose", 0), ("times", 1), ("probability", 100)):
        (INJECTION / name).write_text(str(value))
    with pytest.raises(OSError):
        alone.instance()
    alone.instance()
