"""`/orders`: place, look up, list, amend, cancel. What the exchange decided is told as it was decided; an order of
somebody else does not exist."""

import contextlib

from gateway.core import CORE
from gateway.database import DATABASE
from gateway.errors import ApiError
from gateway.history import HISTORY
from gateway.history_schema import stored_fill, stored_order
from gateway.order_schema import (
    CancelledOrder,
    CancelledOrders,
    NewOrder,
    Order,
    OrderChange,
    PlacedOrder,
    SideName,
    Symbol,
    amend_arguments,
    amended_order,
    cancelled_order,
    open_order,
    place_arguments,
    placed_order,
    recent_order,
    trade_of,
)
from gateway.routes import Example, Reply, RouteTable, Strict
from gateway.stored import stored_up_to
from gateway.unseen_orders import stored_alike

routes = RouteTable("orders")

SIGNED_CHARACTERS = 32  # of a signature, as client_order_id
FILLS_MAX = 500  # of an order that is looked up
ORDER_ID = {"order_id": ("[0-9]{1,19}", "88080405")}
_LIMIT_BUY = {"symbol": "BTC-USDT", "side": "buy", "type": "limit", "price": "50000.00", "quantity": "0.01"}


@routes.add(
    "POST",
    "/api/v1/orders",
    summary="Place an order",
    body=NewOrder,
    response=PlacedOrder,
    status=201,
    others=(200,),
    errors=(404, 409, 503),
    examples=(
        Example("/api/v1/orders", _LIMIT_BUY, 201),
        Example("/api/v1/orders", {**_LIMIT_BUY, "client_order_id": "my-order-1"}, 201),
    ),
)
async def place(call):
    """With a client_order_id, or the header Idempotency-Key, it can be sent again: the answer is then the first order
    as it is now, status 200, `duplicate` true. The newest 1,000 ids of an account are known."""
    core, body = call[CORE], call.body
    market = core.market(body.symbol)
    arguments = place_arguments(body, market)
    account = await core.account_of(call.identity.user)
    placed = await core.place(
        account=account,
        client_order_id=_client_order_id(call),
        second_factor=call.identity.second_factor,
        **arguments,
    )
    if placed.is_duplicate:
        return await _first(call, account, placed)
    return Reply(placed_order(arguments, placed, market), 201, {"Location": "/api/v1/orders/%d" % placed.order_id})


def _client_order_id(call):
    """Of the body, or the header; raises ApiError where both are there and differ."""
    header = call.request.headers.get("Idempotency-Key", "")
    # of a signed request the signature serves: sent again, to whichever gateway, it is the same order
    given = call.body.client_order_id or header or call.request.get("signature", "")[:SIGNED_CHARACTERS]
    if header and header != given:
        raise ApiError(422, "idempotency_key_conflict", "client_order_id is another than the header Idempotency-Key")
    if len(given) > 36 or not given.isascii() or not given.isprintable() or " " in given:
        text = "Idempotency-Key must be 1 to 36 printable ASCII characters without a space"
        raise ApiError(422, "invalid_client_order_id", text, "Idempotency-Key")
    return given


async def _first(call, account, placed):
    """What was placed under this client_order_id before -> Reply. Raises ApiError 409 where that was another order."""
    if placed.differs:
        raise ApiError(
            409,
            "client_order_id_conflict",
            "this client_order_id was used for another order",
            "client_order_id",
            {"order_id": str(placed.order_id), "differs": list(map(_field_of, placed.differs))},
        )
    order, fills = await find_order(call, account, placed.order_id)
    found = PlacedOrder(order, fills, duplicate=True)
    return Reply(found, 200, {"Idempotent-Replayed": "true"})


def _field_of(name):
    return {"instrument": "symbol", "order_type": "type", "expire_time_ns": "expire_time"}.get(name, name)


