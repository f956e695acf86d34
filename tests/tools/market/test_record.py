"""Each row of a record as order entry, one rule at a time."""

import pytest

from protocol.messages import Side
from tools.market.lobster import DELETED, EXECUTED, HALT, HIDDEN_EXECUTED, NEW, REDUCED, Message, Row
from tools.market.record import MISSING, NEVER_SHOWN, QUEUE, REVEALED, STALE, UNEXPLAINED, Record, groups
from tools.market.steps import Amend, Cancel, Place, Take

BUY, SELL = Side.BUY, Side.SELL
START = Row(bids=[(99, 10), (98, 20)], asks=[(101, 30), (102, 40)])
BID_99, BID_98, ASK_101, ASK_102 = -2, -1, -4, -3  # the anonymous orders of START, placed worst first


def message(kind, order_id, size, price, side, time_ns=0):
    return Message(time_ns, kind, order_id, size, price, side)


@pytest.fixture
def record():
    """Of a file that knows the best bid and ask only."""
    record = Record(has_full_rows=False, levels=1)
    record.start(START)
    return record


@pytest.fixture
def full():
    """Of a file with two levels a side."""
    record = Record(has_full_rows=True, levels=2)
    record.start(START)
    return record


def test_the_starting_book_is_one_anonymous_order_a_level():
    assert Record(False, 1).start(START) == [
        Place(BID_98, BUY, 98, 20),
        Place(BID_99, BUY, 99, 10),
        Place(ASK_102, SELL, 102, 40),
        Place(ASK_101, SELL, 101, 30),
    ]


def test_type_1_is_a_limit_order(record):
    assert record.apply(message(NEW, 7, 5, 100, BUY)) == [Place(7, BUY, 100, 5)]
    assert record.top(BUY, 2) == [(100, 5), (99, 10)]


def test_type_2_amends_to_what_is_left_of_the_total(record):
    record.apply(message(NEW, 7, 50, 100, BUY))
    assert record.apply(message(REDUCED, 7, 20, 100, BUY)) == [Amend(7, 30)]


def test_the_total_of_an_amend_includes_what_was_filled(record):
    record.apply(message(NEW, 7, 50, 100, BUY))
    record.take([message(EXECUTED, 7, 15, 100, BUY)])
    assert record.apply(message(REDUCED, 7, 20, 100, BUY)) == [Amend(7, 30)]
    assert record.top(BUY, 1) == [(100, 15)]


def test_type_2_of_all_that_is_left_is_a_cancel(record):
    record.apply(message(NEW, 7, 50, 100, BUY))
    assert record.apply(message(REDUCED, 7, 50, 100, BUY)) == [Cancel(7)]


def test_type_3_is_a_cancel(record):
    record.apply(message(NEW, 7, 50, 100, BUY))
    assert record.apply(message(DELETED, 7, 50, 100, BUY)) == [Cancel(7)]
    assert record.top(BUY, 1) == [(99, 10)]


@pytest.mark.parametrize("kind", [HIDDEN_EXECUTED, HALT])
def test_types_5_and_7_enter_nothing(record, kind):
    assert record.apply(message(kind, 0, 50, 99, BUY)) == []


def test_an_order_from_before_the_start_is_part_of_its_level(record):
    assert record.apply(message(DELETED, 7, 4, 99, BUY)) == [Amend(BID_99, 6)]
    assert record.apply(message(REDUCED, 8, 6, 99, BUY)) == [Cancel(BID_99)]
    assert record.corrections[NEVER_SHOWN] == 0


def test_the_end_of_an_order_that_was_never_shown_changes_nothing(record):
    record.apply(message(NEW, 7, 50, 99, BUY))
    assert record.apply(message(DELETED, 8, 11, 99, BUY)) == []
    assert record.apply(message(DELETED, 9, 5, 97, BUY)) == []
    assert record.corrections == {NEVER_SHOWN: 2}


def test_a_run_of_type_4_is_one_order_of_the_other_side(record):
    record.apply(message(NEW, 7, 5, 101, SELL))
    run = [message(EXECUTED, 1, 30, 101, SELL), message(EXECUTED, 7, 5, 101, SELL), message(EXECUTED, 2, 15, 102, SELL)]
    fills = [(ASK_101, 101, 30), (7, 101, 5), (ASK_102, 102, 15)]
    assert record.take(run) == ([], Take(BUY, 102, 50, fills))
    assert record.top(SELL, 2) == [(102, 25)]


def test_liquidity_that_the_aggressor_passed_is_removed_before_it(record):
    record.apply(message(NEW, 7, 5, 101, SELL))
    steps, take = record.take([message(EXECUTED, 1, 10, 102, SELL)])
    assert steps == [Cancel(ASK_101), Cancel(7)]
    assert take == Take(BUY, 102, 10, [(ASK_102, 102, 10)])
    assert record.corrections == {STALE: 1}


