"""Markets and order books over HTTP, without a token."""

from functools import partial

import pytest
from yarl import URL

from tests.gateway.live import until
from tests.gateway.test_orders import limit, placed


async def book(api, symbol, **query):
    answer = await api.get("/orderbook/" + symbol, **query)
    assert answer.status == 200, answer.body
    return answer.data


async def test_markets(exchange):
    market = await exchange.market(maker_ppm=-100, taker_ppm=2_500)
    await exchange.client.set_instrument_limits(market.instrument, quantity_min=100, notional_min=10**9)

    async def asked():
        return {row["symbol"]: row for row in (await exchange.nobody().get("/markets")).data}[market.symbol]

    found = await until(asked, lambda row: row["min_notional"] is not None)  # another session has set it
    assert found == {
        "symbol": market.symbol,
        "instrument": market.instrument,
        "base_asset": "BTC",
        "quote_asset": "USDT",
        "state": "open",
        "price_scale": 2,
        "quantity_scale": 6,
        "tick_size": "0.01",
        "lot_size": "0.000001",
        "min_quantity": "0.000100",
        "max_quantity": None,
        "min_notional": "10.00000000",
        "price_band_bps": None,
        "collar_bps": 1000,
        "maker_fee_rate": "-0.000100",
        "taker_fee_rate": "0.002500",
        "last_price": None,
    }


async def test_the_book(exchange):
    market, alice, nobody = await exchange.market(), await exchange.trader(), exchange.nobody()
    assert (await book(nobody, market.symbol))["bids"] == []
    for price in ("50000", "50000", "49999.99"):
        await placed(alice, limit(market, "buy", "0.1", price))
    order = (await placed(alice, limit(market, "sell", "0.5", "60000")))["order"]
    expected = {
        "symbol": market.symbol,
        "asks": [{"price": "60000.00", "quantity": "0.500000", "orders": 1}],
        "bids": [
            {"price": "50000.00", "quantity": "0.200000", "orders": 2},
            {"price": "49999.99", "quantity": "0.100000", "orders": 1},
        ],
    }
    ask = partial(book, nobody, market.symbol)
    found = await until(ask, lambda found: {name: found[name] for name in expected} == expected)
    assert len((await book(nobody, market.symbol, depth=1))["bids"]) == 1
    await alice.delete("/orders/" + order["order_id"])
    later = await until(ask, lambda found: found["asks"] == [])
    assert later["sequence"] > found["sequence"]


async def test_a_slash_in_a_path_is_escaped(exchange):
    market = await exchange.market()
    for symbol in (market.symbol, market.symbol.replace("-", "%2F"), market.symbol.replace("-", "%2f")):
        url = URL(exchange.live.url + "/api/v1/orderbook/" + symbol, encoded=True)
        async with exchange.session.get(url) as response:
            assert (response.status, (await response.json())["data"]["symbol"]) == (200, market.symbol)


@pytest.mark.parametrize("depth", ["0", "501", "-1", "x", "1.5", "", "1e2", "\u0661"])
async def test_depths_that_cannot_be(exchange, depth):
    market = await exchange.market()
    answer = await exchange.nobody().get("/orderbook/" + market.symbol, depth=depth)
    assert (answer.status, answer.code, answer.field) == (400, "invalid_parameter", "depth")


async def test_no_such_market(exchange):
    answer = await exchange.nobody().get("/orderbook/NO-SUCH")
    assert (answer.status, answer.code, answer.field) == (404, "unknown_instrument", "symbol")
