"""One WebSocket: writes what it is given at once where the other end reads, keeps a bounded queue where it does not,
and closes, with a code and a reason, where that is not enough."""

import asyncio
import socket

from aiohttp import WSMsgType

from gateway.buckets import Buckets
from gateway.streams.frames import payload_of
from gateway.streams.outbox import Outbox

DIRECT_BYTES = 32 << 10  # unsent in the transport; beyond, what comes waits in the outbox
SEND_BUFFER_BYTES = 128 << 10  # of the kernel: more would only make what a slow client reads older
CLOSE_SECONDS = 3.0  # for the other end to answer the close frame
REQUESTS_RATE, REQUESTS_BURST = 20, 200  # a second, and at once, of one connection

#: Codes of RFC 6455, and our own from 4000 on. The reason is text for programs.
GOING_AWAY, UNSUPPORTED_DATA, TRY_AGAIN_LATER = 1001, 1003, 1013
UNAUTHORIZED, SLOW_CONSUMER, TOO_MANY_REQUESTS = 4401, 4408, 4429


class Client:
    """`topics` is what it has subscribed to; the rest of what is known of it is the handler's."""

    __slots__ = (
        "_closing", "_flushing", "_outbox", "_transport", "_ws", "account", "default_symbol", "identity", "is_open",
        "on_slow", "proof", "requests", "topics",
    )  # fmt: skip

    def __init__(self, ws, transport, on_slow):
        """`on_slow` is called without arguments when it is closed for being too slow."""
        self._ws = ws
        self._transport = transport
        self._outbox = None  # while nothing waits
        self._flushing = None  # the task that empties it
        self._closing = None  # the task that closes
        self.on_slow = on_slow
        self.is_open = True  # whether more is read from it
        self.topics = {}  # Topic -> None, in their order
        self.identity = None  # once it has shown a token, or signed
        self.proof = None  # -> the same Identity while that is good; raises ApiError 401 when it is not any more
        self.account = 0  # once it has subscribed to its orders
        self.default_symbol = None  # of requests that name none
        self.requests = Buckets(REQUESTS_RATE, REQUESTS_BURST, 1)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def send(self, frame):
        """What tells an event. Never dropped: a client without room for it is closed."""
        if self._outbox is None:
            if self._transport.is_closing() or self._closing is not None:
                return
            if self._transport.get_write_buffer_size() < DIRECT_BYTES:
                self._transport.write(frame)
                return
            self._wait()
        if not self._outbox.put(frame):
            self._outbox = None
            self.on_slow()
            self.close(SLOW_CONSUMER, "slow_consumer")

    def send_latest(self, source, frame):
        """What tells a state: the frame now, or what source() gives once there is room."""
        if self._outbox is None:
            if self._transport.is_closing() or self._closing is not None:
                return
            if self._transport.get_write_buffer_size() < DIRECT_BYTES:
                self._transport.write(frame)
                return
            self._wait()
        self._outbox.put_latest(source)

    def forget(self, source):
        """A state that is not wanted any more."""
        if self._outbox is not None:
            self._outbox.drop(source)

    @property
    def waiting(self):
        """Messages in the queue."""
        return len(self._outbox) if self._outbox is not None else 0

    def close(self, code, reason):
        """Say why and go; what waits is dropped. Idempotent. -> a task that ends when it is gone."""
        self.is_open = False
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close(code, reason))
        return self._closing

    async def ended(self):
        """The handler has done with it: nothing is written any more, but for the end of close()."""
        self.is_open = False
        if self._flushing is not None:
            self._flushing.cancel()
        self._outbox = None
        if self._closing is not None:
            await self._closing

    async def _close(self, code, reason):
        if self._flushing is not None:
            self._flushing.cancel()
        self._outbox = None
        await self._ws.close(code=code, message=reason.encode(), drain=False)
        self._transport.abort()  # if it has not read until now, it will not

    def _wait(self):
        self._outbox = Outbox()
        self._flushing = asyncio.get_running_loop().create_task(self._flush())

    async def _flush(self):
        """Until nothing waits: write, as fast as the other end reads."""
        try:
            while self._outbox:
                frame = self._outbox.pop()
                if frame is not None:
                    await self._ws.send_frame(payload_of(frame), WSMsgType.TEXT)
        except ConnectionError:
            pass  # the handler sees it too
        self._outbox = None
        self._flushing = None
