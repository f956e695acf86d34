"""Sessions that ask too much or do not read: they are held to a bound, and nobody else minds."""

import asyncio
import contextlib
import os
import socket

import pytest

import engine.session
import engine.subscriptions
from protocol import codec
from protocol.messages import (
    AllCancelled,
    CancelOrder,
    Code,
    CommandRejected,
    Depth,
    DepthChanged,
    Event,
    FeedSnapshot,
    Heartbeat,
    InstrumentDefined,
    OrderAccepted,
    OrderFilled,
    QueryDepth,
    QueryOpenOrders,
    Refused,
    Resumed,
    SessionClosed,
    Subscribe,
    Traded,
    Unsubscribe,
    Unsubscribed,
)
from tests.harness import Peer, Venue, buy, eventually, instrument, peer, sell, serving


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path, accounts=(1, 2, 1))


async def defined(core, venue, number=1):
    async with peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(number), InstrumentDefined)


def choke(core):
    """Let the kernel hold next to nothing of what is sent to who is connected now."""
    for session in core.server.connections:
        session.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


async def test_who_does_not_read_is_closed_for_its_silence_when_nobody_reads_it_either(venue, monkeypatch):
    """A peer that is sent more than it takes is not read from; its heartbeats do not count then."""
    monkeypatch.setattr(engine.session, "OUTBOUND_BYTES_HIGH", 1 << 16)
    monkeypatch.setattr(engine.session, "CLOSE_SECONDS", 0.01)
    async with serving(venue, heartbeat_ns=20_000_000) as core:
        lazy = await Peer.logged_in(core.port, venue.traders[0], receive_bytes=4096)
        choke(core)
        lazy.send(*[CancelOrder(0, 1) for _ in range(20_000)])
        await eventually(lambda: not core.server.connections)
        assert 100 < core.server.sequencer.exchange.seq < 20_000
        lazy.vanish()


async def test_requests_are_not_read_faster_than_their_answers_are_and_none_is_lost(venue, monkeypatch):
    monkeypatch.setattr(engine.session, "OUTBOUND_BYTES_HIGH", 1 << 16)
    async with serving(venue) as core, peer(core.port, venue.traders[0], receive_bytes=4096) as lazy:
        choke(core)
        lazy.send(*[CancelOrder(0, number) for number in range(1, 20_001)])
        (session,) = core.server.connections
        await eventually(lambda: not session.transport.is_reading())
        async with peer(core.port, venue.traders[1]) as other:
            await other.ask(CancelOrder(0, 1), CommandRejected)
        assert core.server.sequencer.exchange.seq < 20_001
        rejected = await lazy.until(CommandRejected, 20_000)
        assert [event.order_id for event in rejected] == list(range(1, 20_001))


async def test_who_takes_what_it_missed_slowly_is_alive(venue, monkeypatch):
    """It is not read from meanwhile, so that its heartbeats are not seen."""
    monkeypatch.setattr(engine.session, "OUTBOUND_BYTES_HIGH", 1 << 16)
    loop = asyncio.get_running_loop()
    async with serving(venue, heartbeat_ns=40_000_000) as core:
        async with peer(core.port, venue.traders[0]) as trader:
            for _ in range(80):
                trader.send(*[CancelOrder(0, 1) for _ in range(500)])
                await trader.until(CommandRejected, 500)
        await eventually(lambda: not core.server.connections)
        client = await Peer.connect(core.port, receive_bytes=4096)
        await eventually(lambda: core.server.connections)
        choke(core)
        await client.login(venue.traders[0], resume_after=0)
        (session,) = core.server.connections
        with socket.socket(fileno=os.dup(client.writer.get_extra_info("socket").fileno())) as slow:
            client.vanish()  # of two descriptors one is left, which reads no more than it is told to
            await client.writer.wait_closed()
            slow.setblocking(False)
            until_s = loop.time() + 0.4  # ten heartbeats
            while loop.time() < until_s:
                slow.send(codec.encode(Heartbeat()))
                with contextlib.suppress(BlockingIOError):
                    assert slow.recv(4096)
                await asyncio.sleep(0.002)
            assert not session.is_live and not session.is_closing


