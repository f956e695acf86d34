"""Lists of orders, fills and trades over a real Postgres that persistence fills: one answer, wherever an order is."""

import asyncio
from functools import partial

import pytest

from tests.gateway.live import exchange_of, until, until_ready
from tests.gateway.streams.sockets import connected, own_orders
from tests.gateway.test_orders import limit, placed


async def page_of(api, path, **query):
    """-> the data, however long Postgres takes to have what was told already."""
    answer = await until(partial(api.get, path, **query), lambda answer: answer.status != 503)
    assert answer.status == 200, answer.body
    return answer.data


async def listed(api, path="/orders", key="orders", **query):
    return (await page_of(api, path, **query))[key]


async def all_pages(api, path="/orders", key="orders", **query):
    rows, cursor = [], None
    while True:
        page = await page_of(api, path, **query, **({"cursor": cursor} if cursor else {}))
        assert len(page[key]) <= query["limit"]
        rows += page[key]
        cursor = page["next_cursor"]
        if cursor is None:
            return rows


async def test_every_order_is_listed_once_and_at_once(exchange):
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    await placed(bob, limit(market, "sell", "0.1", "50000"))
    expected = {}
    for number in range(12):
        order = (await placed(alice, limit(market, "buy", "0.01", "50000" if number % 3 == 0 else "40000")))["order"]
        expected[order["order_id"]] = order["status"]
        if number % 3 == 1:
            await alice.delete("/orders/" + order["order_id"])
            expected[order["order_id"]] = "CANCELLED"
        found = await listed(alice)
        assert {row["order_id"]: row["status"] for row in found} == expected
        assert [row["order_id"] for row in found] == sorted(expected, key=int, reverse=True)


async def test_nothing_is_missing_or_twice_while_orders_move(exchange):
    """Orders end while pages are read, and while Postgres is behind by some of them."""
    market, alice = await exchange.market(), await exchange.trader()
    ids = [(await placed(alice, limit(market, "buy", "0.001", "40000")))["order"]["order_id"] for _ in range(40)]
    cancelling = asyncio.create_task(cancel_slowly(alice, ids))
    while not cancelling.done():
        found = [row["order_id"] for row in await all_pages(alice, limit=7)]
        assert sorted(found, key=int) == ids
    await cancelling
    assert {row["status"] for row in await all_pages(alice, limit=7)} == {"CANCELLED"}


async def cancel_slowly(api, ids):
    for order_id in ids:
        assert (await api.delete("/orders/" + order_id)).status == 200


async def test_filters(exchange):
    market, other, alice = await exchange.market(), await exchange.market(), await exchange.trader()
    buy = (await placed(alice, limit(market, "buy", "0.1", "40000", client_order_id="mine")))["order"]
    sell = (await placed(alice, limit(market, "sell", "0.1", "60000")))["order"]
    gone = (await placed(alice, limit(market, "sell", "0.1", "60000")))["order"]
    elsewhere = (await placed(alice, limit(other, "buy", "0.1", "40000")))["order"]
    await alice.delete("/orders/" + gone["order_id"])
    for query, expected in (
        ({"symbol": market.symbol}, [gone, sell, buy]),
        ({"symbol": other.symbol.replace("-", "/")}, [elsewhere]),
        ({"side": "sell"}, [gone, sell]),
        ({"status": "CANCELLED"}, [gone]),
        ({"status": "FILLED"}, []),
        ({"status": "OPEN"}, [elsewhere, sell, buy]),
        ({"open": "true"}, [elsewhere, sell, buy]),
        ({"open": "true", "symbol": market.symbol, "side": "buy"}, [buy]),
        ({"client_order_id": "mine"}, [buy]),
    ):
        found = await listed(alice, **query)
        assert [row["order_id"] for row in found] == [order["order_id"] for order in expected], query
    assert [row["order_id"] for row in await all_pages(alice, open="true", limit=2)] == [
        order["order_id"] for order in (elsewhere, sell, buy)
    ]


async def accepted(api):
    """Without those that were rejected, which Postgres alone has: in a moment."""
    return [row for row in await listed(api) if row["status"] != "REJECTED"]


