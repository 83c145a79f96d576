# SPDX-License-Identifier: GPL-2.0-only
"""Figures: repeated, kept as JSON lines, shown as median and spread."""

import json
import os
import pathlib
import re
import statistics
import time

REPEAT = int(os.environ.get("MHCA_BENCH_N", "5"))


def cpu_model():
    """The emulated (or real) CPU, with those of its flags that memcpy looks at."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    name = re.search(r"^model name\s*: (.*)$", text, re.M)[1]
    flags = set(re.search(r"^flags\s*: (.*)$", text, re.M)[1].split())
    signs = [("+" if f in flags else "-") + f for f in ("erms", "fsrm", "avx2", "avx512f")]
    return f"{name} ({' '.join(signs)})"


class Figures:
    """All figures of one run: rows in a file, and a table at the end."""

    def __init__(self, path, **about):
        self.path, self.rows = path, []
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.write({"kind": "machine", **about})

    def write(self, row):
        """Append one JSON line."""
        with open(self.path, "a", encoding="utf-8") as f:
            f.write(json.dumps({"time": round(time.time(), 3), **row}) + "\n")

    def add(self, who, what, unit, values):
        """Keep the repetitions of one figure; its median."""
        values = [float(v) for v in values]
        row = {"kind": "figure", "who": who, "what": what, "unit": unit,
               "median": statistics.median(values), "min": min(values),
               "max": max(values), "n": len(values), "values": values}
        self.write(row)
        self.rows.append(row)
        print(f"  {who:<22} {what:<24} {row['median']:>14,.2f} {unit:<8} "
              f"({row['min']:,.2f} … {row['max']:,.2f}, n={row['n']})", flush=True)
        return row["median"]

    def median(self, who, what):
        """The median of a figure that was kept, or None."""
        for row in self.rows:
            if (row["who"], row["what"]) == (who, what):
                return row["median"]
        return None

    def ratio(self, what, ours, theirs, better="higher"):
        """Keep and show ours/theirs, so that more than 1 is better."""
        a, b = self.median(*ours), self.median(*theirs)
        if not a or not b:
            return
        value = a / b if better == "higher" else b / a
        self.write({"kind": "ratio", "what": what, "value": value})
        print(f"  {what:<60} {value:>10.2f}", flush=True)
