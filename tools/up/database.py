"""The venue's database as `tools up` runs it: a private Postgres, unless DATABASE_URL names one, and persistence.

The venue trades without either: what goes wrong here is said, and stops nothing.
"""

import asyncio
import os
import subprocess
import sys

from tools.console import note
from tools.up.gateway import settle_port, url_of

STOP_SECONDS = 20  # for persistence to finish its transaction; then it is killed
DIRECTORY_NAME = "postgres"


class Database:
    """start(), stop(); `url` for whoever else is to use it, `persistence_url` of what persistence tells of itself over
    HTTP; "" where there is none."""

    def __init__(self, venue):
        self.venue = venue
        self.url = ""
        self.persistence_url = ""
        self.cluster = None  # the private one
        self.process = None  # persistence
        self._starting = None

    async def start(self):
        if sys.implementation.name == "pypy":
            note("WARNING: no database: Postgres is for CPython's part of the venue, and this is PyPy")
            return
        self.url = os.environ.get("DATABASE_URL", "")
        if not self.url:
            self._starting = asyncio.ensure_future(asyncio.to_thread(self._start_cluster))
            await asyncio.shield(self._starting)  # one that is half started can be stopped only when it has started
        if self.url:
            self.process = self._start_persistence()

    def _start_cluster(self):
        from persistence.cluster import Cluster, ClusterError, directory_for  # what PyPy does not have

        wanted = os.path.abspath(os.path.join(self.venue.directory, DIRECTORY_NAME))
        try:
            directory = directory_for(wanted)
            if str(directory) != wanted:
                note("Postgres, which root may not run, cannot go to %s: its data is in %s" % (wanted, directory))
            self.cluster = Cluster(directory).start()
        except ClusterError as error:
            note("WARNING: no database: %s" % error)
            return
        self.url = self.cluster.url

    def _start_persistence(self):
        from persistence.config import Config, ConfigError, read_config

        try:
            settings = Config(**read_config(self.venue.settings_path))
        except ConfigError as error:
            note("WARNING: no persistence: %s" % error)
            return None
        port = settings.metrics_port if self.venue.persistence_port is None else self.venue.persistence_port
        if port == 0:
            port = settle_port(settings.host, 0)
        if port > 0:
            self.persistence_url = url_of(settings.host, port)
        command = [sys.executable, "-m", "persistence", "--config", self.venue.settings_path]
        command += ["--journal", self.venue.config.journal, "--metrics-port", str(port)]
        environment = dict(self.venue.environment(), DATABASE_URL=self.url)
        return subprocess.Popen(command, env=environment, stdout=sys.stderr.fileno(), start_new_session=True)

    async def watch(self):
        """Say it where persistence ends by itself. Returns only then."""
        while self.process is not None and self.process.poll() is None:
            await asyncio.sleep(0.2)
        if self.process is not None:
            note("WARNING: persistence ended by itself, with status %d; the venue trades on" % self.process.returncode)

    async def stop(self):
        """SIGTERM, and SIGKILL when it takes too long; then the private Postgres."""
        if self._starting is not None:
            await asyncio.wait([self._starting])
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                await asyncio.to_thread(self.process.wait, STOP_SECONDS)
            except subprocess.TimeoutExpired:
                note("persistence did not stop within %d s: killing it" % STOP_SECONDS)
                self.process.kill()
                self.process.wait()
        if self.cluster is not None:
            await asyncio.to_thread(self.cluster.stop)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()

    def lines(self):
        """-> what a person is told of it."""
        if self.cluster is not None:
            text = "private Postgres, 127.0.0.1:%d, user and database venue, password in %s"
            return ["  database  " + text % (self.cluster.port, self.cluster.directory / "password")]
        return ["  database  the one that DATABASE_URL names"] if self.url else []
