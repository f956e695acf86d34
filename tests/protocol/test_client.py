"""The asyncio client against a real core: what a trader sees, and that a lost connection is not seen."""

import asyncio
import random
import socket

import pytest

from protocol.calls import CancelledAll, ConnectionClosed, Level, Rejected, RequestRefused
from protocol.client import TradingClient
from protocol.codec import encode
from protocol.connection import WindowFull
from protocol.link import is_connected_to_itself
from protocol.messages import (
    CancelReason,
    Code,
    DepthChanged,
    Event,
    FeedSnapshot,
    Heartbeat,
    Liquidity,
    Login,
    Logout,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    PlaceOrder,
    QueryDepth,
    Refused,
    Resumed,
    SessionClosed,
    Side,
    StateChanged,
    Traded,
)
from protocol.stream import StreamOverflow
from tests.protocol import peer
from tests.protocol.core import CoreProcess, CuttingProxy

ALICE, BOB = 101, 102  # accounts


def admin_of(core, **options):
    key, secret = core.keys[0]
    return TradingClient(core.host, core.trusted_port, key=key, secret=secret, **options)


def trader_of(core, account=ALICE, port=None, **options):
    key, secret = core.keys[account - 100]
    return TradingClient(core.host, port or core.port, key=key, secret=secret, **options)


_numbers = iter(range(1, 1_000_000))


async def new_instrument(core):
    """-> the number of an instrument that nobody has used."""
    number = next(_numbers)
    async with admin_of(core) as admin:
        await admin.define_instrument(number, "TEST-%d" % number, price_scale=2, quantity_scale=0, collar_bps=1000)
    return number


def order_for(instrument, price=100, quantity=1):
    return PlaceOrder(0, instrument, Side.BUY, 1, 1, 0, price, quantity)


# --- trading -------------------------------------------------------------------------------------------------------


async def test_two_traders_trade(core):
    instrument = await new_instrument(core)
    async with trader_of(core) as alice, trader_of(core, BOB) as bob:
        assert (alice.account, bob.account, alice.is_live) == (ALICE, BOB, True)
        resting = await alice.place(instrument=instrument, side="buy", quantity=10, price=100, client_order_id="a1")
        assert (resting.open_quantity, resting.filled_quantity, resting.fills) == (10, 0, [])
        assert (resting.client_order_id, resting.cancel_reason) == ("a1", "")
        taken = await bob.place(instrument=instrument, side=Side.SELL, quantity=15, price=99, time_in_force="ioc")
        assert (taken.filled_quantity, taken.open_quantity, taken.cancel_reason) == (10, 0, "ioc_remainder")
        (fill,) = taken.fills
        assert (fill.price, fill.quantity, fill.liquidity) == (100, 10, Liquidity.TAKER)
        assert await alice.order(resting.order_id) is None


async def test_a_market_order_is_immediate_by_default(core):
    instrument = await new_instrument(core)
    async with trader_of(core) as alice, trader_of(core, BOB) as bob:
        await alice.place(instrument=instrument, side="sell", quantity=3, price=100)
        bought = await bob.place(instrument=instrument, side="buy", quantity=5, order_type="market")
        assert (bought.filled_quantity, bought.cancel_reason) == (3, "market_no_liquidity")


async def test_orders_are_amended_and_cancelled(core):
    instrument = await new_instrument(core)
    async with trader_of(core) as alice, trader_of(core, BOB) as bob:
        order = await alice.place(instrument=instrument, side="buy", quantity=10, price=100, post_only=True)
        smaller = await alice.amend(order.order_id, quantity=8)
        assert (smaller.kept_priority, smaller.quantity, smaller.open_quantity) == (True, 8, 8)
        await bob.place(instrument=instrument, side="sell", quantity=3, price=105)
        other = await alice.place(instrument=instrument, side="buy", quantity=5, price=101)
        crossing = await alice.amend(other.order_id, price=105)
        assert (crossing.filled_quantity, crossing.open_quantity, len(crossing.fills)) == (3, 2, 1)
        cancelled = await alice.cancel(order.order_id)
        assert (type(cancelled), cancelled.reason, cancelled.quantity) == (OrderCancelled, CancelReason.USER, 8)
        everything = await alice.cancel_all(instrument=instrument, side="buy")
        assert [event.order_id for event in everything.orders] == [other.order_id]
        assert await alice.cancel_all(instrument=instrument) == CancelledAll(0, [])


