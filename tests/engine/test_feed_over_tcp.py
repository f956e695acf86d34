"""The public feed: a snapshot, then changes without a gap that always add up to the book; and the venue's clock."""

import contextlib
import functools
import random
import socket

import pytest

import engine.feed
import engine.session
import engine.subscriptions
from engine.exchange import Exchange
from engine.feed import Feed
from protocol import codec
from protocol.feed import FeedReader
from protocol.messages import (
    CancelOrder,
    Code,
    CommandRejected,
    Depth,
    DepthChanged,
    Event,
    FeedSnapshot,
    InstrumentDefined,
    InstrumentState,
    InstrumentStateChanged,
    Liquidity,
    OrderAccepted,
    OrderFilled,
    Orders,
    QueryDepth,
    QueryOpenOrders,
    Refused,
    Resumed,
    SessionClosed,
    StateChanged,
    Subscribe,
    Traded,
    Unsubscribe,
    Unsubscribed,
)
from tests.commands import definitions, next_command
from tests.harness import Peer, Venue, buy, instrument, peer, sell, serving, turns


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path, accounts=(1, 2, 3))


class Watcher:
    """A subscriber that builds the book from what it is told."""

    def __init__(self, peer, instrument):
        self.peer = peer
        self.instrument = instrument
        self.reader = FeedReader()  # raises at a gap
        self.levels = {}
        self.trades = []
        self.states = []

    async def subscribe(self):
        self.peer.send(Subscribe(self.instrument))
        while True:
            message = (await self.peer.until(FeedSnapshot))[-1]
            if message.more == 0:
                self.take(message)
                return
            self.take(message)

    def take(self, message):
        whole = self.reader.take(message)
        if type(whole) is FeedSnapshot:
            self.levels = {(side, price): [quantity, orders] for side, price, quantity, orders in whole.levels}
            self.states.append(whole.state)
        elif type(whole) is DepthChanged:
            for side, price, quantity, orders in whole.levels:
                self.levels[side, price] = [quantity, orders]
                if orders == 0:
                    assert quantity == 0
                    del self.levels[side, price]
        elif type(whole) is Traded:
            self.trades.append((whole.trade_id, whole.price, whole.quantity))
        elif type(whole) is StateChanged:
            self.states.append(whole.state)

    async def book(self):
        """-> [(what the feed says, what QueryDepth says)] once all is told that was done before."""
        self.peer.send(QueryDepth(0, self.instrument))
        *feed, depth = await self.peer.until(Depth)
        for message in feed:
            if getattr(message, "instrument", 0) == self.instrument and not isinstance(message, Event):
                self.take(message)
        return self.levels, {(side, price): [quantity, orders] for side, price, quantity, orders in depth.levels}


def open_orders(core):
    orders = core.server.sequencer.exchange.orders
    return [(orders.account[slot], orders.order_id[slot]) for slot in range(1, orders.used) if orders.order_id[slot]]


@pytest.mark.parametrize("seed", [1, 2])
async def test_snapshot_and_changes_always_add_up_to_the_book(venue, seed):
    chance = random.Random(seed)
    async with serving(venue) as core, peer(core.trusted_port, venue.trusted) as operator:
        operator.send(*definitions())
        await operator.until(InstrumentDefined, 3)
        async with contextlib.AsyncExitStack() as stack:
            peers = [await stack.enter_async_context(peer(core.port, key)) for key in venue.traders]
            watchers = [Watcher(peers[0], 1), Watcher(peers[1], 2), Watcher(peers[2], 1)]
            await watchers[0].subscribe()
            await watchers[1].subscribe()
            for round_number in range(150):
                if round_number == 75:
                    await watchers[2].subscribe()  # in the middle of it
                known = open_orders(core) or [(1, 1)]
                for _ in range(chance.randint(1, 20)):
                    with contextlib.suppress(ValueError):  # some cannot even be written
                        operator.send(next_command(chance, 0, known, known))
                await operator.ask(QueryOpenOrders(1), Orders)
                for watcher in watchers[: 3 if round_number >= 75 else 2]:
                    told, asked = await watcher.book()
                    assert told == asked, round_number
        async with peer(core.trusted_port) as witness:
            await witness.login(venue.trusted, resume_after=0)
            events = await witness.until(Resumed)
    for watcher in watchers[:2]:
        events_here = [event for event in events if getattr(event, "instrument", 0) == watcher.instrument]
        fills = [e for e in events_here if type(e) is OrderFilled and e.liquidity == Liquidity.TAKER]
        assert watcher.trades == [(fill.trade_id, fill.price, fill.quantity) for fill in fills] and fills
        states = [event.state for event in events_here if type(event) is InstrumentStateChanged]
        assert watcher.states == [InstrumentState.OPEN, *states] and states


