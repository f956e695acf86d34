"""Order ids and slots: which id comes next, which order answers to it, whose orders there are."""

import random

import pytest

from engine.orders import NIL, SLOT_BITS, SLOT_MASK, Orders
from protocol.messages import OrderType, PlaceOrder, Side, TimeInForce


def add(orders, account=1, quantity=5, client_order_id=""):
    """-> id of a new open order."""
    command = PlaceOrder(
        account, 1, Side.BUY, OrderType.LIMIT, TimeInForce.GTC, 0, 100, quantity, client_order_id=client_order_id
    )
    slot = orders.add(command, quantity)
    orders.check()
    return orders.order_id[slot]


def end(orders, order_id):
    orders.remove(orders.find(order_id))
    orders.check()


def test_an_id_is_a_count_and_a_slot():
    orders = Orders(4)
    assert [add(orders) for _ in range(3)] == [1 << SLOT_BITS | 1, 2 << SLOT_BITS | 2, 3 << SLOT_BITS | 3]


def test_the_slot_given_back_last_is_used_first_and_the_count_goes_on():
    orders = Orders(4)
    ids = [add(orders) for _ in range(3)]
    end(orders, ids[0])
    end(orders, ids[2])
    assert [add(orders) for _ in range(3)] == [4 << SLOT_BITS | 3, 5 << SLOT_BITS | 1, 6 << SLOT_BITS | 4]


def test_ids_grow_with_time_whatever_slots_they_use():
    orders = Orders(4)
    given, present = [], []
    for count in range(60):
        given.append(add(orders))
        present.append(given[-1])
        if count % 3:
            end(orders, present.pop(len(present) // 2))
    assert given == sorted(given) and orders.number == 60


def test_an_order_is_found_by_its_id_and_no_other():
    orders = Orders(4)
    first = add(orders)
    assert orders.find(first) == 1
    for other in (0, -1, -first, 1, first + 1, 2 << SLOT_BITS | 1, 1 << SLOT_BITS, 1 << SLOT_BITS | SLOT_MASK):
        assert orders.find(other) == NIL
    end(orders, first)
    assert orders.find(first) == NIL
    second = add(orders)
    assert orders.find(first) == NIL and orders.find(second) == 1


def test_a_new_order_has_nothing_of_the_one_that_had_its_slot():
    orders = Orders(4)
    end(orders, add(orders, client_order_id="mine"))
    slot = orders.find(add(orders))
    assert orders.client_order_id[slot] == ""


def test_an_accounts_orders_are_in_id_order_wherever_they_are_kept():
    orders = Orders(4)
    ids = [add(orders, account) for account in (7, 8, 7, 7, 8, 7)]
    end(orders, ids[0])
    end(orders, ids[2])
    ids += [add(orders, 7)]
    of_seven = [orders.order_id[slot] for slot in orders.of_account(7)]
    assert of_seven == [ids[3], ids[5], ids[6]]
    assert [orders.order_id[slot] for slot in orders.of_account(8)] == [ids[1], ids[4]]
    assert list(orders.of_account(9)) == []


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_an_accounts_order_can_end_wherever_it_stands(gone):
    orders = Orders(4)
    ids = [add(orders) for _ in range(3)]
    end(orders, ids[gone])
    ids.append(add(orders))
    del ids[gone]
    assert [orders.order_id[slot] for slot in orders.of_account(1)] == ids


def test_an_account_without_orders_leaves_nothing_behind():
    orders = Orders(4)
    end(orders, add(orders, account=7))
    assert orders.holder_of == {}
    add(orders, account=8)
    assert len(orders.holder_count) == 1


def test_how_many_orders_an_account_has():
    orders = Orders(4)
    for account in (7, 8, 7):
        add(orders, account)
    assert [orders.count_of(account) for account in (7, 8, 9)] == [2, 1, 0]


def test_the_lists_grow_and_keep_what_they_hold():
    orders = Orders(1)
    ids = [add(orders, quantity=count) for count in range(1, 40)]
    assert [orders.open_quantity[orders.find(order_id)] for order_id in ids] == list(range(1, 40))


def test_full_is_full_until_an_order_ends(monkeypatch):
    monkeypatch.setattr("engine.orders.SLOTS_MAX", 2)
    orders = Orders(1)
    first = add(orders)
    assert not orders.is_full()
    add(orders)
    assert orders.is_full()
    end(orders, first)
    assert not orders.is_full()


def test_check_sees_a_slot_that_is_lost():
    orders = Orders(4)
    end(orders, add(orders))
    orders.free.pop()
    with pytest.raises(AssertionError, match="lost"):
        orders.check()


def test_a_crowd_coming_and_going_leaves_the_orders_that_stayed():
    randomness = random.Random(4)
    orders = Orders(1)
    present = []  # (account, order id), in order of arrival
    for _ in range(2_000):
        if present and randomness.randint(0, 9) < 4:
            _, order_id = present.pop(randomness.randint(0, len(present) - 1))
            end(orders, order_id)
        else:
            account = randomness.randint(1, 4)
            present.append((account, add(orders, account)))
        for account in range(1, 5):
            expected = [order_id for owner, order_id in present if owner == account]
            assert [orders.order_id[slot] for slot in orders.of_account(account)] == expected
