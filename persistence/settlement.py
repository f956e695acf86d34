"""Settlement: each trade's legs posted to a wallet of record, once, in the order of trades for every account.

The queue lies in Postgres and memory holds at most WINDOW of it. Whatever is killed at whatever moment: a leg is posted
under a key that never changes, so that posting it again does nothing; a decision is in Postgres before it is acted on.
"""

import asyncio
import contextlib
import logging
import random
import time

import aiopg
import attrs
import psycopg2

from persistence import settlement_queue as queue
from persistence.legs import legs_of
from persistence.outage import Outage
from persistence.wallet import BreakerOpen, Refused, Unavailable, Wallet, legible, make_breaker

WINDOW = 500  # oldest trades of the queue that are looked at: what lies behind them waits
POSTED_MAX = 100  # trades that are posted and not yet written down as settled: no more are started then
POLL_SECONDS = 0.5  # between looks at a queue in which there was nothing to do
RECONNECT_SECONDS = 1
COUNT_SECONDS = 5  # between counts of the whole queue, for metrics
ERROR_CHARACTERS_MAX = 500

log = logging.getLogger(__name__)


@attrs.frozen
class Policy:
    """How hard settlement tries."""

    workers: int = 8  # trades under way at one time
    retries: int = 3  # of a leg without an answer, before the trade is a dead letter
    backoff_seconds: float = 0.5  # before the first retry, doubled with each; times a random 0.5 to 1.5
    timeout_seconds: float = 5  # of one request
    breaker_failures: int = 5  # requests without an answer, in a row, that open the circuit breaker
    breaker_seconds: float = 10  # that it stays open before one trade is tried

    def delay(self, attempts):
        """-> seconds to wait after so many failed attempts."""
        return self.backoff_seconds * 2 ** (attempts - 1) * (0.5 + random.random())


