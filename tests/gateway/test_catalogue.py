"""What the gateway knows of markets and assets, from the core's answers and from events."""

import asyncio

import attrs
import pytest

from gateway.catalogue import Catalogue
from gateway.errors import ApiError
from protocol.calls import Balance, Instrument
from protocol.messages import (
    AssetDefined,
    FeesSet,
    InstrumentDefined,
    InstrumentLimitsSet,
    InstrumentState,
    InstrumentStateChanged,
    Liquidity,
    OrderFilled,
)
from tests.gateway.live import ASSETS, PRICE_SCALE, QUANTITY_SCALE, exchange_of, until

BALANCES = [Balance(1, "BTC", 8, 0, 0), Balance(2, "USDT", 8, 0, 0)]
OLD = Instrument(1, 2, 6, 1, 1, 1_000, InstrumentState.OPEN, "OLD-USDT", 1, 2, 100, 0, 0, 0, 0, 10, 20)


def event(cls, **fields):
    """-> an event with what matters here; the rest is "" and 0."""
    names = {field.name: "" if field.type is str else 0 for field in attrs.fields(cls)}
    return cls(**{**names, **fields})


def test_the_cores_answers_are_all_there_is():
    catalogue = Catalogue()
    catalogue.take(event(AssetDefined, asset=9, scale=0, symbol="GONE"))
    catalogue.ask()
    catalogue.load(BALANCES, [OLD])
    market = catalogue.market("OLD/USDT")
    assert (market.base, market.quote, market.last_price, market.taker_ppm) == ("BTC", "USDT", 100, 20)
    with pytest.raises(ApiError):
        catalogue.asset("GONE")


def test_what_is_told_while_the_core_is_being_asked_is_not_lost():
    catalogue = Catalogue()
    catalogue.ask()
    for told in (
        event(AssetDefined, asset=3, scale=2, symbol="EUR"),
        event(InstrumentDefined, instrument=2, price_scale=2, quantity_scale=6, base=1, quote=3, symbol="NEW-EUR"),
        event(InstrumentStateChanged, instrument=2, state=InstrumentState.HALTED),
        event(InstrumentLimitsSet, instrument=1, quantity_min=7),
        event(FeesSet, instrument=1, tier=0, maker_ppm=1, taker_ppm=2),
        event(FeesSet, instrument=1, tier=1, maker_ppm=3, taker_ppm=4),
        event(OrderFilled, instrument=1, liquidity=Liquidity.TAKER, price=105),
    ):
        catalogue.take(told)
    catalogue.load(BALANCES, [OLD])
    new, old = catalogue.market("NEW-EUR"), catalogue.market("OLD-USDT")
    assert (new.quote, new.quote_scale, new.state) == ("EUR", 2, InstrumentState.HALTED)
    assert (old.quantity_min, old.maker_ppm, old.taker_ppm, old.last_price) == (7, 1, 2, 105)


async def test_markets_that_are_made_while_a_gateway_starts(own_venue):
    own_venue.start_core()
    own_venue.start_gateway()
    async with exchange_of(own_venue) as exchange:
        symbols = []

        async def define():
            while True:
                number = next(own_venue.numbers)
                scales = {"price_scale": PRICE_SCALE, "quantity_scale": QUANTITY_SCALE, "tick": 1, "lot": 1}
                symbol = "M%d-USDT" % number
                await exchange.client.define_instrument(
                    number, symbol, base=ASSETS["BTC"], quote=ASSETS["USDT"], collar_bps=1_000, **scales
                )
                symbols.append(symbol)

        defining = asyncio.create_task(define())
        late = exchange.nobody().at(await asyncio.to_thread(own_venue.start_gateway, 1))
        await until(lambda: late.get("/markets"), lambda answer: answer.status == 200)
        defining.cancel()
        await asyncio.wait([defining])
        last = symbols[-1]
        found = await until(
            lambda: late.get("/markets"), lambda answer: last in [market["symbol"] for market in answer.data]
        )
        assert {market["symbol"] for market in found.data} >= set(symbols)
