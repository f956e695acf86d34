"""What Postgres keeps of orders and trades, as one class of questions. Everything is as of the position of the
drainer, which is a moment behind the core; rows are in the vocabulary of the tables, amounts as text.

Lists come newest first and in pages: `before` is the key of the last row of the page before. All raise ApiError 503
history_unavailable where the database cannot tell.
"""

from datetime import datetime

import attrs
from aiohttp import web

from gateway.database import DATABASE, Database
from gateway.history_admin import AdminHistory
from gateway.history_market import MarketHistory


@attrs.frozen
class Position:
    """How far the tables are."""

    event_seq: int
    time: datetime


@attrs.frozen
class StoredOrder:
    order_id: int  # below 0: it was rejected
    account: int
    instrument: int
    created_event_seq: int  # what pages go by
    event_seq: int  # of its last change
    created_at: datetime
    updated_at: datetime
    expire_time: datetime | None
    client_order_id: str | None
    side: str
    type: str
    time_in_force: str
    post_only: bool
    self_trade_prevention: str
    status: str
    reason: str | None
    price: str | None
    stop_price: str | None
    quantity: str
    filled_quantity: str
    open_quantity: str
    filled_notional: str


@attrs.frozen
class StoredFill:
    """One side of a trade."""

    event_seq: int  # what pages go by
    time: datetime
    trade_id: int
    order_id: int
    instrument: int
    side: str
    liquidity: str
    price: str
    quantity: str
    fee: str


@attrs.frozen
class StoredTrade:
    trade_id: int
    time: datetime
    event_seq: int
    instrument: int
    maker_order_id: int
    taker_order_id: int
    maker_account: int
    taker_account: int
    taker_side: str
    settlement_status: str
    price: str
    quantity: str
    maker_fee: str
    taker_fee: str


def _columns(cls, table):
    return ", ".join("%s.%s" % (table, field.name) for field in attrs.fields(cls))


_ORDER, _FILL, _TRADE = _columns(StoredOrder, "o"), _columns(StoredFill, "e"), _columns(StoredTrade, "t")


