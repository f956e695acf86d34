"""What clients do to sockets: garbage, too much, too slow, gone."""

import asyncio
import json
import socket as sockets
import struct

import aiohttp
import pytest
import yarl

from tests.gateway.live import until
from tests.gateway.streams.sockets import connected, own_orders
from tests.harness import SECONDS_MAX


def limit(market, side, quantity, price, **more):
    return {"symbol": market.symbol, "side": side, "type": "limit", "quantity": quantity, "price": price, **more}


async def works(socket):
    """The connection is as good as before."""
    assert (await socket.ask("ping"))["type"] == "pong"


@pytest.mark.parametrize(
    "text, code",
    [
        ("", "invalid_json"),
        ("hello", "invalid_json"),
        ('{"type": "ping"', "invalid_json"),
        ('{"type": "ping"} {}', "invalid_json"),
        pytest.param("[" * 5_000, "invalid_field", id="deep"),
        ("[]", "invalid_field"),
        ("null", "invalid_field"),
        ("{}", "invalid_field"),
        ('{"type": "destroy"}', "invalid_field"),
        ('{"type": 5}', "invalid_field"),
        ('{"type": "ping", "more": 1}', "invalid_field"),
        ('{"type": "ping", "type": "ping"}', "duplicate_key"),
        ('{"type": "subscribe", "channel": "trades", "ch\\u0061nnel": "trades"}', "duplicate_key"),
        ('{"type": "ping", "id": {}}', "invalid_field"),
        ('{"type": "ping", "id": 1.5}', "invalid_field"),
        ('{"type": "subscribe"}', "invalid_field"),
        ('{"type": "subscribe", "channel": "secrets"}', "invalid_field"),
        ('{"type": "subscribe", "channel": "depth"}', "invalid_field"),
        ('{"type": "subscribe", "channel": "depth", "symbol": "NO-SUCH"}', "unknown_instrument"),
        ('{"type": "subscribe", "channel": "depth", "symbol": "\' OR 1=1 --"}', "unknown_instrument"),
        ('{"type": "subscribe", "channel": "depth", "symbol": "<script>alert(1)</script>"}', "unknown_instrument"),
        ('{"type": "subscribe", "channel": "depth", "symbol": 5}', "invalid_field"),
        ('{"type": "subscribe", "channel": "candles", "symbol": "X"}', "invalid_field"),
        ('{"type": "subscribe", "channel": "candles", "symbol": "X", "timeframe": "2m"}', "invalid_field"),
        ('{"type": "subscribe", "channel": "trades", "timeframe": "1m"}', "invalid_field"),
        ('{"type": "subscribe", "channel": "orders"}', "authentication_required"),
        ('{"type": "subscribe", "channel": "orders", "symbol": "X"}', "invalid_field"),
        ('{"type": "resume", "channel": "trades"}', "invalid_field"),
        ('{"type": "resume", "channel": "trades", "sequence": -1}', "invalid_field"),
        ('{"type": "resume", "channel": "trades", "sequence": 1e400}', "invalid_field"),
        ('{"type": "resume", "channel": "trades", "sequence": 9223372036854775808}', "invalid_field"),
        ('{"type": "unsubscribe", "channel": "trades"}', "not_subscribed"),
        ('{"type": "authenticate", "token": ""}', "invalid_token"),
        ('{"type": "authenticate", "token": "\\ud800"}', "invalid_json"),
        ('{"type": "authenticate", "token": null}', "invalid_field"),
    ],
)
async def test_a_bad_message_is_answered_and_does_nothing(exchange, text, code):
    async with connected(exchange.nobody(), "/ws") as socket:
        await socket.ws.send_str(text)
        error = await socket.next()
        assert (error["type"], error["code"]) == ("error", code)
        await works(socket)


async def test_an_error_names_the_request_where_it_can(exchange):
    async with connected(exchange.nobody(), "/ws") as socket:
        for request_id in ("mine", 7, None):
            await socket.send("destroy", id=request_id)
            assert (await socket.next())["id"] == request_id


