"""Orders amended: which keep their place, which trade at once, and that a refused amend changes nothing."""

import pytest

from protocol.messages import Code, InstrumentState, Side
from tests.trading import ALICE, BOB, CAROL, GOLD, Trading, accepted, amended, rejected, traded


@pytest.fixture
def trading():
    return Trading()


def test_a_smaller_quantity_at_the_same_price_keeps_its_place(trading):
    older = trading.buy(5, 100, account=ALICE)
    younger = trading.buy(5, 100, account=BOB)
    assert trading.amend(older, quantity=3) == [amended(older, 100, 3, rests=3, kept_priority=1)]
    assert trading.queue(Side.BUY) == [older.order_id, younger.order_id]
    assert trading.bids() == [(100, 8, 2)]


def test_the_same_price_said_again_is_the_same_price(trading):
    older = trading.buy(5, 100)
    trading.buy(5, 100)
    assert trading.amend(older, price=100, quantity=3) == [amended(older, 100, 3, rests=3, kept_priority=1)]


def test_a_larger_quantity_loses_its_place(trading):
    older = trading.buy(5, 100, account=ALICE)
    younger = trading.buy(5, 100, account=BOB)
    assert trading.amend(older, quantity=6) == [amended(older, 100, 6, rests=6)]
    assert trading.queue(Side.BUY) == [younger.order_id, older.order_id]


def test_another_price_loses_its_place_be_it_only_for_a_moment(trading):
    older = trading.buy(5, 100, account=ALICE)
    younger = trading.buy(5, 100, account=BOB)
    assert trading.amend(older, price=99) == [amended(older, 99, 5, rests=5)]
    assert trading.amend(older, price=100, quantity=4) == [amended(older, 100, 4, rests=4, previous_price=99)]
    assert trading.queue(Side.BUY) == [younger.order_id, older.order_id]


def test_the_new_quantity_counts_what_is_filled_already(trading):
    maker = trading.buy(5, 100)
    trading.sell(2, 100)
    assert trading.amend(maker, quantity=4) == [amended(maker, 100, 4, rests=2, kept_priority=1)]
    assert trading.bids() == [(100, 2, 1)]
    assert trading.amend(maker, quantity=9) == [amended(maker, 100, 9, rests=7)]
    assert trading.bids() == [(100, 7, 1)]


@pytest.mark.parametrize("quantity", [1, 2])
def test_a_quantity_not_above_what_is_filled_is_rejected(trading, quantity):
    maker = trading.buy(5, 100)
    trading.sell(2, 100)
    expected = rejected(ALICE, Code.AMEND_BELOW_FILLED, GOLD, maker.order_id)
    assert trading.amend(maker, quantity=quantity) == expected
    assert trading.amend(maker, price=101, quantity=quantity) == expected


@pytest.mark.parametrize("price, quantity", [(0, 0), (100, 5), (100, 0), (0, 5)])
def test_an_amend_that_changes_nothing_is_rejected(trading, price, quantity):
    order = trading.buy(5, 100)
    expected = rejected(ALICE, Code.AMEND_NO_CHANGE, GOLD, order.order_id)
    assert trading.amend(order, price, quantity) == expected


def test_a_price_that_crosses_trades_at_the_makers_price_and_rests_with_the_rest(trading):
    maker = trading.sell(3, 102, account=BOB)
    order = trading.buy(5, 100)
    assert trading.amend(order, price=103) == [
        amended(order, 103, 5, filled=3, rests=2),
        *traded(1, maker, order, 3, price=102, taker_left=2),
    ]
    assert trading.bids() == [(103, 2, 1)] and trading.asks() == []


def test_an_amend_that_fills_the_order_ends_it(trading):
    maker = trading.sell(5, 102, account=BOB)
    order = trading.buy(5, 100)
    assert trading.amend(order, price=102) == [
        amended(order, 102, 5, filled=5, rests=0),
        *traded(1, maker, order, 5, price=102),
    ]
    assert trading.cancel(order) == rejected(ALICE, Code.UNKNOWN_ORDER, 0, order.order_id)


