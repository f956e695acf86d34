"""The asyncio client against a real core: what a trader can do and see."""

import pytest

from protocol.calls import CancelledAll, Level, Rejected, RequestRefused
from protocol.connection import WindowFull
from protocol.messages import (
    CancelReason,
    Code,
    DepthChanged,
    FeedSnapshot,
    Liquidity,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    PlaceOrder,
    QueryDepth,
    Refused,
    Side,
    StateChanged,
    Traded,
)
from protocol.stream import StreamOverflow
from tests.protocol.traders import ALICE, BOB, admin_of, gathered, new_instrument, order_for, trader_of

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


async def test_the_feed_of_an_instrument_is_a_snapshot_and_changes(core):
    instrument = await new_instrument(core)
    async with trader_of(core) as alice, trader_of(core, BOB) as bob, admin_of(core) as admin:
        await alice.place(instrument=instrument, side="buy", quantity=5, price=100)
        with bob.subscribe(instrument) as feed:
            (first,) = await gathered(feed, 1)
            assert (type(first), first.levels) == (FeedSnapshot, [[Side.BUY, 100, 5, 1]])
            await alice.place(instrument=instrument, side="sell", quantity=2, price=100, self_trade_prevention="none")
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
