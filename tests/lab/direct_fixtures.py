# SPDX-License-Identifier: GPL-2.0-only
"""The fixtures of fixtures.py where guests run directly on this machine (direct.py).

What a test sees is the same: `pair`, `roce_pair`, guests with addresses. What is about a
host with the kernel's driver (host, instances in sysfs) does not exist: such a test is
skipped, and says so.
"""

import os

import pytest

import fixtures
from direct import DirectGuest, Server, Wire
from fixtures import (GUESTS, LOGS, check_consoles, lab_config,     # noqa: F401
                      pytest_collection_modifyitems, pytest_configure, pytest_generate_tests,
                      pytest_runtest_call, pytest_runtest_logreport, pytest_runtest_makereport,
                      pytest_terminal_summary, suites)

KINDS = {"ib": "ib-large", "roce": "roce-large"}


class Pair:
    """Two guests with an instance each and a network, kept between tests; see fixtures.Pair."""

    def __init__(self, kind="ib", others=False):
        self.kind, self.others = kind, others
        self.server = self.a = self.b = self.wire = None
        self.instances = []

    def get(self):
        """The pair, freshly started when the last test left it broken."""
        if self.a and self.a.alive() and self.b.alive():
            for g in (self.a, self.b):
                g.check("dmesg -C")
            return self
        for pair in PAIRS:
            pair.clear()
        self.server = Server(os.environ["MHCA_MHCAD"], [KINDS[self.kind]] * 2,
                             logs=LOGS).__enter__()
        self.instances = self.server.instances
        self.wire = Wire()
        first, *others = suites()
        kernels = (others[0], others[-1]) if self.others else (first, first)
        self.a, self.b = (
            DirectGuest(lab_config()["guests"][suite], LOGS, name, [path], mem=768,
                        extra=self.wire.plug())
            for name, path, suite in zip("ab", self.server.sockets, kernels))
        for g, suite in zip((self.a, self.b), kernels):
            g.suite = suite
            GUESTS.append(g)
            g.start(wait=False)
        for number, g in enumerate((self.a, self.b), 1):
            g.wait_boot(400)
            self.wire.up(g, number)
        return self

    def clear(self):
        """End guests and server, also of half a pair."""
        for g in filter(None, (self.a, self.b)):
            g.kill()
            if g in GUESTS:
                GUESTS.remove(g)
        if self.wire:
            self.wire.remove()
        if self.server:
            self.server.__exit__()
        self.server = self.a = self.b = self.wire = None
        self.instances = []


PAIR = Pair()
ROCE_PAIR = Pair("roce")
OTHERS_PAIR = Pair("roce", others=True)
PAIRS = (PAIR, ROCE_PAIR, OTHERS_PAIR)
PARAMS = {fixtures.ROCE_PAIR: ROCE_PAIR, fixtures.OTHERS_PAIR: OTHERS_PAIR}


@pytest.fixture(scope="session")
def lab():
    """The lab's configuration."""
    yield lab_config()
    for pair in PAIRS:
        pair.clear()


@pytest.fixture
def host():
    """There is none."""
    pytest.skip("is about a host with the kernel's driver")


@pytest.fixture
def alone(host):
    """The same."""
    return host


@pytest.fixture
def make_guest(host):
    """The same."""
    return host


@pytest.fixture(autouse=True)
def kernel_logs(request):
    """Fails the test that made a guest's kernel complain."""
    yield
    check_consoles(request, GUESTS)


@pytest.fixture
def pair(lab):
    """Two running guests, `pair.a` and `pair.b`."""
    return PAIR.get()


@pytest.fixture
def roce_pair(lab, request):
    """The same with instances of the roce type."""
    return PARAMS[getattr(request, "param", fixtures.ROCE_PAIR)].get()