async def test_history_is_what_was_told(exchange):
    """What comes from Postgres alone is what the gateway said when it happened: asked at a gateway that saw nothing."""
    market, alice, bob = (
        await exchange.market(maker_ppm=1_000, taker_ppm=2_000),
        await exchange.trader("alice"),
        await exchange.trader("bob"),
    )
    await placed(bob, limit(market, "sell", "0.1", "50000"))
    await placed(alice, limit(market, "buy", "0.3", "50000", client_order_id="one"))
    stop = {"symbol": market.symbol, "side": "sell", "type": "stop", "quantity": "0.05", "stop_price": "45000"}
    await placed(alice, stop)
    rejected = await alice.post("/orders", limit(market, "buy", "1000", "50000"))
    assert rejected.code == "insufficient_funds"
    told = {"orders": await accepted(alice), "fills": await listed(alice, "/fills", "fills")}
    late = exchange.live.start_gateway(2)
    try:
        elsewhere = alice.at(late)
        await until(partial(accepted, elsewhere), lambda rows: rows == told["orders"])
        assert await listed(elsewhere, "/fills", "fills") == told["fills"]
        for order in told["orders"]:
            found = await page_of(elsewhere, "/orders/" + order["order_id"])
            assert (found["status"], found["quantity"]) == (order["status"], order["quantity"])
        (refused,) = await until(partial(listed, elsewhere, status="REJECTED"), bool)
        assert (refused["reason"], refused["quantity"]) == ("insufficient_funds", "1000.000000")
        trade_id = told["fills"][0]["trade_id"]
        assert await page_of(elsewhere, "/trades/" + trade_id) == await page_of(alice, "/trades/" + trade_id)
    finally:
        exchange.live.gateways.remove(late)
        late.stop()


async def test_open_orders_of_before_the_gateway_are_told_as_whole_as_others(exchange, another_gateway):
    market, second = await exchange.market(), await exchange.market()
    alice, bob = await exchange.trader("alice"), await exchange.trader("bob")
    first = (await placed(alice, limit(market, "sell", "0.3", "50000", client_order_id="one")))["order"]["order_id"]
    await placed(bob, limit(market, "buy", "0.1", "50000"))
    amended = (await placed(alice, limit(market, "sell", "0.4", "50000")))["order"]["order_id"]
    await alice.patch("/orders/" + amended, {"price": "50100", "quantity": "0.35"})
    stop = {"symbol": market.symbol, "side": "sell", "type": "stop", "quantity": "0.1", "stop_price": "49000"}
    await placed(alice, stop)
    await placed(alice, limit(second, "sell", "0.3", "50000"))
    await placed(bob, limit(second, "buy", "0.05", "50000"))
    await placed(alice, limit(second, "buy", "0.1", "50000", self_trade_prevention="decrement"))
    expected = await listed(alice, open="true")
    assert [(row["quantity"], row["filled_quantity"], row["average_price"]) for row in expected] == [
        ("0.200000", "0.050000", "50000.00000000"),
        ("0.100000", "0.000000", None),
        ("0.350000", "0.000000", None),
        ("0.300000", "0.100000", "50000.00000000"),
    ]

    gateway = another_gateway(history_events=0)
    late = alice.at(gateway)
    await until_ready(late)
    await until(partial(listed, late, open="true"), lambda rows: rows == expected)
    for row in expected:
        await until(partial(page_of, late, "/orders/" + row["order_id"]), lambda found, row=row: found == row)
    body = limit(market, "sell", "0.3", "50000", client_order_id="one")
    again = await until(lambda: late.post("/orders", body), lambda answer: answer.data["order"] == expected[3])
    assert (again.status, len(again.data["trades"])) == (200, 1)
    averages = {row["order_id"]: row["average_price"] for row in expected}
    for _ in range(5):
        async with connected(late, "/ws/orders") as socket:
            snapshot = await socket.until("orders_snapshot")
        told = {row["order_id"]: row["average_price"] for row in snapshot["orders"]}
        if told == averages:
            break
        gateway.kill()  # it has waited for Postgres as long as it does, and does not ask again
        gateway = another_gateway(history_events=0)
        late = alice.at(gateway)
        await until_ready(late)
    assert told == averages
    async with (
        own_orders(alice) as known,
        own_orders(late) as socket,
        own_orders(late, sequence=snapshot["sequence"]) as resumed,
    ):
        await placed(bob, limit(market, "buy", "0.1", "50000"))
        update = await known.until("order_update")
        assert (update["order_id"], update["average_price"]) == (first, "50000.00000000")
        assert await socket.until("order_update") == await resumed.until("order_update") == update
    expected = await listed(alice, open="true")
    await until(partial(listed, late, open="true"), lambda rows: rows == expected)


