"""What clients that come back have missed: updates of orders, and trades."""

from gateway.streams.ring import Ring
from gateway.streams.trades import Trades
from tests.gateway.streams.events import filled, update


def test_who_names_the_last_one_gets_the_rest():
    ring = Ring()
    ring.begin(10)
    updates = [update(11, account=1), update(12, account=2), update(13, account=1), update(15, account=1)]
    for one in updates:
        ring.add(one)
    assert ring.after(1, 11) == [updates[2], updates[3]]
    assert ring.after(1, 10) == [updates[0], updates[2], updates[3]]
    assert ring.after(1, 15) == ring.after(1, 99) == ring.after(3, 10) == []
    assert ring.after(1, 9) is None


def test_beyond_its_bound_the_oldest_is_forgotten():
    ring = Ring(updates_max=2)
    for event_seq in (1, 2, 3):
        ring.add(update(event_seq, account=event_seq % 2))
    assert ring.after(1, 0) is None
    assert [one.event_seq for one in ring.after(1, 1)] == [3]
    assert [one.event_seq for one in ring.after(0, 1)] == [2]
    assert len(ring) == 2


def test_begun_anew_nothing_of_before_is_told():
    ring = Ring()
    ring.add(update(5, account=1))
    ring.begin(8)
    assert (ring.after(1, 4), ring.after(1, 8)) == (None, [])


def test_trades_of_a_market_and_of_all():
    trades = Trades(trades_max=3)
    pairs = [(filled(2 * n, instrument=1 + n % 2), filled(2 * n + 1, instrument=1 + n % 2)) for n in range(1, 5)]
    for pair in pairs:
        trades.add(*pair)
    assert trades.after(3) == pairs[1:]
    assert trades.after(3, instrument=1) == [pairs[1], pairs[3]]
    assert trades.after(9) == []
    assert trades.after(2) is None
