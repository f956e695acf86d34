"""What administrators do: assets, accounts, money in and out, the kill switch, and mass cancels."""

import pytest

from engine import snapshot
from protocol.messages import (
    FEES_ACCOUNT,
    AccountBlocked,
    AccountOpened,
    AccountRateSet,
    AccountTierSet,
    AllCancelled,
    AssetDefined,
    BlockAccount,
    CancelAccount,
    CancelInstrument,
    CancelReason,
    Code,
    DefineAsset,
    Deposited,
    FeesSet,
    OpenAccount,
    SetAccountRate,
    SetAccountTier,
    SetFees,
    Side,
    Withdrawn,
)
from tests.funds import CASH, METAL, FundedTrading
from tests.trading import ADMIN, ALICE, BOB, GOLD, SILVER, accepted, cancelled, rejected


@pytest.fixture
def trading():
    return FundedTrading()


# --- assets, instruments ---------------------------------------------------------------------------------------------


def test_an_asset_is_told_to_the_venue_with_who_defined_it(trading):
    assert trading.do(DefineAsset(0, 3, 18, ADMIN, "x" * 32)) == [AssetDefined(0, 3, 18, ADMIN, "x" * 32)]


@pytest.mark.parametrize(
    "asset, scale, symbol",
    [(0, 2, "NEW"), (CASH, 2, "NEW"), (3, 2, "CASH"), (3, 19, "NEW"), (3, 2, ""), (3, 2, "x" * 33), (3, 2, "a b")],
)
def test_an_asset_out_of_range_or_taken_is_rejected(trading, asset, scale, symbol):
    assert trading.do(DefineAsset(0, asset, scale, ADMIN, symbol)) == rejected(0, Code.INVALID_ASSET, 0)


@pytest.mark.parametrize(
    "base, quote, code",
    [
        (0, CASH, Code.UNKNOWN_ASSET),
        (METAL, 0, Code.UNKNOWN_ASSET),
        (METAL, 9, Code.UNKNOWN_ASSET),
        (METAL, METAL, Code.INVALID_INSTRUMENT),
    ],
)
def test_an_instrument_trades_one_asset_for_another(trading, base, quote, code):
    assert trading.define(SILVER, "SILVER", base=base, quote=quote) == rejected(0, code, SILVER)


# --- accounts --------------------------------------------------------------------------------------------------------


def test_a_user_has_one_account_however_often_it_is_opened(trading):
    assert trading.do(OpenAccount(7, ADMIN, "seven")) == [AccountOpened(7, 1, ADMIN, "seven")]
    for number in (0, 7):
        assert trading.do(OpenAccount(number, ADMIN, "seven")) == [AccountOpened(7, 0, ADMIN, "seven")]
    assert trading.do(OpenAccount(8, ADMIN, "seven")) == rejected(8, Code.INVALID_ACCOUNT, 0)


def test_the_next_free_number_is_given_and_none_twice(trading):
    trading.do(OpenAccount(5, ADMIN, "five"))
    given = [trading.do(OpenAccount(0, ADMIN, "user-%s" % letter))[0].account for letter in "abc"]
    assert given == [4, 6, 7]


@pytest.mark.parametrize("account", [ALICE, FEES_ACCOUNT])
def test_a_number_that_is_taken_is_not_given_again(trading, account):
    assert trading.do(OpenAccount(account, ADMIN, "new")) == rejected(account, Code.INVALID_ACCOUNT, 0)


@pytest.mark.parametrize("user", ["", "x" * 65, "a b", "\x00", "é"])
def test_a_users_name_is_64_printable_ascii_characters_at_most(trading, user):
    assert trading.do(OpenAccount(0, ADMIN, "x" * 64))[0].is_new == 1
    assert trading.do(OpenAccount(0, ADMIN, user)) == rejected(0, Code.INVALID_USER, 0)


def test_an_account_that_is_not_open_trades_only_without_funds(trading):
    trading.define(SILVER, "SILVER")
    assert trading.buy(1, 100, account=99).events == rejected(99, Code.UNKNOWN_ACCOUNT)
    order = trading.buy(1, 100, account=99, instrument=SILVER)
    assert order.events == [accepted(order)]


