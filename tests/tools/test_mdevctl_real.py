# SPDX-License-Identifier: GPL-2.0-only
"""The call-out under the real mdevctl, in a mount namespace whose /sys is made up."""

import json
import os
import shutil
import subprocess

import pytest

from conftest import MHCACTL, REPO, environment
from fakehost import POLICY, TYPES, UUIDS, three_instances

NEW = "77777777-1c3a-4d5f-8e9b-112233445599"

SCRIPT = r"""
set -e
mount --make-rprivate /
mkdir -p "$ROOT/etc/scripts.d/callouts" "$ROOT/etc/scripts.d/notifiers"
ln -sf "$CALLOUT" "$ROOT/etc/scripts.d/callouts/mhca.sh"
mount --bind "$ROOT/etc" /etc/mdevctl.d
mount --rbind "$ROOT/sys" /sys
exec mdevctl "$@"
"""


def usable():
    if not shutil.which("mdevctl") or not os.path.isdir("/etc/mdevctl.d"):
        return "mdevctl is not installed"
    probe = subprocess.run(["unshare", "-m", "sh", "-c", "mount --make-rprivate / && "
                            "mount -t tmpfs none /mnt"], capture_output=True, check=False)
    return None if probe.returncode == 0 else "no right to make a mount namespace"


pytestmark = pytest.mark.skipif(usable() is not None, reason=str(usable()))


@pytest.fixture
def mdevctl(bare, tmp_path):
    three_instances(bare, policy=POLICY)
    (bare.root / "etc").mkdir()

    def run(*args):
        env = environment(None)
        env.update(ROOT=str(bare.root), CALLOUT=str(REPO / "host-tools/mdevctl/mhca.sh"),
                   MHCACTL=MHCACTL)
        return subprocess.run(["unshare", "-m", "sh", "-c", SCRIPT, "sh", *args], env=env,
                              text=True, capture_output=True, timeout=20, check=False)
    return run


def define(mdevctl, tmp_path, attrs):
    file = tmp_path / "definition.json"
    file.write_text(json.dumps({"mdev_type": "mhca-ib-small", "start": "auto", "attrs": attrs}))
    return mdevctl("define", "--uuid", NEW, "--parent", "mhca0", "--jsonfile", str(file))


def test_types(mdevctl):
    """mdevctl reads the driver's type directories."""
    done = mdevctl("types", "--dumpjson")
    types = json.loads(done.stdout)[0]["mhca0"]
    assert {name for entry in types for name in entry} == set(TYPES)


def test_define(mdevctl, bare, tmp_path):
    attrs = [{"rate_mbps": "1000"}, {"description": "tenant 7"}]
    done = define(mdevctl, tmp_path, attrs)
    assert done.returncode == 0, done.stderr
    stored = json.loads((bare.root / "etc/mhca0" / NEW).read_text())
    assert stored["mdev_type"] == "mhca-ib-small" and stored["attrs"] == attrs


def test_wrong_definition_is_not_stored(mdevctl, bare, tmp_path):
    done = define(mdevctl, tmp_path, [{"rate_mbps": "fast"}])
    assert done.returncode != 0
    assert not (bare.root / "etc/mhca0" / NEW).exists()


def test_attributes_of_a_running_instance(mdevctl):
    """list --dumpjson asks the call-out: that is what "define" of it would store."""
    done = mdevctl("list", "--uuid", UUIDS[0], "--dumpjson")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["mdev_type"] == "mhca-ib-medium"
    assert {"rate_mbps": "0"} in shown["attrs"]


def test_define_from_running(mdevctl, bare):
    done = mdevctl("define", "--uuid", UUIDS[0])
    assert done.returncode == 0, done.stderr
    stored = json.loads((bare.root / "etc/mhca0" / UUIDS[0]).read_text())
    assert {"doorbell": "map"} in stored["attrs"]
