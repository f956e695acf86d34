"""`GET /orders`: open orders from the core, ended ones from Postgres, and one answer of both.

Postgres is a moment behind. What has happened since then the gateway has seen itself (gateway/recent.py), and that
counts more: an order is never missing or twice while it moves from the one to the other. Where the gateway has seen too
little, just after it was started, it waits for Postgres.
"""

import asyncio
from typing import Annotated

import msgspec

from gateway.core import CORE
from gateway.cursors import PATTERN as CURSOR_PATTERN
from gateway.cursors import cursor_of, keys_of
from gateway.errors import history_unavailable
from gateway.history import HISTORY
from gateway.history_schema import stored_order
from gateway.order_schema import ClientOrderId, Order, SideName, StatusName, Symbol, open_order, recent_order
from gateway.recent import OPEN_STATUSES
from gateway.routes import Example, RouteTable, Strict
from gateway.stored import CATCH_UP_SECONDS, POLL_SECONDS
from gateway.unseen_orders import stored_alike

routes = RouteTable("orders")

PAGE_MAX = 500
WITHOUT_MAX = 10_000  # orders of an account that Postgres does not have yet; beyond, it is too far behind

Cursor = Annotated[str, msgspec.Meta(pattern=CURSOR_PATTERN)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)]


class OrderFilter(Strict):
    symbol: Symbol | None = None
    status: StatusName | None = None
    side: SideName | None = None
    open: bool = False  # PENDING, OPEN and PARTIALLY_FILLED: from the core alone
    client_order_id: ClientOrderId | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


class OrderPage(msgspec.Struct):
    orders: list[Order]  # the newest first
    next_cursor: str | None  # for the page after this one; null: there is none


@routes.add(
    "GET",
    "/api/v1/orders",
    summary="Your orders, the newest first",
    query=OrderFilter,
    response=OrderPage,
    errors=(404, 503),
    examples=(Example("/api/v1/orders?open=true"), Example("/api/v1/orders?status=OPEN&symbol=BTC-USDT&limit=10")),
)
async def get_orders(call):
    """With `open`, or the status of an open order, it needs no history."""
    core, query = call[CORE], call.query
    market = core.market(query.symbol) if query.symbol is not None else None
    account = await core.account_of(call.identity.user)
    await core.caught_up()
    wanted = _Wanted(account, market, query)
    if wanted.statuses and set(wanted.statuses) <= set(OPEN_STATUSES):
        orders, after = await _open(core, call[HISTORY], wanted)
        kind = "open"
    else:
        orders, after = await _all(core, call[HISTORY], wanted)
        kind = "orders"
    return OrderPage(orders, cursor_of(kind, after) if after else None)


class _Wanted:
    """What a query asks for, in the core's terms and in those of the tables."""

    def __init__(self, account, market, query):
        self.account = account
        self.instrument = market.instrument if market is not None else 0
        self.side = query.side or ""
        self.statuses = (query.status,) if query.status is not None else OPEN_STATUSES if query.open else ()
        if query.open and query.status is not None and query.status not in OPEN_STATUSES:
            self.statuses = ("none",)
        self.client_order_id = query.client_order_id
        self.limit = query.limit
        self.cursor = query.cursor

    def before(self, kind):
        """-> the key that a page ended with, or 0. Raises ApiError 400."""
        return keys_of(self.cursor, kind, 1)[0] if self.cursor is not None else 0

    def has(self, order):
        """Whether it wants this Order, its account and place in the list aside."""
        return (
            (not self.side or order.side == self.side)
            and (not self.statuses or order.status in self.statuses)
            and (not self.client_order_id or order.client_order_id == self.client_order_id)
        )


async def _open(core, history, wanted):
    """-> ([Order, ...], the order_id that the next page is before, or 0)."""
    before = wanted.before("open")
    rows = await core.ask(lambda client: client.open_orders(instrument=wanted.instrument, account=wanted.account))
    found = []  # of (Order, the core's row where the gateway does not know more)
    after = 0
    for row in reversed(rows):  # they come in the order of their ids: the oldest first
        if before and row.order_id >= before:
            continue
        market = core.catalogue.markets[row.instrument]
        recent = core.recent.order(wanted.account, row.order_id)
        is_seen = recent is not None and recent.is_open
        order = recent_order(recent, market) if is_seen else open_order(row, market)
        if wanted.has(order):
            if len(found) == wanted.limit:
                after = int(found[-1][0].order_id)
                break
            found.append((order, None if is_seen else row))
    stored = await stored_alike(core, history, wanted.account, [row for _, row in found if row is not None])
    orders = []
    for order, row in found:
        if row is not None and row.order_id in stored:
            order = stored_order(stored[row.order_id], core.catalogue.markets[row.instrument])
        orders.append(order)
    return orders, after


async def _all(core, history, wanted):
    """-> ([Order, ...], the created_event_seq that the next page is before, or 0). Raises ApiError 503."""
    before = wanted.before("orders")
    recent = core.recent
    deadline = asyncio.get_running_loop().time() + CATCH_UP_SECONDS
    while True:
        newer, _ = recent.changed_after(wanted.account, recent.stored_seq)
        if len(newer) > WITHOUT_MAX:
            raise history_unavailable("the database is behind")
        stored_seq, rows = await history.orders(
            wanted.account,
            instrument=wanted.instrument,
            side=wanted.side,
            statuses=wanted.statuses,
            client_order_id=wanted.client_order_id,
            before=before,
            without=[order.order_id for order in newer],
            limit=wanted.limit + 1,
        )
        newer, unknown_seq = recent.changed_after(wanted.account, recent.stored_seq)
        recent.stored_seq = max(recent.stored_seq, stored_seq)
        if stored_seq >= max(unknown_seq, recent.floor_seq):
            break
        if asyncio.get_running_loop().time() > deadline:
            raise history_unavailable("the database is behind")
        await asyncio.sleep(POLL_SECONDS)
    found = {}
    for row in rows:
        found[row.order_id] = (row.created_event_seq, stored_order(row, core.catalogue.markets[row.instrument]))
    for order in newer:
        if (not before or order.created_event_seq < before) and wanted.instrument in (0, order.instrument):
            market = core.catalogue.markets[order.instrument]
            found[order.order_id] = (order.created_event_seq, recent_order(order, market))
    page = sorted(found.values(), key=lambda pair: -pair[0])[: wanted.limit]
    orders = [order for _, order in page if wanted.has(order)]
    return orders, page[-1][0] if len(found) > wanted.limit else 0
