"""What lets a test of the exchange read as a sentence: `maker = trading.sell(5, 101, account=ALICE)`, and the events
it should have given, spelled from the order: `assert taker.events == [accepted(taker, filled=5), ...]`.
"""

import attrs

from engine import snapshot
from engine.exchange import Exchange
from protocol.messages import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    CancelReason,
    Command,
    CommandRejected,
    DefineInstrument,
    Liquidity,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderDuplicate,
    OrderFilled,
    OrderTriggered,
    OrderType,
    PlaceOrder,
    SelfTradePrevention,
    SetInstrumentState,
    Side,
    Tick,
    TimeInForce,
)

ALICE, BOB, CAROL = 1, 2, 3
GOLD, SILVER = 1, 2
ADMIN = 9


@attrs.define
class Placed:
    """An order as it was placed, and what the exchange said to it."""

    command: PlaceOrder
    events: list
    order_id: int  # 0: it was rejected
    account: int


class Trading:
    """An exchange that counts its commands itself, with one instrument defined: GOLD, tick 1, lot 1, without funds."""

    is_checked = True  # set to False where there are thousands of orders: checks walk them all

    def __init__(self, **instrument):
        self.exchange = Exchange(order_slots=4)
        self.now_ns = 0
        self.define(GOLD, "GOLD", **instrument)

    def do(self, command: Command):
        """-> the events. The exchange's invariants hold after, and a reject has left no trace."""
        before = self.state_hash() if self.is_checked else None
        events = self.exchange.apply(self.exchange.seq + 1, self.now_ns, command)
        if not self.is_checked:
            return events
        self.exchange.check()
        if events and isinstance(events[0], (CommandRejected, OrderDuplicate)):
            assert len(events) == 1 and self.state_hash() == before
        return events

    def define(
        self, instrument, symbol, tick=1, lot=1, collar_bps=1_000, price_scale=0, quantity_scale=0, base=0, quote=0
    ):
        scales = (price_scale, quantity_scale)
        return self.do(DefineInstrument(0, instrument, *scales, tick, lot, collar_bps, base, quote, ADMIN, symbol))

    def set_state(self, state, instrument=GOLD, reason=""):
        return self.do(SetInstrumentState(0, instrument, state, ADMIN, reason))

    def place(self, side, quantity, price, account=ALICE, instrument=GOLD, **more):
        """`price` None: a market order, immediate-or-cancel. `more`: further fields of PlaceOrder. An account trades
        with itself if a test does not say otherwise."""
        market = price is None
        fields = {
            "order_type": OrderType.MARKET if market else OrderType.LIMIT,
            "time_in_force": TimeInForce.IOC if market else TimeInForce.GTC,
            "post_only": 0,
            "self_trade_prevention": SelfTradePrevention.NONE,
            **more,
        }
        command = PlaceOrder(account, instrument, side=side, price=price or 0, quantity=quantity, **fields)
        events = self.do(command)
        return Placed(command, events, getattr(events[0], "order_id", 0), account)

    def buy(self, quantity, price=None, **more):
        return self.place(Side.BUY, quantity, price, **more)

    def sell(self, quantity, price=None, **more):
        return self.place(Side.SELL, quantity, price, **more)

    def stop(self, side, quantity, stop_price, price=None, **more):
        """`price` None: it becomes a market order."""
        order_type = OrderType.STOP if price is None else OrderType.STOP_LIMIT
        fields = {"order_type": order_type, "stop_price": stop_price, "time_in_force": TimeInForce.GTC, **more}
        return self.place(side, quantity, price, **fields)

    def tick(self, now_ns):
        self.now_ns = now_ns
        return self.do(Tick(0))

    def cancel(self, order, account=None):
        return self.do(CancelOrder(order.account if account is None else account, order.order_id))

    def amend(self, order, price=0, quantity=0, stop_price=0, account=None):
        account = order.account if account is None else account
        return self.do(AmendOrder(account, order.order_id, price, quantity, stop_price))

    def cancel_all(self, account, instrument=0, side=0, reason=CancelReason.USER_ALL):
        return self.do(CancelAll(account, instrument, side, reason))

    def bids(self, instrument=GOLD):
        """-> [(price, quantity, orders), ...], best first."""
        return self.exchange.books[instrument].bids.depth(100)

    def asks(self, instrument=GOLD):
        return self.exchange.books[instrument].asks.depth(100)

    def queue(self, side, instrument=GOLD):
        """-> order ids of one side in the order in which they would be filled."""
        return [self.exchange.orders.order_id[slot] for slot in self.exchange.books[instrument].side(side).slots()]

    def waiting(self, side, instrument=GOLD):
        """-> order ids of the stop orders of one side, in the order in which trades would elect them."""
        return [self.exchange.orders.order_id[slot] for slot in self.exchange.books[instrument].stops(side).slots()]

    def state_hash(self):
        return snapshot.state_hash(self.exchange)


