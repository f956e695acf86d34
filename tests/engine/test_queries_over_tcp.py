"""Answers come whole, however much there is to tell: in pages that fit a frame."""

import pytest

from protocol.client import TradingClient
from protocol.messages import (
    CLIENT_ORDER_ID_MAX,
    DEPTH_LEVELS_MAX,
    CancelOrder,
    Code,
    Depth,
    InstrumentDefined,
    Instruments,
    OrderAccepted,
    OrderCancelled,
    Orders,
    QueryDepth,
    QueryInstruments,
    QueryOpenOrders,
    Refused,
)
from tests.harness import HOST, Venue, instrument, peer, sell, serving


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path)


def client(port, key):
    number, secret = key
    return TradingClient(HOST, port, key=number, secret=secret)


async def test_any_number_of_instruments_can_be_asked_for(venue):
    async with serving(venue) as core, peer(core.trusted_port, venue.trusted) as operator:
        numbers = list(range(1, 1_201)) + [2**32 - 1]
        definitions = [instrument(number) for number in reversed(numbers)]
        for definition in definitions:
            definition.symbol = definition.symbol.ljust(32, "x")
        operator.send(*definitions)
        await operator.until(InstrumentDefined, len(numbers))
        pages = [await operator.ask(QueryInstruments(0), Instruments)]
        while pages[-1].more:
            after = pages[-1].instruments[-1][0]
            pages.append(await operator.ask(QueryInstruments(0, after), Instruments))
        assert [row[0] for page in pages for row in page.instruments] == numbers
        assert [len(page.instruments) for page in pages] == [500, 500, 201]
        async with client(core.port, venue.traders[0]) as trader:
            assert [found.instrument for found in await trader.instruments()] == numbers


async def test_any_number_of_open_orders_can_be_asked_for(venue):
    async with serving(venue) as core, peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(2**32 - 1), InstrumentDefined)
        async with client(core.port, venue.traders[0]) as trader, peer(core.port, venue.traders[1]) as other:
            count = 1_000
            names = [str(number).ljust(CLIENT_ORDER_ID_MAX, "n") for number in range(count)]
            fields = {"instrument": 2**32 - 1}
            operator.send(*[sell(10**15 - 1, 4_000, account=1, client_order_id=name, **fields) for name in names])
            accepted = [m for m in await operator.until(OrderAccepted, count) if type(m) is OrderAccepted]
            await other.ask(sell(1, 1, **fields), OrderAccepted)
            orders = await trader.open_orders()
            assert [order.order_id for order in orders] == [event.order_id for event in accepted]


async def test_open_orders_by_instrument_go_on_after_any_order_ended_ones_and_others_too(venue):
    async with serving(venue) as core, peer(core.trusted_port, venue.trusted) as operator:
        operator.send(instrument(1), instrument(2))
        await operator.until(InstrumentDefined, 2)
        operator.send(*[sell(100 + n, 1, account=1 + n % 2, instrument=1 + n // 2 % 2) for n in range(40)])
        placed = [message for message in await operator.until(OrderAccepted, 40) if type(message) is OrderAccepted]
        own = {number: [e.order_id for e in placed if (e.account, e.instrument) == (1, number)] for number in (1, 2)}
        everything = sorted(own[1] + own[2])
        await operator.ask(CancelOrder(1, own[1][3]), OrderCancelled)
        ended = own[1].pop(3)
        everything.remove(ended)
        theirs = [event.order_id for event in placed if event.account == 2]
        for number, expected in ((0, everything), (1, own[1]), (2, own[2]), (3, [])):
            for after in [-1, 0, *everything, ended, *theirs, 2**63 - 1]:
                rest = [order_id for order_id in expected if order_id > after]
                page = await operator.ask(QueryOpenOrders(1, number, after, 3), Orders)
                assert [row[0] for row in page.orders] == rest[:3] and page.more == (len(rest) > 3)


async def test_the_depth_of_an_instrument_that_does_not_exist_is_refused(venue):
    async with serving(venue) as core, peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(1), InstrumentDefined)
        for number in (0, 2, 2**32 - 1):
            assert (await operator.ask(QueryDepth(0, number), Refused)).code == Code.UNKNOWN_INSTRUMENT


async def test_a_deep_book_is_cut_off_at_its_best_levels(venue):
    async with serving(venue) as core, peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(), InstrumentDefined)
        levels = DEPTH_LEVELS_MAX + 100
        operator.send(*[sell(10**15 - price, 1, account=1) for price in range(levels)])
        await operator.until(OrderAccepted, levels)
        for wanted, given in ((2**32 - 1, DEPTH_LEVELS_MAX), (0, 1), (3, 3)):
            depth = await operator.ask(QueryDepth(0, 1, wanted), Depth)
            assert [row[1] for row in depth.levels] == [10**15 - levels + 1 + n for n in range(given)]
