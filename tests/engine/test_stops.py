"""Stop orders: when trades elect them, in which order they run, and how little that looks at."""

import pytest

from protocol.messages import CancelReason, Code, InstrumentState, OrderTriggered, Side, TimeInForce
from tests.funds import FundedTrading
from tests.trading import ALICE, BOB, CAROL, GOLD, Trading, accepted, amended, cancelled, rejected, traded, triggered


def trade_at(trading, price, quantity=1):
    """A trade that leaves nothing behind. -> the events of the order that made it."""
    trading.sell(quantity, price, account=CAROL)
    return trading.buy(quantity, price, account=CAROL).events


def test_a_stop_order_waits_out_of_the_book():
    trading = Trading()
    stop = trading.stop(Side.BUY, 5, 105)
    assert stop.events == [accepted(stop)]
    assert trading.bids() == [] and trading.waiting(Side.BUY) == [stop.order_id]


@pytest.mark.parametrize("side, short_of_it, reached", [(Side.BUY, 104, 105), (Side.SELL, 106, 105)])
def test_a_trade_at_the_stop_price_makes_it_a_market_order(side, short_of_it, reached):
    trading = Trading()
    stop = trading.stop(side, 5, 105)
    trade_at(trading, short_of_it)
    maker = trading.place(Side.BUY + Side.SELL - side, 5, 105, account=BOB)
    assert trading.waiting(side) == [stop.order_id]
    taker = trading.place(side, 1, reached, account=CAROL)
    assert taker.events[3:] == [
        triggered(stop, filled=4),
        *traded(3, maker, stop, 4, 105, taker_left=1),
        cancelled(stop, 1, CancelReason.MARKET_NO_LIQUIDITY),
    ]


def test_a_stop_limit_order_rests_at_its_limit_once_elected():
    trading = Trading()
    stop = trading.stop(Side.BUY, 5, 105, price=106)
    events = trade_at(trading, 105)
    assert events[3:] == [triggered(stop, rests=5)]
    assert trading.bids() == [(106, 5, 1)] and trading.waiting(Side.BUY) == []


def test_a_stop_limit_order_may_meet_its_limit_at_once():
    trading = Trading()
    maker = trading.sell(3, 106, account=BOB)
    stop = trading.stop(Side.BUY, 5, 105, price=106)
    assert trade_at(trading, 105)[3:] == [
        triggered(stop, filled=3, rests=2),
        *traded(2, maker, stop, 3, 106, taker_left=2),
    ]


def test_an_immediate_stop_limit_order_leaves_nothing_in_the_book():
    trading = Trading()
    stop = trading.stop(Side.BUY, 5, 105, price=106, time_in_force=TimeInForce.IOC)
    assert trade_at(trading, 105)[3:] == [triggered(stop), cancelled(stop, 5, CancelReason.IOC_REMAINDER)]


def test_a_fill_or_kill_stop_limit_order_fills_whole_or_is_cancelled_with_the_book_untouched():
    trading = Trading()
    trading.sell(4, 106, account=BOB)
    stop = trading.stop(Side.BUY, 5, 105, price=106, time_in_force=TimeInForce.FOK)
    assert trade_at(trading, 105)[3:] == [triggered(stop), cancelled(stop, 5, CancelReason.FOK_UNFILLABLE)]
    assert trading.asks() == [(106, 4, 1)]


def test_a_spike_that_returns_within_one_command_elects_all_that_it_passed():
    trading = Trading()
    low = trading.stop(Side.BUY, 1, 102, price=90)
    high = trading.stop(Side.BUY, 1, 110, price=91)
    for price in (101, 106, 110):
        trading.sell(1, price, account=BOB)
    spike = trading.buy(3, 110, account=CAROL)
    ids = [event.order_id for event in spike.events if isinstance(event, OrderTriggered)]
    assert ids == [low.order_id, high.order_id]
    assert trade_at(trading, 100)[3:] == []  # and no one is elected twice


def test_in_one_trade_sell_stops_from_the_highest_come_before_buy_stops_from_the_lowest_each_price_by_time():
    trading = Trading()
    buys = [trading.stop(Side.BUY, 1, price, price=50) for price in (103, 102, 103)]
    sells = [trading.stop(Side.SELL, 1, price, price=150) for price in (105, 106, 105)]
    # 104 would elect each of them: buys at 102 and 103, sells at 105 and 106.
    ids = [event.order_id for event in trade_at(trading, 104) if isinstance(event, OrderTriggered)]
    expected = [sells[1], sells[0], sells[2], buys[1], buys[0], buys[2]]
    assert ids == [order.order_id for order in expected]


def test_a_cascade_of_a_thousand_runs_in_one_command_each_electing_the_next():
    trading = Trading(collar_bps=10_000)
    count = 1_000
    trading.is_checked = False
    for step in range(count):
        trading.sell(1, 1_001 + step, account=BOB)
    stops = [trading.stop(Side.BUY, 1, 1_000 + step) for step in range(count)]
    trading.is_checked = True
    events = trade_at(trading, 1_000)
    assert [event.order_id for event in events if isinstance(event, OrderTriggered)] == [s.order_id for s in stops]
    assert trading.exchange.books[GOLD].last_price == 2_000 and trading.waiting(Side.BUY) == trading.asks() == []


