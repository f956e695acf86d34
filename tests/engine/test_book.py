"""The book: levels in price order, each level first in, first out; no matching here."""

import random

import pytest

from engine.book import NO_LEVEL, Book
from engine.instruments import Instrument
from engine.orders import Orders
from protocol.messages import OrderType, PlaceOrder, Side, TimeInForce


@pytest.fixture
def orders():
    return Orders(4)


@pytest.fixture
def book(orders):
    return Book(orders, Instrument(1, "GOLD", 0, 0, 1, 1, 0))


def add(book, orders, side, price, quantity):
    """-> slot of a new order, placed in the book."""
    slot = orders.add(PlaceOrder(1, 1, side, OrderType.LIMIT, TimeInForce.GTC, 0, price, quantity), quantity)
    book.side(side).add(slot)
    book.check()
    return slot


def test_a_new_book_is_empty(book):
    book.check()
    for half in (book.bids, book.asks):
        assert half.best == NO_LEVEL and half.best_price() == 0 and half.open_quantity == 0
        assert half.depth(10) == [] and half.slots() == [] and half.level_at(100) == (0, 0)


def test_each_side_is_opposite_to_the_other(book):
    assert book.side(Side.BUY) is book.bids is book.opposite(Side.SELL)
    assert book.side(Side.SELL) is book.asks is book.opposite(Side.BUY)


@pytest.mark.parametrize("side, prices", [(Side.BUY, [102, 101, 100]), (Side.SELL, [100, 101, 102])])
def test_levels_stand_best_price_first(book, orders, side, prices):
    slots = {price: add(book, orders, side, price, 5) for price in (101, 100, 102)}
    half = book.side(side)
    assert half.depth(10) == [(price, 5, 1) for price in prices]
    assert half.depth(2) == [(price, 5, 1) for price in prices[:2]]
    assert half.slots() == [slots[price] for price in prices]
    assert half.best_price() == prices[0]


def test_a_level_is_first_in_first_out_and_sums_its_orders(book, orders):
    slots = [add(book, orders, Side.BUY, 100, quantity) for quantity in (5, 7, 9)]
    assert book.bids.slots() == slots
    assert book.bids.depth(10) == [(100, 21, 3)]
    assert book.bids.level_at(100) == (21, 3)
    assert book.bids.open_quantity == 21


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_an_order_can_leave_from_anywhere_in_its_level(book, orders, gone):
    slots = [add(book, orders, Side.SELL, 100, quantity) for quantity in (5, 7, 9)]
    book.asks.remove(slots[gone])
    orders.remove(slots[gone])
    book.check()
    del slots[gone]
    assert book.asks.slots() == slots
    assert book.asks.open_quantity == 21 - (5, 7, 9)[gone]
    assert add(book, orders, Side.SELL, 100, 1) == book.asks.slots()[-1]


@pytest.mark.parametrize("gone, best", [(100, 101), (101, 100), (102, 100)])
def test_a_level_goes_with_its_last_order(book, orders, gone, best):
    slots = {price: add(book, orders, Side.SELL, price, 5) for price in (100, 101, 102)}
    book.asks.remove(slots[gone])
    orders.remove(slots[gone])
    book.check()
    assert book.asks.level_at(gone) == (0, 0) and book.asks.best_price() == best
    assert book.asks.open_quantity == 10


def test_the_place_of_a_level_that_went_is_used_again(book, orders):
    for price in (100, 101, 102, 103):
        slot = add(book, orders, Side.BUY, price, 5)
        book.bids.remove(slot)
        orders.remove(slot)
        book.check()
    assert len(book.bids.key) == 1 and book.bids.best == NO_LEVEL


def test_reducing_an_order_keeps_its_place(book, orders):
    slots = [add(book, orders, Side.BUY, 100, 5) for _ in range(2)]
    book.bids.reduce(slots[0], 2)
    book.check()
    assert book.bids.slots() == slots and book.bids.level_at(100) == (8, 2) and book.bids.open_quantity == 8
    assert orders.open_quantity[slots[0]] == 3


@pytest.mark.parametrize("side, crossing, resting", [(Side.SELL, (100, 101), 99), (Side.BUY, (100, 99), 101)])
def test_an_order_of_the_other_side_crosses_from_the_best_price_on(book, orders, side, crossing, resting):
    half = book.side(side)
    assert not half.crosses(100)
    add(book, orders, side, 100, 5)
    assert [half.crosses(price) for price in crossing] == [True, True]
    assert not half.crosses(resting)


def add_stop(book, orders, side, stop_price):
    command = PlaceOrder(1, 1, side, OrderType.STOP, TimeInForce.GTC, 0, 0, 5, stop_price=stop_price)
    slot = orders.add(command, 5)
    book.stops(side).add(slot)
    book.check()
    return slot


@pytest.mark.parametrize("side, prices", [(Side.BUY, [100, 101, 102]), (Side.SELL, [102, 101, 100])])
def test_stop_orders_stand_in_the_order_in_which_trades_elect_them(book, orders, side, prices):
    slots = {price: [add_stop(book, orders, side, price) for _ in range(2)] for price in (101, 100, 102)}
    assert book.stops(side).slots() == [slot for price in prices for slot in slots[price]]
    assert sorted(book.slots()) == sorted(slot for pair in slots.values() for slot in pair)


@pytest.mark.parametrize("side, reached, beyond", [(Side.BUY, (100, 99), 101), (Side.SELL, (100, 101), 99)])
def test_a_stop_price_is_reached_by_the_last_trade(book, side, reached, beyond):
    assert not any(book.would_trigger(side, price) for price in (*reached, beyond))
    book.last_price = 100
    assert all(book.would_trigger(side, price) for price in reached)
    assert not book.would_trigger(side, beyond)


def test_check_sees_a_stop_order_that_was_not_elected(book, orders):
    add_stop(book, orders, Side.BUY, 100)
    book.last_price = 100
    with pytest.raises(AssertionError, match="not elected"):
        book.check()


def test_check_sees_a_total_that_is_wrong(book, orders):
    add(book, orders, Side.BUY, 100, 5)
    book.bids.open_quantity += 1
    with pytest.raises(AssertionError):
        book.check()


def test_check_sees_a_crossed_book(book, orders):
    add(book, orders, Side.BUY, 100, 5)
    with pytest.raises(AssertionError, match="crossed"):
        add(book, orders, Side.SELL, 100, 5)


def test_a_crowd_coming_and_going_leaves_what_sorting_says(book, orders):
    randomness = random.Random(3)
    present = []  # (price, slot), in order of arrival
    for _ in range(2_000):
        if present and randomness.randint(0, 9) < 4:
            _, slot = present.pop(randomness.randint(0, len(present) - 1))
            book.asks.remove(slot)
            orders.remove(slot)
        else:
            price = randomness.randint(90, 110)
            slot = orders.add(PlaceOrder(1, 1, Side.SELL, OrderType.LIMIT, TimeInForce.GTC, 0, price, 1), 1)
            book.asks.add(slot)
            present.append((price, slot))
        book.check()
        assert book.asks.slots() == [slot for _, slot in sorted(present, key=lambda entry: entry[0])]
