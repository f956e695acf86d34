"""The venue's events, looked at where the exchange took its rows; and what counts as agreement."""

import pytest

from protocol.messages import (
    CancelReason,
    Code,
    CommandRejected,
    Liquidity,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderType,
    Side,
    TimeInForce,
)
from tools.market.agreement import Agreement, shortfalls
from tools.market.lobster import Row
from tools.market.steps import Amend, Cancel, Place, Take
from tools.market.venue import Follower, OutOfStep

BUY, SELL = Side.BUY, Side.SELL


def accepted(request_id, order_id, side, price, quantity, filled=0, immediate=False):
    time_in_force = TimeInForce.IOC if immediate else TimeInForce.GTC
    left = 0 if immediate else quantity - filled
    return OrderAccepted(
        1,
        order_id,
        1,
        side,
        OrderType.LIMIT,
        time_in_force,
        0,
        price,
        quantity,
        filled,
        left,
        5,
        0,
        0,
        request_id=request_id,
    )


def trade(request_id, maker, taker, price, quantity, maker_left, taker_left):
    """-> the two fills of a buyer who takes."""
    return [
        OrderFilled(1, maker, 1, SELL, Liquidity.MAKER, 1, price, quantity, maker_left, 0, request_id=request_id),
        OrderFilled(1, taker, 1, BUY, Liquidity.TAKER, 1, price, quantity, taker_left, 0, request_id=request_id),
    ]


class Seen:
    """A Follower whose calls are kept."""

    def __init__(self):
        self.rows = []  # (number, best asks then)
        self.done = []
        self.follower = Follower(
            lambda number, book: self.rows.append((number, book.top(SELL, 3))),
            lambda step, fills: self.done.append((step, fills)),
        )

    def take(self, *events):
        for event in events:
            self.follower.take(event)


@pytest.fixture
def seen():
    """Two asks of the record's orders 7 and 8 are at the venue as 70 and 80."""
    seen = Seen()
    seen.follower.sent(1, Place(7, SELL, 101, 10))
    seen.follower.sent(2, Place(8, SELL, 102, 20))
    seen.take(accepted(1, 70, SELL, 101, 10), accepted(2, 80, SELL, 102, 20))
    seen.done.clear()
    return seen


def test_a_row_waits_for_what_was_sent_before_it_and_for_no_more(seen):
    seen.follower.sent(3, Cancel(7))
    seen.follower.row(1)
    seen.follower.sent(4, Amend(8, 15))
    seen.follower.row(2)
    assert seen.rows == []
    seen.take(OrderCancelled(1, 70, 1, SELL, CancelReason.USER, 101, 10, request_id=3))
    assert seen.rows == [(1, [(102, 20)])]
    seen.take(OrderAmended(1, 80, 1, SELL, 1, 102, 102, 15, 0, 0, 15, request_id=4))
    assert seen.rows[1:] == [(2, [(102, 15)])]


def test_a_row_behind_nothing_is_looked_at_at_once(seen):
    seen.follower.row(1)
    assert seen.rows == [(1, [(101, 10), (102, 20)])]


def test_rows_within_an_aggressor_are_looked_at_where_as_much_was_executed(seen):
    take = Take(BUY, 102, 15, [])
    seen.follower.sent(3, take, [(4, 1), (4, 2), (10, 3), (15, 4)])
    seen.take(accepted(3, 90, BUY, 102, 15, filled=15, immediate=True))
    seen.take(*trade(3, 70, 90, 101, 10, 0, 5))
    assert seen.rows == [(1, [(101, 6), (102, 20)]), (2, [(101, 6), (102, 20)]), (3, [(102, 20)])]
    assert seen.done == []
    seen.take(*trade(3, 80, 90, 102, 5, 15, 0))
    assert seen.rows[3:] == [(4, [(102, 15)])]
    assert seen.done == [(take, [(7, 101, 10), (8, 102, 5)])]


def test_rows_of_an_aggressor_that_got_less_are_looked_at_when_it_is_over(seen):
    seen.follower.sent(3, Take(BUY, 101, 15, []), [(10, 1), (15, 2)])
    seen.take(accepted(3, 90, BUY, 101, 15, filled=10, immediate=True), *trade(3, 70, 90, 101, 10, 0, 5))
    assert (seen.done, seen.rows) == ([], [(1, [(102, 20)])])
    seen.take(OrderCancelled(1, 90, 1, BUY, CancelReason.IOC_REMAINDER, 101, 5, request_id=3))
    assert len(seen.done) == 1
    assert seen.rows[1:] == [(2, [(102, 20)])]


