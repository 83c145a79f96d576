# SPDX-License-Identifier: GPL-2.0-only
"""Runs mhcactl against made-up hosts. MHCACTL and MHCA_FAKE_KERNEL come from meson."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import jsonschema
import pytest

from fakehost import REPO, FakeHost, three_instances

GOLDEN = Path(__file__).parent / "golden"
MHCACTL = os.environ.get("MHCACTL", str(REPO / "build/meson/host-tools/mhcactl"))
FAKE_KERNEL = os.environ.get("MHCA_FAKE_KERNEL",
                             str(REPO / "build/meson/tests/tools/libfake_kernel.so"))


def pytest_sessionfinish(session, exitstatus):
    """A file in which a test was skipped has not passed: meson counts 77 as skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not exitstatus and reporter.stats.get("skipped"):
        session.exitstatus = 77


def environment(root):
    """Environment of a run against the tree @root (None: the real host)."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("MHCA_")}
    env.update(LC_ALL="C.UTF-8", TZ="UTC", TERM="xterm",
               ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=1",
               UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
    if root:
        env.update(MHCA_SYSFS_ROOT=str(root), MHCA_FAKE_ROOT=os.path.realpath(root),
                   LD_PRELOAD=FAKE_KERNEL)
    return env


class Tool:
    """mhcactl on one host."""

    def __init__(self, root):
        self.root = root

    def __call__(self, *args, stdin="", code=0):
        """Run it; stdout. @code: the exit code that is right."""
        done = self.run(*args, stdin=stdin)
        assert done.returncode == code, f"{done.args}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def run(self, *args, stdin=""):
        done = subprocess.run([MHCACTL, *map(str, args)], input=stdin, text=True, timeout=20,
                              capture_output=True, env=environment(self.root), check=False)
        for sign in ("AddressSanitizer", "LeakSanitizer", "runtime error"):
            assert sign not in done.stderr, done.stderr
        return done

    def json(self, *args, code=0):
        """Run it with --json; the document, which fits the documented schema."""
        document = json.loads(self(*args, "--json", code=code))
        validate(document)
        return document

    def fails(self, code, *args, stdin=""):
        """It fails with @code and no output; the message."""
        done = self.run(*args, stdin=stdin)
        assert done.returncode == code, f"{done.args}\n{done.stdout}\n{done.stderr}"
        assert done.stdout == ""
        return done.stderr


def validate(document):
    """Check a JSON document against the published schema."""
    schema = json.loads((REPO / "docs/mhcactl.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(document, schema)


def golden(name, text):
    """Compare with a stored text; MHCA_UPDATE_GOLDEN=1 stores it."""
    file = GOLDEN / name
    if os.environ.get("MHCA_UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()


@pytest.fixture(scope="session", autouse=True)
def built():
    """The loader ignores a library that is missing: say so before the first test."""
    for file in (MHCACTL, FAKE_KERNEL):
        assert os.path.exists(file), f"{file} is not built"


@pytest.fixture
def bare():
    """A host without the driver; in memory, it has hundreds of files."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="mhca-", dir=memory) as root:
        yield FakeHost(Path(root) / "root")


@pytest.fixture
def host(bare):
    """A host with three instances, two of them in use."""
    return three_instances(bare)


@pytest.fixture
def tool(bare):
    return Tool(bare.root)
