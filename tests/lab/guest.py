# SPDX-License-Identifier: GPL-2.0-only
"""A guest: stock QEMU with KVM on the host, driven over QMP and a channel."""

import contextlib
import ctypes
import itertools
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

from channel import Channel, ChannelError

# lastbus: else the kernel looks for devices below host bridges nobody told it of, in
# thousands of reads that leave the guest. nr_uarts: so does probing absent ones.
CMDLINE = ("console=ttyS0 quiet loglevel=5 mitigations=off panic=0 net.ifnames=0 "
           "nokaslr cryptomgr.notests random.trust_cpu=on no_timer_check audit=0 "
           "apparmor=0 security=none pci=noearly,lastbus=0 8250.nr_uarts=1 "
           "rcupdate.rcu_cpu_stall_timeout=120 watchdog_thresh=60 mhca.role=guest")
# Booted as a distribution boots, but for what only the lab's host wants of the image.
# A nested, emulated guest is slow to see its devices.
SYSTEMD = ("mhca.init=systemd systemd.machine_id=6d4843416d4843416d4843416d484341 "
           "systemd.getty_auto=no systemd.default_device_timeout_sec=600 ") + " ".join(
    f"systemd.mask={unit}" for unit in """
        nfs-server.service nfs-blkmap.service rpcbind.service rpcbind.socket libvirtd.service
        libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirt-guests.service
        virtlogd.service virtlogd.socket virtlogd-admin.socket openvswitch-switch.service
        iscsid.socket open-iscsi.service apt-daily.timer apt-daily-upgrade.timer""".split())
KVM_DEBUG = pathlib.Path("/sys/kernel/debug/kvm")

_numbers = itertools.count(1)


def _in_child(cpus):
    """What the child does before it becomes QEMU: end with us, keep to `cpus`."""
    def prepare():
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if cpus:
            os.sched_setaffinity(0, cpus)
    return prepare


