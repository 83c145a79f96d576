# SPDX-License-Identifier: GPL-2.0-only
"""What every part of the lab needs: paths, progress lines, commands, locks."""

import contextlib
import ctypes
import fcntl
import hashlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
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


class Stopped(Exception):
    """The end that was asked for: printed, and no failure."""


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


class Children:
    """The commands that run now, whichever thread waits for them."""

    def __init__(self):
        self.lock = threading.Lock()
        self.running = set()
        self.stopping = False

    def run(self, argv, **kw):
        """As subprocess.run(), but in a process group that end() can end.

        If we are killed, the kernel ends the command (not what it started itself; of
        what is isolated(), that too).
        """
        kw.setdefault("stdin", subprocess.DEVNULL)
        with self.lock:
            if self.stopping:
                raise LabError("interrupted")
            p = subprocess.Popen([str(a) for a in argv], start_new_session=True,
                                 preexec_fn=die_with_parent, **kw)
            self.running.add(p)
        try:
            out, err = p.communicate()
        finally:
            with self.lock:
                self.running.discard(p)
                if p.poll() is None:
                    self.kill(p)
        return subprocess.CompletedProcess(argv, p.returncode, out, err)

    @staticmethod
    def kill(p):
        """A command and what it has started in its process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(p.pid, signal.SIGKILL)

    def end(self):
        """End all commands; none begins any more, in whatever thread."""
        self.stopping = True    # no lock: this may have interrupted who holds it
        for p in list(self.running):
            self.kill(p)


CHILDREN = Children()


def die_with_parent():
    """Runs in the child: the kernel ends it when we end, however that is."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def isolated(argv):
    """A command in mount and process namespaces of its own.

    However it ends, killed or not, so does all that it started, and what it mounted
    is mounted no more.
    """
    return ["unshare", "--mount", "--propagation", "private", "--pid", "--fork",
            "--kill-child", "--mount-proc", *argv]


def undo_mounts(top):
    """Unmount what is mounted below a directory that is to be removed."""
    top = os.path.realpath(top)
    mounts = [re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), line.split()[4])
              for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]
    for where in reversed([m for m in mounts if m.startswith(top + "/")]):
        run(["umount", "--lazy", where])


def run(argv, log=None, **kw):
    """Run a command to its end; its output goes to `log`, shown on failure."""
    argv = [str(a) for a in argv]
    if log is None:
        p = CHILDREN.run(argv, text=True, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, **kw)
        out = p.stdout
    else:
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as f:
            p = CHILDREN.run(argv, stdout=f, stderr=subprocess.STDOUT, **kw)
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
