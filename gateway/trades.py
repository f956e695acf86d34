"""`/fills` and `/trades`: what was traded, from Postgres and, where Postgres is a moment behind, from what the gateway
has seen since."""

import msgspec

from gateway.core import CORE
from gateway.cursors import cursor_of, keys_of
from gateway.errors import ApiError
from gateway.history import HISTORY
from gateway.history_schema import market_trade, stored_fill
from gateway.order_lists import Cursor, Limit
from gateway.order_schema import DecimalText, Id, SideName, Symbol, Time, Trade, trade_of
from gateway.routes import Example, RouteTable, Strict
from gateway.stored import stored_up_to
from gateway.times import datetime_of_ns, ns_of_datetime

routes = RouteTable("trades")

TRADE_ID = {"trade_id": ("[0-9]{1,18}", "1")}


class FillFilter(Strict):
    symbol: Symbol | None = None
    order_id: Id | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


class FillPage(msgspec.Struct):
    fills: list[Trade]  # the newest first
    next_cursor: str | None


class TradeFilter(Strict):
    symbol: Symbol | None = None
    mine: bool = False
    limit: Limit = 100
    cursor: Cursor | None = None


class TradeRow(msgspec.Struct):
    """What is null is not for everybody to know."""

    trade_id: Id
    symbol: str
    price: DecimalText
    quantity: DecimalText
    taker_side: SideName
    timestamp: Time
    order_id: Id | None = None
    side: SideName | None = None
    liquidity: str | None = None
    fee: str | None = None
    fee_asset: str | None = None


class TradePage(msgspec.Struct):
    trades: list[TradeRow]  # the newest first
    next_cursor: str | None


class TradeSides(msgspec.Struct):
    trades: list[Trade]  # your side of it; both, where you traded with yourself


@routes.add(
    "GET",
    "/api/v1/fills",
    summary="Your fills, the newest first",
    query=FillFilter,
    response=FillPage,
    errors=(404, 503),
    examples=(Example("/api/v1/fills?symbol=BTC-USDT&limit=10"),),
)
async def get_fills(call):
    query = call.query
    order_id = int(query.order_id) if query.order_id is not None else 0
    fills, after = await _fills(call, query, order_id)
    return FillPage(fills, cursor_of("fills", after) if after else None)


@routes.add(
    "GET",
    "/api/v1/trades",
    summary="A market's trades with symbol, else your own; the newest first",
    query=TradeFilter,
    response=TradePage,
    errors=(404, 503),
    examples=(Example("/api/v1/trades"), Example("/api/v1/trades?symbol=BTC-USDT&limit=10")),
)
async def get_trades(call):
    """With `mine`, your own of that market. A market's trades are as of what Postgres has, a moment behind."""
    query = call.query
    if query.symbol is not None and not query.mine:
        return await _market_trades(call, query)
    fills, after = await _fills(call, query, 0)
    return TradePage([_row_of(fill) for fill in fills], cursor_of("fills", after) if after else None)


@routes.add(
    "GET",
    "/api/v1/trades/{trade_id}",
    summary="One of your trades",
    response=TradeSides,
    errors=(404, 503),
    parameters=TRADE_ID,
    examples=(Example("/api/v1/trades/{trade_id}"),),
)
async def get_trade(call):
    core = call[CORE]
    trade_id = call.path_number("trade_id", _unknown_trade)
    account = await core.account_of(call.identity.user)
    await core.caught_up()
    markets = core.catalogue.markets
    seen = [fill for fill in core.recent.fills(account) if fill.trade_id == trade_id]
    if seen:
        return TradeSides([trade_of(fill, markets[fill.instrument]) for fill in seen])
    stored = await call[HISTORY].trade(account, trade_id)
    if not stored:
        raise _unknown_trade()
    return TradeSides([stored_fill(row, markets[row.instrument]) for row in stored])


def _unknown_trade():
    return ApiError(404, "unknown_trade", "there is no such trade of yours", "trade_id")


async def _fills(call, query, order_id):
    """-> ([Trade, ...] of the user, the event_seq that the next page is before, or 0). Raises ApiError."""
    core, history = call[CORE], call[HISTORY]
    before = keys_of(query.cursor, "fills", 1)[0] if query.cursor is not None else 0
    instrument = core.market(query.symbol).instrument if query.symbol is not None else 0
    account = await core.account_of(call.identity.user)
    await core.caught_up()
    await stored_up_to(core, history, core.recent.floor_seq)
    limit = query.limit
    rows = await history.fills(account, instrument=instrument, order_id=order_id, before=before, limit=limit + 1)
    markets = core.catalogue.markets
    found = {row.event_seq: stored_fill(row, markets[row.instrument]) for row in rows}
    for fill in core.recent.fills(account):
        if (
            fill.event_seq not in found
            and (not before or fill.event_seq < before)
            and instrument in (0, fill.instrument)
            and order_id in (0, fill.order_id)
        ):
            found[fill.event_seq] = trade_of(fill, markets[fill.instrument])
    page = sorted(found, reverse=True)[:limit]
    return [found[event_seq] for event_seq in page], page[-1] if len(found) > limit else 0


async def _market_trades(call, query):
    market = call[CORE].market(query.symbol)
    before = None
    if query.cursor is not None:
        time_ns, trade_id = keys_of(query.cursor, "trades", 2)
        if not 0 <= time_ns < 2**62:
            raise ApiError(400, "invalid_cursor", "not a cursor of this list", "cursor")
        before = (datetime_of_ns(time_ns), trade_id)
    rows = await call[HISTORY].trades(market.instrument, before=before, limit=query.limit + 1)
    page = [market_trade(row, market) for row in rows[: query.limit]]
    after = None
    if len(rows) > query.limit:
        last = rows[query.limit - 1]
        after = cursor_of("trades", ns_of_datetime(last.time), last.trade_id)
    return TradePage(
        [TradeRow(**{name: getattr(trade, name) for name in trade.__struct_fields__}) for trade in page], after
    )


def _row_of(fill):
    """Trade -> TradeRow."""
    other: SideName = "sell" if fill.side == "buy" else "buy"
    return TradeRow(
        trade_id=fill.trade_id,
        symbol=fill.symbol,
        price=fill.price,
        quantity=fill.quantity,
        taker_side=fill.side if fill.liquidity == "taker" else other,
        timestamp=fill.timestamp,
        order_id=fill.order_id,
        side=fill.side,
        liquidity=fill.liquidity,
        fee=fill.fee,
        fee_asset=fill.fee_asset,
    )