def test_the_fees_account_does_not_trade(trading):
    assert trading.buy(1, 100, account=FEES_ACCOUNT).events == rejected(FEES_ACCOUNT, Code.INVALID_ACCOUNT)


def test_a_tier_is_told_to_the_account(trading):
    assert trading.do(SetAccountTier(ALICE, 3, ADMIN, "volume")) == [AccountTierSet(ALICE, 3, ADMIN, "volume")]
    assert trading.do(SetAccountTier(99, 3, ADMIN)) == rejected(99, Code.UNKNOWN_ACCOUNT, 0)


def test_a_rate_is_told_to_the_account_and_survives_a_snapshot(trading):
    assert trading.do(SetAccountRate(ALICE, 50, ADMIN, "bot")) == [AccountRateSet(ALICE, 50, ADMIN, "bot")]
    assert trading.do(SetAccountRate(99, 50, ADMIN)) == rejected(99, Code.UNKNOWN_ACCOUNT, 0)
    restored = snapshot.load(trading.exchange.seq, snapshot.dump(trading.exchange))
    assert restored.ledger.accounts[ALICE].commands_per_second == 50


# --- money in and out ------------------------------------------------------------------------------------------------


def test_a_deposit_replayed_is_made_once(trading):
    assert trading.deposit(ALICE, CASH, 500, "wire") == [Deposited(ALICE, CASH, 500, 10_500, 0, ADMIN, "wire")]
    before = trading.state_hash()
    assert trading.deposit(ALICE, CASH, 500, "wire") == [Deposited(ALICE, CASH, 500, 10_500, 1, ADMIN, "wire")]
    assert trading.state_hash() == before


def test_a_withdrawal_replayed_is_made_once_though_there_is_no_more(trading):
    assert trading.withdraw(ALICE, CASH, 10_000, "out") == [Withdrawn(ALICE, CASH, 10_000, 0, 0, ADMIN, "out")]
    assert trading.withdraw(ALICE, CASH, 10_000, "out") == [Withdrawn(ALICE, CASH, 10_000, 0, 1, ADMIN, "out")]


def test_a_reference_used_for_something_else_is_a_conflict(trading):
    trading.deposit(ALICE, CASH, 500, "wire")
    for account, asset, amount in ((ALICE, CASH, 501), (BOB, CASH, 500), (ALICE, METAL, 500)):
        conflict = rejected(account, Code.REFERENCE_CONFLICT, 0)
        assert trading.deposit(account, asset, amount, "wire") == conflict
    assert trading.withdraw(ALICE, CASH, 500, "wire") == rejected(ALICE, Code.REFERENCE_CONFLICT, 0)


def test_a_reference_that_was_rejected_may_be_used_again(trading):
    assert trading.withdraw(ALICE, CASH, 10_001, "out") == rejected(ALICE, Code.INSUFFICIENT_FUNDS, 0)
    assert trading.withdraw(ALICE, CASH, 10_000, "out")[0].is_duplicate == 0


def test_what_is_reserved_is_not_withdrawn(trading):
    order = trading.buy(5, 100)
    assert trading.withdraw(ALICE, CASH, 9_501) == rejected(ALICE, Code.INSUFFICIENT_FUNDS, 0)
    assert trading.withdraw(ALICE, CASH, 9_500)[0].available == 0
    trading.cancel(order)
    assert trading.withdraw(ALICE, CASH, 500)[0].available == 0


def test_of_one_asset_there_is_at_most_2_to_the_62(trading):
    left = 2**62 - 30_000
    assert trading.deposit(ALICE, CASH, left + 1) == rejected(ALICE, Code.INVALID_AMOUNT, 0)
    assert trading.deposit(ALICE, CASH, left)[0].available == left + 10_000
    assert trading.deposit(BOB, CASH, 1) == rejected(BOB, Code.INVALID_AMOUNT, 0)
    trading.withdraw(ALICE, CASH, 1)
    assert trading.deposit(BOB, CASH, 1)[0].available == 10_001


# --- fees ------------------------------------------------------------------------------------------------------------


def test_fees_are_told_to_the_venue(trading):
    assert trading.do(SetFees(0, GOLD, 2, -5, 10, ADMIN, "why")) == rejected(0, Code.INVALID_FEES)
    assert trading.do(SetFees(0, GOLD, 2, 5, 10, ADMIN, "why")) == [FeesSet(0, GOLD, 2, 5, 10, ADMIN, "why")]


