"""A lost connection, a silent core and a killed one are not seen by who uses the client."""

import asyncio
import random
import socket

import pytest

from protocol.calls import ConnectionClosed
from protocol.client import TradingClient
from protocol.codec import encode
from protocol.link import is_connected_to_itself
from protocol.messages import (
    Code,
    Event,
    FeedSnapshot,
    Heartbeat,
    Login,
    Logout,
    OrderAccepted,
    PlaceOrder,
    Resumed,
    SessionClosed,
    Side,
)
from tests.protocol import peer
from tests.protocol.core import CoreProcess, CuttingProxy
from tests.protocol.traders import BOB, admin_of, gathered, new_instrument, order_for, trader_of


async def test_what_is_submitted_as_the_socket_goes_is_executed_once(core):
    instrument = await new_instrument(core)
    async with trader_of(core) as alice:
        alice._link._transport.abort()
        for quantity in (1, 2):
            placed = await asyncio.wait_for(
                alice.place(instrument=instrument, side="buy", quantity=quantity, price=1), 30
            )
            assert placed.quantity == quantity
        assert [order.quantity for order in await alice.open_orders(instrument=instrument)] == [1, 2]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_order_is_placed_once_and_every_event_seen_once_through_a_line_that_is_cut(core, seed):
    instrument = await new_instrument(core)
    chance = random.Random(seed)
    names = ["order-%d-%d" % (instrument, number) for number in range(400)]
    async with admin_of(core) as admin, CuttingProxy(core.port, chance, 3000, 15000) as proxy:
        with admin.events() as truth:
            async with trader_of(core, port=proxy.port) as alice:
                events = alice.events()
                window = asyncio.Semaphore(50)

                async def trade(name):
                    async with window:
                        side, price = chance.choice(("buy", "sell")), chance.randrange(99, 103)
                        placed = await alice.place(
                            instrument=instrument,
                            side=side,
                            quantity=3,
                            price=price,
                            self_trade_prevention="none",
                            client_order_id=name,
                        )
                        assert placed.client_order_id == name
                        assert sum(fill.quantity for fill in placed.fills) == placed.filled_quantity
                        assert placed.filled_quantity + placed.open_quantity == 3

                await asyncio.gather(*[trade(name) for name in names])
                await alice.cancel_all(instrument=instrument)
                seen = [event for event in await events.batch() if isinstance(event, Event)]
            happened = []
            while len(happened) < len(seen):
                happened += await asyncio.wait_for(truth.batch(), 30)
    assert proxy.cuts > 3
    assert seen == happened
    assert sorted(event.client_order_id for event in seen if type(event) is OrderAccepted) == sorted(names)


async def test_a_core_that_is_killed_and_started_again_is_waited_for(tmp_path):
    core = CoreProcess(tmp_path)
    core.start()
    try:
        instrument = await new_instrument(core)
        async with trader_of(core) as alice, trader_of(core, BOB) as bob:
            feed = bob.subscribe(instrument)
            assert type((await gathered(feed, 1))[0]) is FeedSnapshot
            await alice.place(instrument=instrument, side="buy", quantity=1, price=100)
            core.kill()
            calls = [
                asyncio.ensure_future(alice.place(instrument=instrument, side="buy", quantity=1, price=price))
                for price in (98, 99)
            ]
            await asyncio.sleep(0)
            core.start()
            assert [(await call).open_quantity for call in calls] == [1, 1]
            assert len(await alice.open_orders(instrument=instrument)) == 3
            unseen = [[Side.BUY, price, 1, 1] for price in (98, 99)]  # by bob, in a new snapshot or as changes after it
            while unseen:
                for message in await asyncio.wait_for(feed.batch(), 30):
                    unseen = [level for level in unseen if level not in message.levels]
    finally:
        core.stop()


class ScriptedCore:
    """Logs clients in with a short heartbeat, then only listens."""

    def __init__(self, heartbeat_ns):
        self.heartbeat_ns = heartbeat_ns
        self.received = asyncio.Queue()
        self._logins = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()

    def client(self):
        return TradingClient("127.0.0.1", self.port, key=peer.KEY, secret=peer.SECRET)

    async def _serve(self, reader, writer):
        self._logins += 1
        login, frames = peer.server_login(self._logins), peer.Frames()
        while True:
            data = await reader.read(65536)
            if not data:
                break
            for message in frames(data):
                self.received.put_nowait(message)
                if login.credentials is None:
                    answers = login.receive(message)
                    if login.credentials is not None:
                        answers += [login.accepted(1, self.heartbeat_ns, 0), Resumed(0)]
                    writer.write(b"".join([encode(answer) for answer in answers]))
                elif type(message) is Logout:
                    writer.write(encode(SessionClosed(Code.LOGOUT, "")))
                    writer.close()
        writer.close()

    async def next(self, cls):
        """Wait for the next message of a class; what comes before it is passed over."""
        while True:
            message = await asyncio.wait_for(self.received.get(), 30)
            if type(message) is cls:
                return message


async def test_a_client_with_nothing_to_say_sends_heartbeats_and_gives_up_a_silent_core():
    async with ScriptedCore(heartbeat_ns=50_000_000) as core, core.client() as client:
        assert (await core.next(Login)).resume_after == -1
        await core.next(Heartbeat)
        await core.next(Heartbeat)
        assert (await core.next(Login)).resume_after == 0
        await client._link.live()


async def test_an_unanswered_request_is_sent_again_to_a_core_that_was_silent():
    async with ScriptedCore(heartbeat_ns=50_000_000) as core, core.client() as client:
        request_id = client.submit(order_for(1))
        assert (await core.next(PlaceOrder)).request_id == request_id
        assert (await core.next(PlaceOrder)).request_id == request_id


async def test_a_socket_connected_to_itself_is_told_from_one_to_a_core(core):
    loop = asyncio.get_running_loop()
    with socket.socket() as itself:
        itself.setblocking(False)
        itself.bind(("127.0.0.1", 0))
        await loop.sock_connect(itself, itself.getsockname())
        to_itself, _ = await loop.create_connection(asyncio.Protocol, sock=itself)
        to_core, _ = await loop.create_connection(asyncio.Protocol, core.host, core.port)
        assert [is_connected_to_itself(transport) for transport in (to_itself, to_core)] == [True, False]
        to_itself.abort()
        to_core.abort()
        await asyncio.sleep(0)


async def test_a_peer_that_is_no_core_ends_it():
    async def serve(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = TradingClient("127.0.0.1", server.sockets[0].getsockname()[1], key=1, secret="x")
    with pytest.raises(ConnectionClosed, match="frame_too_large"):
        await client.connect()
    await client.close()
    server.close()
