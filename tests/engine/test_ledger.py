"""Money: what orders reserve, what trades move, what fees come to, and that nothing is lost or made."""

import pytest

from protocol.messages import (
    FEES_ACCOUNT,
    BlockAccount,
    CancelAccount,
    CancelAll,
    CancelInstrument,
    CancelReason,
    Code,
    SelfTradePrevention,
    SetAccountTier,
    Side,
    TimeInForce,
)
from tests.funds import CASH, METAL, FundedTrading
from tests.trading import ADMIN, ALICE, BOB, CAROL, GOLD, SILVER, accepted, amended, cancelled, rejected, traded


@pytest.fixture
def trading():
    return FundedTrading()


def test_a_buy_reserves_what_it_may_cost_and_a_sell_what_it_gives(trading):
    trading.buy(5, 100, account=ALICE)
    trading.sell(7, 101, account=BOB)
    assert trading.cash(ALICE) == (9_500, 500) and trading.metal(ALICE) == (100, 0)
    assert trading.metal(BOB) == (93, 7) and trading.cash(BOB) == (10_000, 0)


def test_a_trade_moves_both_sides_at_the_makers_price_and_frees_the_rest(trading):
    trading.sell(5, 90, account=BOB)
    trading.buy(5, 100, account=ALICE)
    assert trading.cash(ALICE) == (9_550, 0) and trading.metal(ALICE) == (105, 0)
    assert trading.cash(BOB) == (10_450, 0) and trading.metal(BOB) == (95, 0)


def test_an_order_is_for_all_there_is_and_not_one_unit_more(trading):
    assert trading.buy(100, 101).events == rejected(ALICE, Code.INSUFFICIENT_FUNDS)
    assert trading.sell(101, 100).events == rejected(ALICE, Code.INSUFFICIENT_FUNDS)
    buy, sell = trading.buy(100, 100), trading.sell(100, 101)
    assert buy.events == [accepted(buy)] and sell.events == [accepted(sell)]
    assert trading.cash(ALICE) == (0, 10_000) and trading.metal(ALICE) == (0, 100)


def test_the_reserve_covers_the_larger_of_both_fees():
    trading = FundedTrading()
    trading.set_fees(5_000, 10_000)
    assert trading.buy(100, 100).events == rejected(ALICE, Code.INSUFFICIENT_FUNDS)
    trading.buy(99, 100)
    assert trading.cash(ALICE) == (1, 9_999)


def test_a_market_buy_affords_the_walk_it_is_about_to_make(trading):
    first, second = trading.sell(50, 100, account=BOB), trading.sell(50, 110, account=BOB)
    assert trading.buy(96).events == rejected(ALICE, Code.INSUFFICIENT_FUNDS)  # 5,000 and 5,060
    order = trading.buy(95)
    fills = traded(1, first, order, 50, 100, taker_left=45) + traded(2, second, order, 45, 110, maker_left=5)
    assert order.events == [accepted(order, filled=95), *fills]
    assert trading.cash(ALICE) == (50, 0)


def test_a_market_order_by_amount_buys_whole_lots_that_it_pays_for():
    trading = FundedTrading(lot=2)
    trading.sell(4, 100, account=BOB)
    trading.sell(4, 105, account=BOB)
    order = trading.buy(0, quote_quantity=819)
    assert order.events[0] == accepted(order, filled=6, quantity=6)
    assert trading.cash(ALICE) == (10_000 - 610, 0)
    assert trading.buy(0, quote_quantity=209).events == rejected(ALICE, Code.QUOTE_QUANTITY_TOO_SMALL)


# --- fees ------------------------------------------------------------------------------------------------------------


def test_maker_and_taker_pay_their_rate_rounded_up_to_the_venue(trading):
    trading.set_fees(1_000, 2_000)
    maker = trading.sell(5, 101, account=BOB)
    taker = trading.buy(5, 101)
    assert taker.events[1:] == traded(1, maker, taker, 5, 101, fees=(1, 2))  # 0.505 and 1.01
    assert trading.fees() == 3
    assert trading.cash(ALICE) == (10_000 - 505 - 2, 0) and trading.cash(BOB) == (10_000 + 505 - 1, 0)


