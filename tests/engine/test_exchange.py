"""Orders placed: who trades with whom, at which price, and what becomes of the rest."""

import pytest

from engine.exchange import Exchange
from protocol.messages import CancelReason, Code, OrderType, Side, Tick, TimeInForce
from tests.trading import ALICE, BOB, CAROL, SILVER, Trading, accepted, cancelled, rejected, traded


def test_an_order_that_meets_nothing_rests():
    trading = Trading()
    order = trading.buy(5, 100, client_order_id="mine")
    assert order.events == [accepted(order)]
    assert trading.bids() == [(100, 5, 1)] and trading.asks() == []


def test_orders_that_do_not_cross_rest_on_both_sides():
    trading = Trading()
    trading.buy(5, 100)
    trading.sell(7, 101)
    assert trading.bids() == [(100, 5, 1)] and trading.asks() == [(101, 7, 1)]


def test_the_better_price_is_filled_first():
    trading = Trading()
    worse = trading.sell(5, 102, account=ALICE)
    better = trading.sell(5, 101, account=BOB)
    taker = trading.buy(8, 102, account=CAROL)
    assert taker.events == [
        accepted(taker, filled=8),
        *traded(1, better, taker, 5, price=101, taker_left=3),
        *traded(2, worse, taker, 3, price=102, maker_left=2),
    ]


def test_at_one_price_the_older_order_is_filled_first():
    trading = Trading()
    older = trading.buy(5, 100, account=ALICE)
    younger = trading.buy(5, 100, account=BOB)
    taker = trading.sell(8, 100, account=CAROL)
    assert taker.events == [
        accepted(taker, filled=8),
        *traded(1, older, taker, 5, price=100, taker_left=3),
        *traded(2, younger, taker, 3, price=100, maker_left=2),
    ]


def test_a_partial_fill_keeps_its_place():
    trading = Trading()
    older = trading.buy(5, 100, account=ALICE)
    younger = trading.buy(5, 100, account=BOB)
    trading.sell(2, 100, account=CAROL)
    assert trading.queue(Side.BUY) == [older.order_id, younger.order_id]
    taker = trading.sell(3, 100, account=CAROL)
    assert taker.events == [accepted(taker, filled=3), *traded(2, older, taker, 3, price=100)]


def test_a_trade_is_at_the_makers_price():
    trading = Trading()
    buyer = trading.buy(5, 105)
    seller = trading.sell(5, 90)
    assert seller.events == [accepted(seller, filled=5), *traded(1, buyer, seller, 5, price=105)]


def test_what_a_limit_order_cannot_fill_rests_at_its_limit():
    trading = Trading()
    maker = trading.sell(5, 101)
    taker = trading.buy(8, 103)
    assert taker.events == [accepted(taker, filled=5), *traded(1, maker, taker, 5, price=101, taker_left=3)]
    assert trading.bids() == [(103, 3, 1)] and trading.asks() == []


def test_an_order_stops_at_its_limit():
    trading = Trading()
    near = trading.sell(5, 101)
    trading.sell(5, 103)
    taker = trading.buy(10, 102)
    assert taker.events == [accepted(taker, filled=5), *traded(1, near, taker, 5, price=101, taker_left=5)]
    assert trading.bids() == [(102, 5, 1)] and trading.asks() == [(103, 5, 1)]


def test_an_account_that_asks_for_it_trades_with_itself_like_with_anybody():
    trading = Trading()
    maker = trading.sell(5, 101, account=ALICE)
    taker = trading.buy(5, 101, account=ALICE)
    assert taker.events == [accepted(taker, filled=5), *traded(1, maker, taker, 5, price=101)]


# --- immediate-or-cancel, fill-or-kill -------------------------------------------------------------------------------


def test_the_rest_of_an_immediate_or_cancel_order_is_cancelled():
    trading = Trading()
    maker = trading.sell(5, 101)
    taker = trading.buy(8, 102, time_in_force=TimeInForce.IOC)
    assert taker.events == [
        accepted(taker, filled=5, rests=0),
        *traded(1, maker, taker, 5, price=101, taker_left=3),
        cancelled(taker, 3, CancelReason.IOC_REMAINDER),
    ]
    assert trading.bids() == [] and trading.asks() == []


def test_an_immediate_or_cancel_order_that_meets_nothing_is_cancelled_whole():
    trading = Trading()
    taker = trading.buy(8, 102, time_in_force=TimeInForce.IOC)
    assert taker.events == [accepted(taker, rests=0), cancelled(taker, 8, CancelReason.IOC_REMAINDER)]


