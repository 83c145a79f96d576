# SPDX-License-Identifier: GPL-2.0-only
"""Many connections by rdma_cm at once (cmtime), and nothing that stays of them."""

import pytest

from lib_rdma import objects
from lib_roce import connect_many
from test_probe import kernel_complaints


def connections(net, rounds, count):
    """Connections begun all at once and ended, half of them with QPs; nothing stays.

    How many of a round are made in a second.
    """
    before = [objects(inst) for inst in net.instances]
    rates = [round(connect_many(net, net.b.roce_address, count)) for _ in range(rounds)]
    assert [objects(inst) for inst in net.instances] == before
    for guest in (net.a, net.b):
        assert not kernel_complaints(guest)
    return rates


def test_connections(net, record_property):
    """A hundred."""
    record_property("connections_per_second", connections(net, 1, 50))


@pytest.mark.slow
@pytest.mark.limit(900)
def test_two_thousand_connections(net, record_property):
    """A thousand at once, twice."""
    record_property("connections_per_second", connections(net, 1, 1000))


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.limit(3600)
def test_ten_thousand_connections(net, record_property):
    """A thousand at once, ten times."""
    record_property("connections_per_second", connections(net, 5, 1000))
