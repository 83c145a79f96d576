# SPDX-License-Identifier: GPL-2.0-only
"""rdma-core's own Python tests, unmodified, in a guest: each passes, or is skipped for a known reason.

Left out: those for other vendors' devices, and those of mlx5 that begin with DEVX, which
the instances do not have (devx, dr, flow and what needs a DC transport).
"""

import re

import pytest

import kmsg
from lib_rdma import device
from lib_roce import bring_up, gid_index

CORE = ["mr", "qp", "cq", "cq_events", "srq", "pd", "addr", "atomic"]
MORE = ["qpex", "cqex", "device", "rdmacm", "rss_traffic", "odp", "parent_domain", "shared_pd",
        "relaxed_ordering", "fork", "tag_matching", "flow", "mlx5_mkey", "mlx5_raw_wqe",
        "mlx5_uar", "mlx5_huge_page", "mlx5_timestamp", "mlx5_udp_sport", "mlx5_query_port",
        "mlx5_pp"]

# Why a test may be skipped: the capability is absent, or the machine lacks something.
SKIPPED = re.compile("|".join([
    "Device memory is not supported", "SRQ resize is not supported", "ODP is not supported",
    "Tag matching is not supported", "Create Mkey is not supported",
    "Create Mlx5DV QP is not supported", "Opening mlx5 DevX context is not supported",
    r"UAR allocation \(with flag=\d\) is not supported",
    "Modifying a QP UDP sport is not supported", "Extended QP is not supported",
    r"Create (UD|Raw Packet) QP with(out)? extended attrs is not supported",
    r"Create custom mr with additional access flags (64|258) is not supported",
    r"Device caps doesn't support Support CQE 128B", r"Device /dev/dri/\w+ is not present",
    "There are no huge pages"]))

# Some tests ask for what is refused, or have Python free things in any order (a UAR before
# its QP), and the guest's driver says so.
REFUSED = re.compile(r"mlx5_cmd_out_err.*(failed, status bad|DEALLOC_UAR.*failed, status resource busy)")

# Raw frames from and to addresses that are not the adapter's: anti-spoofing drops them,
# and where they could go the two ends of these tests are one port.
FORGED = re.compile(r"_spec_flow_traffic$|^test_rss_traffic$|_raw_traffic$")

# A test's name, its first line of text, and what Python says of objects that it collects.
RESULT = re.compile(r"^(\w+) \(tests\.[\w.]+\)(?:(?!^\w+ \(tests\.).)*?(?:\.\.\. |^)"
                    r"(ok|FAIL|ERROR|skipped ([^\n]*))$", re.M | re.S)


def results(text):
    """{test: (ok, FAIL, ERROR or skipped, reason)}; every test that ran is among them."""
    found = {m[1] + f" #{i}": (m[2].split()[0], m[3] or "")
             for i, m in enumerate(RESULT.finditer(text))}
    ran = re.search(r"^Ran (\d+) tests? in", text, re.M)
    assert ran and int(ran[1]) == len(found), f"{len(found)} results\n{text}"
    return found


def unexpected(name, result, reason):
    """Is this neither a pass nor what is known?"""
    if FORGED.search(name.split()[0]):
        return result != "ERROR"
    return result != "ok" and not (result == "skipped" and SKIPPED.search(reason))


@pytest.mark.slow
@pytest.mark.limit(1500)
@pytest.mark.parametrize("modules", [CORE, MORE], ids=["core", "more"])
def test_suite(host, make_guest, modules, record_property):
    """On a RoCE instance of its own."""
    guest = make_guest([host.instance("roce")])
    if guest.run("[ -d /mhca/out/pyverbs ]")[0]:
        pytest.skip("the sources of rdma-core could not be had")
    bring_up(guest, 1)
    # The emulated console loses characters of what is allowed: the log is read instead.
    guest.check("dmesg -n 1")
    _, text = guest.run(
        "cd /mhca/out/pyverbs && PYTHONPYCACHEPREFIX=/run/pycache python3 run_tests.py "
        f"--dev {device(guest)} --gid {gid_index(guest)} -v "
        + " ".join(f"tests.test_{m}" for m in modules) + " 2>&1", 1400)
    found = results(text)
    record_property("passed", sum(r == "ok" for r, _ in found.values()))
    record_property("skipped", sum(r == "skipped" for r, _ in found.values()))
    bad = {name: why for name, why in found.items() if unexpected(name, *why)}
    assert not bad, f"{bad}\n{text}"
    said = [line for line in kmsg.bad_lines(guest.check("dmesg")) if not REFUSED.search(line)]
    assert not said, said
