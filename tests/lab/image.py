# SPDX-License-Identifier: GPL-2.0-only
"""One image per Debian suite, good for both roles: host and guest.

build/lab/<suite>/image.<key>/ holds rootfs/ (for native chroot builds),
rootfs.sqfs, vmlinux, `version` (the kernel's) and initrd.<key>. The key is a
hash of what the image is made of, so a changed package list makes a new image
and VMs that still run keep theirs. Our own init scripts travel in the initrd,
which is made anew in a second when one of them changes.

Kernel and modules are the distribution's own, but decompressed here, once, and not
by every emulated guest that boots.
QEMU enters the ELF file by its PVH note (CONFIG_PVH, set in Debian's kernels).
"""

import concurrent.futures
import lzma
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import time

from common import (BUILD, DEFAULT_SUITE, LAB, SUITES, LabError, cache_dir, digest,
                    isolated, locked, need_root, run, step, undo_mounts)

FILES = LAB / "files"
FORMAT = "2"                    # raise it when the way of building changes
KEEP_SECONDS = 6 * 3600         # VMs may still run from an older image

COMMON_PACKAGES = """
    linux-image-amd64 linux-headers-amd64 gcc make libc6-dev libibverbs-dev
    librdmacm-dev qemu-system-x86 rdma-core ibverbs-providers ibverbs-utils
    perftest rdmacm-utils infiniband-diags python3-pyverbs python3-pytest
    iproute2 pciutils kmod busybox-static ethtool iperf3 trace-cmd strace
    mdevctl procps psmisc util-linux
""".split()

SUITE_PACKAGES = {
    # What only the default suite's tests use: user space of kernel ULPs, libvirt, Open vSwitch, DPDK.
    DEFAULT_SUITE: """
        nfs-kernel-server open-iscsi fio libvirt-daemon libvirt-daemon-driver-qemu
        libvirt-clients libvirt-daemon-driver-nodedev openvswitch-switch
        dpdk-dev
    """.split(),
    # In later suites others depend on it.
    "bookworm": ["systemd-sysv"],
}

# Parts of packages that no test looks at; kernel modules for absent hardware.
EXCLUDE = [
    "/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*",
    "/usr/share/locale/*", "/usr/share/lintian/*", "/usr/share/bash-completion/*",
    "/usr/share/qemu/*.fd", "/usr/share/qemu/edk2*", "/usr/share/qemu/firmware/*",
    "/usr/share/icons/*", "/boot/System.map-*", "/usr/lib/x86_64-linux-gnu/*.a",
] + [f"{top}/lib/modules/*/kernel/{d}/*" for top in ("", "/usr") for d in (
    "sound", "drivers/media", "drivers/gpu", "drivers/net/wireless",
    "drivers/staging", "drivers/iio", "drivers/hid", "drivers/bluetooth",
    "drivers/usb", "drivers/input", "drivers/mmc", "drivers/mtd",
    "drivers/scsi", "drivers/ata", "drivers/hwmon", "drivers/isdn",
    "drivers/video", "drivers/comedi", "drivers/message", "drivers/accel",
    "fs/ocfs2", "fs/xfs", "fs/btrfs", "fs/smb", "fs/ceph",
    "fs/gfs2", "fs/f2fs", "fs/jfs", "fs/ubifs", "fs/bcachefs", "net/bluetooth",
    "net/wireless", "net/mac80211", "net/nfc", "net/can")]
INCLUDE = ["/usr/lib/x86_64-linux-gnu/libc_nonshared.a",
           "/usr/lib/x86_64-linux-gnu/libpthread.a",
           "/usr/lib/x86_64-linux-gnu/libm.a"]
# Of drivers/scsi, what remote disks need (iSER, SRP).
INCLUDE += [f"{top}/lib/modules/*/kernel/drivers/scsi/{name}.ko*" for top in ("", "/usr")
            for name in ("scsi_common", "scsi_mod", "sd_mod", "libiscsi",
                         "scsi_transport_iscsi", "scsi_transport_srp")]

APT_OPTIONS = [f'--aptopt=Acquire::{name} "{value}"' for name, value in (
    ("Check-Valid-Until", "false"), ("Check-Date", "false"), ("Languages", "none"),
    ("Retries", "5"))]

# Loaded by the initramfs, in this order, before the root file system exists.
EARLY_MODULES = ["virtio_pci", "virtio_iommu", "virtio_blk", "squashfs", "overlay"]
# Debian's 6.1 is built without it; the disk stands behind it where there is one.
OPTIONAL_MODULES = {"virtio_iommu"}


