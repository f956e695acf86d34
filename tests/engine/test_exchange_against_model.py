"""Whatever the commands: the exchange says and holds what the naive model says and holds, and keeps its invariants."""

import random

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import snapshot
from engine.exchange import Exchange
from protocol.messages import (
    CANCEL_REASONS,
    CODES,
    MESSAGES,
    CancelReason,
    Code,
    CommandRejected,
    Event,
    OrderAccepted,
    OrderCancelled,
    OrderDuplicate,
    OrderTriggered,
    PlaceOrder,
    SelfTradePrevented,
    Side,
)
from tests import storms
from tests.commands import definitions, next_command
from tests.model import Model

#: What an open order of the exchange and one of the model have in common.
COLUMNS = (
    "order_id", "account", "instrument", "side", "order_type", "time_in_force", "post_only", "price", "stop_price",
    "quantity", "open_quantity", "self_trade_prevention", "expire_time_ns", "client_order_id",
)  # fmt: skip
STEP_NS = 10**12  # a UTC day is 86 commands and a bit


class Pair:
    """An exchange and a model given the same commands, compared after each."""

    def __init__(self, slots_max=2**22 - 1, start=None, instrument=0):
        """`start`: the first commands, None: those of the crowd. `instrument`: where all orders of the crowd go; 0:
        wherever they like."""
        self.exchange = Exchange(order_slots=1)  # every growth of the lists is met early
        self.model = Model(slots_max)
        self.instrument = instrument
        self.seq = 0
        self.order_ids = []  # (account, order id) of all orders there ever were
        self.codes = []  # of all rejects
        self.seen = []  # classes of all events
        self.reasons = []  # of all cancels
        for command in definitions(3_000_000) if start is None else start:
            self.apply(command)

    @property
    def now_ns(self):
        return self.seq * STEP_NS

    def apply(self, command):
        self.seq += 1
        before = snapshot.state_hash(self.exchange)
        expected = self.model.apply(self.seq, self.now_ns, command)
        events = self.exchange.apply(self.seq, self.now_ns, command)
        assert events == expected
        assert open_orders(self.exchange) == open_orders_of_model(self.model)
        assert depths(self.exchange) == depths_of_model(self.model)
        assert balances(self.exchange) == balances_of_model(self.model)
        self.exchange.check()
        for event in events:
            self.seen.append(type(event))
            if isinstance(event, CommandRejected):
                self.codes.append(event.code)
            if isinstance(event, (CommandRejected, OrderDuplicate)):
                assert len(events) == 1 and snapshot.state_hash(self.exchange) == before
            if isinstance(event, OrderCancelled):
                self.reasons.append(event.reason)
            if isinstance(event, OrderAccepted):
                self.order_ids.append((event.account, event.order_id))

    def open_order_ids(self):
        return [(order.account, order.order_id) for order in self.model.orders]

    def apply_any(self, random):
        command = next_command(random, self.now_ns, self.open_order_ids(), self.order_ids)
        if self.instrument and isinstance(command, PlaceOrder):
            command.instrument = self.instrument
        self.apply(command)

    def apply_storm(self, random):
        price = self.exchange.books[storms.MARKET].last_price
        self.apply(storms.Storm(random, self.now_ns, price, self.open_order_ids()).next_command())

    def restart(self):
        """Go on with what a snapshot holds: the way through bytes, and back."""
        state = msgpack.packb(snapshot.dump(self.exchange))
        restored = snapshot.load(self.seq, msgpack.unpackb(state))
        assert snapshot.state_hash(restored) == snapshot.state_hash(self.exchange)
        restored.check()
        self.exchange = restored


def open_orders(exchange):
    orders = exchange.orders
    return [
        tuple(getattr(orders, column)[slot] for column in COLUMNS)
        for book in exchange.books.values()
        for half in (book.bids, book.asks, book.buy_stops, book.sell_stops)
        for slot in half.slots()
    ]


