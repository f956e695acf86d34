"""`/ws/orders`: what a user is told of the own orders."""

import aiohttp
import pytest

from tests.gateway.live import until_ready
from tests.gateway.streams.sockets import connected, own_orders, told
from tools.token import new_secret_key, write_jwks

SHORT_SECONDS = 5  # that a token is good for, less a part of a second: sockets are opened within it


def limit(market, side, quantity, price, **more):
    return {"symbol": market.symbol, "side": side, "type": "limit", "quantity": quantity, "price": price, **more}


async def placed(api, body):
    answer = await api.post("/orders", body)
    assert answer.status == 201, answer.body
    return answer.data["order"]["order_id"]


async def test_an_order_from_its_beginning_to_its_end(exchange):
    market = await exchange.market(maker_ppm=1_000, taker_ppm=2_000)
    alice, bob = await exchange.trader("alice"), await exchange.trader("bob")
    async with own_orders(alice) as socket:
        order_id = await placed(alice, limit(market, "sell", "0.3", "50000", client_order_id="mine"))
        opened = await socket.next()
        assert opened.pop("sequence") > 0 and opened.pop("timestamp").endswith("Z")
        assert opened == {
            "type": "order_update",
            "order_id": order_id,
            "client_order_id": "mine",
            "symbol": market.symbol,
            "side": "sell",
            "status": "OPEN",
            "filled_quantity": "0.000000",
            "remaining_quantity": "0.300000",
            "average_price": None,
            "reason": None,
        }
        await placed(bob, limit(market, "buy", "0.1", "50000"))
        filled = await socket.next()
        assert told(filled) == ("PARTIALLY_FILLED", "0.100000", "0.200000", "50000.00000000", None)
        fill = filled["fill"]
        assert fill.pop("trade_id").isdigit()
        assert fill == {
            "price": "50000.00",
            "quantity": "0.100000",
            "liquidity": "maker",
            "fee": "5.00000000",
            "fee_asset": "USDT",
        }
        await alice.delete("/orders/" + order_id)
        assert told(await socket.next()) == ("CANCELLED", "0.100000", "0.000000", "50000.00000000", "user")


async def test_a_taker_is_told_of_each_fill(exchange):
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    await placed(bob, limit(market, "sell", "0.1", "50000"))
    await placed(bob, limit(market, "sell", "0.1", "50100"))
    async with own_orders(alice) as socket:
        await placed(alice, limit(market, "buy", "0.2", "50100"))
        updates = [await socket.next() for _ in range(3)]
        assert [told(update) for update in updates] == [
            ("OPEN", "0.000000", "0.200000", None, None),
            ("PARTIALLY_FILLED", "0.100000", "0.100000", "50000.00000000", None),
            ("FILLED", "0.200000", "0.000000", "50050.00000000", None),
        ]
        sequences = [update["sequence"] for update in updates]
        assert sequences == sorted(set(sequences))


async def test_nobody_is_told_of_others(exchange):
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    async with own_orders(bob) as socket:
        await placed(alice, limit(market, "sell", "0.3", "50000"))
        order_id = await placed(bob, limit(market, "sell", "0.1", "50000"))
        assert (await socket.next())["order_id"] == order_id


