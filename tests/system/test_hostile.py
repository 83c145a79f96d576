# SPDX-License-Identifier: GPL-2.0-only
"""Bad input: each attempt ends in a defined error for its sender only.

The cases are mhca-host's; each is one test here. Those of a group run in one
process, while two other instances move data whose every byte is checked.
"""

import json
import os
import re
import subprocess

import pytest

from lib_client import Client, run
from lib_rdma import assert_clean


def program():
    """mhca-host, at collection time when there are no fixtures."""
    from conftest import lab_config             # pylint: disable=import-outside-toplevel
    conf = lab_config()
    return os.path.join(conf["guests"][conf["suite"]]["out"], "bin", "mhca-host")


def pytest_generate_tests(metafunc):
    """One test for each line of `mhca-host hostile -L`."""
    if "case" in metafunc.fixturenames:
        names = subprocess.run([program(), "hostile", "-L"], text=True, check=True,
                               stdout=subprocess.PIPE).stdout.split()
        metafunc.parametrize("case", names)


def group_of(case):
    """Cases of a group share a process: command_stale_…, wqe_…, memory_…"""
    return re.match(r"command_(?:short|long|huge)_[a-z]+_|command_[a-z]+_|[a-z]+_", case)[0]


class Attack:
    """Two instances to attack with, and what came of each case."""

    def __init__(self, host):
        self.host = host
        self.instances = [host.instance(), host.instance()]
        self.bystanders = Client(host, "traffic", 7200,
                                 *[host.instance().uuid for _ in range(2)])
        self.results = {}

    def run(self, group):
        """Run a group; results by case, with what was said about it."""
        p = subprocess.run(
            [program(), "hostile", *[i.uuid for i in self.instances], group + "*"],
            text=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=1200,
            check=False)
        said, case = {}, None
        for line in p.stderr.splitlines():
            if line.startswith("# "):
                case = line[2:]
            said.setdefault(case, []).append(line)
        for line in p.stdout.splitlines():
            verdict, name = line.split()
            self.results[name] = verdict, "\n".join(said.get(name, []))
        self.last = f"mhca-host ended with {p.returncode} after {case}:\n" + "\n".join(
            said.get(case, []))

    def get(self, case):
        """(verdict, text) of a case, run at first need."""
        if case not in self.results:
            self.run(group_of(case))
        return self.results.get(case, ("FAIL", self.last))


@pytest.fixture(scope="module")
def attack(host):
    """The attack, with its bystanders; they must have noticed nothing."""
    a = Attack(host)
    yield a
    assert not a.bystanders.result()["failed"]
    for inst in a.instances:
        assert_clean(inst)


def test_hostile(attack, case):
    """The attempt is refused as documented, and both instances still work."""
    verdict, text = attack.get(case)
    assert verdict == "ok", text
    assert attack.bystanders.proc.poll() is None, "the bystanders' traffic has ended"


@pytest.mark.parametrize("commands, wqes", [
    (20000, 20000),
    pytest.param(10_000_000, 10_000_000,
                 marks=[pytest.mark.full, pytest.mark.limit(20000)])])
def test_fuzz(host, commands, wqes, record_property):
    """Spoiled commands and WQEs; two other instances notice nothing."""
    victim = host.instance()
    others = Client(host, "traffic", 20000, *[host.instance().uuid for _ in range(2)])
    out = run(host, "fuzz", os.environ.get("MHCA_SEED", "1"), commands, wqes, victim.uuid,
              timeout=20000)
    result = json.loads(out[-1])
    record_property("fuzz", result)
    assert result["commands"] >= commands and result["wqes"] >= wqes
    assert result["refused"] and result["completions"]
    assert not others.result()["failed"]
    assert_clean(victim)
