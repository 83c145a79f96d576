# SPDX-License-Identifier: GPL-2.0-only
"""The fixtures live in tests/lab/fixtures.py, shared with tests/system."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))

from fixtures import *      # noqa: E402,F401,F403
