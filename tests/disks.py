"""A small file system of a test's own, and what fills it."""

import contextlib
import os
import subprocess
import sys

import pytest


@contextlib.contextmanager
def tmpfs(directory, size):
    """Mount one of `size` bytes on this directory. Skips the test where that cannot be."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small tmpfs")
    mount = ["mount", "-t", "tmpfs", "-o", "size=%d" % size, "tmpfs", str(directory)]
    mounted = subprocess.run(mount, stderr=subprocess.PIPE, text=True)
    if mounted.returncode:
        pytest.skip("no tmpfs here: %s" % mounted.stderr.strip())
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


class Ballast:
    """Takes all space there is left, and gives it back."""

    def __init__(self, directory):
        self.path = os.path.join(str(directory), "ballast")

    def take(self):
        with open(self.path, "ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def give_back(self):
        os.remove(self.path)
