"""What operators look at over HTTP, with a drainer and a Postgres behind it; and what it looks like when a part is
gone."""

import aiohttp
import pytest

from persistence.migrate import migrate
from tests.gateway.archive import utc
from tests.gateway.live import exchange_of, until
from tests.gateway.test_orders import limit, placed
from tests.postgres import query, running_cluster


async def health(admin):
    answer = await admin.get("/admin/health/detailed")
    assert answer.status == 200, answer.body
    return answer.data["status"], {row["name"]: row for row in answer.data["components"]}


async def test_everything_is_well(exchange):
    admin = await exchange.admin()

    def is_well(found):
        return found[0] == "healthy" and found[1]["persistence"]["details"]["lag_events"] == 0

    status, parts = await until(lambda: health(admin), is_well)
    assert (status, list(parts)) == ("healthy", ["core", "journal", "postgres", "persistence", "wallet", "websocket"])
    assert {row["status"] for row in parts.values()} == {"healthy"}
    for name in ("core", "journal", "postgres", "persistence", "wallet"):
        assert float(parts[name]["latency_ms"]) > 0
    assert parts["core"]["details"]["commands"] > 0
    assert parts["journal"]["details"]["journal_lag"] >= 0
    assert parts["websocket"]["details"]["connections"] == 0


async def test_parts_that_are_gone(own_venue):
    with running_cluster() as cluster:
        migrate(cluster.url)
        own_venue.database_url = cluster.url
        own_venue.start_core()
        drainer = own_venue.start_drainer()
        own_venue.start_gateway()
        async with exchange_of(own_venue) as exchange:
            admin = await exchange.admin()
            await until(lambda: health(admin), lambda found: found[0] == "healthy")
            drainer.kill()
            cluster.stop("immediate")
            status, parts = await until(
                lambda: health(admin), lambda found: found[1]["postgres"]["status"] != "healthy"
            )
            assert (status, parts["core"]["status"]) == ("degraded", "healthy")
            assert {parts[name]["status"] for name in ("postgres", "persistence")} == {"unhealthy"}
            stats = (await admin.get("/admin/stats")).data
            assert stats["accounts"] == 1
            for path in ("/admin/audit", "/admin/settlement/queue", "/admin/limits/user/" + admin.user):
                answer = await admin.get(path)
                assert (answer.status, answer.code) == (503, "history_unavailable"), path
            own_venue.core.kill()
            status, parts = await until(lambda: health(admin), lambda found: found[0] == "unhealthy")
            assert {parts[name]["status"] for name in ("core", "journal")} == {"unhealthy"}
            for path in ("/admin/stats", "/admin/metrics", "/admin/performance"):
                answer = await admin.get(path)
                assert (answer.status, answer.code) == (503, "core_unavailable"), path
            why = {"reason": "nothing is there"}
            answer = await admin.post("/admin/accounts/%s/block" % admin.user, why)
            assert (answer.status, answer.code) == (503, "core_unavailable")


async def test_stats(exchange):
    market, trader, admin = await exchange.market(), await exchange.trader(), await exchange.admin()
    before = (await admin.get("/admin/stats")).data
    await placed(trader, limit(market, "sell", "0.5", "100.00"))
    await placed(await exchange.trader(), limit(market, "buy", "0.3", "100.00"))

    def of_market(answer):
        return next(row for row in answer.data["by_market"] if row["symbol"] == market.symbol)

    expected = {
        "symbol": market.symbol,
        "state": "open",
        "last_price": "100.00",
        "trades_24h": 1,
        "volume_24h": "0.300000",
        "quote_volume_24h": "30.00000000",
    }
    found = await until(lambda: admin.get("/admin/stats"), lambda answer: of_market(answer) == expected)
    assert found.data["trades"] == before["trades"] + 1
    assert found.data["open_orders"] == before["open_orders"] + 1
    assert found.data["accounts"] == before["accounts"] + 1
    assert found.data["markets"] == len(found.data["by_market"])


async def test_metrics_and_performance(exchange):
    admin = await exchange.admin()
    answer = await until(lambda: admin.get("/admin/metrics"), lambda answer: answer.data["persistence"])
    found = answer.data
    assert found["core"]["commands"] > 0 and float(found["gateway"]["process_cpu_seconds_total"]) > 0
    assert float(found["persistence"]["persistence_commands_total"]) > 0
    found = (await admin.get("/admin/performance")).data
    assert found["core"]["command_us_p50"] <= found["core"]["command_us_p99"]
    assert found["core"]["answer_us"] > 0 and found["gateway"]["memory_bytes_max"] > 1 << 20


async def test_order_books(exchange):
    market, trader, admin = await exchange.market(), await exchange.trader(), await exchange.admin()
    for side, quantity, price in (("buy", "0.5", "99"), ("buy", "0.5", "99"), ("buy", "1", "98"), ("sell", "2", "101")):
        await placed(trader, limit(market, side, quantity, price))
    found = (await admin.get("/admin/orderbook/stats", symbol=market.symbol)).data
    assert found["next_cursor"] is None
    (book,) = found["books"]
    assert book.pop("sequence") > 0
    assert book == {
        "symbol": market.symbol,
        "state": "open",
        "spread": "2.00",
        "bids": {"best": "99.00", "levels": 2, "orders": 3, "quantity": "2.000000"},
        "asks": {"best": "101.00", "levels": 1, "orders": 1, "quantity": "2.000000"},
    }