def test_an_order_in_many_fills_is_rounded_up_once(trading):
    trading.set_fees(1_000, 1_000)
    maker = trading.sell(30, 100, account=BOB)
    fees = []
    for _ in range(30):
        events = trading.buy(1, 100, account=ALICE).events
        fees.append((events[1].fee, events[2].fee))
    assert [maker_fee for maker_fee, _ in fees] == [1] + [0] * 9 + [1] + [0] * 9 + [1] + [0] * 9  # 3 in all, of 3,000
    assert [taker_fee for _, taker_fee in fees] == [1] * 30  # each is an order of its own
    assert trading.cash(BOB) == (10_000 + 3_000 - 3, 0) and maker.order_id


def test_a_rebate_is_paid_by_the_taker_and_rounded_in_the_venues_favour(trading):
    trading.set_fees(-1_000, 3_000)
    trading.sell(15, 100, account=BOB)
    first = trading.buy(5, 100).events
    second = trading.buy(10, 100).events
    assert [event.fee for event in first[1:]] == [0, 2]  # -0.5 and 1.5
    assert [event.fee for event in second[1:]] == [-1, 3]  # -1.5 in all
    assert trading.fees() == 4


def test_rates_are_of_when_the_order_was_placed_and_of_its_accounts_tier(trading):
    trading.set_fees(10_000, 10_000)
    trading.set_fees(20_000, 20_000, tier=2)
    trading.sell(1, 100, account=BOB)
    trading.do(SetAccountTier(BOB, 2, ADMIN))
    trading.sell(1, 100, account=BOB)
    trading.set_fees(0, 0)
    trading.do(SetAccountTier(CAROL, 7, ADMIN))  # a tier without rates: those of tier 0
    events = trading.buy(2, 100, account=CAROL).events
    assert [event.fee for event in events[1:]] == [1, 0, 2, 0]


def test_no_rebate_is_promised_that_a_taker_does_not_cover(trading):
    def set_fees(maker_ppm, taker_ppm, tier=0):
        return trading.set_fees(maker_ppm, taker_ppm, tier)

    invalid = rejected(0, Code.INVALID_FEES)
    assert set_fees(-101, 100) == invalid
    assert set_fees(-1, 0, tier=1) == invalid  # tier 0 takes for nothing
    assert set_fees(0, 100)[0].taker_ppm == set_fees(-100, 100, tier=1)[0].taker_ppm == 100
    assert set_fees(0, 99) == set_fees(0, 99, tier=2) == invalid


def test_an_open_order_that_takes_for_less_than_a_rebate_stands_against_it(trading):
    """It keeps its rates: amended, or elected, it would take from makers who are promised more than it pays."""
    order = trading.buy(5, 90)  # placed when nothing was charged
    assert trading.set_fees(-1_000, 1_000) == rejected(0, Code.INVALID_FEES)
    trading.cancel(order)
    assert trading.set_fees(-1_000, 1_000)[0].maker_ppm == -1_000
    promised = trading.sell(5, 100, account=BOB)
    assert trading.set_fees(0, 999) == rejected(0, Code.INVALID_FEES)
    trading.cancel(promised)
    assert trading.set_fees(0, 999)[0].taker_ppm == 999


def test_the_venue_withdraws_its_fees_save_what_rounding_may_have_to_give_back(trading):
    trading.set_fees(0, 1_000)
    trading.set_fees(-1_000, 1_000)
    trading.sell(15, 100, account=BOB)
    trading.buy(5, 100)  # the taker paid 1 of 0.5, the maker had nothing of 0.5 yet
    assert trading.fees() == 1
    assert trading.withdraw(FEES_ACCOUNT, CASH, 1) == rejected(FEES_ACCOUNT, Code.INSUFFICIENT_FUNDS, 0)
    trading.buy(10, 100)  # 1 from the taker, 1 of the 1.5 in all to the maker
    assert trading.withdraw(FEES_ACCOUNT, CASH, 1)[0].available == 0


# --- scales ----------------------------------------------------------------------------------------------------------


def test_a_ledger_finer_than_the_instrument_counts_in_its_own_units():
    trading = FundedTrading(cash=10**9, metal=10**6, metal_scale=4, cash_scale=6, price_scale=2, quantity_scale=1)
    trading.set_fees(0, 1)
    trading.sell(5, 100, account=BOB)  # 0.5 for 1.00 each
    trading.buy(5, 100)
    assert trading.metal(ALICE) == (10**6 + 5_000, 0)
    assert trading.cash(ALICE) == (10**9 - 500_001, 0) and trading.fees() == 1


