# SPDX-License-Identifier: GPL-2.0-only
"""Noisy neighbours: storms on one lane, and what is left to others.

The storms are mhca-host's; all of them are allowed, so that nothing but the sharing
of the lane and of the command path protects the others. docs/isolation.md has a table.
"""

import json
import os
import pathlib
import statistics
import subprocess

import pytest

from fixtures import PAIRS
from guest import wait_until
from lib_client import Client
from lib_rdma import assert_clean
from test_hostile import program

FAIR = "fair"
# A counter that shows that a storm is one.
SIGN = {"register": "commands", "qp": "commands", "write_2_bytes": "messages",
        "atomic_one_word": "messages", "read_huge": "bytes", "error_cqe": "error_cqes",
        "doorbell": "doorbell_faults", "cq_overrun": "qp_errors", "rnr": "rnr_naks",
        "datagram": "wqes", "multicast": "wqes", "pieces": "wqes", "groups": "wqes",
        "broadcast": "eth_tx_bcast", "large_broadcast": "eth_tx_bcast",
        "flow_tables": "eth_tx_ucast"}
# Only instances with an Ethernet port can.
ETHERNET = ("broadcast", "large_broadcast", "flow_tables")
ROUNDS, MS = 5, 1000


def storms():
    """The names of mhca-host's storms."""
    names = subprocess.run([program(), "storm", "-L"], text=True, check=True,
                           stdout=subprocess.PIPE).stdout.split()
    return [n for n in names if n != FAIR]


def pytest_generate_tests(metafunc):
    """One test for each storm."""
    if "storm" in metafunc.fixturenames:
        metafunc.parametrize("storm", storms())


class Tenants:
    """Two instances whose data are checked all the time, and others for storms."""

    def __init__(self, host):
        self.host = host
        self.victims = [host.instance() for _ in range(2)]
        self.storming = {"ib": [host.instance()],
                         "roce": [host.instance("roce") for _ in range(2)]}
        self.client = Client(host, "traffic", 7200, *[i.uuid for i in self.victims])

    def messages(self):
        """The victims' messages so far."""
        return sum(i.counters()["messages"] for i in self.victims)

    def complaints(self):
        """What went wrong for the victims."""
        return [i.counters()[n] for i in self.victims
                for n in ("error_cqes", "qp_errors", "commands_refused", "rnr_naks")]


@pytest.fixture(scope="module")
def tenants(host):
    """The same for all storms; afterwards not a byte was wrong, and nothing is held."""
    for pair in PAIRS:
        pair.clear()
    t = Tenants(host)
    yield t
    result = t.client.result()
    assert not result["failed"] and result["least_messages"] > 0
    for inst in t.victims:
        assert_clean(inst)


def test_storm(tenants, storm):
    """Others go on with correct data and no error; then all is given back."""
    storming = tenants.storming["roce" if storm in ETHERNET else "ib"]
    hostile = storming[0]
    before, sign = hostile.counters(), SIGN[storm]
    wrong = tenants.complaints()
    client = Client(tenants.host, "storm", storm, *[i.uuid for i in storming])
    wait_until(lambda: hostile.counters()[sign] > before[sign] + 20, 60, "the storm")
    messages = tenants.messages()
    wait_until(lambda: tenants.messages() > messages + 100, 60, "traffic of others")
    assert client.result()["rounds"] > 0
    for inst in storming:
        assert_clean(inst)
        assert inst.state == "closed"
    assert tenants.client.proc.poll() is None, "the others' traffic has ended"
    assert tenants.complaints() == wrong


class Victim(Client):
    """A tenant that is measured on request, on a CPU apart from the lane's."""

    def __init__(self, host, cpus, *uuids):
        super().__init__(host, "steady", *uuids)
        os.sched_setaffinity(self.pid, cpus[-1:])
        # It sleeps nearly always: what is measured is the device, not the CPU's queue.
        os.sched_setscheduler(self.pid, os.SCHED_FIFO, os.sched_param(1))

    def measure(self, ms):
        """Throughput, median and 99th percentile of the small WRITEs' times."""
        self.proc.stdin.write(f"{ms}\n")
        self.proc.stdin.flush()
        row = json.loads(self.proc.stdout.readline())
        return {"MB/s": row["bytes"] * 1e3 / row["ns"], "p50 us": row["p50_ns"] / 1e3,
                "p99 us": row["p99_ns"] / 1e3, "pings": row["pings"]}


def neighbour(host, cpus, name, instances):
    """A running neighbour; None: none."""
    if not name:
        return None
    uuids = [i.uuid for i in instances[:2 if name in (FAIR, *ETHERNET) else 1]]
    client = Client(host, "storm", name, *uuids)
    os.sched_setaffinity(client.pid, cpus[:1])
    return client


def spread(values):
    """Median, least and greatest."""
    return [round(f(values), 3) for f in (statistics.median, min, max)]


@pytest.mark.full       # compares throughputs: nothing else may run meanwhile
@pytest.mark.limit(1500)
def test_share(alone, record_property):
    """The victim keeps 0.8 of its fair share, and its p99 at most doubles.

    Judged on a real machine only: an emulated host's CPUs wait for each other, which is
    more than what is to be measured. bench-isolation judges the lane anywhere.
    """
    lane = alone.conf.get("lane_cpus")
    cpus = sorted(c for c in os.sched_getaffinity(0) if str(c) != lane)
    victim = Victim(alone, cpus, *[alone.instance("roce").uuid for _ in range(2)])
    others = [alone.instance("roce") for _ in range(2)]
    rows = {name: [] for name in (None, FAIR, *storms())}
    victim.measure(MS)
    for _ in range(ROUNDS):
        for name, row in rows.items():
            client = neighbour(alone, cpus, name, others)
            row.append(victim.measure(MS))
            if client:
                row[-1]["neighbour"] = client.result()
    assert victim.finish()[0] == 0
    failed = []
    with open(pathlib.Path(os.environ["MHCA_LOGS"]) / "isolation.jsonl", "w",
              encoding="utf-8") as f:
        for name, row in rows.items():
            figures = {k: spread([r[k] for r in row]) for k in ("MB/s", "p50 us", "p99 us")}
            # Against the fair neighbour of the same round.
            figures["share"] = spread([r["MB/s"] / f["MB/s"] for r, f in zip(row, rows[FAIR])])
            figures["p99"] = spread([r["p99 us"] / f["p99 us"] for r, f in zip(row, rows[FAIR])])
            record_property(name or "alone", figures)
            f.write(json.dumps({"neighbour": name or "alone", **figures,
                                "rows": row}) + "\n")
            if name and (figures["share"][0] < 0.8 or figures["p99"][0] > 2):
                failed.append((name, figures["share"], figures["p99"]))
    assert not (failed and alone.conf["here"])
