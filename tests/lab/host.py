# SPDX-License-Identifier: GPL-2.0-only
"""The host as the tests see it: our modules, instances, the kernel log."""

import contextlib
import glob
import os
import pathlib
import re
import subprocess
import uuid as uuidlib

MDEV = pathlib.Path("/sys/bus/mdev/devices")
DEPENDS = ["vfio", "vfio_iommu_type1", "vfio_pci", "mdev",
           "tun"]


def sh(cmd, timeout=120):
    """Run a shell command on the host; (status, output)."""
    p = subprocess.run(["sh", "-c", cmd], stdin=subprocess.DEVNULL, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=timeout, check=False, errors="replace")
    return p.returncode, p.stdout


def write_once(path, value):
    """One write() to a sysfs file. Path.write_text() writes what was refused again when it closes."""
    with open(path, "wb", buffering=0) as f:
        f.write(str(value).encode())


def base_modules():
    """What a host of mediated devices has loaded before ours."""
    svm = re.search(r"\bsvm\b", pathlib.Path("/proc/cpuinfo").read_text())
    for name in ["kvm_amd" if svm else "kvm_intel", *DEPENDS]:
        sh(f"modprobe -q {name}")


class Kmsg:
    """Reads /dev/kmsg: what the host's kernel has said since the last read."""

    def __init__(self):
        self.fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self.fd, 0, os.SEEK_END)

    def new(self):
        """New lines as text."""
        lines = []
        while True:
            try:
                record = os.read(self.fd, 16384).decode("utf-8", "replace")
            except BlockingIOError:
                return "\n".join(lines)
            except BrokenPipeError:
                lines.append("… (records lost)")
                continue
            text = record.split("\n")[0].partition(";")[2]
            lines.append(re.sub(r"\\x([0-9a-f]{2})",
                                lambda m: chr(int(m[1], 16)), text))


class Instance:
    """One mediated instance, made through sysfs as a user would.

    kind    which personality: the mdev type whose name contains "-<kind>"
    parent  name of the parent device in /sys/class/mdev_bus, first by default
    attrs   attributes to write after creation
    """

    def __init__(self, kind="ib", parent=None, uuid=None, **attrs):
        self.uuid = str(uuid or uuidlib.uuid4())
        self.path = MDEV / self.uuid
        self.type = self.find_type(kind, parent)
        write_once(self.type / "create", self.uuid)
        try:
            for name, value in attrs.items():
                self.write(name, value)
        except OSError:
            self.remove()
            raise

    @staticmethod
    def find_type(kind="ib", parent=None):
        """The mdev type's directory in sysfs."""
        found = sorted(glob.glob(f"/sys/class/mdev_bus/{parent or '*'}/"
                                 f"mdev_supported_types/*-{kind}*"))
        if not found:
            have = glob.glob("/sys/class/mdev_bus/*/mdev_supported_types/*")
            raise AssertionError(f"no mdev type *-{kind}*; there are: {have}")
        return pathlib.Path(found[0])

    @classmethod
    def available(cls, kind="ib", parent=None):
        """How many more can be created."""
        return int((cls.find_type(kind, parent)
                    / "available_instances").read_text())

    def file(self, name):
        """The path of an attribute, at the top or in an attribute group."""
        direct = self.path / name
        if direct.exists():
            return direct
        return next(iter(self.path.glob(f"*/{name}")), direct)

    def read(self, name):
        """An attribute's text."""
        return self.file(name).read_text().strip()

    def write(self, name, value):
        """Write an attribute, once; OSError carries the driver's errno."""
        write_once(self.file(name), value)

    @property
    def state(self):
        """The attribute `state`."""
        return self.read("state")

    def counters(self):
        """All of counters/ as a dict of integers."""
        result = {}
        for f in (self.path / "counters").iterdir():
            result[f.name] = int(f.read_text(), 0)
        return result

    def exists(self):
        """True until it is removed."""
        return self.path.exists()

    def remove(self):
        """Remove the mdev; blocks while it is in use, as the driver does."""
        write_once(self.path / "remove", "1")


class Host:
    """Loads and unloads our modules, makes instances."""

    def __init__(self, conf):
        self.conf = conf
        self.out = pathlib.Path(conf["modules"])
        self.kmsg = Kmsg()
        self.instances = []

    def loaded(self, name):
        """True if a module is loaded."""
        return pathlib.Path(f"/sys/module/{name}").exists()

    def insmod(self, name, args=""):
        """Load one of our modules, and before it what it depends on."""
        if self.loaded(name):
            return
        ko = self.out / f"{name}.ko"
        for dep in sh(f"modinfo -F depends {ko}")[1].strip().split(","):
            if dep and (self.out / f"{dep}.ko").exists():
                self.insmod(dep)
            elif dep:
                sh(f"modprobe {dep}")
        rc, out = sh(f"insmod {ko} {args}")
        assert rc == 0, f"insmod {ko.name}: {out}"

    def load(self, soft_args="", core_args=""):
        """What a user's modprobe of mhca_soft would load."""
        self.insmod("mhca", core_args)
        lane_cpus = self.conf.get("lane_cpus")
        if lane_cpus and "cpus=" not in soft_args:
            soft_args += f" cpus={lane_cpus}"
        self.insmod("mhca_soft", soft_args)

    def unload(self):
        """Remove instances, then the modules; an assertion if one stays."""
        self.remove_instances()
        for name in ("mhca_mlx5", "mhca_soft", "mhca"):
            if self.loaded(name):
                rc, out = sh(f"rmmod {name}")
                assert rc == 0, f"rmmod {name}: {out}"

    def instance(self, kind="ib", **kw):
        """Create an instance that is removed at the end of the session."""
        inst = Instance(kind, **kw)
        self.instances.append(inst)
        return inst

    def remove_instances(self):
        """Remove every instance this object created."""
        while self.instances:
            inst = self.instances.pop()
            if inst.exists():
                with contextlib.suppress(FileNotFoundError):
                    inst.remove()

    def program(self, name):
        """Path of a test program of tests/system/progs, for the host."""
        out = pathlib.Path(self.conf["guests"][self.conf["suite"]]["out"])
        return str(out / "bin" / name)

    def run(self, cmd, timeout=120):
        """Run a shell command on the host; (status, output)."""
        return sh(cmd, timeout)

    def check(self, cmd, timeout=120):
        """Run a host command that must succeed; its output."""
        rc, out = sh(cmd, timeout)
        assert rc == 0, f"host: `{cmd}` ended with {rc}:\n{out}"
        return out

    @staticmethod
    def check_leaks():
        """Where kmemleak is: nothing of ours is lost."""
        f = pathlib.Path("/sys/kernel/debug/kmemleak")
        if f.exists():
            f.write_text("scan")
            f.write_text("scan")
            leaks = f.read_text()
            assert "mhca" not in leaks and "soft_" not in leaks, leaks

    @staticmethod
    def check_lockdep():
        """Where lockdep is: it did not give up, so all of the run was checked."""
        f = pathlib.Path("/proc/lockdep_stats")
        if f.exists():
            assert re.search(r"debug_locks:\s+1\b", f.read_text()), "lockdep is off"
