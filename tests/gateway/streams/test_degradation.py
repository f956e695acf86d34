"""Streams while processes die and come back: nothing is lost, and clients are told."""

import os
import shutil

import aiohttp
import pytest

from tests.gateway.live import exchange_of, until, until_ready
from tests.gateway.streams.sockets import connected, own_orders, told


def limit(market, side, quantity, price, **more):
    return {"symbol": market.symbol, "side": side, "type": "limit", "quantity": quantity, "price": price, **more}


async def placed(api, body):
    answer = await api.post("/orders", body)
    assert answer.status == 201, answer.body
    return answer.data["order"]["order_id"]


async def test_the_core_is_killed_and_comes_back(own_venue):
    own_venue.start_core()
    own_venue.start_gateway()
    async with exchange_of(own_venue) as exchange:
        market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
        await placed(alice, limit(market, "sell", "0.3", "50000"))
        async with own_orders(alice) as private, connected(bob, "/ws/markets/" + market.symbol) as public:
            await public.send("subscribe", channel="depth")
            await public.until("depth", asks=[["50000.00", "0.300000"]])
            await placed(bob, limit(market, "buy", "0.1", "50000"))
            assert told(await private.until("order_update"))[0] == "PARTIALLY_FILLED"
            await public.until("depth_update", asks=[["50000.00", "0.200000"]])
            own_venue.core.kill()
            for socket in (private, public):
                await socket.until("venue_status", status="core_unavailable")
            async with connected(exchange.nobody(), "/ws") as new:  # what it is told may be old
                told_first = await new.next()
                assert (told_first["type"], told_first["status"]) == ("venue_status", "core_unavailable")
            error = await public.ask("subscribe", channel="orders")
            assert (error["type"], error["code"]) == ("error", "core_unavailable")
            own_venue.start_core()
            for socket in (private, public):
                between = await socket.all_until("venue_status", status="live")
                assert not [message for message in between if message["type"] in ("order_update", "trade_executed")]
            depth = [message for message in between if message["type"] == "depth"]
            assert (depth or [await public.until("depth")])[-1]["asks"] == [["50000.00", "0.200000"]]
            await until_ready(exchange.nobody())
            await placed(bob, limit(market, "buy", "0.2", "50000"))
            assert told(await private.until("order_update")) == (
                "FILLED",
                "0.300000",
                "0.000000",
                "50000.00000000",
                None,
            )
            both = await public.all_until("depth_update", asks=[["50000.00", "0.000000"]])
            if "trade_executed" not in [message["type"] for message in both]:
                await public.until("trade_executed")


async def test_a_gateway_ends_in_order(own_venue):
    own_venue.start_core()
    gateway = own_venue.start_gateway()
    async with exchange_of(own_venue) as exchange:
        alice = await exchange.trader("alice")
        async with own_orders(alice) as private, connected(exchange.nobody(), "/ws") as public:
            gateway.process.terminate()
            for socket in (private, public):
                await socket.until("venue_status", status="shutting_down")
                assert await socket.closed() == (1001, "shutting_down")
                await socket.ws.close()
            assert gateway.wait() == 0


async def test_another_gateway_goes_on_where_the_first_was_killed(own_venue):
    own_venue.start_core()
    first, second = own_venue.start_gateway(0), own_venue.start_gateway(1)
    async with exchange_of(own_venue) as exchange:
        market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
        await until_ready(alice.at(first))
        async with own_orders(alice.at(first)) as socket:
            await placed(alice, limit(market, "sell", "0.3", "50000"))
            seen = (await socket.until("order_update"))["sequence"]
            first.kill()
        await placed(bob, limit(market, "buy", "0.1", "50000"))
        async with connected(alice.at(second), "/ws/orders", sequence=seen) as socket:
            missed = await socket.all_until("resumed")
            assert [told(update)[:3] for update in missed[:-1]] == [("PARTIALLY_FILLED", "0.100000", "0.200000")]


async def test_a_gateway_that_is_started_again_knows_what_was_missed(own_venue):
    own_venue.start_core()
    gateway = own_venue.start_gateway()
    async with exchange_of(own_venue) as exchange:
        market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
        await placed(bob, limit(market, "sell", "0.1", "60000"))
        async with own_orders(alice) as socket:
            await placed(alice, limit(market, "sell", "0.3", "50000", client_order_id="mine"))
            seen = (await socket.until("order_update"))["sequence"]
        await placed(bob, limit(market, "buy", "0.1", "50000"))
        gateway.kill()
        order = {"instrument": market.instrument, "side": "buy", "price": 5_000_000, "quantity": 50_000}
        await exchange.client.place(account=bob.account, **order)  # while no gateway is there
        again = own_venue.start_gateway()
        await until_ready(alice.at(again))
        async with connected(alice.at(again), "/ws/orders", sequence=seen) as socket:
            missed = await socket.all_until("resumed")
            assert [told(update) for update in missed[:-1]] == [
                ("PARTIALLY_FILLED", "0.100000", "0.200000", "50000.00000000", None),
                ("PARTIALLY_FILLED", "0.150000", "0.150000", "50000.00000000", None),
            ]
            assert missed[0]["client_order_id"] == "mine"
        async with connected(alice.at(again), "/ws/trades", symbol=market.symbol, sequence=seen) as socket:
            assert [message["type"] for message in await socket.all_until("resumed")] == ["trade_executed"] * 2 + [
                "resumed"
            ]


