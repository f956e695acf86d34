"""What happens in the books: an order meets others, rests or ends; trades elect stop orders, which run afterwards."""

from protocol.messages import (
    CancelReason,
    Liquidity,
    OrderCancelled,
    OrderFilled,
    OrderTriggered,
    OrderType,
    SelfTradePrevented,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.model.books import opposite
from tests.model.money import Money
from tests.model.orders import ELECTED, MATCHING, RESTING

TAKER_ENDS = (SelfTradePrevention.CANCEL_TAKER, SelfTradePrevention.CANCEL_BOTH)
MAKER_ENDS = (SelfTradePrevention.CANCEL_MAKER, SelfTradePrevention.CANCEL_BOTH)


class Matching(Money):
    def __init__(self, slots_max=2**22 - 1):
        super().__init__(slots_max)
        self.elected = []

    def enter(self, order, outcome):
        """An order matches, and rests where it may, or ends. `outcome`: the event that tells what came of it."""
        order.status = MATCHING
        outcome.filled_quantity = 0
        outcome.open_quantity = 0
        reason = 0
        for maker, overlap, prevented in self.meetings(order, order.open_quantity):
            if not prevented:
                self.trade(maker, order, overlap)
                outcome.filled_quantity += overlap
            elif self.prevent(maker, order, overlap):
                reason = CancelReason.SELF_TRADE
        is_limit = order.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
        rests = is_limit and order.time_in_force in (TimeInForce.GTC, TimeInForce.GTD)
        if reason == 0 and order.open_quantity == 0:
            self.forget(order)
        elif reason == 0 and rests:
            outcome.open_quantity = order.open_quantity
            order.status = RESTING
            order.place = self.next_place()
        else:
            self.end(order, reason or self.why_not_more(order, is_limit))

    def why_not_more(self, order, is_limit):
        if is_limit:
            return CancelReason.IOC_REMAINDER
        if self.queue(order.instrument, opposite(order.side)):
            return CancelReason.MARKET_COLLAR
        return CancelReason.MARKET_NO_LIQUIDITY

    def trade(self, maker, taker, quantity):
        self.trade_count += 1
        price = maker.price
        for order, liquidity in ((maker, Liquidity.MAKER), (taker, Liquidity.TAKER)):
            order.open_quantity -= quantity
            fee = self.settle(order, price, quantity, order.maker_ppm if order is maker else order.taker_ppm)
            self.events.append(
                OrderFilled(
                    account=order.account,
                    order_id=order.order_id,
                    instrument=order.instrument,
                    side=order.side,
                    liquidity=liquidity,
                    trade_id=self.trade_count,
                    price=price,
                    quantity=quantity,
                    open_quantity=order.open_quantity,
                    fee=fee,
                )
            )
        if maker.open_quantity == 0:
            self.forget(maker)
        self.markets[maker.instrument].last_price = price
        self.elect(maker.instrument)

    def prevent(self, maker, taker, overlap):
        """-> whether the incoming order ends by it."""
        mode = taker.self_trade_prevention
        if mode == SelfTradePrevention.DECREMENT:
            for order in (maker, taker):
                order.quantity -= overlap
                order.open_quantity -= overlap
        self.events.append(
            SelfTradePrevented(
                account=taker.account,
                instrument=taker.instrument,
                mode=mode,
                taker_side=taker.side,
                maker_order_id=maker.order_id,
                taker_order_id=taker.order_id,
                price=maker.price,
                quantity=overlap,
                maker_open_quantity=maker.open_quantity,
                taker_open_quantity=taker.open_quantity,
            )
        )
        if mode in MAKER_ENDS or maker.open_quantity == 0:
            self.end(maker, CancelReason.SELF_TRADE)
        return mode in TAKER_ENDS or taker.open_quantity == 0

    # --- stop orders -------------------------------------------------------------------------------------------------

    def elect(self, instrument):
        for side in (Side.SELL, Side.BUY):
            for order in self.stops(instrument, side):
                if self.has_reached(instrument, side, order.stop_price):
                    order.status = ELECTED
                    self.elected.append(order)

    def run_elected(self):
        """Oldest first; those elected meanwhile come last."""
        while self.elected:
            order = self.elected.pop(0)
            outcome = OrderTriggered(
                account=order.account,
                order_id=order.order_id,
                instrument=order.instrument,
                side=order.side,
                stop_price=order.stop_price,
                price=order.price,
                filled_quantity=0,
                open_quantity=0,
            )
            self.events.append(outcome)
            reason = self.why_not_run(order)
            if reason:
                self.end(order, reason)
            else:
                self.enter(order, outcome)

    def why_not_run(self, order):
        filled, notional = self.would_trade(order, order.open_quantity)
        if order.time_in_force == TimeInForce.FOK and filled < order.open_quantity:
            return CancelReason.FOK_UNFILLABLE
        market = self.markets[order.instrument]
        if market.is_funded and order.order_type == OrderType.STOP and order.side == Side.BUY:
            cost = self.most_it_costs(order, notional * market.quote_multiplier)
            if cost > self.available(*self.reserves_in(order)) + self.reserve_of(order):
                return CancelReason.INSUFFICIENT_FUNDS
        return 0

    # --- ends of orders ----------------------------------------------------------------------------------------------

    def end(self, order, reason):
        self.events.append(
            OrderCancelled(
                account=order.account,
                order_id=order.order_id,
                instrument=order.instrument,
                side=order.side,
                reason=reason,
                price=order.price,
                quantity=order.open_quantity,
            )
        )
        self.forget(order)

    def forget(self, order):
        self.orders.remove(order)
        self.ids.give_back(order.order_id)
