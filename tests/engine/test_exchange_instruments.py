"""Instruments: what may be defined, which states let which orders in, tick and lot, and how much fits."""

import pytest

from protocol.messages import (
    INSTRUMENT_STATES,
    Code,
    DefineInstrument,
    InstrumentDefined,
    InstrumentState,
    InstrumentStateChanged,
    Side,
    TimeInForce,
)
from tests.trading import ADMIN, ALICE, GOLD, SILVER, Trading, accepted, amended, cancelled, rejected, traded

NOTIONAL_MAX = 2**62
QUANTITY_MAX = PRICE_MAX = 10**15


def test_a_definition_is_told_to_the_venue():
    assert Trading().define(SILVER, "SILVER", 5, 10, 200, price_scale=2, quantity_scale=8) == [
        InstrumentDefined(0, SILVER, 2, 8, 5, 10, 200, 0, 0, ADMIN, "SILVER")
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"instrument": 0},
        {"instrument": GOLD},
        {"symbol": "GOLD"},
        {"symbol": ""},
        {"symbol": "x" * 33},
        {"symbol": "A B"},
        {"symbol": "É"},
        {"tick": 0},
        {"tick": -1},
        {"tick": PRICE_MAX + 1},
        {"lot": 0},
        {"lot": -1},
        {"lot": QUANTITY_MAX + 1},
        {"collar_bps": 10_001},
        {"price_scale": 19},
        {"quantity_scale": 19},
    ],
)
def test_a_definition_out_of_range_or_taken_is_rejected(fields):
    largest = (0, SILVER, 18, 18, PRICE_MAX, QUANTITY_MAX, 10_000, 0, 0, ADMIN, "x" * 32)
    command = DefineInstrument(*largest)
    assert Trading().do(command) == [InstrumentDefined(*largest)]
    for name, value in fields.items():
        setattr(command, name, value)
    assert Trading().do(command) == rejected(0, Code.INVALID_INSTRUMENT, command.instrument)


def test_prices_are_on_the_tick_and_quantities_on_the_lot():
    trading = Trading(tick=5, lot=10)
    order = trading.buy(20, 95)
    assert order.events == [accepted(order)]
    assert trading.buy(20, 96).events == rejected(ALICE, Code.PRICE_NOT_ON_TICK)
    assert trading.buy(15, 95).events == rejected(ALICE, Code.QUANTITY_NOT_ON_LOT)
    assert trading.sell(15).events == rejected(ALICE, Code.QUANTITY_NOT_ON_LOT)


# --- states ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", INSTRUMENT_STATES)
def test_a_change_of_state_is_told_with_its_reason(state):
    assert Trading().set_state(state, reason="news") == [InstrumentStateChanged(0, GOLD, state, ADMIN, "news")]


@pytest.mark.parametrize("state", [0, 5, 127])
def test_a_state_that_does_not_exist_is_rejected(state):
    assert Trading().set_state(state) == rejected(0, Code.INVALID_INSTRUMENT_STATE)


def test_the_state_of_an_unknown_instrument_cannot_be_set():
    assert Trading().set_state(InstrumentState.HALTED, SILVER) == rejected(0, Code.UNKNOWN_INSTRUMENT, SILVER)


def test_while_halted_no_order_comes_in():
    trading = Trading()
    trading.sell(5, 101)
    trading.set_state(InstrumentState.HALTED)
    for order in (trading.buy(5, 100), trading.buy(5, 101), trading.buy(5), trading.buy(5, 100, post_only=1)):
        assert order.events == rejected(ALICE, Code.INSTRUMENT_HALTED)


def test_while_post_only_orders_come_in_that_add_liquidity():
    trading = Trading()
    trading.sell(5, 101)
    trading.set_state(InstrumentState.POST_ONLY)
    resting = trading.buy(5, 100)
    assert resting.events == [accepted(resting)]
    immediate = trading.buy(5, 100, time_in_force=TimeInForce.IOC)
    for order in (trading.buy(5, 101), trading.buy(5), immediate):
        assert order.events == rejected(ALICE, Code.INSTRUMENT_POST_ONLY)


def test_while_cancel_only_nothing_comes_in_and_orders_only_get_smaller():
    trading = Trading()
    order = trading.sell(5, 101)
    trading.set_state(InstrumentState.CANCEL_ONLY)
    stop = trading.stop(Side.BUY, 5, 110)
    for refused in (trading.buy(5, 100), trading.buy(5), trading.buy(5, 100, post_only=1), stop):
        assert refused.events == rejected(ALICE, Code.INSTRUMENT_CANCEL_ONLY)
    larger = rejected(ALICE, Code.INSTRUMENT_CANCEL_ONLY, GOLD, order.order_id)
    assert trading.amend(order, quantity=6) == trading.amend(order, price=102, quantity=4) == larger
    assert trading.amend(order, quantity=4) == [amended(order, 101, 4, rests=4, kept_priority=1)]
    assert trading.cancel(order) == [cancelled(order, 4)]