@pytest.mark.parametrize(
    "request_, field",
    [
        ({"type": "destroy"}, "type"),
        ({"type": "ping", "more": 1}, "more"),
        ({"type": "ping", "id": 1.5}, "id"),
        ({"type": "subscribe"}, "channel"),
        ({"type": "subscribe", "channel": "candles", "symbol": "X", "timeframe": "2m"}, "timeframe"),
        ({"type": "subscribe", "channel": "depth", "symbol": "NO-SUCH"}, "symbol"),
        ({"type": "resume", "channel": "trades", "sequence": "1"}, "sequence"),
    ],
)
async def test_an_error_names_the_field(exchange, request_, field):
    async with connected(exchange.nobody(), "/ws") as socket:
        await socket.ws.send_json(request_)
        error = await socket.next()
        assert error["field"] == field and "$" not in error["message"]


@pytest.mark.parametrize(
    "path, query, code, field",
    [
        ("/ws/orders", "token=abc", "invalid_parameter", "token"),
        ("/ws/orders", "symbol=BTC-USDT", "invalid_parameter", "symbol"),
        ("/ws", "sequence=1", "invalid_parameter", "sequence"),
        ("/ws/trades", "sequence=1&sequence=2", "duplicate_parameter", "sequence"),
        ("/ws/trades", "more=1", "invalid_parameter", "more"),
        ("/ws/trades", "sequence=%FF", "invalid_parameter", "sequence"),
    ],
)
async def test_parameters_that_an_address_does_not_take(exchange, path, query, code, field):
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    headers["Sec-WebSocket-Key"] = "AAAAAAAAAAAAAAAAAAAAAA=="
    url = "%s%s?%s" % (exchange.live.url, path, query)
    answer = await exchange.nobody().request("GET", "", url=yarl.URL(url, encoded=True), headers=headers)
    assert (answer.status, answer.code, answer.field) == (400, code, field)


async def test_subscribed_twice(exchange):
    market = await exchange.market()
    async with connected(exchange.nobody(), "/ws") as socket:
        for expected in ("subscribed", "error"):
            answer = await socket.ask("subscribe", channel="trades", symbol=market.symbol)
            assert answer["type"] == expected
        assert answer["code"] == "already_subscribed"


async def test_bytes_are_no_text(exchange):
    async with connected(exchange.nobody(), "/ws") as socket:
        await socket.ws.send_bytes(b'{"type": "ping"}')
        assert await socket.closed() == (1003, "text_only")


async def test_an_oversized_message(exchange):
    async with connected(exchange.nobody(), "/ws") as socket:
        await socket.ws.send_str(json.dumps({"type": "ping", "id": "x" * 20_000}))
        assert (await socket.closed())[0] == 1009


async def test_too_many_requests(exchange):
    reader, writer = await raw(exchange)
    writer.write(frame(FIN | TEXT, b'{"type": "ping"}') * 1_000)
    async with asyncio.timeout(SECONDS_MAX):
        while (found := await read_frame(reader))[0] == FIN | TEXT:
            assert json.loads(found[1])["type"] == "pong"
    assert found == (FIN | CLOSE, struct.pack(">H", 4429) + b"rate_limited")
    writer.close()


# --- frames --------------------------------------------------------------------------------------------------------

FIN, TEXT, CONTINUATION, CLOSE, PING, PONG = 0x80, 0x1, 0x0, 0x8, 0x9, 0xA


def frame(first, payload, masked=True):
    """A frame as a client sends it; the mask is 0, which changes nothing."""
    size = len(payload)
    mask = 0x80 if masked else 0
    head = bytes([first, mask | size]) if size < 126 else struct.pack(">BBH", first, mask | 126, size)
    return head + (b"\0\0\0\0" if masked else b"") + payload


async def raw(exchange):
    """-> (reader, writer) of a connection whose handshake is done."""
    host, port = exchange.live.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS_MAX)
    assert head.startswith(b"HTTP/1.1 101 ")
    return reader, writer


