"""What streams need of before this gateway knew anything, from Postgres: updates of orders for clients that come back
late, minutes for tickers and candles. Raises ApiError 503 where the database cannot tell; streams do without."""

from gateway.amounts import units_of
from gateway.recent import CANCELLED, EXPIRED, FILLED, OPEN, PARTIALLY_FILLED, PENDING, REJECTED
from gateway.streams.candles import Bar
from gateway.streams.order_states import Update
from gateway.times import SECOND_NS
from protocol.messages import CANCEL_REASONS, SIDES, CancelReason, Liquidity, OrderFilled, names_of

UPDATES_MAX = 5_000  # of one resume; who has missed more begins with a snapshot

_SIDES = {word: number for number, word in SIDES.items()}
_LIQUIDITIES = {word: number for number, word in names_of(Liquidity).items()}

#: Of an account's events between two: how each left its order. Fills and other events are in an index each.
UPDATES = """
    WITH e AS MATERIALIZED (
        (SELECT * FROM order_events WHERE account = %(account)s AND type = 'filled'
            AND event_seq > %(after)s AND event_seq <= %(up_to)s ORDER BY event_seq LIMIT %(limit)s)
        UNION ALL
        (SELECT * FROM order_events WHERE account = %(account)s AND type <> 'filled'
            AND event_seq > %(after)s AND event_seq <= %(up_to)s ORDER BY event_seq LIMIT %(limit)s)
    ), before AS (
        SELECT b.order_id, sum(b.quantity) AS quantity, sum(b.price * b.quantity) AS notional
        FROM (SELECT DISTINCT order_id FROM e) o JOIN order_events b ON b.order_id = o.order_id
        WHERE b.type = 'filled' AND b.event_seq <= %(after)s GROUP BY b.order_id
    )
    SELECT e.event_seq, e.time, e.order_id, e.instrument, e.type, e.side, e.liquidity, e.reason, e.trade_id, e.price,
        e.quantity, e.open_quantity, e.fee, o.client_order_id, o.stop_price IS NOT NULL,
        o.triggered_at IS NULL OR o.triggered_at > e.time,
        coalesce(f.quantity, 0) + coalesce(sum(e.quantity) FILTER (WHERE e.type = 'filled') OVER so_far, 0),
        coalesce(f.notional, 0) + coalesce(sum(e.price * e.quantity) FILTER (WHERE e.type = 'filled') OVER so_far, 0)
    FROM e LEFT JOIN orders o ON o.order_id = e.order_id LEFT JOIN before f ON f.order_id = e.order_id
    WINDOW so_far AS (PARTITION BY e.order_id ORDER BY e.event_seq)
    ORDER BY e.event_seq LIMIT %(limit)s
"""
_MINUTES = """
    SELECT p.event_seq, c.start, c.open, c.high, c.low, c.close, c.volume, c.quote_volume, c.trades
    FROM position p LEFT JOIN candles c ON c.instrument = %s AND c.timeframe = '1m'
        AND c.start >= p.time - interval '24 hours 1 minute'
    ORDER BY c.start
"""


class Archive:
    def __init__(self, database, catalogue):
        self._database = database
        self._catalogue = catalogue

    async def updates(self, account, after, up_to):
        """-> the account's Updates of the events after `after` up to `up_to`; None where the tables are not that far,
        or there are more than UPDATES_MAX."""
        position = await self._database.row("SELECT event_seq FROM position")
        if position is None or position[0] < up_to:
            return None
        rows = await self._database.rows(
            UPDATES, {"account": account, "after": after, "up_to": up_to, "limit": UPDATES_MAX + 1}
        )
        if len(rows) > UPDATES_MAX:
            return None
        updates = [self._update(account, *row) for row in rows]
        return [update for update in updates if update is not None]

    async def minutes(self, market):
        """-> (event_seq that they are as of, [Bar, ...]) of the last 24 hours, or None before anything was drained."""
        rows = await self._database.rows(_MINUTES, (market.instrument,))
        if not rows:
            return None
        return rows[0][0], [_bar(market, *row[1:]) for row in rows if row[1] is not None]

    def _update(
        self, account, event_seq, time, order_id, instrument, kind, side, liquidity, reason, trade_id, price, quantity,
        open_quantity, fee, client_order_id, is_stop, is_waiting, filled, notional,
    ):  # fmt: skip
        market = self._catalogue.markets.get(instrument)
        if market is None or kind not in _STATUSES or (kind == "rejected" and (order_id >= 0 or not client_order_id)):
            return None
        price_scale, quantity_scale = market.price_scale, market.quantity_scale
        filled = units_of(filled, quantity_scale, "")
        left = units_of(open_quantity, quantity_scale, "") if open_quantity is not None else 0
        status = _STATUSES[kind]
        fill = None
        if kind == "filled":
            status = PARTIALLY_FILLED if left else FILLED
            fill = OrderFilled(
                account=account,
                event_seq=event_seq,
                order_id=order_id,
                instrument=instrument,
                side=_SIDES[side],
                liquidity=_LIQUIDITIES[liquidity],
                trade_id=trade_id,
                price=units_of(price, price_scale, ""),
                quantity=units_of(quantity, quantity_scale, ""),
                open_quantity=left,
                fee=_signed(fee, market.quote_scale),
            )
        elif kind == "cancelled":
            status = EXPIRED if reason == CANCEL_REASONS[CancelReason.EXPIRED] else CANCELLED
        elif kind in ("accepted", "amended", "triggered"):  # fills of the same command are still to come
            left = units_of(quantity, quantity_scale, "") - filled
            if kind != "triggered" and is_stop and is_waiting:
                status = PENDING
            elif filled:
                status = PARTIALLY_FILLED
        return Update(
            event_seq=event_seq,
            time_ns=_ns(time),
            account=account,
            order_id=max(order_id, 0),
            instrument=instrument,
            client_order_id=client_order_id or "",
            side=_SIDES.get(side, 0),
            status=status,
            open_quantity=left,
            filled_quantity=filled,
            filled_notional=units_of(notional, price_scale + quantity_scale, ""),
            reason=reason or "",
            fill=fill,
        )


#: Types of order_events that change an order -> the status, as far as the type alone tells it.
_STATUSES = {
    "accepted": OPEN,
    "filled": FILLED,
    "cancelled": CANCELLED,
    "amended": OPEN,
    "triggered": OPEN,
    "rejected": REJECTED,
}


def _bar(market, start, open_, high, low, close, volume, quote_volume, trades):
    prices = [units_of(text, market.price_scale, "") for text in (open_, high, low, close)]
    volume = units_of(volume, market.quantity_scale, "")
    quote_volume = units_of(quote_volume, market.price_scale + market.quantity_scale, "")
    return Bar(_ns(start), prices[0], prices[1], prices[2], prices[3], volume, quote_volume, trades)


def _signed(text, scale):
    return -units_of(text[1:], scale, "") if text.startswith("-") else units_of(text, scale, "")


def _ns(time):
    return int(time.timestamp()) * SECOND_NS + time.microsecond * 1_000
