# SPDX-License-Identifier: GPL-2.0-only
"""Guests directly on this machine: mhcad instead of a virtual host with the kernel's driver.

QEMU is the newest that a lab image has (10.1 is the first with vfio-user-pci), run with the
image's own loader; KVM where it runs a guest, else TCG. Nothing needs root.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

import build
import image
import runner
from common import CHILDREN, DEFAULT_SUITE, TOP, LabError, cache_dir, step
from guest import CMDLINE, Guest
from vm import accel

SUITE = "sid"           # whose QEMU: trixie's, 10.0, has no vfio-user client


def qemu():
    """The emulator, as the beginning of a command."""
    root = image.image_dir(SUITE) / "rootfs"
    lib = root / "usr/lib/x86_64-linux-gnu"
    return [str(x) for x in (
        root / "usr/lib64/ld-linux-x86-64.so.2", "--library-path", lib,
        root / "usr/bin/qemu-system-x86_64",
        "-L", root / "usr/share/qemu", "-L", root / "usr/share/seabios")]


def guest_conf(suite=DEFAULT_SUITE):
    """What Guest wants to know of an image."""
    where = image.image_dir(suite)
    return {"kernel": str(where / "vmlinux"), "initrd": str(image.initrd(suite)),
            "disk": str(where / "rootfs.sqfs"), "serial": None,
            "out": str(cache_dir() / suite / "out")}


def program():
    """mhcad, built as it is for use: optimised, without sanitizers."""
    where = TOP / "build" / "mhcad"
    with open(os.devnull, "wb") as nothing:
        if not (where / "build.ninja").exists():
            CHILDREN.run(["meson", "setup", where, TOP, "-Db_sanitize=none",
                          "-Dbuildtype=release", "-Dtests=disabled", "-Dlibmhca=disabled",
                          "-Dhost_tools=disabled", "-Dmhcad=enabled"], stdout=nothing)
    if CHILDREN.run(["ninja", "--quiet", "-C", where, "vfio-user/mhcad"],
                    stdout=sys.stderr).returncode:
        raise LabError("mhcad cannot be built")
    return where / "vfio-user/mhcad"


def run_tests(args):
    """System tests with guests on this machine; (passed, failed, skipped)."""
    if not shutil.which("meson"):
        raise LabError("meson is missing: tests/lab/mhca-lab deps unit")
    suites = args.guest_suite or [args.suite]
    for s in dict.fromkeys([SUITE, DEFAULT_SUITE, *suites]):
        image.ensure(s)
    if not args.no_build:
        for s in suites:
            build.ensure(s, modules=False)
    mhcad = program()
    logs = runner.new_logs()
    (logs / "lab.json").write_text(json.dumps({
        "suite": args.suite, "here": True, "guest_suites": suites, "budget": args.budget,
        "guests": {s: guest_conf(s) for s in suites}}))
    os.environ.update(MHCA_FRONT_END="vfio-user", MHCA_MHCAD=str(mhcad))
    step("tests", f"guests on this machine: {' '.join(accel(*image_boot(suites[0]))[:2])}")
    p = CHILDREN.run(["sh", "-c", runner.pytest_command(args, TOP, logs)])
    return runner.verdict(logs, p.returncode, [])


def image_boot(suite):
    """(kernel, initramfs) of a suite's image."""
    conf = guest_conf(suite)
    return conf["kernel"], conf["initrd"]


class Instance:
    """An instance of mhcad, with what tests ask an instance in sysfs for."""

    def __init__(self, control, name):
        self.control, self.uuid = control, name

    def ask(self, *words):
        """A request to the control socket; the answer's text, or OSError."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.connect(self.control)
            s.send(" ".join(map(str, words)).encode())
            head, _, text = s.recv(65536).decode().partition("\n")
        if head != "ok":
            _, code, why = head.split(" ", 2)
            raise OSError(int(code), why)
        return text

    def read(self, name):
        """An attribute's text, of whatever group."""
        for group in ("", "counters/", "clamped/", "visible/"):
            with contextlib.suppress(FileNotFoundError):
                return self.ask("read", self.uuid, group + name).strip()
        raise FileNotFoundError(name)

    def write(self, name, value):
        """Write an attribute of policy; OSError carries the errno."""
        self.ask("write", self.uuid, name, value)

    @property
    def state(self):
        """The attribute `state`."""
        return self.read("state")

    def counters(self):
        """All of them, as a dict of integers."""
        lines = self.ask("read", self.uuid, "counters").splitlines()
        return {name: int(value) for name, value in map(str.split, lines)}


