# SPDX-License-Identifier: GPL-2.0-only
"""Modules and test programs, built natively in the chroot of a suite.

build/lab/<suite>/src is a snapshot of the tree (so that a run sees what was
built), build/lab/<suite>/out has the .ko files and bin/.
"""

import os
import shlex
import shutil
import subprocess

import deps
import image
from common import (BUILD, TOP, LabError, digest, isolated, locked, run, step, suite_dir,
                    tail, undo_mounts)

CFLAGS = ("-O2 -g -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes "
          "-Wmissing-prototypes -Wundef -Wpointer-arith -Wcast-align "
          "-Wwrite-strings -Wno-unused-parameter -Werror")


def source_files():
    """Tracked and new files of the tree, relative to its top."""
    if not (TOP / ".git").exists():
        skip = {"build", ".git", "__pycache__"}
        return sorted(str(p.relative_to(TOP)) for p in TOP.rglob("*")
                      if p.is_file() and not skip & set(p.relative_to(TOP).parts))
    out = subprocess.run(["git", "-c", "safe.directory=*", "-C", TOP, "ls-files",
                          "-coz", "--exclude-standard"], check=True,
                         stdout=subprocess.PIPE).stdout.decode()
    return sorted({f for f in out.split("\0") if f and (TOP / f).is_file()})


def snapshot(dest):
    """Bring dest up to date with the tree; unchanged files keep their time."""
    dest.mkdir(parents=True, exist_ok=True)
    manifest = dest.with_name(dest.name + ".list")
    names = source_files()
    try:
        old = manifest.read_text().split("\n")
    except OSError:
        old = []
    for gone in set(old) - set(names):
        (dest / gone).unlink(missing_ok=True)
    for name in names:
        src, dst = TOP / name, dest / name
        try:
            data = src.read_bytes()
        except OSError:
            continue            # removed while we look: the next build sees it
        if not dst.exists() or dst.read_bytes() != data:
            dst.parent.mkdir(parents=True, exist_ok=True)
            dst.write_bytes(data)
            shutil.copymode(src, dst)
    manifest.write_text("\n".join(names))
    return names


def chroot(suite, command, log):
    """Run a shell command in the suite's rootfs; suite_dir is /mnt there."""
    root = image.image_dir(suite) / "rootfs"
    where = shlex.quote(str(root))
    script = ("set -e\n"
              f"mount --bind {shlex.quote(str(suite_dir(suite)))} {where}/mnt\n"
              f"mount -t proc proc {where}/proc\n"
              f"mount -t tmpfs tmpfs {where}/tmp\n"
              f"mount --bind /dev {where}/dev\n"
              f"exec chroot {where} /bin/sh -ec {shlex.quote(command)}\n")
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
           "LC_ALL": "C"}
    run(isolated(["sh", "-c", script]), log=log, env=env)


def jobs():
    """Parallel compilations."""
    return min(4, len(os.sched_getaffinity(0)))


def build_modules(suite, log, kdir):
    """Kbuild of the whole tree, then the .ko files to out/."""
    out = suite_dir(suite) / "out"
    for ko in out.glob("*.ko"):
        ko.unlink()
    chroot(suite, f"make -j{jobs()} -C {kdir} M=/mnt/src "
           "CONFIG_DEBUG_INFO_BTF_MODULES= modules", log)
    src = suite_dir(suite) / "src"
    found = [p for p in src.rglob("*.ko")]
    if not found:
        raise LabError(f"Kbuild made no module\n{tail(log, 20)}")
    for ko in found:
        shutil.copy(ko, out / ko.name)
    return [ko.name for ko in found]


def build_programs(suite, log):
    """The programs of tests/system/progs, by their Makefile, into out/bin."""
    bindir = suite_dir(suite) / "out/bin"
    shutil.rmtree(bindir, ignore_errors=True)
    bindir.mkdir(parents=True)
    if (suite_dir(suite) / "src/tests/system/progs/Makefile").exists():
        chroot(suite, f"make -j{jobs()} -C /mnt/src/tests/system/progs "
                      f"BIN=/mnt/out/bin CFLAGS={shlex.quote(CFLAGS)}", log)


