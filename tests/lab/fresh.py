# SPDX-License-Identifier: GPL-2.0-only
"""`mhca-lab fresh`: a command on a machine that has nothing.

A minimal Debian, a clone of HEAD in it, and the command runs there as root, in mount and
process namespaces of its own. What it shares with this machine is the network, /dev, the
apt sources and the images (MHCA_LAB_CACHE).
COMMANDS is what documents tell a reader to type; test_fresh.py compares it with them.
"""

import os
import pathlib
import shlex
import shutil
import subprocess

import deps
import image
from common import (BUILD, CHILDREN, SUITES, TOP, LabError, cache_dir, digest, isolated,
                    locked, need_root, run, step)

# What a reader of the README is assumed to have, and the certificates of apt's and git's https.
PACKAGES = ["make", "git", "python3", "ca-certificates"]
SHARED = "/var/cache/mhca-lab"
HOME = "/root/mhca"
PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "MHCA_MIRROR", "MHCA_LAB_ACCEL",
             "MHCA_LAB_CPU", "MHCA_LAB_CPUS", "MHCA_LAB_MEM", "MHCA_LAB_BOOT")

# Where nothing is booted, what comes before is still made: see HostVM.
NO_BOOT = "MHCA_LAB_BOOT=no "
KDIR = "KDIR=$(ls -d /usr/src/linux-headers-*64)"
# (when it is tried: in `make test` or only in `make test-full`, what)
COMMANDS = [
    ("test", NO_BOOT + "make demo"),
    ("test", "make help"),
    ("full", "make demo"),
    ("full", "make test-unit && meson test -C build/meson 'hostile*'"),
    ("full", "make test-quick && meson test -C build/meson command"),
    ("full", "make coverage"),
    ("full", "make fuzz TIME=1"),
    ("full", "make bench-native"),
    ("full", "make bench-isolation"),
    ("full", "make deb"),
    ("full", "make libmhca && make libmhca_install && mhca-perf 2>&1 | grep ^usage"),
    # The kernel that runs is not of this Debian: its headers are no package.
    ("full", f"tests/lab/mhca-lab deps unit && make {KDIR} && make {KDIR} modules modules_install "
             f"&& make clean && make install {KDIR}"),
    ("full", "tests/lab/mhca-lab deps unit tools && meson setup build/tsan -Db_sanitize=thread"),
    ("full", NO_BOOT + "make bench"),
    ("full", NO_BOOT + "make shell"),
    ("full", NO_BOOT + "tests/lab/mhca-lab run --suite bookworm --guest-suite sid"),
    ("full", NO_BOOT + "tests/lab/mhca-lab exec -- true"),
    ("full", NO_BOOT + "tests/lab/mhca-lab shell"),
    ("full", "tests/lab/mhca-lab build --suite sid"),
    ("full", "make lint"),
]
# Commands of documents that nobody tries here, and why.
NOT_TRIED = {
    "make test": "CI is that: a clone on a machine that has nothing",
    "make test-full": "make test with a variable set",
    "make test-debug": "hours; make lint builds the same kernel",
    "mhca-lab run --debug-kernel": "the same",
    "mhca-lab run --here": "wants a real host",
    "mhca-lab test": "make test",
    "mhca-lab lint": "make lint",
    "mhca-lab fresh": "it is what tries the others",
}


def suite_of_machine():
    """This machine's suite, if it is one that we know; else the default one."""
    try:
        release = pathlib.Path("/etc/os-release").read_text()
    except OSError:
        release = ""
    for suite in SUITES:
        if f"VERSION_CODENAME={suite}\n" in release:
            return suite
    return image.DEFAULT_SUITE


