"""Limits of instruments and of accounts: each lets in what is at the limit and not one unit more."""

import pytest

from engine.exchange import DAY_NS
from protocol.messages import AccountLimitsSet, Code, InstrumentLimitsSet, Side, TimeInForce
from tests.funds import CASH, FundedTrading
from tests.trading import ADMIN, ALICE, BOB, GOLD, SILVER, accepted, amended, rejected


@pytest.fixture
def trading():
    return FundedTrading(cash=1_000_000, metal=10_000)


def is_taken(order):
    return order.events[0] == accepted(order)


# --- of the instrument -----------------------------------------------------------------------------------------------


def test_instrument_limits_are_told_to_the_venue(trading):
    assert trading.limit_instrument(5, 10, 600, 500) == [InstrumentLimitsSet(0, GOLD, 5, 10, 600, 500, ADMIN, "")]


def test_quantities_lie_between_minimum_and_maximum(trading):
    trading.limit_instrument(quantity_min=5, quantity_max=10)
    assert trading.buy(4, 100).events == rejected(ALICE, Code.QUANTITY_BELOW_MINIMUM)
    assert trading.buy(11, 100).events == rejected(ALICE, Code.QUANTITY_ABOVE_MAXIMUM)
    assert is_taken(trading.buy(5, 100)) and is_taken(trading.buy(10, 100))


def test_a_notional_is_not_too_small_be_it_of_a_market_order(trading):
    trading.limit_instrument(notional_min=500)
    assert trading.buy(4, 124).events == rejected(ALICE, Code.NOTIONAL_BELOW_MINIMUM)
    assert is_taken(trading.sell(5, 100, account=BOB))
    assert trading.buy(4).events == rejected(ALICE, Code.NOTIONAL_BELOW_MINIMUM)
    assert trading.buy(5).events[0].filled_quantity == 5


def test_prices_stay_in_the_band_around_the_last_trade(trading):
    trading.limit_instrument(band_bps=500)
    assert is_taken(trading.buy(1, 1))  # no trade yet: no band
    trading.sell(1, 1_000, account=BOB)
    trading.buy(1, 1_000)
    assert trading.buy(1, 949).events == rejected(ALICE, Code.PRICE_OUTSIDE_BAND)
    assert trading.sell(1, 1_051).events == rejected(ALICE, Code.PRICE_OUTSIDE_BAND)
    assert is_taken(trading.buy(1, 950)) and is_taken(trading.sell(1, 1_050))


def test_an_amend_keeps_to_the_limits_save_one_that_only_makes_the_order_smaller(trading):
    order = trading.buy(10, 100)
    trading.limit_instrument(quantity_min=5, quantity_max=12)
    above = rejected(ALICE, Code.QUANTITY_ABOVE_MAXIMUM, GOLD, order.order_id)
    assert trading.amend(order, quantity=13) == above
    assert trading.amend(order, quantity=4) == [amended(order, 100, 4, rests=4, kept_priority=1)]
    below = rejected(ALICE, Code.QUANTITY_BELOW_MINIMUM, GOLD, order.order_id)
    assert trading.amend(order, price=101) == below


def test_limits_can_be_lifted(trading):
    trading.limit_instrument(5, 10, 600, 500)
    trading.limit_instrument()
    assert is_taken(trading.buy(1, 1))


@pytest.mark.parametrize(
    "limits",
    [
        {"quantity_min": -1},
        {"quantity_min": 10**15 + 1},
        {"quantity_max": -1},
        {"quantity_max": 10**15 + 1},
        {"quantity_min": 6, "quantity_max": 5},
        {"notional_min": -1},
        {"notional_min": 2**62 + 1},
        {"band_bps": 10_001},
    ],
)
def test_instrument_limits_out_of_range_are_rejected(trading, limits):
    assert trading.limit_instrument(**limits) == rejected(0, Code.INVALID_LIMITS)


# --- of the account --------------------------------------------------------------------------------------------------


