"""Orders and trades as JSON: what comes in, what goes out, and how the core's messages become them. Pure."""

from typing import Annotated, Literal

import msgspec

from gateway.amounts import average_of
from gateway.errors import ApiError
from gateway.recent import (
    CANCELLED,
    EXPIRED,
    FILLED,
    OPEN,
    OPEN_STATUSES,
    PARTIALLY_FILLED,
    PENDING,
    STATUSES,
)
from gateway.routes import Decimal, Strict
from gateway.times import PATTERN as TIME_PATTERN
from gateway.times import ns_of_text, text_of_ns
from protocol.messages import (
    CANCEL_REASONS,
    ORDER_TYPES,
    SELF_TRADE_PREVENTIONS,
    SIDES,
    TIMES_IN_FORCE,
    CancelReason,
    Liquidity,
    OrderType,
    TimeInForce,
    names_of,
)

LIQUIDITIES = names_of(Liquidity)
TIF_NAMES = {number: name.upper() for number, name in TIMES_IN_FORCE.items()}

_NUMBERS = {
    "side": {name: number for number, name in SIDES.items()},
    "type": {name: number for number, name in ORDER_TYPES.items()},
    "time_in_force": {name: number for number, name in TIF_NAMES.items()},
    "self_trade_prevention": {name: number for number, name in SELF_TRADE_PREVENTIONS.items()},
}

SideName = Literal["buy", "sell"]
TypeName = Literal["limit", "market", "stop", "stop_limit"]
TimeInForceName = Literal["GTC", "IOC", "FOK", "GTD"]
PreventionName = Literal["cancel_taker", "cancel_maker", "cancel_both", "decrement", "none"]
StatusName = Literal["PENDING", "OPEN", "PARTIALLY_FILLED", "FILLED", "CANCELLED", "REJECTED", "EXPIRED"]
assert StatusName.__args__ == STATUSES  # type: ignore[attr-defined]

DecimalText = Annotated[str, Decimal]
Symbol = Annotated[str, msgspec.Meta(min_length=1, max_length=64, examples=["BTC-USDT"])]
ClientOrderId = Annotated[str, msgspec.Meta(pattern="^[!-~]{1,36}$", examples=["my-order-1"])]
#: As with decimals, times.ns_of_text() holds the pattern.
Time = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": TIME_PATTERN}, examples=["2030-01-01T00:00:00.000Z"])]
Id = Annotated[str, msgspec.Meta(pattern="^[0-9]{1,19}$", examples=["88080405"])]


class NewOrder(Strict):
    """What is not given has its default: GTC, or IOC for a market order, or GTD with an expire_time."""

    symbol: Symbol
    side: SideName
    type: TypeName = "limit"
    quantity: DecimalText | None = None
    quote_quantity: DecimalText | None = None
    price: DecimalText | None = None
    stop_price: DecimalText | None = None
    time_in_force: TimeInForceName | None = None
    post_only: bool = False
    self_trade_prevention: PreventionName = "cancel_taker"
    expire_time: Time | None = None
    client_order_id: ClientOrderId | None = None


class OrderChange(Strict):
    """What is not given stays. The quantity is the total, with what is filled already."""

    price: DecimalText | None = None
    quantity: DecimalText | None = None
    stop_price: DecimalText | None = None


class Order(msgspec.Struct):
    order_id: Id | None  # null: it was rejected, and never got one
    client_order_id: str | None
    symbol: str
    side: SideName
    type: TypeName
    status: StatusName
    time_in_force: TimeInForceName
    post_only: bool
    self_trade_prevention: PreventionName
    price: str | None
    stop_price: str | None
    quantity: str
    filled_quantity: str
    remaining_quantity: str
    average_price: str | None  # null where nothing was filled, or only the history knows
    expire_time: str | None
    reason: str | None  # why it ended, where it was not filled
    created_at: str | None
    updated_at: str | None


class Trade(msgspec.Struct):
    """One side of a trade: yours."""

    trade_id: Id
    order_id: Id
    symbol: str
    side: SideName
    liquidity: Literal["maker", "taker"]
    price: str
    quantity: str
    fee: str  # of the quote asset; below 0: a rebate
    fee_asset: str
    timestamp: str