def test_a_market_order_while_not_open_is_rejected_for_the_state_though_the_side_is_empty():
    trading = Trading()
    trading.set_state(InstrumentState.HALTED)
    assert trading.buy(5).events == rejected(ALICE, Code.INSTRUMENT_HALTED)
    trading.set_state(InstrumentState.POST_ONLY)
    assert trading.buy(5).events == rejected(ALICE, Code.INSTRUMENT_POST_ONLY)


def test_what_rested_before_a_halt_trades_after_it():
    trading = Trading()
    maker = trading.sell(5, 101)
    trading.set_state(InstrumentState.HALTED)
    trading.set_state(InstrumentState.OPEN)
    taker = trading.buy(5, 101)
    assert taker.events == [accepted(taker, filled=5), *traded(1, maker, taker, 5, price=101)]


def test_one_instruments_state_is_not_anothers():
    trading = Trading()
    trading.define(SILVER, "SILVER")
    trading.set_state(InstrumentState.HALTED, GOLD)
    order = trading.buy(5, 100, instrument=SILVER)
    assert order.events == [accepted(order)]


# --- how much fits ---------------------------------------------------------------------------------------------------


def test_price_times_quantity_is_at_most_2_to_the_62():
    trading = Trading()
    largest = NOTIONAL_MAX // PRICE_MAX
    order = trading.sell(largest, PRICE_MAX)
    assert order.events == [accepted(order)]
    assert trading.sell(largest + 1, PRICE_MAX).events == rejected(ALICE, Code.NOTIONAL_TOO_LARGE)
    exact = trading.sell(2**31, 2**31)
    assert exact.events == [accepted(exact)]
    assert trading.sell(2**31, 2**31 + 1).events == rejected(ALICE, Code.NOTIONAL_TOO_LARGE)


def test_of_a_market_order_the_notional_is_at_the_collar():
    trading = Trading(collar_bps=10_000)
    trading.sell(1, 2_500)
    assert trading.buy(QUANTITY_MAX).events == rejected(ALICE, Code.NOTIONAL_TOO_LARGE)
    trading.sell(1, 2_000)
    order = trading.buy(QUANTITY_MAX)
    assert order.events[0] == accepted(order, filled=2, rests=0)


def test_one_side_holds_2_to_the_62_in_all_and_not_one_unit_more():
    trading = Trading()
    exchange = trading.exchange
    left = NOTIONAL_MAX
    orders = []
    trading.is_checked = False
    while left > 0:
        quantity = min(QUANTITY_MAX, left)
        left -= quantity
        orders += trading.buy(quantity, 1).events
    trading.is_checked = True
    assert sum(order.open_quantity for order in orders) == NOTIONAL_MAX == exchange.books[GOLD].bids.open_quantity
    assert trading.buy(1, 1).events == rejected(ALICE, Code.BOOK_FULL)
    assert trading.amend(orders[-1], price=2)[0].open_quantity == orders[-1].open_quantity
    larger = rejected(ALICE, Code.BOOK_FULL, GOLD, orders[-1].order_id)
    assert trading.amend(orders[-1], quantity=orders[-1].quantity + 1) == larger
    assert trading.amend(orders[-1], quantity=orders[-1].quantity - 1)[0].kept_priority == 1
    last = trading.stop(Side.BUY, 1, 10)
    assert last.events == [accepted(last)]
    assert trading.buy(1, 1).events == rejected(ALICE, Code.BOOK_FULL)
    other_side = trading.sell(1, 3)
    assert other_side.events == [accepted(other_side)]


def test_a_full_venue_takes_no_order_until_one_has_ended(monkeypatch):
    monkeypatch.setattr("engine.orders.SLOTS_MAX", 3)
    trading = Trading()
    orders = [trading.sell(5, 100 + n) for n in range(3)]
    assert trading.sell(5, 110).events == rejected(ALICE, Code.VENUE_FULL)
    # Not even one that would be filled at once: it needs a place while it matches.
    assert trading.buy(5, 100).events == rejected(ALICE, Code.VENUE_FULL)
    assert trading.amend(orders[0], price=99) == [amended(orders[0], 99, 5, rests=5)]
    assert trading.cancel(orders[1]) == [cancelled(orders[1], 5)]
    taker = trading.buy(5, 100)
    assert taker.events == [accepted(taker, filled=5), *traded(1, orders[0], taker, 5, price=99)]
    assert trading.queue(Side.SELL) == [orders[2].order_id]
