# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages the outer machine needs, installed only when missing."""

import os
import platform
import shutil
import subprocess
import tempfile

from common import BUILD, TOP, LabError, run, step

BUILD_TOOLS = ["gcc", "libc6-dev", "meson", "ninja-build", "pkg-config"]
PACKAGES = {
    "lab": ["mmdebstrap", "squashfs-tools", "busybox-static", "gpgv",
            "cpio", "zstd", "xz-utils", "kmod", "git", "python3"],
    "modules": ["gcc", "make", "kmod"],
    "libmhca": [*BUILD_TOOLS, "libibverbs-dev"],
    "mhcad": [*BUILD_TOOLS, "libjson-c-dev", "liburcu-dev"],
    # mhcactl
    "tools": [*BUILD_TOOLS, "libjson-c-dev", "libudev-dev", "libncurses-dev"],
    "unit": [*BUILD_TOOLS, "make", "libcmocka-dev", "libibverbs-dev", "liburcu-dev", "libjson-c-dev", "python3-pytest", "git",
             # tests of host-tools and packaging
             "python3-pyte", "python3-prometheus-client", "python3-jsonschema", "mandoc",
             "man-db", "mdevctl", "systemd", "shellcheck", "zsh", "dpkg-dev", "binutils"],
    "fuzz": [*BUILD_TOOLS, "clang", "libclang-rt-dev", "liburcu-dev", "libjson-c-dev"],
    "deb": [*BUILD_TOOLS, "libibverbs-dev", "libjson-c-dev", "liburcu-dev", "libudev-dev",
            "libncurses-dev", "dpkg-dev", "binutils", "git"],
    "lint": ["sparse", "perl", "shellcheck"],
    "debug": ["flex", "bison", "bc", "libelf-dev", "libssl-dev", "rsync",
              "patch", "make", "gcc"],
    "here": ["qemu-system-x86", "python3-pytest", "gcc", "make", "kmod",
             "libibverbs-dev"],
}
# What is built in user space with the layouts of linux/mlx5, of whatever kernel.
WANT_HEADERS = ("libmhca", "tools", "unit", "fuzz", "deb")


def missing(packages):
    """The packages of the list that dpkg does not know as installed."""
    p = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Status}\n",
                        *packages], capture_output=True, text=True, check=False)
    have = {line.split()[0] for line in p.stdout.splitlines()
            if line.endswith("install ok installed")}
    return [x for x in packages if x not in have]


def kdir():
    """What the Makefile calls KDIR; what Kbuild is told."""
    return os.environ.get("KDIR") or f"/lib/modules/{os.uname().release}/build"


def any_headers():
    """The package of some kernel's headers, where mlx5-headers.sh finds none."""
    if os.environ.get("KDIR") and os.path.isdir(kdir()):
        return []           # it was named: what it lacks, meson says
    env = {k: v for k, v in os.environ.items() if k != "KDIR"}
    with tempfile.TemporaryDirectory() as out:
        found = subprocess.run([TOP / "tests/unit/mlx5-headers.sh", out], env=env,
                               capture_output=True, check=False).returncode == 0
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return [] if found else [f"linux-headers-{arch}"]


def kdir_headers():
    """The package of the running kernel's headers, where they are missing."""
    if os.path.exists(f"{kdir()}/Makefile"):
        return []
    if kdir() != f"/lib/modules/{os.uname().release}/build":
        raise LabError(f"KDIR={kdir()}: there is no kernel's Makefile")
    return [f"linux-headers-{os.uname().release}"]


def ensure(*groups, headers=True):
    """Install what the named groups need and this machine lacks.

    headers: also those of some kernel, for groups that are built with them; False if
    the caller names them to meson.
    """
    unknown = set(groups) - set(PACKAGES)
    if unknown:
        raise LabError(f"no such group: {' '.join(sorted(unknown))}; "
                       f"there are {' '.join(PACKAGES)}")
    want = sorted({p for g in groups for p in PACKAGES[g]})
    if headers and set(groups) & set(WANT_HEADERS):
        want += any_headers()
    if "modules" in groups:
        want += kdir_headers()
    if not shutil.which("dpkg-query"):
        step("deps", "no dpkg here. Needed, by Debian's names: " + " ".join(want))
        return
    need = missing(want)
    if not need:
        return
    if os.geteuid():
        raise LabError(f"packages are missing: sudo apt-get install {' '.join(need)}")
    step("deps", "installing " + " ".join(need))
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    log = BUILD / "logs" / "deps.log"
    apt = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "-y"]
    run([*apt, "update"], log=log, env=env)
    for name in kdir_headers() if "modules" in groups else []:
        if subprocess.run(["apt-cache", "show", name], capture_output=True,
                          check=False).returncode:
            raise LabError(f"{kdir()} is missing, and so is a package {name}: this kernel is not "
                           "the distribution's. Name a build directory, make KDIR=…")
    run([*apt, "install", "--no-install-recommends", *need], log=log, env=env)