def test_only_what_was_open_is_filled_by_an_amend(trading):
    order = trading.buy(5, 100)
    trading.sell(2, 100)
    maker = trading.sell(9, 102, account=BOB)
    assert trading.amend(order, price=102) == [
        amended(order, 102, 5, filled=3, rests=0),
        *traded(2, maker, order, 3, price=102, maker_left=6),
    ]


def test_a_post_only_order_stays_post_only(trading):
    trading.sell(5, 102)
    order = trading.buy(5, 100, post_only=1)
    expected = rejected(ALICE, Code.POST_ONLY_WOULD_MATCH, GOLD, order.order_id)
    assert trading.amend(order, price=102) == expected
    assert trading.amend(order, price=101) == [amended(order, 101, 5, rests=5)]


@pytest.mark.parametrize(
    "price, quantity, code",
    [
        (-1, 0, Code.INVALID_PRICE),
        (10**15 + 1, 0, Code.INVALID_PRICE),
        (0, -1, Code.INVALID_QUANTITY),
        (0, 10**15 + 1, Code.INVALID_QUANTITY),
        (10**15, 5_000, Code.NOTIONAL_TOO_LARGE),
    ],
)
def test_an_amend_out_of_range_is_rejected_and_the_order_stays_as_it_was(trading, price, quantity, code):
    older = trading.buy(5, 100, account=ALICE)
    younger = trading.buy(5, 100, account=BOB)
    expected = rejected(ALICE, code, GOLD, older.order_id)
    assert trading.amend(older, price, quantity) == expected
    assert trading.queue(Side.BUY) == [older.order_id, younger.order_id]
    assert trading.bids() == [(100, 10, 2)]


def test_an_amend_keeps_to_tick_and_lot():
    trading = Trading(tick=5, lot=10)
    order = trading.buy(20, 100)
    assert trading.amend(order, price=101) == rejected(ALICE, Code.PRICE_NOT_ON_TICK, GOLD, order.order_id)
    assert trading.amend(order, quantity=15) == rejected(ALICE, Code.QUANTITY_NOT_ON_LOT, GOLD, order.order_id)


def test_nobody_amends_anothers_order_or_one_that_ended_or_never_was(trading):
    order = trading.buy(5, 100, account=ALICE)
    assert trading.amend(order, 101, account=BOB) == rejected(BOB, Code.UNKNOWN_ORDER, 0, order.order_id)
    trading.sell(5, 100, account=CAROL)
    assert trading.amend(order, 101) == rejected(ALICE, Code.UNKNOWN_ORDER, 0, order.order_id)
    order.order_id = 12345
    assert trading.amend(order, 101) == rejected(ALICE, Code.UNKNOWN_ORDER, 0, 12345)


def test_no_amend_while_halted_not_even_a_smaller_one(trading):
    order = trading.buy(5, 100)
    trading.set_state(InstrumentState.HALTED)
    assert trading.amend(order, quantity=3) == rejected(ALICE, Code.INSTRUMENT_HALTED, GOLD, order.order_id)


def test_while_post_only_an_amend_may_add_liquidity_and_not_take_it(trading):
    order = trading.buy(5, 100)
    trading.sell(5, 102)
    trading.set_state(InstrumentState.POST_ONLY)
    assert trading.amend(order, price=102) == rejected(ALICE, Code.INSTRUMENT_POST_ONLY, GOLD, order.order_id)
    assert trading.amend(order, price=101) == [amended(order, 101, 5, rests=5)]


def test_an_amended_order_keeps_its_id_and_its_client_order_id(trading):
    order = trading.buy(5, 100, client_order_id="mine")
    assert order.events == [accepted(order)]
    trading.amend(order, price=101)
    slot = trading.exchange.orders.find(order.order_id)
    assert trading.exchange.orders.client_order_id[slot] == "mine"
