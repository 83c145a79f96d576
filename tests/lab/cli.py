# SPDX-License-Identifier: GPL-2.0-only
"""The command line of mhca-lab."""

import argparse
import os
import signal
import sys

import build
import debugkernel
import deps
import direct
import fresh
import image
import lint
import runner
import testall
from common import CHILDREN, DEFAULT_SUITE, SUITES, LabError, Stopped


def parser():
    """All commands and their options."""
    p = argparse.ArgumentParser(prog="mhca-lab", description=__doc__)
    sub = p.add_subparsers(dest="command", required=True)

    def command(name, text, suite=True):
        c = sub.add_parser(name, help=text, description=text)
        if suite:
            c.add_argument("--suite", choices=SUITES, default=DEFAULT_SUITE,
                           help="Debian suite of the host (default %(default)s)")
        return c

    c = command("deps", "install the Debian packages the lab needs", False)
    c.add_argument("groups", nargs="*", default=["lab"],
                   help="of: " + " ".join(deps.PACKAGES))
    command("image", "build the image of a suite, unless it is current")
    c = command("build", "build modules and test programs in the suite's chroot")
    c.add_argument("--programs-only", action="store_true")
    c = command("run", "boot the host and run the system tests in it")
    host_options(c)
    c.add_argument("--here", action="store_true",
                   help="this machine is the host; no VM around it")
    c.add_argument("--front-end", choices=("mdev", "vfio-user"), default="mdev",
                   help="vfio-user: guests on this machine, with mhcad, no host around them")
    c.add_argument("--timeout", type=int, default=3600,
                   help="seconds for the tests (default %(default)s)")
    c.add_argument("--budget", type=int, default=None,
                   help="seconds after which no test is started, but skipped")
    c.add_argument("pytest", nargs=argparse.REMAINDER,
                   help="arguments for pytest (after --)")
    c = command("test", "unit tests, every suite's modules, the system tests")
    c.add_argument("--debug-kernel", action="store_true")
    c.add_argument("--quick", action="store_true",
                   help="only the unit tests and the modules of one suite")
    c.add_argument("--timeout", type=int, default=36000,
                   help="seconds for the system tests (default %(default)s)")
    c = command("exec", "boot the host and run one command in it")
    host_options(c)
    c.add_argument("--timeout", type=int, default=3600)
    c.add_argument("cmd", nargs=argparse.REMAINDER, help="-- COMMAND …")
    c = command("shell", "boot the host and give a root shell on it")
    host_options(c)
    command("debug-kernel", "build the debug kernel from Debian's sources")
    c = command("fresh", "run a command in a clone of HEAD on a minimal Debian", False)
    c.add_argument("--suite", choices=SUITES, default=None,
                   help="its suite (default: this machine's)")
    c.add_argument("--listed", choices=("test", "full"), default=None,
                   help="instead of a command, those that documents name (fresh.py)")
    c.add_argument("cmd", nargs=argparse.REMAINDER, help="-- COMMAND …")
    command("lint", "checkpatch, sparse, shellcheck; wants the debug kernel")
    command("clean", "remove build results; --all also removes images",
            False).add_argument("--all", action="store_true")
    return p


def host_options(c):
    """Options of every command that boots the host."""
    c.add_argument("--guest-suite", action="append", choices=SUITES,
                   default=None, help="guest image; repeatable "
                                      "(default: the host's suite)")
    c.add_argument("--debug-kernel", action="store_true",
                   help="host runs our KASAN and lockdep kernel")
    c.add_argument("--no-build", action="store_true",
                   help="use what was built before")


def main(argv):
    """Run one command; the exit status."""
    def stop(*_):
        CHILDREN.end()
        sys.exit(143)

    for sig in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, stop)
    os.umask(0o022)
    args = parser().parse_args(argv)
    try:
        return dispatch(args)
    except LabError as e:
        print(f"\nmhca-lab: {e}", file=sys.stderr)
        return 2
    except Stopped as e:
        print(f"mhca-lab: {e}")
        return 0
    except KeyboardInterrupt:
        CHILDREN.end()
        print("\nmhca-lab: interrupted", file=sys.stderr)
        return 130


def dispatch(args):
    """The command's function."""
    if args.command == "deps":
        deps.ensure(*args.groups)
    elif args.command == "clean":
        build.clean(args.all)
    elif args.command == "image":
        deps.ensure("lab")
        image.ensure(args.suite)
    elif args.command == "build":
        deps.ensure("lab")
        image.ensure(args.suite)
        build.ensure(args.suite, modules=not args.programs_only)
    elif args.command == "debug-kernel":
        deps.ensure("lab")
        debugkernel.ensure(args.suite)
    elif args.command == "run" and args.front_end == "vfio-user":
        return runner.summary(*direct.run_tests(args))
    elif args.command == "run":
        return runner.summary(*runner.run_tests(args))
    elif args.command == "test":
        return testall.test(args)
    elif args.command == "exec":
        return runner.run_command(args)
    elif args.command == "fresh":
        if args.listed:
            return runner.summary(*fresh.listed(args.listed == "full"))
        cmd = args.cmd[1:] if args.cmd[:1] == ["--"] else args.cmd
        if not cmd:
            raise LabError("fresh needs a command: mhca-lab fresh -- make demo")
        return fresh.fresh(cmd, args.suite)
    elif args.command == "lint":
        return lint.lint(args.suite)
    elif args.command == "shell":
        return runner.shell(args)
    return 0
