# SPDX-License-Identifier: GPL-2.0-only
"""The lab's copy of QEMU: one place is changed, and only when it is found once."""

import pytest

import qemufix

JUMP = bytes.fromhex("0f8530ffffff")
STORE = bytes.fromhex("c783d002000000000100")
LOADED = bytes.fromhex("8babd0020000" "83fdff") + JUMP + STORE
IN_PLACE = bytes.fromhex("83bbd0020000ff") + JUMP + STORE
OTHER_FIELD = bytes.fromhex("8babd4020000" "83fdff") + JUMP + STORE
FILLER = bytes(range(256)) * 3


@pytest.mark.parametrize("place", [LOADED, IN_PLACE])
def test_patched(place):
    program = FILLER + place + FILLER + OTHER_FIELD
    fixed = qemufix.patched(program)
    at = program.index(place) + len(place) - len(STORE) - len(JUMP)
    assert len(fixed) == len(program)
    assert fixed[:at] == program[:at] and fixed[at + 6:] == program[at + 6:]
    assert fixed[at:at + 6] == bytes.fromhex("660f1f440000")


@pytest.mark.parametrize("program", [FILLER, OTHER_FIELD, LOADED + FILLER + IN_PLACE])
def test_left_alone(program):
    assert qemufix.patched(program) is None


def test_copy(tmp_path):
    qemu = tmp_path / "qemu"
    qemu.write_bytes(FILLER + LOADED)
    copy = qemufix.fixed_qemu(qemu)
    assert copy != qemu and copy.stat().st_mode & 0o111 == 0o111
    assert copy.read_bytes() != qemu.read_bytes() == FILLER + LOADED
    assert qemufix.fixed_qemu(qemu) == copy
    qemu = tmp_path / "strange"
    qemu.write_bytes(FILLER)
    assert qemufix.fixed_qemu(qemu) == qemu