@pytest.mark.parametrize("price_scale, quantity_scale", [(0, 1), (1, 0), (0, 2)])
def test_an_instrument_is_not_finer_than_its_ledger(trading, price_scale, quantity_scale):
    scales = {"price_scale": price_scale, "quantity_scale": quantity_scale}
    defined = trading.define(SILVER, "SILVER", base=METAL, quote=CASH, **scales)
    assert defined == rejected(0, Code.INVALID_INSTRUMENT, SILVER)


# --- amends, ends of life --------------------------------------------------------------------------------------------


def test_an_amend_reserves_more_or_less(trading):
    order = trading.buy(5, 100)
    trading.amend(order, price=120)
    assert trading.cash(ALICE) == (9_400, 600)
    trading.amend(order, quantity=3)
    assert trading.cash(ALICE) == (9_640, 360)


def test_an_amend_that_lacks_funds_leaves_the_original(trading):
    first, order = trading.buy(50, 90), trading.buy(50, 90)
    lacking = rejected(ALICE, Code.INSUFFICIENT_FUNDS, GOLD, first.order_id)
    assert trading.amend(first, quantity=62) == trading.amend(first, price=111) == lacking
    assert trading.queue(Side.BUY) == [first.order_id, order.order_id]
    assert trading.amend(first, price=110) == [amended(first, 110, 50, rests=50)]
    assert trading.cash(ALICE) == (0, 10_000)


ENDS = {
    "cancel": lambda trading, order: trading.cancel(order),
    "cancel all": lambda trading, order: trading.do(CancelAll(ALICE)),
    "cancel instrument": lambda trading, order: trading.do(CancelInstrument(0, GOLD, 0, ADMIN)),
    "cancel account": lambda trading, order: trading.do(CancelAccount(ALICE, 0, 0, ADMIN)),
    "kill switch": lambda trading, order: trading.do(BlockAccount(ALICE, 1, ADMIN)),
    "expired": lambda trading, order: trading.tick(1_000),
    "self-trade": lambda trading, order: trading.sell(3, 100, self_trade_prevention=SelfTradePrevention.CANCEL_BOTH),
    "filled": lambda trading, order: trading.sell(3, 100, account=BOB),
}


@pytest.mark.parametrize("how", ENDS)
def test_every_end_of_life_frees_what_was_reserved(trading, how):
    trading.set_fees(1_111, 3_333)
    date = {"time_in_force": TimeInForce.GTD, "expire_time_ns": 1_000}
    order = trading.buy(5, 100, **date)
    trading.sell(2, 100, account=BOB)
    assert trading.cash(ALICE)[1] == 301  # 300 to pay, and fees of 1.2221 at the most, 1 of it charged
    ENDS[how](trading, order)
    assert trading.cash(ALICE)[1] == trading.metal(ALICE)[1] == 0
    assert sum(sum(trading.cash(account)) for account in (ALICE, BOB, CAROL)) + trading.fees() == 30_000


@pytest.mark.parametrize("time_in_force, price", [(TimeInForce.IOC, 100), (TimeInForce.IOC, None)])
def test_the_rest_of_an_immediate_order_is_free_at_once(trading, time_in_force, price):
    trading.sell(2, 100, account=BOB)
    order = trading.buy(5, price, time_in_force=time_in_force)
    reason = CancelReason.IOC_REMAINDER if price else CancelReason.MARKET_NO_LIQUIDITY
    assert order.events[-1] == cancelled(order, 3, reason)
    assert trading.cash(ALICE) == (9_800, 0)


def test_check_sees_money_that_came_from_nowhere_and_reserves_no_order_needs(trading):
    asset = trading.exchange.ledger.assets[CASH]
    asset.available[1] += 1
    with pytest.raises(AssertionError, match="zero-sum"):
        trading.exchange.check()
    asset.available[1] -= 2
    asset.reserved[1] += 1
    with pytest.raises(AssertionError, match="reserved is not what open orders need"):
        trading.exchange.check()
