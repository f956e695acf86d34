"""After a lost connection: nothing missing, nothing twice, wherever the line was cut and whatever the others do."""

import contextlib
import os

import pytest

import engine.session
from protocol.journal import read_header, segment_paths
from protocol.messages import (
    CancelOrder,
    Code,
    CommandRejected,
    Event,
    Heartbeat,
    InstrumentDefined,
    OrderAccepted,
    OrderFilled,
    QueryOpenOrders,
    Refused,
    Resumed,
)
from tests.harness import CoreProcess, Peer, Venue, buy, instrument, peer, sell, serving, turns


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path)


def seqs(messages):
    return [message.event_seq for message in messages if isinstance(message, Event)]


async def resumed(port, key, after):
    """Log in, resume, vanish. -> event_seq of all that came before Resumed."""
    async with peer(port) as again:
        await again.login(key, resume_after=after)
        return seqs(await again.until(Resumed))


async def traded(core, venue, count):
    """Account 1 sells, account 2 buys, one by one. -> all events there are, as the trusted session saw them."""
    async with peer(core.trusted_port, venue.trusted) as operator:
        operator.send(instrument())
        events = await operator.until(InstrumentDefined)
        async with peer(core.port, venue.traders[0]) as maker, peer(core.port, venue.traders[1]) as taker:
            for _ in range(count):
                await maker.ask(sell(100, 2), OrderAccepted)
                taker.send(buy(100, 2))
                await taker.until(OrderFilled)
                operator.send(Heartbeat())  # on a busy machine this takes longer than a silent peer is borne with
        await operator.ask(CancelOrder(2, 1), CommandRejected)
    async with peer(core.trusted_port) as witness:
        await witness.login(venue.trusted, resume_after=0)
        events = [message for message in await witness.until(Resumed) if isinstance(message, Event)]
    assert seqs(events) == list(range(1, len(events) + 1))
    return events


def of_account(events, account):
    return [event.event_seq for event in events if event.account == account]


async def test_from_every_event_there_is_a_session_is_told_exactly_the_rest(venue):
    async with serving(venue) as core:
        events = await traded(core, venue, 20)
        for after in range(len(events) + 1):
            rest = [event for event in events if event.event_seq > after]
            assert await resumed(core.port, venue.traders[0], after) == of_account(rest, 1)
            assert await resumed(core.trusted_port, venue.trusted, after) == seqs(rest)


async def test_a_line_cut_at_every_place_of_a_stream_of_fills_costs_nothing(venue):
    """The maker reads three events, is cut off and comes back, while five fills are on their way: 59 times."""
    async with serving(venue) as core, peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(), InstrumentDefined)
        await operator.ask(sell(100, 10_000, account=1), OrderAccepted)
        seen, after = [], 2
        for cut in range(1, 60):
            maker = await Peer.connect(core.port)
            accepted = await maker.login(venue.traders[0], resume_after=after)
            operator.send(*[buy(100, 1, account=2) for _ in range(5)])
            while len(seen) < 3 * cut and accepted.event_seq >= 0:
                message = await maker.receive()
                if isinstance(message, Event):
                    seen.append(message.event_seq)
                    after = message.event_seq
            maker.vanish()
        operator.send(QueryOpenOrders(1))
        async with peer(core.port) as maker:
            await maker.login(venue.traders[0], resume_after=after)
            seen += seqs(await maker.until(Resumed))
        async with peer(core.trusted_port) as witness:
            await witness.login(venue.trusted, resume_after=2)
            expected = of_account([m for m in await witness.until(Resumed) if isinstance(m, Event)], 1)
    assert seen == expected and len(expected) == 59 * 5


async def test_events_over_many_segments_are_found_again_after_a_restart_too(venue):
    async with serving(venue) as core:
        events = await traded(core, venue, 400)
        assert len(segment_paths(venue.journal)) > 3
        for after in range(0, len(events), 97):
            rest = [event for event in events if event.event_seq > after]
            assert await resumed(core.port, venue.traders[1], after) == of_account(rest, 2)
    async with serving(venue) as core:
        for after in range(0, len(events), 97):
            rest = [event for event in events if event.event_seq > after]
            assert await resumed(core.port, venue.traders[1], after) == of_account(rest, 2)


async def test_what_is_no_longer_kept_or_was_never_said_cannot_be_resumed(venue):
    async with serving(venue) as core:
        events = await traded(core, venue, 400)
        newest = core.server.durable_event_seq
        for after in (newest + 1, 2**63 - 1):
            async with peer(core.port) as prophet:
                assert (await prophet.login(venue.traders[0], resume_after=after)).code == Code.RESUME_UNAVAILABLE
        oldest, second = segment_paths(venue.journal)[:2]
        os.remove(oldest)
        async with peer(core.port) as historian:
            assert (await historian.login(venue.traders[0], resume_after=1)).code == Code.RESUME_UNAVAILABLE
        assert await resumed(core.port, venue.traders[0], newest - 10) == of_account(events[newest - 10 :], 1)
        first_kept = read_header(second).first_event_seq
        async with peer(core.trusted_port) as historian:
            answer = await historian.login(venue.trusted, resume_after=first_kept - 2)
            assert answer.code == Code.RESUME_UNAVAILABLE
        assert await resumed(core.trusted_port, venue.trusted, first_kept - 1) == seqs(events[first_kept - 1 :])


