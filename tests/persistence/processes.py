"""`python -m persistence` as a process, to be killed."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from tests.harness import ROOT, SECONDS_MAX
from tests.postgres import query


class PersistenceProcess:
    """To be used in a `with` block, which kills it. `log`: what it has said."""

    def __init__(self, journal, database, *arguments):
        command = [sys.executable, "-m", "persistence", "--journal", str(journal), "--metrics-port", "0", *arguments]
        environment = dict(os.environ, DATABASE_URL=database, PYTHONPATH=str(ROOT))
        self.process = subprocess.Popen(
            command, cwd=str(ROOT), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.log = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        for line in self.process.stderr:
            self.log.append(line.rstrip())

    def line(self, text):
        """Wait for a line that contains `text`. -> the line"""
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            for line in list(self.log):
                if text in line:
                    return line
            assert time.monotonic() < deadline and self.process.poll() is None, "\n".join(self.log)
            time.sleep(0.005)

    def get(self, path):
        """Ask its port. -> (HTTP status, text)"""
        address = self.line("metrics: http").split()[-1].replace("/metrics", path)
        try:
            with urllib.request.urlopen(address, timeout=SECONDS_MAX) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def kill(self):
        self.process.kill()
        return self.wait()

    def stop(self):
        """SIGTERM. -> exit status"""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        status = self.process.wait(SECONDS_MAX)
        self._thread.join(SECONDS_MAX)
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        self.process.stderr.close()


def position(database):
    """-> seq that the database is at"""
    rows = query(database, "SELECT seq FROM position")
    return rows[0][0] if rows else 0


def until_at(database, seq):
    deadline = time.monotonic() + SECONDS_MAX
    while position(database) < seq:
        assert time.monotonic() < deadline, "the database stays at %d" % position(database)
        time.sleep(0.01)
