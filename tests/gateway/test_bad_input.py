"""What comes in over HTTP and should not: a clean error each, nothing told of how we are made, nothing done."""

import asyncio
import json
import socket

import pytest
from multidict import CIMultiDict
from yarl import URL

from tests.gateway.live import exchange_of, until
from tests.gateway.test_orders import limit

JSON = {"Content-Type": "application/json"}
LEAKS = ("Traceback", "aiohttp", "msgspec", "site-packages", "psycopg", "SELECT", "/gateway/")


def clean(answer, *statuses):
    assert answer.status in statuses, (answer.status, answer.body)
    text = json.dumps(answer.body)
    assert not [leak for leak in LEAKS if leak in text], text
    assert answer.headers["Server"] == "trade-engine" and answer.headers["X-Content-Type-Options"] == "nosniff"
    return answer


async def nothing_was_done(api):
    assert (await api.delete("/orders")).data["count"] == 0


@pytest.mark.parametrize(
    "body, status, code",
    [
        (b"", 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b"null", 422, "invalid_field"),
        (b"[]", 422, "invalid_field"),
        (b"[" * 10_000, 422, "invalid_field"),
        (b'{"a":' * 5_000, 422, "invalid_field"),
        (b'{"symbol": "BTC-USDT", "side": "buy"} x', 400, "invalid_json"),
        (b'{"symbol": NaN}', 400, "invalid_json"),
        (b'{"symbol": Infinity}', 400, "invalid_json"),
        (b'{"symbol": "\xff\xfe"}', 400, "invalid_json"),
        (b"\xff\xfe{\x00}\x00", 400, "invalid_json"),
        (b'{"symbol": "\\ud800"}', 400, "invalid_json"),
        (b'{"side": "buy", "side": "sell", "symbol": "BTC-USDT"}', 400, "duplicate_key"),
        (b'{"side": "buy", "s\\u0069de": "buy", "symbol": "BTC-USDT"}', 400, "duplicate_key"),
        (b'{"symbol": "' + b"x" * 70_000 + b'"}', 413, "body_too_large"),
    ],
)
async def test_bodies_that_are_no_order(exchange, body, status, code):
    alice = await exchange.trader()
    answer = clean(await alice.request("POST", "/orders", headers=JSON, data=body), 400, 413, 422)
    assert (answer.status, answer.code) == (status, code)
    await nothing_was_done(alice)


BAD_DECIMALS = ["1e3", "1E3", "NaN", "Infinity", "-1", "+1", "0x10", " 1", "1 ", "1,5", "1.", ".5", "1_0", "\u0661", ""]


@pytest.mark.parametrize("value", [*BAD_DECIMALS, "9" * 500, "0.0000000000000000001", 1, 1.5, True, None, [], {}])
@pytest.mark.parametrize("field", ["price", "quantity"])
async def test_numbers_that_are_none(exchange, field, value):
    market, alice = await exchange.market(), await exchange.trader()
    answer = clean(await alice.post("/orders", {**limit(market, "buy", "0.1", "50000"), field: value}), 422)
    assert answer.field == field
    if isinstance(value, str):
        assert answer.code == "invalid_decimal"
    await nothing_was_done(alice)


