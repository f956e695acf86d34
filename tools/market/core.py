"""A core of one's own, to be killed: a process with keys, journal and fixed ports in a directory of its own."""

import asyncio
import os
import signal
import socket
import subprocess
import sys

import engine
from engine.credentials import create_key, new_keys, save_keys
from protocol.login import TRADER, TRUSTED

HOST = "127.0.0.1"
ACCOUNT = 1
START_SECONDS = 120
STOP_SECONDS = 60
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(engine.__file__)))


class CoreFailed(Exception):
    """The core did not start, or ended by itself; the text has the end of its log."""


class OwnCore:
    """`key` and `trusted_key` are (number, secret). start(), kill() and start() again, stop(); end it in any case."""

    def __init__(self, directory, python=sys.executable, durability="sync", warm_up=0):
        self.directory = directory
        self.journal = os.path.join(directory, "journal")
        self.port, self.trusted_port = _free_ports(2)
        keys = new_keys(os.urandom)
        self.key = create_key(keys, ACCOUNT, TRADER, os.urandom)
        self.trusted_key = create_key(keys, 0, TRUSTED, os.urandom)
        keys_path = os.path.join(directory, "keys.json")
        save_keys(keys_path, keys)
        self._log_path = os.path.join(directory, "core.log")
        self._command = [python, "-m", "engine", "--host", HOST, "--port", str(self.port)]
        self._command += ["--trusted-port", str(self.trusted_port), "--metrics-port", "-1", "--journal", self.journal]
        self._command += ["--keys", keys_path, "--durability", durability, "--warm-up", str(warm_up)]
        self._process = None

    async def start(self):
        """Returns when it listens. Raises CoreFailed."""
        assert self._process is None, "it runs already"
        with open(self._log_path, "ab") as log:
            log_start = log.tell()
            environment = dict(os.environ, PYTHONPATH=ROOT)
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, env=environment
            )
        for _ in range(START_SECONDS * 50):
            if b" ready: traders " in self._log()[log_start:]:
                return
            if self._process.poll() is not None:
                break
            await asyncio.sleep(0.02)
        self.kill()
        raise self.failure("did not start")

    @property
    def has_died(self):
        """Whether it ended though nobody asked it to."""
        return self._process is not None and self._process.poll() is not None

    def kill(self):
        """SIGKILL, as of a machine that fails; it has no time for anything. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self):
        """SIGTERM, and wait for its orderly end. Raises CoreFailed where there is none."""
        process, self._process = self._process, None
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if code:
            raise self.failure("ended with %d" % code)

    def failure(self, what):
        """-> CoreFailed with the end of the log."""
        return CoreFailed("the core %s:\n%s" % (what, self._log()[-2000:].decode("utf-8", "replace")))

    def _log(self):
        with open(self._log_path, "rb") as file:
            return file.read()


def _free_ports(count):
    """-> ports that were free a moment ago; a core that is killed must come back on the same."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
