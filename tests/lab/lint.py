# SPDX-License-Identifier: GPL-2.0-only
"""`mhca-lab lint`: checkpatch, sparse, shellcheck and Python's own compiler."""

import ast
import shutil
import subprocess

import build
import debugkernel
import deps
from common import LabError, TOP, run, step, suite_dir, tail

CHECKPATCH = ["--no-tree", "--strict", "--quiet", "--terse", "--show-types",
              "--max-line-length=100", "--file",
              # Locks are described in kernel-doc, not beside the field; tables
              # written as X macros are no expressions.
              "--ignore", "FILE_PATH_CHANGES,SPDX_LICENSE_TAG,"
              "UNCOMMENTED_DEFINITION,COMPLEX_MACRO,MACRO_ARG_REUSE,"
              "MACRO_ARG_UNUSED,MACRO_ARG_PRECEDENCE,TRAILING_SEMICOLON,"
              # 1U << n is a number of things more often than a bit.
              "BIT_MACRO,"
              # Taken in by a pointer to an array, `const u8 (*gid)[16]`.
              "FUNCTION_ARGUMENTS"]
# Written as the kernel writes tracepoints, which checkpatch does not know.
NOT_CHECKPATCH = ("mdev-driver/include/mhca/trace.h",)


def lint(suite):
    """All linters; 0 if each is content."""
    deps.ensure("lab", "lint")
    names = build.source_files()
    found = {"checkpatch": checkpatch(suite, names), "sparse": sparse(suite),
             "shellcheck": shellcheck(names), "python": python(names)}
    for name, text in found.items():
        step("lint", f"{name}: {'clean' if not text else text}")
    return 1 if any(found.values()) else 0


def checkpatch(suite, names):
    """Kernel style of the driver; the script comes with Debian's source."""
    script = debugkernel.ensure(suite).tree / "scripts/checkpatch.pl"
    code = [n for n in names if n.startswith("mdev-driver/")
            and not n.startswith("mdev-driver/user/")       # the kernel's names, as macros
            and n.endswith((".c", ".h")) and n not in NOT_CHECKPATCH]
    p = subprocess.run(["perl", script, *CHECKPATCH, *code], cwd=TOP, text=True,
                       capture_output=True, check=False)
    return "\n".join(ln for ln in p.stdout.splitlines()
                     if ln and not ln.startswith("total: "))


def sparse(suite):
    """Sparse over all of the driver, in the debug kernel's tree."""
    kernel = debugkernel.ensure(suite)
    src = suite_dir(suite) / "src.lint"
    build.snapshot(src)
    build.clean_objects(src)
    log = suite_dir(suite) / "lint-sparse.log"
    log.unlink(missing_ok=True)
    try:
        run(["make", f"-j{build.jobs()}", "-C", kernel.tree, f"M={src}", "C=2",
             "CHECK=sparse", "CF=-D__CHECK_ENDIAN__", "modules"], log=log)
    except LabError:
        return f"the modules do not build\n{tail(log, 30)}"
    lines = [ln.replace(f"{src}/", "") for ln in log.read_text().splitlines()
             if str(src) in ln and (": warning:" in ln or ": error:" in ln)]
    return "\n".join(lines)


def shellcheck(names):
    """Every shell script of the tree."""
    if not shutil.which("shellcheck"):
        return ""
    scripts = [n for n in names if (TOP / n).is_file()
               and (TOP / n).read_bytes()[:32].startswith((b"#!/bin/sh", b"#!/bin/bash"))]
    if not scripts:
        return ""
    p = subprocess.run(["shellcheck", *scripts], cwd=TOP, text=True,
                       capture_output=True, check=False)
    return p.stdout.strip()


def python(names):
    """Every Python file parses."""
    bad = []
    for n in names:
        if not n.endswith(".py"):
            continue
        text = (TOP / n).read_text()
        try:
            ast.parse(text, n)
        except SyntaxError as e:
            bad.append(f"{n}:{e.lineno}: {e.msg}")
    return "\n".join(bad)