@pytest.mark.parametrize("maker, taker", [(100_001, 0), (-100_001, 100_000), (0, -1), (0, 100_001), (2**63, 0)])
def test_fees_out_of_range_are_rejected(trading, maker, taker):
    assert trading.set_fees(maker, taker) == rejected(0, Code.INVALID_FEES)


# --- the kill switch, mass cancels -----------------------------------------------------------------------------------


def test_a_blocked_account_loses_its_orders_and_places_none_until_it_is_lifted(trading):
    resting = trading.buy(5, 100)
    stop = trading.stop(Side.SELL, 5, 90)
    other = trading.buy(5, 100, account=BOB)
    assert trading.do(BlockAccount(ALICE, 1, ADMIN, "odd")) == [
        cancelled(resting, 5, CancelReason.KILL_SWITCH),
        cancelled(stop, 5, CancelReason.KILL_SWITCH),
        AccountBlocked(ALICE, 1, 2, ADMIN, "odd"),
    ]
    assert trading.queue(Side.BUY) == [other.order_id]
    assert trading.buy(5, 100).events == rejected(ALICE, Code.ACCOUNT_BLOCKED)
    assert trading.do(BlockAccount(ALICE, 0, ADMIN, "fine")) == [AccountBlocked(ALICE, 0, 0, ADMIN, "fine")]
    order = trading.buy(5, 100)
    assert order.events == [accepted(order)]


@pytest.mark.parametrize("account", [0, 99, FEES_ACCOUNT])
def test_an_account_that_does_not_trade_cannot_be_blocked(trading, account):
    assert trading.do(BlockAccount(account, 1, ADMIN)) == rejected(account, Code.UNKNOWN_ACCOUNT, 0)


def test_all_orders_of_an_instrument_or_of_one_side_are_cancelled_in_order_id_order(trading):
    buy = trading.buy(5, 100)
    sell = trading.sell(5, 110, account=BOB)
    stop = trading.stop(Side.BUY, 5, 120, account=BOB)
    reason = CancelReason.ADMIN
    assert trading.do(CancelInstrument(0, GOLD, Side.BUY, ADMIN)) == [
        cancelled(buy, 5, reason),
        cancelled(stop, 5, reason),
        AllCancelled(0, GOLD, 2),
    ]
    assert trading.do(CancelInstrument(0, GOLD, 0, ADMIN)) == [cancelled(sell, 5, reason), AllCancelled(0, GOLD, 1)]


def test_a_mass_cancel_is_of_an_instrument_and_side_that_there_are(trading):
    assert trading.do(CancelInstrument(0, SILVER, 0, ADMIN)) == rejected(0, Code.UNKNOWN_INSTRUMENT, SILVER)
    assert trading.do(CancelInstrument(0, GOLD, 3, ADMIN)) == rejected(0, Code.INVALID_SIDE)


def test_an_account_s_orders_are_cancelled_in_order_id_order_and_it_goes_on(trading):
    buy = trading.buy(5, 100)
    sell = trading.sell(5, 110)
    trading.buy(5, 99, account=BOB)
    reason = CancelReason.ADMIN
    assert trading.do(CancelAccount(ALICE, GOLD, Side.SELL, ADMIN)) == [
        cancelled(sell, 5, reason),
        AllCancelled(ALICE, GOLD, 1),
    ]
    later = trading.buy(1, 98)
    assert trading.do(CancelAccount(ALICE, 0, 0, ADMIN)) == [
        cancelled(buy, 5, reason),
        cancelled(later, 1, reason),
        AllCancelled(ALICE, 0, 2),
    ]


@pytest.mark.parametrize(
    "command, code",
    [
        (CancelAccount(0, 0, 0, ADMIN), Code.INVALID_ACCOUNT),
        (CancelAccount(ALICE, SILVER, 0, ADMIN), Code.UNKNOWN_INSTRUMENT),
        (CancelAccount(ALICE, 0, 3, ADMIN), Code.INVALID_SIDE),
    ],
)
def test_a_mass_cancel_of_an_account_names_what_there_is(trading, command, code):
    assert trading.do(command) == rejected(command.account, code, command.instrument)
