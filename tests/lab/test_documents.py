# SPDX-License-Identifier: GPL-2.0-only
"""Every command that a document tells a reader to type is tried on a fresh machine."""

import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import deps  # noqa: E402
import fresh  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = [TOP / "README.md", TOP / "CONTRIBUTING.md", *sorted((TOP / "docs").glob("*.md")),
             *sorted((TOP / "tests").glob("*/README.md")), *sorted((TOP / "tests").glob("*/*/README.md"))]

def commands_in(text):
    """(program, verb, rest) of the commands in code: blocks and `spans`."""
    code = re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.M | re.S)
    code += re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    code += re.findall(r"^    (.*)$", text, re.M)
    for line in "\n".join(code).splitlines():
        for part in re.split(r"&&|;|\|\|", re.sub(r"\s#.*", "", line)):
            part = re.sub(r"^\s*(sudo\s+)?([A-Z_]+=\S*\s+)*", "", part).strip()
            m = re.match(r"(make|meson|(?:tests/lab/)?mhca-lab)(?: +([\w.-]+))?(.*)$", part)
            if m and not (m[2] is None and m[1] != "make"):     # a program's mere name
                yield m[1].rpartition("/")[2], m[2] or "", m[3].strip()


def tried():
    """(program, verb) of what COMMANDS has."""
    found = set()
    for _, line in fresh.COMMANDS:
        line = re.sub(r"\b[A-Z_]+=(\$\([^)]*\)|\S*)", "", line)
        for part in re.split(r"&&", line):
            words = part.split()
            found |= {(words[0].rpartition("/")[2], verb) for verb in words[1:] or [""]}
    return found


def not_tried(program, verb, rest):
    """Is there a reason on record?"""
    line = " ".join(f"{program} {verb} {rest}".split())
    return any(line == known or line.startswith(known + " ") for known in fresh.NOT_TRIED)


def test_documents():
    known, seen = tried(), set()
    for document in DOCUMENTS:
        for program, verb, rest in commands_in(document.read_text(encoding="utf-8")):
            seen.add((program, verb))
            assert (program, verb) in known or not_tried(program, verb, rest), \
                f"{document}: `{program} {verb} {rest}` is in neither list of fresh.py"
    assert {("make", "demo"), ("make", "test"), ("mhca-lab", "run")} <= seen


def targets():
    """The .PHONY targets of the Makefile."""
    text = (TOP / "Makefile").read_text().replace("\\\n", " ")
    return set(re.search(r"^\.PHONY: (.*)$", text, re.M)[1].split())


def test_help():
    """make help has a line for each target, and no other; each is tried."""
    out = subprocess.run(["make", "-s", "--no-print-directory", "-C", TOP, "help"], check=True,
                         text=True, stdout=subprocess.PIPE).stdout
    lines = dict(re.match(r"([\w-]+)\s{2,}(\S.*)$", line).groups() for line in out.splitlines())
    assert set(lines) == targets()
    for target in lines:
        verb = "" if target == "all" else target
        assert ("make", verb) in tried() or not_tried("make", target, ""), target


def test_phony():
    """Every target that is no file is said to be none."""
    rules = re.findall(r"^([a-z][\w-]*(?: [a-z][\w-]*)*):(?!=)", (TOP / "Makefile").read_text(), re.M)
    assert {t for rule in rules for t in rule.split()} == targets()


def test_groups():
    """Groups of packages that commands and messages name exist."""
    text = "".join(p.read_text(encoding="utf-8") for p in
                   [TOP / "Makefile", TOP / "tests/meson.build", *DOCUMENTS])
    for names in re.findall(r"deps ((?:[a-z]+ ?)+)", text):
        assert set(names.split()) <= set(deps.PACKAGES), names
