"""Rows of the history as JSON. Pure."""

import msgspec

from gateway.amounts import average_of, units_of
from gateway.order_schema import DecimalText, Id, Order, SideName, Time, Trade
from gateway.times import text_of_datetime


class MarketTrade(msgspec.Struct):
    """A trade as everybody may see it."""

    trade_id: Id
    symbol: str
    price: DecimalText
    quantity: DecimalText
    taker_side: SideName
    timestamp: Time


def stored_order(row, market):
    """history.StoredOrder -> Order."""
    filled = units_of(row.filled_quantity, market.quantity_scale, "filled_quantity")
    notional = units_of(row.filled_notional, market.price_scale + market.quantity_scale, "filled_notional")
    return Order(
        order_id=str(row.order_id) if row.order_id > 0 else None,
        client_order_id=row.client_order_id,
        symbol=market.symbol,
        side=row.side,
        type=row.type,
        status=row.status,
        time_in_force=row.time_in_force,
        post_only=row.post_only,
        self_trade_prevention=row.self_trade_prevention,
        price=row.price,
        stop_price=row.stop_price,
        quantity=row.quantity,
        filled_quantity=row.filled_quantity,
        remaining_quantity=row.open_quantity,
        average_price=average_of(notional, filled, market.price_scale),
        expire_time=text_of_datetime(row.expire_time) if row.expire_time else None,
        reason=row.reason,
        created_at=text_of_datetime(row.created_at),
        updated_at=text_of_datetime(row.updated_at),
    )


def stored_fill(row, market):
    """history.StoredFill -> Trade."""
    return Trade(
        trade_id=str(row.trade_id),
        order_id=str(row.order_id),
        symbol=market.symbol,
        side=row.side,
        liquidity=row.liquidity,
        price=row.price,
        quantity=row.quantity,
        fee=row.fee,
        fee_asset=market.quote,
        timestamp=text_of_datetime(row.time),
    )


def market_trade(row, market):
    """history.StoredTrade -> MarketTrade."""
    return MarketTrade(
        trade_id=str(row.trade_id),
        symbol=market.symbol,
        price=row.price,
        quantity=row.quantity,
        taker_side=row.taker_side,
        timestamp=text_of_datetime(row.time),
    )
