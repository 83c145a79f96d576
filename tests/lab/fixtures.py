# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the system tests and benchmarks. They run on the host: the lab's
virtual one or a real one. tests/system/conftest.py imports all of this.

host         our modules are loaded (session); .instance(), .check(), .run()
make_guest   make_guest(instances, suite=…, mem=…): guests that end with the test
pair         two running guests `a` and `b`, an instance each; reused by the
             tests of a session, started again after a test that broke them
roce_pair    the same with instances of the roce type; a test that is marked
             every_kernel runs once more with guests of the other suites
guest_suite  runs the test once for each suite in MHCA_GUEST_SUITES
lab          the lab's configuration (a dict)

Tests that share guests run one after the other (rank()), and with --budget those
that have not begun in time are skipped.

A test fails if the host's kernel log or a guest's console shows a warning or
worse; @pytest.mark.kmsg_ok("regex", …) allows the lines a test provokes.
"""

import functools
import hashlib
import itertools
import json
import os
import pathlib
import re
import signal
import time

import pytest

import kmsg
from guest import Guest
from host import Host, Kmsg, base_modules
from lib_net import Bridge                      # noqa: E402

LOGS = pathlib.Path(os.environ.get("MHCA_LOGS", "/tmp/mhca-logs"))
GUESTS = []                                     # all that run now
HOST_LOG = []                                   # the one Kmsg reader
STARTED = time.monotonic()


def pytest_configure(config):
    """Our markers; `--strict-markers` then knows them."""
    config.addinivalue_line(
        "markers", "kmsg_ok(*regex): kernel log lines this test may provoke")
    config.addinivalue_line(
        "markers", "soak: hours rather than minutes; only with MHCA_SOAK=1")
    config.addinivalue_line(
        "markers", "full: not in `make test`; with MHCA_FULL=1 (make test-full) or MHCA_SOAK=1")
    config.addinivalue_line("markers", "slow: takes minutes; the last of a run")
    config.addinivalue_line(
        "markers", "every_kernel: on roce_pair, and unless slow on guests of other suites, too")
    config.addinivalue_line(
        "markers", "others_full: on guests of other suites only with MHCA_FULL=1")
    config.addinivalue_line("markers", "limit(seconds): instead of 15 minutes")
    LOGS.mkdir(parents=True, exist_ok=True)


@functools.cache
def lab_config():
    """The file the lab wrote for this run."""
    path = os.environ.get("MHCA_LAB_CONFIG")
    if not path:
        pytest.exit("start these tests with tests/lab/mhca-lab run [--here]", 4)
    return json.loads(pathlib.Path(path).read_text())


def suites():
    """Guest suites of this run: MHCA_GUEST_SUITES, or all the lab prepared."""
    conf = lab_config()
    asked = os.environ.get("MHCA_GUEST_SUITES", "").replace(",", " ").split()
    return [s for s in asked or conf["guest_suites"] if s in conf["guests"]]


def rank(item):
    """Where a test stands: with those on the same guests; then other suites, then slow ones."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    if item.get_closest_marker("slow"):
        return 6
    if params.get("roce_pair") is OTHERS_PAIR:
        return 5
    if params.get("guest_suite", suites()[0]) != suites()[0]:
        return 4
    order = (3, "roce_pair"), (2, "pair"), (1, "make_guest")
    return next((n for n, fixture in order if fixture in item.fixturenames), 0)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Soak and full tests run only when asked for."""
    items.sort(key=rank)
    if os.environ.get("MHCA_SOAK") == "1":
        return
    unasked = {"soak"} if os.environ.get("MHCA_FULL") == "1" else {"soak", "full"}
    left_out = [i for i in items if unasked & {m.name for m in i.iter_markers()}]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [i for i in items if i not in left_out]


def pytest_generate_tests(metafunc):
    """A test that asks for guest_suite runs once for each; see also every_kernel."""
    marks = {mark.name for mark in metafunc.definition.iter_markers()}

    def others(first, *rest):
        full = [pytest.mark.full] if "others_full" in marks else []
        return [first, *(pytest.param(x, marks=full) for x in rest)]

    if "guest_suite" in metafunc.fixturenames:
        metafunc.parametrize("guest_suite", others(*suites()), scope="session")
    marks &= {"every_kernel", "slow", "others_full"}
    if "roce_pair" in metafunc.fixturenames and "every_kernel" in marks and "slow" not in marks:
        pairs = [ROCE_PAIR, OTHERS_PAIR][:len(suites())]
        metafunc.parametrize("roce_pair", others(*pairs), indirect=True,
                             ids=[p.name() for p in pairs])


def chunks(items, backwards):
    """The tests in order, or from the last file to the first; a file's own order is kept."""
    groups = [list(g) for _, g in itertools.groupby(items, lambda i: (rank(i), i.path))]
    return itertools.chain.from_iterable(reversed(groups) if backwards else groups)


