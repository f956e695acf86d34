"""Stop orders, dated orders, client order ids, self-trade prevention as traders meet them: over TCP, kills included."""

import time

import pytest

from protocol.calls import Rejected
from protocol.client import TradingClient
from protocol.messages import (
    CommandRejected,
    InstrumentDefined,
    OrderAccepted,
    OrderCancelled,
    OrderDuplicate,
    OrderFilled,
    OrderTriggered,
    OrderType,
    Refused,
    SelfTradePrevention,
)
from tests.harness import HOST, CoreProcess, Venue, buy, eventually, instrument, peer, sell, serving

SECOND_NS = 1_000_000_000
BTC, USDT = 1, 2


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path)


def client(port, key, **options):
    number, secret = key
    return TradingClient(HOST, port, key=number, secret=secret, **options)


async def funded(core, venue):
    """Instrument 1 with funds, and 1,000 BTC and 1,000,000 USDT for the accounts 1 and 2."""
    async with client(core.trusted_port, venue.trusted) as admin:
        await admin.define_asset(BTC, "BTC", scale=2)
        await admin.define_asset(USDT, "USDT", scale=4)
        await admin.define_instrument(
            1, "BTC-USDT", price_scale=2, quantity_scale=2, collar_bps=1000, base=BTC, quote=USDT
        )
        await admin.set_fees(1, maker_ppm=1000, taker_ppm=2000)
        for account in (1, 2):
            await admin.open_account("user-%d" % account, account=account)
            await admin.deposit(account, BTC, 100_000, "btc-%d" % account)
            await admin.deposit(account, USDT, 10_000_000_000, "usdt-%d" % account)


def stop_terms(stop_price, quantity):
    return {"instrument": 1, "side": "buy", "order_type": "stop", "stop_price": stop_price, "quantity": quantity}


async def test_stops_their_reserves_and_their_places_survive_a_kill_and_a_restart(venue):
    with CoreProcess(venue) as core:
        core.ready()
        await funded(core, venue)
        async with client(core.port, venue.traders[0]) as trader:
            placed = [await trader.place(**stop_terms(price, quantity)) for price, quantity in STOPS]
            ids = [order.order_id for order in placed]
            assert [order.open_quantity for order in placed] == [quantity for _, quantity in STOPS]
            orders, balances = await trader.open_orders(), await trader.balances()
            assert [order.is_waiting for order in orders] == [1, 1, 1]
            assert sum(order.reserved for order in orders) == balances[1].reserved > 0
        core.kill()
    for end in (CoreProcess.kill, CoreProcess.stop):
        with CoreProcess(venue) as core:
            core.ready()
            async with client(core.port, venue.traders[0]) as trader:
                assert (await trader.open_orders(), await trader.balances()) == (orders, balances)
            end(core)
    with CoreProcess(venue) as core:
        core.ready()
        async with client(core.port, venue.traders[0]) as trader, client(core.port, venue.traders[1]) as other:
            with trader.events() as events:
                await other.place(instrument=1, side="sell", price=10_100, quantity=100)
                await other.place(
                    instrument=1,
                    side="buy",
                    price=10_100,
                    quantity=1,
                    self_trade_prevention="none",
                    time_in_force="ioc",
                )
                triggered = []
                while len(triggered) < 3:
                    triggered += [event for event in await events.batch() if type(event) is OrderTriggered]
            # the lowest stop price first, and within one the older first, as placed two starts ago
            assert [event.order_id for event in triggered] == [ids[1], ids[0], ids[2]]
            assert await trader.open_orders() == []
            assert (await trader.balances())[1].reserved == 0
        assert core.stop() == 0


STOPS = ((10_100, 5), (10_050, 7), (10_100, 2))  # (stop price, quantity)


async def test_a_client_order_id_is_taken_once_across_reconnect_and_restart(venue):
    terms = {"instrument": 1, "side": "buy", "price": 100, "quantity": 10, "client_order_id": "mine"}
    with CoreProcess(venue) as core:
        core.ready()
        async with peer(core.trusted_port, venue.trusted) as operator:
            await operator.ask(instrument(), InstrumentDefined)
        async with client(core.port, venue.traders[0]) as trader:
            first = await trader.place(**terms)
        async with client(core.port, venue.traders[0]) as trader:
            again = await trader.place(**terms)
            assert (again.order_id, again.is_duplicate, again.differs, again.open_quantity) == (
                first.order_id,
                True,
                (),
                10,
            )
        core.kill()
    for end in (CoreProcess.stop, CoreProcess.kill):  # from the journal, then from a snapshot
        with CoreProcess(venue) as core:
            core.ready()
            async with client(core.port, venue.traders[0]) as trader:
                other = await trader.place(**dict(terms, price=101, quantity=11))
                assert (other.order_id, other.differs) == (first.order_id, ("price", "quantity"))
                assert [order.client_order_id for order in await trader.open_orders()] == ["mine"]
                assert (await trader.order(client_order_id="mine")).order_id == first.order_id
            async with client(core.port, venue.traders[1]) as somebody_else:
                assert (await somebody_else.order(client_order_id="mine")) is None
            end(core)