async def test_who_is_closed_reads_why_although_much_that_it_sent_is_unread(venue, monkeypatch):
    monkeypatch.setattr(engine.session, "OUTBOUND_BYTES_HIGH", 1 << 16)
    async with serving(venue) as core, peer(core.port, venue.traders[0], receive_bytes=4096) as lazy:
        choke(core)
        lazy.send(*[CancelOrder(0, 1) for _ in range(20_000)])
        (session,) = core.server.connections
        await eventually(lambda: not session.transport.is_reading())
        async with peer(core.port, venue.traders[0]):
            messages = await lazy.rest()
            assert type(messages[-1]) is SessionClosed and messages[-1].code == Code.SUPERSEDED
            lazy.vanish()
            await eventually(lambda: session not in core.server.connections)


async def deep_book(core, venue, levels):
    await defined(core, venue)
    async with peer(core.port, venue.traders[1]) as maker:
        maker.send(*[sell(1000 + price, 1) for price in range(levels)])
        await maker.until(OrderAccepted, levels)


@pytest.mark.parametrize("request_class", [QueryDepth, QueryOpenOrders, Subscribe])
async def test_one_who_asks_for_much_and_reads_nothing_is_held_to_a_bound_and_others_are_served(
    venue, monkeypatch, request_class
):
    monkeypatch.setattr(engine.session, "OUTBOUND_BYTES_HIGH", 1 << 16)
    monkeypatch.setattr(engine.session, "OUTBOUND_BYTES_MAX", 1 << 20)
    monkeypatch.setattr(engine.session, "CLOSE_SECONDS", 0.01)
    async with serving(venue) as core:
        await deep_book(core, venue, 500)
        lazy = await Peer.logged_in(core.port, venue.traders[1], receive_bytes=4096)
        choke(core)
        (session,) = core.server.connections
        lazy.send(*[request_class(1) if request_class is Subscribe else request_class(0, 1) for _ in range(20_000)])
        await eventually(lambda: session.is_closing or not session.transport.is_reading())
        async with peer(core.port, venue.traders[0]) as other:
            for _ in range(100):
                await other.ask(CancelOrder(0, 1), CommandRejected)
                assert session.transport.get_write_buffer_size() < 3 << 20
        lazy.vanish()


async def test_a_slow_consumer_is_closed_others_miss_nothing_and_neither_does_it_when_it_resumes(venue, monkeypatch):
    """Three sessions see the same orders; the one that does not read must cost the two others nothing."""
    monkeypatch.setattr(engine.session, "OUTBOUND_BYTES_HIGH", 1 << 16)
    monkeypatch.setattr(engine.session, "OUTBOUND_BYTES_MAX", 1 << 17)
    monkeypatch.setattr(engine.session, "CLOSE_SECONDS", 0.01)
    async with serving(venue) as core:
        await defined(core, venue)
        lazy = await Peer.logged_in(core.port, venue.traders[0], receive_bytes=4096)
        choke(core)
        (session,) = core.server.connections
        expected = []
        async with peer(core.port, venue.traders[2]) as sibling, peer(core.trusted_port, venue.trusted) as operator:
            while not session.is_closing:
                sibling.send(*[sell(100, 1) for _ in range(100)])
                expected += [message.event_seq for message in await sibling.until(OrderAccepted, 100)]
            await operator.until(OrderAccepted, len(expected))
        seen = [message.event_seq for message in await lazy.rest() if isinstance(message, Event)]
        assert len(seen) < len(expected)
        async with peer(core.port) as again:
            await again.login(venue.traders[0], resume_after=seen[-1] if seen else 1)
            seen += [message.event_seq for message in await again.until(Resumed) if isinstance(message, Event)]
        assert seen == expected
        lazy.vanish()


async def test_who_was_closed_and_then_takes_all_that_is_unsent_harms_nobody(venue, monkeypatch):
    """Its connection is gone when the time is up after which it would have been cut."""
    monkeypatch.setattr(engine.session, "CLOSE_SECONDS", 0.5)
    loop = asyncio.get_running_loop()
    async with serving(venue) as core:
        lazy = await Peer.logged_in(core.port, venue.traders[0], receive_bytes=4096)
        choke(core)
        (session,) = core.server.connections
        lazy.send(*[CancelOrder(0, 1) for _ in range(1_000)])
        await eventually(session.transport.get_write_buffer_size)
        session.close(Code.SLOW_CONSUMER, "a test")
        cut_at = loop.time() + engine.session.CLOSE_SECONDS
        assert type((await lazy.rest())[-1]) is SessionClosed
        lazy.vanish()
        await eventually(lambda: loop.time() > cut_at)
        async with peer(core.port, venue.traders[1]) as other:
            await other.ask(CancelOrder(0, 1), CommandRejected)
        assert core.server.failure is None


