"""Historical trades, 24-hour statistics, snapshots over HTTP, and what all of market data has in common: caching,
errors, a database that is gone."""

from datetime import datetime, timedelta, timezone

import pytest
from yarl import URL

from persistence.migrate import migrate
from tests.gateway.archive import minutes, utc
from tests.gateway.live import exchange_of, until, until_ready
from tests.gateway.test_orders import limit, placed
from tests.postgres import running_cluster

TEN = utc("2026-03-01 10:00")
HOUR = {"start": "2026-03-01T10:00:00Z", "end": "2026-03-01T11:00:00Z"}


def asker(exchange, archive):
    return exchange.nobody().at(archive)


async def trades(exchange, archive, market, **query):
    answer = await asker(exchange, archive).get("/historical/trades/" + market.symbol, **query)
    assert answer.status == 200, answer.body
    return answer.data


# --- trades --------------------------------------------------------------------------------------------------------


async def test_a_trade_as_everybody_may_see_it(exchange, archive):
    market = await exchange.market()
    trade_id = archive.trade(market, TEN + timedelta(microseconds=123_456), "50000.00", "0.100000", "sell")
    assert await trades(exchange, archive, market) == {
        "symbol": market.symbol,
        "trades": [
            {
                "trade_id": str(trade_id),
                "symbol": market.symbol,
                "price": "50000.00",
                "quantity": "0.100000",
                "taker_side": "sell",
                "timestamp": "2026-03-01T10:00:00.123Z",
            }
        ],
        "next_cursor": None,
    }


