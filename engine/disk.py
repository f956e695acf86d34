"""The file operations the journal is made of, in one place, so that tests can record them and make them fail."""

import fcntl
import os

ZERO_BYTES = 1 << 20  # written at a time


class Disk:
    def open(self, path):
        """-> file descriptor, the file made where it is missing."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, fd, data, offset):
        """Write all of `data` at `offset`; raises OSError, having written an unknown part."""
        written = os.pwrite(fd, data, offset)
        while written < len(data):
            data = data[written:]
            offset += written
            written = os.pwrite(fd, data, offset)

    def sync(self, fd):
        """Return once what was written to an already zeroed part of the file is on the disk; raises OSError."""
        os.fdatasync(fd)

    def zero(self, fd, start, end, pause=None):
        """Write zeros to [start, end) and sync: later writes there need no space and no metadata.

        `pause()` is called after each ZERO_BYTES; where it returns True, these are synced before the next ones, so that
        others have their turn at the disk.
        """
        zeros = bytes(ZERO_BYTES)
        while start < end:
            size = min(ZERO_BYTES, end - start)
            self.write(fd, zeros[:size], start)
            start += size
            if pause is not None and pause():
                os.fdatasync(fd)
        os.fsync(fd)

    def allocate(self, fd, start, end, pause=None):
        """Reserve the space of [start, end), which reads as zeros, and sync: later writes there need no space."""
        os.posix_fallocate(fd, start, end - start)
        os.fsync(fd)

    def rename(self, source, target):
        """Rename and make the renaming durable."""
        os.rename(source, target)
        self.sync_directory(os.path.dirname(target))

    def sync_directory(self, directory):
        fd = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def remove(self, path):
        os.remove(path)

    def close(self, fd):
        os.close(fd)

    def lock(self, path):
        """-> descriptor that holds the lock while open; raises BlockingIOError where another process has it."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(fd)
            raise
        return fd