async def defined(core, venue, count=1):
    async with peer(core.trusted_port, venue.trusted) as operator:
        operator.send(*[instrument(number) for number in range(1, count + 1)])
        await operator.until(InstrumentDefined, count)


async def test_however_often_a_flush_touches_a_level_it_is_told_once(venue):
    async with serving(venue) as core:
        await defined(core, venue)
        async with peer(core.port, venue.traders[0]) as watcher, peer(core.port, venue.traders[1]) as trader:
            await watcher.ask(Subscribe(1), FeedSnapshot)
            flushes = core.server.metrics.flushes
            trader.send(*[buy(100, 1) for _ in range(500)])
            await trader.until(OrderAccepted, 500)
            flushes = core.server.metrics.flushes - flushes
            watcher.send(QueryDepth(0, 1))
            *changes, _ = await watcher.until(Depth)
            assert len(changes) <= flushes < 500
            assert [message.levels for message in changes][-1] == [[1, 100, 500, 500]]


async def test_a_deep_book_comes_in_parts_and_the_changes_follow_without_a_gap(venue):
    async with serving(venue) as core:
        await defined(core, venue)
        async with peer(core.port, venue.traders[0]) as one, peer(core.port, venue.traders[1]) as trader:
            trader.send(
                *[order(price, 1) for n in range(1_250) for order, price in ((buy, 9_000 - n), (sell, 9_001 + n))]
            )
            await trader.until(OrderAccepted, 2_500)
            one.send(Subscribe(1))
            parts = await one.until(FeedSnapshot, 3)
            assert [(len(part.levels), part.more) for part in parts] == [(1000, 1), (1000, 1), (500, 0)]
            assert len({part.feed_seq for part in parts}) == 1
            assert len({(row[0], row[1]) for part in parts for row in part.levels}) == 2_500
            await trader.ask(buy(8_000, 1), OrderAccepted)
            change = (await one.until(DepthChanged))[-1]
            assert (change.feed_seq, change.levels) == (parts[0].feed_seq + 1, [[1, 8_000, 2, 2]])


@contextlib.asynccontextmanager
async def deep_book(venue, monkeypatch, parts):
    """A core whose snapshots of instrument 1 have so many parts, sent one a turn. -> (a peer, another)"""
    monkeypatch.setattr(engine.feed, "SNAPSHOT_LEVELS_MAX", 10)
    monkeypatch.setattr(engine.subscriptions, "SNAPSHOT_PARTS", 1)
    async with serving(venue) as core:
        await defined(core, venue, 2)
        async with peer(core.port, venue.traders[0]) as one, peer(core.port, venue.traders[1]) as trader:
            trader.send(*[buy(1 + n, 1) for n in range(10 * parts)])
            await trader.until(OrderAccepted, 10 * parts)
            yield one, trader


async def test_a_deep_book_is_sent_over_many_turns_and_what_comes_meanwhile_follows(venue, monkeypatch):
    async with deep_book(venue, monkeypatch, 100) as (one, trader), turns() as made:
        one.send(Subscribe(1), Subscribe(2), Unsubscribe(1), Subscribe(1))
        snapshot = [await one.receive()]
        await trader.ask(buy(5_000, 1), OrderAccepted)
        assert len(made) < 100
        snapshot += await one.until(FeedSnapshot, 99)
        assert len(made) >= 100
        assert [message.more for message in snapshot] == [1] * 99 + [0]
        assert len({message.feed_seq for message in snapshot}) == 1
        change, second, unsubscribed = await one.until(Unsubscribed)
        assert (change.feed_seq, change.levels) == (snapshot[0].feed_seq + 1, [[1, 5_000, 1, 1]])
        assert (type(second), second.instrument) == (FeedSnapshot, 2) and unsubscribed.instrument == 1
        again = await one.until(FeedSnapshot, 101)
        assert again[0].levels[0] == [1, 5_000, 1, 1] and again[-1].more == 0
        assert again[0].request_id == again[-1].request_id == unsubscribed.request_id + 1


async def test_more_of_the_feed_than_waits_for_a_session_is_refused_and_commands_are_not(venue, monkeypatch):
    async with deep_book(venue, monkeypatch, 50) as (one, trader):
        requests = [Subscribe(1) for _ in range(1_000)]
        one.send(*requests, QueryDepth(0, 2))
        messages = await one.until(Depth)
        refused = [message for message in messages if type(message) is Refused]
        assert {message.code for message in refused} == {Code.TOO_MANY_QUERIES}
        asked = [request.request_id for request in requests]
        done = set(asked) - {message.request_id for message in refused}
        assert engine.subscriptions.SUBSCRIPTIONS_MAX <= len(done) < 1_000
        await trader.ask(CancelOrder(0, 1), CommandRejected)
        seen = [message.request_id for message in messages if type(message) is FeedSnapshot and not message.more]
        while len(seen) < len(done):
            message = await one.receive()
            if type(message) is FeedSnapshot and not message.more:
                seen.append(message.request_id)
        assert seen == sorted(done)
        await one.ask(Unsubscribe(1), Unsubscribed)