async def read_frame(reader):
    """-> (first byte, payload)"""
    async with asyncio.timeout(SECONDS_MAX):
        first, size = await reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack(">H", await reader.readexactly(2))
        return first, await reader.readexactly(size)


async def test_a_message_in_fragments(exchange):
    reader, writer = await raw(exchange)
    text = b'{"type": "ping", "id": "in pieces"}'
    writer.write(frame(TEXT, text[:5]))
    writer.write(frame(CONTINUATION, text[5:9]) + frame(FIN | PING, b"between"))
    writer.write(frame(CONTINUATION | FIN, text[9:]))
    answers = [await read_frame(reader), await read_frame(reader)]
    assert answers[0] == (FIN | PONG, b"between")
    assert json.loads(answers[1][1])["id"] == "in pieces"
    writer.close()


async def test_a_message_byte_by_byte(exchange):
    reader, writer = await raw(exchange)
    for byte in frame(FIN | TEXT, b'{"type": "ping"}'):
        writer.write(bytes([byte]))
        await writer.drain()
    assert json.loads((await read_frame(reader))[1])["type"] == "pong"
    writer.close()


@pytest.mark.parametrize(
    "data, code",
    [
        (frame(FIN | 0x3, b"reserved opcode"), 1002),
        (frame(FIN | 0x70 | TEXT, b"reserved bits"), 1002),
        (frame(FIN | CONTINUATION, b"of nothing"), 1002),
        (frame(TEXT, b"a") + frame(FIN | TEXT, b"another before the end"), 1002),
        (frame(FIN | PING, b"x" * 126), 1002),
        (frame(PING, b"a fragmented ping"), 1002),
        (frame(FIN | TEXT, b"\xff\xfe"), 1007),
        (frame(FIN | CLOSE, b"\x03"), 1002),
        (frame(FIN | CLOSE, struct.pack(">H", 5)), 1002),
        (struct.pack(">BBQ", FIN | TEXT, 0xFF, 1 << 40), 1009),
        (b"".join(frame(TEXT if not number else CONTINUATION, b"x" * 1_000) for number in range(20)), 1009),
    ],
    ids=lambda value: None if isinstance(value, int) else repr(value[:12]),
)
async def test_a_bad_frame_closes_its_connection_alone(exchange, data, code):
    reader, writer = await raw(exchange)
    async with connected(exchange.nobody(), "/ws") as other:
        writer.write(data)
        first, payload = await read_frame(reader)
        assert (first, struct.unpack(">H", payload[:2])) == (FIN | CLOSE, (code,))
        await works(other)
    writer.close()


async def test_garbage_instead_of_frames(exchange):
    reader, writer = await raw(exchange)
    writer.write(bytes(range(255, 0, -1)) * 40)
    first, payload = await read_frame(reader)
    assert (first, struct.unpack(">H", payload[:2])[0] in (1002, 1009)) == (FIN | CLOSE, True)
    writer.close()


@pytest.mark.parametrize(
    "change",
    [
        (b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 12"),
        (b"AAAAAAAAAAAAAAAAAAAAAA==", b"short"),
        (b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n", b""),
        (b"Upgrade: websocket", b"Upgrade: h2c"),
    ],
)
async def test_a_bad_handshake(exchange, change):
    host, port = exchange.live.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    request = (
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    writer.write(request.replace(*change))
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS_MAX)
    assert head.startswith(b"HTTP/1.1 426 ")
    writer.close()


# --- too slow ------------------------------------------------------------------------------------------------------


async def stalled(exchange, market, *channels):
    """-> a socket that has subscribed and then reads nothing: its buffers are as small as they can be."""
    host, port = exchange.live.url.removeprefix("http://").split(":")
    connection = sockets.socket()
    connection.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1_024)
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS_MAX)
    for channel in channels:
        body = json.dumps({"type": "subscribe", "channel": channel, "symbol": market.symbol})
        writer.write(frame(FIN | TEXT, body.encode()))
        while json.loads((await read_frame(reader))[1])["type"] != "subscribed":
            pass
    writer.transport.pause_reading()
    return reader, writer