class PlacedOrder(msgspec.Struct):
    order: Order
    trades: list[Trade]
    duplicate: bool = False  # the client_order_id was used before: this is what it was used for


class CancelledOrder(msgspec.Struct):
    order_id: Id
    symbol: str
    side: SideName
    price: str | None
    remaining_quantity: str  # what was left of it, and is cancelled now
    status: StatusName
    reason: str


class CancelledOrders(msgspec.Struct):
    count: int
    orders: list[CancelledOrder]


# --- in ------------------------------------------------------------------------------------------------------------


def place_arguments(body, market):
    """NewOrder -> the arguments of Core.place that it makes up. Raises ApiError."""
    expire_time_ns = ns_of_text(body.expire_time, "expire_time") if body.expire_time is not None else 0
    order_type = _NUMBERS["type"][body.type]
    if body.time_in_force is not None:
        time_in_force = _NUMBERS["time_in_force"][body.time_in_force]
    elif order_type == OrderType.MARKET:
        time_in_force = TimeInForce.IOC
    else:
        time_in_force = TimeInForce.GTD if expire_time_ns else TimeInForce.GTC
    return {
        "instrument": market.instrument,
        "side": _NUMBERS["side"][body.side],
        "order_type": order_type,
        "time_in_force": time_in_force,
        "post_only": body.post_only,
        "self_trade_prevention": _NUMBERS["self_trade_prevention"][body.self_trade_prevention],
        "price": _units(market.price_units, body.price, "price"),
        "quantity": _units(market.quantity_units, body.quantity, "quantity"),
        "stop_price": _units(market.price_units, body.stop_price, "stop_price"),
        "quote_quantity": _units(market.notional_units, body.quote_quantity, "quote_quantity"),
        "expire_time_ns": expire_time_ns,
    }


def amend_arguments(body, market):
    """OrderChange -> the arguments of TradingClient.amend. Raises ApiError."""
    if body.price is None and body.quantity is None and body.stop_price is None:
        raise ApiError(422, "invalid_field", "price, quantity or stop_price is needed")
    return {
        "price": _units(market.price_units, body.price, "price"),
        "quantity": _units(market.quantity_units, body.quantity, "quantity"),
        "stop_price": _units(market.price_units, body.stop_price, "stop_price"),
    }


def _units(convert, text, field):
    """0 is for the core to mean that nothing was given."""
    if text is None:
        return 0
    units = convert(text, field)
    if units == 0:
        raise ApiError(422, "invalid_" + field, "must not be zero", field)
    return units


# --- out -----------------------------------------------------------------------------------------------------------


def placed_order(arguments, placed, market):
    """What Core.place was given, and the Placed that came of it (no duplicate) -> PlacedOrder."""
    status, reason = _status_of(placed, arguments["order_type"])
    time = text_of_ns(placed.time_ns)
    order = _order(
        market,
        order_id=placed.order_id,
        client_order_id=placed.client_order_id,
        status=status,
        quantity=placed.quantity,
        filled_quantity=placed.filled_quantity,
        filled_notional=sum([fill.price * fill.quantity for fill in placed.fills]),
        open_quantity=placed.open_quantity,
        reason=reason,
        created_at=time,
        updated_at=time,
        **{name: arguments[name] for name in _TERMS},
    )
    return PlacedOrder(order, [trade_of(fill, market) for fill in placed.fills])


_TERMS = (
    "side", "order_type", "time_in_force", "post_only", "self_trade_prevention", "price", "stop_price",
    "expire_time_ns",
)  # fmt: skip


def _status_of(placed, order_type):
    """-> (status, reason) of a Placed or Amended."""
    if placed.cancel_reason:
        expired = placed.cancel_reason == CANCEL_REASONS[CancelReason.EXPIRED]
        return (EXPIRED if expired else CANCELLED), placed.cancel_reason
    if not placed.open_quantity:
        return FILLED, ""
    if placed.filled_quantity:
        return PARTIALLY_FILLED, ""
    return (PENDING if order_type in (OrderType.STOP, OrderType.STOP_LIMIT) else OPEN), ""


