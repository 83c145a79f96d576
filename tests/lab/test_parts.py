# SPDX-License-Identifier: GPL-2.0-only
"""meson's features: what lacks its dependencies is left out, or an error that says what to
install; nothing needs another part's."""

import os
import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
# Of pkg-config, what a machine lacks; of the compiler, a header.
PKGCONFIG = """#!/bin/sh
for arg; do case " $LACKING " in *" $arg "*) exit 1 ;; esac; done
exec {real} "$@"
"""
COMPILER = """#!/bin/sh
case " $LACKING " in *" verbs.h "*) set -- "$@" -Dno_verbs -include {top}/none.h ;; esac
exec cc "$@"
"""
NONE = "#define __has_include(x) 0\n"
NATIVE = "[binaries]\nc = '{top}/gcc'\npkgconfig = '{top}/pkg-config'\ncmake = '{top}/none'\n"


@pytest.fixture
def setup(tmp_path):
    """meson setup on a machine that lacks some of it; (status, output)."""
    real = subprocess.run(["sh", "-c", "command -v pkg-config"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()
    for name, text in (("pkg-config", PKGCONFIG), ("gcc", COMPILER), ("native.ini", NATIVE)):
        (tmp_path / name).write_text(text.format(real=real, top=tmp_path))
        (tmp_path / name).chmod(0o755)
    (tmp_path / "none.h").write_text(NONE)
    headers = tmp_path / "kernel/include/linux/mlx5"
    headers.mkdir(parents=True)
    for name in ("mlx5_ifc.h", "driver.h"):
        (headers / name).write_text("")

    def run(lacking, *options, kernel=headers.parents[2]):
        env = {k: v for k, v in os.environ.items() if k != "KDIR"}
        env.update(LACKING=lacking, LC_ALL="C.UTF-8")
        p = subprocess.run(["meson", "setup", "--native-file", tmp_path / "native.ini",
                            tmp_path / "build", TOP, f"-Dkernel_headers={kernel}", *options],
                           env=env, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return p.returncode, p.stdout
    return run


def parts(output):
    """The summary: which parts are built."""
    return {name.strip(): word == "YES" for name, word in
            re.findall(r"^\s+(libmhca|mhcactl|mhcad|unit tests|mhcactl's tests)\s*: (YES|NO)$", output, re.M)}


ALL = {"libmhca": True, "mhcactl": True, "mhcad": True, "unit tests": True,
       "mhcactl's tests": True}


@pytest.mark.parametrize("lacking,without", [
    ("cmocka", {"unit tests"}),
    ("json-c", {"mhcactl", "mhcad", "mhcactl's tests"}),
    ("liburcu-bp", {"mhcad", "unit tests"}),
    ("libudev", {"mhcactl", "mhcactl's tests"}),
    ("verbs.h", {"libmhca", "unit tests"}),
    ("cmocka json-c verbs.h", set(ALL)),
    ("", set()),
])
def test_left_out(setup, lacking, without):
    """By default, with a word on it."""
    status, output = setup(lacking)
    assert status == 0, output
    assert parts(output) == {name: name not in without for name in ALL}
    assert ("left out" in output) == bool(without)


@pytest.mark.parametrize("lacking,option,package", [
    ("cmocka", "-Dtests=enabled", "mhca-lab deps unit"),
    ("json-c", "-Dhost_tools=enabled", "libjson-c-dev"),
    ("json-c", "-Dmhcad=enabled", "libjson-c-dev"),
    ("liburcu-bp", "-Dmhcad=enabled", "liburcu-dev"),
    ("liburcu-bp", "-Dtests=enabled", "mhca-lab deps unit"),
    ("verbs.h", "-Dlibmhca=enabled", "libibverbs-dev"),
])
def test_wanted(setup, lacking, option, package):
    """What was asked for is an error, which says what to install."""
    status, output = setup(lacking, option)
    assert status and re.search(rf"ERROR: .*{package}", output), output


@pytest.mark.parametrize("lacking,options", [
    # As the lab builds mhcactl, and as the README builds libmhca.
    ("cmocka verbs.h liburcu-bp", ["-Dhost_tools=enabled", "-Dlibmhca=disabled",
                                   "-Dmhcad=disabled", "-Dtests=disabled"]),
    ("cmocka json-c libudev ncursesw liburcu-bp",
     ["-Dlibmhca=enabled", "-Dhost_tools=disabled", "-Dmhcad=disabled", "-Dtests=disabled"]),
    # As the lab builds mhcad.
    ("cmocka libudev ncursesw verbs.h",
     ["-Dmhcad=enabled", "-Dlibmhca=disabled", "-Dhost_tools=disabled", "-Dtests=disabled"]),
])
def test_nothing_of_others(setup, lacking, options):
    status, output = setup(lacking, *options)
    assert status == 0 and "left out" not in output, output
    assert list(parts(output).values()).count(True) == 1


def test_no_headers(setup, tmp_path):
    """The sentence of mlx5-headers.sh stands on the screen, not in a log."""
    status, output = setup("", kernel=tmp_path / "nowhere")
    assert status and re.search(r"ERROR: .*no linux/mlx5/mlx5_ifc\.h in .*nowhere: install", output)
