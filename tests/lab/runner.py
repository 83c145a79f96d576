# SPDX-License-Identifier: GPL-2.0-only
"""Boot a host and do something in it: the tests, a command, a shell."""

import json
import os
import select
import shlex
import shutil
import socket
import subprocess
import sys
import termios
import threading
import time
import tty
import xml.etree.ElementTree as ET

import build
import debugkernel
import deps
import image
import kmsg
import pyverbs
from channel import ChannelError
from common import BENCH, BUILD, DEFAULT_SUITE, TOP, LabError, need_root, step, tail
from vm import HostVM, guest_cpus


# Longer than any test of a run with a budget may take (fixtures.py).
SILENCE = 2000


class Share:
    """A host's part of a run that several hosts divide among themselves (fixtures.py).

    Each takes the next test that nobody has taken, by making a directory in `claims`;
    one goes through the list backwards. Its output has its name before each line.
    """

    def __init__(self, name, claims, backwards, memory):
        self.name, self.claims, self.backwards = name, claims, backwards
        self.memory = memory
        self.rest = b""
        self.done = 0       # tests with a result

    def emit(self, data):
        """Whole lines only: another host writes, too."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        if lines:
            emit(b"".join(b"%s| %s\n" % (self.name.encode(), line) for line in lines))


def new_logs():
    """A directory for this run's logs; build/lab/logs/latest points to it."""
    name = time.strftime("%Y%m%d-%H%M%S") + f"-{threading.get_native_id()}"
    logs = BUILD / "logs" / name
    logs.mkdir(parents=True)
    latest = BUILD / "logs" / "latest"
    tmp = latest.with_name(f".latest.{threading.get_native_id()}")
    tmp.symlink_to(name)
    tmp.rename(latest)
    return logs


def prepare(args):
    """Images of the host and of the guests, and what is built in them."""
    deps.ensure("lab")
    need_root()
    guests = args.guest_suite or [args.suite]
    debug = None
    for s in dict.fromkeys([DEFAULT_SUITE, args.suite, *guests]):
        image.ensure(s)
    if args.debug_kernel:
        debug = debugkernel.ensure(args.suite)
    if args.no_build:
        build.snapshot(BUILD / args.suite / "src")
    else:
        for s in dict.fromkeys([args.suite, *guests]):
            build.ensure(s, modules=s == args.suite)
        if debug:
            debug.build_modules()
    return guests, debug


def host_vm(args, guests, debug, logs, interactive=False, share=None):
    """The VM with the guests' images as disks and everything shared."""
    d = BUILD / args.suite
    (d / "out").mkdir(parents=True, exist_ok=True)
    (d / "src").mkdir(parents=True, exist_ok=True)
    disks, shares = [], [("src", d / "src", False), ("run", logs, True)]
    for s in dict.fromkeys([args.suite, *guests]):
        (BUILD / s / "out/bin").mkdir(parents=True, exist_ok=True)
        shares += [(f"out.{s}", BUILD / s / "out", False),
                   (f"img.{s}", image.image_dir(s), False)]
        if s != args.suite:
            disks.append((f"img-{s}", image.image_dir(s) / "rootfs.sqfs"))
    kw = {}
    if share:
        shares.append(("claims", share.claims, True))
        kw["memory"] = share.memory
    if debug:
        kw.update(kernel=debug.kernel, initrd=debug.initrd, cmdline=debug.cmdline)
        shares.append(("debug", debug.modules, False))
    return HostVM(args.suite, logs, disks=disks, shares=shares,
                  interactive=interactive, **kw)


def lab_config(args, guests, here=False, share=None):
    """What tests/system/conftest.py has to know, as JSON text."""
    def img(s):
        if here:
            return str(image.image_dir(s)), str(BUILD / s / "out")
        return f"/mhca/img.{s}", f"/mhca/out.{s}"

    modules = f"/mhca/out.{args.suite}"
    if args.debug_kernel:
        modules = "/mhca/debug"
    if here:
        modules = str(BUILD / "here")
    conf = {"suite": args.suite, "debug_kernel": args.debug_kernel,
            "here": here, "guest_suites": guests, "modules": modules,
            # The CPU without guests (vm.guest_cpus()) is the lanes'.
            "lane_cpus": None if here else "0", "guests": {},
            "budget": getattr(args, "budget", None)}
    if share:
        conf["claims"] = {"dir": "/mhca/claims", "backwards": share.backwards}
    for s in dict.fromkeys([args.suite, *guests]):
        where, out = img(s)
        serial = "img-root" if s == args.suite else f"img-{s}"
        conf["guests"][s] = {"kernel": f"{where}/vmlinux",
                             "initrd": f"{where}/{image.initrd(s).name}",
                             "out": out, "cpus": None if here else guest_cpus(),
                             "disk": f"{where}/rootfs.sqfs" if here else None,
                             "serial": serial}
    return json.dumps(conf, indent=1)


