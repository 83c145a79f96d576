# SPDX-License-Identifier: GPL-2.0-only
"""rdma-core's own examples: between two guests and inside one."""

import re

import pytest

from lib_rdma import device, exchange

TOOLS = {
    "rc": "ibv_rc_pingpong -c -n 100 -s 4096",
    "uc": "ibv_uc_pingpong -c -n 100 -s 4096",
    "ud": "ibv_ud_pingpong -c -n 100 -s 2048",
    "srq": "ibv_srq_pingpong -c -n 10 -s 4096",
    "xsrq": "ibv_xsrq_pingpong -s 4096",
}


@pytest.mark.parametrize("place", ["two_guests", "one_guest"])
@pytest.mark.parametrize("wait", ["poll", "events"])
@pytest.mark.parametrize("tool", TOOLS)
def test_pingpong(pair, tool, wait, place, record_property):
    """It ends with success, having checked what it received."""
    server = pair.b
    client = pair.a if place == "two_guests" else server
    command = TOOLS[tool] + f" -d {device(server)}" + (" -e" if wait == "events" else "")
    out, _ = exchange(server, client, command)
    rate = re.search(r"= ([\d.]+) usec/iter", out)
    if rate:
        record_property("us_per_iteration", float(rate[1]))
