"""The core's shell: sessions in, sequencer, journal, sessions out. One flush a turn of the loop.

The order is the promise: apply, append, (sync), and only then do events, answers and feed leave. When the journal
cannot be written the server fails for good: nothing more is taken or sent, and the process is to stop (`failure`).
"""

import asyncio
import logging
import socket

from engine.feed import Feed
from engine.metrics import Metrics
from engine.pieces import pieces
from engine.queries import answer, waiting_stops
from engine.session import BATCH_COMMANDS_MAX, SILENT_HEARTBEATS_MAX, Session
from engine.snapshot import state_hash
from engine.subscriptions import Subscriptions
from engine.turns import Turns
from protocol import codec
from protocol.login import TRADER, TRUSTED
from protocol.messages import (
    CODES,
    CancelAll,
    CancelReason,
    Code,
    Durability,
    Heartbeat,
    QueryStatistics,
    Statistics,
    Tick,
)

CONNECTIONS_MAX = 4096  # of traders
TRUSTED_CONNECTIONS_MAX = 32  # whose places traders cannot take
ACCEPTED_AT_A_TIME = 32
WAITING_CONNECTIONS_MAX = 1024  # in the kernel's line of each listener
LOGIN_SECONDS = 5
HEARTBEAT_NS = 5_000_000_000
IDLE_SECONDS = 0.1  # without a command: a Tick closes the last record, and the collector may work
COLLECT_SECONDS = 0.1  # how often the collector looks whether steps are due, though nothing is flushed
WRITE_SYNC_SECONDS = 1  # durability `write`: the journal is synced this often, beside the loop
WAKE_SECONDS_MAX = 3600  # a good-till-date order further away is looked at again then: clocks are corrected
ROOM_RETRY_SECONDS = 0.25  # journal disk full: how often space is looked for

log = logging.getLogger(__name__)


def _is_ours(error):
    """-> whether code of ours had a part in raising it, as far as is known."""
    traceback = error.__traceback__
    modules = []
    while traceback is not None:
        modules.append(traceback.tb_frame.f_globals.get("__name__", ""))
        traceback = traceback.tb_next
    return not modules or any(module.partition(".")[0] in ("engine", "protocol") for module in modules)