async def test_order_books_in_pages(exchange):
    admin, markets = await exchange.admin(), [await exchange.market() for _ in range(3)]
    seen, cursor = [], {}
    while cursor is not None:
        page = (await admin.get("/admin/orderbook/stats", limit="2", **cursor)).data
        assert 1 <= len(page["books"]) <= 2
        seen += [book["symbol"] for book in page["books"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert len(seen) == len(set(seen)) and {market.symbol for market in markets} <= set(seen)


async def test_the_audit_log_in_pages(exchange):
    market, admin = await exchange.market(), await exchange.admin()
    for number in range(5):
        await admin.post("/admin/trading/halt/" + market.symbol, {"reason": "halt %d" % number})
    ask = {"symbol": market.symbol, "action": "set_instrument_state"}
    await until(lambda: admin.get("/admin/audit", **ask), lambda answer: len(answer.data["records"]) == 5)
    seen, cursor = [], {}
    while cursor is not None:
        page = (await admin.get("/admin/audit", limit="2", **ask, **cursor)).data
        seen += [record["reason"] for record in page["records"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert seen == ["halt %d" % number for number in (4, 3, 2, 1, 0)]
    later = await admin.get("/admin/audit", start="2026-01-01T00:00:00Z", end="2026-01-02T00:00:00Z")
    assert later.data == {"records": [], "next_cursor": None}


@pytest.mark.parametrize(
    "query, status, code, field",
    [
        ({"limit": "0"}, 400, "invalid_parameter", "limit"),
        ({"limit": "501"}, 400, "invalid_parameter", "limit"),
        ({"cursor": "AAAA"}, 400, "invalid_cursor", "cursor"),
        ({"action": "'; DROP TABLE audit_logs; --"}, 400, "invalid_parameter", "action"),
        ({"admin": "nobody-at-all"}, 404, "unknown_account", "admin"),
        ({"user": "nobody-at-all"}, 404, "unknown_account", "user"),
        ({"user": "with space"}, 400, "invalid_parameter", "user"),
        ({"symbol": "NO-SUCH"}, 404, "unknown_instrument", "symbol"),
        ({"start": "2200-01-01T00:00:00Z"}, 400, "time_in_future", "start"),
        ({"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}, 400, "invalid_range", "start"),
    ],
)
async def test_questions_to_the_audit_log_that_cannot_be(exchange, query, status, code, field):
    answer = await (await exchange.admin()).get("/admin/audit", **query)
    assert (answer.status, answer.code, answer.field) == (status, code, field)


async def test_the_queue_of_settlement(exchange, archive):
    admin = (await exchange.admin()).at(archive)
    nothing = (await admin.get("/admin/settlement/queue")).data
    assert (nothing["waiting"], nothing["failed"], nothing["breaker"]) == (0, 0, None)
    at = utc("2026-03-01 10:00")
    query(
        archive.database,
        "INSERT INTO settlement_queue (trade_id, time, attempts, next_attempt_at, last_error) "
        "VALUES (7, %s, 2, %s, 'the wallet said 500')",
        (at, at),
    )
    dead = "INSERT INTO dead_letters (trade_id, time, attempts, failed_at, error) VALUES (%s, %s, 3, %s, '<script>')"
    for trade_id in (3, 4, 5):
        query(archive.database, dead, (trade_id, at, at))
    try:
        found = (await admin.get("/admin/settlement/queue", limit="2")).data
        assert (found["waiting"], found["oldest_at"], found["failed"]) == (1, "2026-03-01T10:00:00.000Z", 3)
        assert [(row["trade_id"], row["last_error"]) for row in found["queue"]] == [("7", "the wallet said 500")]
        assert [row["trade_id"] for row in found["dead_letters"]] == ["3", "4"]
        page = (await admin.get("/admin/settlement/queue", limit="2", cursor=found["next_cursor"])).data
        assert ([row["trade_id"] for row in page["dead_letters"]], page["next_cursor"]) == (["5"], None)
        _, parts = await health(admin)
        assert (parts["wallet"]["status"], parts["wallet"]["details"]["dead_letters"]) == ("degraded", 3)
    finally:
        query(archive.database, "DELETE FROM settlement_queue")
        query(archive.database, "DELETE FROM dead_letters")


async def test_connections(exchange):
    market, trader, admin = await exchange.market(), await exchange.trader(), await exchange.admin()
    headers = {"Authorization": "Bearer " + trader.token}
    address = exchange.live.url.replace("http", "ws", 1)
    async with (
        exchange.session.ws_connect(address + "/ws/orders", headers=headers) as orders,
        exchange.session.ws_connect(address + "/ws/markets/" + market.symbol) as book,
    ):
        for socket in (orders, book):
            assert (await socket.receive()).type == aiohttp.WSMsgType.TEXT
        found = await until(
            lambda: admin.get("/admin/websocket/connections"), lambda answer: answer.data["connections"] == 2
        )
        clients = {client["user"]: client for client in found.data["clients"]}
        assert set(clients) == {trader.user, None}
        assert clients[trader.user]["topics"] == ["orders"]
        assert "orderbook:" + market.symbol in clients[None]["topics"]
        assert found.data["by_channel"]["orders"] == 1
