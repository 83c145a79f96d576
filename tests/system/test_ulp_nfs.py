# SPDX-License-Identifier: GPL-2.0-only
"""NFS over RDMA between the kernels of two stock guests."""

import pytest

from lib_fio import verified_io
from test_probe import kernel_complaints

PORT = 20049
SHARE = "/run/share"
MOUNTED = "/run/mounted"


@pytest.fixture
def mounted(net):
    """b exports a file system over RDMA, NFS 4.2 only; a mounts it. Where."""
    net.b.check(f"mkdir -p {SHARE} && mount -t tmpfs tmpfs {SHARE} && modprobe -a nfsd rpcrdma && "
                "(mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd) && "
                "echo 10 > /proc/fs/nfsd/nfsv4gracetime && "
                f"exportfs -o rw,no_root_squash,insecure,fsid=0 '*:{SHARE}' && "
                f"rpc.mountd -N 3 && rpc.nfsd -N 3 -V 4.2 --rdma={PORT} 2", 120)
    # Without mount.nfs, which would ask an rpcbind.
    net.a.check(f"modprobe -a nfsv4 rpcrdma && mkdir -p {MOUNTED} && mount -i -t nfs4 "
                f"-o addr={net.b.roce_address},clientaddr={net.a.roce_address},proto=rdma,"
                f"port={PORT},vers=4.2,rsize=262144,wsize=262144 "
                f"{net.b.roce_address}:/ {MOUNTED}", 120)
    yield MOUNTED
    net.a.run(f"umount {MOUNTED}; modprobe -r nfsv4 nfs rpcrdma", 60)
    net.b.run(f"rpc.nfsd 0; exportfs -ua; pkill rpc.mountd; umount {SHARE} /proc/fs/nfsd; "
              "modprobe -r nfsd rpcrdma", 60)


def test_nfs(net, mounted, record_property):
    """Files written and read with O_DIRECT and through the page cache, and compared."""
    assert "proto=rdma" in net.a.check("cat /proc/mounts")
    before = net.instances[0].counters()
    record_property("bytes", verified_io(net.a, f"{mounted}/blocks"))
    net.a.check("dd if=/dev/urandom of=/tmp/data bs=1M count=8 2>&1 && "
                f"cp /tmp/data {mounted}/data && sync && echo 3 > /proc/sys/vm/drop_caches && "
                f"cmp /tmp/data {mounted}/data", 120)
    sums = [guest.check(f"sha256sum {path}").split()[0] for guest, path in (
        (net.a, "/tmp/data"), (net.b, f"{SHARE}/data"))]
    assert sums[0] == sums[1]
    net.a.check(f"cd {mounted} && mkdir -p d && i=0; while [ $i -lt 100 ]; do "
                "echo $i > d/$i; i=$((i+1)); done; [ $(cat d/* | sort -n | tail -1) = 99 ]", 120)
    after = net.instances[0].counters()
    record_property("wqes", after["wqes"] - before["wqes"])
    assert after["qp_errors"] == before["qp_errors"]
    for guest in (net.a, net.b):
        assert not kernel_complaints(guest)
