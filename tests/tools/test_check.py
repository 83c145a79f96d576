# SPDX-License-Identifier: GPL-2.0-only
"""check: each question answered well, badly, and with a way to mend it."""

import pytest

from conftest import golden
from fakehost import TYPES

CONFIG = """CONFIG_MODULES=y
CONFIG_EVENTFD=y
CONFIG_VFIO=m
CONFIG_VFIO_MDEV=m
CONFIG_MLX5_CORE=m
"""


@pytest.fixture
def ready(host):
    """A host on which everything is as it should be."""
    host.write("boot/config-6.1.0-30-amd64", CONFIG)
    host.write("sys/module/module/parameters/sig_enforce", "N")
    host.write("sys/kernel/security/lockdown", "[none] integrity confidentiality")
    for node in ("kvm", "vfio/vfio"):
        host.write(f"dev/{node}", "", 0o666)
    host.write("proc/self/limits",
               "Limit                     Soft Limit           Hard Limit           Units\n"
               "Max locked memory         4294967296           4294967296           bytes")
    host.write("proc/self/status", "Name:\tx\nCapEff:\t0000000000000000")
    host.write("usr/lib/udev/rules.d/70-mhca.rules", "")
    host.write("usr/sbin/mdevctl", "")
    host.write("usr/lib/mdevctl/scripts.d/callouts/mhca.sh", "")
    host.write("sys/kernel/tracing/events/mhca/enable", "0")
    return host


def answer(tool, question, code=0):
    checks = tool.json("check", code=code)["checks"]
    return next(c for c in checks if c["id"] == question)


def test_ready(ready, tool):
    golden("check.txt", tool("check"))
    document = tool.json("check")
    assert document["ready"] is True
    assert all(c["status"] == "ok" and c["mend"] is None for c in document["checks"])


def test_bare_host(bare, tool):
    """Nothing is there: everything that is missing says how to get it."""
    golden("check-bare.txt", tool("check", code=9))
    document = tool.json("check", code=9)
    assert document["ready"] is False
    assert all(c["mend"] for c in document["checks"] if c["status"] != "ok")


def test_old_kernel(ready, tool):
    ready.write("proc/sys/kernel/osrelease", "5.10.0-20-amd64")
    assert answer(tool, "kernel", 9)["status"] == "fail"
    ready.write("proc/sys/kernel/osrelease", "7.0.1")
    assert answer(tool, "kernel", 0)["status"] == "ok"


@pytest.mark.parametrize("line", ["# CONFIG_VFIO_MDEV is not set", "CONFIG_VFIO_MDEV=n", ""])
def test_option_missing(ready, tool, line):
    ready.write("boot/config-6.1.0-30-amd64",
                CONFIG.replace("CONFIG_VFIO_MDEV=m", line))
    found = answer(tool, "config", 9)
    assert found["detail"] == "not set: CONFIG_VFIO_MDEV"
    assert "kernel with these options" in found["mend"]


def test_no_backend(ready, tool):
    ready.path("sys/module/mhca_soft").rmdir()
    assert "no backend" in answer(tool, "modules", 9)["detail"]


def test_full(ready, tool):
    for type_ in TYPES:
        ready.write("sys/class/mdev_bus/mhca0/mdev_supported_types/" + type_ +
                    "/available_instances", 0)
    found = answer(tool, "hca")
    assert (found["status"], found["detail"]) == ("warn", "1 HCA, full")


def test_iommufd_is_enough(ready, tool):
    ready.path("sys/module/vfio_iommu_type1").rmdir()
    assert answer(tool, "vfio", 9)["status"] == "fail"
    ready.path("sys/module/iommufd").mkdir()
    assert answer(tool, "vfio")["status"] == "ok"


def test_iommu_is_not_needed(ready, tool):
    assert "none is needed" in answer(tool, "iommu")["detail"]
    ready.path("sys/class/iommu/dmar0").mkdir(parents=True)
    assert "does not need it" in answer(tool, "iommu")["detail"]


def test_memlock(ready, tool):
    limits = "Max locked memory         8388608              8388608              bytes"
    ready.write("proc/self/limits", limits)
    found = answer(tool, "memlock")
    assert found["status"] == "warn" and "8.0 MiB" in found["detail"]
    assert "LimitMEMLOCK" in found["mend"]
    ready.write("proc/self/status", "CapEff:\t0000000000004000")
    assert answer(tool, "memlock")["status"] == "ok"
    ready.write("proc/self/limits", limits.replace("8388608", "unlimited"))
    assert answer(tool, "memlock")["detail"] == "locked memory is not limited"


def test_signed_modules_only(ready, tool):
    ready.write("sys/kernel/security/lockdown", "none [integrity] confidentiality")
    assert answer(tool, "signature")["status"] == "ok"
    ready.path("sys/module/mhca").rmdir()
    found = answer(tool, "signature", 9)
    assert found["status"] == "warn" and "mok.pub" in found["mend"]


def test_mdevctl_without_callout(ready, tool):
    ready.path("usr/lib/mdevctl/scripts.d/callouts/mhca.sh").unlink()
    assert "without mHCA's call-out" in answer(tool, "mdevctl")["detail"]


def test_warnings_do_not_fail(ready, tool):
    ready.path("usr/lib/udev/rules.d/70-mhca.rules").unlink()
    assert answer(tool, "udev")["status"] == "warn"
    assert tool("check").endswith("This host is ready.\n")


def test_usage(ready, tool):
    assert "too many" in tool.fails(2, "check", "x")
