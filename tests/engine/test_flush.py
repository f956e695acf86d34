"""One flush a turn: apply, append, sync, and only then do events, answers and feed leave."""

import asyncio
import errno
import socket

import pytest

import engine.server
import engine.session
from protocol import codec
from protocol.framing import FrameReader
from protocol.messages import (
    CancelOrder,
    CommandRejected,
    DepthChanged,
    Durability,
    FeedSnapshot,
    InstrumentDefined,
    OrderAccepted,
    Orders,
    QueryOpenOrders,
    Subscribe,
    Traded,
)
from protocol.records import RECORD_MAGIC, read_record
from tests.harness import FaultyDisk, Venue, buy, eventually, instrument, peer, sell, serving


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path)


async def test_what_a_flush_sends_does_not_wait_for_the_acknowledgement_of_what_was_sent_before(venue):
    async with serving(venue) as core, peer(core.port, venue.traders[0]), peer(core.trusted_port, venue.trusted):
        for session in core.server.connections:
            connection = session.transport.get_extra_info("socket")
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert len(core.server.connections) == 2


async def test_a_session_that_idles_through_the_tick_that_closes_the_last_record_is_left_in_peace(venue):
    async with serving(venue) as core, peer(core.port, venue.traders[0]) as trader:
        await trader.ask(CancelOrder(0, 1), CommandRejected)
        await eventually(lambda: core.server.sequencer.exchange.seq == 2)
        await trader.ask(CancelOrder(0, 1), CommandRejected)
        assert core.server.failure is None


async def test_the_record_that_the_run_before_left_last_is_closed_by_a_tick_at_the_start(venue):
    """A follower takes a record when another one follows it: it is not to wait for the next trader."""
    async with serving(venue) as core, peer(core.port, venue.traders[0]) as trader:
        await trader.ask(CancelOrder(0, 1), CommandRejected)
    async with serving(venue) as core:
        recovered = core.server.sequencer.exchange.seq
        await eventually(lambda: core.server.sequencer.exchange.seq == recovered + 1)


class RecordingTransport:
    """What a session writes goes to the log of the disk, too; then on to the real transport."""

    def __init__(self, transport, log):
        self._transport = transport
        self._log = log

    def write(self, data):
        self._log.append(("send", id(self), bytes(data)))
        self._transport.write(data)

    def __getattr__(self, name):
        return getattr(self._transport, name)


@pytest.fixture
def log(monkeypatch):
    """One list of all writes, syncs and sends, in the order in which they were called."""
    log = []

    class RecordedSession(engine.session.Session):
        def connection_made(self, transport):
            super().connection_made(RecordingTransport(transport, log))

    monkeypatch.setattr(engine.server, "Session", RecordedSession)
    return log


def messages_in(frames):
    _, ends = FrameReader().feed(frames)
    return [codec.decode(frames, start + 4, end) for start, end in zip([0] + ends, ends)]


def told_too_early(log, needs_sync):
    """-> ([messages that tell of an event which was not yet durable when they were sent], last durable event_seq)."""
    early = []
    written = durable = 0  # event_seq
    trade_seqs = {}  # trade_id -> event_seq
    record = b""
    for name, _, data in log:
        if name == "write":
            record = data if data.startswith(RECORD_MAGIC) else record + data
            found = read_record(record, 0, None) if record.startswith(RECORD_MAGIC) else None
            if found is not None:
                written = max(written, found[0].next_event_seq - 1)
                for event in messages_in(found[0].events):
                    if hasattr(event, "trade_id"):
                        trade_seqs[event.trade_id] = event.event_seq
            durable = durable if needs_sync else written
        elif name == "sync":
            durable = written
        elif name == "send":
            for message in messages_in(data):
                seq = getattr(message, "event_seq", 0)
                if isinstance(message, Traded):  # the feed names no event, but trades have numbers
                    seq = trade_seqs.get(message.trade_id, durable + 1)
                if seq > durable:
                    early.append(message)
    return early, durable


@pytest.mark.parametrize("durability", [Durability.SYNC, Durability.WRITE])
async def test_nothing_is_said_before_it_is_durable(venue, log, durability):
    disk = FaultyDisk(log)
    async with serving(venue, disk, durability) as core, peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(), InstrumentDefined)
        async with peer(core.port, venue.traders[0]) as one, peer(core.port, venue.traders[1]) as two:
            await two.ask(Subscribe(1), FeedSnapshot)
            for round_number in range(1, 41):
                for trader, order in ((one, buy), (two, sell)):
                    batch = [order(100, 1) for _ in range(round_number)]
                    trader.send(*batch, QueryOpenOrders(0), Subscribe(1))
                await one.until(Orders)
                await two.until(Orders)
    early, durable = told_too_early(log, needs_sync=durability == Durability.SYNC)
    assert early == []
    sends = [message for name, _, data in log if name == "send" for message in messages_in(data)]
    assert durable > 2_000
    assert {DepthChanged, Traded, FeedSnapshot, OrderAccepted} <= {type(message) for message in sends}


