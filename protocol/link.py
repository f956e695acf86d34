"""A ClientConnection kept on a socket by asyncio: connects, reconnects with backoff, heartbeats, batches writes."""

import asyncio
import contextlib
import random
import secrets
import time

from protocol.calls import ConnectionClosed
from protocol.connection import FINAL_CODES
from protocol.liveness import Liveness
from protocol.messages import CODES, Code, Heartbeat, Logout

RETRY_SECONDS_MIN = 0.05  # doubles with each failure, and is shortened by chance to between a half and the whole
RETRY_SECONDS_MAX = 5.0
LOGIN_SECONDS = 10.0  # for the TCP connection, and again for the login
CLOSE_SECONDS = 2.0  # for the core to answer Logout


class Link(asyncio.Protocol):
    """start() it, send() messages, close() it. Gives the messages of each read to `deliver`, and the ConnectionClosed
    that ends it for good to `on_end`. A lost socket is not told to either."""

    def __init__(self, host, port, connection, deliver, on_end):
        self._host = host
        self._port = port
        self._connection = connection
        self._deliver = deliver
        self._on_end = on_end
        self.end = None  # ConnectionClosed, once it is over for good
        self.last_error = None  # why the last attempt to connect failed
        self._loop = None
        self._task = None
        self._transport = None
        self._gone = None  # future: the present socket is gone
        self._live = None  # asyncio.Event
        self._liveness = None
        self._timer = None
        self._out = []
        self._retry_seconds = RETRY_SECONDS_MIN

    def start(self):
        """Idempotent."""
        if self._task is None:
            self._loop = asyncio.get_running_loop()
            self._live = asyncio.Event()
            if self.end is not None:
                self._live.set()
            self._task = self._loop.create_task(self._keep_connected())

    async def live(self):
        """Wait until requests flow. Raises ConnectionClosed where they never will."""
        await self._live.wait()
        if self.end is not None:
            raise ConnectionClosed(self.end.code, self.end.text)

    def send(self, message):
        """Written with all else of this turn of the event loop. Raises as ClientConnection.send."""
        data = self._connection.send(message)
        if data:
            if not self._out:
                self._loop.call_soon(self._flush)
            self._out.append(data)

    async def close(self):
        """Log out and wait for the socket to go. Idempotent."""
        if self.end is None and self._connection.is_logged_in:
            self.send(Logout())
            await asyncio.wait([self._gone], timeout=CLOSE_SECONDS)
        self._finish(ConnectionClosed(Code.LOGOUT, "closed by this client"))
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        if self._transport is not None:
            self._transport.abort()
            await self._gone

    async def _keep_connected(self):
        while self.end is None:
            self._gone = self._loop.create_future()
            attempt = self._loop.create_connection(lambda: self, self._host, self._port)
            try:
                await asyncio.wait_for(attempt, LOGIN_SECONDS)
                await asyncio.shield(self._gone)
            except (OSError, asyncio.TimeoutError, ValueError, OverflowError) as error:  # the last two: host or port
                self.last_error = error
            if self.end is None:
                await asyncio.sleep(self._retry_seconds * random.uniform(0.5, 1.0))
                self._retry_seconds = min(2 * self._retry_seconds, RETRY_SECONDS_MAX)

    def connection_made(self, transport):
        self._transport = transport
        self._timer = self._loop.call_later(LOGIN_SECONDS, transport.abort)
        if is_connected_to_itself(transport):
            transport.abort()
        else:
            transport.write(self._connection.start(secrets.token_urlsafe(18)))

    def data_received(self, data):
        connection = self._connection
        messages = connection.receive(data)
        if self._liveness is not None:
            self._liveness.received_ns = time.monotonic_ns()
        elif connection.is_logged_in:
            self._begin_heartbeats()
        data = connection.data_to_send()
        if data:
            self._transport.write(data)
        if connection.is_live and not self._live.is_set():
            self._live.set()
        self._deliver(messages)
        if connection.error is not None:
            self._finish(ConnectionClosed(connection.error.code, connection.error.text))
            self._transport.abort()
        elif connection.closed is not None:
            code, text = connection.closed.code, connection.closed.text
            self.last_error = ConnectionError("closed by the core: %s %s" % (CODES.get(code, code), text))
            if code in FINAL_CODES:
                self._finish(ConnectionClosed(code, text))
            self._transport.close()

    def connection_lost(self, error):
        self._transport = None
        self._connection.lost()
        self._out.clear()
        self._timer.cancel()
        self._liveness = None
        if self.end is None:
            self._live.clear()
        if error is not None:
            self.last_error = error
        if not self._gone.done():
            self._gone.set_result(None)

    def _finish(self, end):
        if self.end is None:
            self.end = end
            if self._live is not None:
                self._live.set()
            self._on_end(end)

    def _flush(self):
        if self._transport is not None and self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()
            if self._liveness is not None:
                self._liveness.sent_ns = time.monotonic_ns()

    def _begin_heartbeats(self):
        now_ns = time.monotonic_ns()
        self._liveness = Liveness(self._connection.accepted.heartbeat_ns, now_ns, now_ns)
        self._retry_seconds = RETRY_SECONDS_MIN
        self._timer.cancel()
        self._beat()

    def _beat(self):
        now_ns = time.monotonic_ns()
        liveness = self._liveness
        if liveness.is_expired(now_ns):
            self._transport.abort()
            return
        if liveness.is_heartbeat_due(now_ns):
            self._transport.write(self._connection.send(Heartbeat()))
            liveness.sent_ns = now_ns
        due_ns = min(liveness.next_heartbeat_ns(), liveness.expires_ns())
        self._timer = self._loop.call_later((due_ns - now_ns) / 1e9, self._beat)


def is_connected_to_itself(transport):
    """True where TCP found nobody but the caller: it can happen with a port of the ephemeral range, on this machine,
    that is tried again and again while nobody listens."""
    return transport.get_extra_info("sockname") == transport.get_extra_info("peername")