class Server:
    def __init__(self, loop, sequencer, journal, keys, durability, new_nonce, clock_s, collector=None):
        """`new_nonce()`: fresh chance as text; `clock_s()`: a monotonic clock in seconds, for metrics alone."""
        self.loop = loop
        self.sequencer = sequencer
        self.journal = journal
        self.keys = keys
        self.durability = durability
        self.new_nonce = new_nonce
        self.clock_s = clock_s
        self.collector = collector
        self.metrics = Metrics()
        self.turns = Turns(loop, self.collect)
        self.subscriptions = Subscriptions(Feed(sequencer.exchange), self.turns, self._hold_first)
        self.heartbeat_ns = HEARTBEAT_NS
        self.login_seconds = LOGIN_SECONDS
        self.connections_max = CONNECTIONS_MAX
        self.trusted_connections_max = TRUSTED_CONNECTIONS_MAX
        self.commands_per_second = 0  # of a trader's session whose account has no rate of its own; 0: no limit
        self.durable_event_seq = sequencer.event_seq
        self.takes_commands = True
        self.failure = None  # the error that stopped the server
        self.failed = loop.create_future()
        self.connections = {}  # Session -> True, logged in or not
        self._connected = {TRADER: 0, TRUSTED: 0}
        self._by_key = {}
        self._by_account = {}  # account -> [Session]
        self._trusted = []
        self._held = []  # (Session, frames to send or Subscribe or Unsubscribe to do), in order, after the flush
        self._arrivals = []  # [(clock, commands), ...] of the batch
        self._synced_seq = sequencer.exchange.seq  # the last command known to be on the disk
        self._cancels_due = {}  # account -> key of the session that ended
        self._flush_is_due = False
        self._listeners = []
        self._timers = {}  # work -> timer
        self._due_ns = None  # what _due_timer waits for
        self._due_timer = None
        self._idle_timer = None
        self._last_was_tick = True
        self._is_synced = True
        self._is_stopping = False

    # --- running -----------------------------------------------------------------------------------------------------

    async def listen(self, host, port, role=TRADER):
        """Take connections of one role; -> the port (for port 0)."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
        # Accepted sockets inherit it. asyncio would not set it: it knows TCP by a protocol number that this socket has
        # not. Without it the second small message of a flush may wait 40 ms for the acknowledgement of the first.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # asyncio takes `backlog` connections at a time, each a file before it can be refused; the rest wait in line
        self._listeners.append(
            await self.loop.create_server(lambda: Session(self, role), sock=listening, backlog=ACCEPTED_AT_A_TIME)
        )
        listening.listen(WAITING_CONNECTIONS_MAX)
        return listening.getsockname()[1]

    def start(self):
        """From now on time passes, and an exception that nobody expected stops the core."""
        self.loop.set_exception_handler(lambda loop, context: self._unexpected(context))
        if not self.journal.has_room():
            self._refuse_commands()
        self._every(self.heartbeat_ns * 0.5e-9, self._heartbeats)
        if self.collector is not None:
            self._every(COLLECT_SECONDS, self.collect)  # connections come and go, and metrics, without a flush
        if self.durability == Durability.WRITE:
            self._every(WRITE_SYNC_SECONDS, self._sync_beside)
        if self.sequencer.exchange.seq:
            self._last_was_tick = False  # as far as is known: what followers wait for, the run before left open
            self._was_busy()
        self._wake_when_due()

    def _every(self, seconds, work):
        def run():
            if self.failure is None and not self._is_stopping:
                self._timers[work] = self.loop.call_later(seconds, run)
                work()

        self._timers[work] = self.loop.call_later(seconds, run)

    async def stop(self):
        """Take no more, flush, tell every session, close the listeners. The journal stays open."""
        self._is_stopping = True
        for listener in self._listeners:
            listener.close()
        for timer in self._timers.values():
            timer.cancel()
        for timer in (self._idle_timer, self._due_timer):
            if timer is not None:
                timer.cancel()
        for session in list(self.connections):
            session.cancel_on_disconnect = False  # orders outlive a restart
        self._cancel_disconnected()
        self.flush()
        for session in list(self.connections):
            if session.is_closing:
                session.transport.close()  # has been told why, and is not waited for to close too
            else:
                session.close(Code.SHUTDOWN, "the core is stopping")
        while self.connections:
            await asyncio.sleep(0.01)

    def _unexpected(self, context):
        """A broken invariant, say: the state may be half changed, and starting again is the recovery. What went wrong
        in asyncio alone has changed nothing of ours, and a connection must not end them all."""
        error = context.get("exception")
        if error is None or isinstance(error, OSError):  # a connection's trouble
            log.warning("%s: %s", context.get("message"), error)
        elif not _is_ours(error):
            log.error("%s", context.get("message"), exc_info=error)
        else:
            log.critical("unexpected: %s", context.get("message"), exc_info=error)
            self.fail(error)

    def fail(self, error):
        """State or journal are unknown: what is not yet said must never be said."""
        if self.failure is None:
            self.failure = error
            log.critical("stopping: %r", error)
            for session in list(self.connections):
                session.transport.abort()
            self.failed.set_result(error)

    def commands_per_second_of(self, account):
        """-> what each session of a trader's account may send; 0: no limit."""
        account = self.sequencer.exchange.ledger.accounts.get(account)
        own = account.commands_per_second if account is not None else 0
        return own or self.commands_per_second

    # --- from sessions -----------------------------------------------------------------------------------------------

    def submitted(self, session, frames, count):
        """The session has had `count` commands applied; their events follow the flush at the end of this turn."""
        self.sequencer.add_source(session.key, session.account, frames, count)
        self._arrivals.append((session.received_s, count))
        self._flush_soon()
        if self.sequencer.count >= BATCH_COMMANDS_MAX:
            self._flush_commands()

    def submit_own(self, key, account, command):
        """A command of the core itself."""
        frame = codec.encode(command)
        self.sequencer.submit(key, account, frame, 0, len(frame), command)
        self._flush_soon()

    def _flush_soon(self):
        if not self._flush_is_due:
            self._flush_is_due = True
            self.loop.call_soon(self.flush)

    def hold(self, session, item):
        """After the flush, send frames (an answer must not tell of a command that is not yet durable), or do a
        Subscribe or Unsubscribe: it is between two flushes that book, feed and journal agree."""
        self._held.append((session, item))
        self._flush_soon()

    def _hold_first(self, session, items):
        self._held[:0] = [(session, item) for item in items]
        self._flush_soon()

    def query(self, session, message):
        if type(message) is QueryStatistics:
            rows = self.statistics(message.state_hash)
            rows += self.metrics.latency_rows()
            reply = Statistics(self.sequencer.event_seq, rows, request_id=message.request_id)
        else:
            reply = answer(self.sequencer.exchange, message, self.sequencer.event_seq)
        self.hold(session, codec.encode(reply))

    def statistics(self, with_hash):
        """[[name, value], ...]; values are ints or text."""
        exchange = self.sequencer.exchange
        rows = [
            ["commands", exchange.seq],
            ["events", self.sequencer.event_seq],
            ["trades", exchange.trade_count],
            ["open_orders", exchange.orders.open_count],
            ["waiting_stops", waiting_stops(exchange)],
            ["accounts", len(exchange.ledger.accounts) - 1],  # the venue's own is none
            ["instruments", len(exchange.books)],
            ["sessions", len(self._by_key)],
            ["connections", len(self.connections)],
            ["journal_segment", self.journal.path],
            ["journal_offset", self.journal.position],
            ["journal_lag", exchange.seq - self._synced_seq],
            ["takes_commands", 1 if self.takes_commands else 0],
        ]
        rows += self.metrics.rows()
        if self.collector is not None:
            rows += self.collector.rows()
        if with_hash:
            rows.append(["state_hash", state_hash(exchange)])
        return rows

    # --- the flush ---------------------------------------------------------------------------------------------------

    def flush(self):
        """Make durable what was taken this turn, then say it."""
        self._flush_is_due = False
        if self.failure is not None:
            return
        if self.sequencer.count:
            self._flush_commands()
            if self.failure is not None:
                return
        if self._held:
            held, self._held = self._held, []
            for session, item in held:
                if session.is_closing:
                    continue
                if type(item) is bytes:
                    session.send(item)
                else:
                    self.subscriptions.take(session, item)
        self.collect()

    def collect(self):
        if self.collector is not None:
            self.collector.work()

    def _flush_commands(self):
        batch = self.sequencer.take()
        started_s = self.clock_s()
        try:
            size = self.journal.append(batch.record)
            if self.durability == Durability.SYNC:
                self.journal.sync()
        except OSError as error:
            self.fail(error)
            return
        now_s = self.clock_s()
        self.metrics.flushed(batch.record, size, now_s - started_s)
        arrivals, self._arrivals = self._arrivals, []
        for received_s, count in arrivals:
            self.metrics.answered(now_s - received_s, count)
        if self.durability == Durability.SYNC:
            self._synced_seq = self.sequencer.exchange.seq
        self._last_was_tick = batch.record.event_count == 0  # every other command has an event
        self._is_synced = self.durability == Durability.SYNC
        self.durable_event_seq = batch.record.next_event_seq - 1
        self._deliver(batch)
        self.subscriptions.changed(batch.events)
        self._was_busy()
        self._wake_when_due()
        if not self.journal.has_room():
            self._refuse_commands()

    def _deliver(self, batch):
        posted = {}  # Session -> [bytes, ...]
        by_account = self._by_account
        if by_account:
            for account, parts in batch.runs():
                for session in by_account.get(account, ()):
                    if session.is_live:
                        posted.setdefault(session, []).extend(parts)
        for session in self._trusted:
            if session.is_live:
                posted[session] = batch.record.event_parts
        for session, parts in posted.items():
            session.send_all(pieces(parts))

    # --- sessions ----------------------------------------------------------------------------------------------------

    def connections_max_of(self, role):
        return self.trusted_connections_max if role == TRUSTED else self.connections_max

    def add_connection(self, session):
        """False where there are too many of its role."""
        self.connections[session] = True
        self._connected[session.role] += 1
        return self._connected[session.role] <= self.connections_max_of(session.role) and not self._is_stopping

    def remove_connection(self, session):
        if self.connections.pop(session, None):
            self._connected[session.role] -= 1

    def session_opened(self, session):
        """A key has one session: an older one, perhaps of a connection that is dead unnoticed, gives way."""
        older = self._by_key.get(session.key)
        if older is not None:
            older.cancel_on_disconnect = False
            older.close(Code.SUPERSEDED, "key %d logged in again" % session.key)
        self._by_key[session.key] = session
        if session.is_trusted:
            self._trusted.append(session)
        else:
            self._by_account.setdefault(session.account, []).append(session)

    def session_ended(self, session):
        if self._by_key.get(session.key) is session:
            del self._by_key[session.key]
        if session.is_trusted:
            self._trusted.remove(session)
        else:
            sessions = self._by_account[session.account]
            sessions.remove(session)
            if not sessions:
                del self._by_account[session.account]
        self.subscriptions.ended(session)
        if session.cancel_on_disconnect and session.account:
            self._cancels_due[session.account] = session.key
            self.loop.call_soon(self._cancel_disconnected)

    def _cancel_disconnected(self):
        """In a turn of its own, as sessions may end in the middle of a delivery. Waits for space for the journal."""
        if self.takes_commands and self.failure is None:
            due, self._cancels_due = self._cancels_due, {}
            for account, key in due.items():
                self.submit_own(key, account, CancelAll(account, reason=CancelReason.DISCONNECT))

    def log_close(self, session, code, text):
        self.metrics.closed(code)
        is_quiet = code in (Code.SHUTDOWN, Code.LOGOUT) or not session.key  # who never logged in must not fill the log
        level = logging.DEBUG if is_quiet else logging.INFO
        log.log(level, "session of key %d closed: %s %s", session.key, CODES[code], text)

    def use_keys(self, keys):
        """New keys file: sessions of revoked keys are closed."""
        self.keys = keys
        for key, session in list(self._by_key.items()):
            if keys.find(key) is None:
                session.close(Code.KEY_REVOKED, "key %d was revoked" % key)

    # --- by time -----------------------------------------------------------------------------------------------------

    def _heartbeats(self):
        """Twice an interval: whoever was sent nothing since the last time is then sent something within one."""
        heartbeat = codec.encode(Heartbeat())
        for session in list(self._by_key.values()):
            if not session.has_sent:
                session.send(heartbeat)
            session.has_sent = False
            session.silent_halves = 0 if session.shows_life() else session.silent_halves + 1
            if session.silent_halves >= 2 * SILENT_HEARTBEATS_MAX:
                session.close(Code.HEARTBEAT_TIMEOUT, "nothing received for %d heartbeats" % SILENT_HEARTBEATS_MAX)

    def _wake_when_due(self):
        """A Tick at the time the next good-till-date order ends, though nothing else may come then."""
        due_ns = self.sequencer.exchange.next_due_ns
        if due_ns != self._due_ns:
            self._due_ns = due_ns
            if self._due_timer is not None:
                self._due_timer.cancel()
                self._due_timer = None
            wait_ns = self.sequencer.due_in_ns()
            if wait_ns is not None:
                wait_s = min(max(wait_ns, 0) * 1e-9, WAKE_SECONDS_MAX)
                self._due_timer = self.loop.call_later(wait_s, self._due)

    def _due(self):
        """The time may have come, and may have moved: the venue's clock is not the loop's."""
        self._due_timer = None
        self._due_ns = None
        if self.failure is None and not self._is_stopping and self.takes_commands:
            wait_ns = self.sequencer.due_in_ns()
            if wait_ns is not None and wait_ns <= 0:
                self.submit_own(0, 0, Tick(0))
            else:
                self._wake_when_due()

    def _was_busy(self):
        if self._idle_timer is None and not self._is_stopping:
            self._idle_seq = self.sequencer.exchange.seq
            self._idle_timer = self.loop.call_later(IDLE_SECONDS, self._maybe_idle)

    def _maybe_idle(self):
        self._idle_timer = None
        if self.failure is not None or self._is_stopping:
            return
        if self.sequencer.exchange.seq != self._idle_seq:
            self._was_busy()
            return
        if not self._last_was_tick and self.takes_commands:
            self.submit_own(0, 0, Tick(0))
        elif self.collector is not None and self.collector.step():
            self._was_busy()

    def _refuse_commands(self):
        log.error("no space for the journal in %s: commands are refused", self.journal.directory)
        self.takes_commands = False
        self.loop.call_later(ROOM_RETRY_SECONDS, self._look_for_room)

    def _look_for_room(self):
        if self.failure is None and not self._is_stopping:
            if self.journal.has_room():
                log.warning("there is space for the journal again: commands are taken")
                self.takes_commands = True
                self._cancel_disconnected()
                self._wake_when_due()
            else:
                self.loop.call_later(ROOM_RETRY_SECONDS, self._look_for_room)

    def _sync_beside(self):
        if not self._is_synced:
            self._is_synced = True
            seq = self.sequencer.exchange.seq - self.sequencer.count  # what is written
            syncing = self.loop.run_in_executor(None, self.journal.sync)
            syncing.add_done_callback(lambda done: self._synced_beside(done, seq))

    def _synced_beside(self, done, seq):
        if done.exception() is not None:
            self.fail(done.exception())
        else:
            self._synced_seq = seq
