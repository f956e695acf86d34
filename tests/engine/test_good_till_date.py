"""Orders that end at a time: by a Tick, and by nothing else."""

import pytest

from engine.matching import NEVER_NS
from protocol.messages import CancelReason, Code, InstrumentState, Side, TimeInForce
from tests.funds import FundedTrading
from tests.trading import ALICE, BOB, Trading, accepted, cancelled, rejected, traded


def until(expire_time_ns):
    return {"time_in_force": TimeInForce.GTD, "expire_time_ns": expire_time_ns}


def expired(order, quantity):
    return cancelled(order, quantity, CancelReason.EXPIRED)


def test_a_tick_at_its_time_ends_the_order_and_one_before_does_not():
    trading = Trading()
    order = trading.buy(5, 100, **until(1_000))
    assert order.events == [accepted(order)]
    assert trading.exchange.next_due_ns == 1_000
    assert trading.tick(999) == []
    assert trading.tick(1_000) == [expired(order, 5)]
    assert trading.bids() == [] and trading.exchange.next_due_ns == NEVER_NS


def test_orders_end_earliest_first_then_by_order_id():
    trading = Trading()
    late, early, same = (trading.buy(5, 100, **until(time)) for time in (1_000, 999, 1_000))
    assert trading.tick(2_000) == [expired(early, 5), expired(late, 5), expired(same, 5)]


def test_what_is_filled_stays_filled():
    trading = Trading()
    order = trading.buy(5, 100, **until(1_000))
    trading.sell(2, 100)
    assert trading.tick(1_000) == [expired(order, 3)]


def test_no_other_command_ends_an_order_whose_time_has_come():
    trading = Trading()
    maker = trading.buy(5, 100, **until(1_000))
    trading.now_ns = 5_000
    taker = trading.sell(2, 100, account=BOB)
    assert taker.events == [accepted(taker, filled=2), *traded(1, maker, taker, 2, 100, maker_left=3)]
    assert trading.tick(5_000) == [expired(maker, 3)]


def test_a_waiting_stop_order_ends_in_time_too():
    trading = Trading()
    order = trading.stop(Side.BUY, 5, 105, **until(1_000))
    assert trading.tick(1_000) == [expired(order, 5)]
    assert trading.waiting(Side.BUY) == []


def test_an_elected_stop_order_keeps_its_time():
    trading = Trading()
    order = trading.stop(Side.BUY, 5, 105, price=90, **until(1_000))
    trading.sell(1, 105)
    trading.buy(1, 105)
    assert trading.bids() == [(90, 5, 1)]
    assert trading.tick(1_000) == [expired(order, 5)]


def test_an_order_that_ended_before_its_time_is_forgotten():
    trading = Trading()
    gone = trading.buy(5, 100, **until(1_000))
    filled = trading.buy(5, 101, **until(1_001))
    trading.cancel(gone)
    trading.sell(5, 101)
    assert trading.exchange.next_due_ns == NEVER_NS and filled.order_id
    assert trading.tick(2_000) == []


def test_an_amended_order_keeps_its_time():
    trading = Trading()
    order = trading.buy(5, 100, **until(1_000))
    trading.amend(order, price=99)
    assert trading.tick(1_000) == [cancelled(order, 5, CancelReason.EXPIRED, price=99)]


def test_time_goes_on_while_halted():
    trading = Trading()
    order = trading.buy(5, 100, **until(1_000))
    trading.set_state(InstrumentState.HALTED)
    assert trading.tick(1_000) == [expired(order, 5)]


def test_its_money_is_free_again():
    trading = FundedTrading()
    trading.buy(5, 100, **until(1_000))
    assert trading.cash(ALICE) == (9_500, 500)
    trading.tick(1_000)
    assert trading.cash(ALICE) == (10_000, 0)


@pytest.mark.parametrize(
    "fields",
    [
        until(1_000),  # now
        until(999),
        until(0),
        until(-1),
        {"expire_time_ns": 2_000},  # of an order without a date
        {"expire_time_ns": 2_000, "time_in_force": TimeInForce.IOC},
    ],
)
def test_a_date_is_to_come_and_goes_with_good_till_date(fields):
    trading = Trading()
    trading.tick(1_000)
    assert trading.buy(5, 100, **fields).events == rejected(ALICE, Code.INVALID_EXPIRE_TIME)


def test_a_clock_that_goes_backwards_ends_nothing_early():
    trading = Trading()
    trading.tick(5_000)
    order = trading.buy(5, 100, **until(6_000))
    assert trading.tick(1_000) == []
    assert trading.tick(6_000) == [expired(order, 5)]
