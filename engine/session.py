"""One connection to the core: bytes in, commands to the sequencer, frames out. Decides nothing about orders.

A session first logs in, then (where it asked for it) is sent what it missed, read from the journal, and then is live.
"""

import asyncio
import struct

from engine.rate_limit import SECOND_NS, RateLimit
from engine.subscriptions import SUBSCRIPTIONS_MAX
from protocol import codec
from protocol.errors import FieldError, ProtocolError
from protocol.framing import LENGTH_BYTES, FrameReader
from protocol.login import TRUSTED, ServerLogin
from protocol.messages import (
    MESSAGES,
    RESUME_NOTHING,
    AmendOrder,
    CancelAll,
    CancelOrder,
    CancelReason,
    Code,
    Command,
    Heartbeat,
    Logout,
    Message,
    PlaceOrder,
    Query,
    QueryStatistics,
    Refused,
    Resumed,
    SessionClosed,
    Subscribe,
    Tick,
    Unsubscribe,
)

BATCH_COMMANDS_MAX = 4096  # a turn of the loop that brings more is flushed in between
OUTBOUND_BYTES_HIGH = 1 << 20  # unsent: stop reading from this peer until it has taken some
OUTBOUND_BYTES_MAX = 16 << 20  # unsent: close as a slow consumer
#: Queries in what is received at a time; more are refused, so that nobody's questions hold up the orders.
QUERIES_MAX = 64
TRUSTED_QUERIES_MAX = 1024
CLOSE_SECONDS = 5  # for a closed peer to take what is unsent, before the connection is cut
RECEIVE_BYTES_MAX = 64 << 10  # taken from the socket at a time, see sequencer.PAGE_BYTES
CATCH_UP_RECORDS = 64  # read from the journal in one turn of the loop, and no more after ...
CATCH_UP_BYTES = 256 << 10  # ... so much of it
SILENT_HEARTBEATS_MAX = 3

#: What a session may send, by role: for each message type number, whether it is a command of theirs.
TRADER_COMMANDS = [MESSAGES.get(n) in (PlaceOrder, CancelOrder, AmendOrder, CancelAll) for n in range(128)]
TRUSTED_COMMANDS = [n != Tick.TYPE and issubclass(MESSAGES.get(n, Message), Command) for n in range(128)]


