"""What the disk itself costs: fdatasync after a small write into a file that was filled with zeros before."""

import argparse
import os
import tempfile
import time

from engine.disk import Disk

WRITE_BYTES = 512  # about a journal record of one command
FILE_BYTES = 16 << 20


def fdatasync_us(directory, count, write_bytes=WRITE_BYTES):
    """-> median, p99 in microseconds of write + fdatasync, and of fdatasync alone, over `count` writes that follow one
    another."""
    disk = Disk()
    sync_s, both_s = [], []
    with tempfile.TemporaryDirectory(prefix="disk-", dir=directory) as own:
        fd = disk.open(os.path.join(own, "zeros"))
        disk.zero(fd, 0, FILE_BYTES)
        data = os.urandom(write_bytes)
        for index in range(count):
            started_s = time.perf_counter()
            disk.write(fd, data, index * write_bytes % (FILE_BYTES - write_bytes))
            written_s = time.perf_counter()
            disk.sync(fd)
            ended_s = time.perf_counter()
            sync_s.append(ended_s - written_s)
            both_s.append(ended_s - started_s)
        disk.close(fd)
    return {
        "write_bytes": write_bytes,
        "fdatasync_us_p50": _at(sync_s, 0.5),
        "fdatasync_us_p99": _at(sync_s, 0.99),
        "write_and_fdatasync_us_p50": _at(both_s, 0.5),
    }


def _at(seconds, share):
    return round(sorted(seconds)[min(int(len(seconds) * share), len(seconds) - 1)] * 1e6, 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", default=".", help="on the disk to measure")
    parser.add_argument("--count", type=int, default=2000)
    given = parser.parse_args()
    for name, value in fdatasync_us(given.directory, given.count).items():
        print("%-28s %s" % (name, value))
