"""Orders cancelled, one or all of an account's."""

import pytest

from engine.queries import answer
from protocol.messages import (
    INSTRUMENT_STATES,
    AllCancelled,
    CancelReason,
    Code,
    OpenAccount,
    OrderCancelled,
    QueryAccount,
    Side,
)
from tests.trading import ALICE, BOB, GOLD, SILVER, Trading, cancelled, rejected


@pytest.fixture
def trading():
    trading = Trading()
    trading.define(SILVER, "SILVER")
    return trading


def test_a_cancelled_order_is_gone(trading):
    order = trading.buy(5, 100)
    assert trading.cancel(order) == [cancelled(order, 5)]
    assert trading.bids() == []
    assert trading.cancel(order) == rejected(ALICE, Code.UNKNOWN_ORDER, 0, order.order_id)


def test_a_cancel_tells_what_was_left(trading):
    order = trading.buy(5, 100)
    trading.sell(2, 100)
    assert trading.cancel(order) == [cancelled(order, 3)]


def test_the_queue_closes_up_behind_a_cancelled_order(trading):
    orders = [trading.buy(5, 100) for _ in range(5)]
    for gone in (orders[2], orders[0], orders[4]):
        trading.cancel(gone)
    assert trading.queue(Side.BUY) == [orders[1].order_id, orders[3].order_id]


@pytest.mark.parametrize("account", [BOB, 0])
def test_nobody_cancels_anothers_order(trading, account):
    order = trading.buy(5, 100, account=ALICE)
    assert trading.cancel(order, account=account) == rejected(account, Code.UNKNOWN_ORDER, 0, order.order_id)


@pytest.mark.parametrize("order_id", [0, -1, 1, 1 << 22, (2 << 22) | 1, 1 << 62, -(2**63), 2**63 - 1])
def test_an_order_that_never_was_cannot_be_cancelled(trading, order_id):
    order = trading.buy(5, 100)
    order.order_id = order_id
    assert trading.cancel(order) == rejected(ALICE, Code.UNKNOWN_ORDER, 0, order_id)


def test_an_order_that_took_the_place_in_memory_of_another_does_not_answer_to_its_id(trading):
    first = trading.buy(5, 100)
    trading.cancel(first)
    second = trading.buy(5, 100)
    assert first.order_id & 0x3FFFFF == second.order_id & 0x3FFFFF
    assert trading.cancel(first) == rejected(ALICE, Code.UNKNOWN_ORDER, 0, first.order_id)
    assert trading.cancel(second) == [cancelled(second, 5)]


def test_cancel_all_ends_the_accounts_orders_in_order_id_order(trading):
    first = trading.sell(5, 110, account=ALICE)
    others = trading.sell(5, 105, account=BOB)
    second = trading.buy(5, 100, account=ALICE, instrument=SILVER)
    third = trading.sell(5, 101, account=ALICE)
    all_cancelled = CancelReason.USER_ALL
    assert trading.cancel_all(ALICE) == [
        cancelled(first, 5, all_cancelled),
        cancelled(second, 5, all_cancelled),
        cancelled(third, 5, all_cancelled),
        AllCancelled(ALICE, 0, 3),
    ]
    assert trading.queue(Side.SELL) == [others.order_id]


def test_cancel_all_goes_by_id_though_slots_were_used_again_and_orders_amended(trading):
    gone = trading.buy(5, 100)
    first = trading.buy(5, 100)
    trading.cancel(gone)
    second = trading.buy(5, 100)  # in the place in memory of the one that is gone, before the first
    trading.amend(first, price=99)
    assert trading.cancel_all(ALICE) == [
        cancelled(first, 5, CancelReason.USER_ALL, price=99),
        cancelled(second, 5, CancelReason.USER_ALL),
        AllCancelled(ALICE, 0, 2),
    ]


def test_cancel_all_of_one_instrument_and_of_one_side(trading):
    gold_buy = trading.buy(5, 100)
    gold_sell = trading.sell(5, 110)
    silver_buy = trading.buy(5, 100, instrument=SILVER)
    silver_sell = trading.sell(5, 110, instrument=SILVER)
    reason = CancelReason.USER_ALL
    assert trading.cancel_all(ALICE, GOLD, Side.SELL) == [cancelled(gold_sell, 5, reason), AllCancelled(ALICE, GOLD, 1)]
    assert trading.cancel_all(ALICE, SILVER) == [
        cancelled(silver_buy, 5, reason),
        cancelled(silver_sell, 5, reason),
        AllCancelled(ALICE, SILVER, 2),
    ]
    assert trading.cancel_all(ALICE, 0, Side.SELL) == [AllCancelled(ALICE, 0, 0)]
    assert trading.cancel_all(ALICE, 0, Side.BUY) == [cancelled(gold_buy, 5, reason), AllCancelled(ALICE, 0, 1)]


class Counted(list):
    """A list that counts how often one of its elements is looked at."""

    reads = 0

    def __getitem__(self, place):
        Counted.reads += 1
        return super().__getitem__(place)


