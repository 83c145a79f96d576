# SPDX-License-Identifier: GPL-2.0-only
"""The fixtures of tests/lab/fixtures.py, and the libraries of the system tests."""

import os
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "lab"), str(TESTS / "system")]

if os.environ.get("MHCA_FRONT_END", "mdev") == "vfio-user":
    from direct_fixtures import *       # noqa: E402,F401,F403
else:
    from fixtures import *      # noqa: E402,F401,F403
from figures import REPEAT, Figures, cpu_model  # noqa: E402


@pytest.fixture(scope="session")
def figures():
    """The figures of this run."""
    logs = pathlib.Path(os.environ["MHCA_LOGS"])
    about = {"cpu": cpu_model(), "cpus": os.cpu_count(), "kernel": os.uname().release,
             "repeat": REPEAT}
    print(f"\nMachine: {about['cpu']}, {about['cpus']} CPUs, Linux {about['kernel']}")
    return Figures(logs / "bench.jsonl", **about)
