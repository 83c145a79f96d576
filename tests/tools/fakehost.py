# SPDX-License-Identifier: GPL-2.0-only
"""A host made of files: sysfs, proc, tracefs and devices as mhcactl reads them.

The layout is the kernel's (mdev bus, mdev-driver/vfio/sysfs.c); what the kernel
would do on a write is played by fake_kernel.c.
"""

import errno
import os
import re
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]

UUIDS = [
    "0f9a3c52-7f10-4a6c-9c1e-5a1f2b3c4d01",
    "5b2e8d14-1c3a-4d5f-8e9b-112233445502",
    "5b9c0a77-60aa-4f0e-9d7c-66778899aa03",
]

KINDS = ("qp", "srq", "mkey", "cq", "eq", "qcounter", "xrcd", "td", "pd", "uar")

# As in mdev-driver/prm/type.c: QPs, MiB, weight.
SIZES = {"small": (256, 1024, 100), "medium": (4096, 8192, 200), "large": (65536, 65536, 400)}
PORTS = {"ib": "InfiniBand", "roce": "RoCE"}
TYPES = tuple(f"mhca-{port}-{size}" for port in PORTS for size in SIZES)

POLICY = {
    "rate_mbps": "0", "burst_kb": "256", "cmd_rate": "0", "weight": "100",
    "max_qp": "65536", "max_mkey": "1048576", "max_pinned_mb": "65536",
    "doorbell": "map", "segment": "0", "description": "",
}


# Fixed, so that a driver with more counters changes no golden file.
COUNTERS = (
    "commands", "commands_refused", "traps", "doorbell_faults", "doorbell_zaps", "lane_wakes",
    "wqes", "messages", "bytes", "cqes", "error_cqes", "interrupts", "rnr_naks", "drop_qkey",
)


def driver_counters():
    """Names of MHCA_COUNTERS in the driver's header."""
    text = (REPO / "mdev-driver/include/mhca/prm.h").read_text()
    table = text.split("#define MHCA_COUNTERS(X)")[1].split("\n\n")[0]
    return re.findall(r"X\((\w+)\)", table)