def test_the_venues_ids_are_known_once_accepted_and_unknown_while_placed_again(seen):
    assert seen.follower.order_ids == {7: 70, 8: 80}
    seen.follower.sent(3, Place(7, SELL, 101, 10))
    assert seen.follower.order_ids == {8: 80}


def test_a_rejected_order_is_kept_and_does_not_block_what_cancels_it(seen):
    seen.follower.sent(3, Place(9, SELL, 101, 10))
    seen.take(CommandRejected(1, Code.INSTRUMENT_HALTED, 1, request_id=3))
    assert seen.follower.rejected == [(Place(9, SELL, 101, 10), "instrument_halted")]
    assert seen.follower.order_ids[9] == 0
    assert seen.follower.in_flight == 0


def test_an_event_that_answers_nothing_of_ours_is_out_of_step(seen):
    with pytest.raises(OutOfStep, match="request 5"):
        seen.take(accepted(5, 90, BUY, 99, 1))


def test_a_fill_of_an_order_from_before_this_run_is_out_of_step(seen):
    seen.follower.sent(3, Take(BUY, 102, 15, []))
    seen.take(accepted(3, 90, BUY, 102, 15, filled=15, immediate=True))
    with pytest.raises(OutOfStep, match="order 60"):
        seen.take(*trade(3, 60, 90, 101, 15, 0, 0))


# --- agreement -----------------------------------------------------------------------------------------------------


class Book:
    def __init__(self, bids, asks):
        self.sides = {BUY: bids, SELL: asks}

    def top(self, side, count):
        return self.sides[side][:count]


ROW = Row([(99, 10), (98, 20)], [(101, 30), (102, 40)])


def compared(bids, asks, row, known=ROW, previous=ROW):
    """-> the figures of one row of two levels."""
    agreement = Agreement(True, 2, 0)
    agreement.row(1, Book(bids, asks), row, known, previous)
    return {name: agreement.figures["rows_" + name] for name in ("right", "explained", "revealed")}


def test_equal_rows_are_right():
    assert compared(ROW.bids + [(97, 5)], ROW.asks, ROW) == {"right": 1, "explained": 1, "revealed": 0}


def test_a_wrong_level_is_not_explained():
    assert compared(ROW.bids, [(101, 30), (102, 41)], ROW) == {"right": 0, "explained": 0, "revealed": 0}


def test_a_level_that_is_missing_is_not_explained():
    assert compared([(98, 20)], ROW.asks, ROW) == {"right": 0, "explained": 0, "revealed": 0}


def test_a_level_that_came_into_sight_need_not_be_right():
    row = Row([(98, 20), (95, 7)], ROW.asks)
    assert compared([(98, 20), (96, 1)], ROW.asks, row) == {"right": 0, "explained": 1, "revealed": 1}
    assert compared([(98, 20), (95, 7)], ROW.asks, row) == {"right": 1, "explained": 1, "revealed": 1}


def test_what_lies_beyond_a_side_that_was_shown_whole_must_be_right():
    short = Row([(99, 10)], ROW.asks)
    assert compared([(99, 10), (95, 7)], ROW.asks, short, short, short) == {"right": 0, "explained": 0, "revealed": 0}


def aggressor(fills):
    """-> (right, same orders) of an aggressor that took 10 of order 7 and 5 of order 8 at the exchange."""
    agreement = Agreement(False, 1, 0)
    agreement.done(Take(BUY, 102, 15, [(7, 101, 10), (8, 102, 5)]), fills)
    return agreement.figures["aggressors_right"], agreement.figures["aggressors_same_orders"]


def test_an_aggressor_is_right_by_quantity_and_price():
    assert aggressor([(7, 101, 4), (7, 101, 6), (8, 102, 5)]) == (1, 1)
    assert aggressor([(9, 101, 10), (8, 102, 5)]) == (1, 0)
    assert aggressor([(7, 101, 10), (8, 101, 5)]) == (0, 1)
    assert aggressor([(7, 101, 10)]) == (0, 0)


def test_an_order_that_rests_and_was_filled_has_crossed():
    agreement = Agreement(False, 1, 0)
    agreement.done(Place(7, BUY, 101, 10), [(8, 101, 1)])
    assert agreement.figures["crossing_adds"] == 1


def test_a_figure_may_be_better_than_its_bound_and_not_worse():
    figures = {"best_right": 9, "rejected": 1, "aggressors": 3}
    assert shortfalls(figures, {"best_right": 9, "rejected": 1, "aggressors": 3}) == []
    assert shortfalls(figures, {"best_right": 8, "rejected": 2}) == []
    assert shortfalls(figures, {"best_right": 10, "rejected": 0, "aggressors": 2}) == [
        "best_right is 9, expected at least 10",
        "rejected is 1, expected at most 0",
        "aggressors is 3, expected exactly 2",
    ]
