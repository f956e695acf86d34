"""Journal -> Builder -> Store, over and over: while one batch is written, the next is built. Whatever fails, everything
is dropped and begun again from what the database says: a restart is the only kind of recovery there is.
"""

import asyncio
import contextlib
import logging
import time

import psycopg2

from persistence.depth import DepthRecorder
from persistence.migrate import migrate
from persistence.rows import Builder
from persistence.store import Store
from persistence.tail import RULES_VERSION, Frontier, JournalRefused, Tail, has_journal
from protocol.errors import JournalCorrupt

POLL_SECONDS = 0.004  # for more of the journal, where there was none
STANDBY_SECONDS = 0.5  # between two tries to become the drainer
LAG_SECONDS = 0.5  # between two looks at how far behind it is
RETRY_SECONDS = (0.1, 0.3, 1, 2, 5)  # after the first, second, ... failure in a row; then the last
READY_EVENTS = 5_000  # are enough for a batch, where Postgres has nothing to do
STOP_SECONDS = 10.0  # for the batch that is being written when it is told to stop
SLICE_EVENTS = 100  # built at one time, before the connection has its turn

#: What Postgres refuses a connection for, until somebody changes it or the address.
HOPELESS = (
    "authentication failed", " does not exist", "no pg_hba.conf entry", "is not permitted to log in",
    "permission denied for database",
)  # fmt: skip

log = logging.getLogger("persistence")


class Fatal(Exception):
    """What trying again does not mend; the text says what to do."""


