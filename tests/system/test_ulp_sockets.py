# SPDX-License-Identifier: GPL-2.0-only
"""Kernel sockets over RDMA between two stock guests, every byte compared: RDS and SMC.

Not on every kernel: Debian's 7.2 has no SMC, and its RDS warns of objects that it left
when it is unloaded, over rxe as well.
"""

import itertools
import pathlib

import pytest

from guest import wait_until

_ports = itertools.count(23000)
ECHO = pathlib.Path(__file__).with_name("guest_echo.py").read_text(encoding="utf-8")
MODULES = {"smc": "smc smc_diag", "rds": "rds rds_rdma"}


@pytest.fixture
def echo(net):
    """The program of both ends, in both guests."""
    for guest in (net.a, net.b):
        guest.check(f"cat > /run/echo.py <<'MHCA-EOF'\n{ECHO}\nMHCA-EOF")
    yield "python3 /run/echo.py"


@pytest.mark.parametrize("kind", MODULES)
def test_echo(net, echo, kind):
    """Blocks of 1 byte to 256 KiB come back as they went, by RDMA and not by the netdev."""
    def count(name):
        return sum(inst.counters()[name] for inst in net.instances)

    for guest in (net.a, net.b):
        guest.check(f"modprobe -a {MODULES[kind]}", 60)
    port = next(_ports)
    frames, moved = count("eth_tx_ucast_bytes"), count("bytes")
    job = net.b.start_bg(f"{echo} {kind} server {net.b.roce_address} {port}")
    wait_until(lambda: "ready" in job.output() or not job.running(), 120, "the server")
    assert job.running(), job.output()
    rc, out = net.a.run(f"{echo} {kind} client {net.a.roce_address} {port} "
                        f"{net.b.roce_address}", 120)
    if rc:
        job.kill()
    server_rc, server_out = job.wait(60)
    for guest in (net.b, net.a):
        # smc warns of each device that it meets.
        guest.run(f"modprobe -r -a {MODULES[kind]}; dmesg -C", 60)
    assert (rc, server_rc) == (0, 0), f"{out}\n--- server\n{server_out}"
    size = int(out.split()[-1])
    assert size > 1 << 20
    assert count("bytes") - moved >= 2 * size
    assert count("eth_tx_ucast_bytes") - frames < size // 4