async def test_a_snapshot_is_of_now_though_nobody_was_subscribed_meanwhile(venue):
    async with serving(venue) as core:
        await defined(core, venue)
        async with peer(core.port, venue.traders[0]) as watcher, peer(core.port, venue.traders[1]) as trader:
            for count in (1, 2, 3):
                await trader.ask(buy(100, 1), OrderAccepted)
                first, second = [await watcher.ask(Subscribe(1), FeedSnapshot) for _ in range(2)]
                assert first.levels == second.levels == [[1, 100, count, count]]
                await watcher.ask(Unsubscribe(1), Unsubscribed)


def test_a_snapshot_is_made_once_between_two_changes():
    exchange = Exchange()
    feed = Feed(exchange)
    exchange.apply(1, 1, instrument())
    first = feed.snapshot(1)
    assert feed.snapshot(1) is first
    feed.changes(exchange.apply(2, 1, buy(100, 1, account=1)))
    assert feed.snapshot(1) is not first
    frames = [feed.snapshot(1).frame(0, request_id) for request_id in (0, 1, 300, 2**63 - 1)]
    expected = [FeedSnapshot(1, 1, 1, 0, [[1, 100, 1, 1]], request_id=n) for n in (0, 1, 300, 2**63 - 1)]
    assert frames == [codec.encode(message) for message in expected]


async def test_who_unsubscribes_is_told_no_more_and_may_come_back(venue):
    async with serving(venue) as core:
        await defined(core, venue, 2)
        async with peer(core.port, venue.traders[0]) as watcher, peer(core.port, venue.traders[1]) as trader:
            for number in (1, 2):
                await watcher.ask(Subscribe(number), FeedSnapshot)
            await watcher.ask(Unsubscribe(1), Unsubscribed)
            for number in (1, 2):
                await trader.ask(buy(100, 1, instrument=number), OrderAccepted)
            watcher.send(QueryDepth(0, 1))
            assert [(type(m), m.instrument) for m in await watcher.until(Depth)] == [(DepthChanged, 2), (Depth, 1)]
            again = await watcher.ask(Subscribe(1), FeedSnapshot)
            assert again.levels == [[1, 100, 1, 1]]


async def test_a_subscriber_that_does_not_read_is_closed_and_the_others_are_told_all(venue, monkeypatch):
    monkeypatch.setattr(engine.session, "OUTBOUND_BYTES_MAX", 1 << 14)
    monkeypatch.setattr(engine.session, "CLOSE_SECONDS", 0.01)
    async with serving(venue) as core:
        await defined(core, venue)
        lazy = await Peer.logged_in(core.port, venue.traders[0], receive_bytes=4096)
        await lazy.ask(Subscribe(1), FeedSnapshot)
        (session,) = core.server.connections
        session.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        async with peer(core.port, venue.traders[1]) as other:
            watcher = Watcher(other, 1)
            await watcher.subscribe()
            price = 1
            while not session.is_closing:
                other.send(*[buy(price + n, 1) for n in range(100)], QueryDepth(0, 1))
                for message in await other.until(Depth):
                    if type(message) is DepthChanged:
                        watcher.take(message)
                price += 100
            assert len(watcher.levels) == price - 1
        last = (await lazy.rest())[-1:]
        assert [message.code for message in last if type(message) is SessionClosed] in ([], [Code.SLOW_CONSUMER])
        lazy.vanish()


async def test_the_venue_s_clock_never_goes_back_whatever_the_machine_s_does(venue):
    for readings in ([50, 40, 60, 10, 10, 70], [5, 90, 1]):  # the second time after a restart
        clock = functools.partial(next, iter(readings), 1)
        async with serving(venue, now_ns=clock) as core, peer(core.port, venue.traders[0]) as trader:
            for _ in readings:
                await trader.ask(CancelOrder(0, 1), CommandRejected)
    async with serving(venue) as core, peer(core.port) as witness:
        await witness.login(venue.traders[0], resume_after=0)
        told = [message.time_ns for message in await witness.until(Resumed) if type(message) is CommandRejected]
    assert told == sorted(told) and len(told) == 9  # a Tick in between may have had a reading for itself
    assert (min(told), max(told)) == (50, 90)
