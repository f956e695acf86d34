"""To whom each message of a client's connection goes: the call that awaits it, the feed it belongs to, or events()."""

import asyncio

import attrs

from protocol.calls import ConnectionClosed, RequestRefused
from protocol.messages import Code, DepthChanged, Event, FeedSnapshot, Refused, SessionClosed, StateChanged, Traded
from protocol.stream import Stream

_FEED = frozenset((FeedSnapshot, DepthChanged, Traded, StateChanged))


@attrs.define
class _Feed:
    stream: Stream
    request_id: int  # of the Subscribe
    has_begun: bool = False  # until its snapshot, what comes belongs to an earlier subscription


class Dispatcher:
    """The pending calls and open streams of one client. The streams bound themselves; the calls are bounded by the
    connection's unanswered_max."""

    def __init__(self, key):
        self._key = key
        self._calls = {}  # request id -> (future, what gathers its events, or None for a query)
        self._event_streams = []
        self._feeds = {}  # instrument -> _Feed

    async def result(self, request_id, gather):
        """Wait for what becomes of a request: the result of `gather` (calls.py), or its answer where that is None."""
        future = asyncio.get_running_loop().create_future()
        self._calls[request_id] = (future, gather)
        try:
            return await future
        finally:
            del self._calls[request_id]

    def add_events(self, stream):
        self._event_streams.append(stream)

    def remove_events(self, stream):
        self._event_streams.remove(stream)

    def has_feed(self, instrument):
        return instrument in self._feeds

    def add_feed(self, instrument, stream, request_id):
        self._feeds[instrument] = _Feed(stream, request_id)

    def remove_feed(self, instrument):
        del self._feeds[instrument]

    def deliver(self, messages):
        """What one read of the socket brought, in its order."""
        calls = self._calls
        for message in messages:
            cls = type(message)
            if isinstance(message, Event):
                if message.key == self._key and message.request_id in calls:
                    self._settle(message)
            elif cls in _FEED:
                self._deliver_feed(cls, message)
                continue
            elif cls is SessionClosed:
                continue
            elif message.request_id in calls:
                self._settle(message)
                continue
            elif cls is Refused and self._refuse_feed(message):
                continue
            for stream in tuple(self._event_streams):
                stream.put(message)

    def end(self, end):
        """Nothing will come any more, for this ConnectionClosed; to log out is an orderly end of streams."""
        for future, _ in self._calls.values():
            if not future.done():
                future.set_exception(ConnectionClosed(end.code, end.text))
        for stream in self._event_streams + [feed.stream for feed in self._feeds.values()]:
            stream.finish(None if end.code == Code.LOGOUT else ConnectionClosed(end.code, end.text))
        self._event_streams.clear()
        self._feeds.clear()

    def _settle(self, message):
        future, gather = self._calls[message.request_id]
        if future.done():  # or cancelled
            return
        if type(message) is Refused:
            future.set_exception(RequestRefused(message.code, message.text))
        elif gather is None:
            future.set_result(message)
        else:
            try:
                result = gather.take(message)
            except Exception as error:
                future.set_exception(error)
            else:
                if result is not None:
                    future.set_result(result)

    def _deliver_feed(self, cls, message):
        feed = self._feeds.get(message.instrument)
        if feed is None:
            return
        if cls is FeedSnapshot and message.request_id == feed.request_id:
            feed.has_begun = True
        if feed.has_begun:
            feed.stream.put(message)

    def _refuse_feed(self, message):
        for instrument, feed in self._feeds.items():
            if feed.request_id == message.request_id:
                del self._feeds[instrument]
                feed.stream.finish(RequestRefused(message.code, message.text))
                return True
        return False
