"""A market's `depth` and `orderbook` streams, from one subscription to the core's public feed for all clients."""

import asyncio
import logging
import time

from gateway.errors import ApiError
from gateway.streams import render
from gateway.streams.book import LevelBook
from gateway.streams.topics import DEPTH, ORDERBOOK, Topic
from protocol.calls import ConnectionClosed, RequestRefused
from protocol.messages import DepthChanged, FeedSnapshot
from protocol.stream import StreamOverflow

RETRY_SECONDS = 0.2  # after the feed has ended: the core's client is made anew, or has too many subscriptions

log = logging.getLogger("gateway")


class BookStream:
    """Follows the book from start() to stop(). Until the core's first snapshot, and while the core is gone, clients
    are told nothing; a snapshot is what they are told then."""

    def __init__(self, core, market, subscriptions, before):
        """`before` is called without arguments before something is told to all."""
        self._core = core
        self._market = market
        self._subscriptions = subscriptions
        self._before = before
        self._depth = Topic(DEPTH, market.instrument)
        self._orderbook = Topic(ORDERBOOK, market.instrument)
        self._book = None
        self._best = None  # as last told
        self._task = None
        self._depth_frame = None  # of the book as it is, once somebody needed it

    def start(self):
        self._task = asyncio.get_running_loop().create_task(self._follow())

    def stop(self):
        self._task.cancel()

    def begin(self, client, topic):
        """Tell a new subscriber how it is now. What follows is told to all."""
        if self._book is not None:
            source = self.depth_now if topic.channel == DEPTH else self.best_now
            client.send_latest(source, source())

    def end(self, client, topic):
        """A subscriber has gone."""
        client.forget(self.depth_now if topic.channel == DEPTH else self.best_now)

    def depth_now(self):
        """-> a frame of the whole book."""
        if self._depth_frame is None:
            self._depth_frame = render.depth(self._book, self._market, time.time_ns()).frame()
        return self._depth_frame

    def best_now(self):
        return render.orderbook_update(self._book.best(), self._book.sequence, self._market, time.time_ns()).frame()

    async def _follow(self):
        while True:
            try:
                with self._core.client.subscribe(self._market.instrument) as stream:
                    while batch := await stream.batch():
                        self._take(batch)
            except (ApiError, ConnectionClosed, StreamOverflow, ValueError):
                pass  # the core is gone, and comes back
            except RequestRefused as error:
                log.error("the book of %s cannot be followed: %s", self._market.symbol, error)
            await asyncio.sleep(RETRY_SECONDS)

    def _take(self, batch):
        """All that has come becomes one update, however often a level changed."""
        is_new = False
        changed = {}
        previous = self._book.sequence if self._book is not None else 0
        for message in batch:
            if type(message) is FeedSnapshot:
                self._book = LevelBook(self._market)
                self._book.replace(message.feed_seq, message.levels)
                is_new = True
                changed.clear()
            elif type(message) is DepthChanged:
                changed.update(self._book.change(message.feed_seq, message.levels))
        if not is_new and not changed:
            return
        self._depth_frame = None
        self._before()
        if is_new:
            self._subscriptions.send_latest(self._depth, self.depth_now, self.depth_now())
        elif self._subscriptions.of(self._depth):
            message = render.depth_update(changed, previous, self._book.sequence, self._market, time.time_ns())
            self._subscriptions.send_latest(self._depth, self.depth_now, message.frame())
        best = self._book.best()
        if is_new or best != self._best:
            self._best = best
            if self._subscriptions.of(self._orderbook):
                self._subscriptions.send_latest(self._orderbook, self.best_now, self.best_now())
