"""A throw-away core: a process of its own, with keys, journal and ports of its own in a temporary directory."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from engine.credentials import create_key, new_keys, save_keys
from protocol.login import TRADER, TRUSTED
from tools.load.session import LoadError, log_in

HOST = "127.0.0.1"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START_SECONDS_MAX = 300
STOP_SECONDS_MAX = 60

_READY = re.compile(r"ready: traders [^ ]+:(\d+), trusted [^ ]+:(\d+)")


def pinned(cpu):
    """-> the words to put before a command so that it runs on one processor; none where that cannot be had."""
    return ["taskset", "-c", str(cpu)] if cpu is not None and shutil.which("taskset") else []


class Core:
    """A running core. `logins` are (key, secret) of the traders of accounts 1, 2, ...; `trusted_login` its own."""

    def __init__(self, directory, durability="sync", python=sys.executable, cpu=None, accounts=2, arguments=()):
        self.directory = directory
        self.journal = os.path.join(directory, "journal")
        self.log_path = os.path.join(directory, "core.log")
        self._connections = []
        keys_path = os.path.join(directory, "keys.json")
        keys = new_keys(os.urandom)
        self.logins = [create_key(keys, account + 1, TRADER, os.urandom) for account in range(accounts)]
        self.trusted_login = create_key(keys, 0, TRUSTED, os.urandom)
        save_keys(keys_path, keys)
        self.command = pinned(cpu) + [python, "-m", "engine", "--host", HOST, "--port", "0", "--trusted-port", "0"]
        self.command += ["--metrics-port", "-1", "--journal", self.journal, "--keys", keys_path]
        self.command += ["--durability", durability, *arguments]
        with open(self.log_path, "wb") as log:
            environment = dict(os.environ, PYTHONPATH=ROOT)
            self.process = subprocess.Popen(self.command, stderr=log, stdout=log, cwd=ROOT, env=environment)
        self.port, self.trusted_port = self._wait_until_ready()

    def _wait_until_ready(self):
        deadline_s = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline_s:
            found = _READY.search(self.log())
            if found:
                return int(found.group(1)), int(found.group(2))
            if self.process.poll() is not None:
                raise LoadError("the core did not start:\n%s" % self.log())
            time.sleep(0.02)
        self.kill()
        raise LoadError("the core was not ready within %d s:\n%s" % (START_SECONDS_MAX, self.log()))

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def trader(self, index=0):
        """-> a logged-in blocking socket of account index + 1, closed with the core."""
        return self._log_in(self.port, self.logins[index])

    def trusted(self):
        """-> a logged-in blocking socket on the trusted listener, closed with the core."""
        return self._log_in(self.trusted_port, self.trusted_login)

    def _log_in(self, port, login):
        connection = log_in(HOST, port, *login)
        self._connections.append(connection)
        return connection

    def memory_bytes(self):
        """-> resident memory of the process."""
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS:"))

    def processor_seconds(self):
        """-> processor time the process has taken: (user, system)."""
        with open("/proc/%d/stat" % self.process.pid, encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        return int(fields[11]) / ticks, int(fields[12]) / ticks

    def stop(self):
        """End it as an operator would. -> its exit code."""
        for connection in self._connections:
            connection.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            raise LoadError("the core did not stop within %d s:\n%s" % (STOP_SECONDS_MAX, self.log())) from None

    def kill(self):
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def own_core(parent=None, **settings):
    """A Core in a directory of its own below `parent`, both gone afterwards."""
    directory = tempfile.mkdtemp(prefix="load-", dir=parent)
    try:
        core = Core(directory, **settings)
        try:
            yield core
        finally:
            core.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