def test_liquidity_that_was_executed_and_never_shown_is_added_before_it(record):
    steps, take = record.take([message(EXECUTED, 1, 45, 101, SELL)])
    assert steps == [Place(-5, SELL, 101, 15)]
    assert take == Take(BUY, 101, 45, [(ASK_101, 101, 30), (-5, 101, 15)])
    assert record.corrections == {MISSING: 1}


def test_nothing_is_settled_where_the_venue_filled_the_same(record):
    _, take = record.take([message(EXECUTED, 1, 10, 101, SELL)])
    assert record.settle(take, [(ASK_101, 101, 10)]) == []
    assert record.corrections == {}


def test_where_the_venue_filled_another_order_its_level_is_queued_again(record):
    record.apply(message(NEW, 7, 5, 101, SELL))
    record.apply(message(NEW, 8, 6, 101, SELL))
    _, take = record.take([message(EXECUTED, 7, 5, 101, SELL)])
    steps = record.settle(take, [(ASK_101, 101, 5)])
    assert steps == [Cancel(ASK_101), Cancel(8), Cancel(7), Place(ASK_101, SELL, 101, 30), Place(8, SELL, 101, 6)]
    assert record.corrections == {QUEUE: 1}


def test_an_order_that_the_venue_has_no_more_is_not_cancelled_again(record):
    record.apply(message(NEW, 7, 30, 101, SELL))
    _, take = record.take([message(EXECUTED, 7, 30, 101, SELL)])
    assert record.settle(take, [(ASK_101, 101, 30)]) == [Cancel(7), Place(ASK_101, SELL, 101, 30)]


def test_an_amend_after_that_states_the_new_total(record):
    record.apply(message(NEW, 7, 30, 101, SELL))
    record.apply(message(NEW, 8, 30, 101, SELL))
    _, take = record.take([message(EXECUTED, 7, 10, 101, SELL)])
    record.settle(take, [(ASK_101, 101, 10)])
    assert record.apply(message(REDUCED, 7, 5, 101, SELL)) == [Amend(7, 15)]


def test_a_level_that_came_into_sight_is_corrected_as_such(full):
    full.apply(message(DELETED, 1, 10, 99, BUY))
    row = Row(bids=[(98, 20), (95, 7)], asks=START.asks)
    assert full.agree_with(row, START) == [Place(-5, BUY, 95, 7)]
    assert full.corrections == {REVEALED: 1}
    assert full.agree_with(row, START) == []


def test_a_level_that_was_in_sight_and_differs_is_counted_as_unexplained(full):
    assert full.agree_with(Row(bids=[(99, 8), (98, 21)], asks=START.asks), START) == [
        Amend(BID_99, 8),
        Place(-5, BUY, 98, 1),
    ]
    assert full.corrections == {UNEXPLAINED: 2}


def test_what_is_not_in_a_row_that_shows_the_whole_side_is_removed(full):
    assert full.agree_with(Row(bids=[(99, 10)], asks=START.asks), START) == [Cancel(BID_98)]


def test_levels_beyond_the_row_are_kept(full):
    full.apply(message(NEW, 7, 5, 100, BUY))
    assert full.agree_with(Row(bids=[(100, 5), (99, 10)], asks=START.asks), START) == []
    assert full.top(BUY, 3) == [(100, 5), (99, 10), (98, 20)]


def test_with_full_rows_the_others_of_a_level_make_up_for_an_order_known_too_small(full):
    full.apply(message(NEW, 7, 5, 99, BUY))
    assert full.apply(message(DELETED, 7, 8, 99, BUY)) == [Cancel(7), Amend(BID_99, 7)]


def test_what_nobody_named_is_taken_from_anonymous_depth_then_from_the_newest(full):
    full.apply(message(NEW, 7, 5, 99, BUY))
    full.apply(message(NEW, 8, 5, 99, BUY))
    assert full.apply(message(DELETED, 9, 12, 99, BUY)) == [Cancel(BID_99), Amend(8, 3)]


def test_a_run_is_of_one_timestamp_and_side_and_hidden_executions_do_not_end_it():
    run = [
        message(EXECUTED, 1, 1, 1, BUY, 5),
        message(HIDDEN_EXECUTED, 0, 1, 1, BUY, 5),
        message(EXECUTED, 2, 1, 1, BUY, 5),
    ]
    hidden = message(HIDDEN_EXECUTED, 0, 1, 1, BUY, 5)
    other_side = message(EXECUTED, 3, 1, 2, SELL, 5)
    later = message(EXECUTED, 4, 1, 2, SELL, 6)
    added = message(NEW, 5, 1, 1, BUY, 6)
    last = message(EXECUTED, 6, 1, 2, SELL, 6)
    found = list(groups([hidden, *run, hidden, other_side, later, added, last]))
    assert found == [[hidden], run, [hidden], [other_side], [later], [added], [last]]
