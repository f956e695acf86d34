"""The description of the admin API: every example of it is true, and what it promises is what a venue does."""

import os
import subprocess
import sys
import uuid

import msgspec
import pytest
from yarl import URL

from gateway.app import ROUTES
from gateway.identity import ADMIN
from tests.gateway.live import exchange_of
from tests.postgres import fresh_database, url_of

EXAMPLES = [
    pytest.param(route, example, id="%s %s %d" % (route.method, route.path, number))
    for route in ROUTES
    if route.role == ADMIN
    for number, example in enumerate(route.examples)
]


def test_every_route_has_an_example():
    assert {route.path for route in ROUTES if route.role == ADMIN and not route.examples} == set()


@pytest.mark.parametrize("route, example", EXAMPLES)
async def test_examples_do_what_they_say(exchange, route, example):
    market, trader, admin = await exchange.market(), await exchange.trader(), await exchange.admin()
    number = next(exchange.live.numbers)
    asset = "E%d" % number
    if route.path.endswith("/instruments"):
        await admin.post("/admin/assets", {"symbol": asset, "scale": 8})
    user = "alice-%d" % number if route.path.endswith("/admin/accounts") else trader.user

    def here(value):
        """The names of an example as those of this test."""
        text = msgspec.json.encode(value).decode()
        for name, own in (
            ("BTC-USDT", market.symbol),
            ("alice", user),
            ("ETH", asset),
            ("wire-", "%s-" % uuid.uuid4()),
        ):
            text = text.replace(name, own)
        return msgspec.json.decode(text)

    more = {"json": here(example.body)} if example.body is not None else {}
    url = URL(admin.url + here(example.path), encoded=True)
    headers = {"Authorization": "Bearer " + admin.token}
    async with exchange.session.request(route.method, url, headers=headers, **more) as response:
        assert response.status == example.status, await response.text()


CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
CHECKS += ",negative_data_rejection,ignored_auth,unsupported_method,response_headers_conformance"


@pytest.mark.slow
async def test_schemathesis_finds_nothing(own_venue, postgres, tmp_path):
    """On a venue of its own: it halts and blocks whatever there is."""
    own_venue.database_url = url_of(postgres, fresh_database(postgres))
    own_venue.start_core()
    own_venue.start_drainer()
    own_venue.start_gateway()
    async with exchange_of(own_venue) as exchange:
        await exchange.market()
        admin = await exchange.admin()
        command = [sys.executable, "-m", "schemathesis.cli", "run", admin.url + "/openapi.json"]
        command += ["--checks", CHECKS, "--max-examples", "10", "--seed", "1", "--workers", "1", "--no-color"]
        command += ["--header", "Authorization: Bearer " + admin.token, "--include-path-regex", "^/api/v1/admin"]
        command += ["--generation-database", "none", "--mode", "all", "--request-timeout", "20"]
        environment = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