@pytest.mark.parametrize(
    "changed, code, field",
    [
        ({"price": "50000.001"}, "too_many_decimals", "price"),
        ({"quantity": "0.0000001"}, "too_many_decimals", "quantity"),
        ({"price": "9999999999999999999"}, "number_too_large", "price"),
        ({"quantity": "999999999999"}, "invalid_quantity", "quantity"),
        ({"price": "0"}, "invalid_price", "price"),
        ({"side": "BUY"}, "invalid_field", "side"),
        ({"side": 1}, "invalid_field", "side"),
        ({"type": "iceberg"}, "invalid_field", "type"),
        ({"time_in_force": "DAY"}, "invalid_field", "time_in_force"),
        ({"post_only": "true"}, "invalid_field", "post_only"),
        ({"post_only": 1}, "invalid_field", "post_only"),
        ({"expire_time": "tomorrow"}, "invalid_time", "expire_time"),
        ({"expire_time": "2030-02-30T00:00:00Z"}, "invalid_time", "expire_time"),
        ({"stop_price": "1"}, "invalid_stop_price", "stop_price"),
        ({"quote_quantity": "1"}, "invalid_quote_quantity", "quote_quantity"),
        ({"type": "market"}, "invalid_price", "price"),
        ({"time_in_force": "IOC", "post_only": True}, "post_only_invalid", "post_only"),
        ({"client_order_id": "two words"}, "invalid_field", "client_order_id"),
        ({"client_order_id": "x" * 37}, "invalid_field", "client_order_id"),
        ({"surprise": 1}, "invalid_field", "surprise"),
        ({"account": "1"}, "invalid_field", "account"),
    ],
)
async def test_fields_that_cannot_be(exchange, changed, code, field):
    market, alice = await exchange.market(), await exchange.trader()
    answer = clean(await alice.post("/orders", {**limit(market, "buy", "0.1", "50000"), **changed}), 422)
    assert (answer.code, answer.field) == (code, field)
    await nothing_was_done(alice)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"]
)
async def test_other_content_types(exchange, content_type):
    alice = await exchange.trader()
    headers = {"Content-Type": content_type}
    answer = clean(await alice.request("POST", "/orders", headers=headers, data=b"{}"), 415)
    assert answer.code == "unsupported_media_type"
    answer = await alice.request("POST", "/orders", headers={**JSON, "Content-Encoding": "gzip"}, data=b"{}")
    clean(answer, 415)


NASTY = [
    "'; DROP TABLE orders; --",
    "' OR '1'='1",
    "<script>alert(1)</script>",
    "{{7*7}}${7*7}",
    "../../../etc/passwd",
    "\x00",
    "\u202e\u0000",
    "%s%n%d",
    "\U0001f4a9",
]


@pytest.mark.parametrize("nasty", NASTY)
async def test_strings_that_mean_something_elsewhere(exchange, nasty):
    market, alice = await exchange.market(), await exchange.trader()
    order = limit(market, "buy", "0.1", "50000")
    for field in ("symbol", "side", "price", "expire_time", nasty):
        clean(await alice.post("/orders", {**order, field: nasty}), 404, 422)
    answer = clean(await alice.post("/orders", {**order, "client_order_id": nasty}), 201, 422)
    assert answer.headers["Content-Type"] == "application/json"
    if answer.status == 201:  # printable, and so a name like any other: kept and told as it is, and only as JSON
        assert answer.data["order"]["client_order_id"] == nasty
        assert (await alice.get("/orders", open="true", client_order_id=nasty)).data["orders"] == [answer.data["order"]]
        await alice.delete("/orders/" + answer.data["order"]["order_id"])
    for query in ({"symbol": nasty}, {"side": nasty}, {"cursor": nasty}, {nasty: "1"}):
        clean(await alice.get("/orders", **query), 400, 404)
    for path in ("/orders/", "/orderbook/", "/trades/"):
        url = URL(alice.url + "/api/v1" + path).joinpath(nasty.replace("\x00", "%00"), encoded=False)
        clean(await alice.request("GET", "", url=url), 400, 404)
    await nothing_was_done(alice)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/../",
        "//",
        "/%2e%2e/",
        "/orders/../../../etc/passwd",
        "/orders/%00",
        "/orders/-1",
        "/orders/1e3",
        "/orders/" + "9" * 300,
    ]
    + ["/orders/%F0%28%8C%28", "/orderbook/%FF", "/orders;x=1", "/ORDERS"],
)
async def test_paths_that_lead_nowhere(exchange, path):
    alice = await exchange.trader()
    url = URL(alice.url + "/api/v1" + path, encoded=True)
    clean(await alice.request("GET", "", url=url), 400, 404)


