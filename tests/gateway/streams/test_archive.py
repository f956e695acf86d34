"""Streams of a gateway that knows nothing of before its start, but for what Postgres has."""

import asyncio
from functools import partial

from tests.gateway.live import until, until_ready, well_before_the_end
from tests.gateway.streams.sockets import connected, own_orders, told
from tests.gateway.test_orders import limit, placed
from tests.harness import SECONDS_MAX


async def resumed(api, sequence):
    """-> the messages up to `resumed`, once the drainer has come so far."""
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            async with connected(api, "/ws/orders", sequence=sequence) as socket:
                first = await socket.next()
                if first["type"] != "resume_unavailable":
                    return [first, *await socket.all_until("resumed")]


async def test_updates_of_before_are_the_same_from_postgres(exchange, another_gateway):
    market, alice, bob = await exchange.market(maker_ppm=-100, taker_ppm=300), *await traders(exchange)
    async with own_orders(alice) as socket:
        first = (await placed(alice, limit(market, "sell", "0.3", "50000", client_order_id="a")))["order"]["order_id"]
        seen = (await socket.next())["sequence"]
        await placed(bob, limit(market, "buy", "0.1", "50000"))
        await alice.patch("/orders/" + first, {"quantity": "0.25"})
        await placed(bob, limit(market, "buy", "0.05", "50000"))
        await alice.post("/orders", limit(market, "buy", "100", "50000", client_order_id="too-much"))
        stop = {"symbol": market.symbol, "side": "sell", "type": "stop", "quantity": "0.1", "stop_price": "49000"}
        second = (await placed(alice, stop))["order"]["order_id"]
        await alice.delete("/orders/" + second)
        await placed(
            alice, limit(market, "buy", "0.01", "50000", time_in_force="IOC", self_trade_prevention="cancel_taker")
        )
        live = [await socket.next() for _ in range(8)]
    late = alice.at(another_gateway(history_events=0))
    await until_ready(late)
    missed = await resumed(late, seen)
    assert missed[:-1] == live
    assert [told(update)[0] for update in live] == [
        "PARTIALLY_FILLED",
        "PARTIALLY_FILLED",
        "PARTIALLY_FILLED",
        "REJECTED",
        "PENDING",
        "CANCELLED",
        "OPEN",
        "CANCELLED",
    ]


async def traders(exchange):
    return await exchange.trader("alice"), await exchange.trader("bob")


async def test_ticker_and_candles_begin_with_the_history(exchange, another_gateway):
    await well_before_the_end(24 * 3600)
    market, alice, bob = await exchange.market(), *await traders(exchange)
    for price in ("50000", "51000"):
        await placed(alice, limit(market, "sell", "0.1", price))
        await placed(bob, limit(market, "buy", "0.1", price))
    ask = partial(alice.get, "/statistics/24h/" + market.symbol)  # until the drainer has come so far
    await until(ask, lambda answer: answer.status == 200 and answer.data["trades"] == 2)
    late = alice.at(another_gateway(history_events=0))
    await until_ready(late)
    async with connected(late, "/ws") as socket:
        await socket.send("subscribe", channel="ticker", symbol=market.symbol)
        ticker = await socket.until("ticker", volume="0.200000")
        names = ("last", "open", "high", "low", "quote_volume", "change")
        assert [ticker[name] for name in names] == [
            "51000.00",
            "50000.00",
            "51000.00",
            "50000.00",
            "10100.00000000",
            "1000.00",
        ]
        await socket.send("subscribe", channel="candles", symbol=market.symbol, timeframe="1d")
        candle = await socket.until("candle", trades=2)
        assert (candle["open"], candle["close"], candle["volume"]) == ("50000.00", "51000.00", "0.200000")
        await placed(alice, limit(market, "sell", "0.1", "52000"))
        await placed(bob, limit(market, "buy", "0.1", "52000"))
        candle = await socket.until("candle", trades=3)
        assert (candle["high"], candle["volume"]) == ("52000.00", "0.300000")
