"""Order books as JSON, kept until an event of their market makes them old: however many ask, the core is asked once
for each change."""

import asyncio

import msgspec
from aiohttp import web

from gateway.core import CORE

MARKETS_MAX = 1_000  # with kept books; beyond, all are dropped

_encoder = msgspec.json.Encoder()


class Books:
    """get(market, depth), from the core's queries and its events."""

    def __init__(self, core):
        self._core = core
        self._kept = {}  # instrument -> {depth: JSON, or a task that asks for it}
        core.listeners.append(self._take)
        core.client_listeners.append(lambda client: self._kept.clear())

    async def get(self, market, depth):
        """-> msgspec.Raw of an OrderBook. Raises ApiError 503."""
        self._core.client  # noqa: B018 - nothing is known of what the book is while the core is gone
        kept = self._kept.get(market.instrument)
        if kept is None:
            if len(self._kept) >= MARKETS_MAX:
                self._kept.clear()
            kept = self._kept[market.instrument] = {}
        found = kept.get(depth)
        if found is None:
            found = kept[depth] = asyncio.get_running_loop().create_task(self._ask(market, depth, kept))
        if type(found) is asyncio.Task:
            found = await asyncio.shield(found)
        return found

    async def _ask(self, market, depth, kept):
        try:
            book = await self._core.ask(lambda client: client.depth(market.instrument, levels=depth))
        except BaseException:
            kept.pop(depth, None)
            raise
        content = {
            "symbol": market.symbol,
            "sequence": book.event_seq,
            "bids": [_level(level, market) for level in book.bids],
            "asks": [_level(level, market) for level in book.asks],
        }
        answer = kept[depth] = msgspec.Raw(_encoder.encode(content))
        return answer

    def _take(self, events):
        for event in events:
            instrument = getattr(event, "instrument", 0)
            if instrument in self._kept:
                del self._kept[instrument]


def _level(level, market):
    return {"price": market.price(level.price), "quantity": market.quantity(level.quantity), "orders": level.orders}


BOOKS = web.AppKey("books", Books)


def make_books(app):
    app[BOOKS] = Books(app[CORE])
