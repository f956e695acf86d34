"""Candles, statistics and depth as they are read, against the naive way of making them from every trade."""

import datetime
import json
import random
from decimal import Decimal

import pytest

from persistence.candles import TIMEFRAMES
from persistence.depth import decimal_text
from tests.persistence.databases import drain
from tests.persistence.journals import CrowdJournal
from tests.postgres import query

MINUTE = datetime.timedelta(minutes=1)
STEP_NS = 20 * 10**9  # many minutes with trades, many without, over some days


@pytest.fixture
async def crowd(tmp_path, database):
    """Drained in many short runs, so that most candles are begun by one and finished by another."""
    made = CrowdJournal(tmp_path, seed=8, step_ns=90 * 10**9)  # a little more than a day
    for _ in range(8):
        made.add(700)
        await drain(tmp_path, database, made.exchange.seq - 1, batch_events=150, depth_seconds=60)
    yield made
    made.close()


def trades_of(database, instrument):
    return query(
        database,
        "SELECT time, price, quantity FROM trades WHERE instrument = %s ORDER BY trade_id",
        (instrument,),
    )


def floor(time, minutes):
    seconds = int(time.timestamp()) // (60 * minutes) * 60 * minutes
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def naive_candles(trades, minutes):
    found = {}
    for time, price, quantity in trades:
        row = found.setdefault(floor(time, minutes), [price, price, price, price, 0, 0, 0])
        row[1] = max(row[1], price)
        row[2] = min(row[2], price)
        row[3] = price
        row[4] += quantity
        row[5] += price * quantity
        row[6] += 1
    return found


async def test_candles_are_those_of_the_trades(crowd, database):
    for timeframe, minutes in TIMEFRAMES.items():
        for instrument in (1, 2, 3, 4):
            rows = query(
                database,
                "SELECT start, open, high, low, close, volume, quote_volume, trades FROM candles"
                " WHERE instrument = %s AND timeframe = %s",
                (instrument, timeframe),
            )
            found = {start: list(row) for start, *row in rows}
            assert found == naive_candles(trades_of(database, instrument), minutes)
    assert len(found) >= 2, "the longest candles have a boundary too"


async def test_candles_are_read_without_gaps(crowd, database):
    trades = trades_of(database, 1)
    known = naive_candles(trades, 5)
    (now,) = query(database, "SELECT time FROM position")[0]
    start = floor(trades[len(trades) // 3][0], 5) + 7 * MINUTE  # off the boundary
    end = now + datetime.timedelta(days=1)
    rows = query(database, "SELECT * FROM candles_between(1, '5m', %s, %s)", (start, end))
    expected = []
    close = [row[3] for at, row in sorted(known.items()) if at < start][-1]
    at = floor(start, 5) + 5 * MINUTE
    while at <= now:
        row = known.get(at, [close, close, close, close, 0, 0, 0])
        expected.append((at, *row))
        close = row[3]
        at += 5 * MINUTE
    assert rows == expected
    assert any(row[7] == 0 for row in rows) and any(row[7] > 1 for row in rows)


async def test_there_are_no_candles_before_the_first_trade(crowd, database):
    first = trades_of(database, 1)[0][0]
    rows = query(
        database,
        "SELECT start FROM candles_between(1, '1m', %s, %s)",
        (first - datetime.timedelta(days=2), first + 3 * MINUTE),
    )
    assert [start for (start,) in rows] == [floor(first, 1) + index * MINUTE for index in range(len(rows))]
    assert 1 <= len(rows) <= 4
    assert query(database, "SELECT * FROM candles_between(99, '1m', %s, %s)", (first, first + MINUTE)) == []


def naive_statistics(trades, at):
    window = [row for row in trades if at - datetime.timedelta(hours=24) < row[0] <= at]
    before = [row for row in trades if row[0] <= at]
    last = before[-1][1] if before else None
    if not window:
        return None, None, None, last, 0, 0, 0, None
    prices = [price for _, price, _ in window]
    volume = sum(quantity for _, _, quantity in window)
    quote_volume = sum(price * quantity for _, price, quantity in window)
    return prices[0], max(prices), min(prices), last, volume, quote_volume, len(window), last - prices[0]


async def test_statistics_roll_over_24_hours(crowd, database):
    chance = random.Random(2)
    (now,) = query(database, "SELECT time FROM position")[0]
    for instrument in (1, 4):
        trades = trades_of(database, instrument)
        moments = [now, now + datetime.timedelta(hours=5), now + datetime.timedelta(days=9)]
        moments += [chance.choice(trades)[0] + chance.choice((-1, 0, 1, 7)) * MINUTE / 2 for _ in range(20)]
        for at in moments:
            rows = query(
                database,
                "SELECT open, high, low, last, volume, quote_volume, trades, change FROM statistics_24h(%s, %s)",
                (instrument, at),
            )
            assert rows == [naive_statistics(trades, at)], at


async def test_a_depth_snapshot_is_the_book_as_it_was(tmp_path, database):
    """After every record what the book is like is noted; then each snapshot is compared with the book before it."""
    crowd = CrowdJournal(tmp_path, seed=9, step_ns=STEP_NS)
    books = []  # (time_ns of a record, {instrument: what its snapshot says})
    for _ in range(300):
        crowd.add(3)
        books.append((crowd.time_ns, {number: _sides(crowd.exchange, number) for number in crowd.exchange.books}))
    for part in (200, 400, crowd.exchange.seq - 1):
        await drain(tmp_path, database, part, batch_events=40, depth_seconds=60)
    # how the book was at the end of a record is known at times before the next command only
    rows = query(database, "SELECT instrument, extract(epoch FROM time)::bigint, bids, asks FROM depth_snapshots")
    assert len(rows) > 100
    compared = 0
    for number, seconds, bids, asks in rows:
        assert seconds % 60 == 0
        before = [index for index, (time_ns, _) in enumerate(books) if time_ns < seconds * 10**9]
        after = books[before[-1] + 1][0] if before and before[-1] + 1 < len(books) else 0
        if before and after > seconds * 10**9 + 3 * 2 * STEP_NS:
            assert (bids, asks) == books[before[-1]][1].get(number, ([], []))
            compared += 1
    (at,) = query(database, "SELECT max(time) FROM depth_snapshots WHERE instrument = 1")[0]
    nearest = "SELECT time FROM depth_snapshot_at(1, %s)"
    assert query(database, nearest, (at + 100 * MINUTE,)) == [(at,)]
    assert query(database, nearest, (at - MINUTE / 60,))[0][0] < at
    assert query(database, nearest, (at - datetime.timedelta(days=999),)) == []
    crowd.close()


def _sides(exchange, number):
    book = exchange.books[number]
    instrument, orders = book.instrument, exchange.orders
    sides = []
    for side in (1, 2):
        levels = {}
        for slot in book.side(side).slots():
            level = levels.setdefault(orders.price[slot], [0, 0])
            level[0] += orders.open_quantity[slot]
            level[1] += 1
        rows = [
            [decimal_text(price, instrument.price_scale), decimal_text(quantity, instrument.quantity_scale), count]
            for price, (quantity, count) in sorted(levels.items(), reverse=side == 1)
        ]
        sides.append(rows[:50])
    return json.loads(json.dumps(tuple(sides)))[0], sides[1]


def test_decimal_text():
    assert decimal_text(-1_234, 3) == "-1.234" and decimal_text(5, 2) == "0.05" and decimal_text(7, 0) == "7"
    assert Decimal(decimal_text(2**62, 18)) == Decimal(2**62).scaleb(-18)
