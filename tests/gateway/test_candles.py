"""Candles over HTTP: no gaps, the present one marked, and clean errors for ranges that cannot be."""

from datetime import datetime, timedelta, timezone

import pytest

from tests.gateway.archive import minutes, utc

TEN = utc("2026-03-01 10:00")
FIRST = ("100.00", "110.00", "90.00", "105.00")
SECOND = ("105.00", "105.00", "101.00", "101.00")


async def candles(exchange, archive, market, **query):
    answer = await exchange.nobody().at(archive).get("/candles/" + market.symbol, **query)
    assert answer.status == 200, answer.body
    assert answer.data["symbol"] == market.symbol
    return answer.data["candles"]


def closes(rows):
    return [(row["start"][11:16], row["close"], row["trades"]) for row in rows]


async def test_a_candle_as_it_was(exchange, archive):
    market = await exchange.market()
    archive.candle(market, "1m", TEN, FIRST, "1.500000", "150.00000000", 3)
    archive.position(TEN + minutes(60))
    found = await candles(exchange, archive, market, start="2026-03-01T10:00:00Z", end="2026-03-01T10:01:00Z")
    assert found == [
        {
            "start": "2026-03-01T10:00:00.000Z",
            "open": "100.00",
            "high": "110.00",
            "low": "90.00",
            "close": "105.00",
            "volume": "1.500000",
            "quote_volume": "150.00000000",
            "trades": 3,
            "complete": True,
        }
    ]


async def test_minutes_without_trades_are_flat_at_the_close_before(exchange, archive):
    market = await exchange.market()
    archive.candle(market, "1m", TEN, FIRST, trades=3)
    archive.candle(market, "1m", TEN + minutes(3), SECOND, trades=2)
    archive.position(TEN + minutes(60))
    query = {"start": "2026-03-01T09:58:00Z", "end": "2026-03-01T10:06:00Z"}
    found = await candles(exchange, archive, market, **query)
    assert closes(found) == [
        ("10:00", "105.00", 3),
        ("10:01", "105.00", 0),
        ("10:02", "105.00", 0),
        ("10:03", "101.00", 2),
        ("10:04", "101.00", 0),
        ("10:05", "101.00", 0),
    ]
    flat = {"open": "105.00", "high": "105.00", "low": "105.00", "close": "105.00"}
    assert flat.items() <= found[1].items()
    assert [float(row["volume"]) for row in found] == [1, 0, 0, 1, 0, 0]
    for row in found[1:3] + found[4:]:  # with the decimals of the market, as every other amount
        assert (row["volume"], row["quote_volume"]) == ("0.000000", "0.00000000")


async def test_a_gap_at_the_beginning_is_filled_from_before_it(exchange, archive):
    market = await exchange.market()
    archive.candle(market, "1m", TEN, FIRST)
    archive.position(TEN + minutes(60))
    found = await candles(exchange, archive, market, start="2026-03-01T10:30:00.5Z", end="2026-03-01T10:32:01Z")
    assert closes(found) == [("10:31", "105.00", 0), ("10:32", "105.00", 0)]


async def test_what_the_drainer_has_not_reached_is_not_told(exchange, archive):
    market = await exchange.market()
    archive.candle(market, "1m", TEN, FIRST)
    archive.position(TEN + timedelta(minutes=2, seconds=30), event_seq=0)
    found = await candles(exchange, archive, market, start="2026-03-01T10:00:00Z", end="2026-03-01T10:10:00Z")
    assert closes(found) == [("10:00", "105.00", 1), ("10:01", "105.00", 0), ("10:02", "105.00", 0)]
    assert [row["complete"] for row in found] == [True, True, False]


async def test_of_a_venue_that_is_quiet_everything_is_known_until_now(exchange, archive):
    """The last event is old, and nothing has happened since: the hours after it are flat, not missing."""
    market = await exchange.market()
    now = datetime.now(timezone.utc)
    archive.candle(market, "1h", now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=3), FIRST)
    archive.candle(market, "1m", now.replace(second=0, microsecond=0) - timedelta(hours=3), FIRST)
    archive.position(now - timedelta(hours=2))
    found = await candles(exchange, archive, market, tf="1h")
    assert [row["trades"] for row in found[:2]] == [1, 0] and len(found) in (4, 5)  # 5: an hour has just begun
    assert [row["complete"] for row in found] == [True] * (len(found) - 1) + [False]
    assert {row["close"] for row in found} == {"105.00"}
    ends = [datetime.fromisoformat(row["start"]) for row in found]
    assert [later - earlier for earlier, later in zip(ends, ends[1:])] == [timedelta(hours=1)] * (len(ends) - 1)