def test_account_limits_are_told_to_the_account(trading):
    assert trading.limit_account(ALICE, 1, 2, 3, 4) == [AccountLimitsSet(ALICE, CASH, 1, 2, 3, 4, ADMIN, "")]


def test_an_orders_notional_is_limited(trading):
    trading.limit_account(ALICE, order=500)
    for order in (trading.buy(6, 100), trading.sell(5, 101), trading.stop(Side.BUY, 5, 101)):
        assert order.events == rejected(ALICE, Code.ORDER_NOTIONAL_LIMIT)
    assert is_taken(trading.buy(5, 100)) and is_taken(trading.buy(6, 100, account=BOB))


def test_an_order_does_not_grow_past_the_limit_by_an_amend(trading):
    order = trading.buy(5, 100)
    trading.limit_account(ALICE, order=550)
    refused = rejected(ALICE, Code.ORDER_NOTIONAL_LIMIT, GOLD, order.order_id)
    assert trading.amend(order, quantity=6) == trading.amend(order, price=111) == refused
    assert trading.amend(order, price=110) == [amended(order, 110, 5, rests=5)]


def test_what_an_account_trades_in_a_day_is_limited_and_counted_on_both_sides(trading):
    trading.limit_account(ALICE, daily=1_000)
    trading.limit_account(BOB, daily=1_000)
    trading.sell(6, 100, account=BOB)
    trading.buy(6, 100)
    for account in (ALICE, BOB):
        order = trading.buy(5, 100, account=account)
        assert order.events == rejected(account, Code.DAILY_NOTIONAL_LIMIT)
    assert is_taken(trading.buy(4, 100))
    trading.now_ns = DAY_NS - 1
    assert trading.buy(5, 100).events == rejected(ALICE, Code.DAILY_NOTIONAL_LIMIT)
    trading.now_ns = DAY_NS
    assert is_taken(trading.buy(2, 100))  # and 4 of yesterday: together 6
    trading.sell(6, 100, account=BOB)
    assert trading.buy(5, 100).events == rejected(ALICE, Code.DAILY_NOTIONAL_LIMIT)
    assert is_taken(trading.buy(4, 100))


def test_a_large_order_needs_a_second_factor(trading):
    trading.limit_account(ALICE, second_factor=500)
    small, large = trading.buy(5, 100), trading.buy(6, 100, second_factor=1)
    assert is_taken(small) and is_taken(large)
    assert trading.buy(6, 100).events == rejected(ALICE, Code.SECOND_FACTOR_REQUIRED)
    refused = rejected(ALICE, Code.SECOND_FACTOR_REQUIRED, GOLD, small.order_id)
    assert trading.amend(small, quantity=6) == refused


def test_open_orders_are_limited_over_all_instruments_and_stop_orders_count(trading):
    trading.define(SILVER, "SILVER")
    trading.limit_account(ALICE, open_orders=2)
    first = trading.buy(1, 100)
    trading.stop(Side.BUY, 1, 100, instrument=SILVER)
    assert trading.buy(1, 100).events == rejected(ALICE, Code.OPEN_ORDERS_LIMIT)
    immediate = trading.sell(1, 100, instrument=SILVER, time_in_force=TimeInForce.IOC)
    assert immediate.events == rejected(ALICE, Code.OPEN_ORDERS_LIMIT, SILVER)
    trading.cancel(first)
    assert is_taken(trading.buy(1, 100))


@pytest.mark.parametrize("name", ["order", "daily", "second_factor"])
@pytest.mark.parametrize("value", [-1, 2**62 + 1, 2**63, -(2**63)])
def test_account_limits_out_of_range_are_rejected(trading, name, value):
    assert trading.limit_account(ALICE, **{name: value}) == rejected(ALICE, Code.INVALID_LIMITS, 0)


def test_limits_are_for_accounts_and_assets_that_there_are(trading):
    assert trading.limit_account(99) == rejected(99, Code.UNKNOWN_ACCOUNT, 0)
    assert trading.limit_account(ALICE, asset=99) == rejected(ALICE, Code.UNKNOWN_ASSET, 0)