def mirror():
    """The Debian mirror; MHCA_MIRROR names another."""
    return os.environ.get("MHCA_MIRROR", "http://deb.debian.org/debian")


def sources(suite):
    """The sources.list lines of a suite."""
    m = mirror()
    lines = [f"deb {m} {suite} main"]
    if suite != "sid":
        lines += [f"deb {m} {suite}-updates main",
                  f"deb {m}-security {suite}-security main"]
    if suite == "bookworm":
        lines.append(f"deb {m} bookworm-backports main")
    return lines


def packages(suite):
    """What is installed in a suite's image."""
    return COMMON_PACKAGES + SUITE_PACKAGES.get(suite, [])


def key(suite):
    """What the image is made of, as a hash."""
    return digest(FORMAT, suite, " ".join(packages(suite) + EXCLUDE + INCLUDE),
                  "\n".join(sources(suite)))


def image_dir(suite):
    """Where the image of a suite is."""
    return cache_dir() / suite / f"image.{key(suite)}"


def initrd(suite):
    """The initramfs of a suite's image; it carries our init scripts."""
    k = digest(" ".join(EARLY_MODULES), *sorted(FILES.iterdir()))
    return image_dir(suite) / f"initrd.{k}"


def kernel_version(suite):
    """The kernel release of a built image."""
    return (image_dir(suite) / "version").read_text().strip()


def ensure(suite):
    """Build the image of a suite unless the cached one is current."""
    if suite not in SUITES:
        raise LabError(f"unknown suite {suite}; one of {' '.join(SUITES)}")
    if initrd(suite).exists():
        return image_dir(suite)
    need_root()
    with locked(cache_dir() / f".{suite}.lock", f"the {suite} image"):
        if not image_dir(suite).exists():
            build(suite)
        if not initrd(suite).exists():
            make_initrd(image_dir(suite) / "rootfs", kernel_version(suite),
                        initrd(suite), EARLY_MODULES)
    return image_dir(suite)


def kernel_headers(suite):
    """Common headers of a suite's kernel, by a path that outlives the image's key."""
    target = next((image_dir(suite) / "rootfs/usr/src").glob("linux-headers-*-common*"))
    link = BUILD / suite / "kernel-headers"
    if not link.is_symlink() or link.readlink() != target:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    return link


def build(suite):
    """mmdebstrap, squashfs, kernel; then move into place."""
    final = image_dir(suite)
    new = final.with_name("image.new")
    log = final.with_name("image.log")
    for old in final.parent.glob("image.*/"):
        if old.is_dir() and time.time() - old.stat().st_mtime > KEEP_SECONDS:
            undo_mounts(old)
            shutil.rmtree(old)
    if new.exists():
        undo_mounts(new)        # of a build from before they had a namespace
        shutil.rmtree(new)
    new.mkdir(parents=True)
    log.unlink(missing_ok=True)
    step("image", f"{suite}: mmdebstrap from {mirror()} (log {log})")
    bootstrap(suite, new / "rootfs", log)
    version = extract_kernel(new)
    decompress_modules(new / "rootfs", version, log)
    step("image", f"{suite}: squashfs")
    run(["mksquashfs", new / "rootfs", new / "rootfs.sqfs", "-comp", "lz4",
         "-noappend", "-no-progress", "-e", "boot", "var/cache/apt",
         "var/lib/apt/lists"], log=log)
    new.rename(final)
    size = (final / "rootfs.sqfs").stat().st_size >> 20
    step("image", f"{suite}: ready, kernel {version}, {size} MiB")


def bootstrap(suite, root, log):
    """The Debian root file system."""
    opts = [f"--dpkgopt=path-exclude={p}" for p in EXCLUDE]
    opts += [f"--dpkgopt=path-include={p}" for p in INCLUDE]
    opts += ["--dpkgopt=force-confold", "--dpkgopt=force-confdef",
             "--dpkgopt=force-unsafe-io", *APT_OPTIONS]
    hooks = ["--essential-hook=mkdir -p \"$1/etc/initramfs-tools\" && "
             "echo update_initramfs=no > "
             "\"$1/etc/initramfs-tools/update-initramfs.conf\"",
             "--customize-hook=echo mhca > \"$1/etc/hostname\"",
             "--customize-hook=rm -f \"$1/etc/resolv.conf\""]
    if suite == "bookworm":
        hooks.append(
            "--setup-hook=mkdir -p \"$1/etc/apt/preferences.d\" && printf "
            "'Package: qemu-* seabios\\nPin: release n=bookworm-backports\\n"
            "Pin-Priority: 600\\n' > \"$1/etc/apt/preferences.d/qemu\"")
    cmd = ["mmdebstrap", "--mode=root", "--variant=minbase",
           "--skip=cleanup/apt/lists", "--components=main",
           "--include=" + ",".join(packages(suite)),
           *opts, *hooks, suite, root, *sources(suite)]
    run(isolated(cmd), log=log, env=dict(os.environ, DEBIAN_FRONTEND="noninteractive",
                                         INITRD="No", LC_ALL="C"))