class Settlement:
    """run() it; of several on one database, one works. Cancelled or killed, it leaves what another goes on with."""

    def __init__(self, database_url, wallet_url, metrics, token="", policy=None):
        """`token`: shown to the wallet as a bearer."""
        self._database_url = database_url
        self._pool = None
        self._policy = policy or Policy()
        self.metrics = metrics
        self._breaker = make_breaker(self._policy.breaker_failures, self._policy.breaker_seconds)
        self._outage = Outage(self._breaker, self._policy.breaker_seconds, metrics.breaker_is)
        self._wallet_url = wallet_url
        self._token = token
        self._wallet = None
        self._window = {}  # trade_id -> Entry: the oldest of the queue, as last read
        self._has_more = False  # behind the window
        self._read_at = 0.0
        self._left = set()  # trade_ids that have left the window since it was last asked for
        self._stale = set()  # trade_ids that were changed since then, and are in the window as they were before
        self._running = {}  # trade_id -> task
        self._posted = {}  # trade_id -> Entry: all its legs are booked, which is yet to be written down
        self._writer = None  # task that does
        self._failure = None  # of a task, that is not its trade's
        self._wake = asyncio.Event()
        self._stopping = False
        self._counted_at = 0.0

    async def run(self):
        """Until cancelled. Postgres may go and come back."""
        size = self._policy.workers + 2  # the lock's, and the writer's
        name = "persistence settlement"
        pool = aiopg.create_pool(
            self._database_url, minsize=0, maxsize=size, enable_hstore=False, application_name=name
        )
        self._wallet = Wallet(
            self._wallet_url, self._token, self._policy.timeout_seconds, self._breaker, self._requested
        )
        try:
            async with pool as self._pool:
                await self._serve()
        finally:
            await self._wallet.close()

    async def _serve(self):
        while not self._stopping:
            try:
                async with self._pool.acquire() as connection, connection.cursor() as cursor:
                    if await queue.try_lock(cursor):
                        try:
                            await self._work(cursor)
                        finally:
                            await connection.close()  # and so give the lock back
            except (psycopg2.Error, OSError) as error:
                log.warning("settlement waits for Postgres: %s", str(error).strip() or type(error).__name__)
            finally:
                await self._stop_running()
            await asyncio.sleep(RECONNECT_SECONDS)

    def stop(self):
        """Start nothing more. Before a cancel: one that comes while Postgres is answering can get lost."""
        self._stopping = True
        self._wake.set()

    def wake(self):
        """There may be new trades in the queue."""
        self._read_at = 0.0
        self._wake.set()

    # --- which trades are worked on ----------------------------------------------------------------------------------

    async def _work(self, cursor):
        """Start trades as there are workers free. The lock is this connection's: where it is lost, this raises."""
        self._window = {}
        self._failure = None
        while self._failure is None and not self._stopping:
            self._wake.clear()
            for entry in await self._chosen(cursor):
                self._start(entry)
            await self._count(cursor)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
        if self._failure is not None:
            raise self._failure

    async def _chosen(self, cursor):
        """-> the trades to start now."""
        if self._room() == 0:
            return []
        chosen = self._ready()
        is_used_up = self._has_more and len(self._window) < WINDOW // 2
        is_idle = not chosen and (is_used_up or not self._running)
        if is_idle or time.monotonic() - self._read_at >= POLL_SECONDS:
            await self._read(cursor)
            chosen = self._ready()
        return self._outage.in_turn(chosen)[: self._room()]

    async def _read(self, cursor):
        """Fill the window. Trades that end meanwhile may be in what is read as they were before."""
        self._read_at = time.monotonic()
        self._left = set(self._posted)
        self._stale = set()
        oldest = await queue.oldest(cursor, WINDOW)
        self._window = {entry.trade.trade_id: entry for entry in oldest if entry.trade.trade_id not in self._left}
        self._has_more = len(oldest) == WINDOW
        self._outage.keep(self._window)

    def _ready(self):
        return ready(self._window.values(), self._running.keys() | self._stale)

    def _room(self):
        """-> how many trades may be started: one where it is time to try whether the wallet is back."""
        if len(self._posted) >= POSTED_MAX:
            return 0
        if not self._outage.is_suspected:
            return self._policy.workers - len(self._running)
        return 1 if not self._running and self._outage.is_time_to_try else 0

    def _start(self, entry):
        task = asyncio.create_task(self._settle(entry))
        self._running[entry.trade.trade_id] = task
        task.add_done_callback(lambda _: self._ended(entry.trade.trade_id, task))

    def _ended(self, trade_id, task):
        del self._running[trade_id]
        if task.cancelled():
            return
        if task.exception() is not None:
            self._failure = task.exception()
        elif task.result():
            self._window.pop(trade_id, None)
            self._left.add(trade_id)
        else:
            self._stale.add(trade_id)
        self._wake.set()

    async def _stop_running(self):
        tasks = [*self._running.values(), *([self._writer] if self._writer is not None else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._writer = None
        self._posted = {}  # what is not written down is posted again, under its keys

    # --- one trade ---------------------------------------------------------------------------------------------------

    async def _settle(self, entry):
        """Do all that can be done for a trade now, and write down what came of it. -> whether it leaves the queue.
        Raises psycopg2.Error, OSError: of Postgres. Whatever else goes wrong costs an attempt, and this trade alone."""
        posted = list(entry.posted)
        try:
            return await self._tried(entry, posted)
        except Exception as error:
            if isinstance(error, (psycopg2.Error, OSError)) and not isinstance(error, psycopg2.DataError):
                raise
            log.exception("trade %d cannot be settled", entry.trade.trade_id)
            return await self._failed(entry, posted, ascii(error))  # that can be written into any database

    async def _tried(self, entry, posted):
        """As _settle(). `posted`: names of the legs that are booked, to which those come that are now."""
        try:
            if entry.stage == queue.POSTING:
                return await self._post(entry, posted)
            return await self._reverse(entry)
        except BreakerOpen:
            return False  # nothing was tried: it stays as it is
        except Unavailable as error:
            return await self._unanswered(entry, posted, error)

    async def _post(self, entry, posted):
        async def post(leg):
            await self._wallet.post(entry.key(leg), leg, entry.trade.trade_id)
            posted.append(leg.name)

        try:
            for legs in legs_of(entry.trade):
                await _all([post(leg) for leg in legs if leg.name not in entry.posted])
        except Refused as refusal:
            log.warning("trade %d is refused: %s", entry.trade.trade_id, refusal)
            await self._write(queue.reversing, entry, _short(refusal))
            return False
        self._posted[entry.trade.trade_id] = entry
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_settled())
        return True

    async def _write_settled(self):
        """In groups: those that were posted while the ones before were written."""
        try:
            while self._posted:
                entries = list(self._posted.values())
                self.metrics.settled.inc(await self._write(queue.settled, entries))
                for entry in entries:
                    self._posted.pop(entry.trade.trade_id, None)
        except Exception as error:
            self._failure = error
        self._writer = None  # nothing was awaited since there was nothing more to write
        self._wake.set()

    async def _reverse(self, entry):
        """Undo the round: every leg of it, sent or not, so that none that is still on its way is booked later."""
        try:
            for legs in reversed(legs_of(entry.trade)):
                await _all([self._wallet.reverse(entry.key(leg)) for leg in legs])
        except Refused as refusal:
            error = "%s; cannot be undone: %s" % (entry.refusal, refusal)
            return await self._bury(entry, entry, queue.REVERSING, error)
        return await self._bury(entry, entry, queue.REVERSED, entry.refusal)

    async def _unanswered(self, entry, posted, error):
        """Count the attempt, unless the wallet is down for all: that is not this trade's fault."""
        if self._outage.failed(entry.trade.trade_id):
            return await self._failed(entry, posted, error)
        await self._write(queue.again, entry, _advanced(entry, posted), 0, _short(error))
        return False

    async def _failed(self, entry, posted, error):
        """Count the attempt. -> as _settle()"""
        now = _advanced(entry, posted)
        now = attrs.evolve(now, attempts=now.attempts + 1)
        if now.attempts > self._policy.retries:
            return await self._bury(entry, now, entry.stage, error)
        await self._write(queue.again, entry, now, self._policy.delay(now.attempts), _short(error))
        self.metrics.retried.inc()
        return False

    async def _bury(self, entry, now, stage, error):
        if await self._write(queue.dead, entry, now, stage, _short(error)):
            log.error("trade %d is a dead letter (%s): %s", entry.trade.trade_id, stage, error)
            self.metrics.failed.labels(stage).inc()
        return True

    async def _write(self, change, *arguments):
        async with self._pool.acquire() as connection, connection.cursor() as cursor:
            return await change(cursor, *arguments)

    # --- what can be seen of it --------------------------------------------------------------------------------------

    def _requested(self, outcome, seconds):
        if outcome != "unavailable":
            self._outage.answered()
        self.metrics.requested(outcome, seconds)

    async def _count(self, cursor):
        self.metrics.running.set(len(self._running))
        if time.monotonic() - self._counted_at >= COUNT_SECONDS:
            self._counted_at = time.monotonic()
            self.metrics.counted(*await queue.counts(cursor))


def ready(entries, in_flight):
    """-> the entries that may be started, oldest first: a trade waits for those before it of either account, so that
    nobody is asked for what an earlier trade has yet to bring."""
    found = []
    waited_for = set()  # accounts
    for entry in entries:
        trade = entry.trade
        is_free = trade.buyer not in waited_for and trade.seller not in waited_for
        if is_free and entry.is_due and trade.trade_id not in in_flight:
            found.append(entry)
        waited_for.add(trade.buyer)
        waited_for.add(trade.seller)
    return found


def _advanced(entry, posted):
    """-> the entry with these legs booked; where some are that were not, its attempts start again."""
    return attrs.evolve(entry, posted=tuple(posted), attempts=0 if len(posted) > len(entry.posted) else entry.attempts)


async def _all(requests):
    """Wait for every request; then raise, where there is one, a refusal before anything else."""
    results = await asyncio.gather(*requests, return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    for error in sorted(errors, key=lambda error: not isinstance(error, Refused)):
        raise error


def _short(error):
    return legible(error, ERROR_CHARACTERS_MAX)