async def test_other_methods(exchange):
    alice = await exchange.trader()
    for method in ("PUT", "TRACE", "PROPFIND", "POST"):
        answer = clean(await alice.request(method, "/balances"), 405)
        assert answer.code == "method_not_allowed" and "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer x.y.z",
        "Bearer " + "x" * 6_000,
        "Bearer \u00e4",
        "bearer null",
    ],
)
async def test_credentials_that_are_none(exchange, header):
    nobody = exchange.nobody()
    headers = {"Authorization": header} if header is not None else {}
    for method, path in (("GET", "/balances"), ("POST", "/orders"), ("GET", "/admin/stats")):
        answer = clean(await nobody.request(method, path, headers=headers), 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_user_is_no_admin(exchange):
    alice = await exchange.trader()
    answer = clean(await alice.get("/admin/stats"), 403)
    assert answer.code == "role_required"


async def test_expectations_that_nobody_knows(exchange):
    alice = await exchange.trader()
    for path, status in (("/balances", 200), ("/nothing", 417)):
        answer = await alice.request("GET", path, headers={"Expect": "<script>"})
        assert answer.status == status
        assert answer.headers["Server"] == "trade-engine" and answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_parameters_given_twice_or_unknown(exchange):
    alice = await exchange.trader()
    for query, code in (("side=buy&side=sell", "duplicate_parameter"), ("sidee=buy", "invalid_parameter")):
        answer = clean(await alice.request("GET", "/orders?" + query), 400)
        assert answer.code == code


async def test_request_ids(exchange):
    nobody = exchange.nobody()
    answer = await nobody.get("/markets", headers={"X-Request-Id": "mine-1"})
    assert answer.headers["X-Request-Id"] == answer.body["meta"]["request_id"] == "mine-1"
    for bad in ("x" * 65, "a b", "<script>", "{}"):
        answer = await nobody.get("/markets", headers={"X-Request-Id": bad})
        assert answer.headers["X-Request-Id"] not in ("", bad)


# --- sockets ---


def port_of(url):
    return URL(url).port


async def raw(url, data, until_closed=True):
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(url))
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read() if until_closed else reader.read(65_536), 30)
    finally:
        writer.close()


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"y" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(500)) + b"\r\n",
        b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_no_http_is_refused_and_closed(exchange, data):
    head, _, body = (await raw(exchange.live.url, data)).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    content = json.loads(body)
    assert lines[0].startswith("HTTP/1.") and " 400 " in lines[0]
    assert (content["success"], content["error"]["code"]) == (False, "bad_request")
    assert content["meta"]["request_id"] == headers["X-Request-Id"]
    assert headers["Server"] == "trade-engine"
    assert not [leak for leak in LEAKS if leak in body.decode()]
    assert (await exchange.nobody().get("/markets")).status == 200


HEAD = b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"


async def test_a_body_said_to_be_too_large_is_not_waited_for(exchange):
    alice = await exchange.trader()
    head = HEAD % alice.token.encode()
    answer = await raw(exchange.live.url, head + b"Content-Length: 1000000\r\n\r\n{", until_closed=False)
    assert answer.startswith(b"HTTP/1.1 413 ") and b"body_too_large" in answer


async def test_who_leaves_in_the_middle_of_a_body_is_no_error_of_ours(exchange, another_gateway):
    gateway = another_gateway()
    alice = (await exchange.trader()).at(gateway)
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(gateway.url))
    writer.write(HEAD % alice.token.encode() + b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"{")
    writer.transport.abort()
    await until(lambda: alice.get("/balances"), lambda _: any('"POST"' in line for line in gateway.log))
    gateway.stop()
    assert not [line for line in gateway.log if "Traceback" in line or "ERROR" in line]


