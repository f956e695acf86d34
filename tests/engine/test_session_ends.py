"""Sessions that end: what becomes of their orders; and those that say nothing are ended."""

import asyncio
import errno

import pytest

import engine.session
from protocol.messages import (
    ORDER_COLUMNS,
    AllCancelled,
    CancelOrder,
    CancelReason,
    Code,
    CommandRejected,
    Heartbeat,
    InstrumentDefined,
    Logout,
    OrderAccepted,
    OrderCancelled,
    Orders,
    QueryOpenOrders,
    SessionClosed,
)
from tests.harness import SECONDS_MAX, FaultyDisk, Venue, buy, eventually, instrument, peer, sell, serving


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path, accounts=(1, 2, 1))


async def open_orders(core, venue, account):
    async with peer(core.trusted_port, venue.trusted) as operator:
        return (await operator.ask(QueryOpenOrders(account), Orders)).orders


async def defined(core, venue, number=1):
    async with peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(number), InstrumentDefined)


# --- cancel-on-disconnect --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["vanish", "logout", "end of file", "malformed"])
async def test_however_the_connection_ends_cancel_on_disconnect_cancels_all_of_the_account(venue, ending):
    async with serving(venue) as core:
        await defined(core, venue)
        async with peer(core.port, venue.traders[1]) as other, peer(core.trusted_port, venue.trusted) as operator:
            await other.ask(sell(300, 1), OrderAccepted)
            async with peer(core.port, venue.traders[0], cancel_on_disconnect=True) as trader:
                for price in (100, 101):
                    await trader.ask(buy(price, 1), OrderAccepted)
                if ending == "vanish":
                    trader.vanish()
                elif ending == "logout":
                    trader.send(Logout())
                elif ending == "end of file":
                    trader.writer.write_eof()
                else:
                    trader.write(b"\0\0\0\1\xc1")
                events = await operator.until(AllCancelled)
            cancelled = [event for event in events if type(event) is OrderCancelled]
            assert [event.price for event in cancelled] == [100, 101]
            assert {event.reason for event in cancelled} == {CancelReason.DISCONNECT}
            assert [
                row[ORDER_COLUMNS.index("price")] for row in (await other.ask(QueryOpenOrders(0), Orders)).orders
            ] == [300]


async def test_orders_stay_without_cancel_on_disconnect_when_superseded_and_at_a_shutdown(venue):
    async with serving(venue) as core:
        await defined(core, venue)
        async with peer(core.port, venue.traders[0], cancel_on_disconnect=True) as first:
            await first.ask(buy(100, 1), OrderAccepted)
            async with peer(core.port, venue.traders[0]) as second:
                assert [type(message) for message in await first.rest()] == [SessionClosed]
                assert len((await second.ask(QueryOpenOrders(0), Orders)).orders) == 1
        async with peer(core.port, venue.traders[0], cancel_on_disconnect=True) as third:
            assert len((await third.ask(QueryOpenOrders(0), Orders)).orders) == 1
            await core.server.stop()
            assert (await third.rest())[-1].code == Code.SHUTDOWN
    async with serving(venue) as core:
        assert len(await open_orders(core, venue, 1)) == 1


async def test_a_closed_session_that_keeps_its_end_of_the_connection_open_holds_up_no_shutdown(venue, monkeypatch):
    monkeypatch.setattr(engine.session, "CLOSE_SECONDS", 2 * SECONDS_MAX)
    async with serving(venue) as core, peer(core.port, venue.traders[0]) as first, peer(core.port, venue.traders[0]):
        assert [message.code for message in await first.rest()] == [Code.SUPERSEDED]
        await asyncio.wait_for(core.server.stop(), SECONDS_MAX)


async def test_a_cancel_on_disconnect_that_a_full_disk_does_not_take_is_made_up_for_when_there_is_space(venue):
    disk = FaultyDisk()
    async with serving(venue, disk) as core:
        await defined(core, venue)
        async with peer(core.port, venue.traders[0], cancel_on_disconnect=True) as trader:
            await trader.ask(buy(100, 1), OrderAccepted)
            async with peer(core.port, venue.traders[1]) as filler:
                disk.faults["zero"] = errno.ENOSPC
                while core.server.takes_commands:
                    filler.send(*[CancelOrder(0, 1) for _ in range(100)], QueryOpenOrders(0))
                    await filler.until(Orders)
        assert len(await open_orders(core, venue, 1)) == 1
        disk.faults.clear()
        await eventually(lambda: not core.server.sequencer.exchange.orders.open_count)


# --- heartbeats ------------------------------------------------------------------------------------------------------


async def test_who_stays_silent_is_closed_and_who_sends_heartbeats_is_not(venue):
    async def talk(talker):
        while True:
            talker.send(Heartbeat())
            await asyncio.sleep(0.005)

    one, two = venue.traders[:2]
    async with (
        serving(venue, heartbeat_ns=20_000_000) as core,
        peer(core.port, one) as silent,
        peer(core.port, two) as talker,
    ):
        talking = asyncio.ensure_future(talk(talker))
        assert [message.code for message in await silent.rest()] == [Code.HEARTBEAT_TIMEOUT]
        assert silent.heartbeats >= 2
        await talker.ask(CancelOrder(0, 1), CommandRejected)
        talking.cancel()