def test_a_fill_or_kill_order_fills_whole_across_levels():
    trading = Trading()
    first = trading.sell(5, 101)
    second = trading.sell(5, 102)
    taker = trading.buy(10, 102, time_in_force=TimeInForce.FOK)
    assert taker.events == [
        accepted(taker, filled=10),
        *traded(1, first, taker, 5, price=101, taker_left=5),
        *traded(2, second, taker, 5, price=102),
    ]


def test_a_fill_or_kill_order_one_short_is_rejected_and_nothing_trades():
    trading = Trading()
    trading.sell(5, 101)
    trading.sell(5, 102)
    trading.sell(5, 103)
    taker = trading.buy(11, 102, time_in_force=TimeInForce.FOK)
    assert taker.events == rejected(ALICE, Code.FOK_UNFILLABLE)
    assert trading.asks() == [(101, 5, 1), (102, 5, 1), (103, 5, 1)]


def test_a_fill_or_kill_market_order_counts_only_what_is_within_the_collar():
    trading = Trading(collar_bps=100)
    trading.sell(5, 100)
    trading.sell(5, 102)
    taker = trading.buy(6, time_in_force=TimeInForce.FOK)
    assert taker.events == rejected(ALICE, Code.FOK_UNFILLABLE)


# --- market ----------------------------------------------------------------------------------------------------------


def test_a_market_order_takes_the_best_prices():
    trading = Trading()
    first = trading.sell(5, 101)
    second = trading.sell(5, 102)
    taker = trading.buy(7)
    assert taker.events == [
        accepted(taker, filled=7),
        *traded(1, first, taker, 5, price=101, taker_left=2),
        *traded(2, second, taker, 2, price=102, maker_left=3),
    ]


def test_the_rest_of_a_market_order_is_cancelled_when_the_side_runs_out():
    trading = Trading()
    maker = trading.sell(5, 101)
    taker = trading.buy(7)
    assert taker.events == [
        accepted(taker, filled=5, rests=0),
        *traded(1, maker, taker, 5, price=101, taker_left=2),
        cancelled(taker, 2, CancelReason.MARKET_NO_LIQUIDITY),
    ]


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_market_order_on_an_empty_side_is_rejected(side):
    trading = Trading()
    trading.place(side, 5, 100)  # on its own side, which does not help it
    assert trading.place(side, 5, None).events == rejected(ALICE, Code.NO_LIQUIDITY)


@pytest.mark.parametrize(
    "side, best, collar_bps, last_price_within",
    [
        (Side.BUY, 1_000, 100, 1_010),
        (Side.BUY, 999, 100, 1_008),  # 1008.99: rounded down, towards the best price
        (Side.BUY, 99, 100, 99),  # 99.99
        (Side.BUY, 10_000, 1, 10_001),
        (Side.BUY, 100, 10_000, 200),
        (Side.BUY, 10**15 - 10**12, 10, 10**15 - 10**9),
        (Side.BUY, 100, 0, 100),
        (Side.SELL, 1_000, 100, 990),
        (Side.SELL, 999, 100, 990),  # 989.01: rounded up, towards the best price
        (Side.SELL, 101, 100, 100),  # 99.99
        (Side.SELL, 10_000, 1, 9_999),
        (Side.SELL, 100, 10_000, 1),  # all the way down
        (Side.SELL, 10**15, 10, 10**15 - 10**12),
        (Side.SELL, 100, 0, 100),
    ],
)
def test_a_market_order_reaches_to_the_collar_and_not_one_unit_further(side, best, collar_bps, last_price_within):
    outwards = 1 if side == Side.BUY else -1
    maker_side = Side.BUY + Side.SELL - side
    trading = Trading(collar_bps=collar_bps)
    makers = [trading.place(maker_side, 1, best)]
    if last_price_within != best:
        makers.append(trading.place(maker_side, 1, last_price_within))
    beyond = last_price_within + outwards
    if beyond > 0:
        trading.place(maker_side, 1, beyond)
    taker = trading.place(side, 3, None)
    filled = len(makers)
    reason = CancelReason.MARKET_COLLAR if beyond > 0 else CancelReason.MARKET_NO_LIQUIDITY
    expected = [accepted(taker, filled=filled, rests=0)]
    for count, maker in enumerate(makers, start=1):
        expected += traded(count, maker, taker, 1, price=maker.command.price, taker_left=3 - count)
    assert taker.events == [*expected, cancelled(taker, 3 - filled, reason)]


def test_a_market_order_has_no_price_and_does_not_rest():
    trading = Trading()
    trading.sell(5, 101)
    market = {"order_type": OrderType.MARKET}
    assert trading.buy(5, 101, **market, time_in_force=TimeInForce.IOC).events == rejected(ALICE, Code.INVALID_PRICE)
    assert trading.buy(5, time_in_force=TimeInForce.GTC).events == rejected(ALICE, Code.MARKET_NEEDS_IMMEDIATE)