async def test_rejects_and_refusals_are_told_apart(core):
    instrument = await new_instrument(core)
    async with trader_of(core) as alice:
        with pytest.raises(Rejected, match="^unknown_order$"):
            await alice.cancel(12345)
        with pytest.raises(Rejected, match="^unknown_instrument$"):
            await alice.place(instrument=999_999, side="buy", quantity=1, price=1)
        with pytest.raises(RequestRefused, match="^not_allowed: "):
            await alice.statistics()
        with pytest.raises(RequestRefused, match="^not_allowed: not for account 102"):
            await alice.place(instrument=instrument, side="buy", quantity=1, price=1, account=BOB)
        with pytest.raises(ValueError, match="side 'bid'; one of buy, sell"):
            await alice.place(instrument=instrument, side="bid", quantity=1, price=1)
        with pytest.raises(ValueError):
            await alice.place(instrument=instrument, side="buy", quantity=2**63, price=1)


async def test_what_is_open_is_asked_for_page_by_page(core):
    instrument = await new_instrument(core)
    async with trader_of(core) as alice:
        with alice.events() as events:
            for _ in range(1001):
                alice.submit(order_for(instrument))
            await gathered(events, 1001)
        orders = await alice.open_orders(instrument=instrument)
        ids = [order.order_id for order in orders]
        assert (len(ids), ids) == (1001, sorted(set(ids)))
        assert (orders[0].account, orders[0].price, orders[0].side) == (ALICE, 100, Side.BUY)
        assert (await alice.order(ids[0])) == orders[0]
        assert (await alice.cancel_all(instrument=instrument)).count == 1001
        assert await alice.open_orders(instrument=instrument) == []


async def test_depth_and_instruments_are_told(core):
    instrument = await new_instrument(core)
    async with trader_of(core) as alice:
        for price in (98, 99, 99):
            await alice.place(instrument=instrument, side="buy", quantity=5, price=price)
        await alice.place(instrument=instrument, side="sell", quantity=7, price=103)
        book = await alice.depth(instrument)
        assert book.bids == [Level(99, 10, 2), Level(98, 5, 1)]
        assert book.asks == [Level(103, 7, 1)]
        assert (await alice.depth(instrument, levels=1)).bids == [Level(99, 10, 2)]
        (row,) = [row for row in await alice.instruments() if row.instrument == instrument]
        assert (row.symbol, row.price_scale, row.collar_bps) == ("TEST-%d" % instrument, 2, 1000)


async def test_a_trusted_session_acts_for_any_account_and_sees_every_event(core):
    instrument = await new_instrument(core)
    async with admin_of(core) as admin, trader_of(core) as alice:
        assert admin.account == 0
        with admin.events() as events:
            await alice.place(instrument=instrument, side="buy", quantity=1, price=100)
            await admin.place(instrument=instrument, side="sell", quantity=1, price=100, account=BOB)
            seen = await gathered(events, 4)
        assert [(type(event), event.account) for event in seen] == [
            (OrderAccepted, ALICE),
            (OrderAccepted, BOB),
            (OrderFilled, ALICE),
            (OrderFilled, BOB),
        ]
        assert (await admin.set_instrument_state(instrument, "halted", "news")).reason == "news"
        with pytest.raises(Rejected, match="instrument_halted"):
            await alice.place(instrument=instrument, side="buy", quantity=1, price=100)
        statistics = await admin.statistics(state_hash=True)
        assert statistics["instruments"] >= 1
        assert "state_hash" in statistics


# --- streams -------------------------------------------------------------------------------------------------------


async def gathered(stream, count):
    """-> the next `count` items, and no more may be there."""
    items = []
    while len(items) < count:
        items += await asyncio.wait_for(stream.batch(), 30)
    assert len(items) == count
    return items


async def test_the_feed_of_an_instrument_is_a_snapshot_and_changes(core):
    instrument = await new_instrument(core)
    async with trader_of(core) as alice, trader_of(core, BOB) as bob, admin_of(core) as admin:
        await alice.place(instrument=instrument, side="buy", quantity=5, price=100)
        with bob.subscribe(instrument) as feed:
            (first,) = await gathered(feed, 1)
            assert (type(first), first.levels) == (FeedSnapshot, [[Side.BUY, 100, 5, 1]])
            await alice.place(instrument=instrument, side="sell", quantity=2, price=100)
            traded, changed = await gathered(feed, 2)
            assert (type(traded), traded.price, traded.quantity, traded.taker_side) == (Traded, 100, 2, Side.SELL)
            assert type(changed) is DepthChanged
            assert [Side.BUY, 100, 3, 1] in changed.levels
            await admin.set_instrument_state(instrument, "halted", "news")
            (state,) = await gathered(feed, 1)
            assert (type(state), state.reason) == (StateChanged, "news")
            with pytest.raises(ValueError, match="subscribed already"):
                bob.subscribe(instrument)
        with bob.subscribe(instrument) as again:
            (second,) = await gathered(again, 1)
            assert second.levels == [[Side.BUY, 100, 3, 1]]


