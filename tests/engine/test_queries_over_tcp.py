"""Answers come whole, however much there is to tell: in pages that fit a frame."""

import pytest

from protocol.client import TradingClient
from protocol.messages import (
    CLIENT_ORDER_ID_MAX,
    DEPTH_LEVELS_MAX,
    Depth,
    InstrumentDefined,
    Instruments,
    OrderAccepted,
    QueryDepth,
    QueryInstruments,
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


async def test_a_deep_book_is_cut_off_at_its_best_levels(venue):
    async with serving(venue) as core, peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(), InstrumentDefined)
        levels = DEPTH_LEVELS_MAX + 100
        operator.send(*[sell(10**15 - price, 1, account=1) for price in range(levels)])
        await operator.until(OrderAccepted, levels)
        for wanted, given in ((2**32 - 1, DEPTH_LEVELS_MAX), (0, 1), (3, 3)):
            depth = await operator.ask(QueryDepth(0, 1, wanted), Depth)
            assert [row[1] for row in depth.levels] == [10**15 - levels + 1 + n for n in range(given)]
