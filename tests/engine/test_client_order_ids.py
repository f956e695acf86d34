"""Client order ids: a repeat gives the first order again, and never a second one."""

import msgpack
import pytest

from engine import snapshot
from protocol.messages import CLIENT_ORDER_IDS_MAX, DUPLICATE_FIELDS, Code, OrderDuplicate, OrderType, Side, TimeInForce
from tests.trading import ALICE, BOB, GOLD, SILVER, Trading, accepted, rejected


@pytest.fixture
def trading():
    return Trading()


def duplicate(first, is_open=1, open_quantity=5, differs=()):
    """`differs`: names of the fields that are not what they were."""
    bits = sum(1 << DUPLICATE_FIELDS.index(name) for name in differs)
    command = first.command
    fields = (command.quantity, open_quantity, bits, command.client_order_id)
    return [OrderDuplicate(first.account, first.order_id, command.instrument, is_open, *fields)]


def test_a_repeat_is_answered_with_the_first_order(trading):
    first = trading.buy(5, 100, client_order_id="mine")
    assert trading.buy(5, 100, client_order_id="mine").events == duplicate(first)
    assert trading.bids() == [(100, 5, 1)]


def test_a_repeat_tells_what_has_become_of_the_first(trading):
    first = trading.buy(5, 100, client_order_id="mine")
    trading.sell(2, 100)
    assert trading.buy(5, 100, client_order_id="mine").events == duplicate(first, open_quantity=3)
    trading.sell(3, 100)
    assert trading.buy(5, 100, client_order_id="mine").events == duplicate(first, is_open=0, open_quantity=0)


DIFFERENCES = [
    ("instrument", SILVER),
    ("side", Side.SELL),
    ("order_type", OrderType.STOP_LIMIT),
    ("time_in_force", TimeInForce.GTD),
    ("post_only", 1),
    ("price", 101),
    ("quantity", 6),
    ("self_trade_prevention", 1),
    ("stop_price", 1),
    ("expire_time_ns", 1),
    ("quote_quantity", 1),
]


def test_all_that_is_compared_is_tried_below():
    assert [name for name, _ in DIFFERENCES] == list(DUPLICATE_FIELDS)


@pytest.mark.parametrize("name, value", DIFFERENCES)
def test_a_repeat_that_differs_names_the_field_whether_or_not_it_would_have_been_valid(trading, name, value):
    first = trading.buy(5, 100, client_order_id="mine")
    again = {"side": Side.BUY, "quantity": 5, "price": 100, "client_order_id": "mine", name: value}
    assert trading.place(**again).events == duplicate(first, differs=[name])


def test_several_differences_are_all_named(trading):
    first = trading.buy(5, 100, client_order_id="mine")
    assert trading.sell(6, 101, client_order_id="mine").events == duplicate(
        first, differs=["side", "price", "quantity"]
    )


def test_what_an_amend_changed_is_no_difference(trading):
    first = trading.buy(5, 100, client_order_id="mine")
    trading.amend(first, price=99, quantity=4)
    assert trading.buy(5, 100, client_order_id="mine").events == duplicate(first, open_quantity=4)


def test_ids_are_each_accounts_own(trading):
    trading.buy(5, 100, account=ALICE, client_order_id="mine")
    other = trading.buy(5, 100, account=BOB, client_order_id="mine")
    assert other.events == [accepted(other)]


def test_an_order_that_was_rejected_is_not_remembered(trading):
    refused = trading.buy(0, 100, client_order_id="mine")
    assert refused.events == rejected(ALICE, Code.INVALID_QUANTITY, client_order_id="mine")
    order = trading.buy(5, 100, client_order_id="mine")
    assert order.events == [accepted(order)]


def test_orders_without_an_id_are_never_repeats(trading):
    first, second = trading.buy(5, 100), trading.buy(5, 100)
    assert second.events == [accepted(second)] and first.order_id != second.order_id


def test_an_order_by_amount_is_told_with_the_quantity_it_was_for(trading):
    trading.sell(5, 100)
    first = trading.buy(0, quote_quantity=350, client_order_id="mine")
    again = trading.buy(0, quote_quantity=350, client_order_id="mine").events
    assert again == [OrderDuplicate(ALICE, first.order_id, GOLD, 0, 3, 0, 0, "mine")]


def test_the_newest_thousand_of_an_account_are_known():
    trading = Trading()
    trading.is_checked = False
    first, second = (trading.buy(5, 100, client_order_id="id-%d" % count) for count in range(2))
    for count in range(2, CLIENT_ORDER_IDS_MAX):
        trading.buy(5, 100, client_order_id="id-%d" % count)
    assert trading.buy(5, 100, client_order_id="id-0").events == duplicate(first)
    trading.buy(5, 100, client_order_id="one-more")
    again = trading.buy(5, 100, client_order_id="id-0")  # forgotten: a new order, which displaces the next
    assert again.events == [accepted(again)]
    again = trading.buy(5, 100, client_order_id="id-1")
    assert again.events == [accepted(again)] and again.order_id != second.order_id
    trading.exchange.check()


def test_ids_are_known_after_a_restart(trading):
    first = trading.buy(5, 100, client_order_id="mine")
    state = msgpack.unpackb(msgpack.packb(snapshot.dump(trading.exchange)))
    trading.exchange = snapshot.load(trading.exchange.seq, state)
    assert trading.buy(5, 100, client_order_id="mine").events == duplicate(first)
    assert trading.buy(5, 101, client_order_id="mine").events == duplicate(first, differs=["price"])