async def test_a_segment_pruned_while_it_is_being_resumed_is_told_and_not_passed_over(venue, monkeypatch):
    monkeypatch.setattr(engine.session, "CATCH_UP_RECORDS", 1)
    async with serving(venue) as core:
        await traded(core, venue, 400)
        async with peer(core.port) as historian:
            await historian.login(venue.traders[0], resume_after=0)
            for path in segment_paths(venue.journal)[1:-1]:
                os.remove(path)
            messages = await historian.rest()
            assert messages[-1].code == Code.RESUME_UNAVAILABLE
            told = seqs(messages)
            assert told == sorted(set(told)) and Resumed not in [type(message) for message in messages]


@pytest.mark.parametrize("place", [0, 2])
async def test_a_segment_that_cannot_be_read_just_now_is_told_and_it_is_resumed_when_it_can(venue, monkeypatch, place):
    """A directory stands for what the core has no file left to open."""
    monkeypatch.setattr(engine.session, "CATCH_UP_RECORDS", 1)
    async with serving(venue) as core:
        events = await traded(core, venue, 400)
        path = segment_paths(venue.journal)[place]
        os.rename(path, path + ".away")
        os.mkdir(path)
        async with peer(core.port) as historian:
            answer = await historian.login(venue.traders[0], resume_after=0)
            messages = [answer, *await historian.rest()]
            assert messages[-1].code == Code.TOO_MANY_SESSIONS
            assert Resumed not in [type(message) for message in messages]
        os.rmdir(path)
        os.rename(path + ".away", path)
        assert await resumed(core.port, venue.traders[0], 0) == of_account(events, 1)


async def test_resuming_while_the_others_trade_heavily_joins_the_stream_without_a_seam(venue, monkeypatch):
    monkeypatch.setattr(engine.session, "CATCH_UP_RECORDS", 3)
    async with serving(venue) as core, peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(), InstrumentDefined)
        for _ in range(200):
            await operator.ask(sell(100, 1, account=1), OrderAccepted)
        async with peer(core.port) as maker:
            await maker.login(venue.traders[0], resume_after=1)
            messages = []
            before_resumed = 0
            while not before_resumed:
                operator.send(buy(100, 1, account=2), sell(100, 1, account=1))
                await operator.until(OrderAccepted)
                messages.append(await maker.receive())
                if type(messages[-1]) is Resumed:
                    before_resumed = len(messages)
            operator.send(sell(100, 1, account=1, client_order_id="last"))
            while getattr(messages[-1], "client_order_id", "") != "last":
                messages.append(await maker.receive())
        async with peer(core.trusted_port) as witness:
            await witness.login(venue.trusted, resume_after=1)
            expected = of_account([m for m in await witness.until(Resumed) if isinstance(m, Event)], 1)
    assert seqs(messages) == expected and before_resumed > 200


async def test_all_who_resume_together_have_one_small_part_of_the_journal_read_in_a_turn(venue, monkeypatch):
    monkeypatch.setattr(engine.session, "CATCH_UP_BYTES", 1)
    async with serving(venue) as core:
        events = await traded(core, venue, 100)
        async with peer(core.port) as maker, peer(core.port) as taker, turns() as made:
            await maker.login(venue.traders[0], resume_after=0)
            await taker.login(venue.traders[1], resume_after=0)
            for one, account in ((maker, 1), (taker, 2)):
                assert seqs(await one.until(Resumed)) == of_account(events, account)
            assert len(made) > 2 * 200  # each order had a record of its own


async def test_a_session_that_is_superseded_while_it_resumes_leaves_its_turns_to_others(venue, monkeypatch):
    monkeypatch.setattr(engine.session, "CATCH_UP_BYTES", 1)
    async with serving(venue) as core:
        events = await traded(core, venue, 100)
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(10):
                again = await stack.enter_async_context(peer(core.port))
                await again.login(venue.traders[0], resume_after=0)
            assert await resumed(core.port, venue.traders[1], 0) == of_account(events, 2)
        assert await resumed(core.port, venue.traders[0], 0) == of_account(events, 1)


async def test_after_a_kill_and_a_restart_the_rest_is_told(venue):
    with CoreProcess(venue) as core:
        core.ready()
        events = await traded(core, venue, 100)
        core.kill()
    with CoreProcess(venue) as core:
        core.ready()
        for after in (0, 1, 57, len(events) - 1, len(events)):
            rest = [event for event in events if event.event_seq > after]
            assert await resumed(core.port, venue.traders[0], after) == of_account(rest, 1)


async def test_requests_sent_before_resumed_are_executed_after_it(venue):
    async with serving(venue) as core:
        events = await traded(core, venue, 50)
        async with peer(core.port) as eager:
            await eager.login(venue.traders[0], resume_after=0)
            eager.send(CancelOrder(0, 7), CancelOrder(2, 7))
            messages = await eager.until(Resumed)
            if CommandRejected not in [type(m) for m in messages]:
                messages += await eager.until(CommandRejected)
            if Refused not in [type(m) for m in messages]:
                messages += await eager.until(Refused)
            assert seqs(messages)[:-1] == of_account(events, 1)
            assert seqs(messages)[-1] > events[-1].event_seq
