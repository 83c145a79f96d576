# SPDX-License-Identifier: GPL-2.0-only
"""trace: an instance of tracefs of its own, and what its lines mean."""

import json
import re

import pytest

from conftest import golden, validate
from fakehost import REPO, UUIDS

PIPE = f"""\
     kworker/u4:2-871     [001] .....   812.345678: mhca_command: {UUIDS[0]} opcode=0x500 op_mod=0x0 status=0x0 syndrome=0x0 ns=18250
     kworker/u4:2-871     [001] .....   812.345901: mhca_command: {UUIDS[0]} opcode=0x200 op_mod=0x0 status=0x8 syndrome=0x6d48000f ns=900
 qemu-system-x86-4242     [000] .....   812.400000: mhca_doorbell_fault: {UUIDS[0]} uar=17
     mhca_lane/0-100      [003] d....   812.400100: mhca_lane: lane=0 awake=1
     mhca_lane/0-100      [003] .....   812.401000: mhca_qp_state: {UUIDS[0]} qpn=0x41 from=2 to=3
 some: thing-1            [003] .....   812.402000: mhca_error_cqe: {UUIDS[0]} qpn=0x41 opcode=0xd syndrome=0x15 vendor=0x88
CPU:1 [LOST 12 EVENTS]
"""

EVENTS = ("mhca_command", "mhca_doorbell_fault", "mhca_lane", "mhca_qp_state",
          "mhca_error_cqe")


@pytest.fixture
def host(host):
    for base in ("sys/kernel/tracing/events/mhca", ".fake/trace/events/mhca"):
        for event in EVENTS:
            name = "" if event == "mhca_lane" else "\tfield:char name[40];\toffset:8;\n"
            host.write(f"{base}/{event}/format", f"name: {event}\nformat:\n{name}")
            host.write(f"{base}/{event}/enable", "0")
            host.write(f"{base}/{event}/filter", "none")
        host.write(f"{base}/enable", "0")
        host.write(f"{base}/filter", "none")
    host.path(".fake/trace/trace_pipe").write_text(PIPE)
    host.path("sys/kernel/tracing/instances").mkdir()
    return host


def traced(host, event, file):
    return host.read(f".fake/traced/events/mhca/{event}/{file}")


def test_text(host, tool):
    golden("trace.txt", tool("trace"))


def test_cleans_up(host, tool):
    tool("trace")
    assert list(host.path("sys/kernel/tracing/instances").iterdir()) == []
    assert all(traced(host, event, "enable") == "1" for event in EVENTS)
    assert host.read("sys/kernel/tracing/events/mhca/mhca_command/enable") == "0"


def test_json(host, tool):
    events = [json.loads(line) for line in tool("trace", "--json").splitlines()]
    for event in events:
        validate(event)
    assert [e["trace"]["event"] for e in events] == list(
        ("mhca_command",) * 2 + EVENTS[1:])
    assert events[0]["trace"]["fields"]["opcode"] == 0x500
    assert events[1]["trace"]["syndrome_text"] == \
        "instance's limit for this object reached"
    assert [e["trace"]["command"] for e in events[:3]] == ["CREATE_QP", "CREATE_MKEY", None]
    assert events[3]["trace"]["uuid"] is None
    assert events[5]["trace"]["syndrome_text"] is None


def test_filters_by_instance(host, tool):
    tool("trace", "0f9a")
    assert traced(host, "mhca_command", "filter") == f'name == "{UUIDS[0]}"'
    assert traced(host, "mhca_command", "enable") == "1"
    assert traced(host, "mhca_lane", "enable") == "0"


def test_chosen_events(host, tool):
    tool("trace", "-e", "command", "--event=mhca_lane")
    assert [traced(host, e, "enable") for e in EVENTS] == ["1", "0", "1", "0", "0"]
    assert "no such tracepoint" in tool.fails(3, "trace", "-e", "nothing")


def test_count(host, tool):
    assert len(tool("trace", "-n", "3").splitlines()) == 3


def test_failing_setup_cleans_up(host, tool):
    """A filter that the kernel refuses leaves no instance behind."""
    host.path(".fake/trace/events/mhca/mhca_lane/enable").unlink()
    host.path(".fake/trace/events/mhca/mhca_lane/enable").mkdir()
    assert "cannot enable mhca_lane" in tool.fails(1, "trace")
    assert list(host.path("sys/kernel/tracing/instances").iterdir()) == []


def test_not_there(bare, tool):
    assert "not mounted" in tool.fails(1, "trace")
    bare.write("sys/kernel/debug/tracing/events/sched/enable", "0")
    assert "no tracepoints here" in tool.fails(4, "trace")


def test_tracepoints_are_the_drivers(host, tool):
    """The lines above have the form that the driver's TP_printk gives them."""
    header = (REPO / "mdev-driver/include/mhca/trace.h").read_text()
    for event in EVENTS:
        assert re.search(rf"\b{event}\b", header), event
    assert '"%s opcode=0x%x op_mod=0x%x status=0x%x syndrome=0x%x ns=%llu"' in header
    assert '"lane=%u awake=%d"' in header


def test_usage(host, tool):
    assert "too many" in tool.fails(2, "trace", "a", "b")
    assert "--timeout" in tool.fails(2, "trace", "-t", "0")
    assert "no such instance" in tool.fails(3, "trace", "77")