async def test_two_sockets_of_a_user(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    async with own_orders(alice) as first, own_orders(alice) as second:
        await placed(alice, limit(market, "sell", "0.3", "50000"))
        assert await first.next() == await second.next()


async def test_what_is_open_comes_first(exchange):
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    first = await placed(alice, limit(market, "sell", "0.3", "50000", client_order_id="one"))
    await alice.delete("/orders/" + await placed(alice, limit(market, "sell", "0.1", "60000")))
    second = await placed(alice, limit(market, "sell", "0.2", "51000"))
    await placed(bob, limit(market, "buy", "0.1", "50000"))
    async with connected(alice, "/ws/orders") as socket:
        subscribed = await socket.next()
        assert (subscribed["type"], subscribed["channel"]) == ("subscribed", "orders")
        snapshot = await socket.next()
        assert snapshot["type"] == "orders_snapshot"
        assert [(order["order_id"], *told(order)) for order in snapshot["orders"]] == [
            (first, "PARTIALLY_FILLED", "0.100000", "0.200000", "50000.00000000", None),
            (second, "OPEN", "0.000000", "0.200000", None, None),
        ]
        assert snapshot["orders"][0]["client_order_id"] == "one"
        await placed(bob, limit(market, "buy", "0.2", "50000"))
        assert told(await socket.next())[:3] == ("FILLED", "0.300000", "0.000000")


async def test_an_amend(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    async with own_orders(alice) as socket:
        order_id = await placed(alice, limit(market, "sell", "0.3", "50000"))
        await socket.next()
        await alice.patch("/orders/" + order_id, {"quantity": "0.1"})
        assert told(await socket.next()) == ("OPEN", "0.000000", "0.100000", None, None)


async def test_a_stop_order_is_elected(exchange):
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    await placed(bob, limit(market, "sell", "0.1", "50000"))
    await placed(bob, limit(market, "sell", "0.1", "50100"))
    async with own_orders(alice) as socket:
        body = {"symbol": market.symbol, "side": "buy", "type": "stop", "quantity": "0.1", "stop_price": "50000"}
        await placed(alice, body)
        assert told(await socket.next())[0] == "PENDING"
        await placed(bob, limit(market, "buy", "0.1", "50000", self_trade_prevention="none"))
        updates = [told(await socket.next()) for _ in range(2)]
        assert updates == [
            ("OPEN", "0.000000", "0.100000", None, None),
            ("FILLED", "0.100000", "0.000000", "50100.00000000", None),
        ]


async def test_a_stop_order_that_cannot_be_paid_is_told_with_its_reason(exchange):
    market, alice, bob = (
        await exchange.market(),
        await exchange.trader("alice", usdt=5_100),
        await exchange.trader("bob"),
    )
    await placed(bob, limit(market, "sell", "0.1", "50000"))
    await placed(bob, limit(market, "sell", "0.1", "54000"))
    async with own_orders(alice) as socket:
        body = limit(market, "buy", "0.1", "51000", type="stop_limit", stop_price="50000", time_in_force="FOK")
        await placed(alice, body)
        assert told(await socket.next())[0] == "PENDING"
        await placed(bob, limit(market, "buy", "0.1", "50000", self_trade_prevention="none"))
        updates = [told(await socket.next()) for _ in range(2)]
        assert updates[1] == ("CANCELLED", "0.000000", "0.000000", None, "fok_unfillable")


async def test_a_rejected_order_by_its_client_order_id(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    async with own_orders(alice) as socket:
        answer = await alice.post("/orders", limit(market, "buy", "100", "50000", client_order_id="too-much"))
        assert answer.code == "insufficient_funds"
        update = await socket.next()
        assert (update["order_id"], update["client_order_id"], update["symbol"]) == (None, "too-much", market.symbol)
        assert told(update) == ("REJECTED", "0.000000", "0.000000", None, "insufficient_funds")


async def test_decrement_tells_of_the_order_that_goes_on(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    async with own_orders(alice) as socket:
        first = await placed(alice, limit(market, "sell", "0.3", "50000"))
        second = await placed(alice, limit(market, "buy", "0.1", "50000", self_trade_prevention="decrement"))
        updates = [await socket.next() for _ in range(4)]
        assert [(update["order_id"], *told(update)) for update in updates] == [
            (first, "OPEN", "0.000000", "0.300000", None, None),
            (second, "OPEN", "0.000000", "0.100000", None, None),
            (first, "OPEN", "0.000000", "0.200000", None, None),
            (second, "CANCELLED", "0.000000", "0.000000", None, "self_trade"),
        ]


async def test_a_token_in_the_first_message(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    token, alice.token = alice.token, None
    async with connected(alice, "/ws/orders") as socket:
        answer = await socket.ask("authenticate", token=token)
        assert (answer["type"], answer["user"]) == ("authenticated", alice.user)
        await socket.until("orders_snapshot")
        alice.token = token
        order_id = await placed(alice, limit(market, "sell", "0.1", "50000"))
        assert (await socket.next())["order_id"] == order_id


@pytest.mark.parametrize(
    "first, code",
    [
        ({"type": "authenticate", "token": "no.token.this"}, "invalid_token"),
        ({"type": "subscribe", "channel": "orders"}, "authentication_required"),
        ({"type": "authenticate"}, "invalid_field"),
    ],
)
async def test_without_a_token_it_is_closed(exchange, first, code):
    async with connected(exchange.nobody(), "/ws/orders") as socket:
        await socket.ws.send_json(first)
        error = await socket.next()
        assert (error["type"], error["code"]) == ("error", code)
        assert await socket.closed() == (4401, "authentication_required")


async def test_who_says_nothing_is_closed(exchange, another_gateway):
    nobody = exchange.nobody().at(another_gateway(authenticate_seconds=1))
    async with connected(nobody, "/ws/orders") as silent:
        assert await silent.closed() == (4401, "authentication_required")


async def test_a_bad_token_in_the_header_is_no_websocket(exchange):
    nobody = exchange.nobody()
    nobody.token = "no.token.this"
    for path in ("/ws/orders", "/ws"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with connected(nobody, path):
                pass
        assert refused.value.status == 401


@pytest.mark.parametrize("is_in_header", [True, False])
async def test_a_socket_ends_with_its_token(exchange, another_gateway, is_in_header):
    gateway = another_gateway(jwt_leeway_seconds=0)
    alice = (await exchange.trader("alice")).at(gateway)
    await until_ready(alice)
    token, alice.token = exchange.live.token(alice.user, seconds=SHORT_SECONDS), None
    headers = {"Authorization": "Bearer " + token} if is_in_header else {}
    async with connected(alice, "/ws/orders", headers=headers) as socket:
        if not is_in_header:
            assert (await socket.ask("authenticate", token=token))["type"] == "authenticated"
        await socket.until("orders_snapshot")
        assert await socket.closed() == (4401, "token_expired")
    async with connected(alice, "/ws") as socket:
        answer = await socket.ask("authenticate", token=token)
        assert (answer["type"], answer["code"]) == ("error", "token_expired")


async def test_a_new_token_keeps_a_socket_open(exchange, another_gateway):
    gateway = another_gateway(jwt_leeway_seconds=0)
    alice = (await exchange.trader("alice")).at(gateway)
    await until_ready(alice)
    short, long = exchange.live.token(alice.user, seconds=SHORT_SECONDS), alice.token
    alice.token = short
    async with own_orders(alice) as socket, own_orders(alice) as other:
        assert (await socket.ask("authenticate", token=long))["type"] == "authenticated"
        assert await other.closed() == (4401, "token_expired")
        market = await exchange.market()
        alice.token = long
        order_id = await placed(alice.at(exchange.live), limit(market, "sell", "0.1", "50000"))
        assert (await socket.until("order_update"))["order_id"] == order_id


async def test_orders_cannot_be_subscribed_to_with_a_token_that_has_expired(exchange, another_gateway):
    gateway = another_gateway(jwt_leeway_seconds=0)
    alice = (await exchange.trader("alice")).at(gateway)
    await until_ready(alice)
    alice.token = exchange.live.token(alice.user, seconds=SHORT_SECONDS)
    async with connected(alice, "/ws") as socket, own_orders(alice) as other:
        assert await other.closed() == (4401, "token_expired")
        answer = await socket.ask("subscribe", channel="orders")
        assert (answer["type"], answer["code"]) == ("error", "token_expired")


async def test_a_socket_ends_with_the_key_of_its_token(exchange, another_gateway, tmp_path):
    """A key that is taken out of the file takes the tokens that it signed with it."""
    path = str(tmp_path / "jwt.json")
    write_jwks(path, exchange.live.jwks)
    alice = (await exchange.trader("alice")).at(another_gateway(jwt_keys=path))
    await until_ready(alice)
    async with own_orders(alice) as socket:
        write_jwks(path, {"keys": [new_secret_key("another")]})
        assert await socket.closed() == (4401, "invalid_token")


async def test_a_socket_stays_one_users(exchange):
    alice, bob = await exchange.trader("alice"), await exchange.trader("bob")
    async with connected(alice, "/ws") as socket:
        assert (await socket.ask("authenticate", token=bob.token))["code"] == "another_user"
        assert (await socket.ask("authenticate", token=alice.token))["type"] == "authenticated"


# --- resume --------------------------------------------------------------------------------------------------------


async def test_who_comes_back_has_missed_nothing(exchange):
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    async with own_orders(alice) as socket:
        await placed(alice, limit(market, "sell", "0.3", "50000"))
        seen = (await socket.next())["sequence"]
    for quantity in ("0.1", "0.05"):
        await placed(bob, limit(market, "buy", quantity, "50000"))
    cancelled = await placed(alice, limit(market, "sell", "0.2", "51000"))
    await alice.delete("/orders/" + cancelled)
    async with connected(alice, "/ws/orders", sequence=seen) as socket:
        missed = await socket.all_until("resumed", channel="orders")
        assert [told(update)[:3] for update in missed[:-1]] == [
            ("PARTIALLY_FILLED", "0.100000", "0.200000"),
            ("PARTIALLY_FILLED", "0.150000", "0.150000"),
            ("OPEN", "0.000000", "0.200000"),
            ("CANCELLED", "0.000000", "0.000000"),
        ]
        await placed(bob, limit(market, "buy", "0.15", "50000"))
        last = await socket.next()
        assert told(last)[0] == "FILLED"
        sequences = [update["sequence"] for update in missed[:-1]] + [last["sequence"]]
        assert sequences == sorted(set(sequences)) and seen < sequences[0]


async def test_resume_on_a_socket_of_many_streams(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    async with own_orders(alice) as socket:
        await placed(alice, limit(market, "sell", "0.1", "50000"))
        seen = (await socket.next())["sequence"]
    missed = await placed(alice, limit(market, "sell", "0.1", "50000"))
    async with connected(alice, "/ws") as socket:
        await socket.send("resume", id="asked", channel="orders", sequence=seen)
        assert (await socket.next())["order_id"] == missed
        assert (await socket.until_answer())["type"] == "resumed"


async def test_a_sequence_that_was_never_told(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    order_id = await placed(alice, limit(market, "sell", "0.1", "50000"))
    async with connected(alice, "/ws/orders", sequence=10**17) as socket:
        assert (await socket.next())["type"] == "resume_unavailable"
        snapshot = await socket.next()
        assert [order["order_id"] for order in snapshot["orders"]] == [order_id]


@pytest.mark.parametrize("sequence", ["-1", "1.5", "x", "9" * 19, ""])
async def test_a_sequence_that_is_no_number(exchange, sequence):
    alice = await exchange.trader()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with connected(alice, "/ws/orders", sequence=sequence):
            pass
    assert refused.value.status == 400