class Server:
    """mhcad with some instances. Use as a context manager.

    kinds   types of the instances, in order
    policy  attributes of all of them
    """

    def __init__(self, program, kinds, *, logs, policy=None, **settings):
        self.tmp = tempfile.TemporaryDirectory(prefix="mhcad-")
        where = pathlib.Path(self.tmp.name)
        self.sockets = [str(where / f"{i}.sock") for i in range(len(kinds))]
        self.config = where / "config.json"
        control = str(where / "control.sock")
        self.instances = [Instance(control, str(uuid.uuid5(uuid.NAMESPACE_OID, f"mhcad-{i}")))
                          for i in range(len(kinds))]
        self.config.write_text(json.dumps({**settings, "control": control, "instances": [
            {"uuid": inst.uuid, "type": kind, "socket": path, "policy": policy or {}}
            for inst, kind, path in zip(self.instances, kinds, self.sockets)]}))
        self.program, self.log, self.proc = str(program), pathlib.Path(logs) / "mhcad.log", None

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.proc = subprocess.Popen([self.program, "-c", str(self.config)],
                                         stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while not all(pathlib.Path(s).is_socket() for s in self.sockets):
            if self.proc.poll() is not None or time.monotonic() > end:
                raise LabError(f"mhcad does not start: {self.log.read_text()}")
            time.sleep(0.05)
        return self

    def __exit__(self, *exc):
        self.proc.send_signal(signal.SIGTERM)
        try:
            self.proc.wait(20)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
        self.tmp.cleanup()


class Wire:
    """A network between two guests that needs no privileges: a socket of QEMU's."""

    def __init__(self, subnet="10.77.0"):
        self.subnet, self.plugged = subnet, 0
        self.tmp = tempfile.TemporaryDirectory(prefix="mhca-wire-")

    def plug(self):
        """QEMU arguments of a network card for the next guest; the first one listens."""
        self.plugged += 1
        netdev = {"type": "stream", "id": "wire", "server": self.plugged == 1,
                  "addr": {"type": "unix", "path": f"{self.tmp.name}/wire"}}
        if self.plugged > 1:
            netdev["reconnect-ms"] = 200
        return ["-netdev", json.dumps(netdev), "-device",
                f"virtio-net-pci,netdev=wire,mac=52:54:00:77:00:{self.plugged:02x},romfile="]

    def up(self, guest, number):
        """Give a running guest its address; it is kept as guest.address."""
        guest.address = f"{self.subnet}.{number}"
        name = guest.check("ls -d /sys/bus/virtio/drivers/virtio_net/*/net/*")
        name = name.rpartition("/")[2].strip()
        guest.check(f"sysctl -qw net.ipv6.conf.{name}.disable_ipv6=1; "
                    f"ip addr add {guest.address}/24 dev {name} && ip link set {name} up")

    def remove(self):
        """Remove the socket."""
        self.tmp.cleanup()


class DirectGuest(Guest):
    """A guest whose instances are sockets of mhcad."""

    def argv(self):
        """The QEMU command line."""
        cpu = accel(self.conf["kernel"], self.conf["initrd"])
        tcg = cpu[1].startswith("tcg")
        cmdline = (f"{CMDLINE} mhca.load={int(self.load)} {self.cmdline}"
                   + " tsc=reliable" * tcg)
        a = [*qemu(), "-name", f"mhca-{self.name}", "-nodefaults", "-no-user-config",
             "-display", "none", "-M", f"{self.machine},hpet=off,memory-backend=mem",
             "-object", f"memory-backend-memfd,id=mem,size={self.mem}M,share=on", *cpu,
             "-smp", str(self.cpus), "-m", str(self.mem),
             "-kernel", self.conf["kernel"], "-initrd", self.conf["initrd"],
             "-append", cmdline, "-serial", "chardev:con",
             "-chardev", f"file,id=con,path={self.live},logfile={self.console}",
             "-drive", f"file={self.disk()},if=none,id=d0,format=raw,"
                       "readonly=on,file.locking=off",
             "-device", "virtio-blk-pci,drive=d0", *self.programs(),
             "-device", "virtio-serial-pci",
             "-chardev", f"socket,id=cmd,path={self.socket('cmd')},server=on,wait=off",
             "-device", "virtserialport,chardev=cmd,name=mhca.cmd",
             "-qmp", f"unix:{self.socket('qmp')},server=on,wait=off"]
        for i, path in enumerate(self.instances):
            a += ["-device", json.dumps({"driver": "vfio-user-pci", "id": f"hca{i}",
                                         "socket": {"type": "unix", "path": path}})]
        return a + self.extra