async def test_subscriptions_that_come_and_go_in_one_breath_end_as_the_last_one_says(core):
    instrument = await new_instrument(core)
    async with trader_of(core) as alice:
        for _ in range(3):
            alice.subscribe(instrument).close()
        with alice.subscribe(instrument) as feed:
            assert type((await gathered(feed, 1))[0]) is FeedSnapshot
            for price in (98, 99):
                await alice.place(instrument=instrument, side="buy", quantity=1, price=price)
                (changed,) = await gathered(feed, 1)
                assert changed.levels == [[Side.BUY, price, 1, 1]]
            feed.close()
            await alice.place(instrument=instrument, side="buy", quantity=1, price=97)
            assert await feed.batch() == []


async def test_a_feed_that_does_not_exist_is_refused(core):
    async with trader_of(core) as alice:
        with pytest.raises(RequestRefused, match="unknown_instrument"):
            async for _ in alice.subscribe(999_999):
                pass


async def test_requests_are_submitted_without_waiting_and_answered_in_events(core):
    instrument = await new_instrument(core)
    async with trader_of(core) as alice:
        with alice.events() as events:
            ids = [alice.submit(order_for(instrument, quantity=quantity)) for quantity in (1, 2, 3)]
            ids.append(alice.submit(QueryDepth(0, instrument)))
            ids.append(alice.submit(PlaceOrder(BOB, instrument, 1, 1, 1, 0, 1, 1)))
            answers = await gathered(events, 5)
        assert sorted(answer.request_id for answer in answers) == ids
        assert [answer.quantity for answer in answers if type(answer) is OrderAccepted] == [1, 2, 3]
        assert [answer.code for answer in answers if type(answer) is Refused] == [Code.NOT_ALLOWED]


async def test_a_stream_that_is_not_read_ends_at_its_limit_and_harms_nobody_else(core):
    instrument = await new_instrument(core)
    async with trader_of(core, stream_messages_max=5) as alice:
        events, feed = alice.events(), alice.subscribe(instrument)
        for price in range(1, 12):
            await alice.place(instrument=instrument, side="buy", quantity=1, price=price)
        for stream in (events, feed):
            assert len(await gathered(stream, 5)) == 5
            with pytest.raises(StreamOverflow):
                await stream.batch()
        assert type((await gathered(alice.subscribe(instrument), 1))[0]) is FeedSnapshot


async def test_no_more_calls_are_pending_than_may_be(core):
    instrument = await new_instrument(core)
    async with trader_of(core, unanswered_max=2) as alice:
        alice.submit(order_for(instrument))
        alice.submit(order_for(instrument))
        with pytest.raises(WindowFull):
            await alice.place(instrument=instrument, side="buy", quantity=1, price=1)


# --- the end -------------------------------------------------------------------------------------------------------


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


async def test_closing_ends_calls_and_streams(core):
    instrument = await new_instrument(core)
    client = trader_of(core)
    call = asyncio.ensure_future(client.place(instrument=instrument, side="buy", quantity=1, price=1))
    await asyncio.sleep(0)  # it waits: the client was not started
    events = client.events()
    await client.close()
    await client.close()
    call.cancel()
    async with trader_of(core) as client:
        events, feed = client.events(), client.subscribe(instrument)
        await gathered(feed, 1)
    assert (await events.batch(), await feed.batch()) == ([], [])
    with pytest.raises(ConnectionClosed, match="logout"):
        await client.depth(instrument)
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


# --- lost connections ----------------------------------------------------------------------------------------------


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
    names = ["order-%d" % number for number in range(400)]
    async with admin_of(core) as admin, CuttingProxy(core.port, chance, 3000, 15000) as proxy:
        with admin.events() as truth:
            async with trader_of(core, port=proxy.port) as alice:
                events = alice.events()
                window = asyncio.Semaphore(50)

                async def trade(name):
                    async with window:
                        side, price = chance.choice(("buy", "sell")), chance.randrange(99, 103)
                        placed = await alice.place(
                            instrument=instrument, side=side, quantity=3, price=price, client_order_id=name
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