class Session(asyncio.Protocol):
    def __init__(self, server, role):
        self.server = server
        self.role = role
        self.is_trusted = role == TRUSTED
        self.allowed = TRUSTED_COMMANDS if self.is_trusted else TRADER_COMMANDS
        self.queries_max = TRUSTED_QUERIES_MAX if self.is_trusted else QUERIES_MAX
        self.queries = 0
        self.received_s = 0.0  # when the bytes came that are being read
        self.limit = RateLimit(0, self._clock_ns())
        self.key = 0
        self.account = 0
        self.is_open = False  # logged in, and not closed
        self.is_live = False  # gets events as they are made
        self.is_closing = False
        self.cancel_on_disconnect = False
        self.subscriptions = {}  # instrument -> True
        self.feed_requests = 0  # Subscribe and Unsubscribe that are not done yet
        self.transport = None
        self.has_sent = False  # since the last half of a heartbeat interval
        self.has_received = False
        self.sent_bytes = 0
        self.taken_bytes = 0  # of these, at the last half
        self.silent_halves = 0
        self._reader = FrameReader()
        self._login = None
        self._login_timer = None
        self._close_timer = None
        self._cursor = None

    def _clock_ns(self):
        return int(self.server.clock_s() * SECOND_NS)

    # --- the connection ----------------------------------------------------------------------------------------------

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(high=OUTBOUND_BYTES_HIGH)
        if hasattr(transport, "max_size"):  # asyncio's own; uvloop chooses for itself
            transport.max_size = RECEIVE_BYTES_MAX
        server = self.server
        if server.failure is not None:
            transport.abort()
            return
        if not server.add_connection(self):
            self.close(Code.TOO_MANY_SESSIONS, "at most %d connections" % server.connections_max_of(self.role))
            return
        try:
            nonce = server.new_nonce()
        except OSError:  # chance may come out of a file, and there may be none left
            transport.abort()
            return
        self._login = ServerLogin(server.keys.find, nonce, server.keys.pepper, self.role)
        self._login_timer = server.loop.call_later(server.login_seconds, self._login_timed_out)

    def connection_lost(self, error):
        if self._close_timer is not None:  # a transport that is gone must not be aborted
            self._close_timer.cancel()
        self._end()
        self.is_closing = True  # what is still held for it can go nowhere
        self.server.remove_connection(self)

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        if not self.is_closing:
            self.transport.resume_reading()
        if self._cursor is not None:
            self.server.turns.add(self._catch_up)  # not here: asyncio is in the middle of writing

    def _login_timed_out(self):
        self.close(Code.LOGIN_TIMEOUT, "no login within %d s" % self.server.login_seconds)

    def send(self, data):
        self.send_all((data,))

    def send_all(self, parts):
        """Send frames. A peer that has not taken OUTBOUND_BYTES_MAX from before is closed (it can resume where it was);
        what is sent at once may be more than that, else a large flush could never be had."""
        if self.is_closing:
            return
        if self.transport.get_write_buffer_size() > OUTBOUND_BYTES_MAX:
            self.close(Code.SLOW_CONSUMER, "%d bytes are unsent" % OUTBOUND_BYTES_MAX)
            return
        for part in parts:
            if self._is_gone():
                return
            self.has_sent = True
            self.sent_bytes += len(part)
            self.transport.write(part)

    def _is_gone(self):
        """True where nothing can be sent any more, and connection_lost() is to come: asyncio logs each attempt."""
        return self.transport.is_closing() and not self.transport.get_write_buffer_size()

    def close(self, code, text):
        """Say why, send what is unsent, then cut the connection."""
        if self.is_closing:
            return
        was_open = self.is_open
        self._end()
        self.is_closing = True
        self.server.log_close(self, code, text)
        transport = self.transport
        transport.write(codec.encode(SessionClosed(code, text)))
        if was_open and not transport.is_closing() and (code != Code.SHUTDOWN or not transport.is_reading()):
            self._read_on()
        else:
            transport.close()
        self._close_timer = self.server.loop.call_later(CLOSE_SECONDS, transport.abort)

    def _read_on(self):
        """Nothing more is sent, and what comes is dropped, until the peer closes too: were it left unread, the kernel
        would reset the connection, and the peer lose what it has not read."""
        try:
            self.transport.write_eof()
            self.transport.resume_reading()
        except OSError:  # reset meanwhile
            self.transport.abort()

    def _end(self):
        """No more events to this session, no more commands from it."""
        if self._login_timer is not None:
            self._login_timer.cancel()
            self._login_timer = None
        if self._cursor is not None:
            self._cursor.close()
            self._cursor = None
        if self.is_open:
            self.is_open = self.is_live = False
            self.server.session_ended(self)

    def shows_life(self):
        """Whether the peer has sent something since the last call; or, while it is not read from, taken something."""
        taken = self.sent_bytes - self.transport.get_write_buffer_size()
        is_alive = self.has_received or (taken > self.taken_bytes and not self.transport.is_reading())
        self.taken_bytes = taken
        self.has_received = False
        return is_alive

    # --- what comes in -----------------------------------------------------------------------------------------------

    def data_received(self, data):
        if self.is_closing or self.server.failure is not None:
            return
        self.has_received = True
        self.received_s = self.server.clock_s()
        self.queries = 0
        buffer, ends = self._reader.feed(data)
        try:
            start = 0
            if not self.is_open:
                start, ends = self._log_in(buffer, ends)
            if ends and not self.is_closing:
                self._receive(buffer, start, ends)
            if self._reader.error is not None:
                raise self._reader.error
        except ProtocolError as error:
            self.close(error.code, error.text)

    def _receive(self, buffer, start, ends):
        """Frames of an open session. Commands that came one after another are journaled as one run of bytes."""
        server = self.server
        sequencer = server.sequencer
        allowed = self.allowed
        account = self.account
        limit = self.limit
        if not self.is_trusted:
            limit.set(server.commands_per_second_of(account), self._clock_ns())
            limit.fill(self._clock_ns())
        run_start = start
        run_count = 0
        commands, problems = _decode(buffer, start, ends)
        for index, end in enumerate(ends):
            command = commands[index]
            if command is not None and allowed[command.TYPE] and server.takes_commands and limit.left:
                if command.account == 0:
                    command.account = account
                if (command.account == account or self.is_trusted) and not _is_forged(command, self.is_trusted):
                    limit.left -= 1
                    sequencer.apply(self.key, command)
                    run_count += 1
                    start = end
                    if run_count < BATCH_COMMANDS_MAX:
                        continue
                    command = None
            # the run ends here: what came is no command, or not one to take, or the batch is full
            if run_count:
                server.submitted(self, buffer[run_start:start], run_count)
                run_count = 0
                if server.failure is not None:
                    return
            run_start = start = end
            if index in problems:
                self._refuse(problems[index])
            elif command is not None and not self.is_closing:
                self._receive_other(command)
            if self.is_closing:
                return
        if run_count:
            server.submitted(self, buffer[run_start:start], run_count)

    def _refuse(self, problem):
        """A field is the sender's mistake; what is no message at all ends the session."""
        if type(problem) is ProtocolError:
            raise problem
        self._answer(Refused(problem.code, problem.text[:200], request_id=problem.request_id))

    def _refuse_request(self, message, code, text):
        self._answer(Refused(code, text, request_id=message.request_id))

    def _answer(self, message):
        self.server.hold(self, codec.encode(message))

    def _receive_other(self, message):
        kind = type(message)
        if kind is Heartbeat:
            return
        if isinstance(message, Query):
            message.account = message.account or self.account
            if not self.is_trusted and (kind is QueryStatistics or message.account != self.account):
                self._refuse_request(message, Code.NOT_ALLOWED, "%s is not for this session" % kind.__name__)
            elif self.queries == self.queries_max:
                self._refuse_request(message, Code.TOO_MANY_QUERIES, "at most %d at a time" % self.queries_max)
            else:
                self.queries += 1
                self.server.query(self, message)
        elif self.allowed[message.TYPE]:
            self._refuse_command(message)
        elif kind is Subscribe or kind is Unsubscribe:
            if self.feed_requests >= SUBSCRIPTIONS_MAX:
                text = "at most %d of the feed at a time" % SUBSCRIPTIONS_MAX
                self._refuse_request(message, Code.TOO_MANY_QUERIES, text)
            else:
                self.feed_requests += 1
                self.server.hold(self, message)
        elif kind is Logout:
            self.close(Code.LOGOUT, "")
        else:
            self._refuse_request(message, Code.NOT_ALLOWED, "%s is not for this session to send" % kind.__name__)

    def _refuse_command(self, message):
        """One of a kind that this session may send, and not now, or not so."""
        if not self.server.takes_commands:
            self._refuse_request(message, Code.JOURNAL_FULL, "the journal's disk is full")
        elif not self.limit.left:
            self._refuse_request(message, Code.RATE_LIMITED, "at most %d a second" % self.limit.per_second)
        else:
            text = "not for account %d, or for this reason, or with a second factor" % message.account
            self._refuse_request(message, Code.NOT_ALLOWED, text)

    # --- login and resume --------------------------------------------------------------------------------------------

    def _log_in(self, buffer, ends):
        """Frames of a session that is not open. -> (start, ends) of what is left once it is."""
        start = 0
        for index, end in enumerate(ends):
            try:
                self._receive_login(codec.decode(buffer, start + LENGTH_BYTES, end))
            except FieldError as error:
                raise ProtocolError(Code.LOGIN_REQUIRED, str(error)) from None
            start = end
            if self.is_open or self.is_closing:
                return start, ends[index + 1 :]
        return start, []

    def _receive_login(self, message):
        for reply in self._login.receive(message):
            self.send(codec.encode(reply))
        login = self._login
        if login.credentials is None:
            return
        server = self.server
        resume_after = login.resume_after
        if resume_after != RESUME_NOTHING:
            if resume_after > server.durable_event_seq:
                raise ProtocolError(Code.RESUME_UNAVAILABLE, "the newest event is %d" % server.durable_event_seq)
            if resume_after < server.durable_event_seq:
                try:
                    self._cursor = server.journal.cursor_after(resume_after)
                except OSError as error:
                    raise ProtocolError(Code.TOO_MANY_SESSIONS, _unreadable(error)) from None
                if self._cursor is None:
                    raise ProtocolError(Code.RESUME_UNAVAILABLE, "event %d is no longer kept" % (resume_after + 1))
        self._login_timer.cancel()
        self._login_timer = None
        self._resume_after = resume_after
        self.key = login.credentials.key
        self.account = login.credentials.account
        self.cancel_on_disconnect = login.cancel_on_disconnect
        self.is_open = True
        server.session_opened(self)
        accepted = login.accepted(server.durability, server.heartbeat_ns, server.durable_event_seq)
        self.send(codec.encode(accepted))
        if self._cursor is None:
            self._become_live()
        else:
            server.turns.add(self._catch_up)

    def _catch_up(self):
        """Send the next part of what was missed; when the journal has no more, what comes next is live."""
        if self._cursor is None:
            return
        bytes_max = self._cursor.bytes_read + CATCH_UP_BYTES
        for _ in range(CATCH_UP_RECORDS):
            if self._cursor.bytes_read >= bytes_max:
                break
            if self.transport.get_write_buffer_size() > OUTBOUND_BYTES_HIGH:
                return  # resume_writing() calls again
            if self._is_gone():
                return
            try:
                record = self._cursor.next()
            except OSError as error:
                self.close(Code.TOO_MANY_SESSIONS, _unreadable(error))
                return
            if record is None:
                if self._cursor.next_event_seq <= self.server.durable_event_seq:
                    self.close(Code.RESUME_UNAVAILABLE, "the journal was pruned meanwhile")
                    return
                self._cursor.close()
                self._cursor = None
                self._become_live()
                return
            if record.next_event_seq > self._resume_after + 1:
                missed = self._missed(record)
                if missed:
                    self.send(missed)
                    if self.is_closing:
                        return
        self.server.turns.add(self._catch_up)

    def _missed(self, record):
        """-> the frames of a record's events that are this session's and were not seen."""
        frames = record.events
        if self.is_trusted and record.first_event_seq > self._resume_after:
            return frames
        _, ends = FrameReader().feed(frames)
        missed = []
        start = 0
        for end in ends:
            event_seq, account = event_address(frames, start)
            if event_seq > self._resume_after and (self.is_trusted or account == self.account):
                missed.append(frames[start:end])
            start = end
        return b"".join(missed)

    def _become_live(self):
        self.is_live = True
        self._answer(Resumed(self.server.durable_event_seq))


