# SPDX-License-Identifier: GPL-2.0-only
"""SCSI over RDMA between the kernels of two stock guests: SRP and iSER."""

import itertools
import re

import pytest

from guest import wait_until
from lib_fio import verified_io
from test_probe import kernel_complaints

TARGET = "/sys/kernel/config/target"
BACKSTORE = f"{TARGET}/core/rd_mcp_0/disk"
IQN = "iqn.2026-11.test:mhca"
# ib_srpt asks for more than a send queue holds, and then for half of that.
TOO_MANY = r"create_qp.*Create QP type 2 failed"
_ports = itertools.count(5500)


@pytest.fixture
def store(net):
    """b offers a RAM disk of 32 MiB to SCSI target drivers."""
    net.b.check("mkdir -p /etc/target /sys/kernel/config && modprobe -a target_core_mod && "
                "(mountpoint -q /sys/kernel/config || "
                "mount -t configfs none /sys/kernel/config) && "
                f"mkdir -p {BACKSTORE} && cd {BACKSTORE} && echo rd_pages=8192 > control && "
                "echo 1 > enable", 60)
    yield BACKSTORE
    net.b.check(f"rmdir {BACKSTORE} $(dirname {BACKSTORE})", 60)


def gid_of_port(guest):
    """The first GID of a guest's RDMA port, as sysfs writes it."""
    return guest.check("cat /sys/class/infiniband/*/ports/1/gids/0").strip()


@pytest.fixture
def srp(net, store):
    """b exports the disk over ib_srpt; where a finds it."""
    port = next(_ports)
    wwn = "0x" + gid_of_port(net.b).replace(":", "")
    # Who may come: an id extension, which is 0, and a's port GUID.
    initiator = "0x" + 16 * "0" + gid_of_port(net.a).split(":", 4)[4].replace(":", "")
    net.b.check("modprobe ib_srpt && "
                f"mkdir -p {TARGET}/srpt && cd {TARGET}/srpt && "
                f"echo {port} > discovery_auth/rdma_cm_port && mkdir -p {wwn}/1 && cd {wwn}/1 && "
                f"mkdir lun/lun_0 acls/{initiator} && ln -s {store} lun/lun_0/disk && "
                f"mkdir acls/{initiator}/lun_0 && ln -s $PWD/lun/lun_0 acls/{initiator}/lun_0/l && "
                "echo 1 > enable", 60)
    guid = net.b.check("cat /sys/module/ib_srpt/parameters/srpt_service_guid").strip()[2:]
    yield f"id_ext={guid},ioc_guid={guid},dest={net.b.roce_address}:{port}"
    net.a.run("for p in /sys/class/srp_remote_ports/*; do echo 1 > $p/delete; done; sleep 1; "
              "modprobe -r ib_srp", 60)
    net.b.check(f"cd {TARGET}/srpt/{wwn}/1 && echo 0 > enable && rm acls/{initiator}/lun_0/l && "
                f"rmdir acls/{initiator}/lun_0 acls/{initiator} && rm lun/lun_0/disk && "
                f"rmdir lun/lun_0 && cd ../.. && rmdir {wwn}/1 {wwn} && "
                "cd .. && rmdir srpt && modprobe -r ib_srpt", 60)
    assert not complaints(net)
    net.b.check("dmesg -C")


def disk(guest):
    """The one SCSI disk of a guest, when it is there."""
    wait_until(lambda: guest.run("ls /dev/sda")[0] == 0, 30, "the disk")
    return "/dev/sda"


def complaints(net):
    """What the guests' drivers complain of, but for what is known."""
    return [line for guest in (net.a, net.b) for line in kernel_complaints(guest)
            if not re.search(TOO_MANY, line)]


def check_disk(net, record_property):
    """Verified blocks, large requests, and what the instance counted meanwhile."""
    before = net.instances[0].counters()
    record_property("bytes", verified_io(net.a, disk(net.a)))
    net.a.check("dd if=/dev/urandom of=/tmp/data bs=1M count=8 2>&1 && "
                "dd if=/tmp/data of=/dev/sda bs=1M oflag=direct 2>&1 && "
                "dd if=/dev/sda bs=4M count=2 iflag=direct 2>/dev/null | cmp - /tmp/data", 120)
    after = net.instances[0].counters()
    record_property("wqes", after["wqes"] - before["wqes"])
    assert after["qp_errors"] == before["qp_errors"]
    assert not complaints(net)


@pytest.mark.kmsg_ok(TOO_MANY)
def test_srp(net, srp, record_property):
    """ib_srp against ib_srpt, connected by rdma_cm."""
    net.a.check("modprobe -a sd_mod ib_srp && "
                f"echo '{srp}' | tee /sys/class/infiniband_srp/*/add_target", 60)
    check_disk(net, record_property)


@pytest.fixture
def iser(net, store):
    """b exports the disk over ib_isert; its portal."""
    portal = f"{net.b.roce_address}:3260"
    net.b.check("modprobe -a iscsi_target_mod ib_isert && "
                f"mkdir -p {TARGET}/iscsi/{IQN}/tpgt_1 && cd {TARGET}/iscsi/{IQN}/tpgt_1 && "
                f"mkdir lun/lun_0 np/{portal} && ln -s {store} lun/lun_0/disk && "
                f"echo 1 > np/{portal}/iser && cd attrib && echo 0 > authentication && "
                "echo 1 > generate_node_acls && echo 1 > cache_dynamic_acls && "
                "echo 0 > demo_mode_write_protect && echo 1 > ../enable", 60)
    yield portal
    net.a.run(f"iscsiadm -m node -T {IQN} -u; iscsiadm -k 0; modprobe -r ib_iser", 60)
    net.b.check(f"cd {TARGET}/iscsi/{IQN}/tpgt_1 && echo 0 > enable && rm lun/lun_0/disk && "
                f"rmdir lun/lun_0 np/{portal} && cd ../.. && rmdir {IQN}/tpgt_1 {IQN} && cd .. && "
                "rmdir iscsi && modprobe -r ib_isert iscsi_target_mod", 60)


def test_iser(net, iser, record_property):
    """ib_iser against ib_isert, logged in by open-iscsi."""
    net.a.check("modprobe -a sd_mod ib_iser && mkdir -p /etc/iscsi /run/lock/iscsi && "
                "echo InitiatorName=iqn.2026-11.test:a > /etc/iscsi/initiatorname.iscsi && "
                "iscsid", 60)
    net.a.check(f"iscsiadm -m node -o new -T {IQN} -p {iser} -I iser 2>&1 && "
                f"iscsiadm -m node -T {IQN} -p {iser} -l 2>&1", 60)
    check_disk(net, record_property)
