"""A market's ticker over HTTP: the core's best prices and state, the 24 hours of the streams."""

from datetime import datetime, timedelta, timezone
from functools import partial

import pytest
from yarl import URL

from tests.gateway.live import exchange_of, until
from tests.gateway.test_orders import limit, placed

NOTHING = {
    "state": "open",
    "last": None,
    "open": None,
    "high": None,
    "low": None,
    "volume": "0.000000",
    "quote_volume": "0.00000000",
    "change": None,
    "best_bid": None,
    "best_ask": None,
    "bid_quantity": None,
    "ask_quantity": None,
}
TRADED = {
    "last": "110.00",
    "open": "100.00",
    "high": "120.00",
    "low": "100.00",
    "volume": "0.600000",
    "quote_volume": "67.00000000",
    "change": "10.00",
}


async def ticker(api, market):
    """-> the ticker, without its time."""
    answer = await api.get("/markets/%s/ticker" % market.symbol)
    assert answer.status == 200, answer.body
    found = dict(answer.data)
    assert abs(datetime.fromisoformat(found.pop("timestamp")) - datetime.now(timezone.utc)) < timedelta(minutes=2)
    assert found.pop("symbol") == market.symbol
    return found


async def trade(exchange, market):
    """What TRADED tells, and 0.2 left at 110.00."""
    seller, buyer = await exchange.trader(), await exchange.trader()
    for price, quantity in (("100.00", "0.1"), ("120.00", "0.2"), ("110.00", "0.3")):
        more = "0.5" if price == "110.00" else quantity
        await placed(seller, limit(market, "sell", more, price))
        await placed(buyer, limit(market, "buy", quantity, price))
    return buyer


def as_told(api, market, expected):
    """Wait for a ticker that the trade, told to the gateway a moment later, is in."""
    return until(lambda: ticker(api, market), lambda found: found == expected)


async def test_trades_best_prices_and_a_halt(exchange):
    market, silent, nobody = await exchange.market(), await exchange.market(), exchange.nobody()
    buyer = await trade(exchange, market)
    await placed(buyer, limit(market, "buy", "0.4", "99.99"))
    ask = partial(nobody.get, "/statistics/24h/" + market.symbol)
    statistics = await until(ask, lambda answer: answer.status == 200 and answer.data["trades"] == 3)
    assert {name: statistics.data[name] for name in TRADED} == TRADED
    best = {"best_bid": "99.99", "bid_quantity": "0.400000", "best_ask": "110.00", "ask_quantity": "0.200000"}
    await as_told(nobody, market, {"state": "open", "complete": True, **TRADED, **best})
    await as_told(nobody, silent, {**NOTHING, "complete": True})
    await exchange.client.set_instrument_state(market.instrument, "halted")
    await as_told(nobody, market, {"state": "halted", "complete": True, **TRADED, **best})


async def test_what_was_before_the_gateway_is_from_the_history(exchange, archive):
    market = await exchange.market()
    minute = datetime.now(timezone.utc).replace(second=0, microsecond=0)
    archive.candle(market, "1m", minute - timedelta(hours=30), ("1.00",) * 4)  # too long ago
    archive.candle(market, "1m", minute - timedelta(hours=20), ("100.00", "130.00", "90.00", "120.00"), "1.500000")
    archive.position(datetime.now(timezone.utc))
    day = {"last": "120.00", "open": "100.00", "high": "130.00", "low": "90.00", "change": "20.00"}
    day |= {"volume": "1.500000", "quote_volume": "100.00000000", "complete": True}
    await as_told(exchange.nobody().at(archive), market, {**NOTHING, **day})


@pytest.mark.parametrize("database_url", ["", "postgresql://nobody@127.0.0.1:1/nothing"])
async def test_without_postgres_it_is_of_what_the_gateway_has_seen(own_venue, database_url):
    own_venue.start_core()
    own_venue.start_gateway(database_url=database_url)
    async with exchange_of(own_venue) as exchange:
        market, nobody = await exchange.market(), exchange.nobody()
        await trade(exchange, market)
        best = {"best_ask": "110.00", "ask_quantity": "0.200000"}
        await as_told(nobody, market, {**NOTHING, **TRADED, **best, "complete": False})
        own_venue.core.kill()
        path = "/markets/%s/ticker" % market.symbol
        answer = await until(lambda: nobody.get(path), lambda answer: answer.status != 200)
        assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "core_unavailable", "1")


@pytest.mark.parametrize("symbol", ["NO-SUCH", "'; DROP TABLE trades; --", "<script>", "%00"])
async def test_no_such_market(exchange, symbol):
    answer = await exchange.nobody().get("/markets/%s/ticker" % symbol)
    assert (answer.status, answer.code, answer.field) == (404, "unknown_instrument", "symbol")


async def test_a_slash_in_a_path_is_escaped(exchange):
    market = await exchange.market()
    url = URL("%s/api/v1/markets/%s/ticker" % (exchange.live.url, market.symbol.replace("-", "%2F")), encoded=True)
    answer = await exchange.nobody().request("GET", "", url=url)
    assert (answer.status, answer.data["symbol"]) == (200, market.symbol)