def extract_kernel(new):
    """The kernel of the rootfs as vmlinux; note its version."""
    images = sorted((new / "rootfs" / "boot").glob("vmlinuz-*"))
    if len(images) != 1:
        raise LabError(f"expected one kernel, found {images}")
    version = images[0].name.removeprefix("vmlinuz-")
    (new / "vmlinux").write_bytes(vmlinux(images[0].read_bytes()))
    (new / "version").write_text(version + "\n")
    return version


def vmlinux(bzimage):
    """The ELF file in a bzImage (Documentation/arch/x86/boot.rst: setup_sects,
    payload_offset, payload_length; four bytes of length end the payload)."""
    sectors = bzimage[0x1f1] or 4
    offset, length = struct.unpack_from("<II", bzimage, 0x248)
    start = (sectors + 1) * 512 + offset
    elf = plain(bzimage[start:start + length - 4])
    if elf[:4] != b"\x7fELF":
        raise LabError("the kernel image holds no ELF file")
    return elf


def plain(data):
    """Bytes without their compression, xz or zstd."""
    if data[:6] == b"\xfd7zXZ\0":
        return lzma.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return subprocess.run(["zstd", "-dcq"], check=True, input=data,
                              stdout=subprocess.PIPE).stdout
    return data


def decompress_modules(root, version, log):
    """Every module of the image as a plain .ko; modules.dep made anew."""
    def one(path):
        path.with_suffix("").write_bytes(plain(path.read_bytes()))
        path.unlink()

    tree = (root / "lib/modules" / version).resolve()
    packed = [p for p in tree.rglob("*.ko.*") if p.suffix in (".xz", ".zst")]
    if not packed:
        return
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, packed))
    run(["chroot", root, "depmod", version], log=log)


def module_files(root, version, names):
    """Files of the named modules and their dependencies, in load order."""
    files = []
    for name in names:
        try:
            out = run(["modprobe", "-d", root, "-S", version, "--show-depends", name])
        except LabError:
            if name in OPTIONAL_MODULES:
                continue
            raise
        for line in out.splitlines():
            word = line.split()
            if word and word[0] == "insmod" and word[1] not in files:
                files.append(word[1])
    return [pathlib.Path(f) for f in files]


def make_initrd(root, version, target, names):
    """busybox, the early modules in load order, and our init scripts."""
    tree = pathlib.Path(tempfile.mkdtemp(prefix="mhca-initrd-"))
    for d in ("bin", "dev", "proc", "sys", "ro", "rw", "new", "mod"):
        (tree / d).mkdir(parents=True)
    busybox = next(p for p in (root / "bin/busybox", root / "usr/bin/busybox")
                   if p.exists())
    shutil.copy(busybox, tree / "bin/busybox")
    shutil.copy(FILES / "initramfs-init", tree / "init")
    for name in ("init", "mhca-init", "mhca-agent"):
        if name != "init":
            shutil.copy(FILES / name, tree / name)
        (tree / name).chmod(0o755)
    if names:
        for i, f in enumerate(module_files(root, version, names)):
            name = f.name.split(".")[0]
            (tree / "mod" / f"{i:02d}-{name}.ko").write_bytes(f.read_bytes())
    files = subprocess.run(["find", ".", "-print0"], cwd=tree, check=True,
                           stdout=subprocess.PIPE).stdout
    data = subprocess.run(["cpio", "--null", "-o", "-H", "newc", "--quiet",
                           "-R", "0:0"], cwd=tree, input=files, check=True,
                          stdout=subprocess.PIPE).stdout
    tmp = target.with_name(target.name + ".tmp")
    tmp.write_bytes(data)
    tmp.rename(target)
    shutil.rmtree(tree)