def test_only_the_levels_that_are_elected_are_touched():
    trading = Trading()
    for price in range(200, 700):
        trading.stop(Side.BUY, 1, price, price=10)
    near = [trading.stop(Side.BUY, 1, price, price=10) for price in (101, 102)]
    stops = trading.exchange.books[GOLD].buy_stops
    dropped = []
    drop_level = stops._drop_level
    stops._drop_level = lambda level: (dropped.append(stops.key[level]), drop_level(level))
    trade_at(trading, 102)
    assert dropped == [101, 102] and len(near) == 2


@pytest.mark.parametrize("side, stop_price", [(Side.BUY, 100), (Side.BUY, 99), (Side.SELL, 100), (Side.SELL, 101)])
def test_a_stop_order_that_would_trigger_at_entry_is_rejected(side, stop_price):
    trading = Trading()
    before = trading.stop(side, 1, stop_price)  # with no trade yet, none would
    assert before.events == [accepted(before)]
    trading.cancel(before)
    trade_at(trading, 100)
    assert trading.stop(side, 1, stop_price).events == rejected(ALICE, Code.STOP_WOULD_TRIGGER)
    waiting = trading.stop(side, 1, 101 if side == Side.BUY else 99)
    expected = rejected(ALICE, Code.STOP_WOULD_TRIGGER, GOLD, waiting.order_id)
    assert trading.amend(waiting, stop_price=stop_price) == expected


@pytest.mark.parametrize("time_in_force", [TimeInForce.IOC, TimeInForce.FOK])
def test_a_stop_order_to_the_market_has_to_wait(time_in_force):
    order = Trading().stop(Side.BUY, 1, 105, time_in_force=time_in_force)
    assert order.events == rejected(ALICE, Code.STOP_NEEDS_TO_WAIT)


def test_a_stop_price_is_amended_and_loses_its_turn():
    trading = Trading()
    first, second = (trading.stop(Side.BUY, 5, 105) for _ in range(2))
    assert trading.amend(first, quantity=3) == [amended(first, 0, 3, rests=3, kept_priority=1)]
    assert trading.waiting(Side.BUY) == [first.order_id, second.order_id]
    assert trading.amend(first, stop_price=106) == [amended(first, 0, 3, rests=3, stop_price=106)]
    assert trading.amend(first, stop_price=105) == [amended(first, 0, 3, rests=3, stop_price=105)]
    assert trading.waiting(Side.BUY) == [second.order_id, first.order_id]
    assert trading.cancel(first) == [cancelled(first, 3)]


def test_a_stop_price_of_what_does_not_wait_cannot_be_amended():
    trading = Trading()
    resting = trading.buy(5, 90)
    elected = trading.stop(Side.BUY, 5, 105, price=91)
    trade_at(trading, 105)
    for order in (resting, elected):
        expected = rejected(ALICE, Code.INVALID_STOP_PRICE, GOLD, order.order_id)
        assert trading.amend(order, stop_price=120) == expected


def test_a_stop_order_is_taken_while_post_only_and_not_while_halted():
    trading = Trading()
    trading.set_state(InstrumentState.POST_ONLY)
    order = trading.stop(Side.BUY, 5, 105)
    assert order.events == [accepted(order)]
    trading.set_state(InstrumentState.HALTED)
    assert trading.stop(Side.BUY, 5, 105).events == rejected(ALICE, Code.INSTRUMENT_HALTED)


# --- money -----------------------------------------------------------------------------------------------------------


def test_a_waiting_buy_reserves_its_stop_price_and_the_collar_rounded_up():
    trading = FundedTrading(collar_bps=150)
    trading.set_fees(0, 10_000)
    trading.stop(Side.BUY, 10, 101)  # 102.515 -> 103, times 10, and 1 % of it rounded up
    assert trading.cash(ALICE) == (10_000 - 1_041, 1_041)
    trading.stop(Side.SELL, 10, 99)
    assert trading.metal(ALICE) == (90, 10)


def test_an_elected_buy_that_cannot_pay_for_what_it_meets_is_cancelled():
    trading = FundedTrading(cash=1_100)
    trading.sell(10, 150, account=BOB)
    stop = trading.stop(Side.BUY, 10, 100)
    assert trading.cash(ALICE) == (0, 1_100)
    assert trade_at(trading, 100)[3:] == [triggered(stop), cancelled(stop, 10, CancelReason.INSUFFICIENT_FUNDS)]
    assert trading.cash(ALICE) == (1_100, 0) and trading.asks() == [(150, 10, 1)]


def test_an_elected_buy_may_take_from_what_is_available_beyond_its_reserve():
    trading = FundedTrading(cash=1_500)
    maker = trading.sell(10, 150, account=BOB)
    stop = trading.stop(Side.BUY, 10, 100)
    assert trade_at(trading, 100)[3:] == [triggered(stop, filled=10), *traded(2, maker, stop, 10, 150)]
    assert trading.cash(ALICE) == (0, 0) and trading.metal(ALICE) == (110, 0)
