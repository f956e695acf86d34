"""How a client ends, in order or not, and who is told."""

import asyncio

import pytest

from protocol.calls import ConnectionClosed
from protocol.client import TradingClient
from protocol.messages import (
    OrderFilled,
)
from tests.protocol.traders import BOB, gathered, new_instrument, order_for, trader_of


async def test_a_wrong_secret_is_told_at_once(core):
    client = TradingClient(core.host, core.port, key=core.keys[1][0], secret="wrong")
    with pytest.raises(ConnectionClosed, match="^login_failed: unknown key or wrong secret$"):
        async with client:
            pass


async def test_a_trader_does_not_get_in_at_the_trusted_listener(core):
    with pytest.raises(ConnectionClosed, match="^login_failed"):
        async with trader_of(core, port=core.trusted_port):
            pass


async def test_nobody_there_is_an_os_error():
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    client = TradingClient("127.0.0.1", port, key=1, secret="x")
    with pytest.raises(ConnectionRefusedError):
        await client.connect(seconds=0.2)
    await client.close()


async def test_a_second_login_ends_the_first_client(core):
    instrument = await new_instrument(core)
    async with trader_of(core) as first:
        events, feed = first.events(), first.subscribe(instrument)
        await gathered(feed, 1)
        async with trader_of(core) as second:
            for stream in (events, feed):
                with pytest.raises(ConnectionClosed, match="superseded"):
                    await stream.batch()
            with pytest.raises(ConnectionClosed, match="superseded"):
                await first.place(instrument=instrument, side="buy", quantity=1, price=1)
            with pytest.raises(ConnectionClosed, match="superseded"):
                await first.events().batch()
            await second.place(instrument=instrument, side="buy", quantity=1, price=1)


async def test_events_that_never_were_cannot_be_resumed_after(core):
    with pytest.raises(ConnectionClosed, match="resume_unavailable: the newest event is"):
        async with trader_of(core, resume_after=2**60):
            pass


async def test_a_later_client_is_given_what_it_missed(core):
    instrument = await new_instrument(core)
    async with trader_of(core) as alice:
        order = await alice.place(instrument=instrument, side="buy", quantity=1, price=100)
        seen = alice.last_event_seq
    async with trader_of(core, BOB) as bob:
        await bob.place(instrument=instrument, side="sell", quantity=1, price=100)
    later = trader_of(core, resume_after=seen)
    events = later.events()
    async with later:
        (missed,) = await gathered(events, 1)
        assert (type(missed), missed.order_id) == (OrderFilled, order.order_id)


async def test_closing_ends_streams_in_order_and_takes_no_more(core):
    instrument = await new_instrument(core)
    async with trader_of(core) as client:
        events, feed = client.events(), client.subscribe(instrument)
        await gathered(feed, 1)
    assert (await events.batch(), await feed.batch()) == ([], [])
    with pytest.raises(ConnectionClosed, match="logout"):
        await client.depth(instrument)
    await client.close()


async def test_closing_a_client_that_is_not_connected_ends_its_calls(core):
    client = trader_of(core)
    call = asyncio.ensure_future(client.depth(1))
    await asyncio.sleep(0)
    await client.close()
    with pytest.raises(ConnectionClosed, match="logout: closed by this client"):
        await call
    with pytest.raises(ConnectionClosed, match="logout: closed by this client"):
        await client.connect()


async def test_a_client_that_was_started_can_be_waited_for(core):
    client = trader_of(core)
    client.start()
    client.start()
    await client.connect()
    assert client.is_live
    await client.close()


async def test_what_was_submitted_before_closing_is_executed(core):
    instrument = await new_instrument(core)
    async with trader_of(core) as alice:
        for _ in range(100):
            alice.submit(order_for(instrument))
    async with trader_of(core) as alice:
        assert len(await alice.open_orders(instrument=instrument)) == 100


async def test_cancel_on_disconnect_cancels(core):
    instrument = await new_instrument(core)
    async with trader_of(core, cancel_on_disconnect=True) as alice:
        await alice.place(instrument=instrument, side="buy", quantity=1, price=1)
    async with trader_of(core) as alice:
        assert await alice.open_orders(instrument=instrument) == []


async def test_a_call_that_is_given_up_harms_nobody(core):
    instrument = await new_instrument(core)
    async with trader_of(core) as alice:
        call = asyncio.ensure_future(alice.place(instrument=instrument, side="buy", quantity=1, price=1))
        await asyncio.sleep(0)
        call.cancel()
        assert (await alice.place(instrument=instrument, side="buy", quantity=2, price=1)).open_quantity == 2
        assert len(await alice.open_orders(instrument=instrument)) == 2