def build_tools(suite):
    """mhcactl, built by this machine without sanitizers, into out/bin.

    Of its libraries the image lacks one, which goes beside it.
    """
    deps.ensure("tools", headers=False)
    where = suite_dir(suite) / "tools"
    log = suite_dir(suite) / "build-tools.log"
    env = dict(os.environ, LC_ALL="C.UTF-8")
    if not (where / "build.ninja").exists():
        run(["meson", "setup", "-Db_sanitize=none", "-Dbuildtype=release",
             f"-Dkernel_headers={image.kernel_headers(suite)}",
             "-Dhost_tools=enabled", "-Dlibmhca=disabled", "-Dtests=disabled",
             "-Dmhcad=disabled",
             "-Dc_link_args=-Wl,-rpath,$ORIGIN/lib", where, TOP], log=log, env=env)
    run(["meson", "compile", "-C", where, "mhcactl"], log=log, env=env)
    tool = where / "host-tools/mhcactl"
    bindir = suite_dir(suite) / "out/bin"
    (bindir / "lib").mkdir(parents=True, exist_ok=True)
    shutil.copy(tool, bindir / "mhcactl")
    for line in run(["ldd", tool]).splitlines():
        if line.strip().startswith("libjson-c."):
            shutil.copy(line.split()[2], bindir / "lib")


def build_disk(suite):
    """out/bin as a disk, for guests that can be moved: QEMU does not move a 9p share."""
    out = suite_dir(suite) / "out"
    run(["mksquashfs", out / "bin", out / "programs.sqfs", "-keep-as-directory",
         "-comp", "lz4", "-noappend", "-quiet", "-no-progress"])


def ensure(suite, modules=True):
    """Build what changed since the last time."""
    with locked(BUILD / f".{suite}.build.lock", f"the {suite} build"):
        _ensure(suite, modules)


def _ensure(suite, modules):
    d = suite_dir(suite)
    log = d / "build.log"
    (d / "out/bin").mkdir(parents=True, exist_ok=True)
    names = snapshot(d / "src")
    image_key = image.key(suite)
    kdir = f"/lib/modules/{image.kernel_version(suite)}/build"
    mod_key = digest(image_key, kdir, *(
        part for n in names if n == "Kbuild" or n.startswith("mdev-driver/")
        for part in (n, d / "src" / n)))
    prog_key = digest(image_key, CFLAGS, *(
        part for n in names
        if n.startswith(("tests/system/progs/", "guest-provider/", "tests/unit/mlx5-"))
        for part in (n, d / "src" / n)))
    tool_key = digest(prog_key, "programs.sqfs", *(
        part for n in names
        if n.startswith(("host-tools/", "mdev-driver/include/", "meson"))
        for part in (n, d / "src" / n)))
    if modules and "Kbuild" not in names:
        step("build", f"{suite}: no Kbuild in the tree, so no modules")
        modules = False
    if modules and stamp(d / "out/.modules") != mod_key:
        if stamp(d / "out/.kdir") != kdir:
            clean_objects(d / "src")
        (d / "out/.kdir").write_text(kdir)
        log.unlink(missing_ok=True)
        step("build", f"{suite}: modules against {kdir} (log {log})")
        made = build_modules(suite, log, kdir)
        (d / "out/.modules").write_text(mod_key)
        step("build", f"{suite}: " + " ".join(sorted(made)))
    if stamp(d / "out/.progs") != prog_key:
        plog = d / "build-progs.log"
        plog.unlink(missing_ok=True)
        step("build", f"{suite}: test programs (log {plog})")
        build_programs(suite, plog)
        (d / "out/.progs").write_text(prog_key)
    if stamp(d / "out/.tools") != tool_key:
        step("build", f"{suite}: mhcactl")
        build_tools(suite)
        build_disk(suite)
        (d / "out/.tools").write_text(tool_key)


def build_here(out, log):
    """Modules for the running kernel, for `run --here`."""
    src = BUILD / "here.src"
    snapshot(src)
    kdir = f"/lib/modules/{os.uname().release}/build"
    if not os.path.isdir(kdir):
        raise LabError(f"{kdir} is missing: apt-get install "
                       f"linux-headers-{os.uname().release}")
    step("build", f"modules against {kdir} (log {log})")
    run(["make", f"-j{jobs()}", "-C", kdir, f"M={src}", "modules"], log=log)
    for ko in src.rglob("*.ko"):
        shutil.copy(ko, out / ko.name)


def stamp(path):
    """The key a result was made from, or an empty string."""
    try:
        return path.read_text()
    except OSError:
        return ""


def clean_objects(src):
    """Remove what Kbuild leaves: another kernel must not link old objects."""
    for pattern in ("*.o", "*.ko", "*.mod", "*.mod.c", ".*.cmd", "modules.order",
                    "Module.symvers"):
        for f in src.rglob(pattern):
            f.unlink(missing_ok=True)


def clean(everything):
    """Remove build results, and with `everything` the images too."""
    if everything:
        undo_mounts(BUILD)
    for d in (BUILD, *(TOP / "build" / name for name in
                       ("meson", "libmhca", "coverage", "fuzz", "deb", "bench"))):
        if not d.exists():
            continue
        if everything or d != BUILD:
            shutil.rmtree(d)
            continue
        for sub in d.iterdir():
            for part in ("src", "out"):
                shutil.rmtree(sub / part, ignore_errors=True)
