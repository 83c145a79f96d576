# SPDX-License-Identifier: GPL-2.0-only
"""libmhca against the kernel driver: on the host through VFIO, in guests through
vfio-pci or with no driver at all, between each other and with stock guests."""

import itertools
import json
import subprocess

import pytest

from guest import wait_until
from lib_net import Bridge
from lib_rdma import BIN, assert_clean, device, verified

_ports = itertools.count(19500)


class Program:
    """A program on the host."""

    def __init__(self, host, name, args):
        # pylint: disable-next=consider-using-with
        self.proc = subprocess.Popen([host.program(name), *args.split()], text=True,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def result(self, timeout=120):
        """(status, output)"""
        try:
            out = self.proc.communicate(timeout=timeout)[0]
        except subprocess.TimeoutExpired:
            self.proc.kill()
            out = self.proc.communicate()[0] + "\n(killed: not done in time)"
        return self.proc.returncode, out

    def kill(self):
        """kill -9."""
        self.proc.kill()
        self.proc.communicate()


def both(host, name, args, server, client, timeout=120):
    """The program between two instances of this host; both outputs."""
    port = next(_ports)
    ends = [Program(host, name, f"{args} -p {port} {server.uuid}"),
            Program(host, name, f"{args} -p {port} {client.uuid} 127.0.0.1")]
    results = [e.result(timeout) for e in reversed(ends)]
    assert [r for r, _ in results] == [0, 0], "\n".join(o for _, o in results)
    return [o for _, o in results]


PINGPONG = ["-t rc -c", "-t uc -c", "-t ud -c", "-t rc -e -c"]
PERF = ["write_bw -s 65536 -n 200 -q 4", "write_bw -a -n 3", "read_bw -s 30000 -n 100 -q 2",
        "send_bw -s 5000 -n 200 -q 2", "atomic_bw -n 200 -q 2", "write_lat -n 50",
        "read_lat -n 50", "send_lat -n 50", "atomic_lat -n 50"]


def test_between_host_clients(alone, record_property):
    """Every service and every opcode, each byte compared."""
    a, b = alone.instance(), alone.instance()
    for args in PINGPONG:
        both(alone, "mhca-pingpong", f"{args} -n 50", a, b)
    for args in PERF:
        out = both(alone, "mhca-perf", f"{args} --verify --json", a, b)[0]
        for line in out.splitlines():
            assert json.loads(line)["verified"]
        record_property(args, out.splitlines()[-1])
    for inst in (a, b):
        assert_clean(inst)
        assert inst.state == "closed"


def test_sixteen_clients(alone):
    """Eight pairs at once."""
    instances = [alone.instance() for _ in range(16)]
    ends = []
    for server, client in zip(instances[::2], instances[1::2]):
        port = next(_ports)
        args = f"write_bw --verify -s 40000 -n 100 -q 4 -p {port}"
        ends.append(Program(alone, "mhca-perf", f"{args} {server.uuid}"))
        ends.append(Program(alone, "mhca-perf", f"{args} {client.uuid} 127.0.0.1"))
    results = [e.result(300) for e in ends]
    assert not any(r for r, _ in results), [o for r, o in results if r]
    for inst in instances:
        assert_clean(inst)


def test_kill_in_mid_transfer(alone):
    """kill -9 of either end: the host holds nothing, the instances work again."""
    a, b = alone.instance(), alone.instance()
    for victim in (0, 1):
        port = next(_ports)
        args = f"write_bw -s 1000000 -n 1000000 -p {port}"
        ends = [Program(alone, "mhca-perf", f"{args} {a.uuid}"),
                Program(alone, "mhca-perf", f"{args} {b.uuid} 127.0.0.1")]
        before = a.counters()["messages"]
        wait_until(lambda n=before: a.counters()["messages"] > n + 20, 60, "traffic")
        ends[victim].kill()
        ends[not victim].kill()
        for inst in (a, b):
            wait_until(lambda i=inst: i.state == "closed", 30, "the instance to close")
            assert_clean(inst)
    both(alone, "mhca-pingpong", "-t rc -c -n 20", a, b)


@pytest.fixture
def bridge():
    """A network between the host and guests."""
    net = Bridge("mhcalib", "10.78.0")
    yield net
    net.remove()


def test_with_stock_guest(host, pair, record_property):
    """mhca-pingpong on the host talks to ibv_*_pingpong of an unmodified guest."""
    mine, guest = host.instance(), pair.a
    for service, options in [("rc", ""), ("uc", ""), ("ud", "-s 1024"), ("rc", "-e")]:
        port = next(_ports)
        common = f"-c -n 50 {options} -p {port}"
        job = guest.start_bg(f"ibv_{service}_pingpong {common} -d {device(guest)}")
        status, out = Program(host, "mhca-pingpong",
                              f"-t {service} {common} {mine.uuid} {guest.address}").result()
        if status:
            job.kill()
        guest_status, guest_out = job.wait()
        assert (status, guest_status) == (0, 0), f"{service}\n{out}\n{guest_out}"
        assert "invalid data" not in guest_out
        record_property(f"{service} {options}", out.splitlines()[-1])


# Not here: what libmhca has not: XRC, SEND with invalidate, moderation of a CQ after it
# was made.
VERIFY = {
    "data": ["rc_*", "uc_*", "ud_*", "solicited_rc", "cq_arming", "cq_resize", "srq_limit",
             "srq_last_wqe"],
    "mistakes": ["error_[rwa]*", "error_send_[!i]*", "rnr_*", "access_*", "dead_peer"],
}


@pytest.mark.parametrize("group", VERIFY)
def test_verify_with_stock_guest(host, pair, record_property, group):
    """mhca-verify over libmhca on the host against mhca-verify over verbs in a guest.

    Every opcode, size class, alignment and mistake, each side in turn the one that
    asks, and each byte compared.
    """
    mine, guest = host.instance(), pair.a
    for tests in VERIFY[group]:
        port = next(_ports)
        job = guest.start_bg(f"{BIN}/mhca-verify -t '{tests}' -p {port}")
        guest.check(f"i=0; until ss -Hltn | grep -q ':{port} '; do i=$((i+1)); "
                    "[ $i -lt 400 ] || exit 1; sleep 0.05; done", 60)
        status, out = Program(host, "mhca-verify-lib", f"-d {mine.uuid} -t {tests} "
                              f"-p {port} {guest.address}").result(600)
        if status:
            job.kill()
        guest_status, guest_out = job.wait(60)
        assert (status, guest_status) == (0, 0), f"{tests}\n{out}\n--- guest\n{guest_out}"
        passed, messages, size = verified(out)
        assert passed
        record_property(tests, {"tests": passed, "messages": messages, "bytes": size})


def function_of(guest):
    """The PCI address of the instance in a guest."""
    return guest.check("grep -l 0x6d48 /sys/bus/pci/devices/*/subsystem_device "
                       "| cut -d/ -f6").strip()


def from_guest(host, guest, mine, record_property, pingpongs):
    """mhca programs in a guest, against the host's."""
    address = function_of(guest)
    guest.check("echo 32 > /proc/sys/vm/nr_hugepages; grep -q 'HugePages_Total:.*32' /proc/meminfo")
    for name, args in [*(("mhca-pingpong", f"{p} -n 30") for p in pingpongs),
                       ("mhca-perf", "write_bw --verify -s 65536 -n 100 -q 2"),
                       ("mhca-perf", "read_bw --verify -s 20000 -n 50"),
                       ("mhca-perf", "send_bw --verify -s 5000 -n 50"),
                       ("mhca-perf", "atomic_lat --verify -n 50"),
                       ("mhca-perf", "write_lat --verify -n 20")]:
        port = next(_ports)
        server = Program(host, name, f"{args} -p {port} {mine.uuid}")
        status, out = guest.run(f"{BIN}/{name} {args} -p {port} {address} 10.78.0.254", 120)
        if status:
            server.kill()
        assert status == 0, f"{name} {args}\n{out}"
        assert server.result()[0] == 0
        record_property(f"{name} {args}", out.splitlines()[-1])


def no_rdma_modules(guest, *also):
    """None of the modules that a stock guest would use."""
    modules = guest.check("cut -d' ' -f1 /proc/modules").split()
    assert not {"mlx5_core", "mlx5_ib", "ib_core", "ib_uverbs", *also} & set(modules)


def test_guest_without_driver(alone, make_guest, bridge, record_property):
    """No mlx5, ib_core or vfio: the PCI resource file and huge pages (way c)."""
    mine, theirs = alone.instance(), alone.instance()
    guest = make_guest([theirs], load=False, extra=bridge.plug())
    bridge.up(guest, 1)
    no_rdma_modules(guest, "vfio", "vfio_pci")
    from_guest(alone, guest, mine, record_property, PINGPONG[:3])
    no_rdma_modules(guest, "vfio", "vfio_pci")
    assert_clean(theirs)


def test_guest_with_vfio_pci(alone, make_guest, bridge, record_property):
    """vfio-pci holds the function, behind an emulated IOMMU (way b); interrupts work."""
    mine, theirs = alone.instance(), alone.instance()
    # The IOMMU first: a function that QEMU makes before it would not be behind it.
    guest = make_guest(load=False, cmdline="intel_iommu=on", extra=[
        *bridge.plug(), "-device", "intel-iommu,intremap=off,caching-mode=on",
        "-device", f"vfio-pci,id=hca0,sysfsdev=/sys/bus/mdev/devices/{theirs.uuid}"])
    bridge.up(guest, 1)
    address = function_of(guest)
    guest.check("modprobe vfio_iommu_type1 allow_unsafe_interrupts=1; modprobe vfio-pci; "
                f"echo vfio-pci > /sys/bus/pci/devices/{address}/driver_override; "
                f"echo {address} > /sys/bus/pci/drivers_probe; ls /dev/vfio/[0-9]*")
    from_guest(alone, guest, mine, record_property, PINGPONG)
    no_rdma_modules(guest)
    assert_clean(theirs)