def recent_order(order, market):
    """RecentOrder -> Order."""
    return _order(
        market,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        status=order.status,
        quantity=order.quantity,
        filled_quantity=order.filled_quantity,
        filled_notional=order.filled_notional,
        open_quantity=order.open_quantity,
        reason=order.reason,
        created_at=text_of_ns(order.created_ns),
        updated_at=text_of_ns(order.updated_ns),
        **{name: getattr(order, name) for name in _TERMS},
    )


def open_order(row, market):
    """protocol.calls.Order, whose fills are not known here -> Order."""
    filled = row.quantity - row.open_quantity
    status = PENDING if row.is_waiting else PARTIALLY_FILLED if filled else OPEN
    return _order(
        market,
        order_id=row.order_id,
        client_order_id=row.client_order_id,
        status=status,
        quantity=row.quantity,
        filled_quantity=filled,
        filled_notional=0,
        open_quantity=row.open_quantity,
        reason="",
        created_at=None,
        updated_at=None,
        **{name: getattr(row, name) for name in _TERMS},
    )


def _order(
    market,
    *,
    order_id,
    client_order_id,
    status,
    quantity,
    filled_quantity,
    filled_notional,
    open_quantity,
    reason,
    created_at,
    updated_at,
    side,
    order_type,
    time_in_force,
    post_only,
    self_trade_prevention,
    price,
    stop_price,
    expire_time_ns,
):
    return Order(
        order_id=str(order_id),
        client_order_id=client_order_id or None,
        symbol=market.symbol,
        side=SIDES[side],
        type=ORDER_TYPES[order_type],
        status=status,
        time_in_force=TIF_NAMES[time_in_force],
        post_only=bool(post_only),
        self_trade_prevention=SELF_TRADE_PREVENTIONS[self_trade_prevention],
        price=market.price(price) if price else None,
        stop_price=market.price(stop_price) if stop_price else None,
        quantity=market.quantity(quantity),
        filled_quantity=market.quantity(filled_quantity),
        remaining_quantity=market.quantity(open_quantity if status in OPEN_STATUSES else 0),
        average_price=average_of(filled_notional, filled_quantity, market.price_scale) if filled_notional else None,
        expire_time=text_of_ns(expire_time_ns) if expire_time_ns else None,
        reason=reason or None,
        created_at=created_at,
        updated_at=updated_at,
    )


def trade_of(fill, market):
    """OrderFilled -> Trade."""
    return Trade(
        trade_id=str(fill.trade_id),
        order_id=str(fill.order_id),
        symbol=market.symbol,
        side=SIDES[fill.side],
        liquidity=LIQUIDITIES[fill.liquidity],
        price=market.price(fill.price),
        quantity=market.quantity(fill.quantity),
        fee=market.fee(fill.fee),
        fee_asset=market.quote,
        timestamp=text_of_ns(fill.time_ns),
    )


def cancelled_order(event, market):
    """OrderCancelled -> CancelledOrder."""
    return CancelledOrder(
        order_id=str(event.order_id),
        symbol=market.symbol,
        side=SIDES[event.side],
        price=market.price(event.price) if event.price else None,
        remaining_quantity=market.quantity(event.quantity),
        status="CANCELLED",
        reason=CANCEL_REASONS[event.reason],
    )


def amended_order(row, amended, market):
    """protocol.calls.Order as it was before, and the Amended that came of it -> Order."""
    status, reason = _status_of(amended, row.order_type)
    filled = row.quantity - row.open_quantity + amended.filled_quantity
    if status == OPEN and filled:
        status = PARTIALLY_FILLED
    terms = {name: getattr(row, name) for name in _TERMS}
    terms.update(price=amended.price, stop_price=amended.stop_price)
    return _order(
        market,
        order_id=row.order_id,
        client_order_id=row.client_order_id,
        status=PENDING if row.is_waiting and status == OPEN else status,
        quantity=amended.quantity,
        filled_quantity=filled,
        filled_notional=0,
        open_quantity=amended.open_quantity,
        reason=reason,
        created_at=None,
        updated_at=text_of_ns(amended.time_ns),
        **terms,
    )
