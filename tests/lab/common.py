# SPDX-License-Identifier: GPL-2.0-only
"""What every part of the lab needs: paths, progress lines, commands, locks."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
LAB = TOP / "tests" / "lab"
BUILD = TOP / "build" / "lab"
BENCH = TOP / "build" / "bench"
SUITES = ("bookworm", "trixie", "sid")
DEFAULT_SUITE = "trixie"

_T0 = time.monotonic()


class LabError(Exception):
    """An expected failure: printed without a traceback."""


def step(what, text):
    """Print one progress line: elapsed time, stage, what is being done."""
    t = int(time.monotonic() - _T0)
    print(f"[{t // 60:3d}:{t % 60:02d}] {what:<7} {text}", flush=True)


def cache_dir():
    """Images may live outside the tree, to be shared by several clones."""
    return pathlib.Path(os.environ.get("MHCA_LAB_CACHE", BUILD))


def suite_dir(suite):
    """Where everything of one suite is kept: images and build results."""
    d = BUILD / suite
    d.mkdir(parents=True, exist_ok=True)
    return d


def run(argv, log=None, **kw):
    """Run a command to its end; its output goes to `log`, shown on failure."""
    argv = [str(a) for a in argv]
    if log is None:
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           check=False, **kw)
        out = p.stdout
    else:
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as f:
            p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=f,
                               stderr=subprocess.STDOUT, check=False, **kw)
        out = tail(log, 40) if p.returncode else ""
    if p.returncode:
        where = f"\nfull log: {log}" if log else ""
        raise LabError(f"{out}\n`{' '.join(argv[:6])} …` failed "
                       f"({p.returncode}){where}")
    return out


def tail(path, lines):
    """The last lines of a file, as text; empty if there is none."""
    try:
        data = pathlib.Path(path).read_bytes()[-200000:]
    except OSError:
        return ""
    text = data.decode("utf-8", "replace").replace("\r", "")
    return "\n".join(text.splitlines()[-lines:])


def digest(*parts):
    """A short hash of strings, bytes and file contents."""
    h = hashlib.sha256()
    for p in parts:
        if isinstance(p, pathlib.Path):
            p = p.read_bytes()
        if isinstance(p, str):
            p = p.encode()
        h.update(len(p).to_bytes(8, "little") + p)
    return h.hexdigest()[:16]


@contextlib.contextmanager
def locked(path, what):
    """Hold a lock file, saying so when another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            step("wait", f"another mhca-lab works on {what}")
            fcntl.flock(f, fcntl.LOCK_EX)
        yield


def need_root():
    """mmdebstrap, chroot and /dev/kvm are used as root."""
    if os.geteuid():
        raise LabError("mhca-lab must run as root (mmdebstrap, chroot): "
                       "sudo " + " ".join(sys.argv))
