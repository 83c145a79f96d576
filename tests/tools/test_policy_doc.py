# SPDX-License-Identifier: GPL-2.0-only
"""docs/policy.md, mhcactl and the driver's table say the same."""

import re

import fakehost
from conftest import REPO

DRIVER = (REPO / "mdev-driver/prm/policy.c").read_text()
DOC = (REPO / "docs/policy.md").read_text()
TOOL = (REPO / "host-tools/mhcactl/policy.c").read_text()


def driver_rows():
    """name -> (min, max) of the table's rows; None where it has no numbers."""
    table = DRIVER.split("mhca_policy_rows[MHCA_POLICIES] = {")[1].split("\n};")[0]
    rows = {}
    for name, low, high in re.findall(
            r'NUMBER\(\w+, "(\w+)", "[^"]*", (\w+), (\w+),', table):
        rows[name] = (int(low), 2 ** 32 - 1 if high == "U32_MAX" else int(high))
    for name, low in re.findall(r'OBJECTS\(\w+, "(\w+)", (\d+),', table):
        rows[name] = (int(low), 0xfffffe)
    for name in re.findall(r'ADDRESS\(\w+, "(\w+)"', table) + \
            re.findall(r'\.name = "(\w+)"', table):
        rows[name] = None
    return rows


def test_rows_are_found():
    """The parser above understands the table."""
    count = DRIVER.count("[MHCA_POLICY_") - DRIVER.count("value[MHCA_POLICY_")
    assert len(driver_rows()) >= 18 and count


def test_document():
    """Every attribute and its range stand in the page's table."""
    for name, bounds in driver_rows().items():
        line = next((ln for ln in DOC.splitlines()
                     if ln.startswith("|") and f"`{name}`" in ln.split("|")[1]), None)
        assert line, f"{name} is not described"
        if bounds:
            assert f"{bounds[0]}..{bounds[1]}" in line, line


def test_tool():
    """mhcactl knows every attribute, and refuses nothing that the driver takes."""
    rows = {name: (low, high) for name, low, high in re.findall(
        r'\{ "(\w+)",\s*KIND_NUMBER,\s*(\w+), (\w+) \}', TOOL)}
    for name, bounds in driver_rows().items():
        assert f'"{name}"' in TOOL, name
        if bounds:
            low, high = rows[name]
            assert int(low) <= bounds[0] and (high == "UINT32_MAX" or int(high) >= bounds[1])


def test_made_up_types():
    """The types of the made-up hosts are the driver's."""
    text = (REPO / "mdev-driver/prm/type.c").read_text()
    sizes = {}
    for name in fakehost.SIZES:
        row = text.split(f"[MHCA_{name.upper()}] = {{")[1].split("},")[0]
        found = dict(re.findall(r"MHCA_POLICY_(\w+)\] = (\d+)", row))
        # What a size leaves out is the host's limit.
        sizes[name] = tuple(int(found.get(key, 65536))
                            for key in ("MAX_QP", "MAX_PINNED_MB", "WEIGHT"))
    assert sizes == fakehost.SIZES
    assert dict(re.findall(r'^\tMHCA_TYPE_SIZES\("(\w+)", "(\w+)"', text, re.M)) == fakehost.PORTS
    assert re.findall(r'MHCA_TYPE\(_name "-(\w+)"', text) == list(fakehost.SIZES)


def test_tracepoints():
    """The page's table of tracepoints is that of the driver's header."""
    text = (REPO / "mdev-driver/include/mhca/trace.h").read_text()
    fields = {name: re.findall(r"__(?:field|array)\(\w+, (\w+)", body) for name, body in
              re.findall(r"(?:TRACE_EVENT|DECLARE_EVENT_CLASS)\((\w+),(.*?)\n\);", text, re.S)}
    for group, name in re.findall(r"DEFINE_EVENT\((\w+), (\w+)", text):
        fields[name] = fields[group]
    fields.pop("mhca_doorbell")
    rows = {m[1]: re.findall(r"`(\w+)`", m[2])
            for m in re.finditer(r"^\| `(mhca_\w+)` \| ([^|]+) \|", DOC, re.M)}
    assert rows == fields
