# SPDX-License-Identifier: GPL-2.0-only
"""The tracepoints that docs/policy.md promises, as the kernel describes them.

Few are switched on, and seldom: tests/lab/README.md says what emulation makes of it.
"""

import json
import pathlib
import re

import pytest

from lib_client import run

EVENTS = pathlib.Path("/sys/kernel/tracing/events/mhca")
PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs/policy.md").read_text()
# Where to look for field names in a line: bpftrace's, trace-cmd's filter.
FIELDS = re.compile(r"args->(\w+)|-f '(\w+)")


def kernel_fields(event):
    """The fields of an event that are ours."""
    text = (EVENTS / event / "format").read_text()
    return [f for f in re.findall(r"field:[^;]*?(\w+)(?:\[\d+\])?;", text)
            if not f.startswith("common_")]


@pytest.fixture(scope="module")
def events(host):       # pylint: disable=unused-argument
    """name -> fields, of the kernel."""
    return {p.name: kernel_fields(p.name) for p in EVENTS.iterdir() if p.is_dir()}


def test_table(events):
    """Every event has its row with its fields in their order, and no other."""
    rows = {m[1]: re.findall(r"`(\w+)`", m[2])
            for m in re.finditer(r"^\| `(mhca_\w+)` \| ([^|]+) \|", PAGE, re.M)}
    assert rows == events


def test_lines(events):
    """Every line names an event, and fields that it has."""
    lines = [ln for ln in PAGE.splitlines() if re.match(r"(bpftrace|trace-cmd|perf) ", ln)]
    assert len(lines) >= 8
    for line in lines:
        names = re.findall(r"mhca:(mhca_\w+)", line)
        if line.startswith("perf"):
            assert "'mhca:*'" in line
            continue
        assert len(names) == 1 and names[0] in events, line
        used = {a or b for a, b in FIELDS.findall(line)}
        assert used and used <= set(events[names[0]]), line


def test_refused_commands(alone, tmp_path):
    """The page's trace-cmd line shows the commands that were refused, and only these."""
    line = re.search(r"^(trace-cmd record .*) sleep 10", PAGE, re.M)[1]
    inst = alone.instance(max_qp=20, max_cq=20, max_srq=5, max_mkey=30, max_pd=9)
    program = alone.program("mhca-host")
    out = alone.check(f"{line} -o {tmp_path}/t.dat {program} limits {inst.uuid}", 120)
    rows = [json.loads(ln) for ln in out.splitlines() if ln.startswith("{")]
    refused = {r["syndrome"] for r in rows if r["status"]}
    report = alone.check(f"trace-cmd report {tmp_path}/t.dat", 120)
    seen = [ln for ln in report.splitlines() if "mhca_command" in ln]
    shown = {int(m, 0) for m in re.findall(r"syndrome=(\w+)", "\n".join(seen))}
    # Those that the program was after, and of no command that was granted.
    assert refused and refused <= shown and 0 not in shown
    assert all(inst.uuid in ln for ln in seen)
    assert len(seen) == inst.counters()["commands_refused"]
    assert run(alone, "limits", inst.uuid)
