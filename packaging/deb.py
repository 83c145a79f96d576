#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make deb: mhca-dkms, mhca-tools, libmhca1 and libmhca-dev, below build/deb/.

Needs meson, dpkg-dev and what mhcactl is built with; no debhelper. The version is
that of dkms.conf, dates are those of the last commit, so that the same sources make
the same packages.

  deb.py [--out DIR] [--tools DIR]    --tools: a built and installed tree instead of
                                      building one
"""

import argparse
import fnmatch
import gzip
import os
import pathlib
import re
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[1]
MAINTAINER = "mHCA maintainers <maintainers@mhca.invalid>"

DKMS_POSTINST = """#!/bin/sh
set -e
if [ "$1" = configure ]; then
	/usr/lib/dkms/common.postinst mhca {version} /usr/share/mhca-dkms "" "$2"
fi
"""

DKMS_PRERM = """#!/bin/sh
set -e
case "$1" in
remove | upgrade | deconfigure)
	dkms remove -m mhca -v {version} --all || true
	;;
esac
"""

TOOLS_POSTINST = """#!/bin/sh
set -e
if [ "$1" = configure ]; then
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload || true
	fi
	if [ -S /run/udev/control ]; then
		udevadm control --reload || true
	fi
fi
"""

# Who links with the library needs its package.
SHLIBS = "libmhca 1 libmhca1 (>= {version})\n"

# What of the installed tree goes where; the first pattern that fits counts.
FILES = [
    ("libmhca1", "usr/lib/*/libmhca.so.*"),
    ("libmhca-dev", "usr/lib/*/libmhca.*"),
    ("libmhca-dev", "usr/lib/*/pkgconfig/*"),
    ("libmhca-dev", "usr/include/*"),
    ("libmhca-dev", "usr/share/man/man[37]/*"),
    ("mhca-vfio-user", "usr/sbin/mhcad"),
    ("mhca-vfio-user", "usr/share/man/man8/mhcad.8*"),
    ("mhca-vfio-user", "usr/lib/systemd/system/mhcad.service"),
    ("mhca-tools", "*"),
]

PACKAGES = {
    "mhca-dkms": {
        "arch": "all", "section": "kernel",
        "depends": "dkms (>= 3.0)", "recommends": "mhca-tools",
        "text": "mediated RDMA adapters for virtual machines: kernel modules\n"
                "mhca.ko and mhca_soft.ko, built for each kernel by DKMS. Every instance\n"
                "looks like an mlx5 virtual function to its guest.",
        "scripts": {"postinst": DKMS_POSTINST, "prerm": DKMS_PRERM},
    },
    "mhca-tools": {
        "arch": "any", "section": "admin",
        "recommends": "mdevctl, mhca-dkms | mhca-modules",
        "text": "mediated RDMA adapters for virtual machines: administration\n"
                "mhcactl, the call-out of mdevctl, udev rule, systemd units and metrics.",
        "scripts": {"postinst": TOOLS_POSTINST},
    },
    "mhca-vfio-user": {
        "arch": "any", "section": "admin",
        "suggests": "qemu-system-x86 (>= 1:10.1)",
        "text": "mediated RDMA adapters for virtual machines: vfio-user server\n"
                "mhcad offers instances to QEMU without a kernel module and without\n"
                "privileges, by a UNIX socket each.",
        "scripts": {"postinst": TOOLS_POSTINST},
    },
    "libmhca1": {
        "arch": "any", "section": "libs",
        "text": "verbs on an mHCA instance without a kernel driver: library\n"
                "Drives an instance over VFIO, or a guest's function, from user space.",
        "scripts": {},
        # What other packages depend on, and the cache of the loader.
        "files": {"shlibs": SHLIBS, "triggers": "activate-noawait ldconfig\n"},
    },
    "libmhca-dev": {
        "arch": "any", "section": "libdevel",
        "depends": "libmhca1 (= {version}), libibverbs-dev",
        "text": "verbs on an mHCA instance without a kernel driver: development\n"
                "Header, pkg-config file and manual pages of libmhca.",
        "scripts": {},
    },
}


def run(*cmd, **kw):
    """Run a command; its output. Its errors are shown when it fails."""
    p = subprocess.run([str(c) for c in cmd], text=True, capture_output=True, check=False,
                       **kw)
    if p.returncode:
        sys.exit(f"deb.py: {' '.join(map(str, cmd))} failed\n{p.stdout}\n{p.stderr}")
    return p.stdout


def version():
    """That of dkms.conf."""
    return re.search(r'PACKAGE_VERSION="([^"]+)"', (TOP / "dkms.conf").read_text())[1]


def architecture():
    """Debian's name of this machine."""
    return run("dpkg", "--print-architecture").strip()


def build_tools(build, tree):
    """Build what user space installs, and install it below @tree."""
    triplet = run("dpkg-architecture", "-qDEB_HOST_MULTIARCH").strip()
    if not (build / "build.ninja").exists():
        run("meson", "setup", build, TOP, "--prefix=/usr", "--sysconfdir=/etc",
            f"--libdir=lib/{triplet}", "-Db_sanitize=none", "-Dbuildtype=release",
            "-Dlibmhca=enabled", "-Dhost_tools=enabled", "-Dmhcad=enabled", "-Dtests=disabled")
    shutil.rmtree(tree, ignore_errors=True)
    run("meson", "install", "-C", build, "--destdir", tree)


def dkms_tree(root):
    """The sources as DKMS wants them."""
    src = root / f"usr/src/mhca-{version()}"
    src.mkdir(parents=True)
    for name in ("Kbuild", "dkms.conf"):
        shutil.copy(TOP / name, src)
    for path in sorted((TOP / "mdev-driver").rglob("*")):
        if path.suffix not in (".c", ".h", ".mk") or path.name.endswith(".mod.c"):
            continue
        if path.is_relative_to(TOP / "mdev-driver/user"):
            continue                    # the kernel in user space
        to = src / path.relative_to(TOP)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)


