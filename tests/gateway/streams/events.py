"""Events of the core, and what streams make of them, with no more than a test is about."""

from gateway.streams.order_states import Update
from protocol.messages import (
    Liquidity,
    OrderAccepted,
    OrderFilled,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)


def update(event_seq, account=1):
    return Update(event_seq, 0, account, 1, 1, "", Side.BUY, "OPEN", 1, 0, 0)


def filled(event_seq, instrument=1, order_id=1, price=100, quantity=1, open_quantity=0):
    return OrderFilled(
        account=1,
        event_seq=event_seq,
        order_id=order_id,
        instrument=instrument,
        side=Side.BUY,
        liquidity=Liquidity.TAKER,
        trade_id=event_seq,
        price=price,
        quantity=quantity,
        open_quantity=open_quantity,
        fee=0,
    )


def accepted(event_seq, order_id=1, quantity=10):
    return OrderAccepted(
        account=1,
        event_seq=event_seq,
        order_id=order_id,
        instrument=1,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        post_only=0,
        price=100,
        quantity=quantity,
        filled_quantity=0,
        open_quantity=quantity,
        self_trade_prevention=SelfTradePrevention.CANCEL_TAKER,
        stop_price=0,
        expire_time_ns=0,
        client_order_id="c%d" % order_id,
    )