def emit(data):
    """Bytes to our standard output, at once."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def boot(vm):
    """Boot with progress lines. An emulated host that hangs gets a second try.

    Two of thirty emulated hosts stood still before they had loaded anything of
    ours; the log of one says that a CPU's timer did not fire. The cause is not known.
    """
    argv = vm.argv()
    step("boot", f"host: {' '.join(argv[argv.index('-accel'):][:8])}")
    try:
        took = vm.boot(90)
    except LabError as e:
        if not argv[argv.index("-accel") + 1].startswith("tcg"):
            raise
        step("boot", f"once more: {str(e).splitlines()[0]}")
        vm.restart()
        took = vm.boot()
    step("boot", f"host is up after {took:.1f} s")


def counts(junit):
    """(passed, failed, skipped) of a junit file; None if there is none."""
    try:
        cases = list(ET.parse(junit).getroot().iter("testcase"))
    except (OSError, ET.ParseError):
        return None
    # A test may both fail and leave an error at its teardown: one failure.
    worst = {}
    for c in cases:
        name = (c.get("classname"), c.get("name"))
        bad = c.find("failure") is not None or c.find("error") is not None
        rank = 2 if bad else 1 if c.find("skipped") is not None else 0
        worst[name] = max(worst.get(name, 0), rank)
    ranks = list(worst.values())
    return ranks.count(0), ranks.count(2), ranks.count(1)


def pytest_arguments(args):
    """What pytest is called with; without a path all system tests."""
    given = [a for a in args.pytest if a != "--"]
    paths = any(a.startswith("tests/") or ".py" in a for a in given)
    return given if paths else [*given, "tests/system"]


def wants_pyverbs(args):
    """May test_pyverbs.py be among what runs?"""
    return args.suite == DEFAULT_SUITE and not args.no_build and any(
        a.rstrip("/") in ("tests", "tests/system") or "test_pyverbs" in a
        for a in pytest_arguments(args))


def pytest_command(args, src, run_dir):
    """The shell command that runs the system tests."""
    argv = ["python3", "-m", "pytest", "-p", "no:cacheprovider", "-ra",
            "--tb=short", "-v", "--color=no", "-o", "junit_family=xunit1",
            f"--junitxml={run_dir}/junit.xml", *pytest_arguments(args)]
    env = [f"MHCA_LAB_CONFIG={run_dir}/lab.json", f"MHCA_LOGS={run_dir}",
           "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"]
    env += [f"{k}={v}" for k, v in os.environ.items()
            if k.startswith("MHCA_") and not k.startswith("MHCA_LAB_")]
    return (f"cd {shlex.quote(str(src))} && env "
            + " ".join(map(shlex.quote, env + argv)))


def verdict(logs, status, problems):
    """Print what went wrong; the run's (passed, failed, skipped)."""
    got = counts(logs / "junit.xml")
    if got is None:
        problems.append("the tests did not finish: no result file")
        got = (0, 0, 0)
    passed, failed, skipped = got
    if problems:
        failed += 1
    elif status and not failed:
        problems.append(f"pytest ended with status {status}")
        failed = 1
    for p in problems:
        print(f"\n=== {p}")
    if failed:
        for f in sorted(logs.glob("*console*.log"))[-4:]:
            print(f"\n--- last lines of {f}\n{tail(f, 15)}")
    for f in logs.glob("*.jsonl"):
        BENCH.mkdir(parents=True, exist_ok=True)
        shutil.copy(f, BENCH / f"{logs.name}-{f.name}")
    step("done", f"logs: {logs}")
    return passed, failed, skipped


def summary(passed, failed, skipped):
    """The line a run ends with; the exit status it deserves."""
    if skipped:
        print(f"{skipped} skipped, which is not passed")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


