# SPDX-License-Identifier: GPL-2.0-only
"""Guest memory that is not all writable, or not pinnable: IOMMUs of the guest's own, files."""

import pytest

from guest import wait_until
from host import sh
from lib_net import Bridge
from lib_rdma import device, exchange
from lib_roce import bring_up, gid_index
from test_probe import kernel_complaints

# Every mapping is one of the guest's own, made and undone for each frame and message.
STRICT = "iommu=nopt iommu.strict=1"
IOMMUS = {
    "intel": ("intel-iommu,caching-mode=on,intremap=off", f"intel_iommu=on {STRICT}"),
    "virtio": ("virtio-iommu-pci", STRICT),
}


@pytest.fixture
def behind_iommu(host, make_guest):
    """Factory: two guests with an instance of a type each, behind an IOMMU."""
    nets = []

    def start(kind, iommu):
        net = Bridge()
        nets.append(net)
        dev, cmdline = IOMMUS[iommu]
        guests = []
        for name in "ab":
            inst = host.instance(kind)
            guests.append(make_guest([inst], name=f"{iommu}-{name}", start=False, iommu=dev,
                                     cmdline=cmdline, extra=net.plug()))
            guests[-1].inst = inst
            guests[-1].start(wait=False)
        for number, guest in enumerate(guests, 1):
            guest.wait_boot()
            net.up(guest, number)
            groups = guest.check("ls /sys/kernel/iommu_groups").split()
            assert groups, "no IOMMU in the guest"
            path = f"/sys/class/infiniband/{device(guest)}/device/iommu_group/type"
            assert guest.check(f"cat {path}").strip() == "DMA"
        return guests

    yield start
    for net in nets:
        net.remove()


@pytest.mark.parametrize("iommu", IOMMUS)
def test_roce(behind_iommu, iommu):
    """Frames, and the verbs of processes, in both directions."""
    a, b = behind_iommu("roce", iommu)
    for number, guest in enumerate((a, b), 1):
        bring_up(guest, number)
    a.check(f"busybox ping -c 5 -W 10 {b.roce_address}", 120)
    a.check(f"busybox ping -c 3 -s 1400 -W 10 {b.roce_address}", 120)
    index = gid_index(a)
    for tool in ("ibv_rc_pingpong -c -n 50 -s 4096", "ibv_ud_pingpong -c -n 50 -s 1024"):
        exchange(b, a, f"{tool} -d {device(b)} -g {index}")
    for guest in (a, b):
        assert not kernel_complaints(guest)
        counters = guest.inst.counters()
        assert counters["error_cqes"] == counters["commands_refused"] == 0, counters


def test_ib(behind_iommu):
    """MADs, whose buffers the kernel maps for one direction, and the verbs of processes."""
    a, b = behind_iommu("ib", "intel")
    server = b.start_bg("ibping -S")
    lid = b.check("cat /sys/class/infiniband/*/ports/1/lid").strip()
    wait_until(lambda: a.run(f"ibping -c 1 -t 2000 -L {int(lid, 0)}", 60)[0] == 0, 60,
               "the server's answer")
    out = a.check(f"ibping -c 5 -t 5000 -L {int(lid, 0)}", 120)
    assert "5 packets transmitted, 5 received" in out, out
    server.kill()
    exchange(b, a, f"ibv_rc_pingpong -c -n 50 -s 4096 -d {device(b)}")
    for guest in (a, b):
        assert not kernel_complaints(guest)
        counters = guest.inst.counters()
        assert counters["error_cqes"] == counters["commands_refused"] == 0, counters


def host_log(text):
    """Has the host's kernel said it?"""
    return text in sh("dmesg")[1]


@pytest.mark.kmsg_ok(r"mlx5_core .*", r"mhca: .* refused: guest memory cannot be pinned")
def test_memory_in_a_file_of_a_disk(host, make_guest, tmp_path):
    """It cannot be pinned: the log says that, and what can."""
    release = tuple(map(int, sh("uname -r")[1].split(".")[:2]))
    if release < (6, 5):
        pytest.skip("kernels before 6.5 pin it")
    image, mount = tmp_path / "disk", tmp_path / "mount"
    mount.mkdir()
    rc, out = sh(f"modprobe -a loop ext4 && truncate -s 700M {image} && "
                 f"busybox mke2fs -F {image} && mount -t ext4 -o loop {image} {mount}")
    assert rc == 0, out
    try:
        inst = host.instance("roce")
        backend = f"memory-backend-file,id=m0,share=on,size=512M,mem-path={mount}/ram"
        guest = make_guest([inst], mem=512, machine="q35,memory-backend=m0",
                           extra=["-object", backend])
        assert not guest.run("ls -d /sys/bus/pci/drivers/mlx5_core/0*/net")[1].startswith("/")
        assert host_log("guest memory cannot be pinned: memfd, tmpfs and hugetlbfs can")
        guest.kill()
    finally:
        sh(f"umount {mount}")
