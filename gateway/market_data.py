"""`/historical/trades`, `/statistics/24h`, `/snapshots`: what was, from Postgres, for anybody. It is as of
what the drainer has written, a moment behind the core."""

import time
from typing import Annotated

import msgspec

from gateway.cache import cached
from gateway.core import CORE
from gateway.cursors import Cursor, cursor_of, keys_of
from gateway.errors import ApiError
from gateway.history import HISTORY, MARKET_HISTORY
from gateway.history_schema import MarketTrade, market_trade
from gateway.markets import SYMBOL, Level
from gateway.order_schema import DecimalText, Time
from gateway.routes import ANYBODY, Example, RouteTable, Strict
from gateway.times import SECOND_NS, datetime_of_ns, ns_of_datetime, ns_of_text, text_of_datetime

routes = RouteTable("market data")

TRADES_MAX = 1_000
NEW_SECONDS, OLD_SECONDS = 1, 60  # that an answer is kept: one that may change with the next trade, one that will not
CLOCKS_NS = 5 * SECOND_NS  # how far a client's clock may be ahead


def market_of_path(call):
    """-> catalogue.Market. Raises ApiError 404, or 503 where the core is gone and may know more markets."""
    core = call[CORE]
    try:
        return core.catalogue.market(call.path("symbol"))
    except ApiError:
        core.client  # noqa: B018
        raise


def time_of(text, field):
    """A query's time -> nanoseconds. Raises ApiError 400."""
    try:
        return ns_of_text(text, field)
    except ApiError as error:
        raise ApiError(400, error.code, error.message, field) from None


def range_of(query, now_ns):
    """-> (start, end) of a query in nanoseconds, None where not given. Raises ApiError 400."""
    start = time_of(query.start, "start") if query.start is not None else None
    end = time_of(query.end, "end") if query.end is not None else None
    if start is not None and start > now_ns + CLOCKS_NS:
        raise ApiError(400, "time_in_future", "nothing has happened then yet", "start")
    if start is not None and end is not None and start >= end:
        raise ApiError(400, "invalid_range", "start must be before end", "start")
    return start, end


# --- trades -------------------------------------------------------------------------------------------------------


class HistoricalTrades(msgspec.Struct):
    symbol: str
    trades: list[MarketTrade]  # newest first
    next_cursor: str | None  # for the page after this one; null: there is none


class HistoricalTradesQuery(Strict):
    start: Time | None = None
    end: Time | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=TRADES_MAX)] = 100
    cursor: Cursor | None = None


@routes.add(
    "GET",
    "/api/v1/historical/trades/{symbol}",
    summary="Trades of a market",
    query=HistoricalTradesQuery,
    response=HistoricalTrades,
    role=ANYBODY,
    has_etag=True,
    errors=(404, 503),
    parameters=SYMBOL,
    examples=(
        Example("/api/v1/historical/trades/BTC-USDT?limit=10"),
        Example("/api/v1/historical/trades/BTC-USDT?start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z"),
    ),
)
async def get_historical_trades(call):
    """From `start` on and before `end`, newest first."""
    market, query = market_of_path(call), call.query
    start, end = range_of(query, time.time_ns())
    before = keys_of(query.cursor, "trades", 2) if query.cursor is not None else None
    if before is not None and not 0 <= before[0] < 2**63:
        raise ApiError(400, "invalid_cursor", "not a cursor of this list", "cursor")
    key = ("trades", market.instrument, start, end, query.limit, query.cursor)
    return await cached(call, key, lambda: make_trades(call, market, start, end, query.limit, before))