async def find_order(call, account, order_id):
    """-> (Order, [Trade]) of the account. Raises ApiError 404, or 503 where only the history knows and cannot tell."""
    core = call[CORE]
    await core.caught_up()
    recent = core.recent.order(account, order_id)
    if recent is not None:
        market = core.catalogue.markets[recent.instrument]
        return recent_order(recent, market), [trade_of(fill, market) for fill in recent.fills]
    row = await core.ask(lambda client: client.order(order_id, account=account))
    if row is not None:
        stored = (await stored_alike(core, call[HISTORY], account, [row])).get(order_id)
        if stored is None:
            return open_order(row, core.catalogue.markets[row.instrument]), []
    elif not call[DATABASE].is_configured:
        raise unknown_order()
    else:
        await stored_up_to(core, call[HISTORY], core.recent.floor_seq)
        stored = await call[HISTORY].order(account, order_id)
        if stored is None:
            raise unknown_order()
    market = core.catalogue.markets[stored.instrument]
    fills = await call[HISTORY].fills(account, order_id=order_id, limit=FILLS_MAX)
    return stored_order(stored, market), [stored_fill(fill, market) for fill in reversed(fills)]


def unknown_order():
    return ApiError(404, "unknown_order", "there is no such order of yours", "order_id")


@routes.add(
    "GET",
    "/api/v1/orders/{order_id}",
    summary="One of your orders",
    response=Order,
    errors=(404, 503),
    parameters=ORDER_ID,
    examples=(Example("/api/v1/orders/{order_id}"),),
)
async def get_order(call):
    order_id = call.path_number("order_id", unknown_order)
    account = await call[CORE].account_of(call.identity.user)
    order, _ = await find_order(call, account, order_id)
    return order


@routes.add(
    "PATCH",
    "/api/v1/orders/{order_id}",
    summary="Amend an open order",
    body=OrderChange,
    response=PlacedOrder,
    errors=(404, 409, 503),
    parameters=ORDER_ID,
    examples=(Example("/api/v1/orders/{order_id}", {"quantity": "0.005"}),),
)
async def amend(call):
    """The same price and a smaller quantity keep the order's place; anything else gives it a new one, and may trade."""
    core = call[CORE]
    order_id = call.path_number("order_id", unknown_order)
    account = await core.account_of(call.identity.user)
    row = await core.ask(lambda client: client.order(order_id, account=account))
    if row is None:
        raise unknown_order()
    market = core.catalogue.markets[row.instrument]
    arguments = amend_arguments(call.body, market)
    amended = await core.command(lambda client: client.amend(order_id, account=account, **arguments))
    await core.caught_up(amended.event_seq)
    recent = core.recent.order(account, order_id)
    order = recent_order(recent, market) if recent is not None else await _amended(call, account, row, amended, market)
    return PlacedOrder(order, [trade_of(fill, market) for fill in amended.fills])


async def _amended(call, account, row, amended, market):
    """-> Order as the history has it by now, where it is still open; else as the core alone tells. Never fails."""
    core = call[CORE]
    with contextlib.suppress(ApiError):
        now = await core.ask(lambda client: client.order(row.order_id, account=account))
        if now is not None:
            stored = (await stored_alike(core, call[HISTORY], account, [now])).get(row.order_id)
            if stored is not None:
                return stored_order(stored, market)
    return amended_order(row, amended, market)


@routes.add(
    "DELETE",
    "/api/v1/orders/{order_id}",
    summary="Cancel an open order",
    response=CancelledOrder,
    errors=(404, 503),
    parameters=ORDER_ID,
    examples=(Example("/api/v1/orders/{order_id}"),),
)
async def cancel(call):
    core = call[CORE]
    order_id = call.path_number("order_id", unknown_order)
    account = await core.account_of(call.identity.user)
    event = await core.command(lambda client: client.cancel(order_id, account=account))
    return cancelled_order(event, core.catalogue.markets[event.instrument])


class CancelFilter(Strict):
    symbol: Symbol | None = None
    side: SideName | None = None


@routes.add(
    "DELETE",
    "/api/v1/orders",
    summary="Cancel all your open orders, of one market or side if given",
    query=CancelFilter,
    response=CancelledOrders,
    errors=(404, 503),
    examples=(Example("/api/v1/orders?symbol=BTC-USDT&side=buy"), Example("/api/v1/orders")),
)
async def cancel_all(call):
    core, query = call[CORE], call.query
    instrument = core.market(query.symbol).instrument if query.symbol is not None else 0
    account = await core.account_of(call.identity.user)
    side = query.side or 0
    done = await core.command(lambda client: client.cancel_all(instrument=instrument, side=side, account=account))
    markets = core.catalogue.markets
    return CancelledOrders(done.count, [cancelled_order(event, markets[event.instrument]) for event in done.orders])