class Drainer:
    """run() until stop(). `state`: connecting, standby, waiting (for a journal), draining, failed."""

    def __init__(self, config, metrics, progress=None):
        self.config = config
        self.metrics = metrics
        self.progress = progress  # called with (last command committed, newest of the journal)
        self.state = "connecting"
        self.seq = 0
        self.time_ns = 0  # everything until then is in the database
        self.frontier = Frontier(config.journal)
        self._failures = 0
        self._stopping = asyncio.Event()
        self._deadline = None  # of run()
        metrics.lag_commands.set_function(self._lag_commands)  # as of when it is asked for, as in health()
        metrics.lag_seconds.set_function(self._lag_seconds)

    def stop(self):
        """Finish the batch that is being written, and end. One that Postgres does not take within STOP_SECONDS is given
        up: nothing of it is there then."""
        if not self._stopping.is_set():
            self._stopping.set()
            if self._deadline is not None:
                self._deadline.reschedule(asyncio.get_running_loop().time() + STOP_SECONDS)

    def health(self):
        return {
            "state": self.state,
            "seq": self.seq,
            "lag_commands": self._lag_commands(),
            "lag_seconds": round(self._lag_seconds(), 3),
        }

    async def run(self):
        """Raises Fatal, JournalCorrupt, JournalRefused, JournalDisagrees, SchemaError: what stops it for good."""
        watching = asyncio.create_task(self._watch())
        try:
            async with asyncio.timeout(None) as self._deadline:
                while not self._stopping.is_set():
                    await self._work_once()
        except TimeoutError:
            log.warning("Postgres did not answer within %d s: what was being written is not there", STOP_SECONDS)
        except Exception:
            self._set_state("failed")
            raise
        finally:
            watching.cancel()

    async def _work_once(self):
        """Until it fails; what trying again may mend is waited for."""
        try:
            await self._work()
        except (psycopg2.OperationalError, psycopg2.InterfaceError, psycopg2.InternalError) as error:
            self._refuse_hopeless(error)
            await self._wait_after(error)
        except TimeoutError as error:
            await self._wait_after(error)
        except psycopg2.Error as error:  # a row that the schema does not take: it will not another time
            raise Fatal("Postgres does not take a batch: %s" % _first_line(error)) from error

    def _set_state(self, state):
        if state != self.state:
            self.state = state
            self.metrics.is_draining.set(state == "draining")

    def _refuse_hopeless(self, error):
        """A first connection that is refused for what it says: somebody has to change the address."""
        text = str(error)
        hopeless = "FATAL" in text and any(reason in text for reason in HOPELESS)
        if self.state == "connecting" and not self.seq and hopeless:
            raise Fatal("Postgres does not let us in: %s" % _first_line(error)) from None

    async def _wait_after(self, error):
        seconds = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
        self._failures += 1
        self.metrics.errors.labels(type(error).__name__).inc()
        log.warning("%s; trying again in %s s", _first_line(error), seconds)
        self._set_state("connecting")
        await self._pause(seconds)

    async def _pause(self, seconds):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    # --- one connection ----------------------------------------------------------------------------------------------

    async def _work(self):
        """Connect, become the drainer, drain until told to stop."""
        for migration in await self._migrate():
            log.info("migrated the database to version %d: %s", migration.version, migration.name)
        store = await Store.connect(self.config.database_url)
        tail = None
        try:
            while not await store.try_lock():
                if self.state != "standby":
                    log.info("standby: another one drains into this database")
                self._set_state("standby")
                await self._pause(STANDBY_SECONDS)
                if self._stopping.is_set():
                    return
            position, state, self.time_ns = await store.load()
            self.seq = position.seq
            self.metrics.seq.set(self.seq)
            if not self.seq and not await self._wait_for_journal():
                return
            tail = Tail(self.config.journal, position)
            depth = DepthRecorder(self.config.depth_seconds, self.config.depth_levels)
            builder = Builder(state, depth, settles=bool(self.config.wallet_url))
            self._set_state("draining")
            log.info("draining from command %d; %d open orders", position.seq + 1, len(state.orders))
            await self._drain(store, tail, builder)
        finally:
            store.close()
            if tail is not None:
                tail.close()

    async def _wait_for_journal(self):
        """The core that makes it may be started later; or the directory is the wrong one. -> False: told to stop."""
        while not has_journal(self.config.journal):
            if self.state != "waiting":
                log.warning("%s: no journal yet: waiting for a core to make one there", self.config.journal)
            self._set_state("waiting")
            await self._pause(POLL_SECONDS)
            if self._stopping.is_set():
                return False
        return True

    async def _migrate(self):
        """-> [Migration, ...] applied now."""
        try:
            return await asyncio.to_thread(migrate, self.config.database_url, is_stopped=self._stopping.is_set)
        except psycopg2.ProgrammingError as error:  # no right to, or something of the same name is there
            raise Fatal("Postgres does not let us migrate: %s" % _first_line(error)) from error

    async def _drain(self, store, tail, builder):
        writing = None
        problem = None
        try:
            while True:
                if problem is None and not self._stopping.is_set():
                    try:
                        await self._build(store, tail, builder, writing)
                    except (JournalCorrupt, JournalRefused, OSError) as error:
                        problem = error  # what was read before it is good, and is written yet
                batch = script = None
                if builder.batch.commands and not self._stopping.is_set():
                    batch = builder.finish()
                    batch.chain, batch.venue_id, batch.rules_version = tail.chain, tail.venue_id, RULES_VERSION
                    script = store.prepare(batch)
                    batch.drop_rows()
                if writing is not None:
                    await writing
                    writing = None
                if batch is not None and not self._stopping.is_set():
                    writing = asyncio.create_task(self._write(store, batch, script))
                elif problem is not None:
                    raise problem
                elif self._stopping.is_set():
                    return
                else:
                    await self._pause(POLL_SECONDS)
        finally:
            if writing is not None:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)

    async def _build(self, store, tail, builder, writing):
        """Take records until a batch is full; where nothing is being written, until it is worth writing or there is
        no more: Postgres is not kept waiting."""
        built = builder.batch.events
        full = self.config.batch_events
        while builder.batch.events < (full if writing and not writing.done() else min(full, READY_EVENTS)):
            record = tail.next()
            if record is not None:
                self.time_ns = self.time_ns or record.time_ns  # of an empty database: the lag begins there
                builder.take(record)
                if builder.batch.events - built >= SLICE_EVENTS:
                    built = builder.batch.events
                    await asyncio.sleep(0)
                    while store.is_sending():
                        await asyncio.sleep(0)
            elif writing is None or writing.done():
                return
            else:
                await asyncio.wait([writing], timeout=POLL_SECONDS)
            if self._stopping.is_set():
                return

    async def _write(self, store, batch, script):
        started_s = time.monotonic()
        await store.write(batch.months, script)
        self.seq, self.time_ns = batch.seq, batch.time_ns
        self._failures = 0
        self.metrics.committed(batch, started_s)

    # --- how far behind ----------------------------------------------------------------------------------------------

    def _lag_commands(self):
        return max(0, self.frontier.durable_seq - self.seq)

    def _lag_seconds(self):
        return max(0, self.frontier.time_ns - self.time_ns) / 1e9 if self._lag_commands() else 0.0

    async def _watch(self):
        while True:
            self.frontier.look()
            if self.progress is not None:
                self.progress(self.seq, self.frontier.durable_seq)
            await asyncio.sleep(LAG_SECONDS)


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]
