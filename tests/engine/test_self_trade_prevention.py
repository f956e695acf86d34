"""Self-trade prevention: what each mode does where an order would meet one of its own account."""

import pytest

from protocol.messages import (
    CancelReason,
    Code,
    OrderType,
    PlaceOrder,
    SelfTradePrevented,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.funds import FundedTrading
from tests.trading import ALICE, BOB, GOLD, Trading, accepted, amended, cancelled, rejected, traded, triggered

TAKER = SelfTradePrevention.CANCEL_TAKER
MAKER = SelfTradePrevention.CANCEL_MAKER
BOTH = SelfTradePrevention.CANCEL_BOTH
DECREMENT = SelfTradePrevention.DECREMENT
MODES = (TAKER, MAKER, BOTH, DECREMENT)
SIDES = (Side.BUY, Side.SELL)


def other(side):
    return Side.BUY + Side.SELL - side


def prevented(maker, taker, quantity, maker_left, taker_left, price=100):
    """The record of a trade that did not happen; the mode and side are the taker's."""
    command = taker.command
    return SelfTradePrevented(
        command.account,
        GOLD,
        command.self_trade_prevention,
        command.side,
        maker.order_id,
        taker.order_id,
        price,
        quantity,
        maker_left,
        taker_left,
    )


def self_trade(order, quantity):
    return cancelled(order, quantity, CancelReason.SELF_TRADE)


def test_the_incoming_order_is_cancelled_if_nothing_else_is_asked_for():
    order = PlaceOrder(ALICE, GOLD, Side.BUY, OrderType.LIMIT, TimeInForce.GTC, 0, 100, 5)
    assert order.self_trade_prevention == TAKER


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("maker_quantity, taker_quantity", [(5, 3), (5, 5), (3, 5)])
def test_cancel_taker(side, maker_quantity, taker_quantity):
    trading = Trading()
    maker = trading.place(other(side), maker_quantity, 100)
    taker = trading.place(side, taker_quantity, 100, self_trade_prevention=TAKER)
    overlap = min(maker_quantity, taker_quantity)
    assert taker.events == [
        accepted(taker, rests=0),
        prevented(maker, taker, overlap, maker_quantity, taker_quantity),
        self_trade(taker, taker_quantity),
    ]
    assert trading.queue(other(side)) == [maker.order_id] and trading.queue(side) == []


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("maker_quantity, taker_quantity", [(5, 3), (5, 5), (3, 5)])
def test_cancel_maker(side, maker_quantity, taker_quantity):
    trading = Trading()
    maker = trading.place(other(side), maker_quantity, 100)
    taker = trading.place(side, taker_quantity, 100, self_trade_prevention=MAKER)
    overlap = min(maker_quantity, taker_quantity)
    assert taker.events == [
        accepted(taker),
        prevented(maker, taker, overlap, maker_quantity, taker_quantity),
        self_trade(maker, maker_quantity),
    ]
    assert trading.queue(other(side)) == [] and trading.queue(side) == [taker.order_id]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("maker_quantity, taker_quantity", [(5, 3), (5, 5), (3, 5)])
def test_cancel_both(side, maker_quantity, taker_quantity):
    trading = Trading()
    maker = trading.place(other(side), maker_quantity, 100)
    taker = trading.place(side, taker_quantity, 100, self_trade_prevention=BOTH)
    overlap = min(maker_quantity, taker_quantity)
    assert taker.events == [
        accepted(taker, rests=0),
        prevented(maker, taker, overlap, maker_quantity, taker_quantity),
        self_trade(maker, maker_quantity),
        self_trade(taker, taker_quantity),
    ]
    assert trading.bids() == trading.asks() == []


@pytest.mark.parametrize("side", SIDES)
def test_decrement_takes_the_smaller_order_off_both(side):
    trading = Trading()
    maker = trading.place(other(side), 5, 100)
    small = trading.place(side, 3, 100, self_trade_prevention=DECREMENT)
    assert small.events == [accepted(small, rests=0), prevented(maker, small, 3, 2, 0), self_trade(small, 0)]
    large = trading.place(side, 3, 100, self_trade_prevention=DECREMENT)
    assert large.events == [accepted(large, rests=1), prevented(maker, large, 2, 0, 1), self_trade(maker, 0)]
    maker = trading.place(other(side), 1, 100, account=BOB)  # what is left of the large one trades
    assert maker.events == [accepted(maker, filled=1), *traded(1, large, maker, 1, 100)]


@pytest.mark.parametrize("side", SIDES)
def test_decrement_of_equal_orders_ends_both(side):
    trading = Trading()
    maker = trading.place(other(side), 5, 100)
    taker = trading.place(side, 5, 100, self_trade_prevention=DECREMENT)
    assert taker.events == [
        accepted(taker, rests=0),
        prevented(maker, taker, 5, 0, 0),
        self_trade(maker, 0),
        self_trade(taker, 0),
    ]


def test_what_is_decremented_is_not_part_of_the_orders_total_any_more():
    trading = Trading()
    maker = trading.sell(5, 100)
    trading.buy(3, 100, self_trade_prevention=DECREMENT)
    taker = trading.buy(4, 100, self_trade_prevention=DECREMENT)
    maker_again = trading.sell(5, 110)
    trading.buy(3, 110, account=ALICE, self_trade_prevention=DECREMENT)
    for order, price in ((taker, 100), (maker_again, 110)):  # each has lost all but 2
        expected = rejected(ALICE, Code.AMEND_NO_CHANGE, GOLD, order.order_id)
        assert trading.amend(order, quantity=2) == expected
        assert trading.amend(order, quantity=1) == [amended(order, price, 1, rests=1, kept_priority=1)]
    assert trading.cancel(maker) == rejected(ALICE, Code.UNKNOWN_ORDER, 0, maker.order_id)


@pytest.mark.parametrize("mode", MODES)
def test_only_trades_with_oneself_are_prevented(mode):
    trading = Trading()
    first = trading.sell(2, 99, account=BOB)
    own = trading.sell(2, 100)
    last = trading.sell(2, 101, account=BOB)
    taker = trading.buy(6, 101, self_trade_prevention=mode)
    before = traded(1, first, taker, 2, 99, taker_left=4)
    if mode == TAKER:
        after = [prevented(own, taker, 2, 2, 4), self_trade(taker, 4)]
    elif mode == BOTH:
        after = [prevented(own, taker, 2, 2, 4), self_trade(own, 2), self_trade(taker, 4)]
    elif mode == MAKER:
        after = [prevented(own, taker, 2, 2, 4), self_trade(own, 2), *traded(2, last, taker, 2, 101, taker_left=2)]
    else:
        after = [prevented(own, taker, 2, 0, 2), self_trade(own, 0), *traded(2, last, taker, 2, 101)]
    filled, rests = {TAKER: (2, 0), BOTH: (2, 0), MAKER: (4, 2), DECREMENT: (4, 0)}[mode]
    assert taker.events == [accepted(taker, filled=filled, rests=rests), *before, *after]


def test_the_incoming_orders_mode_decides():
    trading = Trading()
    maker = trading.sell(5, 100, self_trade_prevention=BOTH)
    taker = trading.buy(5, 100, self_trade_prevention=SelfTradePrevention.NONE)
    assert taker.events == [accepted(taker, filled=5), *traded(1, maker, taker, 5, 100)]


@pytest.mark.parametrize("price", [100, None])
@pytest.mark.parametrize("mode, fills", [(TAKER, 2), (BOTH, 2), (MAKER, 4), (DECREMENT, 2)])
def test_fill_or_kill_does_not_count_what_prevention_would_take_away(mode, fills, price):
    """2 of others, 1 of its own, 2 of others. Decrement takes the overlap off the order too: 3 would end with 2."""
    trading = Trading()
    for account, quantity in ((BOB, 2), (ALICE, 1), (BOB, 2)):
        trading.sell(quantity, 100, account=account)
    order = {"self_trade_prevention": mode, "time_in_force": TimeInForce.FOK}
    assert trading.buy(fills + 1, price, **order).events == rejected(ALICE, Code.FOK_UNFILLABLE)
    taker = trading.buy(fills, price, **order)
    assert taker.events[0] == accepted(taker, filled=fills)


def test_an_amend_and_an_elected_stop_order_are_prevented_like_a_new_order():
    trading = Trading()
    own = trading.sell(5, 110)
    order = trading.buy(5, 100, self_trade_prevention=TAKER)
    assert trading.amend(order, price=110) == [
        amended(order, 110, 5, rests=0),
        prevented(own, order, 5, 5, 5, price=110),
        cancelled(order, 5, CancelReason.SELF_TRADE, price=110),
    ]
    stop = trading.stop(Side.BUY, 5, 105, self_trade_prevention=MAKER)
    trading.sell(1, 105, account=BOB)
    assert trading.buy(1, 105, account=BOB).events[3:] == [
        triggered(stop),
        prevented(own, stop, 5, 5, 5, price=110),
        self_trade(own, 5),
        cancelled(stop, 5, CancelReason.MARKET_NO_LIQUIDITY),
    ]


@pytest.mark.parametrize("mode, cash, metal", [(TAKER, 0, 5), (MAKER, 500, 0), (BOTH, 0, 0), (DECREMENT, 0, 2)])
def test_what_prevention_ends_or_shrinks_reserves_no_more(mode, cash, metal):
    trading = FundedTrading()
    trading.sell(5, 100)
    trading.buy(5 if mode == MAKER else 3, 100, self_trade_prevention=mode)
    assert trading.cash(ALICE) == (10_000 - cash, cash)
    assert trading.metal(ALICE) == (100 - metal, metal)


def test_a_market_buy_pays_for_others_orders_only():
    trading = FundedTrading(cash=300)
    trading.sell(50, 100)
    maker = trading.sell(3, 100, account=BOB)
    taker = trading.buy(3, self_trade_prevention=MAKER)
    assert taker.events[-2:] == traded(1, maker, taker, 3, 100)


@pytest.mark.parametrize("mode, quantity", [(TAKER, 2), (BOTH, 2), (DECREMENT, 2), (MAKER, 4)])
def test_a_market_order_by_amount_goes_as_far_as_its_own_order_or_past_it(mode, quantity):
    trading = Trading()
    for account, size in ((BOB, 2), (ALICE, 1), (BOB, 2)):
        trading.sell(size, 100, account=account)
    order = trading.buy(0, quote_quantity=10_000, self_trade_prevention=mode)
    assert order.events[0] == accepted(order, filled=quantity, quantity=quantity)