async def test_a_core_that_has_lost_its_journal(own_venue):
    """Whoever is told every event is closed: what is missing cannot be had. And nobody gets another user's account."""
    own_venue.start_core()
    own_venue.start_gateway()
    async with exchange_of(own_venue) as exchange:
        market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
        await placed(alice, limit(market, "sell", "0.3", "50000"))
        await placed(bob, limit(market, "buy", "0.1", "50000"))
        async with (
            own_orders(alice) as private,
            connected(exchange.nobody(), "/ws/trades") as trades,
            connected(exchange.nobody(), "/ws") as public,
        ):
            await public.ask("subscribe", channel="ticker", symbol=market.symbol)
            await public.until("ticker", volume="0.100000")
            own_venue.core.kill()
            shutil.rmtree(own_venue.venue.journal)
            os.mkdir(own_venue.venue.journal)
            own_venue.start_core()
            for socket in (private, trades):
                assert await socket.closed() == (1013, "resume_unavailable")
            await public.until("venue_status", status="live")
    async with exchange_of(own_venue) as exchange:
        alice.session = exchange.session
        own_venue.numbers = iter([market.instrument, 1_000, 1_001])
        again = await exchange.market()
        assert again == market
        mallory = await exchange.trader("mallory", btc=7)
        assert mallory.account == alice.account
        found = await until(lambda: alice.get("/balances"), lambda answer: answer.status == 200)
        assert {row["available"] for row in found.data} <= {"0.00000000"}
        async with own_orders(mallory) as private, connected(exchange.nobody(), "/ws/trades") as trades:
            await trades.until("subscribed")
            order_id = await placed(mallory, limit(again, "sell", "0.1", "40000"))
            assert (await private.until("order_update"))["order_id"] == order_id
            other = await exchange.trader("other")
            await placed(other, limit(again, "buy", "0.1", "40000"))
            assert (await trades.until("trade_executed"))["price"] == "40000.00"
            ticker = await until(
                lambda: other.get("/markets/%s/ticker" % again.symbol), lambda answer: answer.status == 200
            )
            assert (ticker.data["last"], ticker.data["volume"]) == ("40000.00", "0.100000")


async def test_a_socket_while_the_core_is_gone(own_venue):
    own_venue.start_core()
    own_venue.start_gateway()
    async with exchange_of(own_venue) as exchange:
        market, alice = await exchange.market(), await exchange.trader("alice")
        own_venue.core.kill()
        await until_ready(alice, 503)
        async with connected(alice, "/ws/orders") as socket:
            status, error = await socket.next(), await socket.next()
            assert (status["type"], status["status"]) == ("venue_status", "core_unavailable")
            assert (error["type"], error["code"]) == ("error", "core_unavailable")
            assert await socket.closed() == (1013, "core_unavailable")
        async with connected(alice, "/ws") as socket:
            for symbol, code in ((market.symbol, None), ("NO-SUCH", "core_unavailable")):
                answer = await socket.ask("subscribe", channel="trades", symbol=symbol)
                assert answer.get("code") == code
        async with connected(alice, "/ws/trades", symbol=market.symbol) as socket:
            assert [(await socket.next())["type"] for _ in range(2)] == ["venue_status", "subscribed"]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with connected(alice, "/ws/markets/NO-SUCH"):
                pass
        assert refused.value.status == 503


async def test_resume_at_a_gateway_that_hears_of_it_last(own_venue):
    """A client may know of an event before the gateway it comes to does: that one asks the core, and waits."""
    own_venue.start_core()
    first, second = own_venue.start_gateway(0), own_venue.start_gateway(1)
    async with exchange_of(own_venue) as exchange:
        market, alice = await exchange.market(), await exchange.trader("alice")
        await until_ready(alice.at(first))
        for _ in range(20):
            async with own_orders(alice.at(first)) as socket:
                await placed(alice.at(first), limit(market, "sell", "0.001", "50000"))
                seen = (await socket.until("order_update"))["sequence"]
                async with connected(alice.at(second), "/ws/orders", sequence=seen) as resumed:
                    assert (await resumed.next())["type"] == "resumed"
                async with connected(alice.at(second), "/ws/trades", sequence=seen) as resumed:
                    assert (await resumed.next())["type"] == "resumed"
