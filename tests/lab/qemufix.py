# SPDX-License-Identifier: GPL-2.0-only
"""A copy of QEMU without one defect of its emulation of VMRUN.

helper_vmrun() leaves the number of an interrupt that it injected in
cpu->exception_index. When another thread asks for the CPU at the wrong moment,
cpu_handle_interrupt() takes what it finds there for an exception still to be
delivered, and the guest gets the interrupt twice, even with interrupts off:

	if (cpu->exception_index == -1)
		cpu->exception_index = EXCP_INTERRUPT;

At this place nothing else than -1 or such a leftover can be found, so the copy
does not ask. Read in QEMU 10.0 (target/i386/tcg/system/svm_helper.c and
accel/tcg/cpu-exec.c); the instructions are found in the QEMU of each image.
"""

import os
import re
import tempfile

from common import step

# mov OFFSET(%r), %e; cmp $-1, %e; jne FAR; movl $EXCP_INTERRUPT, OFFSET(%r)
_LOADED = re.compile(rb"\x8b[\x80-\xbf](?P<offset>..\0\0)\x83[\xf8-\xff]\xff"
                     rb"(?P<jump>\x0f\x85.{4})\xc7[\x80-\x87](?P=offset)\0\0\x01\0", re.S)
# cmpl $-1, OFFSET(%r); jne FAR; movl $EXCP_INTERRUPT, OFFSET(%r)
_IN_PLACE = re.compile(rb"\x83[\xb8-\xbf](?P<offset>..\0\0)\xff"
                       rb"(?P<jump>\x0f\x85.{4})\xc7[\x80-\x87](?P=offset)\0\0\x01\0", re.S)
_NOP6 = b"\x66\x0f\x1f\x44\x00\x00"


def patched(program):
    """The program (bytes) without the defect; None when the place is not found once."""
    places = [m for pattern in (_LOADED, _IN_PLACE) for m in pattern.finditer(program)]
    if len(places) != 1:
        return None
    start, end = places[0].span("jump")
    return program[:start] + _NOP6 + program[end:]


def fixed_qemu(qemu):
    """The path of the copy, made beside `qemu`; `qemu` itself when that is not possible."""
    copy = qemu.with_name(qemu.name + ".mhca-fixed")
    if copy.exists():
        return copy
    program = patched(qemu.read_bytes())
    if program is None:
        step("qemu", "the place of a known defect is not found; guests may die (README)")
        return qemu
    with tempfile.NamedTemporaryFile(dir=copy.parent, delete=False) as f:
        f.write(program)
        os.fchmod(f.fileno(), 0o755)
    os.replace(f.name, copy)
    return copy
