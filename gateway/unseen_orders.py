"""Open orders that are older than what this gateway remembers. The core tells how they are; what they were filled at,
and when, Postgres does, and is believed where it has the order exactly as the core has it."""

import asyncio

from gateway.errors import ApiError
from gateway.recent import PENDING
from gateway.stored import stored_up_to

WAIT_SECONDS = 0.5  # for Postgres; without it the order is told as the core alone knows it


async def stored_alike(core, history, account, rows):
    """`rows`: protocol.calls.Order of what core.recent does not have. -> {order_id: history.StoredOrder} of those that
    are the same in Postgres. It waits a moment at most, and never fails."""
    if not rows:
        return {}
    asking = asyncio.get_running_loop().create_task(_stored(core, history, account, rows))
    await asyncio.wait([asking], timeout=WAIT_SECONDS)  # it is not cancelled: the database ends it by its own limits
    found = asking.result() if asking.done() else {}
    markets = core.catalogue.markets
    alike = {}
    for row in rows:
        stored = found.get(row.order_id)
        if stored is not None and _as_stored(stored) == _as_open(row, markets[row.instrument]):
            alike[row.order_id] = stored
    return alike


async def _stored(core, history, account, rows):
    try:
        await stored_up_to(core, history, max(core.recent.changed_seq(row.order_id) for row in rows))
        return {stored.order_id: stored for stored in await history.orders_of(account, [row.order_id for row in rows])}
    except ApiError:
        return {}


def _as_stored(stored):
    return (
        stored.status == PENDING,
        stored.price,
        stored.stop_price,
        stored.quantity,
        stored.filled_quantity,
        stored.open_quantity,
    )


def _as_open(row, market):
    return (
        bool(row.is_waiting),
        market.price(row.price) if row.price else None,
        market.price(row.stop_price) if row.stop_price else None,
        market.quantity(row.quantity),
        market.quantity(row.quantity - row.open_quantity),
        market.quantity(row.open_quantity),
    )
