"""What a gateway remembers of orders: whole, or not at all; and no more than it may."""

from gateway.recent import RecentOrders
from protocol.messages import CancelReason, OrderAccepted, OrderCancelled, OrderFilled


def accepted(number, event_seq, account=1):
    return OrderAccepted(
        account,
        number,
        1,
        1,
        1,
        1,
        0,
        100,
        10,
        0,
        10,
        1,
        0,
        0,
        "id-%d" % number,
        event_seq=event_seq,
        time_ns=event_seq,
    )


def filled(number, event_seq, quantity, left, account=1):
    return OrderFilled(account, number, 1, 1, 1, event_seq, 100, quantity, left, 0, event_seq=event_seq)


def test_an_order_from_its_beginning_to_its_end():
    recent = RecentOrders()
    recent.take([accepted(7, 1), filled(7, 2, 4, 6)])
    order = recent.order(1, 7)
    assert (order.status, order.filled_quantity, order.filled_notional) == ("PARTIALLY_FILLED", 4, 400)
    assert recent.order(2, 7) is None and recent.by_client_order_id(1, "id-7") is order
    recent.take([OrderCancelled(1, 7, 1, 1, CancelReason.EXPIRED, 100, 6, event_seq=3)])
    assert (order.status, order.reason, order.open_quantity) == ("EXPIRED", "expired", 0)
    assert recent.changed_after(1, 2) == ([order], 0)
    assert recent.changed_after(1, 3) == ([], 0)


def test_an_order_whose_beginning_was_not_seen_is_not_guessed():
    recent = RecentOrders()
    recent.begin(10)
    recent.take([filled(7, 11, 4, 6)])
    assert recent.order(1, 7) is None
    assert recent.changed_after(1, 10) == ([], 11)
    assert [fill.event_seq for fill in recent.fills(1)] == [11]


def test_beyond_the_bound_the_oldest_is_forgotten_and_said_to_be():
    recent = RecentOrders(remembered_max=10)
    for number in range(1, 21):
        recent.take([accepted(number, number)])
    assert recent.floor_seq == 10
    assert recent.order(1, 10) is None and recent.by_client_order_id(1, "id-10") is None
    assert recent.order(1, 11).order_id == 11
    recent.take([filled(20, 21, 1, 9)])
    assert recent.floor_seq == 11 and recent.order(1, 11) is None