def claimed(items, claims):
    """Of the tests those that no other host of this run has taken; each is taken when asked for."""
    where = pathlib.Path(claims["dir"])
    for item in chunks(items, claims["backwards"]):
        try:
            (where / hashlib.sha256(item.nodeid.encode()).hexdigest()).mkdir()
        except FileExistsError:
            continue
        yield item


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """Where several hosts divide the tests among themselves: as pytest's, over what is ours."""
    claims = lab_config().get("claims")
    if not claims:
        return None
    pathlib.Path(claims["dir"], "collected").write_text(str(len(session.items)))
    mine = claimed(session.items, claims)
    item = next(mine, None)
    while item:
        # One ahead: what the next one does not need is torn down after this one.
        following = next(mine, None)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        item = following
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """A run that has a budget starts no test after it."""
    budget = lab_config().get("budget")
    if budget and time.monotonic() - STARTED > budget:
        pytest.skip(f"not run: the {budget} s of this run were over")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows the last console lines of every guest."""
    report = (yield).get_result()
    if report.failed:
        for g in GUESTS:
            text = g.console_bytes().decode("utf-8", "replace")
            report.sections.append((f"console of guest {g.name} ({g.console})",
                                    "\n".join(text.splitlines()[-25:])))
        rc = os.popen("dmesg | tail -25").read()
        report.sections.append(("host's kernel log", rc))


def pytest_runtest_logreport(report):
    """Failures at once, in a file: a run that is cut short has no summary."""
    if report.failed:
        with open(LOGS / "failures.log", "a", encoding="utf-8") as f:
            f.write(f"=== {report.nodeid} ({report.when})\n{report.longreprtext}\n")


def pytest_terminal_summary(terminalreporter):
    """What tests measured (record_property), also when they passed."""
    rows = [(r.nodeid.rpartition("/")[2], k, v)
            for r in terminalreporter.getreports("passed") if r.when == "call"
            for k, v in r.user_properties]
    if rows:
        terminalreporter.section("measured")
    for test, key, value in rows:
        terminalreporter.write_line(f"{test}: {key} = {value}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """No test holds up the run: 15 minutes, or @pytest.mark.limit(seconds)."""
    mark = item.get_closest_marker("limit")
    seconds = mark.args[0] if mark else 900
    # Another host shares the machine.
    seconds *= 2 if lab_config().get("claims") else 1

    def late(*_):
        pathlib.Path("/proc/sysrq-trigger").write_text("w")
        pytest.fail(f"not done within {seconds} s")

    old = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, old)


@pytest.fixture(scope="session")
def lab():
    """The lab's configuration; the host can run guests."""
    base_modules()
    return lab_config()


@pytest.fixture(scope="session")
def host(lab):
    """The host with our modules loaded; unloaded at the end."""
    h = Host(lab)
    h.load()
    yield h
    for pair in PAIRS:
        pair.clear()
    h.unload()
    h.check_leaks()
    h.check_lockdep()


@pytest.fixture(autouse=True)
def kernel_logs(request):
    """Fails the test that made a kernel complain."""
    if not HOST_LOG:
        HOST_LOG.append(Kmsg())
    HOST_LOG[0].new()
    yield
    allowed = [re.compile(r) for m in request.node.iter_markers("kmsg_ok")
               for r in m.args]

    def bad(text):
        return [ln for ln in kmsg.bad_lines(text)
                if not any(r.search(ln) for r in allowed)]

    text = HOST_LOG[0].new()
    # The lab looks at the whole log again after the run: tell it what is fine.
    with open(LOGS / "allowed-kmsg.txt", "a", encoding="utf-8") as f:
        f.writelines(ln + "\n" for ln in kmsg.bad_lines(text)
                     if ln not in bad(text))
    if bad(text):
        pytest.fail(f"host's kernel log: {bad(text)[0]}\n{kmsg.context(text)}",
                    pytrace=False)
    for g in GUESTS:
        text = g.new_console()
        if bad(text):
            pytest.fail(f"guest {g.name}: {bad(text)[0]}\n{kmsg.context(text)}",
                        pytrace=False)


