# SPDX-License-Identifier: GPL-2.0-only
"""perftest between two guests: every program, service, size and mode."""

import pytest

from guest import wait_until
from lib_rdma import device, exchange, perftest_rows

# Bandwidths of an emulated machine that does something else as well may be 0.00.
pytestmark = pytest.mark.full

SERVICES = {
    "write": ["RC", "UC"],
    "read": ["RC"],
    "send": ["RC", "UC", "UD"],
    "atomic": ["RC"],
}
PROGRAMS = [(f"ib_{op}_{kind}", service) for op, services in SERVICES.items()
            for kind in ("bw", "lat") for service in services]
BANDWIDTH = [p for p in PROGRAMS if p[0].endswith("_bw")]
ITERATIONS = 40     # of each size; 8 MiB takes its time in an emulated machine


def base(guest, program, service):
    """The common part of a perftest command line."""
    return f"{program} -F -d {device(guest)} -c {service}"


def sizes(program, service):
    """How many sizes `-a` walks through: powers of two from 2 bytes on."""
    if "atomic" in program:
        return 1
    return 12 if service == "UD" else 23


def run(pair, program, service, options, timeout=300):
    """One run; the client's rows."""
    out, _ = exchange(pair.b, pair.a, f"{base(pair.a, program, service)} {options}", timeout)
    rows = perftest_rows(out)
    assert rows, out
    return rows


@pytest.mark.parametrize("program,service", PROGRAMS)
def test_all_sizes(pair, program, service, record_property):
    """2 bytes to 8 MiB (datagrams: to the MTU)."""
    every = "" if "atomic" in program else "-a"
    rows = run(pair, program, service, f"{every} -n {ITERATIONS}")
    assert len(rows) == sizes(program, service)
    column = 3 if program.endswith("_bw") else 4
    unit = "MiB_s" if program.endswith("_bw") else "us_typical"
    for row in (rows[0], rows[len(rows) // 2], rows[-1]):
        record_property(f"{row[0]}_bytes_{unit}", row[column])
    assert all(row[1] >= ITERATIONS for row in rows)


@pytest.mark.parametrize("options", [
    pytest.param("-q 8 -b", id="8_qps_both_ways"),
    pytest.param("-q 8", id="8_qps"),
    pytest.param("-b", id="both_ways")])
@pytest.mark.parametrize("program,service", BANDWIDTH)
def test_many_and_both(pair, program, service, options, record_property):
    """Eight QPs, bidirectional, and both."""
    size = "" if "atomic" in program else "-s 2048"
    rows = run(pair, program, service, f"{size} -n 400 {options}")
    record_property("MiB_s", rows[0][3])
    assert rows[0][1] >= 400


@pytest.mark.parametrize("program,service",
                         [p for p in BANDWIDTH if p[1] == "RC"])
def test_run_infinitely(pair, program, service, record_property):
    """Ten seconds without an end: a row every two, then both are stopped."""
    size = "" if "atomic" in program else "-s 65536"
    port = 18699
    command = (f"stdbuf -oL {base(pair.a, program, service)} {size} --run_infinitely -D 2 "
               f"-p {port}")
    server = pair.b.start_bg(command)
    wait_until(lambda: pair.b.run(f"ss -Hltn | grep -q ':{port} '")[0] == 0, 30, "server")
    client = pair.a.start_bg(f"{command} {pair.b.address}")
    rows = wait_until(lambda: len(r := perftest_rows(client.output())) >= 5 and r, 60,
                      "five rows of results", 1)
    assert client.running() and server.running()
    client.kill()
    server.kill()
    client.wait()
    server.wait()
    record_property("MiB_s", [row[3] for row in rows])
    assert all(row[1] > 0 for row in rows)