async def test_open_orders_of_before_the_gateway_without_postgres(exchange, another_gateway):
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    await placed(alice, limit(market, "sell", "0.3", "50000"))
    await placed(bob, limit(market, "buy", "0.1", "50000"))
    (expected,) = await listed(alice, open="true")
    for url in ("", "postgresql://nobody@127.0.0.1:1/nothing"):
        gateway = another_gateway(history_events=0, database_url=url)
        late = alice.at(gateway)
        await until_ready(late)
        unknown = {**expected, "average_price": None, "created_at": None, "updated_at": None}
        assert await listed(late, open="true") == [unknown]
        assert (await late.get("/orders/" + expected["order_id"])).data == unknown
        gateway.kill()


async def test_fills_and_trades(exchange):
    market, alice, bob = (
        await exchange.market(taker_ppm=2_000),
        await exchange.trader("alice"),
        await exchange.trader("bob"),
    )
    for _ in range(5):
        await placed(bob, limit(market, "sell", "0.1", "50000"))
        order = (await placed(alice, limit(market, "buy", "0.1", "50000")))["order"]
    fills = await listed(alice, "/fills", "fills")
    assert len(fills) == 5 and fills == await all_pages(alice, "/fills", "fills", limit=2)
    (fill,) = await listed(alice, "/fills", "fills", order_id=order["order_id"])
    assert fill == fills[0] and fill["fee"] == "10.00000000"
    assert await listed(alice, "/trades/" + fill["trade_id"], "trades") == [fill]
    answer = await (await exchange.trader("mallory")).get("/trades/" + fill["trade_id"])
    assert (answer.status, answer.code) == (404, "unknown_trade")
    mine = await listed(alice, "/trades", "trades")
    assert [row["trade_id"] for row in mine] == [row["trade_id"] for row in fills]
    assert {row["taker_side"] for row in mine} == {"buy"}
    of_market = await until(
        partial(listed, bob, "/trades", "trades", symbol=market.symbol), lambda rows: len(rows) == 5
    )
    assert of_market[0] == {
        **{name: mine[0][name] for name in ("trade_id", "symbol", "price", "quantity", "taker_side", "timestamp")},
        **dict.fromkeys(("order_id", "side", "liquidity", "fee", "fee_asset")),
    }
    pages = await all_pages(bob, "/trades", "trades", symbol=market.symbol, limit=2)
    assert [row["trade_id"] for row in pages] == [row["trade_id"] for row in mine]


@pytest.mark.parametrize("path", ["/orders", "/fills", "/trades"])
@pytest.mark.parametrize("cursor", ["x", "AAAA", "gaVvcmRlcnM", "\u00e4", "", "A" * 200, "' OR 1=1 --"])
async def test_cursors_that_are_none(exchange, path, cursor):
    alice = await exchange.trader()
    answer = await alice.get(path, cursor=cursor)
    assert answer.status == 400 and answer.field == "cursor"


async def test_a_repeat_after_the_gateway_was_started_again(own_history):
    """The first result, also where the core has it no longer and the gateway never knew."""
    own_history.start_core()
    own_history.start_drainer()
    gateway = own_history.start_gateway()
    async with exchange_of(own_history) as exchange:
        market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
        await placed(bob, limit(market, "sell", "0.1", "50000"))
        body = limit(market, "buy", "0.1", "50000", client_order_id="one")
        first = await alice.post("/orders", body)
        gateway.kill()
        own_history.core.kill()
        own_history.start_core()
        alice = alice.at(own_history.start_gateway(1))
        again = await until(lambda: alice.post("/orders", body), lambda answer: answer.status != 503)
        assert (again.status, again.data["duplicate"]) == (200, True)
        assert (again.data["order"], again.data["trades"]) == (first.data["order"], first.data["trades"])
