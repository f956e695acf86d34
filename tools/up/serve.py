"""Starts the processes of a venue, says where they are, and stops them. Holds no truth and decides nothing."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

import attrs

from engine.config import Config
from protocol.calls import ConnectionClosed, RequestFailed
from protocol.client import TradingClient
from protocol.login import TRUSTED
from tools.console import Failed, note, print_json, table
from tools.up.database import Database
from tools.up.demo import make_demo
from tools.up.gateway import Gateway
from tools.up.prepare import PORTS
from tools.up.venue import DEMO_ACCOUNTS, DEMO_NAME, write_demo

EXIT_FAILED = 1
POLL_SECONDS = 0.05
STOP_SECONDS = 60  # for the core to write its snapshot; then it is killed


class Running:
    def __init__(self, venue):
        self.venue = venue
        self.config = venue.config
        self.process = None
        self.database = Database(venue)
        self.gateway = Gateway(venue)
        self._stopping = asyncio.Event()

    async def serve(self):
        """Start, wait, stop. -> exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop)
        self.process = self._start_core()
        note("starting the core on %s; it recovers and warms up before it listens" % _shown(self.venue.python))
        ended = loop.create_task(self._ended())
        stopping = loop.create_task(self._stopping.wait())
        starting = loop.create_task(self._until_up())
        watching = None
        try:
            await asyncio.wait([ended, stopping, starting], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                watching = loop.create_task(self.database.watch())
                self._say(starting.result())
                await asyncio.wait([ended, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (starting, stopping, watching):
                if task is not None:
                    task.cancel()
            await self.gateway.stop()
            status = await self._stopped(ended)
            await asyncio.wait([starting])  # it may just have started the database
            await self.database.stop()
        if not self._stopping.is_set():
            raise Failed("the core ended by itself, with status %d; what it said is above" % status)
        note("stopped" if status == 0 else "the core ended with status %d" % status)
        return EXIT_FAILED if status else 0

    # --- the core ----------------------------------------------------------------------------------------------------

    def _start_core(self):
        config = self.config
        command = [self.venue.python, "-m", "engine", "--config", self.venue.settings_path]
        for field in attrs.fields(Config):
            command += ["--" + field.name.replace("_", "-"), str(getattr(config, field.name))]
        # in a session of its own, so that the terminal's Ctrl-C reaches it through us alone
        environment = self.venue.environment()
        return subprocess.Popen(command, env=environment, stdout=sys.stderr.fileno(), start_new_session=True)

    async def _ended(self):
        while self.process.poll() is None:
            await asyncio.sleep(POLL_SECONDS)
        return self.process.returncode

    def _stop(self):
        """A signal: first stop, then kill."""
        if self._stopping.is_set():
            note("killing the core")
            self.process.kill()
            self.gateway.kill()
            self.database.kill()
        else:
            note("stopping; once more kills")
            self._stopping.set()

    async def _stopped(self, ended):
        """SIGTERM, and SIGKILL when it takes too long. -> exit status of the core."""
        if self.process.poll() is None:
            self.process.terminate()
            done, _ = await asyncio.wait([ended], timeout=STOP_SECONDS)
            if not done:
                note("the core did not stop within %d s: killing it" % STOP_SECONDS)
                self.process.kill()
        return await ended

    # --- up ----------------------------------------------------------------------------------------------------------

    async def _until_up(self):
        """Wait until every listener answers; define the demo. -> symbols defined."""
        for name in PORTS:
            if getattr(self.config, name) >= 0:
                await self._answers(getattr(self.config, name))
        if self.venue.has_database:
            await self.database.start()
        made = await self._make_demo() if self.venue.demo else []
        self.gateway.start(self.database.url, self.database.persistence_url)
        if self.gateway.process is not None:
            await self._answers(self.venue.gateway_port)
        return made

    async def _make_demo(self):
        """-> symbols defined."""
        demo = {"host": self.config.host, "port": self.config.port, "trusted_port": self.config.trusted_port}
        write_demo(os.path.join(self.venue.directory, DEMO_NAME), dict(demo, keys=self.venue.demo))
        (trusted,) = [entry for entry in self.venue.demo if entry["role"] == TRUSTED]
        client = TradingClient(self.config.host, self.config.trusted_port, key=trusted["key"], secret=trusted["secret"])
        try:
            async with client:
                return await make_demo(client, DEMO_ACCOUNTS)
        except ConnectionClosed as error:
            raise Failed("the core does not take the demo keys (%s)" % error) from None
        except RequestFailed as error:
            raise Failed("the demo cannot be set up: %s" % error) from None

    async def _answers(self, port):
        while True:
            if self.gateway.process is not None and self.gateway.process.poll() is not None:
                note("WARNING: the gateway ended by itself, with status %d" % self.gateway.process.returncode)
                return
            try:
                _, writer = await asyncio.open_connection(self.config.host, port)
            except OSError:
                await asyncio.sleep(POLL_SECONDS)
                continue
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            return

    def _say(self, made):
        venue, config = self.venue, self.config
        if venue.as_json:
            facts = {name: getattr(config, name) for name in ("host", *PORTS, "journal", "keys", "durability")}
            facts["database"] = self.database.url
            facts["gateway"] = self.gateway.url if self.gateway.process is not None else ""
            facts.update(pid=self.process.pid, directory=venue.directory, demo_keys=venue.demo, instruments_made=made)
            print_json(facts)
        else:
            print(welcome(self.venue, self.database.lines() + self.gateway.lines(), self.gateway.trial()))
        sys.stdout.flush()


def welcome(venue, addresses=(), trial=()):
    """-> what a person is told once it is up."""
    config = venue.config
    lines = ["", "The venue is up.", ""]
    lines.append("  traders   %s:%d" % (config.host, config.port))
    lines.append("  trusted   %s:%d" % (config.host, config.trusted_port))
    if config.metrics_port >= 0:
        lines.append("  metrics   http://%s:%d/metrics" % (config.host, config.metrics_port))
    lines += addresses
    lines.append("  settings  %s" % venue.settings_path)
    lines.append("  journal   %s (durability %s)" % (config.journal, config.durability))
    if venue.demo:
        columns = ("key", "account", "role", "secret")
        rows = [[entry[column] for column in columns] for entry in venue.demo]
        demo_path = os.path.join(venue.directory, DEMO_NAME)
        lines += ["", "Demo keys (kept in %s):" % demo_path, ""]
        lines += ["  " + line for line in table(columns, rows)]
        order = "  %s -m tools order" % _shown(sys.executable)
        demo = "" if venue.directory == "run" else " --demo %s" % demo_path
        lines += ["", "Try in another terminal:", ""]
        lines.append("%s book BTC-USDT%s" % (order, demo))
        lines.append("%s place buy 0.01 BTC-USDT 60030.00%s" % (order, demo))
    lines += trial
    lines += ["", "Ctrl-C stops everything."]
    return "\n".join(lines)


def _shown(path):
    """A program as one would type it here."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