async def test_the_id_of_an_order_that_has_ended_or_was_rejected(venue):
    async with serving(venue) as core, peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(), InstrumentDefined)
        async with peer(core.port, venue.traders[0]) as trader:
            assert type(await trader.ask(buy(0, 1, client_order_id="bad"), CommandRejected)) is CommandRejected
            placed = await trader.ask(buy(100, 1, client_order_id="bad"), OrderAccepted)  # it was never taken
            trader.send(sell(100, 1))
            await trader.until(OrderFilled, 2)
            duplicate = await trader.ask(buy(100, 1, client_order_id="bad"), OrderDuplicate)
            assert (duplicate.order_id, duplicate.is_open, duplicate.open_quantity) == (placed.order_id, 0, 0)


async def test_a_dated_order_ends_in_time_though_nothing_else_happens(venue):
    async with serving(venue) as core, peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(), InstrumentDefined)
        async with client(core.port, venue.traders[0]) as trader:
            with trader.events() as events:
                started_ns = time.time_ns()
                terms = {"instrument": 1, "side": "buy", "price": 100, "quantity": 1}
                times = [started_ns + milliseconds * 10**6 for milliseconds in (1_500, 1_400)]
                dated = [await trader.place(expire_time_ns=time_ns, **terms) for time_ns in times]
                ended = []
                while len(ended) < 2:
                    ended += [event for event in await events.batch() if type(event) is OrderCancelled]
            assert [event.order_id for event in ended] == [dated[1].order_id, dated[0].order_id]
            assert ended[0].time_ns >= times[1] and ended[1].time_ns >= times[0]
            assert [event.reason for event in ended] == [8, 8]
            assert await trader.open_orders() == []


async def test_a_dated_order_ends_at_the_start_when_its_time_came_meanwhile(venue):
    now = [1_000 * SECOND_NS]
    async with serving(venue, now_ns=lambda: now[0]) as core:
        async with peer(core.trusted_port, venue.trusted) as operator:
            await operator.ask(instrument(), InstrumentDefined)
        async with client(core.port, venue.traders[0]) as trader:
            await trader.place(instrument=1, side="buy", price=100, quantity=1, expire_time_ns=now[0] + 3 * SECOND_NS)
    now[0] += 4 * SECOND_NS
    async with serving(venue, now_ns=lambda: now[0]) as core:
        await eventually(lambda: core.server.sequencer.exchange.orders.open_count == 0)


async def test_self_trade_prevention_is_the_default(venue):
    async with serving(venue) as core, peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(), InstrumentDefined)
        async with client(core.port, venue.traders[0]) as trader:
            await trader.place(instrument=1, side="buy", price=100, quantity=5)
            sold = await trader.place(instrument=1, side="sell", price=100, quantity=8)
            assert (sold.cancel_reason, sold.cancelled_quantity, sold.fills) == ("self_trade", 8, [])
            sold = await trader.place(
                instrument=1, side="sell", price=100, quantity=8, self_trade_prevention=SelfTradePrevention.DECREMENT
            )
            assert (sold.open_quantity, sold.filled_quantity, sold.cancel_reason) == (3, 0, "")
            with pytest.raises(ValueError, match="self_trade_prevention 'maybe'"):
                await trader.place(instrument=1, side="buy", price=1, quantity=1, self_trade_prevention="maybe")


async def test_a_market_order_by_amount(venue):
    async with serving(venue) as core:
        await funded(core, venue)
        async with client(core.port, venue.traders[0]) as trader, client(core.port, venue.traders[1]) as other:
            await other.place(instrument=1, side="sell", price=10_000, quantity=500)
            bought = await trader.place(instrument=1, side="buy", order_type="market", quote_quantity=2_505_000)
            assert (bought.quantity, bought.filled_quantity) == (250, 250)
            assert bought.fills[0].fee == 5_000  # 0.2 % of 2,500,000
            with pytest.raises(Rejected, match="^quote_quantity_too_small$"):
                await trader.place(instrument=1, side="buy", order_type="market", quote_quantity=9_999)


async def test_a_second_factor_is_for_a_trusted_session_to_vouch_for(venue):
    async with serving(venue) as core:
        await funded(core, venue)
        async with client(core.trusted_port, venue.trusted) as admin, peer(core.port, venue.traders[0]) as trader:
            await admin.set_account_limits(1, USDT, second_factor_above=1_000_000)
            order = buy(10_000, 101)
            order.second_factor = 1
            assert (await trader.ask(order, Refused)).code == 62
            assert (await trader.ask(buy(10_000, 101), CommandRejected)).code == 51
            terms = {"instrument": 1, "side": "buy", "price": 10_000, "quantity": 101, "account": 1}
            assert (await admin.place(second_factor=True, **terms)).open_quantity == 101


async def test_a_waiting_order_can_be_amended(venue):
    async with serving(venue) as core:
        await funded(core, venue)
        async with client(core.port, venue.traders[0]) as trader:
            stop = await trader.place(**stop_terms(10_100, 5))
            amended = await trader.amend(stop.order_id, stop_price=10_200)
            assert (amended.stop_price, amended.kept_priority, amended.open_quantity) == (10_200, False, 5)
            (order,) = await trader.open_orders()
            assert (order.stop_price, order.order_type, order.is_waiting) == (10_200, OrderType.STOP, 1)
            assert (await trader.cancel(stop.order_id)).quantity == 5
            assert (await trader.balances())[1].reserved == 0