def split(tree, out):
    """Give every installed file to its package; the packages that have some."""
    found = set()
    for path in sorted(tree.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        name = path.relative_to(tree)
        package = next(p for p, pattern in FILES if fnmatch.fnmatch(str(name), pattern))
        to = out / package / name
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, to, follow_symlinks=False)
        found.add(package)
    return found


def library_depends(root, work):
    """What the package's programs are linked with."""
    elf = []
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with open(path, "rb") as f:
                if f.read(4) == b"\x7fELF":
                    elf.append(path)
    if not elf:
        return ""
    (work / "debian").mkdir(exist_ok=True)
    (work / "debian/control").write_text("Source: mhca\n\nPackage: mhca\nArchitecture: any\n")
    (work / "debian/shlibs.local").write_text(SHLIBS.replace("{version}", version()))
    ours = [f"-l{p}" for p in work.glob("libmhca1/usr/lib/*") if p.is_dir()]
    text = run("dpkg-shlibdeps", "-O", "--ignore-missing-info", *ours, *elf, cwd=work)
    return text.strip().removeprefix("shlibs:Depends=")


def strip(root):
    """No debugging symbols; nothing that is executed is changed."""
    for path in root.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        with open(path, "rb") as f:
            elf = f.read(4) == b"\x7fELF"
        if elf:
            run("strip", "--strip-unneeded", path)


def documents(root, package, stamp):
    """copyright and changelog, and compressed manual pages, as Debian wants them."""
    doc = root / "usr/share/doc" / package
    doc.mkdir(parents=True, exist_ok=True)
    (doc / "copyright").write_text(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
        "Files: *\nCopyright: 2026 mHCA developers\nLicense: GPL-2.0-only\n\n"
        "Files: guest-provider/*\nCopyright: 2026 mHCA developers\n"
        "License: GPL-2.0-only OR BSD-2-Clause\n")
    date = run("date", "-u", "-R", "-d", f"@{stamp}").strip()
    log = f"mhca ({version()}) unstable; urgency=medium\n\n  * See the project's history.\n\n" \
          f" -- {MAINTAINER}  {date}\n"
    compress(doc / "changelog.gz", log.encode())
    for page in list(root.glob("usr/share/man/man*/*.[1-9]")):
        compress(page.with_name(page.name + ".gz"), page.read_bytes())
        page.unlink()


def compress(path, data):
    """gzip without a time in it."""
    with open(path, "wb") as f, gzip.GzipFile("", "wb", 9, f, 0) as z:
        z.write(data)


def control(package, root, work):
    """DEBIAN/control and the maintainer's scripts."""
    about = PACKAGES[package]
    depends = [d for d in (about.get("depends", "").format(version=version()),
                           library_depends(root, work)) if d]
    size = sum(p.lstat().st_size for p in root.rglob("*") if not p.is_dir()) // 1024 + 1
    first, *rest = about["text"].split("\n")
    lines = [f"Package: {package}", "Source: mhca", f"Version: {version()}",
             f"Architecture: {'all' if about['arch'] == 'all' else architecture()}",
             f"Maintainer: {MAINTAINER}", f"Installed-Size: {size}",
             f"Section: {about['section']}", "Priority: optional"]
    lines += [f"Depends: {', '.join(depends)}"] if depends else []
    lines += [f"Recommends: {about['recommends']}"] if "recommends" in about else []
    lines += [f"Suggests: {about['suggests']}"] if "suggests" in about else []
    lines += [f"Description: {first}", *[f" {ln}" for ln in rest]]
    folder = root / "DEBIAN"
    folder.mkdir()
    (folder / "control").write_text("\n".join(lines) + "\n")
    for name, text in about.get("files", {}).items():
        (folder / name).write_text(text.replace("{version}", version()))
    for name, text in about["scripts"].items():
        script = folder / name
        script.write_text(text.replace("{version}", version()))
        script.chmod(0o755)


def make(package, out, work, stamp):
    """One package; its file."""
    root = work / package
    strip(root)
    documents(root, package, stamp)
    for path in [root, *root.rglob("*")]:
        if path.is_symlink():
            continue
        executable = path.is_dir() or path.stat().st_mode & 0o100 and ".so" not in path.name
        path.chmod(0o755 if executable else 0o644)
    control(package, root, work)
    arch = "all" if PACKAGES[package]["arch"] == "all" else architecture()
    deb = out / f"{package}_{version()}_{arch}.deb"
    run("dpkg-deb", "--root-owner-group", "--build", root, deb,
        env=dict(os.environ, SOURCE_DATE_EPOCH=str(stamp)))
    return deb


def main():
    """The command."""
    parser = argparse.ArgumentParser(description="Build the Debian packages.")
    parser.add_argument("--out", type=pathlib.Path, default=TOP / "build/deb")
    parser.add_argument("--tools", type=pathlib.Path)
    args = parser.parse_args()
    out = args.out.resolve()
    work = out / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for old in out.glob("*.deb"):
        old.unlink()
    tree = args.tools.resolve() if args.tools else out / "tree"
    if not args.tools:
        build_tools(out / "meson", tree)
    stamp = run("git", "-c", "safe.directory=*", "-C", TOP, "log", "-1",
                "--format=%ct").strip()
    packages = split(tree, work) | {"mhca-dkms"}
    dkms_tree(work / "mhca-dkms")
    for package in sorted(packages):
        print(make(package, out, work, stamp))


if __name__ == "__main__":
    main()