def run_tests(args, share=None):
    """`mhca-lab run`: (passed, failed, skipped). With a Share, of some of the tests."""
    if args.here:
        return run_here(args)
    guests, debug = prepare(args)
    if wants_pyverbs(args):
        pyverbs.ensure(args.suite)
    logs = new_logs()
    (logs / "lab.json").write_text(lab_config(args, guests, share=share))
    problems, status = [], 1
    show = share.emit if share else emit
    with host_vm(args, guests, debug, logs, share=share) as vm:
        boot(vm)
        step("tests", "guests: " + " ".join(guests))
        with open(logs / "pytest.log", "wb", buffering=0) as log:
            def both(data):
                log.write(data)
                show(data)
            try:
                status, _ = vm.channel.run(
                    pytest_command(args, "/mhca/src", "/mhca/run"),
                    args.timeout, both, SILENCE if args.budget else None)
                if status == 124:
                    problems.append(f"no end within {args.timeout} s")
                problems += check_host(vm, logs)
            except ChannelError as e:
                problems.append(f"the host is lost: {e}")
    if share:
        share.done += sum(counts(logs / "junit.xml") or ())
    return verdict(logs, status, problems)


def check_host(vm, logs):
    """The host's kernel log after the tests; what in it is bad."""
    _, log = vm.channel.run("dmesg", 60)
    (logs / "host-dmesg.txt").write_text(log)
    try:
        allowed = (logs / "allowed-kmsg.txt").read_text().splitlines()
    except OSError:
        allowed = []
    bad = [ln for ln in kmsg.bad_lines(log)
           if not any(ln.endswith(a) for a in allowed)]
    if not bad:
        return []
    return [f"{len(bad)} bad lines in the host's kernel log "
            f"({logs}/host-dmesg.txt):\n" + kmsg.context(log)]


def run_here(args):
    """`mhca-lab run --here`: this machine is the host."""
    deps.ensure("lab", "here")
    need_root()
    guests = args.guest_suite or [args.suite]
    for s in dict.fromkeys(guests):
        image.ensure(s)
        build.ensure(s, modules=False)
    logs = new_logs()
    out = BUILD / "here"
    out.mkdir(parents=True, exist_ok=True)
    build.build_here(out, logs / "build.log")
    (logs / "lab.json").write_text(lab_config(args, guests, here=True))
    status = subprocess.run(["sh", "-c", pytest_command(args, TOP, logs)],
                            check=False, timeout=args.timeout).returncode
    return verdict(logs, status, [])


def run_command(args):
    """`mhca-lab exec`: one command, its output and status are ours."""
    cmd = args.cmd[1:] if args.cmd[:1] == ["--"] else args.cmd
    if not cmd:
        raise LabError("exec needs a command: mhca-lab exec -- COMMAND …")
    guests, debug = prepare(args)
    logs = new_logs()
    (logs / "lab.json").write_text(lab_config(args, guests))
    with host_vm(args, guests, debug, logs) as vm:
        boot(vm)
        try:
            status, _ = vm.channel.run(
                "export MHCA_LAB_CONFIG=/mhca/run/lab.json MHCA_LOGS=/mhca/run; "
                + shlex.join(cmd), args.timeout, emit)
            print()
            for line in check_host(vm, logs):
                print(f"mhca-lab: {line}", file=sys.stderr)
                status = status or 1
        except ChannelError as e:
            raise LabError(f"the host is lost: {e}\nlogs: {logs}") from e
    return status


def shell(args):
    """`mhca-lab shell`: a terminal on the host; exit with Ctrl-]."""
    guests, debug = prepare(args)
    logs = new_logs()
    (logs / "lab.json").write_text(lab_config(args, guests))
    with host_vm(args, guests, debug, logs, interactive=True) as vm:
        boot(vm)
        step("shell", f"Ctrl-] ends the host. Logs: {logs}")
        s = socket.socket(socket.AF_UNIX)
        s.connect(f"{vm.tmp.name}/hvc")
        s.sendall(b"\n")
        relay(s)
    return 0


def relay(sock):
    """Terminal to socket and back until Ctrl-] or the end of either."""
    fd = sys.stdin.fileno()
    saved = termios.tcgetattr(fd) if os.isatty(fd) else None
    if saved:
        tty.setraw(fd)
    try:
        while True:
            ready, _, _ = select.select([fd, sock], [], [])
            if sock in ready:
                data = sock.recv(65536)
                if not data:
                    return
                emit(data)
            if fd in ready:
                data = os.read(fd, 65536)
                if not data or b"\x1d" in data:
                    return
                sock.sendall(data)
    finally:
        if saved:
            termios.tcsetattr(fd, termios.TCSADRAIN, saved)
