"""A thousand connections, and more than there are files for: the journal still gets its own."""

import asyncio
import contextlib

import attrs
import pytest

from engine.credentials import save_keys
from protocol.messages import Code, Event, Heartbeat, InstrumentDefined, OrderAccepted, OrderFilled, SessionClosed
from tests.harness import CoreProcess, Peer, Venue, buy, instrument, peer, sell

CONNECTIONS = 1_000
#: Each login takes this process some milliseconds of hashing, and on a busy machine far more: they have to be done
#: within the core's LOGIN_SECONDS.
LOGINS_AT_A_TIME = 10


@pytest.fixture
def venue(tmp_path):
    """Accounts 1 to CONNECTIONS, each with its key, all with one secret: deriving a thousand takes its time."""
    venue = Venue(tmp_path, accounts=(1,))
    ((number, secret),) = venue.traders
    first = venue.keys.by_number[number]
    for account in range(2, CONNECTIONS + 1):
        key = 1_000 + account
        venue.keys.by_number[key] = attrs.evolve(first, key=key, account=account)
        venue.traders.append((key, secret))
    save_keys(venue.keys_path, venue.keys)
    return venue


@contextlib.asynccontextmanager
async def all_logged_in(port, keys):
    peers = []

    async def beat():
        while True:
            await asyncio.sleep(1)
            for each in peers:
                each.send(Heartbeat())

    beating = asyncio.ensure_future(beat())
    try:
        for start in range(0, len(keys), LOGINS_AT_A_TIME):
            some = keys[start : start + LOGINS_AT_A_TIME]
            peers += await asyncio.gather(*[Peer.logged_in(port, key) for key in some])
        yield peers
    finally:
        beating.cancel()
        for each in peers:
            each.vanish()
        for each in peers:
            with contextlib.suppress(ConnectionError):
                await each.writer.wait_closed()


async def test_a_thousand_sessions_trade_with_each_other_and_each_is_told_its_own(many_files, venue):
    with CoreProcess(venue, files=256) as core:  # fewer than connections: the core has to ask for more
        core.ready()
        async with peer(core.trusted_port, venue.trusted) as operator:
            await operator.ask(instrument(), InstrumentDefined)
        async with all_logged_in(core.port, venue.traders) as peers:
            for _ in range(2):
                for number, each in enumerate(peers):
                    each.send(buy(100, 1) if number % 2 else sell(100, 1))
                for account, each in enumerate(peers, start=1):
                    events = await each.until(OrderFilled)
                    assert {event.account for event in events if isinstance(event, Event)} == {account}
                    assert [type(event) for event in events].count(OrderAccepted) == 1
        assert core.stop() == 0


async def test_more_connections_than_files_are_refused_and_the_journal_goes_on(many_files, venue):
    with CoreProcess(venue, files=700, files_max=700) as core:
        core.ready()
        async with peer(core.trusted_port, venue.trusted) as operator:
            await operator.ask(instrument(), InstrumentDefined)
            crowd = await asyncio.gather(*[Peer.connect(core.port) for _ in range(CONNECTIONS)])
            operator.send(*[buy(100, 1, account=1) for _ in range(5_000)])  # several segments
            await operator.until(OrderAccepted, 5_000)
            closed = [message for each in crowd for message in await each.rest()]
            assert {type(message) for message in closed} == {SessionClosed}
            assert {message.code for message in closed} == {Code.TOO_MANY_SESSIONS, Code.LOGIN_TIMEOUT}
            for each in crowd:
                await each.close()
        assert core.stop() == 0