async def test_a_flush_larger_than_the_limit_is_sent_to_who_had_read_all_before(venue, monkeypatch):
    """Else a session with many fills at once would be closed again at each attempt to resume."""
    monkeypatch.setattr(engine.session, "OUTBOUND_BYTES_HIGH", 1 << 13)
    monkeypatch.setattr(engine.session, "OUTBOUND_BYTES_MAX", 1 << 14)
    async with serving(venue) as core:
        await defined(core, venue)
        async with peer(core.port, venue.traders[1], receive_bytes=4096) as maker:
            choke(core)
            for _ in range(1_000):
                await maker.ask(sell(100, 1), OrderAccepted)
            async with peer(core.port, venue.traders[0]) as taker:
                taker.send(buy(100, 1_000))
                fills = await maker.until(OrderFilled, 1_000)
                assert [type(event) for event in fills] == [OrderFilled] * 1_000
                await maker.ask(CancelOrder(0, 1), CommandRejected)
            maker.vanish()
        async with peer(core.port, receive_bytes=4096) as again:
            choke(core)
            await again.login(venue.traders[1], resume_after=1)
            seen = [type(message) for message in await again.until(Resumed)]
            assert seen.count(OrderFilled) == seen.count(OrderAccepted) == 1_000


# --- the feed --------------------------------------------------------------------------------------------------------


async def test_subscribe_and_unsubscribe_in_one_packet_leave_no_subscription(venue):
    async with serving(venue) as core:
        await defined(core, venue)
        async with peer(core.port, venue.traders[0]) as watcher, peer(core.port, venue.traders[1]) as trader:
            watcher.send(Subscribe(1), Unsubscribe(1), Subscribe(1), Unsubscribe(1))
            messages = await watcher.until(Unsubscribed, 2)
            assert [type(m) for m in messages] == [FeedSnapshot, Unsubscribed] * 2
            await trader.ask(sell(100, 1), OrderAccepted)
            watcher.send(QueryDepth(0, 1))
            assert [type(m) for m in await watcher.until(Depth)] == [Depth]


async def test_subscriptions_are_limited_however_they_are_asked_for(venue, monkeypatch):
    monkeypatch.setattr(engine.subscriptions, "SUBSCRIPTIONS_MAX", 3)
    async with serving(venue) as core:
        for number in range(1, 6):
            await defined(core, venue, number)
        async with peer(core.port, venue.traders[0]) as watcher:
            watcher.send(*[Subscribe(number) for number in range(1, 6)], Subscribe(99))
            messages = await watcher.until(Refused, 3)
            codes = [m.code for m in messages if type(m) is Refused]
            assert codes == [Code.TOO_MANY_SUBSCRIPTIONS] * 2 + [Code.UNKNOWN_INSTRUMENT]
            assert [m.instrument for m in messages if type(m) is FeedSnapshot] == [1, 2, 3]


async def test_a_session_closed_while_a_flush_is_told_does_not_take_the_rest_of_it_along(venue, monkeypatch):
    """It is closed as slow when its fills are sent, and its orders are cancelled: in the next flush, not in this."""
    monkeypatch.setattr(engine.session, "OUTBOUND_BYTES_MAX", 1 << 16)
    monkeypatch.setattr(engine.session, "CLOSE_SECONDS", 0.01)
    async with serving(venue) as core:
        await defined(core, venue)
        lazy = await Peer.logged_in(core.port, venue.traders[0], receive_bytes=4096, cancel_on_disconnect=True)
        choke(core)
        (session,) = core.server.connections
        async with peer(core.port, venue.traders[1]) as taker, peer(core.trusted_port, venue.trusted) as operator:
            await operator.ask(sell(100, 10**9, account=1), OrderAccepted)
            await taker.ask(Subscribe(1), FeedSnapshot)
            seen = []
            while not session.is_closing:
                taker.send(*[buy(100, 1)] * 20)
                seen += await taker.until(OrderFilled, 20)
            await operator.until(AllCancelled)
            taker.send(QueryDepth(0, 1))
            seen += await taker.until(Depth)
        trades = [message.trade_id for message in seen if type(message) is Traded]
        fills = [message.trade_id for message in seen if type(message) is OrderFilled]
        assert trades == fills
        assert [message for message in seen if type(message) is DepthChanged][-1].levels == [[2, 100, 0, 0]]
        assert seen[-1].levels == []
        lazy.vanish()
