# SPDX-License-Identifier: GPL-2.0-only
"""The fixtures of tests/lab/fixtures.py, and the libraries of the system tests."""

import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "lab"), str(TESTS / "system")]

from fixtures import *      # noqa: E402,F401,F403
