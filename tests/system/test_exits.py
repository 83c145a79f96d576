# SPDX-License-Identifier: GPL-2.0-only
"""What posting and polling cost: no VM exit; what idling costs: no CPU."""

import os
import pathlib
import re
import time

import pytest

from guest import ExitCauses, wait_until
from lib_client import Client
from lib_rdma import device
from lib_roce import gid_index

OPERATIONS = 100000
SECONDS = 10
TICKS = os.sysconf("SC_CLK_TCK")
# kvm_exit's reasons, AMD's and Intel's.
NAMES = {"0x60": "interrupt", "0x64": "interrupt window", "0x72": "cpuid", "0x77": "pause",
         "0x78": "hlt", "0x7b": "io", "0x7c": "msr", "0x400": "nested page fault",
         "0x1": "interrupt", "0x7": "interrupt window", "0xc": "hlt", "0x1e": "io",
         "0x1f": "msr read", "0x20": "msr write", "0x30": "ept violation",
         "0x31": "ept misconfig", "0x34": "preemption timer"}
# What a store to a doorbell page would be that leaves the guest.
DOORBELL_CAUSES = ("nested page fault", "ept violation", "ept misconfig")


def traffic(pair, program, options):
    """Endless polled traffic from pair.a to pair.b; the two jobs."""
    port = 18690
    command = f"{program} -F -d {device(pair.a)} {options} -s 8 --run_infinitely -D 60 -p {port}"
    server = pair.b.start_bg(command)
    wait_until(lambda: pair.b.run(f"ss -Hltn | grep -q ':{port} '")[0] == 0, 30, "server")
    client = pair.a.start_bg(f"{command} {pair.b.address}")
    inst = pair.instances[0]
    start = inst.counters()["wqes"]
    wait_until(lambda: inst.counters()["wqes"] > start + 2000, 60, "traffic")
    return server, client


def count_exits(pair, program, options, record_property):
    """100,000 operations while nobody talks to the guests: count their exits."""
    jobs = traffic(pair, program, options)
    inst, guest = pair.instances[0], pair.a
    with ExitCauses() as causes:
        before, kvm = inst.counters(), guest.kvm_counters()
        wait_until(lambda: inst.counters()["wqes"] - before["wqes"] >= OPERATIONS, 300,
                   f"{OPERATIONS} operations")
        after, kvm_after = inst.counters(), guest.kvm_counters()
    for job in jobs:
        job.kill()
        job.wait()
    done = after["wqes"] - before["wqes"]
    exits = {k: v - kvm.get(k, 0) for k, v in kvm_after.items()
             if k == "exits" or k.endswith("_exits")}
    record_property("operations", done)
    record_property("exits_per_operation", round(exits["exits"] / done, 6))
    record_property("kvm_counters", {k: v for k, v in exits.items() if v})
    by_cause = {NAMES.get(k, k): n for k, n in causes.result.items()}
    record_property("exits_of_both_guests_by_cause", by_cause)
    # mlx5_core reads the health buffer every two seconds, and a guest that its host
    # does not run for a while looks idle: a few in all, none for an operation.
    for name in ("traps", "doorbell_faults"):
        record_property(name, after[name] - before[name])
        assert round((after[name] - before[name]) / done, 2) == 0, f"{name} in steady state"
    assert round(exits.get("mmio_exits", 0) / done, 2) == 0
    doorbells = sum(n for cause, n in by_cause.items() if cause in DOORBELL_CAUSES)
    assert round(doorbells / done, 2) == 0


PROGRAMS = ["ib_write_bw", "ib_read_bw", "ib_send_bw"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_exit_per_operation(pair, program, record_property):
    """On an InfiniBand port."""
    count_exits(pair, program, "", record_property)


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_exit_per_operation_roce(net, program, record_property):
    """On an Ethernet port."""
    count_exits(net, program, f"-x {gid_index(net.a)}", record_property)


def kernel_threads():
    """Name and CPU time of lanes and of all kernel workers, by process id."""
    result = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        name = text[text.index("(") + 1:text.rindex(")")]
        if name.startswith(("mhca_lane", "kworker")):
            field = text.rpartition(")")[2].split()
            result[stat.parent.name] = name, (int(field[11]) + int(field[12])) / TICKS
    return result


def lane_seconds():
    """CPU time of the lanes."""
    return sum(s for n, s in kernel_threads().values() if n.startswith("mhca"))


def used_while_idle(record_property, others):
    """Share of one CPU over some seconds: our threads, and other processes.

    A kernel worker is named after its last work queue: it counts when that is
    ours before or after, with what it used meanwhile.
    """
    threads, before, t = kernel_threads(), [f() for f in others], time.monotonic()
    # The wait is the measurement: nothing happens, and that is to be seen.
    time.sleep(SECONDS)
    span, used = time.monotonic() - t, {}
    for pid, (name, seconds) in kernel_threads().items():
        old_name, old_seconds = threads.get(pid, ("", 0))
        if "mhca" in name + old_name and seconds > old_seconds:
            used[name] = used.get(name, 0) + (seconds - old_seconds) / span
    record_property("cpu_share_by_thread", {n: round(s, 4) for n, s in used.items()})
    return [sum(used.values())] + [(f() - b) / span for f, b in zip(others, before)]


def woken(instances):
    """Times that a lane was woken or a doorbell faulted, of all instances."""
    return sum(i.counters()[n] for i in instances for n in ("lane_wakes", "doorbell_faults"))


@pytest.mark.full       # CPU time: on a quiet machine
def test_idle_guests(pair, record_property):
    """Two guests with nothing to do: the lane sleeps, our host CPU is below 1 %."""
    count = woken(pair.instances)
    shares = used_while_idle(record_property, [pair.a.cpu_seconds, pair.b.cpu_seconds])
    record_property("qemu_cpu_shares", [round(s, 4) for s in shares[1:]])
    record_property("lane_wakes", woken(pair.instances) - count)
    assert shares[0] < 0.01
    assert woken(pair.instances) - count < 2 * SECONDS


def process_seconds(pid):
    """CPU time of a process."""
    field = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(field[11]) + int(field[12])) / TICKS


@pytest.mark.full       # CPU time: on a quiet machine
def test_idle_clients(alone, record_property):
    """Two open instances with queues, driven from the host: below 1 % in all."""
    instances = [alone.instance() for _ in range(2)]
    client = Client(alone, "idle", *[i.uuid for i in instances])
    wait_until(lambda: (c := lane_seconds(), time.sleep(0.5)) and lane_seconds() == c, 30,
               "a lane that sleeps")
    count = woken(instances)
    shares = used_while_idle(record_property, [lambda: process_seconds(client.pid)])
    assert sum(shares) < 0.01
    assert woken(instances) == count
    status, out, err = client.finish()
    assert status == 0 and "awake" in out, err
