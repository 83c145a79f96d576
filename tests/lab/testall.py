# SPDX-License-Identifier: GPL-2.0-only
"""`mhca-lab test`: everything that CI runs, in one go, with one last line."""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import time

import build
import deps
import fresh
import image
import runner
import vm
from common import CHILDREN, DEFAULT_SUITE, SUITES, TOP, LabError, step

MESON = TOP / "build" / "meson"
FUZZ_SECONDS = 5
HOST_MEMORY = 8192      # MiB, of each of two virtual hosts
MARGIN = 300            # of MHCA_SECONDS, for the test that runs when they are over


def unit_tests():
    """The user-space tests under meson; (passed, failed, skipped)."""
    if not (TOP / "meson.build").exists():
        return 0, 0, 0
    headers = image.kernel_headers(DEFAULT_SUITE)
    step("unit", f"meson test in {MESON}")
    # The lab's QEMU, for a machine that has none.
    env = dict(os.environ, LC_ALL="C.UTF-8", MHCA_QEMU=shlex.join(map(str, vm.qemu_command())))
    # Anew each time: files of the core come and go.
    again = ["--reconfigure"] if (MESON / "build.ninja").exists() else []
    CHILDREN.run(["meson", "setup", *again, MESON, TOP, f"-Dkernel_headers={headers}",
                  "-Dhost_tools=enabled", "-Dlibmhca=enabled", "-Dtests=enabled",
                  "-Dmhcad=enabled"], env=env)
    if CHILDREN.run(["meson", "compile", "-C", MESON, "-j", str(build.jobs())],
                    env=env).returncode:
        print("=== the unit tests do not build")
        return 0, 1, 0
    # A virtual host may run beside them.
    patient = ["--timeout-multiplier", "3"]
    full = [] if os.environ.get("MHCA_FULL") == "1" else ["--no-suite", "full"]
    CHILDREN.run(["meson", "test", "-C", MESON, "--no-rebuild", "--print-errorlogs",
                  *patient, *full], env=env)
    return meson_counts(MESON / "meson-logs" / "testlog.json")


def fuzz():
    """Each fuzz target searches for FUZZ_SECONDS; (passed, failed, skipped)."""
    script = TOP / "tests" / "fuzz" / "run.sh"
    headers = image.kernel_headers(DEFAULT_SUITE)
    step("fuzz", f"{script} {FUZZ_SECONDS}")
    env = dict(os.environ, LC_ALL="C.UTF-8", KERNEL_HEADERS=str(headers))
    p = CHILDREN.run([script, str(FUZZ_SECONDS)], env=env, text=True, stdout=subprocess.PIPE)
    print(p.stdout, end="", flush=True)
    m = re.search(r"^(\d+) passed, (\d+) failed$", p.stdout, re.M)
    return (int(m[1]), int(m[2]), 0) if m else (0, 1, 0)


def meson_counts(path):
    """(passed, failed, skipped) of a meson test log."""
    results = [json.loads(line)["result"]
               for line in path.read_text().splitlines() if line]
    good = sum(r in ("OK", "EXPECTEDFAIL") for r in results)
    skipped = results.count("SKIP")
    return good, len(results) - good - skipped, skipped


def other_hosts(args):
    """The modules build and load on every other suite's kernel."""
    total = (0, 0, 0)
    for suite in SUITES:
        if suite == args.suite:
            continue
        sub = run_args(args, suite, [suite],
                       ["tests/system/test_lab.py", "-k", "modules"])
        sub.debug_kernel = False
        total = add(total, guarded(sub))
    return total


def run_args(args, suite, guests, pytest):
    """Arguments as `mhca-lab run` would have parsed them."""
    return argparse.Namespace(suite=suite, guest_suite=guests, pytest=pytest,
                              debug_kernel=args.debug_kernel, no_build=False,
                              here=False, timeout=args.timeout, budget=None)


def guarded(run, share=None):
    """A run whose own failure counts as one failed test."""
    try:
        return runner.run_tests(run, share)
    except LabError as e:
        print(f"\n=== {e}")
        return 0, 1, 0


def hosts_at_once():
    """How many virtual hosts share the system tests: an emulated one keeps a CPU or two busy."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    room = len(os.sched_getaffinity(0)) > 3 and total >= 2 * HOST_MEMORY + 4096
    return int(os.environ.get("MHCA_LAB_HOSTS", 2 if room else 1))


def system_tests(args, start, share=None):
    """The system tests; once more if the emulated host itself was lost, not a test.

    With MHCA_SECONDS in the environment they end in time: what has not begun by then
    is skipped, and the last line says how many that were.
    """
    guests = [args.suite] + [s for s in SUITES if s != args.suite]
    run = run_args(args, args.suite, guests, [])
    seconds = int(os.environ.get("MHCA_SECONDS", "0"))
    for attempt in range(2):
        if attempt:
            step("tests", "the host was lost: once more")
        if seconds:
            left = int(seconds - MARGIN - (time.monotonic() - start))
            run.budget = max(left, 60)
            run.timeout = run.budget + 2 * MARGIN
        result = guarded(run, share)
        if result != (0, 1, 0):
            break
    return result


def divided(args, start, before):
    """The system tests on two hosts, of which one begins after `before()`; two results.

    Each takes tests until there are none left (runner.Share), so neither waits for the other.
    """
    with tempfile.TemporaryDirectory(prefix="mhca-claims-") as claims, \
            concurrent.futures.ThreadPoolExecutor(2) as pool:
        shares = [runner.Share(name, claims, name != "A", HOST_MEMORY) for name in "AB"]
        first = pool.submit(system_tests, args, start, shares[0])
        second = pool.submit(lambda: (before(), system_tests(args, start, shares[1])))
        (rest, two), one = second.result(), first.result()
        return rest, add(add(one, two), unfinished(claims, sum(s.done for s in shares)))


def unfinished(claims, done):
    """As a result: tests that a host took and did not finish, or that nobody took."""
    try:
        collected = int(pathlib.Path(claims, "collected").read_text())
    except (OSError, ValueError):
        print("=== no host has collected the tests")
        return 0, 1, 0
    missing = collected - done
    if missing > 0:
        print(f"=== of {collected} tests {missing} have no result")
    return 0, max(missing, 0), 0


def add(a, b):
    """The sum of two results."""
    return tuple(x + y for x, y in zip(a, b))


def quick():
    """What needs no virtual machine, and the modules of one kernel: before a commit."""
    deps.ensure("lab", "tools", "unit", headers=False)
    image.ensure(DEFAULT_SUITE)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        modules = pool.submit(build.ensure, DEFAULT_SUITE)
        result = unit_tests()
        modules.result()
    return runner.summary(*result)


def test(args):
    """Run all; the exit status."""
    if args.quick:
        return quick()
    start = time.monotonic()
    deps.ensure("lab", "tools", "unit", "fuzz", headers=False)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(image.ensure, SUITES))

    def others():
        return {"unit tests": unit_tests(), "fuzz targets": fuzz(),
                "a fresh machine": fresh.listed(os.environ.get("MHCA_FULL") == "1"),
                "modules on other kernels": other_hosts(args)}

    if hosts_at_once() > 1:
        # Built before the hosts, which look at it, are there.
        for suite in SUITES:
            build.ensure(suite)
        results, results_of_guests = divided(args, start, others)
    else:
        results, results_of_guests = others(), system_tests(args, start)
    results["system tests"] = results_of_guests
    total = (0, 0, 0)
    for name, r in results.items():
        step("result", f"{name}: {r[0]} passed, {r[1]} failed, {r[2]} skipped")
        total = add(total, r)
    return runner.summary(*total)