async def make_trades(call, market, start, end, limit, before):
    """-> (HistoricalTrades, seconds that it may be kept)."""
    rows = await call[HISTORY].trades(
        market.instrument,
        start=datetime_of_ns(start) if start is not None else None,
        end=datetime_of_ns(end) if end is not None else None,
        before=(datetime_of_ns(before[0]), before[1]) if before is not None else None,
        limit=limit + 1,
    )
    more = len(rows) > limit
    rows = rows[:limit]
    next_cursor = None
    if more:
        next_cursor = cursor_of("trades", ns_of_datetime(rows[-1].time), rows[-1].trade_id)
    content = HistoricalTrades(market.symbol, [market_trade(row, market) for row in rows], next_cursor)
    return content, NEW_SECONDS if before is None else OLD_SECONDS  # nothing comes behind a trade that there is


# --- statistics, snapshots -----------------------------------------------------------------------------------------


class Statistics24h(msgspec.Struct):
    """Prices are null where nothing was traded in the 24 hours; `last` is null where nothing ever was."""

    symbol: str
    time: Time
    open: str | None
    high: str | None
    low: str | None
    last: str | None
    volume: DecimalText  # of the base asset
    quote_volume: DecimalText
    trades: int
    change: str | None  # last - open
    change_percent: str | None


@routes.add(
    "GET",
    "/api/v1/statistics/24h/{symbol}",
    summary="The last 24 hours of a market",
    response=Statistics24h,
    role=ANYBODY,
    has_etag=True,
    errors=(404, 503),
    parameters=SYMBOL,
    examples=(Example("/api/v1/statistics/24h/BTC-USDT"),),
)
async def get_statistics(call):
    market = market_of_path(call)
    return await cached(call, ("statistics", market.instrument), lambda: _make_statistics(call, market))


async def _make_statistics(call, market):
    at = datetime_of_ns(time.time_ns())
    row = await call[MARKET_HISTORY].statistics_24h(market.instrument, at)
    return Statistics24h(
        symbol=market.symbol,
        time=text_of_datetime(at),
        open=row.open,
        high=row.high,
        low=row.low,
        last=row.last,
        volume=row.volume if row.trades else market.quantity(0),
        quote_volume=row.quote_volume if row.trades else market.notional(0),
        trades=row.trades,
        change=row.change,
        change_percent=row.change_percent,
    ), NEW_SECONDS


class Snapshot(msgspec.Struct):
    """The book as it was just before `time`."""

    symbol: str
    time: Time
    sequence: int  # event_seq: the newest event it shows
    bids: list[Level]  # from the highest
    asks: list[Level]  # from the lowest


class SnapshotQuery(Strict):
    time: Time | None = None


@routes.add(
    "GET",
    "/api/v1/snapshots/{symbol}",
    summary="The order book at a time",
    query=SnapshotQuery,
    response=Snapshot,
    role=ANYBODY,
    has_etag=True,
    errors=(404, 503),
    parameters=SYMBOL,
    examples=(Example("/api/v1/snapshots/BTC-USDT"),),
)
async def get_snapshot(call):
    """The newest snapshot at `time` or before it; without `time`, the newest. Snapshots are made at a regular interval
    where the book has changed."""
    market, now = market_of_path(call), time.time_ns()
    at = time_of(call.query.time, "time") if call.query.time is not None else None
    if at is not None and at > now + CLOCKS_NS:
        raise ApiError(400, "time_in_future", "nothing has happened then yet", "time")
    return await cached(call, ("snapshot", market.instrument, at), lambda: _make_snapshot(call, market, at))


async def _make_snapshot(call, market, at):
    now = time.time_ns()
    row = await call[MARKET_HISTORY].snapshot(market.instrument, datetime_of_ns(now if at is None else at))
    if row is None:
        raise ApiError(404, "no_snapshot", "there is no snapshot of this market at that time or before", "time")
    content = Snapshot(
        symbol=market.symbol,
        time=text_of_datetime(row.time),
        sequence=row.event_seq,
        bids=[Level(price, quantity, orders) for price, quantity, orders in row.bids],
        asks=[Level(price, quantity, orders) for price, quantity, orders in row.asks],
    )
    return content, NEW_SECONDS