class FakeHost:
    """The tree below @root, with no driver until add_parent()."""

    def __init__(self, root):
        self.root = Path(root)
        for path in ("sys/bus", "sys/class", "proc", "dev", ".fake"):
            (self.root / path).mkdir(parents=True)
        self.write("proc/sys/kernel/osrelease", "6.1.0-30-amd64")

    # ---- files ----

    def path(self, path):
        return self.root / path

    def write(self, path, text, mode=0o644):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
        file.chmod(mode)

    def read(self, path):
        return (self.root / path).read_text().rstrip("\n")

    def link(self, path, target):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(target)

    def device(self, uuid):
        return f"sys/bus/mdev/devices/{uuid}"

    def real(self, path):
        """The path below the root that the kernel sees behind links."""
        real = os.path.realpath(self.root / path)
        return os.path.relpath(real, os.path.realpath(self.root))

    # ---- what the fake kernel is told ----

    def fail(self, path, error, message=None):
        """Writes to @path fail with @error; the kernel logs @message."""
        self.write(f".fake/errno/{self.real(path)}", getattr(errno, error))
        if message:
            self.write("dev/kmsg", "6,1,1,-;an old line of mhca")
            self.write(".fake/kmsg", f"5,1001,77000000,-;{message}")

    def hold(self):
        self.write(".fake/hold", "")

    def clock(self, seconds):
        self.write(".fake/clock", seconds)

    def step(self, number, files):
        """What changes during the @number-th sleep."""
        for path, text in files.items():
            if not path.startswith(".fake"):
                path = self.real(path)
            self.write(f".fake/steps/{number}/{path}", text)

    # ---- the driver ----

    def load(self):
        """mhca and mhca_soft loaded, nothing registered."""
        for module in ("mhca", "mhca_soft", "vfio_iommu_type1"):
            (self.root / "sys/module" / module).mkdir(parents=True)
        (self.root / "sys/bus/mdev/devices").mkdir(parents=True)
        (self.root / "sys/class/mdev_bus").mkdir(parents=True)

    def add_parent(self, name="mhca0", types=("mhca-ib-small",), available=63):
        base = f"sys/devices/virtual/mhca/{name}"
        self.link(f"sys/class/mdev_bus/{name}", f"../../devices/virtual/mhca/{name}")
        for type_ in types:
            _, port, size = type_.split("-")
            qps, mib, weight = SIZES[size]
            where = f"{base}/mdev_supported_types/{type_}"
            self.write(f"{where}/create", "", 0o200)
            self.write(f"{where}/name", f"mHCA {PORTS[port]} {size}")
            self.write(f"{where}/description",
                       f"mlx5 virtual function, {PORTS[port]} port; {qps} QPs, "
                       f"{mib} MiB pinned, weight {weight}")
            self.write(f"{where}/device_api", "vfio-pci")
            self.write(f"{where}/available_instances", available)
            (self.root / where / "devices").mkdir()

    def instance_files(self, where, state="closed", lid=1, counters=None, objects=None,
                       pinned=(0, 0), policy=None, guid=1):
        """Attributes of an instance below @where."""
        self.write(f"{where}/state", state, 0o444)
        self.write(f"{where}/open", int(state != "closed"), 0o444)
        self.write(f"{where}/lid", lid, 0o444)
        self.write(f"{where}/node_guid", f"0200:5eff:fe00:{guid:04x}", 0o444)
        self.write(f"{where}/port_guid", f"0200:5eff:fe01:{guid:04x}", 0o444)
        self.write(f"{where}/mac", f"02:00:5e:00:00:{guid:02x}", 0o444)
        self.write(f"{where}/remove", "", 0o200)
        self.write(f"{where}/uevent", "DRIVER=mhca")
        for name in COUNTERS:
            self.write(f"{where}/counters/{name}", (counters or {}).get(name, 0), 0o444)
        for kind in KINDS:
            self.write(f"{where}/counters/objects_{kind}",
                       (objects or {}).get(kind, 0), 0o444)
        self.write(f"{where}/counters/pinned_pages", pinned[0], 0o444)
        self.write(f"{where}/counters/pinned_peak_pages", pinned[1], 0o444)
        for name, value in (policy or {}).items():
            self.write(f"{where}/{name}", value)
        (self.root / where / "power").mkdir(exist_ok=True)

    def add_instance(self, uuid, parent="mhca0", type_="mhca-ib-small", group=None, **files):
        where = f"sys/devices/virtual/mhca/{parent}/{uuid}"
        self.instance_files(where, **files)
        self.link(f"{where}/mdev_type", f"../mdev_supported_types/{type_}")
        self.link(f"{where}/driver", "../../../../../bus/mdev/drivers/mhca")
        if group is not None:
            self.link(f"{where}/iommu_group", f"../../../../../kernel/iommu_groups/{group}")
            self.link(f"sys/kernel/iommu_groups/{group}/devices/{uuid}",
                      f"../../../../devices/virtual/mhca/{parent}/{uuid}")
        self.link(self.device(uuid), f"../../../devices/virtual/mhca/{parent}/{uuid}")

    def template(self, **files):
        """What "create" makes."""
        self.instance_files(".fake/template", **files)

    # ---- processes ----

    def process(self, pid, comm, ticks=0, fds=()):
        self.write(f"proc/{pid}/comm", comm)
        self.write(f"proc/{pid}/stat",
                   f"{pid} ({comm}) S 2 0 0 0 -1 2129984 0 0 0 0 0 {ticks} 0 0 20 0 1 0")
        for number, target in enumerate(fds, start=10):
            self.link(f"proc/{pid}/fd/{number}", target)

    def lane(self, index, ticks=0):
        self.process(100 + index, f"mhca_lane/{index}", ticks)


def three_instances(host, policy=None):
    """The host that most tests look at."""
    host.load()
    host.add_parent("mhca0", TYPES, available=61)
    host.add_instance(UUIDS[0], type_="mhca-ib-medium", group=12, state="initialised",
                      lid=1, guid=1, policy=policy,
                      counters={"commands": 4711, "commands_refused": 3, "messages": 1234567,
                                "bytes": 98765432109, "cqes": 1300000, "traps": 5100,
                                "doorbell_faults": 42, "lane_wakes": 40, "error_cqes": 2},
                      objects={"qp": 12, "mkey": 40, "cq": 9, "pd": 3, "eq": 4, "uar": 8},
                      pinned=(262144, 300000))
    host.add_instance(UUIDS[1], group=13, state="initialised", lid=2, guid=2, policy=policy,
                      counters={"commands": 900, "messages": 1234000, "rnr_naks": 7},
                      objects={"qp": 3, "mkey": 5, "cq": 3}, pinned=(2048, 2048))
    host.add_instance(UUIDS[2], group=14, lid=3, guid=3, policy=policy)
    host.process(4242, "qemu-system-x86", fds=("/dev/kvm", "/dev/vfio/12"))
    host.process(4343, "qemu-system-x86", fds=("/dev/vfio/13",))
    host.lane(0, 12345)
    host.lane(1, 99)
    return host
