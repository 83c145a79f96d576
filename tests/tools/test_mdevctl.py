# SPDX-License-Identifier: GPL-2.0-only
"""The call-out, called the way mdevctl calls it."""

import json
import subprocess

import pytest

from conftest import MHCACTL, REPO, environment
from fakehost import POLICY, UUIDS, three_instances

SCRIPT = REPO / "host-tools/mdevctl/mhca.sh"


@pytest.fixture
def host(bare):
    return three_instances(bare, policy=POLICY)


@pytest.fixture
def callout(bare):
    def call(event, action, attrs=None, type_="mhca-ib-small", uuid=UUIDS[0], stdin=None):
        definition = {"mdev_type": type_, "start": "auto", "attrs": attrs or []}
        env = environment(bare.root)
        env["MHCACTL"] = MHCACTL
        return subprocess.run(
            [SCRIPT, "-t", type_, "-e", event, "-a", action, "-s", "none", "-u", uuid,
             "-p", "mhca0"], text=True, capture_output=True, timeout=10, env=env,
            input=json.dumps(definition) if stdin is None else stdin, check=False)
    return call


def test_other_types_are_not_ours(host, callout):
    for event, action in (("pre", "define"), ("get", "attributes"), ("post", "start")):
        assert callout(event, action, type_="i915-GVTg_V5_4").returncode == 2


@pytest.mark.parametrize("action", ["define", "modify", "start"])
def test_definition_is_checked(host, callout, action):
    good = callout("pre", action, [{"rate_mbps": "1000"}, {"mac": "02:00:00:00:00:07"}])
    assert good.returncode == 0 and good.stdout == "" and good.stderr == ""
    wrong = callout("pre", action, [{"rate_mbps": "fast"}])
    assert wrong.returncode == 1 and "rate_mbps=fast: not a number" in wrong.stderr
    unknown = callout("pre", action, [{"colour": "red"}])
    assert unknown.returncode == 1 and "colour: no attribute" in unknown.stderr


def test_definition_needs_no_device(bare, callout):
    """Defined before the driver is loaded."""
    assert callout("pre", "define", [{"max_qp": "64"}]).returncode == 0


@pytest.mark.parametrize("stdin", ["", "{", "[]", '"x"', '{"attrs": 5}', '{"attrs": [5]}'])
def test_broken_definition(host, callout, stdin):
    done = callout("pre", "define", stdin=stdin)
    assert done.returncode == 1 and done.stderr


def test_attributes(host, callout):
    host.write(f"{host.device(UUIDS[0])}/config", "{}")
    done = callout("get", "attributes")
    assert done.returncode == 0
    attrs = json.loads(done.stdout)
    names = [name for attr in attrs for name in attr]
    assert all(len(attr) == 1 for attr in attrs)
    assert {"rate_mbps": "0"} in attrs and {"doorbell": "map"} in attrs
    # Read-only, empty or the sum of the others: not part of a definition.
    assert not {"mac", "description", "config", "state"} & set(names)


def test_attributes_of_a_driver_without_policy(bare, callout):
    three_instances(bare)
    assert json.loads(callout("get", "attributes").stdout) == []


def test_attributes_of_nothing(host, callout):
    assert callout("get", "attributes",
                   uuid="99999999-0000-4000-8000-000000000000").returncode == 1


def test_capabilities(host, callout):
    supports = json.loads(callout("get", "capabilities").stdout)["supports"]
    assert supports["version"] == 2 and "live" in supports["events"]


def test_live_modify(host, callout):
    done = callout("live", "modify", [{"rate_mbps": "500"}, {"weight": "2"}])
    assert done.returncode == 0
    assert host.read(f"{host.device(UUIDS[0])}/rate_mbps") == "500"
    assert host.read(f"{host.device(UUIDS[0])}/weight") == "2"


def test_live_modify_all_or_none(host, callout):
    host.fail(f"{host.device(UUIDS[0])}/weight", "EBUSY")
    done = callout("live", "modify", [{"rate_mbps": "500"}, {"weight": "2"}])
    assert done.returncode == 1 and "in use" in done.stderr
    assert host.read(f"{host.device(UUIDS[0])}/rate_mbps") == "0"


@pytest.mark.parametrize("event, action", [
    ("post", "start"), ("pre", "stop"), ("pre", "undefine"), ("notify", "define"),
    ("get", "something-new"), ("something-new", "define"),
])
def test_everything_else_is_fine(host, callout, event, action):
    done = callout(event, action)
    assert done.returncode == 0 and done.stdout == ""


def test_wrong_calls(host, tool, callout):
    """Never 2: that would say "not our type"."""
    assert callout("pre", "define", uuid="../../x").returncode == 1
    assert "are needed" in tool.fails(1, "mdevctl", "-t", "mhca-ib-small")
    assert tool.run("mdevctl", "--nonsense").returncode == 1