# --- post-only -------------------------------------------------------------------------------------------------------


def test_a_post_only_order_that_would_match_is_rejected():
    trading = Trading()
    trading.sell(5, 101)
    assert trading.buy(5, 101, post_only=1).events == rejected(ALICE, Code.POST_ONLY_WOULD_MATCH)


def test_a_post_only_order_that_would_not_match_rests_and_may_be_taken():
    trading = Trading()
    trading.sell(5, 101)
    maker = trading.buy(5, 100, post_only=1)
    assert maker.events == [accepted(maker)]
    taker = trading.sell(5, 100)
    assert taker.events == [accepted(taker, filled=5), *traded(1, maker, taker, 5, price=100)]


@pytest.mark.parametrize("time_in_force", [TimeInForce.IOC, TimeInForce.FOK])
@pytest.mark.parametrize("price", [100, None])
def test_post_only_and_immediate_exclude_each_other(time_in_force, price):
    trading = Trading()
    trading.sell(5, 101)
    order = trading.buy(5, price, post_only=1, time_in_force=time_in_force)
    assert order.events == rejected(ALICE, Code.POST_ONLY_INVALID)


# --- words and numbers out of range ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields, code",
    [
        ({"side": 0}, Code.INVALID_SIDE),
        ({"side": 3}, Code.INVALID_SIDE),
        ({"order_type": 0}, Code.INVALID_ORDER_TYPE),
        ({"order_type": 127}, Code.INVALID_ORDER_TYPE),
        ({"self_trade_prevention": 0}, Code.INVALID_SELF_TRADE_PREVENTION),
        ({"self_trade_prevention": 6}, Code.INVALID_SELF_TRADE_PREVENTION),
        ({"post_only": 2}, Code.POST_ONLY_INVALID),
        ({"time_in_force": 0}, Code.INVALID_TIME_IN_FORCE),
        ({"time_in_force": 127}, Code.INVALID_TIME_IN_FORCE),
        ({"price": 0}, Code.INVALID_PRICE),
        ({"price": -1}, Code.INVALID_PRICE),
        ({"price": 10**15 + 1}, Code.INVALID_PRICE),
        ({"quantity": 0}, Code.INVALID_QUANTITY),
        ({"quantity": -1}, Code.INVALID_QUANTITY),
        ({"quantity": 10**15 + 1}, Code.INVALID_QUANTITY),
        ({"account": 0}, Code.INVALID_ACCOUNT),
        ({"instrument": SILVER}, Code.UNKNOWN_INSTRUMENT),
    ],
)
def test_an_order_with_a_field_out_of_range_is_rejected(fields, code):
    trading = Trading()
    order = trading.place(**{"side": Side.BUY, "quantity": 1, "price": 1, "client_order_id": "mine", **fields})
    instrument, account = order.command.instrument, order.command.account
    assert order.events == rejected(account, code, instrument, client_order_id="mine")


@pytest.mark.parametrize("text", ["x" * 37, "a b", "\n", "é"])
def test_a_client_order_id_is_36_printable_ascii_characters_at_most(text):
    trading = Trading()
    longest = trading.buy(1, 100, client_order_id="x" * 36)
    assert longest.events == [accepted(longest)]
    order = trading.buy(1, 100, client_order_id=text)
    assert order.events == rejected(ALICE, Code.INVALID_CLIENT_ORDER_ID, client_order_id=text)


# --- independence ----------------------------------------------------------------------------------------------------


def test_instruments_do_not_match_with_one_another_and_share_ids_and_trade_numbers():
    trading = Trading()
    trading.define(SILVER, "SILVER")
    gold = trading.sell(5, 100)
    silver = trading.sell(5, 100, instrument=SILVER)
    first = trading.buy(5, 100, instrument=SILVER)
    second = trading.buy(5, 100)
    assert first.events == [accepted(first, filled=5), *traded(1, silver, first, 5, price=100)]
    assert second.events == [accepted(second, filled=5), *traded(2, gold, second, 5, price=100)]
    ids = [order.order_id for order in (gold, silver, first, second)]
    assert ids == sorted(ids) and len(set(ids)) == 4


def test_a_tick_changes_nothing():
    exchange = Exchange()
    assert exchange.apply(1, 0, Tick(0)) == []


def test_commands_are_counted_without_a_gap():
    exchange = Exchange()
    exchange.apply(1, 0, Tick(0))
    with pytest.raises(AssertionError):
        exchange.apply(3, 0, Tick(0))
