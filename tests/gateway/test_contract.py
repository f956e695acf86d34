"""The API's description: it holds, every example of it is true, and what it promises is what a venue does."""

import os
import re
import subprocess
import sys
from functools import partial

import msgspec
import pytest
from yarl import URL

from gateway.app import ROUTES
from gateway.identity import ADMIN, ANYBODY
from gateway.openapi import document
from tests.gateway.live import until
from tests.gateway.test_orders import limit, placed


def test_every_route_is_described_and_answers_are_typed():
    described = document(ROUTES)
    assert described["openapi"] == "3.1.0"
    found = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    assert found == {(route.method, route.path) for route in ROUTES}
    names = [operation["operationId"] for methods in described["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))
    text = msgspec.json.encode(described).decode()
    references = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert references == set(described["components"]["schemas"])


def test_every_route_has_an_example():
    assert [
        route.path for route in ROUTES if not route.examples and route.role != ADMIN and "z" not in route.path
    ] == []


class Examples:
    """What examples need to exist: an order, a trade, a token."""

    def __init__(self, exchange, trader, admin, market):
        self.exchange, self.trader, self.admin, self.market = exchange, trader, admin, market
        self.nobody = exchange.nobody()

    async def names(self):
        maker = await self.exchange.trader("maker")
        await placed(maker, limit(self.market, "sell", "0.01", "50000"))
        done = await placed(self.trader, limit(self.market, "buy", "0.01", "50000"))
        order = await placed(self.trader, limit(self.market, "buy", "0.01", "40000"))
        return {"order_id": order["order"]["order_id"], "trade_id": done["trades"][0]["trade_id"]}

    def of_market(self, value):
        """The examples' market as the one of this test."""
        text = msgspec.json.encode(value).decode()
        other = self.market.symbol.replace("-", "%2F")
        return msgspec.json.decode(text.replace("BTC-USDT", self.market.symbol).replace("BTC%2FUSDT", other))


EXAMPLES = [
    pytest.param(route, example, id="%s %s %d" % (route.method, route.path, number))
    for route in ROUTES
    if route.role != ADMIN
    for number, example in enumerate(route.examples)
]


@pytest.mark.parametrize("route, example", EXAMPLES)
async def test_examples_do_what_they_say(exchange, route, example):
    market, trader = await exchange.market(), await exchange.trader()
    examples = Examples(exchange, trader, None, market)
    names = {name: text for name, (_, text) in route.parameters.items()}
    names.update(await examples.names())
    path = examples.of_market(example.path)
    for name, value in names.items():
        path = path.replace("{%s}" % name, value)
    api = examples.nobody if route.role == ANYBODY else trader
    more = {"json": examples.of_market(example.body)} if example.body is not None else {}
    url = URL(api.url + path, encoded=True)
    if "/snapshots/" in path:  # made once a second, where the book changes

        async def ask():
            await placed(trader, limit(market, "buy", "0.001", "40000"))
            return await api.request(route.method, "", url=url)

        await until(ask, lambda answer: answer.status == example.status)
    ask = partial(api.request, route.method, "", url=url, **more)
    answer = await until(ask, lambda answer: answer.status != 503)  # Postgres may be far behind for a while
    assert answer.status == example.status, answer.body
    responses = document([route])["paths"][route.path][route.method.lower()]["responses"]
    assert ("ETag" in answer.headers) == ("304" in responses)
    if "304" in responses:
        again = await api.request(route.method, "", url=url, headers={"If-None-Match": "*"})
        assert (again.status, again.body) == (304, None) and "content" not in responses["304"]


CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
CHECKS += ",negative_data_rejection,ignored_auth,unsupported_method,response_headers_conformance"


@pytest.mark.slow
async def test_schemathesis_finds_nothing(exchange, tmp_path):
    market = await exchange.market()
    trader = await exchange.trader("crowd", btc=10**6, usdt=10**9)
    await placed(trader, limit(market, "buy", "1", "50000"))
    command = [sys.executable, "-m", "schemathesis.cli", "run", trader.url + "/openapi.json"]
    command += ["--checks", CHECKS, "--max-examples", "10", "--seed", "1", "--workers", "1", "--no-color"]
    command += ["--header", "Authorization: Bearer " + trader.token, "--include-path-regex", "^/api/v1/(?!admin)"]
    command += ["--generation-database", "none", "--mode", "all", "--request-timeout", "20"]
    environment = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
