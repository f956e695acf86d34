"""All streams of one gateway: fed with the core's events, subscribed to by clients, wound up at the end."""

import asyncio
import contextlib
import logging
import time

from aiohttp import web

from gateway.core import CORE
from gateway.database import DATABASE
from gateway.errors import ApiError
from gateway.history import HISTORY
from gateway.metrics import websocket_connections, websocket_slow_consumers
from gateway.streams import client as codes
from gateway.streams.archive import Archive
from gateway.streams.book_stream import BookStream
from gateway.streams.messages import MarketState, Resumed, ResumeUnavailable, Subscribed, VenueStatus
from gateway.streams.order_states import ORDER_EVENTS
from gateway.streams.private_stream import PrivateStream
from gateway.streams.subscriptions import Subscriptions
from gateway.streams.topics import DEPTH, ORDERBOOK, ORDERS, TRADES, Topic
from gateway.streams.trade_stream import TradeStream
from gateway.times import text_of_ns
from protocol.messages import FEES_ACCOUNT, INSTRUMENT_STATES, InstrumentStateChanged, OrderFilled

CLIENTS_MAX = 20_000
TOPICS_MAX = 100  # of one client
BOOKS_MAX = 250  # markets whose book is followed; the core lets a session subscribe to 256
LOOK_SECONDS = 0.05  # between looks at whether the core is there
SHUTDOWN_SECONDS = 3.0  # for clients to take their close frame

LIVE, CORE_UNAVAILABLE, SHUTTING_DOWN = "live", "core_unavailable", "shutting_down"

log = logging.getLogger("gateway")


