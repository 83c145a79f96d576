# SPDX-License-Identifier: GPL-2.0-only
"""fio in guests: it writes, reads back and compares what it wrote."""

import json


def verified_io(guest, path, size_mib=16):
    """Random blocks of 4 to 128 KiB, 16 in flight, each with a checksum; bytes written."""
    text = guest.check(
        f"fio --name=v --filename={path} --size={size_mib}M --rw=randwrite --bsrange=4k-128k "
        "--ioengine=libaio --iodepth=16 --direct=1 --verify=crc32c --verify_fatal=1 "
        f"--verify_backlog=256 --randseed=7 --output-format=json", 240)
    job = json.loads(text[text.index("{"):])["jobs"][0]
    assert job["error"] == 0, text
    assert job["read"]["io_bytes"] >= job["write"]["io_bytes"] == size_mib << 20, text
    return job["write"]["io_bytes"]