async def trade(client, market, accounts, count):
    """Trades of the market, from a trusted session, all at once."""
    maker, taker = accounts
    order = {"instrument": market.instrument, "price": 5_000_000, "quantity": 1}
    calls = []
    for _ in range(count):
        calls += [client.place(side="sell", account=maker, **order), client.place(side="buy", account=taker, **order)]
    await asyncio.gather(*calls)


async def test_a_client_too_slow_for_its_trades_is_closed(exchange):
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    reader, writer = await stalled(exchange, market, "trades")
    async with connected(exchange.nobody(), "/ws/trades", symbol=market.symbol) as other:
        await other.until("subscribed")
        for _ in range(25):  # no more at a time than has room in the queue of one who reads
            trading = asyncio.create_task(trade(exchange.client, market, (alice.account, bob.account), 200))
            for _ in range(200):
                assert (await other.next())["type"] == "trade_executed"  # nobody else is any slower for it
            await trading
    writer.transport.resume_reading()
    seen = 0
    while True:
        try:
            first, payload = await read_frame(reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            break  # it has not read for so long that the end of it was cut off
        if first == FIN | CLOSE:
            assert payload == struct.pack(">H", 4408) + b"slow_consumer"
            break
        seen += 1
    assert 0 < seen < 5_000
    writer.close()


async def test_a_slow_client_gets_the_latest_depth(exchange):
    market, alice = await exchange.market(), await exchange.trader("alice")
    reader, writer = await stalled(exchange, market, "depth")
    client, account = exchange.client, alice.account
    async with connected(exchange.nobody(), "/ws") as other:
        assert (await other.ask("subscribe", channel="depth", symbol=market.symbol))["type"] == "subscribed"
        placing = [
            client.place(instrument=market.instrument, side="sell", price=5_000_000 + n, quantity=1, account=account)
            for n in range(4_000)
        ]
        for start in range(0, len(placing), 20):
            await asyncio.gather(*placing[start : start + 20])
        last = None
        while last is None or ["50039.99", "0.000001"] not in last["asks"]:
            last = await other.next()
    writer.transport.resume_reading()
    book, updates = {}, 0
    while book.get("50039.99") is None:
        found = json.loads((await read_frame(reader))[1])
        updates += 1
        if found["type"] == "depth":
            book = {}
        book.update(dict(found["asks"]))
    assert len(book) == 4_000
    assert updates < 4_000
    writer.close()


async def test_a_client_that_vanishes(exchange):
    market, alice = await exchange.market(), await exchange.trader("alice")
    _, writer = await raw(exchange)
    for channel in ("trades", "depth", "ticker"):
        body = json.dumps({"type": "subscribe", "channel": channel, "symbol": market.symbol})
        writer.write(frame(FIN | TEXT, body.encode()))
    await writer.drain()
    writer.transport.abort()
    async with own_orders(alice) as socket:
        assert (await alice.post("/orders", limit(market, "sell", "0.1", "50000"))).status == 201
        assert (await socket.next())["type"] == "order_update"


async def test_a_socket_closed_by_the_client(exchange):
    async with connected(exchange.nobody(), "/ws") as socket:
        await socket.ws.close(code=1000)
        assert socket.ws.close_code == 1000


async def test_the_headers_of_a_handshake_stay_safe(exchange):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with connected(exchange.nobody(), "/ws/trades", headers={"X-Request-Id": "x1"}, sequence="no"):
            pass
    assert (refused.value.status, refused.value.headers["X-Request-Id"]) == (400, "x1")


async def test_sockets_are_counted(exchange, another_gateway):
    nobody = exchange.nobody().at(another_gateway())

    async def figures():
        async with nobody.session.get(nobody.url + "/metrics") as response:
            lines = (await response.text()).splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if line.startswith("gateway_websocket"))

    async with connected(nobody, "/ws") as socket:
        await works(socket)
        found = await figures()
        assert found["gateway_websocket_connections"] == "1.0"
        assert found["gateway_websocket_slow_consumers_total"] == "0.0"
    await until(figures, lambda found: found["gateway_websocket_connections"] == "0.0")