@pytest.fixture
def reads(trading):
    """-> a function: how often the lists of orders were read since it was called last."""
    orders = trading.exchange.orders

    def count():
        for name, column in vars(orders).items():
            if type(column) is list:
                setattr(orders, name, Counted(column))
        found, Counted.reads = Counted.reads, 0
        return found

    return count


def test_what_else_an_account_has_does_not_make_its_cancel_all_longer(trading, reads):
    trading.is_checked = False
    for number in range(1_000):
        trading.buy(1, 1 + number % 5)
    filters = [(GOLD, Side.SELL), (0, Side.SELL), (SILVER, 0), (SILVER, Side.BUY)]
    for instrument, side in filters:
        assert trading.cancel_all(ALICE, instrument, side) == [AllCancelled(ALICE, instrument, 0)]
    reads()
    for instrument, side in filters * 10:
        trading.cancel_all(ALICE, instrument, side)
    assert reads() < 10 * 40
    for instrument, side in filters * 10:
        placed = trading.place(side or Side.SELL, 1, 100, instrument=instrument or GOLD)
        ended, told = trading.cancel_all(ALICE, instrument, side)
        assert ended == cancelled(placed, 1, CancelReason.USER_ALL) and told == AllCancelled(ALICE, instrument, 1)
    assert reads() < 100 * 40
    trading.exchange.check()
    assert len(trading.cancel_all(ALICE, GOLD)) == 1_001


def test_a_cancel_all_ends_what_came_after_the_last_one_for_the_same_and_what_waits_and_what_was_amended(trading):
    amended = trading.sell(5, 110)
    trading.cancel_all(ALICE, GOLD, Side.BUY)
    trading.amend(amended, price=111)
    bought = trading.buy(5, 100)
    trading.sell(1, 101, account=BOB)
    trading.buy(1, 101, account=BOB)
    waiting = trading.stop(Side.BUY, 5, 200)
    ended = [event.order_id for event in trading.cancel_all(ALICE, GOLD, Side.BUY) if type(event) is OrderCancelled]
    assert ended == [bought.order_id, waiting.order_id]
    again = trading.buy(5, 100)
    ended = [event.order_id for event in trading.cancel_all(ALICE, GOLD) if type(event) is OrderCancelled]
    assert ended == [amended.order_id, again.order_id]


def test_an_account_whose_orders_are_all_gone_is_cancelled_again_when_it_has_others(trading):
    trading.sell(5, 110)
    for _ in range(3):
        order = trading.buy(5, 100)
        trading.buy(5, 100, account=BOB)
        assert trading.cancel_all(ALICE, GOLD, Side.BUY)[0] == cancelled(order, 5, CancelReason.USER_ALL)
        assert len(trading.cancel_all(ALICE)) in (1, 2)


def test_how_many_orders_an_account_has_is_known_without_looking_at_them(trading, reads):
    trading.do(OpenAccount(ALICE, 0, "alice"))
    trading.is_checked = False
    for _ in range(1_000):
        trading.buy(1, 100)
    reads()
    assert answer(trading.exchange, QueryAccount(ALICE), 0).accounts[0][4] == 1_000
    assert reads() < 10


def test_cancel_on_disconnect_says_so(trading):
    order = trading.buy(5, 100)
    assert trading.cancel_all(ALICE, reason=CancelReason.DISCONNECT) == [
        cancelled(order, 5, CancelReason.DISCONNECT),
        AllCancelled(ALICE, 0, 1),
    ]


@pytest.mark.parametrize(
    "account, instrument, side, reason, code",
    [
        (0, 0, 0, CancelReason.USER_ALL, Code.INVALID_ACCOUNT),
        (ALICE, 3, 0, CancelReason.USER_ALL, Code.UNKNOWN_INSTRUMENT),
        (ALICE, 0, 3, CancelReason.USER_ALL, Code.INVALID_SIDE),
        (ALICE, 0, 0, CancelReason.USER, Code.INVALID_CANCEL_REASON),
        (ALICE, 0, 0, CancelReason.MARKET_COLLAR, Code.INVALID_CANCEL_REASON),
        (ALICE, 0, 0, 0, Code.INVALID_CANCEL_REASON),
    ],
)
def test_a_cancel_all_out_of_range_is_rejected(trading, account, instrument, side, reason, code):
    trading.buy(5, 100)
    assert trading.cancel_all(account, instrument, side, reason) == rejected(account, code, instrument)


@pytest.mark.parametrize("state", INSTRUMENT_STATES)
def test_orders_can_be_cancelled_in_every_state(trading, state):
    first = trading.buy(5, 100)
    second = trading.buy(5, 100)
    trading.set_state(state)
    assert trading.cancel(first) == [cancelled(first, 5)]
    assert trading.cancel_all(ALICE) == [cancelled(second, 5, CancelReason.USER_ALL), AllCancelled(ALICE, 0, 1)]
