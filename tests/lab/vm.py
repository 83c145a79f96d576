# SPDX-License-Identifier: GPL-2.0-only
"""The host VM: a QEMU process of the outer machine, its shares and channel."""

import json
import os
import pathlib
import subprocess
import tempfile
import time

from channel import Channel, ChannelError
from common import BUILD, DEFAULT_SUITE, LabError, Stopped, die_with_parent, step, tail
from image import image_dir
from image import initrd as suite_initrd
from qemufix import fixed_qemu

# A 5-level page table only makes an emulated page walk longer, and with erms or
# fsrm a kernel's memcpy is one `rep movsb`, which TCG executes byte by byte.
TCG_CPU = "max,-la57,-erms,-fsrm"

# QEMU's HPET goes on ticking after the kernel has stopped it: its main thread wakes up
# 250 times in a second (README.md).
MACHINE = "q35,hpet=off"
BASE_CMDLINE = ("console=ttyS0 root=/dev/vda quiet loglevel=5 panic=-1 "
                "mitigations=off net.ifnames=0 rcupdate.rcu_cpu_stall_timeout=120 "
                "watchdog_thresh=60 log_buf_len=8M printk.devkmsg=on "
                "transparent_hugepage=madvise ")


def default_memory():
    """MiB for the host VM: 10 GiB, or half of a smaller machine."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return int(os.environ.get("MHCA_LAB_MEM", min(10240, total // 2)))


def default_cpus():
    """vCPUs of the host VM: CPU 0, and as many as the machine has, 2 to 4."""
    n = len(os.sched_getaffinity(0))
    return int(os.environ.get("MHCA_LAB_CPUS", 1 + max(2, min(4, n))))


def guest_cpus():
    """CPUs of the host VM on which guests run: all but the first.

    With TCG any CPU that loads an x87 state (each context switch does) writes
    CPU 0's `hflags2` without a lock (cpu_clear_ignne() in QEMU's
    target/i386/tcg, 10.0 and 11.1). There stand GIF and "nested paging is on"
    too: a VMRUN or #VMEXIT of CPU 0 at that moment ends in a host or a guest
    that hangs or executes with the other's registers. So CPU 0 runs no guest.
    """
    return list(range(1, default_cpus())) or [0]


def qemu_command():
    """QEMU of the default suite's image, run with its own loader.

    So the outer emulator is the same whatever this machine's distribution,
    and newer than Debian 12's, which is markedly slower at nesting. Without
    a defect that only emulation has (qemufix.py).
    """
    root = image_dir(DEFAULT_SUITE) / "rootfs"
    lib = root / "usr/lib/x86_64-linux-gnu"
    return [root / "usr/lib64/ld-linux-x86-64.so.2", "--library-path", lib,
            fixed_qemu(root / "usr/bin/qemu-system-x86_64"),
            "-L", root / "usr/share/qemu", "-L", root / "usr/share/seabios"]


def probe_kvm(kernel, initrd):
    """True if /dev/kvm really runs this kernel and offers nesting in it."""
    try:
        p = subprocess.run(
            [*qemu_command(), "-nodefaults", "-display", "none", "-M", "q35",
             "-accel", "kvm", "-cpu", "host", "-m", "512", "-no-reboot",
             "-kernel", kernel, "-initrd", initrd, "-serial", "stdio",
             "-append", "console=ttyS0 panic=-1 mhca.probe"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=20, check=False,
            preexec_fn=die_with_parent)
        out = p.stdout
    except subprocess.TimeoutExpired as e:
        out = e.stdout or b""
    return b"MHCA-PROBE-OK" in out and b"MHCA-PROBE-NESTED" in out


def accel(kernel, initrd):
    """QEMU's -accel and -cpu arguments; the probe's result is kept."""
    forced = os.environ.get("MHCA_LAB_ACCEL")
    boot_id = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    memo = BUILD / "accel.json"
    usable = forced == "kvm"
    if not forced and os.access("/dev/kvm", os.R_OK | os.W_OK):
        try:
            known = json.loads(memo.read_text())
        except (OSError, ValueError):
            known = {}
        if known.get("boot_id") != boot_id:
            step("accel", "does /dev/kvm run this kernel? (20 s at most)")
            known = {"boot_id": boot_id, "kvm": probe_kvm(kernel, initrd)}
            BUILD.mkdir(parents=True, exist_ok=True)
            memo.write_text(json.dumps(known))
        usable = known["kvm"]
    if usable:
        return ["-accel", "kvm", "-cpu", "host"]
    cpu = os.environ.get("MHCA_LAB_CPU", TCG_CPU)
    return ["-accel", "tcg,thread=multi,tb-size=1024", "-cpu", cpu]


class HostVM:
    """One host VM. Use as a context manager: it never outlives the block."""

    def __init__(self, suite, logs, *, disks=(), shares=(), cmdline="",
                 kernel=None, initrd=None, interactive=False, memory=None):
        image = image_dir(suite)
        self.kernel = kernel or image / "vmlinux"
        self.initrd = initrd or suite_initrd(suite)
        self.disks = [("img-root", image / "rootfs.sqfs"), *disks]
        self.shares = shares
        self.cmdline = BASE_CMDLINE + "mhca.role=host " + cmdline
        self.logs = logs
        self.console = logs / "host-console.log"
        self.interactive = interactive
        self.memory = memory or default_memory()
        self.proc = None
        self.tmp = tempfile.TemporaryDirectory(prefix="mhca-")
        self.channel = Channel(f"{self.tmp.name}/cmd", self.dead)

    def argv(self):
        """The whole QEMU command line."""
        t = self.tmp.name
        cpu = accel(self.kernel, self.initrd)
        # The emulator's TSC is its clock: no watchdog, which has the ACPI timer only.
        cmdline = self.cmdline + (" tsc=reliable" if "tcg" in cpu[1] else "")
        a = [*qemu_command(), "-name", "mhca-host", "-nodefaults",
             "-no-user-config", "-display", "none", "-M", MACHINE, "-no-reboot", *cpu,
             "-smp", str(default_cpus()), "-m", str(self.memory),
             "-kernel", self.kernel, "-initrd", self.initrd,
             "-append", cmdline, "-serial", f"file:{self.console}",
             "-device", "virtio-rng-pci"]
        for i, (serial, path) in enumerate(self.disks):
            # Read-only and shared by runs: no locking, no flushes.
            a += ["-drive", f"file={path},if=none,id=d{i},format=raw,"
                            "readonly=on,cache=unsafe,file.locking=off",
                  "-device", f"virtio-blk-pci,drive=d{i},serial={serial}"]
        for i, (tag, path, writable) in enumerate(self.shares):
            ro = "" if writable else ",readonly=on"
            a += ["-fsdev", f"local,id=f{i},path={path},security_model=none,"
                            f"multidevs=remap{ro}",
                  "-device", f"virtio-9p-pci,fsdev=f{i},mount_tag={tag}"]
        a += ["-device", "virtio-serial-pci",
              "-chardev", f"socket,id=cmd,path={t}/cmd,server=on,wait=off",
              "-device", "virtserialport,chardev=cmd,name=mhca.cmd"]
        if self.interactive:
            a += ["-chardev", f"socket,id=hvc,path={t}/hvc,server=on,wait=off",
                  "-device", "virtconsole,chardev=hvc"]
        return [str(x) for x in a]

    def start(self):
        """Start QEMU."""
        argv = self.argv()
        (self.logs / "host-qemu.cmd").write_text(" ".join(argv) + "\n")
        with open(self.logs / "host-qemu.log", "wb") as log:
            self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                         stdout=log, stderr=log,
                                         preexec_fn=die_with_parent)

    def __enter__(self):
        if os.environ.get("MHCA_LAB_BOOT") == "no":
            raise Stopped(f"not booted (MHCA_LAB_BOOT=no): {' '.join(self.argv()[:4])} …")
        self.start()
        return self

    def stop(self):
        """End QEMU; what the VM wrote to disks and shares stays."""
        self.channel.close()
        if self.proc:
            self.proc.kill()
            self.proc.wait()

    def __exit__(self, *exc):
        self.stop()
        self.tmp.cleanup()

    def dead(self):
        """Why the VM cannot answer any more, or None."""
        if self.proc.poll() is None:
            return None
        return (f"the host VM ended (QEMU exit {self.proc.returncode}): "
                + tail(self.logs / "host-qemu.log", 5)
                + "\n" + tail(self.console, 60))

    def restart(self):
        """Begin anew; the console so far is kept beside the new one."""
        self.stop()
        if self.console.exists():
            self.console.rename(self.console.with_suffix(".first.log"))
        self.channel = Channel(f"{self.tmp.name}/cmd", self.dead)
        self.start()

    def boot(self, timeout=180):
        """Wait until the agent answers; the time it took in seconds."""
        t = time.monotonic()
        try:
            self.channel.connect()
            self.channel.wait_ready(timeout)
        except ChannelError as e:
            raise LabError(f"the host did not boot: {e}\n"
                           f"{tail(self.console, 40)}\nlogs: {self.logs}") from e
        return time.monotonic() - t
