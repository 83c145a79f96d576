# SPDX-License-Identifier: GPL-2.0-only
"""Options, help, exit codes, completion, man page, JSON's description."""

import json
import os
import re
import shutil
import subprocess

import pytest

from conftest import GOLDEN, MHCACTL, REPO, environment
from fakehost import TYPES, UUIDS

TOOLS = REPO / "host-tools"
VERBS = ("list", "show", "types", "create", "remove", "set", "qemu", "stats", "top", "events",
         "trace", "check", "metrics")


def options(tool, verb):
    return set(re.findall(r"^  (?:-\w, )? *--([a-z]+)", tool(verb, "--help"), re.MULTILINE))


def test_help(host, tool):
    text = tool("--help")
    assert [line.split()[0] for line in text.splitlines()
            if line.startswith("  ")] == list(VERBS)
    for verb in VERBS:
        assert tool(verb, "-h").startswith(f"Usage: mhcactl {verb} ")
    assert "mdevctl " not in text


def test_version(host, tool):
    assert re.fullmatch(r"mhcactl \d+\.\d+\.\d+\n", tool("--version"))


def test_usage_errors(host, tool):
    assert "is no verb" in tool.fails(2, "lst")
    assert "Usage:" in tool.fails(2)
    assert "--help" in tool.fails(2, "--nonsense")
    for verb in VERBS:
        message = tool.fails(2, verb, "--nonsense")
        assert f"Try 'mhcactl {verb} --help'" in message
        assert message.startswith("mhcactl: ")


def test_full_disk(host, tool):
    """A result that could not be written is no success."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([MHCACTL, "list"], stdout=full, stderr=subprocess.PIPE,
                              text=True, env=environment(host.root), check=False)
    assert done.returncode == 1 and "cannot write" in done.stderr


def test_long_root(tool):
    """Longer than any path: an error, no crash."""
    assert "not loaded" in tool.fails(4, "-r", "/" + "x" * 5000, "list")


# ---- man page --------------------------------------------------------------

MAN = TOOLS / "man/mhcactl.1"


def test_man_page_lints():
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    done = subprocess.run(["mandoc", "-Tlint", MAN], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0 and done.stdout == ""


def test_man_page_renders():
    if not shutil.which("man"):
        pytest.skip("man is not installed")
    done = subprocess.run(["man", "--warnings", "-l", MAN], capture_output=True, text=True,
                          env=dict(os.environ, MANWIDTH="80", LC_ALL="C.UTF-8",
                                   MANROFFSEQ=""), check=False)
    assert done.returncode == 0 and done.stderr == ""
    assert "EXIT STATUS" in done.stdout


def test_man_page_is_complete(host, tool):
    """Every verb has a section, every option of it stands there."""
    sections = dict(re.findall(r"^\.SS (\w+)(.*?)(?=^\.S[SH] )", MAN.read_text(),
                               re.MULTILINE | re.DOTALL))
    assert list(sections) == list(VERBS)
    for verb in VERBS:
        written = set(re.findall(r"\\-\\-(\w+)", sections[verb].replace(
            r"\-\-property", "").replace(r"\-\-json", "")))
        assert written == options(tool, verb) - {"help", "json", "root"}, verb


def test_man_page_exit_codes():
    codes = re.findall(r"\.B (\d+)\n", MAN.read_text().split(".SH EXIT STATUS")[1])
    header = (TOOLS / "mhcactl/mhcactl.h").read_text()
    assert codes == re.findall(r"^\tCTL_\w+ = (\d+),", header, re.MULTILINE)


# ---- completion ------------------------------------------------------------

COMPLETE = r"""
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_mhcactl 2>/dev/null
printf '%s\n' "${COMPREPLY[@]}"
"""


def complete(host, *words):
    env = environment(host.root)
    env["PATH"] = f"{os.path.dirname(MHCACTL)}:{env['PATH']}"
    done = subprocess.run(["bash", "-c", COMPLETE, "bash", TOOLS / "completion/mhcactl",
                           "mhcactl", *words], capture_output=True, text=True, env=env,
                          check=False)
    assert "rror" not in done.stderr, done.stderr
    return done.stdout.split()


def test_bash_verbs(host):
    assert set(VERBS) <= set(complete(host, ""))
    assert complete(host, "st") == ["stats"]


def test_bash_options(host, tool):
    for verb in VERBS:
        offered = {o.strip("-") for o in complete(host, verb, "--")}
        assert offered == options(tool, verb), verb


def test_bash_arguments(host):
    assert complete(host, "show", "") == UUIDS
    assert complete(host, "remove", "--force", "5b2") == [UUIDS[1]]
    assert complete(host, "set", "0f") == [UUIDS[0]]
    assert complete(host, "set", UUIDS[0], "rate") == ["rate_mbps="]
    assert complete(host, "create", "--type", "=", "mhca-r") == [t for t in sorted(TYPES) if "roce" in t]
    assert complete(host, "create", "-t", "") == sorted(TYPES)
    assert complete(host, "list", "--parent", "") == ["mhca0"]
    assert complete(host, "qemu", "--format", "=") == ["all", "args", "qmp", "libvirt"]
    assert complete(host, "set", UUIDS[0], "doorbell", "=", "") == ["map", "trap"]
    assert complete(host, "--root", "/x", "list", "--st") == ["--state"]
    assert complete(host, "stats", "--count", "") == []


def test_completion_knows_the_attributes():
    policy = (TOOLS / "mhcactl/policy.c").read_text()
    names = set(re.findall(r'\{ "(\w+)", +KIND_', policy))
    assert len(names) > 15
    bash = (TOOLS / "completion/mhcactl").read_text()
    zsh = (TOOLS / "completion/_mhcactl").read_text()
    assert names == set(re.findall(r"(\w+)=[ \"\\]", bash.split("local known=")[1].split(
        "printf")[0]))
    assert names == set(zsh.split("names=(")[1].split(")")[0].split())


def test_zsh_parses():
    if not shutil.which("zsh"):
        pytest.skip("zsh is not installed")
    subprocess.run(["zsh", "-n", TOOLS / "completion/_mhcactl"], check=True)


def test_zsh_knows_the_options(host, tool):
    zsh = (TOOLS / "completion/_mhcactl").read_text()
    for verb in VERBS:
        part = re.search(rf"^\t\t{verb}\)(.*?);;", zsh, re.MULTILINE | re.DOTALL).group(1)
        assert set(re.findall(r"--(\w+)", part)) == options(tool, verb) - {
            "help", "json", "root"}, verb


# ---- JSON ------------------------------------------------------------------

def test_json_document_names_every_member():
    """docs/mhcactl-json.md mentions each member of the schema."""
    text = (REPO / "docs/mhcactl-json.md").read_text()
    schema = json.loads((REPO / "docs/mhcactl.schema.json").read_text())

    def members(node):
        if isinstance(node, dict):
            yield from node.get("properties", {})
            for child in node.values():
                yield from members(child)
        elif isinstance(node, list):
            for child in node:
                yield from members(child)

    missing = {m for m in members(schema) if not re.search(rf"\b{m}\b", text)}
    assert not missing


# ---- The page --------------------------------------------------------------

@pytest.mark.parametrize("capture", ["check", "list", "qemu", "stats-watch", "top", "trace"])
def test_page_shows_what_the_tool_prints(capture):
    """docs/mhcactl.md has the captures that the other tests compare with."""
    text = (GOLDEN / f"{capture}.txt").read_text()
    assert text in (REPO / "docs/mhcactl.md").read_text(), \
        f"put golden/{capture}.txt into docs/mhcactl.md"
