"""`/candles`: what was traded by minutes, hours and days, from Postgres, for anybody."""

import time
from datetime import timedelta
from typing import Literal

import msgspec

from gateway.cache import cached
from gateway.core import CORE
from gateway.errors import ApiError
from gateway.history import MARKET_HISTORY
from gateway.market_data import NEW_SECONDS, OLD_SECONDS, market_of_path, range_of
from gateway.markets import SYMBOL
from gateway.order_schema import DecimalText, Time
from gateway.routes import ANYBODY, Example, RouteTable, Strict
from gateway.times import SECOND_NS, datetime_of_ns, text_of_datetime

routes = RouteTable("market data")

CANDLES_MAX = 1_000  # in an answer
CANDLES_DEFAULT = 500
SETTLED_NS = 60 * SECOND_NS  # what is older than that, and drained, changes no more

TimeframeName = Literal["1m", "5m", "15m", "1h", "4h", "1d"]
SECONDS_OF = {"1m": 60, "5m": 300, "15m": 900, "1h": 3_600, "4h": 14_400, "1d": 86_400}


class Candle(msgspec.Struct):
    start: Time  # takes trades from then until before the next
    open: DecimalText
    high: DecimalText
    low: DecimalText
    close: DecimalText
    volume: DecimalText  # of the base asset
    quote_volume: DecimalText
    trades: int
    complete: bool  # false: more trades may come into it


class Candles(msgspec.Struct):
    symbol: str
    timeframe: TimeframeName
    candles: list[Candle]  # oldest first, without a gap


class CandlesQuery(Strict):
    tf: TimeframeName = "1m"
    start: Time | None = None
    end: Time | None = None


@routes.add(
    "GET",
    "/api/v1/candles/{symbol}",
    summary="Candles",
    query=CandlesQuery,
    response=Candles,
    role=ANYBODY,
    has_etag=True,
    errors=(404, 503),
    parameters=SYMBOL,
    examples=(
        Example("/api/v1/candles/BTC-USDT?tf=1m"),
        Example("/api/v1/candles/BTC-USDT?tf=1h&start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z"),
    ),
)
async def get_candles(call):
    """Those that start at `start` or later and before `end`; at most 1,000. Without `end`, until now; without `start`,
    the last 500 before it. Where nothing was traded a candle is flat at the close before; before the first trade there
    is none. The present one is there too, `complete` false."""
    market, query = market_of_path(call), call.query
    start, end = range_of(query, time.time_ns())
    key = ("candles", market.instrument, query.tf, start, end)
    return await cached(call, key, lambda: _make_candles(call, market, query.tf, start, end))


async def _make_candles(call, market, timeframe, start, end):
    now = time.time_ns()
    step = SECONDS_OF[timeframe] * SECOND_NS
    end = min(now, end) if end is not None else now
    if start is None:
        start = max(0, (end - 1) // step - CANDLES_DEFAULT + 1) * step
    if (end - 1) // step - (start - 1) // step > CANDLES_MAX:
        text = "more than %d candles: ask for less time or a longer timeframe" % CANDLES_MAX
        raise ApiError(400, "range_too_large", text, "start", {"candles_max": CANDLES_MAX})
    core_seq = call[CORE].last_event_seq
    event_seq, as_of, last_close, rows = await call[MARKET_HISTORY].candles(
        market.instrument, timeframe, datetime_of_ns(start), datetime_of_ns(end)
    )
    if as_of is None:
        return Candles(market.symbol, timeframe, []), NEW_SECONDS
    known_until = datetime_of_ns(now) if event_seq >= core_seq else as_of  # nothing has happened since the position
    length = timedelta(seconds=SECONDS_OF[timeframe])
    candles = [_candle(market, row, row.start + length <= known_until) for row in rows]
    if last_close is not None:
        following = rows[-1].start + length if rows else datetime_of_ns(-(-start // step) * step)
        while following < min(datetime_of_ns(end), known_until):
            candles.append(_flat_candle(market, following, last_close, following + length <= known_until))
            following += length
    is_settled = datetime_of_ns(end + step + SETTLED_NS) < as_of
    return Candles(market.symbol, timeframe, candles), OLD_SECONDS if is_settled else NEW_SECONDS


def _candle(market, row, is_complete):
    if not row.trades:
        return _flat_candle(market, row.start, row.close, is_complete)
    return Candle(
        start=text_of_datetime(row.start),
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=row.volume,
        quote_volume=row.quote_volume,
        trades=row.trades,
        complete=is_complete,
    )


def _flat_candle(market, start, price, is_complete):
    return Candle(
        start=text_of_datetime(start),
        open=price,
        high=price,
        low=price,
        close=price,
        volume=market.quantity(0),
        quote_volume=market.notional(0),
        trades=0,
        complete=is_complete,
    )
