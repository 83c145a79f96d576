# SPDX-License-Identifier: GPL-2.0-only
"""metrics, read by Prometheus' own parser."""

import json
import math
import os
import re
import stat

import pytest
from prometheus_client.parser import text_string_to_metric_families

from conftest import REPO, golden
from fakehost import POLICY, UUIDS, driver_counters, three_instances


def families(text):
    return {f.name: f for f in text_string_to_metric_families(text)}


def value(text, metric, **labels):
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == metric and labels.items() <= sample.labels.items():
                return sample.value
    raise KeyError(metric)


def test_text(host, tool):
    golden("metrics.txt", tool("metrics"))


def test_parser_accepts_it(host, tool):
    text = tool("metrics")
    found = families(text)
    for family in found.values():
        assert family.documentation and family.type in ("gauge", "counter")
        for sample in family.samples:
            assert math.isfinite(sample.value)
    # Each family once, each series once.
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    series = [line.rsplit(" ", 1)[0] for line in lines]
    assert len(series) == len(set(series))
    types = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(types) == len(set(types))


def test_values(host, tool):
    text = tool("metrics")
    assert value(text, "mhca_up") == 1
    assert value(text, "mhca_bytes_total", uuid=UUIDS[0]) == 98765432109
    assert value(text, "mhca_pinned_bytes", uuid=UUIDS[0]) == 1 << 30
    assert value(text, "mhca_objects", uuid=UUIDS[0], kind="qp") == 12
    assert value(text, "mhca_instance_open", uuid=UUIDS[2]) == 0
    assert value(text, "mhca_available_instances", type="mhca-ib-small") == 61
    assert value(text, "mhca_lane_cpu_seconds_total", lane="0") == \
        12345 / os.sysconf("SC_CLK_TCK")


def test_every_driver_counter(host, tool):
    for name in driver_counters():
        host.write(f"{host.device(UUIDS[0])}/counters/{name}", 5)
    text = tool("metrics")
    for name in driver_counters():
        assert value(text, f"mhca_{name}_total", uuid=UUIDS[0]) == 5


def test_settings(bare, tool):
    three_instances(bare, policy=POLICY | {"rate_mbps": "100"})
    text = tool("metrics")
    assert value(text, "mhca_setting", uuid=UUIDS[1], name="rate_mbps") == 100
    assert 'name="doorbell"' not in text and 'name="description"' not in text


def test_hostile_description(bare, tool):
    """Whatever stands there, the file stays readable."""
    three_instances(bare, policy={"description": 'a "b" \\ c\nmhca_up 7'})
    text = tool("metrics")
    assert value(text, "mhca_up") == 1
    assert value(text, "mhca_instance_info", description='a "b" \\ c\nmhca_up 7') == 1


def test_numbers_only(host, tool):
    """"N/A" is no number: it is left out, and counted."""
    host.write(f"{host.device(UUIDS[0])}/counters/bytes", "N/A (no PMA)")
    text = tool("metrics")
    families(text)
    with pytest.raises(KeyError):
        value(text, "mhca_bytes_total", uuid=UUIDS[0])
    assert value(text, "mhca_unreadable_counters", uuid=UUIDS[0]) == 1
    assert value(text, "mhca_unreadable_counters", uuid=UUIDS[1]) == 0


def test_no_driver(bare, tool):
    text = tool("metrics")
    families(text)
    assert value(text, "mhca_up") == 0


def test_file(host, tool, tmp_path):
    out = tmp_path / "mhca.prom"
    out.write_text("old")
    assert tool("metrics", "--output", out) == ""
    assert out.read_text() == tool("metrics")
    assert stat.S_IMODE(out.stat().st_mode) == 0o644
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["mhca.prom"]


def test_file_that_cannot_be(host, tool, tmp_path):
    (tmp_path / "dir.prom").mkdir()
    assert "cannot write" in tool.fails(1, "metrics", "-o", tmp_path / "dir.prom")
    assert "cannot write" in tool.fails(1, "metrics", "-o", tmp_path / "no" / "x.prom")
    assert [p.name for p in tmp_path.iterdir() if "prom." in p.name] == []


def test_dashboard_asks_for_what_there_is(host, tool):
    """Every metric that docs/grafana-mhca.json names is exported."""
    for name in driver_counters():
        host.write(f"{host.device(UUIDS[0])}/counters/{name}", 5)
    names = {s.name for f in families(tool("metrics")).values() for s in f.samples}
    dashboard = json.loads((REPO / "docs/grafana-mhca.json").read_text())
    asked = {m for panel in dashboard["panels"] for target in panel["targets"]
             for m in re.findall(r"\bmhca_\w+", target["expr"])}
    assert len(asked) > 10 and asked <= names, asked - names
    assert len({p["id"] for p in dashboard["panels"]}) == len(dashboard["panels"])


def test_usage(host, tool):
    assert "too many" in tool.fails(2, "metrics", "x")
