# SPDX-License-Identifier: GPL-2.0-only
"""Which kernel log lines mean that something is broken."""

import re

BAD = re.compile("|".join((
    r"\bWARNING:", r"\bBUG:", r"\bOops\b", r"\bKASAN:", r"\bUBSAN:", r"\bKCSAN:",
    r"general protection", r"Kernel panic", r"stack segment", r"double fault",
    r"unable to handle", r"possible circular locking", r"possible recursive locking",
    r"inconsistent lock state", r"possible irq lock inversion", r"suspicious RCU",
    r"INFO: task .* blocked", r"self-detected stall", r"detected stalls",
    r"detected expedited stalls", r"soft lockup", r"hard LOCKUP", r"held lock freed",
    r"lock held when returning", r"still has locks held", r"Invalid wait context",
    r"kmemleak: [1-9]", r"corrupted stack", r"refcount_t:", r"list_(add|del) corruption",
    r"sleeping function called", r"scheduling while atomic", r"Bad page (state|map)",
    r"Bad rss-counter", r"nobody cared", r"DEBUG_LOCKS_WARN", r"workqueue lockup",
    r"leaked", r"Objects remaining", r"INFO: trying to register non-static key",
    r"Freeing in-use", r"vmap allocation .* failed", r"page allocation failure",
    # Ours and the mlx5 drivers' own complaints, in a guest.
    r"(?i:mlx5_core .*(?:failed|error|timeout|bad|invalid|syndrome))",
    r"(?i:(?:mlx5_|infiniband ).*(?:failed|error|couldn't))",
)))

# Known to come from elsewhere: the emulator, or Debian's own configuration.
IGNORE = re.compile("|".join((
    r"mhca:? .*refused", r"clocksource:", r"ACPI (?:BIOS )?Error", r"ACPI: .*error",
    r"no (?:GPU|gpu)", r"PCI-MSI.*IRQ", r"MDS CPU bug", r"Spectre", r"_debug",
    r"debug", r"unstable", r"tainting kernel", r"module verification failed",
    r"Taint(?:ed|ing)", r"RAS: Correctable Errors", r"ERST: Error",
    r"EXPERIMENTAL", r"VMX.* BIOS", r"report them as a bug",
)), re.IGNORECASE)


def bad_lines(text):
    """The lines of a kernel log that mean a failure."""
    return [ln for ln in text.splitlines()
            if BAD.search(ln) and not (IGNORE.search(ln) and
                                       not re.search(r"KASAN:|UBSAN:|WARNING:|BUG:", ln))]


def context(text, before=3, after=40):
    """The first bad line with its surroundings, for a failure report."""
    lines = text.splitlines()
    bad = set(bad_lines(text))
    for i, ln in enumerate(lines):
        if ln in bad:
            return "\n".join(lines[max(0, i - before):i + after])
    return ""
