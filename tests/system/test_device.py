# SPDX-License-Identifier: GPL-2.0-only
"""What tools ask the adapter itself: port and Q counters, its description, moderation, path MTU."""

import re

import pytest

from lib_rdma import device, exchange
from lib_roce import bring_up, gid_index
from test_ethernet import iperf
from test_probe import kernel_complaints

COUNTERS = "cd /sys/class/infiniband/*/ports/1/{} && grep . *"


def sysfs(guest, group):
    """The counters of a group as a dict."""
    text = guest.check(COUNTERS.format(group))
    return {name: int(value) for name, value in re.findall(r"^(\w+):(\d+)$", text, re.M)}


def perfquery(guest, lid, options=""):
    """What the port of a LID answers, as a dict."""
    text = guest.check(f"perfquery {options} {lid} 1", 60)
    return {name: int(value) for name, value in re.findall(r"^(\w+):\.*(\d+)$", text, re.M)}


def test_perfquery(pair):
    """A port's counters, asked by the other guest: both widths, set to zero, and sysfs."""
    a, b = pair.a, pair.b
    for guest in (a, b):
        guest.check("modprobe ib_umad")
    refused = [inst.counters()["commands_refused"] for inst in pair.instances]
    lid = int(b.check("cat /sys/class/infiniband/*/ports/1/lid"), 16)
    before = perfquery(a, lid, "-x"), perfquery(a, lid)
    exchange(b, a, "ibv_rc_pingpong -n 100 -s 4096")
    after = perfquery(a, lid, "-x"), perfquery(a, lid)
    # 100 messages of 4,096 bytes each way, in units of four.
    for old, new in zip(before, after):
        for name in ("PortXmitData", "PortRcvData"):
            assert new[name] - old[name] >= 102400, (name, before, after)
        for name in ("PortXmitPkts", "PortRcvPkts"):
            assert new[name] - old[name] >= 100, (name, before, after)
    counted = sysfs(b, "counters")
    # Asking is traffic, too: a MAD has 256 bytes.
    assert 0 <= perfquery(b, lid, "-x")["PortXmitData"] - counted["port_xmit_data"] < 1024
    a.check(f"perfquery -x -R {lid} 1", 60)
    assert perfquery(a, lid, "-x")["PortXmitData"] < 102400
    assert [inst.counters()["commands_refused"] for inst in pair.instances] == refused


def test_node_description(pair):
    """As rdma-ndd writes it at boot: no refusal, and it is what is read."""
    inst = pair.instances[0]
    before = inst.counters()["commands_refused"]
    path = f"/sys/class/infiniband/{device(pair.a)}/node_desc"
    pair.a.check(f"echo 'a guest' > {path}")
    assert pair.a.check(f"cat {path}").strip() == "a guest"
    assert inst.counters()["commands_refused"] == before


@pytest.mark.every_kernel
@pytest.mark.others_full
def test_hw_counters(roce_pair):
    """Q counters say what happened to a guest's QPs; a port's, what it moved."""
    a, b = roce_pair.a, roce_pair.b
    for number, guest in enumerate((a, b), 1):
        bring_up(guest, number)
    before, port = sysfs(b, "hw_counters"), sysfs(b, "counters")
    index = gid_index(b)
    exchange(b, a, f"ib_write_lat -F -n 50 -s 8 -x {index}")
    after = sysfs(b, "hw_counters")
    assert after["rx_write_requests"] - before["rx_write_requests"] >= 50, (before, after)
    assert {"out_of_sequence", "duplicate_request", "req_cqe_error", "resp_remote_access_errors",
            "rnr_nak_retry_err", "local_ack_timeout_err"} <= set(after), after
    assert sysfs(b, "counters")["port_rcv_packets"] - port["port_rcv_packets"] >= 50
    # A receiver without buffers for a moment: its peer waits and tries again.
    exchange(b, a, f"ibv_rc_pingpong -g {index} -n 20 -s 64")
    assert not kernel_complaints(b)


@pytest.mark.every_kernel
@pytest.mark.others_full
@pytest.mark.kmsg_ok("INIT2RTR_QP.* failed")
def test_path_mtu(roce_pair):
    """A path MTU that the netdev's frames do not hold is refused at RTR."""
    a, b = roce_pair.a, roce_pair.b
    dev = [bring_up(guest, number) for number, guest in enumerate((a, b), 1)]
    index = gid_index(a)
    text = a.check("ibv_devinfo")
    assert re.search(r"active_mtu:\s+1024", text), text
    exchange(b, a, f"ibv_rc_pingpong -g {index} -m 1024 -n 20")
    with pytest.raises(AssertionError, match="Failed to modify QP to RTR"):
        exchange(b, a, f"ibv_rc_pingpong -g {index} -m 4096 -n 20")
    for guest, name in zip((a, b), dev):
        guest.check(f"ip link set {name} mtu 4200", 120)
    try:
        exchange(b, a, f"ibv_rc_pingpong -g {index} -m 4096 -n 20")
    finally:
        for guest, name in zip((a, b), dev):
            guest.check(f"ip link set {name} mtu 1500; dmesg -C", 120)


@pytest.mark.every_kernel
@pytest.mark.others_full
def test_moderation_under_traffic(net):
    """ethtool -C, adaptive too, and CQE compression: each while frames go."""
    a, b = net.a, net.b
    refused = net.instances[0].counters()["commands_refused"]
    for setting in ("-C {} adaptive-rx off rx-usecs 64 rx-frames 16",
                    "-C {} tx-usecs 8 tx-frames 8", "-C {} adaptive-rx on", "--set-priv-flags {} rx_cqe_compress on",
                    "--set-priv-flags {} rx_cqe_compress off",
                    "-C {} adaptive-rx off rx-usecs 8 rx-frames 128"):
        a.check("ethtool " + setting.format(a.dev), 120)
        assert iperf(a, b, a.roce_address, seconds=1) > 0
    assert "rx-usecs:\t8" in a.check(f"ethtool -c {a.dev}")
    assert net.instances[0].counters()["commands_refused"] == refused
    # The driver says what it has to give up for compression.
    assert not [line for line in kernel_complaints(a) if "Disabling rxhash" not in line]
    a.check("dmesg -C")
