# SPDX-License-Identifier: GPL-2.0-only
"""Every opcode, size class and alignment, SGLs, errors: every byte checked."""

import pytest

from lib_rdma import verified, verify

GROUPS = {
    "rc": "rc_*", "uc": "uc_*", "xrc": "xrc_*", "ud": "ud_*", "errors": "error_*",
    "rnr": "rnr_*", "solicited": "solicited_*", "cq": "cq_*", "srq": "srq_*",
    "soak": "soak", "windows": "mw_*", "access": "access_*", "dead_peer": "dead_*",
}


def check(pair, record_property, server, client, pattern, options=""):
    """Run, and keep how much was checked."""
    passed, messages, size = verified(verify(server, client, pattern, options=options))
    record_property("tests", passed)
    record_property("messages", messages)
    record_property("bytes", size)


TWO_GUESTS = [pytest.param(g, marks=pytest.mark.full if g == "soak" else ()) for g in GROUPS]


# The overrun of a CQ is meant; its owner's driver says that it has seen it.
@pytest.mark.kmsg_ok(r"cq_err_event_notifier.*CQ error")
@pytest.mark.parametrize("group", TWO_GUESTS)
def test_two_guests(pair, group, record_property):
    """Between two guests, polling."""
    check(pair, record_property, pair.b, pair.a, GROUPS[group])


@pytest.mark.full
@pytest.mark.parametrize("group", ["rc", "ud", "xrc", "errors"])
def test_one_guest(pair, group, record_property):
    """Inside one guest, from one instance to itself."""
    check(pair, record_property, pair.a, pair.a, GROUPS[group])


@pytest.mark.full
@pytest.mark.parametrize("pattern", ["*_mix", "ud_*", "rc_atomic_*", "rnr_*"])
def test_with_events(pair, pattern, record_property):
    """Sleeping on completion events instead of polling."""
    check(pair, record_property, pair.b, pair.a, pattern, "-e")


@pytest.mark.full
@pytest.mark.parametrize("seed", [2, 3])
def test_other_seeds(pair, seed, record_property):
    """Other random plans."""
    check(pair, record_property, pair.a, pair.b, "*_mix", f"-s {seed}")
