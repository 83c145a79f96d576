# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages the outer machine needs, installed only when missing."""

import os
import shutil
import subprocess

from common import BUILD, LabError, need_root, run, step

PACKAGES = {
    "lab": ["mmdebstrap", "squashfs-tools", "busybox-static",
            "cpio", "zstd", "xz-utils", "kmod", "git", "python3"],
    # mhcactl
    "tools": ["gcc", "meson", "ninja-build", "pkg-config", "libibverbs-dev",
              "libjson-c-dev", "libudev-dev", "libncurses-dev"],
    "unit": ["gcc", "clang", "libclang-rt-dev", "meson", "ninja-build", "pkg-config",
             "libcmocka-dev", "libibverbs-dev", "python3-pytest",
             # tests of host-tools
             "python3-pyte", "python3-prometheus-client", "python3-jsonschema",
             "mandoc", "man-db", "mdevctl", "shellcheck", "zsh"],
    "lint": ["sparse", "perl", "shellcheck"],
    "debug": ["flex", "bison", "bc", "libelf-dev", "libssl-dev", "rsync",
              "patch", "make", "gcc"],
    "here": ["qemu-system-x86", "python3-pytest", "gcc", "make", "kmod",
             "libibverbs-dev"],
}


def missing(packages):
    """The packages of the list that dpkg does not know as installed."""
    p = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Status}\n",
                        *packages], capture_output=True, text=True, check=False)
    have = {line.split()[0] for line in p.stdout.splitlines()
            if line.endswith("install ok installed")}
    return [x for x in packages if x not in have]


def ensure(*groups):
    """Install what the named groups need and this machine lacks."""
    need = missing(sorted({p for g in groups for p in PACKAGES[g]}))
    if not need:
        return
    if not shutil.which("apt-get"):
        raise LabError("this machine has no apt-get; needed: " + " ".join(need))
    need_root()
    step("deps", "installing " + " ".join(need))
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    log = BUILD / "logs" / "deps.log"
    apt = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "-y"]
    run([*apt, "update"], log=log, env=env)
    run([*apt, "install", "--no-install-recommends", *need], log=log, env=env)