async def test_slow_clients_are_cut_off_and_harm_nobody(own_venue, many_files):
    """Heads that never end, bodies that never come, and a thousand connections that say nothing."""
    own_venue.start_core()
    gateway = own_venue.start_gateway(idle_seconds=2, body_seconds=1)
    async with exchange_of(own_venue) as exchange:
        alice = await exchange.trader()
        silent = [socket.create_connection(("127.0.0.1", port_of(gateway.url))) for _ in range(1_000)]
        try:
            assert (await alice.get("/balances")).status == 200
            head = b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n" % alice.token.encode()
            assert await raw(gateway.url, head) == b""  # closed without an answer: there was no request
            whole = head + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
            answer = await raw(gateway.url, whole)
            assert answer.startswith(b"HTTP/1.1 408 ") and b"body_too_slow" in answer
            assert (await alice.get("/balances")).status == 200
            for connection in silent:
                connection.settimeout(30)
                assert connection.recv(1) == b""
        finally:
            for connection in silent:
                connection.close()


async def test_rate_limits(own_venue):
    own_venue.start_core()
    own_venue.start_gateway(user_rate=1, user_burst=5, address_rate=1_000, address_burst=1_000)
    async with exchange_of(own_venue) as exchange:
        alice, bob = await exchange.trader("alice"), await exchange.trader("bob")
        answers = [await alice.get("/balances") for _ in range(10)]
        limited = next(answer for answer in answers if answer.status == 429)
        assert limited.code == "rate_limited" and int(limited.headers["Retry-After"]) >= 1
        assert limited.headers["RateLimit-Limit"] == "5" and limited.headers["RateLimit-Remaining"] == "0"
        assert int(answers[0].headers["RateLimit-Remaining"]) == 4
        assert (await bob.get("/balances")).status == 200
        for answer in (await bob.get("/orders/1"), await bob.get("/nothing"), await exchange.nobody().get("/balances")):
            assert answer.status in (401, 404)  # what is refused tells it too
            assert int(answer.headers["RateLimit-Remaining"]) < int(answer.headers["RateLimit-Limit"])
        await until(lambda: alice.get("/balances"), lambda answer: answer.status == 200)


async def test_the_address_is_what_a_proxy_of_ours_says(own_venue):
    own_venue.start_core()
    own_venue.start_gateway(address_rate=1, address_burst=200, proxies="10.0.0.1, 127.0.0.1")
    async with exchange_of(own_venue) as exchange:
        nobody = exchange.nobody()

        async def asked(*forwarded):
            """-> (status, requests that the address may still make at once)."""
            headers = CIMultiDict([("X-Forwarded-For", value) for value in forwarded])
            answer = await nobody.get("/markets", headers=headers)
            return answer.status, int(answer.headers["RateLimit-Remaining"])

        assert await asked("192.0.2.1") == (200, 199)
        while (await asked("192.0.2.1"))[0] == 200:
            pass
        for spoofed in (("192.0.2.7, 192.0.2.1",), ("192.0.2.8", "192.0.2.1"), ("192.0.2.9,192.0.2.8", "x, 192.0.2.1")):
            _, left = await asked(*spoofed)
            assert left < 100  # what a client says stands before what the proxy adds: it has what a moment has given
        assert await asked("192.0.2.2") == (200, 199)


async def test_cross_origin(own_venue):
    own_venue.start_core()
    own_venue.start_gateway(cors_origins="https://one.example, https://two.example")
    async with exchange_of(own_venue) as exchange:
        nobody = exchange.nobody()
        asked = {"Origin": "https://two.example", "Access-Control-Request-Method": "POST"}
        answer = await nobody.request("OPTIONS", "/orders", headers=asked)
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, "https://two.example")
        assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]
        answer = await nobody.get("/markets", headers={"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in answer.headers and answer.headers["Vary"] == "Origin"
        answer = await nobody.get("/markets")  # a cache must not give it to an origin that may call
        assert "Access-Control-Allow-Origin" not in answer.headers and answer.headers["Vary"] == "Origin"
        own_venue.gateways[-1].stop()
        lines = [json.loads(line) for line in own_venue.gateways[-1].log if line.startswith("{")]
        assert {line["path"] for line in lines} >= {"/api/v1/orders", "/api/v1/markets"}
