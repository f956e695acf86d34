"""Orders as their user sees them, after each event; also those whose beginning nobody saw."""

from gateway.streams.order_states import OrderStates
from protocol.calls import Order
from protocol.messages import CancelReason, OrderCancelled, OrderTriggered, Side
from tests.gateway.streams.events import accepted, filled


def told(update):
    return update.status, update.filled_quantity, update.open_quantity, update.filled_notional


def cancelled(event_seq, order_id=1, reason=CancelReason.USER, quantity=1):
    return OrderCancelled(
        account=1,
        event_seq=event_seq,
        order_id=order_id,
        instrument=1,
        side=Side.BUY,
        reason=reason,
        price=100,
        quantity=quantity,
    )


def row(order_id=1, quantity=10, open_quantity=10, is_waiting=0):
    return Order(order_id, 1, 1, Side.BUY, 1, 1, 0, 100, quantity, open_quantity, 1, 0, 0, is_waiting, 0, "mine")


def test_fills_add_up():
    states = OrderStates()
    updates = [
        states.take(event)
        for event in (
            accepted(1, quantity=10),
            filled(2, price=100, quantity=4, open_quantity=6),
            filled(3, price=90, quantity=6, open_quantity=0),
        )
    ]
    assert [told(update) for update in updates] == [
        ("OPEN", 0, 10, 0),
        ("PARTIALLY_FILLED", 4, 6, 400),
        ("FILLED", 10, 0, 940),
    ]
    assert [update.client_order_id for update in updates] == ["c1"] * 3
    assert not states.knows(1)


def test_an_expired_order():
    states = OrderStates()
    states.take(accepted(1))
    update = states.take(cancelled(2, reason=CancelReason.EXPIRED))
    assert (update.status, update.reason, update.open_quantity) == ("EXPIRED", "expired", 0)


def test_an_order_that_nobody_followed_tells_what_its_events_tell():
    states = OrderStates()
    assert told(states.take(filled(5, quantity=4, open_quantity=6))) == ("PARTIALLY_FILLED", None, 6, None)
    triggered = OrderTriggered(1, 1, 1, Side.BUY, 100, 0, 3, 2, event_seq=6)
    assert told(states.take(triggered)) == ("OPEN", None, 5, None)
    assert told(states.take(cancelled(7))) == ("CANCELLED", None, 0, None)


def test_an_adopted_order_goes_on_from_what_the_core_knew():
    states = OrderStates()
    assert told(states.update_of(row(quantity=10, open_quantity=7), None, 4, 0)) == ("PARTIALLY_FILLED", 3, 7, None)
    assert told(states.take(filled(5, quantity=4, open_quantity=3))) == ("PARTIALLY_FILLED", 7, 3, None)
    states.adopt(row(2), 0)
    assert told(states.take(filled(6, order_id=2, quantity=4, open_quantity=6))) == ("PARTIALLY_FILLED", 4, 6, 400)
    assert told(states.update_of(row(3, is_waiting=1), 0, 7, 0)) == ("PENDING", 0, 10, 0)
    states.adopt(row(4, quantity=10, open_quantity=7), 300)
    assert told(states.take(filled(8, order_id=4, quantity=4, open_quantity=3))) == ("PARTIALLY_FILLED", 7, 3, 700)


def test_what_an_order_was_filled_at_may_be_learnt_later():
    states = OrderStates()
    states.adopt(row(quantity=10, open_quantity=7), None)
    assert not states.knows(1)
    states.adopt(row(quantity=10, open_quantity=6), 290)  # as of another moment
    assert not states.knows(1)
    states.adopt(row(quantity=10, open_quantity=7), 290)
    assert states.knows(1)
    states.adopt(row(quantity=10, open_quantity=7), None)
    assert told(states.take(filled(5, price=100, quantity=4, open_quantity=3))) == ("PARTIALLY_FILLED", 7, 3, 690)


def test_what_is_followed_is_not_adopted_again():
    states = OrderStates()
    states.take(accepted(1, quantity=10))
    states.take(filled(2, quantity=4, open_quantity=6))
    assert told(states.update_of(row(quantity=10, open_quantity=10), 0, 2, 0)) == ("PARTIALLY_FILLED", 4, 6, 400)


def test_beyond_the_bound_the_oldest_is_not_followed():
    states = OrderStates(followed_max=2)
    for order_id in (1, 2, 3):
        states.take(accepted(order_id, order_id))
    assert [states.knows(order_id) for order_id in (1, 2, 3)] == [False, True, True]
