# SPDX-License-Identifier: GPL-2.0-only
"""make bench: two guests over mHCA, rxe and TCP, and plain memcpy, in one run.

Each figure is repeated (MHCA_BENCH_N, default 5) and stands in bench.jsonl of
the run's logs, which make bench copies to build/bench/.
"""

import json
import os
import pathlib
import re
import shutil

import pytest

from figures import REPEAT
from guest import wait_until
from lib_rdma import BIN, device, exchange, measured, perftest_rows
from lib_roce import bring_up

SIZES = (65536, 1048576)
OPS = ("write", "read", "send")
# What rxe moves in about a second under emulation, and what mHCA does.
RXE_ITERATIONS = {8: 500, 65536: 40, 1048576: 6}
ITERATIONS = {8: 20000, 65536: 2000, 1048576: 200}
ROUND_TRIPS = 300
COMMANDS = pathlib.Path("/sys/kernel/tracing/events/mhca/mhca_command")


def compare(figures, ours):
    """An adapter's figures beside those of rxe, TCP and memcpy."""
    print(f"\nComparison (more than 1: {ours} is ahead)")

    def ratio(what, who, theirs, better="higher"):
        figures.ratio(f"{ours} {what} / {who}", (ours, what), (who, theirs), better)

    for op in OPS:
        for size in SIZES:
            what = f"{op} {size} B bandwidth"
            for who, theirs in (("host kernel memcpy", f"{size} B"), ("guest memcpy", f"{size} B"),
                                ("rxe", what)):
                ratio(what, who, theirs)
        ratio(f"{op} 65536 B bandwidth", "tcp", "bandwidth")
        ratio(f"{op} 8 B rate", "rxe", f"{op} 8 B rate")
        for who, theirs in (("rxe", f"{op} 8 B latency"), ("tcp", "8 B latency")):
            ratio(f"{op} 8 B latency", who, theirs, "lower")


@pytest.fixture(scope="module", autouse=True)
def comparison(figures):
    """The comparison at the end."""
    yield
    compare(figures, "mhca")


def rxe_link(pair):
    """rxe over the virtio-net cards of both guests; it is set up when it is first needed."""
    for g in (pair.a, pair.b):
        g.check("[ -e /sys/class/infiniband/rxe0 ] || { modprobe rdma_rxe && "
                "rdma link add rxe0 type rxe netdev eth0; }", 120)


def rxe_options(pair):
    """perftest's device options."""
    rxe_link(pair)
    gids = pair.a.check("cat /sys/class/infiniband/rxe0/ports/1/gids/*").split()
    index = next(i for i, g in enumerate(gids) if g.startswith("0000:0000:0000:0000:0000:ffff"))
    return f"-d rxe0 -x {index}"


def perftest(pair, command):
    """The last result row of one run."""
    return measured(lambda: perftest_rows(exchange(pair.b, pair.a, command, 300)[0])[-1:])[0]


def measure_rdma(pair, figures, who, op, options):
    """Bandwidth at 64 KiB and 1 MiB, message rate and latency at 8 bytes."""
    print(f"\n{who} {op}")
    n = RXE_ITERATIONS if who == "rxe" else ITERATIONS
    for size in SIZES:
        command = f"ib_{op}_bw -F {options} -s {size} -n {n[size]}"
        rows = [perftest(pair, command) for _ in range(REPEAT)]
        figures.add(who, f"{op} {size} B bandwidth", "MiB/s", [r[3] for r in rows])
    rows = [perftest(pair, f"ib_{op}_bw -F {options} -s 8 -n {n[8]}") for _ in range(REPEAT)]
    figures.add(who, f"{op} 8 B rate", "msg/s", [r[4] * 1e6 for r in rows])
    rows = [perftest(pair, f"ib_{op}_lat -F {options} -s 8 -n {ROUND_TRIPS}")
            for _ in range(REPEAT)]
    figures.add(who, f"{op} 8 B latency", "us", [r[4] for r in rows])


@pytest.mark.parametrize("op", OPS)
def test_rdma(pair, figures, op):
    """Two instances on an InfiniBand port."""
    measure_rdma(pair, figures, "mhca", op, f"-d {device(pair.a)}")


@pytest.mark.parametrize("op", OPS)
def test_rxe(pair, figures, op):
    """rxe in the same guests."""
    measure_rdma(pair, figures, "rxe", op, rxe_options(pair))


