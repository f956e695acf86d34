"""A Redis of our own to stand beside: an append-only file, pipelined SETs, values the size of our frames.

It is driven by the same loop as the core: a SET for every frame of the flow, the frame its value.
"""

import contextlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

from tools.load.core import HOST, pinned
from tools.load.flow import NOTHING
from tools.load.frames import Outgoing
from tools.load.session import LoadError, connect

KEYS = 100_000  # different keys that are set, in turn
START_SECONDS_MAX = 10
BENCHMARK_CLIENTS = 1


def is_installed():
    return shutil.which("redis-server") is not None


@contextlib.contextmanager
def redis_server(appendfsync, directory=None, cpu=None):
    """-> port of a running server with its file below `directory`, gone afterwards. No rewriting of the file meanwhile
    and no snapshots: only what we do, too."""
    with tempfile.TemporaryDirectory(prefix="redis-", dir=directory) as own:
        port = _free_port()
        words = ["redis-server", "--bind", HOST, "--port", str(port), "--dir", own, "--daemonize", "no", "--save", ""]
        words += ["--appendonly", "yes", "--appendfsync", appendfsync, "--auto-aof-rewrite-percentage", "0"]
        process = subprocess.Popen(pinned(cpu) + words, stdout=subprocess.DEVNULL)
        try:
            _wait_until_ready(process, port)
            yield port
        finally:
            process.kill()
            process.wait()


def version():
    return subprocess.run(["redis-server", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def sets_of(outgoing):
    """-> Outgoing: for each frame of a flow `SET order:<n> <frame>`."""
    sets = Outgoing()
    data, starts = bytes(outgoing.data), outgoing.starts
    for request in range(outgoing.count):
        frame = data[starts[request] : starts[request + 1]]
        head = b"*3\r\n$3\r\nSET\r\n$12\r\norder:%06d\r\n$%d\r\n" % (request % KEYS, len(frame))
        sets.add(head + frame + b"\r\n", NOTHING, request)
    return sets


class Replies:
    """Counts +OK; anything else is an error."""

    def __init__(self):
        self.answered = 0
        self.counts = []

    def feed(self, data):
        if b"-" in data:
            raise LoadError("redis: %r" % data[:200])
        self.answered += data.count(b"\n")
        return self.answered


def redis_benchmark(port, requests, window, value_bytes):
    """-> SETs a second by redis-benchmark, Redis's own client in C; None where it is not installed."""
    if shutil.which("redis-benchmark") is None:
        return None
    words = ["redis-benchmark", "-h", HOST, "-p", str(port), "-t", "set", "-n", str(requests), "-P", str(window)]
    words += ["-c", str(BENCHMARK_CLIENTS), "-d", str(value_bytes), "-r", str(KEYS), "-q"]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    found = re.search(r"SET: ([0-9.]+) requests per second", done.stdout)
    return round(float(found.group(1))) if found else None


def redis_connect(port):
    return connect(HOST, port)


def _free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _wait_until_ready(process, port):
    deadline_s = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise LoadError("redis-server did not start")
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1) as connection:
            connection.sendall(b"PING\r\n")
            if connection.recv(16).startswith(b"+PONG"):
                return
        time.sleep(0.02)
    raise LoadError("redis-server was not ready within %d s" % START_SECONDS_MAX)
