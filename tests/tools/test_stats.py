# SPDX-License-Identifier: GPL-2.0-only
"""stats: totals, and rates over a clock that the test owns."""

import json

from conftest import golden, validate
from fakehost import UUIDS, driver_counters


def counters(host, uuid, **values):
    return {f"{host.device(uuid)}/counters/{k}": v for k, v in values.items()}


def run_steps(host):
    """Two sleeps: one of a second, one of two."""
    host.clock(1000)
    host.step(1, {".fake/clock": 1001, "proc/100/stat": stat(12345 + 50),
                  **counters(host, UUIDS[0], bytes=98765432109 + 125_000_000,
                             messages=1234567 + 30_500, commands=4711 + 12, cqes=1330500),
                  **counters(host, UUIDS[1], bytes=1000)})
    host.step(2, {".fake/clock": 1003, "proc/100/stat": stat(12345 + 250),
                  **counters(host, UUIDS[0], doorbell_faults=46, error_cqes=1002)})


def stat(ticks):
    return f"100 (mhca_lane/0) S 2 0 0 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0"


def test_totals(host, tool):
    golden("stats.txt", tool("stats"))
    golden("stats.json", tool("stats", "--json"))
    assert len(tool.json("stats")["stats"]["lanes"]) == 2


def test_one_instance(host, tool):
    """Every counter with its meaning."""
    golden("stats-one.txt", tool("stats", UUIDS[0]))
    assert len(tool("stats", UUIDS[0], UUIDS[1]).splitlines()) == 3


def test_every_driver_counter_has_a_meaning(host, tool):
    for name in driver_counters():
        host.write(f"{host.device(UUIDS[0])}/counters/{name}", 1)
    rows = {line.split()[0]: line.split()[2:]
            for line in tool("stats", UUIDS[0]).splitlines()[1:]}
    for name in driver_counters():
        assert rows[name] not in ([], ["-"], [name]), name


def test_watch(host, tool):
    run_steps(host)
    golden("stats-watch.txt", tool("stats", "--watch", "--count=2"))


def test_watch_json(host, tool):
    """One document to a line."""
    run_steps(host)
    lines = tool("stats", "--watch=5", "-n2", "--json", UUIDS[0]).splitlines()
    documents = [json.loads(line) for line in lines]
    for document in documents:
        validate(document)
    first, second = (d["stats"] for d in documents)
    assert (first["interval"], second["interval"]) == (1.0, 2.0)
    assert first["instances"][0]["rates"]["bytes"] == 125_000_000
    assert first["instances"][0]["rates"]["messages"] == 30_500
    assert second["instances"][0]["rates"]["doorbell_faults"] == 2
    assert second["instances"][0]["rates"]["bytes"] == 0
    assert len(first["instances"]) == 1
    assert first["lanes"][0]["cpu_percent"] == 50.0
    assert second["lanes"][0]["cpu_percent"] == 100.0


def test_recreated_instance_has_no_rate(host, tool):
    """A counter that fell belongs to another life of that UUID."""
    host.clock(1)
    host.step(1, {".fake/clock": 2, **counters(host, UUIDS[0], bytes=5)})
    stats = json.loads(tool("stats", "-n1", "--json"))["stats"]
    assert stats["instances"][0]["rates"]["bytes"] == 0


def test_clock_that_stands(host, tool):
    host.clock(1)
    stats = json.loads(tool("stats", "-n1", "--json"))["stats"]
    assert stats["instances"][0]["rates"]["bytes"] == 0


def test_huge_numbers(host, tool):
    """64 bits, all of them."""
    host.write(f"{host.device(UUIDS[0])}/counters/bytes", 2**64 - 1)
    assert tool.json("stats")["stats"]["instances"][0]["counters"]["bytes"] == 2**64 - 1
    host.write(f"{host.device(UUIDS[0])}/counters/bytes", 2**64)
    assert "bytes" not in tool.json("stats")["stats"]["instances"][0]["counters"]


def test_usage(host, tool):
    assert "--watch" in tool.fails(2, "stats", "--watch=0")
    assert "--count" in tool.fails(2, "stats", "--count=0")
    assert "no such instance" in tool.fails(3, "stats", "77")
