"""What is gone is said at once, what can go on goes on, and nothing is guessed."""

import asyncio
import json
import signal

import aiohttp
import pytest
from yarl import URL

from tests.gateway.live import exchange_of, until, until_ready
from tests.gateway.test_orders import limit, placed


async def test_the_core_goes_and_comes_back(own_venue):
    own_venue.start_core()
    own_venue.start_gateway()
    async with exchange_of(own_venue) as exchange:
        market, alice, admin = await exchange.market(), await exchange.trader(), await exchange.admin()
        order = (await placed(alice, limit(market, "buy", "0.1", "50000")))["order"]
        own_venue.core.kill()
        await until_ready(alice, 503)
        for answer in (
            await alice.post("/orders", limit(market, "buy", "0.1", "50000")),
            await alice.get("/orders", open="true"),
            await alice.delete("/orders"),
            await alice.get("/balances"),
            await alice.get("/orderbook/" + market.symbol),
            await alice.get("/markets"),
            await alice.get("/orderbook/NO-SUCH"),  # the core may know it
            await admin.post("/admin/trading/halt/NO-SUCH", {"reason": "a test"}),
            await admin.post("/admin/trading/halt/" + market.symbol, {"reason": "a test"}),
        ):
            assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "core_unavailable", "1")
        own_venue.start_core()
        await until_ready(alice)
        found = await until(lambda: alice.get("/orders", open="true"), lambda answer: answer.status == 200)
        assert [row["order_id"] for row in found.data["orders"]] == [order["order_id"]]


async def test_a_question_under_way_when_the_core_goes(own_venue):
    """It changes nothing, so that there is nothing to settle: it is refused, not waited for."""
    own_venue.start_core()
    own_venue.start_gateway()
    async with exchange_of(own_venue) as exchange:
        market, alice = await exchange.market(), await exchange.trader()
        await alice.get("/balances")  # the gateway knows the account
        own_venue.core.process.send_signal(signal.SIGSTOP)
        paths = ("/balances", "/orders?open=true", "/orderbook/%s?depth=7" % market.symbol, "/orders/4194305")
        asking = [asyncio.create_task(alice.get(path)) for path in paths]
        await asyncio.wait(asking, timeout=0.3)  # they are on their way
        own_venue.core.kill()
        for answer in await asyncio.gather(*asking):
            assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "core_unavailable", "1")


async def test_an_order_whose_answer_is_lost_is_settled(own_venue):
    """The core stops before it has read the order, or after; it is killed and comes back: there is one order."""
    own_venue.start_core()
    own_venue.start_gateway()
    async with exchange_of(own_venue) as exchange:
        market, alice = await exchange.market(), await exchange.trader()
        await alice.get("/balances")  # the gateway knows the account
        own_venue.core.process.send_signal(signal.SIGSTOP)
        body = limit(market, "buy", "0.1", "50000", client_order_id="lost")
        posting = [asyncio.create_task(alice.post("/orders", body)) for _ in range(3)]
        await asyncio.wait(posting, timeout=0.3)  # they are on their way
        own_venue.core.kill()
        own_venue.start_core()
        answers = await asyncio.gather(*posting)
        assert {answer.status for answer in answers} <= {200, 201, 503}
        again = await until(lambda: alice.post("/orders", body), lambda answer: answer.status != 503)
        ids = {answer.data["order"]["order_id"] for answer in (*answers, again) if answer.status != 503}
        assert len(ids) == 1
        found = (await alice.get("/orders", open="true")).data["orders"]
        assert [row["order_id"] for row in found] == list(ids)


async def test_without_postgres_trading_and_open_orders_go_on(own_venue):
    own_venue.database_url = "postgresql://nobody@127.0.0.1:1/nothing"
    own_venue.start_core()
    own_venue.start_gateway()
    async with exchange_of(own_venue) as exchange:
        market, alice = await exchange.market(), await exchange.trader()
        order = (await placed(alice, limit(market, "buy", "0.1", "50000")))["order"]
        assert (await alice.get("/orders/" + order["order_id"])).data == order
        assert (await alice.get("/orders", status="OPEN")).data["orders"] == [order]
        for path in ("/orders", "/fills", "/trades", "/trades/1"):
            answer = await alice.get(path)
            assert (answer.status, answer.code) == (503, "history_unavailable")
        assert (await alice.delete("/orders")).data["count"] == 1


async def test_a_gateway_that_stops_answers_what_is_under_way(own_venue):
    own_venue.start_core()
    gateway = own_venue.start_gateway()
    async with exchange_of(own_venue) as exchange:
        market, alice = await exchange.market(), await exchange.trader()
        await alice.get("/balances")
        own_venue.core.process.send_signal(signal.SIGSTOP)
        posting = asyncio.create_task(alice.post("/orders", limit(market, "buy", "0.1", "50000")))
        await asyncio.wait([posting], timeout=0.3)
        gateway.process.send_signal(signal.SIGTERM)
        gateway.line("stopping")
        own_venue.core.process.send_signal(signal.SIGCONT)
        assert (await posting).status == 201
        assert await asyncio.to_thread(gateway.wait) == 0


async def _connect(gateway):
    """-> None where it does not take the connection."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", URL(gateway.url).port)
    except OSError:
        return None
    writer.close()
    return writer


async def test_a_request_under_way_is_answered_before_the_end(own_venue):
    own_venue.start_core()
    gateway = own_venue.start_gateway()
    async with exchange_of(own_venue) as exchange:
        market, alice = await exchange.market(), await exchange.trader()
        body = json.dumps(limit(market, "buy", "0.1", "50000")).encode()
        head = "POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
        head += "Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n" % (alice.token, len(body))
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(gateway.url).port)
        writer.write(head.encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"  # it is under way
        gateway.process.send_signal(signal.SIGTERM)
        gateway.line("stopping")
        await until(lambda: _connect(gateway), lambda connection: connection is None)  # it takes no more
        writer.write(body[:10])
        await writer.drain()
        writer.write(body[10:])
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 201 ")
        assert gateway.wait() == 0
        with pytest.raises(aiohttp.ClientConnectionError):
            await alice.get("/balances")
        assert len(await exchange.client.open_orders(instrument=market.instrument, account=alice.account)) == 1