def _decode(buffer, start, ends):
    """-> ([message, or None for what is none, ...], {index of a None: why}). A loop of its own, for the same reason as
    the stages of the sequencer."""
    messages = []
    problems = {}
    for end in ends:
        try:
            messages.append(codec.decode(buffer, start + LENGTH_BYTES, end))
        except (FieldError, ProtocolError) as error:
            problems[len(messages)] = error
            messages.append(None)
        start = end
    return messages, problems


def _unreadable(error):
    """Of a session that there is no file for, most likely. It may resume later."""
    return "the journal cannot be read now: %s" % error.strerror


def _is_forged(command, is_trusted):
    """True for what only the core may say, or for a second factor that only a trusted session may vouch for."""
    if command.TYPE == PlaceOrder.TYPE:
        return command.second_factor and not is_trusted
    return command.TYPE == CancelAll.TYPE and command.reason != CancelReason.USER_ALL


# [length, array header, type, request_id, event_seq, time_ns, key, account, ...] at our fixed widths
_address_short = struct.Struct(">4x1x1x9xBq9x5xBI").unpack_from
_address_long = struct.Struct(">4x3x1x9xBq9x5xBI").unpack_from


def event_address(frames, start):
    """-> (event_seq, account) of the event frame at `start`, as we write them."""
    read = _address_long if frames[start + LENGTH_BYTES] == 0xDC else _address_short
    _, event_seq, _, account = read(frames, start)
    return event_seq, account