def tcp_bandwidth(pair, address):
    """iperf3 from a to an address of b; MiB/s."""
    server = pair.b.start_bg("iperf3 -s -1 -p 18790")
    wait_until(lambda: pair.b.run("ss -Hltn | grep -q ':18790 '")[0] == 0, 30, "iperf3")
    out = json.loads(pair.a.check(f"iperf3 -J -t 3 -p 18790 -c {address}", 60))
    server.wait()
    return out["end"]["sum_received"]["bits_per_second"] / 8 / 1048576


def test_tcp(pair, figures):
    """iperf3 and ping-pong over the same virtio-net and bridge."""
    print("\ntcp over virtio-net with vhost")
    figures.add("tcp", "bandwidth", "MiB/s",
                [tcp_bandwidth(pair, pair.b.address) for _ in range(REPEAT)])
    figures.add("tcp", "8 B latency", "us",
                [exchange(pair.b, pair.a, f"{BIN}/mhca-tcp -n {ROUND_TRIPS}")[0] for _ in range(REPEAT)])


def test_memcpy(pair, host, figures, tmp_path):
    """One thread's memcpy: host kernel (a module), host and guest programs."""
    print("\nmemcpy, single thread")
    src = pathlib.Path(__file__).parent / "memcpy_mod"
    for f in src.iterdir():
        shutil.copy(f, tmp_path)
    host.check(f"make -C /lib/modules/{os.uname().release}/build M={tmp_path} modules", 600)
    for size in SIZES:
        rates = []
        for _ in range(REPEAT):
            host.check(f"insmod {tmp_path}/mhca_memcpy.ko size={size} mib=512")
            rates.append(pathlib.Path("/sys/module/mhca_memcpy/parameters/result").read_text())
            host.check("rmmod mhca_memcpy")
        figures.add("host kernel memcpy", f"{size} B", "MiB/s", rates)
        figures.add("host memcpy", f"{size} B", "MiB/s",
                    [host.check(f"{host.program('mhca-memcpy')} {size} 512")
                     for _ in range(REPEAT)])
        figures.add("guest memcpy", f"{size} B", "MiB/s",
                    [pair.a.check(f"{BIN}/mhca-memcpy {size} 512") for _ in range(REPEAT)])


class DriverTime:
    """Nanoseconds that our driver spent in commands, by opcode."""

    TRIGGER = "hist:keys=opcode:vals=ns:size=512"

    def __enter__(self):
        (COMMANDS / "trigger").write_text(self.TRIGGER)
        self.ns = {}
        return self

    def __exit__(self, *exc):
        text = (COMMANDS / "hist").read_text()
        (COMMANDS / "trigger").write_text("!" + self.TRIGGER)
        for op, ns in re.findall(r"\{ opcode:\s*(\d+) \} hitcount:\s*\d+\s+ns:\s*(\d+)", text):
            self.ns[int(op)] = int(ns)

    def of(self, first, last):
        """Sum of a range of opcodes."""
        return sum(ns for op, ns in self.ns.items() if first <= op <= last)


# Program's arguments, opcodes whose time is ours, figure.
VERBS = [
    ("open 20", (0, 0xffff), "ibv_open_device"),
    ("qp 50", (0x500, 0x50f), "QP create+connect+destroy"),
    (f"reg {REPEAT} 256", (0x200, 0x200), "ibv_reg_mr, 4 KiB pages"),
    (f"reghuge {REPEAT} 256", (0x200, 0x200), "ibv_reg_mr, 2 MiB pages"),
]


@pytest.mark.parametrize("kind,who", [("ib", "mhca"), ("roce", "mhca roce")], ids=["ib", "roce"])
@pytest.mark.parametrize("arguments,opcodes,what", VERBS)
def test_control_verbs(host, make_guest, figures, arguments, opcodes, what, kind, who):
    """Time as the application sees it, and the share of it that is ours."""
    print(f"\n{who}: {what}")
    guest = make_guest([host.instance(kind)], mem=2048)
    if kind == "roce":
        bring_up(guest, 1)
    if "huge" in arguments:
        guest.check("echo 160 > /proc/sys/vm/nr_hugepages")
    guest.check(f"{BIN}/mhca-setup {arguments}", 300)     # modules, caches, UMR QP
    with DriverTime() as driver:
        out = guest.check(f"{BIN}/mhca-setup {arguments}", 300)
    rows = [json.loads(line) for line in out.splitlines()]
    per_gib = 1024 / rows[0]["mib"] if rows[0]["mib"] else 1
    unit = "ms/GiB" if rows[0]["mib"] else "ms"
    figures.add(who, what, unit, [r["ns"] / 1e6 * per_gib for r in rows])
    ours = driver.of(*opcodes) / sum(r["ns"] for r in rows)
    figures.add(who, f"{what}: driver's share", "%", [100 * ours])
