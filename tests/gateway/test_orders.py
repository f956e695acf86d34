"""Orders over HTTP, from placing to their end: a real core behind a real gateway."""

import asyncio
import uuid

import pytest

from tests.gateway.live import until


def limit(market, side, quantity, price, **more):
    return {"symbol": market.symbol, "side": side, "type": "limit", "quantity": quantity, "price": price, **more}


def market_order(market, side, quantity=None, **more):
    quantity = {"quantity": quantity} if quantity else {}
    return {"symbol": market.symbol, "side": side, "type": "market", **quantity, **more}


async def placed(api, body):
    answer = await api.post("/orders", body)
    assert answer.status == 201, answer.body
    return answer.data


async def balance(api, asset):
    for row in (await api.get("/balances")).data:
        if row["asset"] == asset:
            return row["available"], row["reserved"]


async def test_a_limit_order_rests(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    answer = await alice.post("/orders", limit(market, "buy", "0.01", "50000.00", client_order_id="first"))
    assert answer.status == 201
    order = answer.data["order"]
    assert answer.data == {"order": order, "trades": [], "duplicate": False}
    assert answer.headers["Location"] == "/api/v1/orders/" + order["order_id"]
    assert {**order, "order_id": None, "created_at": None, "updated_at": None} == {
        "order_id": None,
        "client_order_id": "first",
        "symbol": market.symbol,
        "side": "buy",
        "type": "limit",
        "status": "OPEN",
        "time_in_force": "GTC",
        "post_only": False,
        "self_trade_prevention": "cancel_taker",
        "price": "50000.00",
        "stop_price": None,
        "quantity": "0.010000",
        "filled_quantity": "0.000000",
        "remaining_quantity": "0.010000",
        "average_price": None,
        "expire_time": None,
        "reason": None,
        "created_at": None,
        "updated_at": None,
    }
    assert (await alice.get("/orders/" + order["order_id"])).data == order
    assert await balance(alice, "USDT") == ("999500.00000000", "500.00000000")


async def test_orders_trade(exchange):
    market = await exchange.market(maker_ppm=1_000, taker_ppm=2_000)
    maker, taker = await exchange.trader("maker"), await exchange.trader("taker")
    resting = (await placed(maker, limit(market, "sell", "0.5", "50000")))["order"]
    cheaper = (await placed(maker, limit(market, "sell", "0.1", "49000")))["order"]
    done = await placed(taker, limit(market, "buy", "0.4", "50000"))
    assert [(trade["price"], trade["quantity"], trade["liquidity"]) for trade in done["trades"]] == [
        ("49000.00", "0.100000", "taker"),
        ("50000.00", "0.300000", "taker"),
    ]
    assert [(trade["fee"], trade["fee_asset"]) for trade in done["trades"]] == [
        ("9.80000000", "USDT"),
        ("30.00000000", "USDT"),
    ]
    assert (done["order"]["status"], done["order"]["average_price"]) == ("FILLED", "49750.00000000")
    found = (await maker.get("/orders/" + resting["order_id"])).data
    assert (found["status"], found["filled_quantity"], found["remaining_quantity"]) == (
        "PARTIALLY_FILLED",
        "0.300000",
        "0.200000",
    )
    assert (await maker.get("/orders/" + cheaper["order_id"])).data["status"] == "FILLED"
    assert await balance(taker, "BTC") == ("100.40000000", "0.00000000")
    assert await balance(taker, "USDT") == ("980060.20000000", "0.00000000")
    assert await balance(maker, "USDT") == ("1019880.10000000", "0.00000000")


async def test_a_market_order_takes_what_there_is(exchange):
    market = await exchange.market()
    maker, taker = await exchange.trader("maker"), await exchange.trader("taker")
    await placed(maker, limit(market, "sell", "0.1", "50000"))
    order = (await placed(taker, market_order(market, "buy", "0.3")))["order"]
    assert (order["status"], order["reason"], order["filled_quantity"], order["remaining_quantity"]) == (
        "CANCELLED",
        "market_no_liquidity",
        "0.100000",
        "0.000000",
    )
    answer = await taker.post("/orders", market_order(market, "buy", "0.3"))
    assert (answer.status, answer.code) == (422, "no_liquidity")


async def test_a_market_order_by_amount(exchange):
    market = await exchange.market()
    maker, taker = await exchange.trader("maker"), await exchange.trader("taker")
    await placed(maker, limit(market, "sell", "1", "50000"))
    order = (await placed(taker, market_order(market, "buy", quote_quantity="1000")))["order"]
    assert (order["status"], order["filled_quantity"]) == ("FILLED", "0.020000")


@pytest.mark.parametrize(
    "time_in_force, status, reason", [("IOC", "CANCELLED", "ioc_remainder"), ("GTC", "PARTIALLY_FILLED", None)]
)
async def test_time_in_force(exchange, time_in_force, status, reason):
    market = await exchange.market()
    maker, taker = await exchange.trader("maker"), await exchange.trader("taker")
    await placed(maker, limit(market, "sell", "0.1", "50000"))
    order = (await placed(taker, limit(market, "buy", "0.2", "50000", time_in_force=time_in_force)))["order"]
    assert (order["status"], order["reason"], order["filled_quantity"]) == (status, reason, "0.100000")


async def test_fill_or_kill(exchange):
    market = await exchange.market()
    maker, taker = await exchange.trader("maker"), await exchange.trader("taker")
    await placed(maker, limit(market, "sell", "0.1", "50000"))
    answer = await taker.post("/orders", limit(market, "buy", "0.2", "50000", time_in_force="FOK"))
    assert (answer.status, answer.code, answer.field) == (422, "fok_unfillable", "quantity")
    assert (await placed(taker, limit(market, "buy", "0.1", "50000", time_in_force="FOK")))["order"][
        "status"
    ] == "FILLED"


async def test_good_till_date(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    body = limit(market, "buy", "0.1", "50000", expire_time="2999-01-01T02:00:00.5+02:00")
    answer = await alice.post("/orders", body)
    assert (answer.status, answer.code, answer.field) == (422, "invalid_time", "expire_time")
    body["expire_time"] = "2100-01-01T02:00:00.5+02:00"
    order = (await placed(alice, body))["order"]
    assert (order["time_in_force"], order["expire_time"]) == ("GTD", "2100-01-01T00:00:00.500Z")
    body["expire_time"] = "2001-01-01T00:00:00Z"
    answer = await alice.post("/orders", body)
    assert (answer.status, answer.code, answer.field) == (422, "invalid_expire_time", "expire_time")


async def test_post_only(exchange):
    market = await exchange.market()
    maker, taker = await exchange.trader("maker"), await exchange.trader("taker")
    await placed(maker, limit(market, "sell", "0.1", "50000", post_only=True))
    answer = await taker.post("/orders", limit(market, "buy", "0.1", "50000", post_only=True))
    assert (answer.status, answer.code, answer.field) == (422, "post_only_would_match", "post_only")


async def test_a_stop_order_waits_and_is_elected(exchange):
    market = await exchange.market()
    maker, taker = await exchange.trader("maker"), await exchange.trader("taker")
    await placed(maker, limit(market, "sell", "0.1", "50000"))
    await placed(maker, limit(market, "sell", "0.1", "50100"))
    body = {"symbol": market.symbol, "side": "buy", "type": "stop", "quantity": "0.05", "stop_price": "50050"}
    stop = (await placed(taker, body))["order"]
    assert (stop["status"], stop["stop_price"], stop["price"]) == ("PENDING", "50050.00", None)
    await placed(taker, limit(market, "buy", "0.11", "50100"))
    found = await until(
        lambda: taker.get("/orders/" + stop["order_id"]), lambda answer: answer.data["status"] != "PENDING"
    )
    assert (found.data["status"], found.data["average_price"]) == ("FILLED", "50100.00000000")


async def test_a_stop_limit_order(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    body = limit(market, "sell", "0.05", "49000", type="stop_limit", stop_price="49500")
    order = (await placed(alice, body))["order"]
    assert (order["status"], order["type"], order["stop_price"], order["price"]) == (
        "PENDING",
        "stop_limit",
        "49500.00",
        "49000.00",
    )


@pytest.mark.parametrize("mode, status", [("cancel_taker", "CANCELLED"), ("cancel_maker", "OPEN"), ("none", "FILLED")])
async def test_self_trade_prevention(exchange, mode, status):
    market, alice = await exchange.market(), await exchange.trader()
    first = (await placed(alice, limit(market, "sell", "0.1", "50000")))["order"]
    order = (await placed(alice, limit(market, "buy", "0.1", "50000", self_trade_prevention=mode)))["order"]
    assert (order["status"], order["reason"]) == (status, "self_trade" if mode == "cancel_taker" else None)
    found = (await alice.get("/orders/" + first["order_id"])).data
    assert found["status"] == {"cancel_taker": "OPEN", "cancel_maker": "CANCELLED", "none": "FILLED"}[mode]


async def test_decrement_takes_from_both(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    first = (await placed(alice, limit(market, "sell", "0.3", "50000")))["order"]
    order = (await placed(alice, limit(market, "buy", "0.1", "50000", self_trade_prevention="decrement")))["order"]
    assert (order["status"], order["reason"], order["filled_quantity"]) == ("CANCELLED", "self_trade", "0.000000")
    found = (await alice.get("/orders/" + first["order_id"])).data
    assert (found["filled_quantity"], found["remaining_quantity"]) == ("0.000000", "0.200000")


async def test_cancel(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    order = (await placed(alice, limit(market, "buy", "0.1", "50000")))["order"]
    answer = await alice.delete("/orders/" + order["order_id"])
    assert (answer.status, answer.data) == (
        200,
        {
            "order_id": order["order_id"],
            "symbol": market.symbol,
            "side": "buy",
            "price": "50000.00",
            "remaining_quantity": "0.100000",
            "status": "CANCELLED",
            "reason": "user",
        },
    )
    assert (await alice.get("/orders/" + order["order_id"])).data["status"] == "CANCELLED"
    answer = await alice.delete("/orders/" + order["order_id"])
    assert (answer.status, answer.code) == (404, "unknown_order")
    assert await balance(alice, "USDT") == ("1000000.00000000", "0.00000000")


async def test_cancel_all_of_a_market_or_side(exchange):
    market, other, alice = await exchange.market(), await exchange.market(), await exchange.trader()
    bid = (await placed(alice, limit(market, "buy", "0.1", "50000")))["order"]["order_id"]
    ask = (await placed(alice, limit(market, "sell", "0.1", "60000")))["order"]["order_id"]
    elsewhere = (await placed(alice, limit(other, "buy", "0.1", "50000")))["order"]["order_id"]
    answer = await alice.delete("/orders", symbol=market.symbol.replace("-", "/"), side="buy")
    assert (answer.data["count"], [order["order_id"] for order in answer.data["orders"]]) == (1, [bid])
    answer = await alice.delete("/orders")
    assert [order["order_id"] for order in answer.data["orders"]] == [ask, elsewhere]
    assert (await alice.delete("/orders")).data == {"count": 0, "orders": []}


async def test_amend(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    order = (await placed(alice, limit(market, "buy", "0.1", "50000")))["order"]
    answer = await alice.patch("/orders/" + order["order_id"], {"quantity": "0.05"})
    assert (answer.status, answer.data["trades"]) == (200, [])
    assert {**answer.data["order"], "updated_at": None} == {
        **order,
        "quantity": "0.050000",
        "remaining_quantity": "0.050000",
        "updated_at": None,
    }
    answer = await alice.patch("/orders/" + order["order_id"], {"price": "50001.5"})
    assert answer.data["order"]["price"] == "50001.50"


async def test_an_amend_that_trades(exchange):
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    await placed(bob, limit(market, "sell", "0.1", "50010"))
    order = (await placed(alice, limit(market, "buy", "0.3", "50000")))["order"]
    answer = await alice.patch("/orders/" + order["order_id"], {"price": "50020"})
    assert [(trade["price"], trade["quantity"]) for trade in answer.data["trades"]] == [("50010.00", "0.100000")]
    assert (answer.data["order"]["status"], answer.data["order"]["average_price"]) == (
        "PARTIALLY_FILLED",
        "50010.00000000",
    )


@pytest.mark.parametrize(
    "body, status, code, field",
    [
        ({}, 422, "invalid_field", None),
        ({"price": "50000"}, 422, "amend_no_change", None),
        ({"price": "50000.005"}, 422, "too_many_decimals", "price"),
        ({"quantity": "0"}, 422, "invalid_quantity", "quantity"),
        ({"stop_price": "1"}, 422, "invalid_stop_price", "stop_price"),
        ({"side": "sell"}, 422, "invalid_field", "side"),
    ],
)
async def test_amends_that_cannot_be(exchange, body, status, code, field):
    market, alice = await exchange.market(), await exchange.trader()
    order = (await placed(alice, limit(market, "buy", "0.1", "50000")))["order"]
    answer = await alice.patch("/orders/" + order["order_id"], body)
    assert (answer.status, answer.code, answer.field) == (status, code, field)
    assert (await alice.get("/orders/" + order["order_id"])).data == order


async def test_somebody_elses_order_does_not_exist(exchange):
    market, alice, mallory = await exchange.market(), await exchange.trader("alice"), await exchange.trader("mallory")
    order = (await placed(alice, limit(market, "buy", "0.1", "50000")))["order"]
    path = "/orders/" + order["order_id"]
    never = "/orders/" + str(int(order["order_id"]) + (1 << 40))
    for of_somebody, of_nobody in (
        (await mallory.get(path), await mallory.get(never)),
        (await mallory.delete(path), await mallory.delete(never)),
        (await mallory.patch(path, {"price": "1"}), await mallory.patch(never, {"price": "1"})),
    ):
        assert (of_somebody.status, of_somebody.code) == (404, "unknown_order")
        assert of_somebody.error == of_nobody.error
    assert (await alice.get(path)).data == order
    assert (await mallory.delete("/orders")).data["count"] == 0


@pytest.mark.parametrize("by_header", [False, True], ids=["client_order_id", "Idempotency-Key"])
async def test_a_repeat_is_the_first_order(exchange, by_header):
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    await placed(bob, limit(market, "sell", "0.1", "50000"))
    key = str(uuid.uuid4())
    body = limit(market, "buy", "0.3", "50000", **({} if by_header else {"client_order_id": key}))
    headers = {"Idempotency-Key": key} if by_header else {}
    first = await alice.post("/orders", body, headers)
    assert first.status == 201 and "Idempotent-Replayed" not in first.headers
    again = await alice.post("/orders", body, headers)
    assert (again.status, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert again.data == {**first.data, "duplicate": True}
    await alice.delete("/orders/" + first.data["order"]["order_id"])
    again = await alice.post("/orders", body, headers)
    assert again.data["order"]["order_id"] == first.data["order"]["order_id"]
    assert (again.data["order"]["status"], again.data["trades"]) == ("CANCELLED", first.data["trades"])


async def test_many_repeats_at_once_are_one_order(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    body = limit(market, "buy", "0.1", "50000", client_order_id="once")
    answers = await asyncio.gather(*[alice.post("/orders", body) for _ in range(20)])
    assert sorted(answer.status for answer in answers) == [200] * 19 + [201]
    assert len({answer.data["order"]["order_id"] for answer in answers}) == 1
    assert (await alice.delete("/orders")).data["count"] == 1


async def test_a_client_order_id_for_another_order_is_a_conflict(exchange):
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    first = (await placed(alice, limit(market, "buy", "0.1", "50000", client_order_id="one")))["order"]
    answer = await alice.post("/orders", limit(market, "buy", "0.2", "50000", type="limit", client_order_id="one"))
    assert (answer.status, answer.code, answer.field) == (409, "client_order_id_conflict", "client_order_id")
    assert answer.error["details"]["order_id"] == first["order_id"]
    assert answer.error["details"]["differs"] == ["quantity"]
    await placed(bob, limit(market, "buy", "0.2", "50000", client_order_id="one"))  # of another account


async def test_the_header_and_the_body_must_agree(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    body = limit(market, "buy", "0.1", "50000", client_order_id="one")
    answer = await alice.post("/orders", body, {"Idempotency-Key": "two"})
    assert (answer.status, answer.code) == (422, "idempotency_key_conflict")
    for key in ("x" * 37, "two words", "\u00e4"):
        answer = await alice.post("/orders", limit(market, "buy", "0.1", "50000"), {"Idempotency-Key": key})
        assert (answer.status, answer.code, answer.field) == (422, "invalid_client_order_id", "Idempotency-Key")
    assert (await alice.delete("/orders")).data["count"] == 0


async def test_not_enough_money(exchange):
    market, poor = await exchange.market(), await exchange.trader(usdt=10)
    answer = await poor.post("/orders", limit(market, "buy", "1", "50000"))
    assert (answer.status, answer.code) == (422, "insufficient_funds")


async def test_a_user_without_an_account_gets_one(exchange):
    market = await exchange.market()
    stranger = exchange.nobody()
    stranger.token = exchange.live.token("stranger-%s" % uuid.uuid4().hex)
    amounts = [row["available"] for row in (await stranger.get("/balances")).data]
    assert amounts and {amount.strip("0") for amount in amounts} == {"."}
    answer = await stranger.post("/orders", limit(market, "buy", "1", "50000"))
    assert (answer.status, answer.code) == (422, "insufficient_funds")


@pytest.mark.parametrize("state, code", [("halted", "instrument_halted"), ("cancel_only", "instrument_cancel_only")])
async def test_a_market_that_is_not_open(exchange, state, code):
    market, alice = await exchange.market(), await exchange.trader()
    order = (await placed(alice, limit(market, "buy", "0.1", "50000")))["order"]
    await exchange.client.set_instrument_state(market.instrument, state, "a test")
    answer = await alice.post("/orders", limit(market, "buy", "0.1", "50000"))
    assert (answer.status, answer.code, answer.field) == (409, code, "symbol")
    assert (await alice.delete("/orders/" + order["order_id"])).status == 200


async def test_a_second_factor(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    await exchange.client.set_account_limits(alice.account, 2, second_factor_above=1_000 * 10**8)
    body = limit(market, "buy", "0.1", "50000")
    answer = await alice.post("/orders", body)
    assert (answer.status, answer.code) == (403, "second_factor_required")
    alice.token = exchange.live.token(alice.user, second_factor=True)
    assert (await alice.post("/orders", body)).status == 201


async def test_a_blocked_account(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    await exchange.client.block_account(alice.account, "a test")
    answer = await alice.post("/orders", limit(market, "buy", "0.1", "50000"))
    assert (answer.status, answer.code) == (403, "account_blocked")


async def test_both_ways_to_write_a_symbol(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    for symbol in (market.symbol, market.symbol.replace("-", "/")):
        body = {**limit(market, "buy", "0.1", "50000"), "symbol": symbol}
        assert (await placed(alice, body))["order"]["symbol"] == market.symbol


async def test_two_gateways_are_one_venue(exchange, another_gateway):
    market, alice = await exchange.market(), await exchange.trader()
    other = alice.at(another_gateway())
    body = limit(market, "buy", "0.1", "50000", client_order_id="both")
    await until(lambda: other.request("GET", "/readyz", prefix=""), lambda answer: answer.status == 200)
    await until(lambda: other.get("/orderbook/" + market.symbol), lambda answer: answer.status == 200)
    first, again = await alice.post("/orders", body), await other.post("/orders", body)
    assert (first.status, again.status) == (201, 200)
    assert again.data["order"] == first.data["order"]
    assert (await other.delete("/orders/" + first.data["order"]["order_id"])).status == 200


@pytest.mark.parametrize("query", [{"side": "null"}, {"symbol": "null"}, {"side": ""}, {"side": "BUY"}, {"all": "1"}])
async def test_a_filter_that_means_nothing_cancels_nothing(exchange, query):
    market, alice = await exchange.market(), await exchange.trader()
    order = (await placed(alice, limit(market, "buy", "0.1", "50000")))["order"]
    answer = await alice.delete("/orders", **query)
    assert (answer.status, answer.code, answer.field) == (400, "invalid_parameter", next(iter(query)))
    assert (await alice.get("/orders/" + order["order_id"])).data["status"] == "OPEN"
