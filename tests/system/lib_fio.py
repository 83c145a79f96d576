# SPDX-License-Identifier: GPL-2.0-only
"""fio in guests: it writes, reads back and compares what it wrote; or it measures."""

import json


def fio(guest, options, timeout):
    """One run's jobs, none with an error."""
    text = guest.check(f"fio --ioengine=libaio --direct=1 --output-format=json {options}", timeout)
    jobs = json.loads(text[text.index("{"):])["jobs"]
    assert all(job["error"] == 0 for job in jobs), text
    return jobs


def verified_io(guest, path, size_mib=16, jobs=1):
    """Random blocks of 4 to 128 KiB, 16 in flight, each with a checksum; bytes written.

    Each of the jobs has size_mib of its own.
    """
    done = fio(guest, f"--name=v --filename={path} --size={size_mib}M --rw=randwrite "
               f"--bsrange=4k-128k --iodepth=16 --verify=crc32c --verify_fatal=1 "
               f"--verify_backlog=256 --randseed=7 --numjobs={jobs} "
               f"--offset_increment={size_mib}M", 240)
    assert len(done) == jobs
    for job in done:
        assert job["read"]["io_bytes"] >= job["write"]["io_bytes"] == size_mib << 20, job
    return sum(job["write"]["io_bytes"] for job in done)


def random_reads(guest, path, depth, seconds):
    """Blocks of 4 KiB per second."""
    return fio(guest, f"--name=r --filename={path} --rw=randread --bs=4k --iodepth={depth} "
               f"--time_based --runtime={seconds}", 120)[0]["read"]["iops"]
