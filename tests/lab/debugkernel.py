# SPDX-License-Identifier: GPL-2.0-only
"""The debug host: Debian's own kernel source with KASAN, lockdep and friends.

Built on the outer machine with its own compiler, from debug.config and
debug.patch, with all but our modules built in. Kept in build/lab/<suite>/debug.<key>/.
"""

import dataclasses
import os
import pathlib
import shutil

import build
import deps
import image
from common import (LAB, LabError, cache_dir, digest, locked, run, step,
                    suite_dir)

CONFIG = LAB / "debug.config"
PATCH = LAB / "debug.patch"
CMDLINE = "printk.time=1 rcupdate.rcu_cpu_stall_timeout=300 workqueue.watchdog_thresh=120 "


@dataclasses.dataclass
class DebugKernel:
    """Where the pieces of a built debug kernel are."""

    suite: str
    tree: pathlib.Path

    kernel = property(lambda self: self.tree / "arch/x86/boot/bzImage")
    cmdline = CMDLINE

    @property
    def initrd(self):
        """Our initramfs without modules; nothing needs one."""
        k = digest(*sorted(image.FILES.iterdir()))
        path = self.tree.parent / f"initrd.{k}"
        if not path.exists():
            image.make_initrd(image.image_dir(self.suite) / "rootfs", "", path, [])
        return path

    @property
    def modules(self):
        """Where build_modules() puts our .ko files."""
        d = suite_dir(self.suite) / "out.debug"
        d.mkdir(parents=True, exist_ok=True)
        return d

    def build_modules(self):
        """Our modules against this kernel, when the sources changed."""
        d = suite_dir(self.suite)
        src = d / "src.debug"
        with locked(cache_dir() / ".debug.build.lock", "the debug modules"):
            names = build.snapshot(src)
            k = digest(str(self.tree), *(
                part for n in names if n == "Kbuild" or n.startswith("mdev-driver/")
                for part in (n, src / n)))
            if build.stamp(self.modules / ".modules") == k:
                return
            log = d / "build-debug.log"
            log.unlink(missing_ok=True)
            step("build", f"modules against {self.tree} (log {log})")
            run(["make", f"-j{build.jobs()}", "-C", self.tree, f"M={src}",
                 "modules"], log=log)
            for ko in src.rglob("*.ko"):
                shutil.copy(ko, self.modules / ko.name)
            (self.modules / ".modules").write_text(k)


def version(suite):
    """The upstream series of a suite's kernel, as in linux-source-6.12."""
    return ".".join(image.kernel_version(suite).split(".")[:2])


def ensure(suite):
    """The debug kernel of a suite, built if there is none; a DebugKernel."""
    image.ensure(suite)
    k = digest(CONFIG, PATCH, image.kernel_version(suite))
    top = cache_dir() / suite / f"debug.{k}"
    result = DebugKernel(suite, top / "linux")
    if (top / "done").exists():
        return result
    deps.ensure("lab", "debug")
    with locked(cache_dir() / ".debug.lock", "the debug kernel"):
        if not (top / "done").exists():
            make_kernel(source(suite, top), top.with_suffix(".log"))
            (top / "done").touch()
    return result


def source(suite, top):
    """Debian's linux-source, unpacked in top/linux."""
    tree = top / "linux"
    if (tree / "Makefile").exists():
        return tree
    root = image.image_dir(suite) / "rootfs"
    package = f"linux-source-{version(suite)}"
    work = top / "download"
    work.mkdir(parents=True, exist_ok=True)
    step("debug", f"download {package}")
    apt = ["apt-get", "-o", f"Dir={root}", "-o", f"Dir::Cache={work}",
           "-o", "Dir::Bin::methods=/usr/lib/apt/methods",
           "-o", f"Dir::State::status={root}/var/lib/dpkg/status",
           "-o", "Acquire::Check-Valid-Until=false", "-o", "APT::Sandbox::User=root"]
    run([*apt, "download", package], cwd=work)
    deb = next(work.glob("*.deb"))
    step("debug", f"unpack {deb.name}")
    run(["dpkg-deb", "-x", deb, work])
    tar = next((work / "usr/src").glob("linux-source-*.tar.xz"))
    part = top / "linux.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    run(["tar", "-xf", tar, "-C", part, "--strip-components=1"])
    run(["patch", "-d", part, "-p1", "-F0", "-i", PATCH])
    part.rename(tree)
    shutil.rmtree(work)
    return tree


def make_kernel(tree, log):
    """Configure from our fragment, check that it took, build at low priority."""
    log.unlink(missing_ok=True)
    env = dict(os.environ, KCONFIG_ALLCONFIG=str(CONFIG), LC_ALL="C",
               KBUILD_BUILD_USER="mhca", KBUILD_BUILD_HOST="lab")
    run(["make", "-C", tree, "allnoconfig"], log=log, env=env)
    have = set((tree / ".config").read_text().splitlines())
    lost = [line for line in CONFIG.read_text().splitlines()
            if line.startswith("CONFIG_") and line not in have]
    if lost:
        step("debug", "not taken by Kconfig: " + " ".join(lost))
    if any(o in " ".join(lost) for o in ("KASAN=", "PROVE_LOCKING", "MDEV", "KVM_AMD")):
        raise LabError("the debug configuration lacks its point: " + " ".join(lost))
    step("debug", f"compile the kernel (log {log})")
    env.pop("KCONFIG_ALLCONFIG")
    run(["nice", "make", f"-j{build.jobs()}", "-C", tree, "bzImage", "modules"],
        log=log, env=env)

