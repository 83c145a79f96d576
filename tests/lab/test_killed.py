# SPDX-License-Identifier: GPL-2.0-only
"""mhca-lab ends while it makes an image, or runs something on a fresh machine, by
whatever signal: no process is left, no mount, and nothing of this machine is harmed.

mmdebstrap is a stand-in that mounts what the real one mounts, and a directory that is to
survive, and then takes for ever.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

LAB = pathlib.Path(__file__).resolve().parent
STUB = r"""#!/bin/sh
for arg; do case $arg in */rootfs | */fresh/*) root=$arg ;; esac; done
mkdir -p "$root/proc" "$root/dev" "$root/mnt"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount --bind "$PRECIOUS" "$root/mnt"
setsid sleep "$FOREVER" &
echo "$root" >>"$STARTED"
sleep "$FOREVER"
"""
# All that is asked for is installed.
DPKG = '#!/bin/sh\nshift 3\nfor p; do echo "$p install ok installed"; done\n'

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts want root")


class Scene:
    """A cache, the stand-ins in PATH, and what must survive."""

    def __init__(self, top):
        self.top, self.started, self.precious = top, top / "started", top / "precious"
        self.cache = top / "cache"
        self.precious.mkdir()
        (self.precious / "file").write_text("precious")
        (top / "bin").mkdir()
        for name, text in (("mmdebstrap", STUB), ("dpkg-query", DPKG)):
            (top / "bin" / name).write_text(text)
            (top / "bin" / name).chmod(0o755)
        self.forever = f"7777.{os.getpid()}{time.monotonic_ns()}"
        self.env = dict(os.environ, PATH=f"{top}/bin:{os.environ['PATH']}",
                        MHCA_LAB_CACHE=str(self.cache), PRECIOUS=str(self.precious),
                        STARTED=str(self.started), FOREVER=self.forever)

    def start(self, *args):
        """mhca-lab, once its stand-ins are at work."""
        p = subprocess.Popen([LAB / "mhca-lab", *args], env=self.env, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return p

    def wait(self, images):
        """Until that many images are being made; where."""
        end = time.monotonic() + 60
        while True:
            roots = self.started.read_text().split() if self.started.exists() else []
            if len(roots) >= images:
                return [pathlib.Path(r) for r in roots]
            assert time.monotonic() < end, "the stand-in was not called"
            time.sleep(0.05)

    def sleepers(self):
        """Processes that the stand-in started."""
        found = []
        for p in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = p.read_bytes().split(b"\0")
            except OSError:
                continue
            if words[:2] == [b"sleep", self.forever.encode()]:
                found.append(int(p.parent.name))
        return found

    def mounts(self):
        """What is mounted below the cache, as this process sees it."""
        text = pathlib.Path("/proc/self/mountinfo").read_text()
        return [w for w in (line.split()[4] for line in text.splitlines())
                if w.startswith(str(self.cache))]

    def nothing_left(self):
        """A kernel ends processes after their parent has gone: not at once."""
        end = time.monotonic() + 30
        while self.sleepers() and time.monotonic() < end:
            time.sleep(0.05)
        assert not self.sleepers() and not self.mounts()

    def clean(self):
        """Whatever the test found."""
        for pid in self.sleepers():
            os.kill(pid, signal.SIGKILL)
        for where in reversed(self.mounts()):
            subprocess.run(["umount", "--lazy", where], check=False)


@pytest.fixture
def scene(tmp_path):
    s = Scene(tmp_path)
    yield s
    s.clean()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_image(scene, sig):
    """Of one image; its directory can be removed afterwards."""
    p = scene.start("image", "--suite", "trixie")
    root, = scene.wait(1)
    p.send_signal(sig)
    p.communicate(timeout=30)
    assert p.returncode
    scene.nothing_left()
    shutil.rmtree(root.parent)
    assert (scene.precious / "file").read_text() == "precious"


def test_all_images(scene):
    """`make test` makes two at a time; the third is not begun when the first are ended."""
    p = scene.start("test")
    scene.wait(2)
    p.send_signal(signal.SIGTERM)
    p.communicate(timeout=30)
    assert p.returncode == 143
    scene.nothing_left()
    assert len(scene.started.read_text().split()) == 2


def test_mounts_of_old(scene):
    """What an earlier version left mounted in a half-made image is not walked into."""
    root = scene.cache / "trixie/image.new/rootfs"
    (root / "mnt").mkdir(parents=True)
    subprocess.run(["mount", "--bind", scene.precious, root / "mnt"], check=True)
    p = scene.start("image", "--suite", "trixie")
    scene.wait(1)
    p.terminate()
    p.communicate(timeout=30)
    scene.nothing_left()
    assert (scene.precious / "file").read_text() == "precious"


FRESH = """
import pathlib, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import cli, fresh
fresh.base = lambda suite: pathlib.Path("/")
sys.exit(cli.main(["fresh", "--", "sh", "-c", sys.argv[2]]))
"""


def on_fresh(scene, command):
    """`mhca-lab fresh` on top of this very system, to spare the mirror."""
    return subprocess.Popen([sys.executable, "-c", FRESH, LAB, command], env=scene.env,
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.fixture
def overlay(scene):
    if "\toverlay\n" not in pathlib.Path("/proc/filesystems").read_text() or \
            subprocess.run(["stat", "-fc", "%T", LAB], text=True, check=True,
                           stdout=subprocess.PIPE).stdout.strip() in ("overlayfs", "9p"):
        pytest.skip("no overlay file system can be had here")
    scene.cache.mkdir()
    return scene


def leftovers():
    """Directories of fresh machines whose maker is gone, of this test too."""
    return [d for d in (LAB.parents[1] / "build/lab").glob("fresh.*")
            if not os.path.exists(f"/proc/{d.suffix[1:]}")]


def test_fresh_machine(overlay):
    """A clone of HEAD; what is written stays there; the exit status comes out."""
    p = on_fresh(overlay, "git rev-parse HEAD; pwd; test ! -e build; echo x >/usr/here; exit 5")
    out, _ = p.communicate(timeout=60)
    head = subprocess.run(["git", "-c", "safe.directory=*", "-C", LAB, "rev-parse", "HEAD"],
                          check=True, text=True, stdout=subprocess.PIPE).stdout
    assert p.returncode == 5, out
    assert head in out and "/root/mhca\n" in out
    assert not os.path.exists("/usr/here") and not leftovers()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_fresh_machine_killed(overlay, sig):
    """Its processes and mounts end with it, and its directory goes."""
    p = on_fresh(overlay, f"mkdir /mnt/x; mount -t tmpfs x /mnt/x; setsid sleep {overlay.forever} & "
                          f"echo x >/var/cache/mhca-lab/up; sleep {overlay.forever}")
    end = time.monotonic() + 60
    while not (overlay.cache / "up").exists():
        assert time.monotonic() < end and p.poll() is None, p.communicate()[0]
        time.sleep(0.05)
    p.send_signal(sig)
    p.communicate(timeout=30)
    overlay.nothing_left()
    assert (overlay.cache / "up").exists()
    if sig == signal.SIGKILL:       # the next run does it
        assert on_fresh(overlay, "true").wait(60) == 0
    assert not leftovers()
