"""Signed requests: what a key lets through, what it does not, and that a replay gains nothing."""

import asyncio
import json
import os
import time

import aiohttp
import pytest
import pytest_asyncio

from gateway.api_keys import WINDOW_MS, signature_of
from tests.gateway.live import until
from tests.gateway.streams.sockets import connected
from tests.gateway.test_orders import limit
from tests.harness import SECONDS_MAX
from tests.tools.journals import run_json, run_tool
from tools.api_keys import new_api_key
from tools.token import write_jwks


def signed(entry, method, target, body=b"", timestamp=None):
    timestamp = timestamp or str(int(time.time() * 1_000))
    signature = signature_of(entry["secret"].encode(), timestamp, method, target, body)
    return {"X-API-Key": entry["key"], "X-API-Timestamp": timestamp, "X-API-Signature": signature}


@pytest_asyncio.fixture
async def program(exchange, tmp_path):
    """-> (Api without a token, the entry of a key, second Api at another gateway with the same keys)."""
    trader = await exchange.trader("program")
    entry = new_api_key(trader.user)
    path = str(tmp_path / "api-keys.json")
    write_jwks(path, {"keys": [entry]})
    gateways = [exchange.live.start_gateway(number, api_keys=path) for number in (1, 2)]
    trader.token = None
    apis = [trader.at(gateway) for gateway in gateways]
    for api in apis:
        await until(lambda api=api: api.request("GET", "/readyz", prefix=""), lambda answer: answer.status == 200)
    yield apis[0], entry, apis[1]
    for gateway in gateways:
        exchange.live.gateways.remove(gateway)
        gateway.kill()


async def test_a_signed_request(exchange, program):
    api, entry, other = program
    market = await exchange.market()
    await until(lambda: api.get("/orderbook/" + market.symbol), lambda answer: answer.status == 200)
    await until(lambda: other.get("/orderbook/" + market.symbol), lambda answer: answer.status == 200)
    target = "/api/v1/orders?open=true"
    answer = await api.request("GET", "/orders?open=true", headers=signed(entry, "GET", target))
    assert (answer.status, answer.data["orders"]) == (200, [])

    body = json.dumps(limit(market, "buy", "0.1", "50000")).encode()
    headers = {**signed(entry, "POST", "/api/v1/orders", body), "Content-Type": "application/json"}
    answer = await api.request("POST", "/orders", headers=headers, data=body)
    assert answer.status == 201
    again = await api.request("POST", "/orders", headers=headers, data=body)
    assert (again.status, again.code) == (401, "invalid_signature")
    elsewhere = await other.request("POST", "/orders", headers=headers, data=body)
    assert (elsewhere.status, elsewhere.data["order"]["order_id"]) == (200, answer.data["order"]["order_id"])

    for changed in (
        {"X-API-Signature": "0" * 64},
        {"X-API-Signature": "x"},
        {"X-API-Key": "nobody"},
        {"X-API-Timestamp": "1"},
        signed(entry, "DELETE", target),
        signed(entry, "GET", target + "&side=buy"),
        signed(entry, "GET", target, b"{}"),
        signed(entry, "GET", target, timestamp=str(int(time.time() * 1_000) - WINDOW_MS - 1_000)),
        signed(entry, "GET", target, timestamp=str(int(time.time() * 1_000) + WINDOW_MS + 60_000)),
        signed({**entry, "secret": "y" * 40}, "GET", target),
    ):
        headers = {**signed(entry, "GET", target), **changed}
        answer = await api.request("GET", "/orders?open=true", headers=headers)
        assert (answer.status, answer.code) == (401, "invalid_signature"), changed
        assert entry["secret"] not in json.dumps(answer.body)


async def test_keys_are_made_and_revoked_while_the_gateway_runs(exchange, program, tmp_path):
    api, entry, other = program
    path = tmp_path / "api-keys.json"

    async def statuses(entry, wanted):
        """Until both gateways answer with this."""
        for at in (api, other):
            await until(
                lambda at=at: at.get("/balances", headers=signed(entry, "GET", "/api/v1/balances")),
                lambda answer: (answer.status, answer.body.get("error", {}).get("code")) == wanted,
            )

    await statuses(entry, (200, None))
    _, made = await asyncio.to_thread(run_json, "api-keys", "create", api.user, "--file", path)
    await statuses(made, (200, None))
    await statuses(entry, (200, None))  # the one of before is as good
    assert (await asyncio.to_thread(run_tool, "api-keys", "revoke", entry["key"], "--file", path))[0] == 0
    await statuses(entry, (401, "invalid_signature"))
    await statuses(made, (200, None))

    (tmp_path / "broken").write_text("{")
    os.rename(tmp_path / "broken", path)
    gateways = exchange.live.gateways[-2:]
    async with asyncio.timeout(SECONDS_MAX):
        while not all("the keys of before stay" in "".join(gateway.log) for gateway in gateways):
            await statuses(made, (200, None))
    await statuses(made, (200, None))
    assert not [
        line for gateway in gateways for line in gateway.log if made["secret"] in line or entry["secret"] in line
    ]


async def test_a_signed_handshake(exchange, program, tmp_path):
    """A program follows its orders with the key alone, for as long as there is that key."""
    api, entry, _ = program
    market = await exchange.market()
    await until(lambda: api.get("/orderbook/" + market.symbol), lambda answer: answer.status == 200)
    headers = signed(entry, "GET", "/ws/orders")
    async with connected(api, "/ws/orders", headers=headers) as socket:
        await socket.until("orders_snapshot")
        body = json.dumps(limit(market, "buy", "0.1", "50000")).encode()
        more = {**signed(entry, "POST", "/api/v1/orders", body), "Content-Type": "application/json"}
        placed = (await api.request("POST", "/orders", headers=more, data=body)).data["order"]
        assert (await socket.until("order_update"))["order_id"] == placed["order_id"]
        for wrong in (headers, {**signed(entry, "GET", "/ws/orders"), "X-API-Key": "nobody"}):  # a replay, no such key
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with connected(api, "/ws/orders", headers=wrong):
                    pass
            assert refused.value.status == 401
        write_jwks(str(tmp_path / "api-keys.json"), {"keys": []})
        assert await socket.closed() == (4401, "invalid_signature")