def open_orders_of_model(model):
    return [
        tuple(getattr(order, column) for column in COLUMNS)
        for instrument in model.markets
        for queue in (model.queue, model.stops)
        for side in (Side.BUY, Side.SELL)
        for order in queue(instrument, side)
    ]


def depths(exchange):
    books = [half for book in exchange.books.values() for half in (book.bids, book.asks)]
    return [(half.depth(100), half.best_price(), half.open_quantity) for half in books]


def depths_of_model(model):
    found = []
    for instrument in model.markets:
        for side in (Side.BUY, Side.SELL):
            queue = model.queue(instrument, side)
            levels = []
            for price in dict.fromkeys(order.price for order in queue):
                quantities = [order.open_quantity for order in queue if order.price == price]
                levels.append((price, sum(quantities), len(quantities)))
            best = queue[0].price if queue else 0
            found.append((levels, best, sum(order.open_quantity for order in queue)))
    return found


def balances(exchange):
    """-> {(account, asset): (available, reserved)} of all there are."""
    ledger = exchange.ledger
    return {
        (account.number, asset.number): (asset.available[account.index], asset.reserved[account.index])
        for asset in ledger.assets.values()
        for account in ledger.accounts.values()
    }


def balances_of_model(model):
    return {
        (account, asset): (model.available(account, asset), model.reserved(account, asset))
        for asset in model.assets
        for account in model.accounts
    }


@pytest.mark.parametrize("seed", range(3))
def test_a_long_run_gives_the_events_books_and_balances_of_the_model_across_restarts(seed):
    randomness = random.Random(seed)
    pair = Pair()
    for count in range(1_500):
        pair.apply_any(randomness)
        if count % 97 == 0:
            pair.restart()


def test_a_poor_crowd_in_one_market_gives_the_same_and_runs_out_of_money():
    randomness = random.Random(1)
    pair = Pair(start=definitions(3_000), instrument=4)
    for _ in range(2_000):
        pair.apply_any(randomness)
    assert Code.INSUFFICIENT_FUNDS in pair.codes


@pytest.mark.parametrize("seed", range(2))
def test_a_storm_of_stop_orders_amends_and_fees_gives_the_same_across_restarts(seed):
    randomness = random.Random(seed)
    pair = Pair(start=storms.definitions(50_000))
    for count in range(1_500):
        pair.apply_storm(randomness)
        if count % 97 == 0:
            pair.restart()
    rare = (CancelReason.FOK_UNFILLABLE, CancelReason.MARKET_COLLAR)
    assert [CANCEL_REASONS[reason] for reason in rare if reason not in pair.reasons] == []
    assert OrderTriggered in pair.seen and SelfTradePrevented in pair.seen


@given(st.randoms(note_method_calls=False), st.integers(1, 60))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example])
def test_any_storm_gives_the_events_books_and_balances_of_the_model(randomness, count):
    pair = Pair(start=storms.definitions(50_000))
    for _ in range(count):
        pair.apply_storm(randomness)


def test_a_venue_that_is_mostly_full_gives_the_same_and_everything_that_can_happen_happens(monkeypatch):
    monkeypatch.setattr("engine.orders.SLOTS_MAX", 25)
    randomness = random.Random(2)
    pair = Pair(slots_max=25)
    for _ in range(10_000):
        pair.apply_any(randomness)
    codes = [code for code in CODES if code < Code.UNKNOWN_MESSAGE_TYPE]
    # A full book takes 4,612 of the largest orders: test_exchange_instruments.py.
    assert [CODES[code] for code in codes if code not in pair.codes] == ["book_full"]
    events = [message for message in MESSAGES.values() if issubclass(message, Event)]
    assert [event for event in events if event not in pair.seen] == []
    assert [word for reason, word in CANCEL_REASONS.items() if reason not in pair.reasons] == [
        "insufficient_funds"
    ]  # test_stops.py


@given(st.randoms(note_method_calls=False), st.integers(1, 60))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example])
def test_commands_in_any_order_give_the_events_books_and_balances_of_the_model(randomness, count):
    pair = Pair()
    for _ in range(count):
        pair.apply_any(randomness)