class Qmp:
    """The QEMU monitor: one command, its answer; events are dropped."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        end = time.monotonic() + 20
        while True:
            try:
                self.sock.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                # QEMU makes its sockets one after the other.
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        self.file = self.sock.makefile("rw", encoding="utf-8")
        self.file.readline()
        self.command("qmp_capabilities")

    def command(self, name, **arguments):
        """Execute a command; raises RuntimeError with QEMU's own words."""
        self.file.write(json.dumps({"execute": name, "arguments": arguments}))
        self.file.flush()
        while True:
            line = self.file.readline()
            if not line:
                raise ChannelError("QMP connection closed")
            answer = json.loads(line)
            if "error" in answer:
                raise RuntimeError(f"{name}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def close(self):
        """Close the connection."""
        self.file.close()
        self.sock.close()


class Background:
    """A command that runs in the guest while others do."""

    def __init__(self, guest, tag):
        self.guest, self.tag = guest, tag

    def wait(self, timeout=60):
        """Wait for its end; (exit status, output)."""
        d = f"/run/bg/{self.tag}"
        rc, out = self.guest.run(
            f"[ -e {d}.rc ] || read -r _ < {d}.end; cat {d}.out; "
            f"exit $(cat {d}.rc)", timeout)
        return rc, out

    def running(self):
        """True while it has not ended."""
        return self.guest.run(f"[ -e /run/bg/{self.tag}.rc ]")[0] != 0

    def output(self):
        """What it has written so far."""
        return self.guest.run(f"cat /run/bg/{self.tag}.out")[1]

    def kill(self, sig="TERM"):
        """Send a signal to its process group."""
        self.guest.run(f"kill -{sig} -$(cat /run/bg/{self.tag}.pid)")


class Guest:
    """One guest VM.

    conf       the lab's description of the guest image (kernel, initrd, disk,
               cpus: where on the host it may run)
    instances  Instance objects (or UUIDs), each becomes one vfio-pci device
    mem, cpus  MiB and vCPUs
    load       load mlx5_core and mlx5_ib at boot
    systemd    boot with systemd and udev, which load what they find, and not with mhca-init
    machine    QEMU's: "q35", or "pc" (i440fx, without PCIe)
    iommu      an IOMMU of the guest's own: a QEMU device ("intel-iommu,…") or None
    movable    it can be moved to another QEMU (move.py): no 9p share, which QEMU does not move
    root_ports number of empty PCIe root ports (rp0, rp1, …) for hot-plug
    extra      further QEMU arguments
    """

    def __init__(self, conf, logs, name, instances=(), *, mem=1024, cpus=1,
                 load=True, systemd=False, machine="q35", iommu=None, movable=False,
                 root_ports=0, extra=(), cmdline=""):
        self.conf, self.name = conf, name
        self.instances = list(instances)
        self.mem, self.cpus, self.load = mem, cpus, load
        self.machine, self.root_ports, self.extra = machine, root_ports, list(extra)
        self.cmdline, self.iommu = f"{SYSTEMD} {cmdline}" if systemd else cmdline, iommu
        self.movable = movable
        n = next(_numbers)
        self.console = pathlib.Path(logs) / f"guest-{n:03d}-{name}-console.log"
        self.qemu_log = pathlib.Path(logs) / f"guest-{n:03d}-{name}-qemu.log"
        self.tmp = tempfile.TemporaryDirectory(prefix="mhca-guest-")
        # What is read of the console is on a tmpfs: in a file on 9p that is read while QEMU
        # writes it, characters get lost for good. The log is a copy that nobody reads meanwhile.
        self.live = pathlib.Path(self.tmp.name) / "console"
        self.proc = self.qmp_link = None
        self.moves = 0          # QEMUs that it has left
        self.channel = Channel(self.socket("cmd"), self.dead)
        self.bg = 0
        self.seen = 0           # console bytes already checked

    def disk(self):
        """The image: a file, or the host's block device with that serial."""
        if self.conf["disk"]:
            return self.conf["disk"]
        for d in pathlib.Path("/sys/block").glob("vd*"):
            if (d / "serial").read_text().strip() == self.conf["serial"]:
                return f"/dev/{d.name}"
        raise RuntimeError(f"no disk with serial {self.conf['serial']}")

    def socket(self, name):
        """The path of a socket of the guest's QEMU; each has its own."""
        return f"{self.tmp.name}/{name}.{self.moves}"

    def programs(self):
        """QEMU's arguments for /mhca/out."""
        out = self.conf["out"]
        if self.movable:
            return ["-drive", f"file={out}/programs.sqfs,if=none,id=d1,format=raw,"
                              "readonly=on,file.locking=off",
                    "-device", "virtio-blk-pci,drive=d1,serial=programs"]
        return ["-fsdev", f"local,id=out,path={out},security_model=none,readonly=on",
                "-device", "virtio-9p-pci,fsdev=out,mount_tag=out"]

    def argv(self):
        """The QEMU command line."""
        cmdline = f"{CMDLINE} mhca.load={int(self.load)} {self.cmdline}"
        again = "on" if self.moves else "off"
        # Before the devices that stand behind it.
        iommu = ["-device", self.iommu] if self.iommu else []
        a = ["qemu-system-x86_64", "-name", f"mhca-{self.name}", *iommu,
             "-nodefaults", "-no-user-config", "-display", "none",
             "-M", f"{self.machine},hpet=off",      # vm.MACHINE says why
             "-accel", "kvm", "-cpu", "host",
             "-smp", str(self.cpus), "-m", str(self.mem),
             "-kernel", self.conf["kernel"], "-initrd", self.conf["initrd"],
             "-append", cmdline, "-serial", "chardev:con",
             # Each boot begins a new log, a QEMU to which the guest moves goes on with it.
             "-chardev", f"file,id=con,path={self.live},append={again},"
                         f"logfile={self.console},logappend={again}",
             "-drive", f"file={self.disk()},if=none,id=d0,format=raw,"
                       "readonly=on,file.locking=off",
             "-device", "virtio-blk-pci,drive=d0",
             *self.programs(),
             "-device", "virtio-serial-pci",
             "-chardev", f"socket,id=cmd,path={self.socket('cmd')},server=on,wait=off",
             "-device", "virtserialport,chardev=cmd,name=mhca.cmd",
             "-qmp", f"unix:{self.socket('qmp')},server=on,wait=off"]
        for i in range(self.root_ports):
            a += ["-device", f"pcie-root-port,id=rp{i},chassis={i + 1},"
                  f"slot={i + 1},pref64-reserve=64M"]
        for i, inst in enumerate(self.instances):
            a += ["-device", f"vfio-pci,id=hca{i},sysfsdev="
                             f"/sys/bus/mdev/devices/{getattr(inst, 'uuid', inst)}"
                             + ",enable-migration=on" * self.movable]
        return a + self.extra

    def spawn(self, extra=()):
        """Start a QEMU, and nothing else; its process."""
        with open(self.qemu_log, "ab" if self.moves else "wb") as log:
            return subprocess.Popen(
                self.argv() + list(extra), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=_in_child(self.conf.get("cpus")))

    def start(self, wait=True, timeout=180):
        """Start QEMU; with `wait`, until the guest answers."""
        self.proc = self.spawn()
        self.seen = 0
        self.channel.connect()
        if wait:
            self.wait_boot(timeout)
        return self

    def wait_boot(self, timeout=180):
        """Wait for the greeting of the guest's agent."""
        self.channel.wait_ready(timeout)

    @property
    def pid(self):
        """QEMU's process id."""
        return self.proc.pid

    def dead(self):
        """Why the guest cannot answer, or None while it can."""
        if self.proc is None:
            return f"guest {self.name} was never started"
        if self.proc.poll() is not None:
            return (f"guest {self.name}: QEMU ended with {self.proc.returncode}: "
                    + self.qemu_log.read_text(errors="replace")[-2000:])
        if b"Kernel panic" in self.console_bytes()[-20000:]:
            return f"guest {self.name}: kernel panic"
        return None

    def run(self, cmd, timeout=60):
        """Run a shell command as root; (exit status, output)."""
        return self.channel.run(cmd, timeout)

    def check(self, cmd, timeout=60):
        """Run a command that must succeed; its output."""
        rc, out = self.run(cmd, timeout)
        assert rc == 0, f"guest {self.name}: `{cmd}` ended with {rc}:\n{out}"
        return out

    def start_bg(self, cmd):
        """Start a command; a Background to wait for."""
        self.bg += 1
        tag = f"{self.bg}"
        d = f"/run/bg/{tag}"
        # kill() ends the command, not the shell that reports its status.
        script = (f"trap '' TERM\n(trap - TERM; {cmd}) >{d}.out 2>&1 </dev/null; echo $? >{d}.tmp; "
                  f"mv {d}.tmp {d}.rc; echo >{d}.end")
        # One 'script' file, so that the command needs no second quoting.
        self.check(f"rm -f {d}.*; mkfifo {d}.end; cat >{d}.sh <<'MHCA-EOF'\n"
                   f"{script}\nMHCA-EOF\n"
                   f"setsid sh {d}.sh >/dev/null 2>&1 & echo $! >{d}.pid")
        return Background(self, tag)

    def qmp(self, command, **arguments):
        """Execute a QMP command."""
        if self.qmp_link is None:
            self.qmp_link = Qmp(self.socket("qmp"))
        return self.qmp_link.command(command, **arguments)

    def reboot(self, timeout=180):
        """Reboot at once (no shutdown scripts) and wait until it is up."""
        self.channel.sock.sendall(b"busybox reboot -f\n")
        self.wait_boot(timeout)

    def kill(self):
        """kill -9 of QEMU, as when a host loses a VM."""
        self._end(signal.SIGKILL)

    def shutdown(self, timeout=30):
        """Power the guest off; QEMU ends by itself."""
        if self.proc and self.proc.poll() is None and not self.dead():
            with contextlib.suppress(OSError, AttributeError):
                self.channel.sock.sendall(b"busybox poweroff -f\n")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.proc.wait(timeout)
        self._end(signal.SIGTERM)

    def _end(self, sig):
        if self.qmp_link:
            with contextlib.suppress(OSError):
                self.qmp_link.close()
            self.qmp_link = None
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(sig)
            try:
                self.proc.wait(20)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        self.channel.close()
        self.channel.buf = b""

    def alive(self):
        """True if it still executes commands."""
        if self.dead():
            return False
        try:
            return self.run("true", 10)[0] == 0
        except ChannelError:
            return False

    def dmesg(self):
        """The guest's kernel log."""
        return self.check("dmesg", 60)

    def console_bytes(self):
        """The console log so far."""
        try:
            return self.live.read_bytes()
        except OSError:
            return b""

    def new_console(self):
        """Console text since the last call (warnings and worse)."""
        data = self.console_bytes()
        new, self.seen = data[self.seen:], len(data)
        return new.decode("utf-8", "replace").replace("\r", "")

    def vcpu_threads(self):
        """Thread ids of the vCPUs, from QMP."""
        return [c["thread-id"] for c in self.qmp("query-cpus-fast")]

    def kvm_counters(self):
        """KVM's counters of this VM (exits, io_exits, …) as a dict."""
        result = {}
        for d in KVM_DEBUG.glob(f"{self.pid}-*"):
            for f in d.iterdir():
                if f.is_file():
                    with contextlib.suppress(OSError, ValueError):
                        result[f.name] = int(f.read_text(), 0)
        return result

    def cpu_seconds(self):
        """CPU time QEMU and its vCPUs have used on the host."""
        field = pathlib.Path(f"/proc/{self.pid}/stat").read_text()
        field = field.rpartition(")")[2].split()
        return (int(field[11]) + int(field[12])) / os.sysconf("SC_CLK_TCK")


class ExitCauses:
    """Counts VM exits by cause, for all guests, with a kvm_exit histogram.

        with ExitCauses() as causes: …
        causes.result → {"npf": 12, "msr": 3, …}
    """

    EVENT = pathlib.Path("/sys/kernel/tracing/events/kvm/kvm_exit")

    def __enter__(self):
        (self.EVENT / "trigger").write_text("hist:keys=exit_reason:size=1024")
        self.result = {}
        return self

    def __exit__(self, *exc):
        text = (self.EVENT / "hist").read_text()
        (self.EVENT / "trigger").write_text("!hist:keys=exit_reason:size=1024")
        for line in text.splitlines():
            if line.startswith("{"):
                key, _, count = line.partition("} hitcount:")
                reason = key.split(":")[1].strip()
                with contextlib.suppress(ValueError):
                    reason = hex(int(reason, 0))
                self.result[reason] = int(count)


def wait_until(condition, timeout, what, pause=0.1):
    """Poll until condition() is true; its value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(pause)