async def test_an_answer_waits_for_the_commands_it_tells_of(venue, log):
    """An order and a look at it in one packet: the answer shows the order, so it must come after the sync."""
    async with serving(venue, FaultyDisk(log)) as core, peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(), InstrumentDefined)
        del log[:]
        operator.send(buy(100, 1, account=1), QueryOpenOrders(1))
        answer = (await operator.until(Orders))[-1]
        assert len(answer.orders) == 1
    names = []
    for name, _, data in log:
        kinds = [type(message) for message in messages_in(data)] if name == "send" else []
        names.append("answer" if Orders in kinds else "event" if OrderAccepted in kinds else name)
    assert names.index("write") < names.index("sync") < names.index("event") < names.index("answer")


async def failing(venue, operation, code, requests):
    """Send requests to a core whose disk begins to fail. -> (calls of the disk, what was said), from then on."""
    disk = FaultyDisk()
    async with serving(venue, disk) as core, peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(), InstrumentDefined)
        async with peer(core.port, venue.traders[0]) as trader:
            await trader.ask(buy(100, 1), OrderAccepted)
            disk.faults[operation] = code
            calls = len(disk.log)
            trader.send(*requests)
            said = await trader.rest()
            assert core.server.failed.done() and core.server.failure.errno == code
        async with peer(core.port) as late:
            assert await late.rest() == []
        return disk.log[calls:], said


@pytest.mark.parametrize("operation", ["write", "sync"])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
async def test_when_the_journal_cannot_be_written_nothing_more_is_said_and_the_core_stops(venue, operation, code):
    _, said = await failing(venue, operation, code, [buy(100, 1), QueryOpenOrders(0), sell(100, 1)])
    assert said == []
    async with serving(venue) as core:
        # whether the record reached the disk is not known; what was acknowledged before did
        assert core.server.sequencer.exchange.orders.number >= 1


async def test_after_a_failed_sync_nothing_is_written_or_synced_again(venue, monkeypatch):
    """A second sync may say yes to what the first one lost."""
    monkeypatch.setattr(engine.session, "BATCH_COMMANDS_MAX", 2)
    monkeypatch.setattr(engine.server, "BATCH_COMMANDS_MAX", 2)
    calls, said = await failing(venue, "sync", errno.EIO, [buy(100, 1) for _ in range(50)])
    assert said == []
    assert [name for name, _, _ in calls].count("sync") == 1
    assert len([data for name, _, data in calls if name == "write" and data.startswith(RECORD_MAGIC)]) == 1


async def test_a_failed_sync_beside_the_loop_stops_a_core_of_durability_write(venue, monkeypatch):
    monkeypatch.setattr(engine.server, "WRITE_SYNC_SECONDS", 0.01)
    disk = FaultyDisk()
    async with serving(venue, disk, Durability.WRITE) as core, peer(core.port, venue.traders[0]) as trader:
        await trader.ask(CancelOrder(0, 1), CommandRejected)
        disk.faults["sync"] = errno.EIO
        trader.send(CancelOrder(0, 1))
        messages = await trader.rest()
        assert core.server.failure.errno == errno.EIO
        assert {type(message) for message in messages} <= {CommandRejected}


async def test_a_command_that_crashes_the_exchange_stops_the_core_and_is_not_journaled(venue):
    async with serving(venue) as core, peer(core.port, venue.traders[0]) as trader:
        await trader.ask(CancelOrder(0, 1), CommandRejected)
        core.server.sequencer.exchange.books[1] = "no book"
        trader.send(CancelOrder(0, 2), buy(100, 1), CancelOrder(0, 3))
        assert await trader.rest() == []
        assert type(core.server.failure) is AttributeError
    async with serving(venue) as core:
        assert core.server.sequencer.exchange.seq <= 2  # a cancel, perhaps a Tick


async def test_what_goes_wrong_in_asyncio_alone_stops_nobody(venue, caplog):
    async with serving(venue) as core, peer(core.port, venue.traders[0]) as trader:
        asyncio.get_running_loop().call_soon(asyncio.ensure_future, "no coroutine")
        await trader.ask(CancelOrder(0, 1), CommandRejected)
        assert core.server.failure is None
        assert "TypeError" in caplog.text