def accepted(order, filled=0, rests=None, quantity=None):
    """What an order's acceptance says: `filled` at once, `rests` in the book (None: all that was not filled).
    `quantity` None: the one it was placed with."""
    command = order.command
    quantity = command.quantity if quantity is None else quantity
    return OrderAccepted(
        account=command.account,
        order_id=order.order_id,
        instrument=command.instrument,
        side=command.side,
        order_type=command.order_type,
        time_in_force=command.time_in_force,
        post_only=command.post_only,
        price=command.price,
        quantity=quantity,
        filled_quantity=filled,
        open_quantity=quantity - filled if rests is None else rests,
        self_trade_prevention=command.self_trade_prevention,
        stop_price=command.stop_price,
        expire_time_ns=command.expire_time_ns,
        client_order_id=command.client_order_id,
    )


def traded(trade_id, maker, taker, quantity, price, maker_left=0, taker_left=0, fees=(0, 0)):
    """-> the two fills of a trade, the maker's first; so are the fees."""
    return [
        OrderFilled(
            account=order.account,
            order_id=order.order_id,
            instrument=order.command.instrument,
            side=order.command.side,
            liquidity=liquidity,
            trade_id=trade_id,
            price=price,
            quantity=quantity,
            open_quantity=left,
            fee=fee,
        )
        for order, liquidity, left, fee in (
            (maker, Liquidity.MAKER, maker_left, fees[0]),
            (taker, Liquidity.TAKER, taker_left, fees[1]),
        )
    ]


def cancelled(order, quantity, reason=CancelReason.USER, price=None):
    """`price`: where an amend has changed it."""
    return OrderCancelled(
        account=order.account,
        order_id=order.order_id,
        instrument=order.command.instrument,
        side=order.command.side,
        reason=reason,
        price=order.command.price if price is None else price,
        quantity=quantity,
    )


def amended(order, price, quantity, rests, filled=0, kept_priority=0, previous_price=None, stop_price=None):
    """`rests`: what the amended order still has to fill. `previous_price` None: the one it was placed with."""
    return OrderAmended(
        account=order.account,
        order_id=order.order_id,
        instrument=order.command.instrument,
        side=order.command.side,
        kept_priority=kept_priority,
        previous_price=order.command.price if previous_price is None else previous_price,
        price=price,
        quantity=quantity,
        stop_price=order.command.stop_price if stop_price is None else stop_price,
        filled_quantity=filled,
        open_quantity=rests,
    )


def triggered(order, filled=0, rests=0):
    """What is said of a stop order that a trade elected."""
    command = order.command
    fields = (command.side, command.stop_price, command.price, filled, rests)
    return OrderTriggered(command.account, order.order_id, command.instrument, *fields)


def rejected(account, code, instrument=GOLD, order_id=0, client_order_id=""):
    """-> the events of a rejected command: one."""
    return [CommandRejected(account, code, instrument, order_id, client_order_id)]