async def test_pages_have_every_trade_once_while_more_come(exchange, archive):
    market = await exchange.market()
    made = [archive.trade(market, TEN + minutes(i // 3), "100.00", "1.000000") for i in range(10)]  # three at a time
    seen, cursor, pages = [], {}, 0
    while cursor is not None:
        page = await trades(exchange, archive, market, limit="3", **cursor)
        seen += [int(trade["trade_id"]) for trade in page["trades"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
        archive.trade(market, TEN + minutes(60 + pages), "101.00", "1.000000")
        pages += 1
    assert seen == made[::-1] and pages == 4


async def test_trades_of_a_time(exchange, archive):
    market = await exchange.market()
    made = [archive.trade(market, TEN + minutes(30 * i), "100.00", "1.000000") for i in range(-1, 4)]
    found = [int(trade["trade_id"]) for trade in (await trades(exchange, archive, market, **HOUR))["trades"]]
    assert found == [made[2], made[1]]  # from the start on, and before the end
    assert (await trades(exchange, archive, market, start="2026-03-01T12:00:00+01:00"))["trades"] == (
        await trades(exchange, archive, market, start="2026-03-01T11:00:00Z")
    )["trades"]


async def test_a_page_past_the_end_is_empty(exchange, archive):
    market, other = await exchange.market(), await exchange.market()
    for place in range(3):
        archive.trade(market, TEN + minutes(place), "100.00", "1.000000")
    cursor = (await trades(exchange, archive, market, limit="1"))["next_cursor"]
    past = await trades(exchange, archive, other, cursor=cursor)
    assert (past["trades"], past["next_cursor"]) == ([], None)
    past = await trades(exchange, archive, market, cursor=cursor, start="2026-03-01T10:30:00Z")
    assert (past["trades"], past["next_cursor"]) == ([], None)


@pytest.mark.parametrize("cursor", ["x", "AAAA", "k6Z0cmFkZXMB", "lKZ0cmFkZXPPf_________8BAQ", "w" * 128])
async def test_a_cursor_that_is_none(exchange, archive, cursor):
    market = await exchange.market()
    answer = await asker(exchange, archive).get("/historical/trades/" + market.symbol, cursor=cursor)
    assert (answer.status, answer.code, answer.field) == (400, "invalid_cursor", "cursor")


@pytest.mark.parametrize(
    "query, code, field",
    [
        ({"limit": "0"}, "invalid_parameter", "limit"),
        ({"limit": "1001"}, "invalid_parameter", "limit"),
        ({"limit": "99999999999999999999999999"}, "invalid_parameter", "limit"),
        ({"limit": "1; DROP TABLE trades"}, "invalid_parameter", "limit"),
        ({"cursor": "<script>alert(1)</script>"}, "invalid_parameter", "cursor"),
        ({"cursor": "'; DROP TABLE trades; --"}, "invalid_parameter", "cursor"),
        ({"cursor": "w" * 129}, "invalid_parameter", "cursor"),
        ({"start": "2200-01-01T00:00:00Z"}, "time_in_future", "start"),
        ({"start": HOUR["end"], "end": HOUR["start"]}, "invalid_range", "start"),
        ({"side": "buy"}, "invalid_parameter", "side"),
    ],
)
async def test_questions_for_trades_that_cannot_be(exchange, archive, query, code, field):
    market = await exchange.market()
    answer = await asker(exchange, archive).get("/historical/trades/" + market.symbol, **query)
    assert (answer.status, answer.code, answer.field) == (400, code, field)


# --- statistics ----------------------------------------------------------------------------------------------------


async def statistics(exchange, archive, market):
    answer = await asker(exchange, archive).get("/statistics/24h/" + market.symbol)
    assert answer.status == 200, answer.body
    return answer.data


async def test_statistics_of_24_hours(exchange, archive):
    market = await exchange.market()
    now = datetime.now(timezone.utc)
    minute = now.replace(second=0, microsecond=0)
    archive.candle(market, "1m", minute - timedelta(hours=30), ("1.00",) * 4)  # too long ago
    archive.candle(market, "1m", minute - timedelta(hours=20), ("100.00", "130.00", "90.00", "120.00"), "1.500000")
    archive.candle(market, "1m", minute - timedelta(hours=1), ("120.00", "125.00", "80.00", "110.00"), trades=4)
    archive.position(now - timedelta(minutes=1))
    found = await statistics(exchange, archive, market)
    assert abs(datetime.fromisoformat(found.pop("time")) - now) < timedelta(minutes=2)
    assert found == {
        "symbol": market.symbol,
        "open": "100.00",
        "high": "130.00",
        "low": "80.00",
        "last": "110.00",
        "volume": "2.500000",
        "quote_volume": "200.00000000",
        "trades": 5,
        "change": "10.00",
        "change_percent": "10.00",
    }


async def test_statistics_where_nothing_was_traded(exchange, archive):
    quiet, silent = await exchange.market(), await exchange.market()
    now = datetime.now(timezone.utc)
    archive.candle(quiet, "1m", now.replace(second=0, microsecond=0) - timedelta(hours=30), ("100.00",) * 4)
    archive.position(now)
    nothing = {"open": None, "high": None, "low": None, "change": None, "change_percent": None, "trades": 0}
    nothing |= {"volume": "0.000000", "quote_volume": "0.00000000"}
    for market, last in ((quiet, "100.00"), (silent, None)):
        found = await statistics(exchange, archive, market)
        del found["time"]
        assert found == {"symbol": market.symbol, "last": last, **nothing}


# --- snapshots -----------------------------------------------------------------------------------------------------


async def test_the_book_at_a_time(exchange, archive):
    market = await exchange.market()
    archive.snapshot(market, TEN, 7, [["99.00", "1.000000", 2], ["98.00", "3.000000", 1]], [])
    archive.snapshot(market, TEN + minutes(5), 9, [], [["101.00", "2.000000", 1]])
    ask = asker(exchange, archive)
    first = {
        "symbol": market.symbol,
        "time": "2026-03-01T10:00:00.000Z",
        "sequence": 7,
        "bids": [
            {"price": "99.00", "quantity": "1.000000", "orders": 2},
            {"price": "98.00", "quantity": "3.000000", "orders": 1},
        ],
        "asks": [],
    }
    for at in ("2026-03-01T10:00:00Z", "2026-03-01T10:04:59.999999Z", "2026-03-01T11:04:59%2B01:00"):
        answer = await ask.request("GET", URL("/snapshots/%s?time=%s" % (market.symbol, at), encoded=True).path_qs)
        assert (answer.status, answer.data) == (200, first), at
    for query in ({"time": "2026-03-01T10:05:00Z"}, {}):
        assert (await ask.get("/snapshots/" + market.symbol, **query)).data["sequence"] == 9


async def test_before_the_first_snapshot_there_is_none(exchange, archive):
    market = await exchange.market()
    archive.snapshot(market, TEN, 7, [], [])
    ask = asker(exchange, archive)
    answer = await ask.get("/snapshots/" + market.symbol, time="2026-03-01T09:59:59.999Z")
    assert (answer.status, answer.code) == (404, "no_snapshot")
    answer = await ask.get("/snapshots/" + (await exchange.market()).symbol)
    assert (answer.status, answer.code) == (404, "no_snapshot")


@pytest.mark.parametrize("at, code", [("2200-01-01T00:00:00Z", "time_in_future"), ("10:00", "invalid_time")])
async def test_times_of_which_there_can_be_no_snapshot(exchange, archive, at, code):
    answer = await asker(exchange, archive).get("/snapshots/" + (await exchange.market()).symbol, time=at)
    assert (answer.status, answer.code, answer.field) == (400, code, "time")


# --- all of it -----------------------------------------------------------------------------------------------------

PATHS = ("/candles/%s", "/historical/trades/%s", "/statistics/24h/%s", "/snapshots/%s")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "symbol", ["NO-SUCH", "'; DROP TABLE trades; --", "<script>alert(1)</script>", "%00", "Ä" * 300]
)
async def test_no_such_market(exchange, archive, path, symbol):
    answer = await asker(exchange, archive).get(path % symbol.replace("/", "%2F"))
    assert (answer.status, answer.code, answer.field) == (404, "unknown_instrument", "symbol")


async def test_a_symbol_with_a_slash(exchange, archive):
    market = await exchange.market()
    archive.trade(market, TEN, "100.00", "1.000000")
    url = URL(archive.url + "/api/v1/historical/trades/" + market.symbol.replace("-", "%2F"), encoded=True)
    async with exchange.session.get(url) as response:
        assert len((await response.json())["data"]["trades"]) == 1


async def test_who_has_an_answer_already_is_told_so(exchange, archive):
    market = await exchange.market()
    ask, path = asker(exchange, archive), "/historical/trades/" + market.symbol
    first = await ask.get(path)
    etag = first.headers["ETag"]
    assert first.status == 200 and first.headers["Cache-Control"] == "public, max-age=1"
    for named in (etag, etag.removeprefix("W/"), '"other", %s' % etag, "*"):
        again = await ask.get(path, headers={"If-None-Match": named})
        assert (again.status, again.body, again.headers["ETag"]) == (304, None, etag), named
        assert "X-Request-Id" in again.headers
    archive.trade(market, TEN, "100.00", "1.000000")
    changed = await until(lambda: ask.get(path, headers={"If-None-Match": etag}), lambda answer: answer.status == 200)
    assert len(changed.data["trades"]) == 1 and changed.headers["ETag"] != etag


async def test_what_is_long_past_may_be_kept_longer(exchange, archive):
    market = await exchange.market()
    archive.position(utc("2026-03-01 12:00"))
    answer = await asker(exchange, archive).get("/candles/" + market.symbol, **HOUR)
    assert answer.headers["Cache-Control"] == "public, max-age=60"


async def test_a_gateway_without_a_database_has_no_history(own_venue):
    own_venue.start_core()
    own_venue.start_gateway(database_url="")
    async with exchange_of(own_venue) as exchange:
        market = await exchange.market()
        answer = await exchange.nobody().get("/historical/trades/" + market.symbol)
        assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "history_unavailable", "1")


async def test_a_database_that_goes_and_comes_back(own_venue):
    """Trading goes on; history says at once that it is not there, and is there again by itself."""
    with running_cluster() as cluster:
        migrate(cluster.url)
        own_venue.start_core()
        own_venue.start_gateway(database_url=cluster.url)
        async with exchange_of(own_venue) as exchange:
            market, trader = await exchange.market(), await exchange.trader()
            paths = [path % market.symbol for path in PATHS[1:]]

            async def statuses():
                return [(await trader.get(path)).status for path in paths]

            await until(statuses, lambda found: found == [200, 200, 404])
            cluster.stop("immediate")
            await until(statuses, lambda found: found == [503] * 3)
            answer = await trader.get(paths[0])
            assert (answer.code, answer.headers["Retry-After"]) == ("history_unavailable", "1")
            await placed(trader, limit(market, "buy", "0.1", "100.00"))
            await until_ready(exchange.nobody())
            cluster.start()
            await until(statuses, lambda found: found == [200, 200, 404])