class Streams:
    """start() it in a running loop, close() it."""

    def __init__(self, core, database, history):
        self.core = core
        self.clients = {}  # Client -> None
        self.subscriptions = Subscriptions()
        self.archive = Archive(database, core.catalogue)
        self.trades = TradeStream(core.catalogue, self.subscriptions, self.archive)
        self.private = PrivateStream(core, history)
        self.slow_consumers = 0  # closed for it, since the start
        self._books = {}  # instrument -> BookStream
        self._task = None
        self._has_begun = False
        self._is_live = False  # the core, as last told
        self._is_stopping = False
        core.listeners.append(self._take)
        core.client_listeners.append(self._client_made)
        core.gap_listeners.append(self._lost)

    def start(self):
        self._task = asyncio.get_running_loop().create_task(self._tick())

    async def close(self):
        """Tell everybody, and close every socket with 1001."""
        self._is_stopping = True
        self._announce(SHUTTING_DOWN)
        for book in self._books.values():
            book.stop()
        closing = [client.close(codes.GOING_AWAY, SHUTTING_DOWN) for client in self.clients]
        if closing:
            await asyncio.wait(closing, timeout=SHUTDOWN_SECONDS)
        if self._task is not None:
            self._task.cancel()

    # --- clients ---

    def admit(self):
        """Raises ApiError 503 where there is no room for one more."""
        if self._is_stopping:
            raise ApiError(503, "shutting_down", "this gateway is about to end", headers={"Retry-After": "1"})
        if len(self.clients) >= CLIENTS_MAX:
            raise ApiError(503, "too_many_connections", "no more WebSockets here", headers={"Retry-After": "5"})

    def add(self, client):
        """Where the core is gone, that is the first it is told: what follows may be old."""
        self._tell_status(self.core.is_live)  # those who are here already, where nobody has looked since
        self.clients[client] = None
        websocket_connections.set(len(self.clients))
        if not self._is_live:
            client.send(self._status(CORE_UNAVAILABLE))

    def remove(self, client):
        for topic in list(client.topics):
            self.unsubscribe(client, topic)
        self.clients.pop(client, None)
        websocket_connections.set(len(self.clients))

    async def subscribe(self, client, topic, request_id=None, after=None):
        """`after`: the last sequence the client has seen, to be sent what came since. Raises ApiError; nothing is
        subscribed to then."""
        if topic in client.topics:
            raise ApiError(409, "already_subscribed", "there is one already on this connection")
        if len(client.topics) >= TOPICS_MAX:
            raise ApiError(422, "too_many_subscriptions", "at most %d on a connection" % TOPICS_MAX)
        if topic.channel == ORDERS:
            await self._subscribe_orders(client, topic, request_id, after)
        elif topic.channel == TRADES:
            is_known = after is not None and await self._has_reached(after)
            self.trades.flush()
            missed = self.trades.trades.after(after, topic.instrument) if is_known else None
            self._enter(client, topic)
            frames = [self.trades.frame(*trade) for trade in missed or ()]
            self._answer(client, topic, request_id, after, frames, missed is not None)
        else:
            stream = self._book(topic.instrument) if topic.channel in (DEPTH, ORDERBOOK) else self.trades
            self._enter(client, topic)
            self._answer(client, topic, request_id, after, [], True)
            stream.begin(client, topic)

    def unsubscribe(self, client, topic):
        """Raises ApiError 404 where it is not subscribed to."""
        if topic not in client.topics:
            raise ApiError(404, "not_subscribed", "there is no such subscription on this connection")
        self.trades.flush()
        del client.topics[topic]
        self.subscriptions.remove(topic, client)
        if topic.channel == ORDERS:
            self.private.remove(client)
        elif topic.channel in (DEPTH, ORDERBOOK):
            self._books[topic.instrument].end(client, topic)
            if not any(self.subscriptions.of(Topic(channel, topic.instrument)) for channel in (DEPTH, ORDERBOOK)):
                self._books.pop(topic.instrument).stop()
        elif topic.channel != TRADES:
            self.trades.end(client, topic)

    async def _subscribe_orders(self, client, topic, request_id, after):
        """What the core tells between here and _enter() is in the snapshot, or among what was missed."""
        if client.identity is None:
            raise ApiError(401, "authentication_required", "the channel orders needs a token first")
        client.proof()  # it may have expired since it was shown
        client.account = await self.core.account_of(client.identity.user)
        if after is not None:
            with contextlib.suppress(ApiError):  # what is open is followed from here on
                await self.private.snapshot(client.account)
        missed = None if after is None else await self._missed(client.account, after)
        snapshot = await self.private.snapshot(client.account) if missed is None else None
        if topic in client.topics:
            raise ApiError(409, "already_subscribed", "there is one already on this connection")
        self._enter(client, topic)
        self.private.add(client)
        frames = [self.private.frame(update) for update in missed or ()]
        self._answer(client, topic, request_id, after, frames, missed is not None)
        if snapshot is not None:
            client.send(snapshot.frame())

    async def _missed(self, account, after):
        """-> updates up to the newest event that was told, or None where they cannot all be had. Nothing may be awaited
        between it and _enter()."""
        ring = self.private.ring
        if not await self._has_reached(after):
            return None
        older = []
        while (newer := ring.after(account, after)) is None:
            up_to = ring.floor_seq  # which goes up meanwhile
            try:
                found = await self.archive.updates(account, after, up_to)
            except ApiError:
                return None
            if found is None:
                return None
            older += found
            after = up_to
        return older + newer

    async def _has_reached(self, event_seq):
        """Whether the venue has come so far: it has not where the number is another venue's, or was lost with a
        journal. An event that another gateway has told may still be on its way to this one."""
        core = self.core
        if event_seq > core.last_event_seq:
            await core.ask(lambda client: client.find_account(account=FEES_ACCOUNT))  # it answers after it has told
            await core.caught_up()
        return event_seq <= core.last_event_seq

    def _enter(self, client, topic):
        client.topics[topic] = None
        self.subscriptions.add(topic, client)

    def _answer(self, client, topic, request_id, after, frames, is_whole):
        """Subscribed; or what was missed and Resumed; or that it cannot be had."""
        answer = Subscribed if after is None else Resumed if is_whole else ResumeUnavailable
        for frame in frames:
            client.send(frame)
        client.send(self.of_topic(answer, topic, request_id).frame())

    def of_topic(self, cls, topic, request_id=None):
        """-> one of the answers that name a topic."""
        market = self.core.catalogue.markets.get(topic.instrument)
        return cls(
            id=request_id,
            channel=topic.channel,
            symbol=market.symbol if market is not None else None,
            timeframe=topic.timeframe or None,
            **self.stamp(),
        )

    def stamp(self):
        """-> sequence and timestamp of what tells nothing that happened in the venue."""
        return {"sequence": max(self.core.last_event_seq, 0), "timestamp": text_of_ns(time.time_ns())}

    def slow(self):
        """A client was closed for being too slow."""
        self.slow_consumers += 1
        websocket_slow_consumers.inc()

    def _book(self, instrument):
        found = self._books.get(instrument)
        if found is None:
            if len(self._books) >= BOOKS_MAX:
                text = "the books of no more than %d markets are followed at a time" % BOOKS_MAX
                raise ApiError(503, "too_many_books", text)
            market = self.core.catalogue.markets[instrument]
            found = self._books[instrument] = BookStream(self.core, market, self.subscriptions, self.trades.flush)
            found.start()
        return found

    # --- the core ---

    def _take(self, events):
        if not self._has_begun and events:
            self._begin(events[0].event_seq - 1)
        for event in events:
            cls = type(event)
            if cls in ORDER_EVENTS:
                self.private.take(event)
                if cls is OrderFilled:
                    self.trades.take(event)
            elif cls is InstrumentStateChanged:
                self._state_changed(event)

    def _client_made(self, client):
        if not self._has_begun:
            self._begin(self.core.last_event_seq)
        self._tell_status(True)

    def _begin(self, event_seq):
        self._has_begun = True
        self.private.begin(event_seq)
        self.trades.begin_after(event_seq)

    def _lost(self):
        """Events were lost to this gateway: whoever is told every one of them has to begin anew."""
        self._has_begun = False
        self._tell_status(False)
        for topic, clients in self.subscriptions.topics().items():
            if topic.channel in (ORDERS, TRADES):
                for client in clients:
                    client.close(codes.TRY_AGAIN_LATER, "resume_unavailable")

    def _state_changed(self, event):
        """Whoever follows anything of the market is told, and whoever may have orders in it."""
        self.trades.flush()
        market = self.core.catalogue.markets.get(event.instrument)
        if market is None:
            return
        frame = MarketState(
            sequence=event.event_seq,
            timestamp=text_of_ns(event.time_ns),
            symbol=market.symbol,
            state=INSTRUMENT_STATES[event.state],
            reason=event.reason or None,
        ).frame()
        told = {}
        for topic, clients in self.subscriptions.topics().items():
            if topic.instrument in (event.instrument, 0):
                told.update(clients)
        for client in told:
            client.send(frame)

    async def _tick(self):
        """Everything that goes by the clock."""
        loop = asyncio.get_running_loop()
        second_at = loop.time() + 1.0
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._tell_status(self.core.is_live)
            if loop.time() >= second_at:
                second_at += 1.0
                self.trades.second()
                self._look_at_proofs()

    def _tell_status(self, is_live):
        """Whether the core is there, where that has changed."""
        if is_live != self._is_live:
            self._is_live = is_live
            self._announce(LIVE if is_live else CORE_UNAVAILABLE)

    def _announce(self, status):
        frame = self._status(status)
        for client in self.clients:
            client.send(frame)

    def _status(self, status):
        return VenueStatus(status=status, **self.stamp()).frame()

    def _look_at_proofs(self):
        """A subscription to orders does not outlive its token or key."""
        for client in self.private.clients():
            try:
                client.proof()
            except ApiError as error:
                client.close(codes.UNAUTHORIZED, error.code)


STREAMS = web.AppKey("streams", Streams)


async def run_streams(app):
    """For cleanup_ctx: from the start to the end of the application."""
    app[STREAMS].start()
    yield


def make_streams(app):
    """After core, admission and history."""
    app[STREAMS] = Streams(app[CORE], app[DATABASE], app[HISTORY])
    app.cleanup_ctx.append(run_streams)
    app.on_shutdown.append(close_streams)


async def close_streams(app):
    await app[STREAMS].close()
