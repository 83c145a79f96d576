# SPDX-License-Identifier: GPL-2.0-only
"""The fixtures live in tests/lab/fixtures.py, shared with tests/bench, and direct_fixtures.py."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))

if os.environ.get("MHCA_FRONT_END", "mdev") == "vfio-user":
    from direct_fixtures import *       # noqa: E402,F401,F403
    from direct_fixtures import PAIRS   # noqa: E402
else:
    from fixtures import *      # noqa: E402,F401,F403
    from fixtures import PAIRS  # noqa: E402
from guest import wait_until  # noqa: E402
from host import sh  # noqa: E402
from lib_client import Client  # noqa: E402
from lib_roce import bring_up  # noqa: E402


@pytest.fixture
def net(roce_pair):
    """Two guests with RoCE instances, whose netdevs have addresses."""
    for number, guest in enumerate((roce_pair.a, roce_pair.b), 1):
        guest.dev = bring_up(guest, number)
    return roce_pair


@pytest.fixture
def udev():
    """udevd with the rules of mHCA and mdevctl and no others: VMs need none."""
    rules, tools = "/usr/lib/udev/rules.d", pathlib.Path(__file__).parents[2] / "host-tools/udev"
    rc, out = sh(f"cp {rules}/60-mdevctl.rules /run/ && mount -t tmpfs none {rules} && "
                 f"install -m 644 /run/60-mdevctl.rules {tools}/70-mhca.rules {rules}/ && "
                 f"install -D -m 755 {tools}/owns-group /usr/lib/mhca/owns-group && "
                 "/usr/lib/systemd/systemd-udevd --daemon")
    assert rc == 0, out
    wait_until(lambda: sh("udevadm control --ping")[0] == 0, 30, "udevd")
    yield
    sh(f"udevadm control --exit; umount {rules}; rm /usr/lib/mhca/owns-group")


@pytest.fixture(autouse=True)
def instances_of_the_test(request):
    """Removes the instances that the test made: the host has room for few large ones.

    What fixtures of wider scope made before and the pairs of guests stay. make_guest
    is torn down first, so no guest uses them any more; clients that a failing test
    left behind are ended, for a removal waits for them.
    """
    if "host" not in request.fixturenames:
        yield
        return
    host = request.getfixturevalue("host")
    kept, clients = list(host.instances), list(Client.all)
    yield
    for client in Client.all[len(clients):]:
        if client.proc.poll() is None:
            client.kill()
    for inst in list(host.instances):
        if inst in kept or any(inst in pair.instances for pair in PAIRS):
            continue
        host.instances.remove(inst)
        if inst.exists():
            inst.remove()