class History:
    def __init__(self, database):
        self._database = database

    async def position(self):
        """-> Position, or None before anything was drained."""
        row = await self._database.row("SELECT event_seq, time FROM position")
        return Position(*row) if row else None

    # --- orders ---

    async def orders(
        self, account, *, instrument=0, side="", statuses=(), client_order_id="", before=0, without=(), limit=100
    ):
        """-> (event_seq of the position, [StoredOrder, ...]), both as of one moment. `before`: created_event_seq;
        `without`: order ids to leave out."""
        where, parameters = ["o.account = %s"], [account]
        for condition, value in (
            ("o.instrument = %s", instrument),
            ("o.side = %s", side),
            ("o.status = ANY(%s)", list(statuses)),
            ("o.client_order_id = %s", client_order_id),
            ("o.created_event_seq < %s", before),
            ("o.order_id NOT IN (SELECT unnest(%s::bigint[]))", list(without)),  # hashed, before Postgres 15 too
        ):
            if value:
                where.append(condition)
                parameters.append(value)
        sql = (
            "SELECT p.event_seq, %s FROM position p LEFT JOIN LATERAL (SELECT * FROM orders o WHERE %s "
            "ORDER BY o.created_event_seq DESC LIMIT %%s) o ON true ORDER BY o.created_event_seq DESC"
        ) % (_ORDER, " AND ".join(where))
        rows = await self._database.rows(sql, (*parameters, limit))
        if not rows:
            return 0, []
        return rows[0][0], [StoredOrder(*row[1:]) for row in rows if row[1] is not None]

    async def order(self, account, order_id):
        """-> the account's StoredOrder, or None."""
        return await self._order("o.account = %s AND o.order_id = %s", account, order_id)

    async def orders_of(self, account, order_ids):
        """-> [StoredOrder, ...] of the account's among these, in no order."""
        sql = "SELECT %s FROM orders o WHERE o.account = %%s AND o.order_id = ANY(%%s)" % _ORDER
        return [StoredOrder(*row) for row in await self._database.rows(sql, (account, order_ids))]

    async def order_by_client_order_id(self, account, client_order_id):
        """-> the newest StoredOrder of the account with this id, or None."""
        return await self._order("o.account = %s AND o.client_order_id = %s", account, client_order_id)

    async def _order(self, where, *parameters):
        sql = "SELECT %s FROM orders o WHERE %s ORDER BY o.created_event_seq DESC LIMIT 1" % (_ORDER, where)
        row = await self._database.row(sql, parameters)
        return StoredOrder(*row) if row else None

    # --- fills and trades ---

    async def fills(self, account, *, instrument=0, order_id=0, before=0, limit=100):
        """-> [StoredFill, ...] of the account. `before`: event_seq."""
        where, parameters = ["e.account = %s", "e.type = 'filled'"], [account]
        for condition, value in (
            ("e.instrument = %s", instrument),
            ("e.order_id = %s", order_id),
            ("e.event_seq < %s", before),
        ):
            if value:
                where.append(condition)
                parameters.append(value)
        sql = "SELECT %s FROM order_events e WHERE %s ORDER BY e.event_seq DESC LIMIT %%s" % (
            _FILL,
            " AND ".join(where),
        )
        return [StoredFill(*row) for row in await self._database.rows(sql, (*parameters, limit))]

    async def trade(self, account, trade_id):
        """-> [StoredFill, ...]: the account's side of a trade, or both; [] where it had no part in it."""
        sql = "SELECT %s FROM trades t WHERE t.trade_id = %%s AND %%s IN (t.maker_account, t.taker_account)" % _TRADE
        row = await self._database.row(sql, (trade_id, account))
        return fills_of(StoredTrade(*row), account) if row else []

    async def trades(self, instrument, *, start=None, end=None, before=None, limit=100):
        """-> [StoredTrade, ...] of a market with start <= time < end. `before`: (time, trade_id)."""
        where, parameters = ["t.instrument = %s"], [instrument]
        for condition, values in (
            ("t.time >= %s", (start,)),
            ("t.time < %s", (end,)),
            ("(t.time, t.trade_id) < (%s, %s)", before or (None,)),
        ):
            if values[0] is not None:
                where.append(condition)
                parameters += values
        sql = "SELECT %s FROM trades t WHERE %s ORDER BY t.time DESC, t.trade_id DESC LIMIT %%s" % (
            _TRADE,
            " AND ".join(where),
        )
        return [StoredTrade(*row) for row in await self._database.rows(sql, (*parameters, limit))]


def fills_of(trade, account):
    """StoredTrade -> the sides of it that are the account's, as StoredFill."""
    taker, maker = trade.taker_side, "sell" if trade.taker_side == "buy" else "buy"
    sides = (
        (trade.maker_account, trade.event_seq - 1, trade.maker_order_id, maker, "maker", trade.maker_fee),
        (trade.taker_account, trade.event_seq, trade.taker_order_id, taker, "taker", trade.taker_fee),
    )
    return [
        StoredFill(
            event_seq=event_seq,
            time=trade.time,
            trade_id=trade.trade_id,
            order_id=order_id,
            instrument=trade.instrument,
            side=side,
            liquidity=liquidity,
            price=trade.price,
            quantity=trade.quantity,
            fee=fee,
        )
        for owner, event_seq, order_id, side, liquidity, fee in sides
        if owner == account
    ]


HISTORY = web.AppKey("history", History)
MARKET_HISTORY = web.AppKey("market_history", MarketHistory)
ADMIN_HISTORY = web.AppKey("admin_history", AdminHistory)


def make_history(app, url):
    """Raises ConfigError."""
    app[DATABASE] = Database(url)
    app[HISTORY] = History(app[DATABASE])
    app[MARKET_HISTORY] = MarketHistory(app[DATABASE])
    app[ADMIN_HISTORY] = AdminHistory(app[DATABASE])
    app.cleanup_ctx.append(_closing)


async def _closing(app):
    yield
    app[DATABASE].close()