class Factory:
    """Starts guests and ends them."""

    def __init__(self, lab):
        self.lab, self.mine = lab, []

    def __call__(self, instances=(), *, suite=None, name=None, start=True, **kw):
        suite = suite or suites()[0]
        g = Guest(self.lab["guests"][suite], LOGS,
                  name or f"{suite}{len(self.mine)}", instances, **kw)
        g.suite = suite
        self.mine.append(g)
        GUESTS.append(g)
        return g.start() if start else g

    def end(self, guest):
        """End one guest, at once."""
        guest.kill()
        self.mine.remove(guest)
        GUESTS.remove(guest)

    def end_all(self):
        """End all guests of this factory."""
        for g in list(self.mine):
            self.end(g)


# Before kernel_logs, so that the guests are still there when it looks.
@pytest.fixture
def make_guest(lab, request):
    """Factory of guests that live as long as the test."""
    f = Factory(lab)
    request.getfixturevalue("kernel_logs")
    yield f
    check_consoles(request, f.mine)
    f.end_all()


def check_consoles(request, guests):
    """The consoles of guests that end now, before they are gone."""
    allowed = [re.compile(r) for m in request.node.iter_markers("kmsg_ok")
               for r in m.args]
    complaints = []
    for g in list(guests):
        text = g.new_console()
        bad = [ln for ln in kmsg.bad_lines(text)
               if not any(r.search(ln) for r in allowed)]
        if bad:
            complaints.append(f"guest {g.name}: {bad[0]}\n{kmsg.context(text)}")
    if complaints:
        for g in list(guests):
            g.kill()
            GUESTS.remove(g)
        guests.clear()
        pytest.fail("\n".join(complaints), pytrace=False)


class Pair:
    """Two guests with an instance each and a network, kept between tests.

    Of all pairs one is alive at a time. `others`: guests of the first and of the last
    of the other suites, so of the oldest and of the newest kernel.
    """

    def __init__(self, kind="ib", others=False):
        self.kind, self.others = kind, others
        self.factory = self.a = self.b = self.host = self.net = None
        self.instances = []

    def suites(self):
        """The guests' suites."""
        first, *others = suites()
        return (others[0], others[-1]) if self.others else (first, first)

    def name(self):
        """For test ids."""
        return "-".join(dict.fromkeys(self.suites()))

    def get(self, lab, host):
        """The pair, freshly started when the last test left it broken."""
        if self.a and self.a.alive() and self.b.alive():
            # What drivers said in an earlier test was judged there.
            for g in (self.a, self.b):
                g.check("dmesg -C")
            return self
        for pair in PAIRS:
            pair.clear()
        self.host, self.factory = host, Factory(lab)
        for _ in "ab":
            self.instances.append(host.instance(self.kind))
        self.net = Bridge()
        self.a, self.b = (
            self.factory([inst], suite=suite, name=name, start=False, extra=self.net.plug())
            for inst, suite, name in zip(self.instances, self.suites(), "ab"))
        for g in (self.a, self.b):
            g.start(wait=False)
        for number, g in enumerate((self.a, self.b), 1):
            g.wait_boot()
            self.net.up(g, number)
        return self

    def clear(self):
        """End both guests and remove their instances, also of half a pair."""
        if self.factory:
            self.factory.end_all()
        for inst in self.instances:
            if inst.exists():
                inst.remove()
            if inst in self.host.instances:
                self.host.instances.remove(inst)
        if self.net:
            self.net.remove()
        self.factory = self.a = self.b = self.net = None
        self.instances = []


PAIR = Pair()
ROCE_PAIR = Pair("roce")
OTHERS_PAIR = Pair("roce", others=True)
PAIRS = [PAIR, ROCE_PAIR, OTHERS_PAIR]          # lib_move.py adds its own


@pytest.fixture
def pair(lab, host):
    """Two running guests, `pair.a` and `pair.b`; `pair.instances` are theirs."""
    return PAIR.get(lab, host)


@pytest.fixture
def roce_pair(lab, host, request):
    """The same with instances of the roce type."""
    return getattr(request, "param", ROCE_PAIR).get(lab, host)


@pytest.fixture
def alone(host):
    """Ends the pairs first: for tests that measure or fill the host."""
    for pair in PAIRS:
        pair.clear()
    return host