async def test_a_market_without_a_trade_has_none(exchange, archive):
    market = await exchange.market()
    archive.position(TEN)
    assert await candles(exchange, archive, market) == []


@pytest.mark.parametrize(
    "timeframe, start, last",
    [
        ("5m", "10:00", "10:10"),
        ("15m", "10:00", "10:45"),
        ("1h", "10:00", "12:00"),
        ("4h", "08:00", "20:00"),
        ("1d", "00:00", "00:00"),
    ],
)
async def test_every_timeframe(exchange, archive, timeframe, start, last):
    market = await exchange.market()
    archive.candle(market, timeframe, utc("2026-03-01 " + start), FIRST)
    archive.position(utc("2026-03-02 00:00"))
    query = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-01T%s:01Z" % last}
    found = await candles(exchange, archive, market, tf=timeframe, **query)
    assert (closes(found)[0], closes(found)[-1][0]) == ((start, "105.00", 1), last)


@pytest.mark.parametrize(
    "query, code, field",
    [
        ({"tf": "2m"}, "invalid_parameter", "tf"),
        ({"tf": ""}, "invalid_parameter", "tf"),
        ({"tf": "1m'; DROP TABLE candles; --"}, "invalid_parameter", "tf"),
        ({"start": "yesterday"}, "invalid_time", "start"),
        ({"start": "2026-03-01T10:00:00"}, "invalid_time", "start"),  # of which offset?
        ({"start": "2026-13-01T10:00:00Z"}, "invalid_time", "start"),
        ({"start": "9999-12-31T23:59:59Z"}, "invalid_time", "start"),
        ({"end": "1969-12-31T23:59:59Z"}, "invalid_time", "end"),
        ({"end": "2026-03-01T10:00:00Z' OR '1'='1"}, "invalid_time", "end"),
        ({"start": "2200-01-01T00:00:00Z"}, "time_in_future", "start"),
        ({"start": "2026-03-01T10:00:00Z", "end": "2026-03-01T09:00:00Z"}, "invalid_range", "start"),
        ({"start": "2026-03-01T10:00:00Z", "end": "2026-03-01T10:00:00Z"}, "invalid_range", "start"),
        ({"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}, "range_too_large", "start"),
        ({"start": "1970-01-01T00:00:00Z"}, "range_too_large", "start"),
        ({"limit": "5"}, "invalid_parameter", "limit"),
    ],
)
async def test_ranges_that_cannot_be(exchange, archive, query, code, field):
    market = await exchange.market()
    answer = await exchange.nobody().at(archive).get("/candles/" + market.symbol, **query)
    assert (answer.status, answer.code, answer.field) == (400, code, field)


async def test_as_many_candles_as_an_answer_has(exchange, archive):
    market = await exchange.market()
    archive.candle(market, "1m", utc("2026-03-01 00:00"), FIRST)
    archive.position(utc("2026-03-02 00:00"))
    found = await candles(exchange, archive, market, start="2026-03-01T00:00:00Z", end="2026-03-01T16:40:00Z")
    assert len(found) == 1_000
    assert len(await candles(exchange, archive, market, end="2026-03-01T16:40:00Z")) == 500


async def test_the_present_candle_of_the_far_future_is_now_s(exchange, archive):
    """An end that is yet to come is the present."""
    market = await exchange.market()
    now = datetime.now(timezone.utc).replace(second=0, microsecond=0)
    archive.candle(market, "1m", now, FIRST)
    archive.position(now + timedelta(seconds=1))
    found = await candles(exchange, archive, market, end="2200-01-01T00:00:00Z")
    assert (found[0]["start"][:16], found[0]["close"]) == (now.isoformat()[:16], "105.00")
    assert found[-1]["complete"] is False