def base(suite):
    """The minimal Debian, made once."""
    top = cache_dir() / "fresh"
    root = top / f"{suite}.{digest(' '.join(PACKAGES), *image.sources(suite))}"
    with locked(cache_dir() / f".{suite}.fresh.lock", f"a minimal {suite}"):
        if not root.exists():
            new = top / f"{suite}.new"
            shutil.rmtree(new, ignore_errors=True)
            log = top / f"{suite}.log"
            step("fresh", f"{suite}: mmdebstrap (log {log})")
            run(isolated(["mmdebstrap", "--mode=root", "--variant=minbase",
                          "--include=" + ",".join(PACKAGES), "--dpkgopt=force-unsafe-io",
                          *image.APT_OPTIONS, suite, new, *image.sources(suite)]), log=log,
                env=dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C"))
            new.rename(root)
    return root


def machine_files(root, suite):
    """What apt needs to reach a mirror from here, in the new root."""
    for name in ("resolv.conf", "hosts"):
        shutil.copy(f"/etc/{name}", root / "etc" / name)
    sources = ["sources.list", "sources.list.d"] if suite == suite_of_machine() else []
    for name in ("apt.conf.d", "auth.conf.d", "keyrings", "trusted.gpg.d", *sources):
        source, to = pathlib.Path("/etc/apt", name), root / "etc/apt" / name
        if source.is_dir():
            shutil.copytree(source, to, dirs_exist_ok=True)
        elif source.exists():
            shutil.copy(source, to)
    if sources and not pathlib.Path("/etc/apt/sources.list").exists():
        (root / "etc/apt/sources.list").write_text("")
    if sources and os.path.isdir("/usr/share/keyrings"):
        shutil.copytree("/usr/share/keyrings", root / "usr/share/keyrings", dirs_exist_ok=True)


def script(work, lower, suite, command):
    """The shell script that mounts the root, clones HEAD and becomes the command."""
    root = shlex.quote(str(work / "root"))
    env = {"HOME": "/root", "LC_ALL": "C.UTF-8", "MHCA_LAB_CACHE": SHARED, "TERM": "dumb",
           "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    env.update({k: os.environ[k] for k in PASSED_ON if k in os.environ})
    inside = f"cd {HOME} && exec " + shlex.join(command)
    options = f"lowerdir={lower},upperdir={work}/upper,workdir={work}/work"
    return "\n".join([
        "set -e",
        # Where that cannot be (on an overlay, as containers have), a copy.
        f"mount -t overlay overlay -o {shlex.quote(options)} {root} || {{",
        f"  cp -a --reflink=auto {shlex.quote(str(lower))}/. {work}/upper/. {root}/",
        f"  mount --bind {root} {root}; }}",
        f"mount -t proc proc {root}/proc",
        f"mount -t sysfs sysfs {root}/sys",
        f"mount --rbind /dev {root}/dev",
        f"mount -t tmpfs -o mode=1777 tmpfs {root}/tmp",
        f"mount -t tmpfs -o mode=755 tmpfs {root}/run",
        f"mkdir -p {root}{SHARED}",
        f"mount --bind {shlex.quote(str(cache_dir()))} {root}{SHARED}",
        "exec chroot {} /usr/bin/env -i {} /bin/sh -c {}".format(
            root, " ".join(f"{k}={shlex.quote(v)}" for k, v in env.items()),
            shlex.quote(inside)), ""])


def remove_stale():
    """What killed runs have left."""
    for work in BUILD.glob("fresh.*"):
        if not os.path.exists(f"/proc/{work.suffix[1:]}"):
            shutil.rmtree(work, ignore_errors=True)


def clone(dest):
    """HEAD of this tree. What is not committed is not in it."""
    if not (TOP / ".git").exists():
        raise LabError("mhca-lab fresh clones the tree, and this one is no git repository")
    git = ["git", "-c", "safe.directory=*", "-c", "advice.detachedHead=false"]
    if run([*git, "-C", TOP, "status", "--porcelain"]).strip():
        step("fresh", "what is not committed here is not there")
    run([*git, "clone", "--quiet", "--no-hardlinks", TOP, dest])
    run([*git, "-C", dest, "checkout", "--quiet", "--detach",
         run([*git, "-C", TOP, "rev-parse", "HEAD"]).strip()])


def fresh(command, suite=None, log=None):
    """Run a command on a fresh machine; its exit status."""
    deps.ensure("lab")
    need_root()
    suite = suite or suite_of_machine()
    lower = base(suite)
    remove_stale()
    work = BUILD / f"fresh.{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    for name in ("upper", "work", "root"):
        (work / name).mkdir(parents=True)
    try:
        for name in ("etc/apt", "usr/share", "root"):
            (work / "upper" / name).mkdir(parents=True)
        machine_files(work / "upper", suite)
        clone(work / "upper" / HOME[1:])
        step("fresh", f"{suite}: {shlex.join(command)}")
        argv = isolated(["sh", "-c", script(work, lower, suite, command)])
        if log is None:
            return CHILDREN.run(argv).returncode
        with open(log, "wb") as f:
            return CHILDREN.run(argv, stdout=f, stderr=subprocess.STDOUT).returncode
    finally:
        # Its namespaces are gone, and so are the mounts.
        shutil.rmtree(work, ignore_errors=True)


def listed(full):
    """Try COMMANDS, each on a machine of its own; (passed, failed, skipped)."""
    logs = BUILD / "logs" / "fresh"
    logs.mkdir(parents=True, exist_ok=True)
    passed = failed = 0
    for i, (when, line) in enumerate(COMMANDS):
        if when == "full" and not full:
            continue
        log = logs / f"{i:02d}.log"
        try:
            status = fresh(["sh", "-c", line], log=log)
        except LabError as e:
            status = e
        if status == 0:
            passed += 1
            continue
        failed += 1
        print(f"=== on a fresh machine `{line}` ended with {status}; log {log}")
        print("\n".join(log.read_text(errors="replace").splitlines()[-25:])
              if log.exists() else "", flush=True)
    return passed, failed, 0
