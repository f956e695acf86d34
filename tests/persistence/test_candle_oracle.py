"""Candles of one minute against an exchange's own, from its trades: answers of Kraken's public Trades and OHLC."""

import gzip
import json
from decimal import Decimal

from persistence.depth import DepthRecorder
from persistence.rows import Builder
from persistence.state import State
from persistence.store import Store
from persistence.tail import Position
from protocol import codec
from protocol.messages import (
    InstrumentDefined,
    Liquidity,
    OrderAccepted,
    OrderFilled,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from protocol.records import Record
from tests.postgres import query
from tests.real_data import DATA, needs_data

PRICE_SCALE, QUANTITY_SCALE = 1, 8


def _read(name):
    with gzip.open(DATA / "kraken_xbtusdt_ohlc" / name) as file:
        result = json.load(file)["result"]
    return next(rows for key, rows in result.items() if key != "last")


def _records(trades):
    """Each trade as the record of two orders that meet, at its time."""
    event_seq = 0
    for number, (price, quantity, time, *_) in enumerate(trades, 1):
        price, quantity = int(Decimal(price) * 10**PRICE_SCALE), int(Decimal(quantity) * 10**QUANTITY_SCALE)
        time_ns = int(Decimal(repr(time)) * 10**9)
        events = []
        if number == 1:
            events.append(InstrumentDefined(0, 1, PRICE_SCALE, QUANTITY_SCALE, 1, 1, 0, 0, 0, 0, "XBTUSDT"))
        for place, (side, liquidity) in enumerate(((Side.SELL, Liquidity.MAKER), (Side.BUY, Liquidity.TAKER))):
            terms = side, OrderType.LIMIT, TimeInForce.GTC, 0, price, quantity
            filled = 0 if liquidity == Liquidity.MAKER else quantity
            stp = SelfTradePrevention.NONE
            order_id = 2 * number + place
            events.append(OrderAccepted(1, order_id, 1, *terms, filled, quantity - filled, stp, 0, 0))
        for place, (side, liquidity) in enumerate(((Side.SELL, Liquidity.MAKER), (Side.BUY, Liquidity.TAKER))):
            events.append(OrderFilled(1, 2 * number + place, 1, side, liquidity, number, price, quantity, 0, 0))
        first = event_seq + 1
        for event in events:
            event_seq += 1
            event.event_seq, event.time_ns = event_seq, time_ns
        yield Record(number, 1, first, len(events), time_ns, [], [], [codec.encode(event) for event in events])


@needs_data
async def test_our_minutes_are_the_exchanges(database):
    trades, candles = _read("http_trades.json.gz"), _read("http_ohlc.json.gz")
    store = await Store.connect(database)
    await store.load()
    builder = Builder(State(), DepthRecorder(10, 50))
    position = Position(venue_id=1)
    for index, record in enumerate(_records(trades)):
        builder.take(record)
        if index % 37 == 36 or index == len(trades) - 1:  # batches that end anywhere within a minute
            batch = builder.finish()
            batch.venue_id, batch.rules_version, batch.chain = position.venue_id, position.rules_version, 1
            await store.write(batch.months, store.prepare(batch))
    store.close()
    first, last = trades[0][2], trades[-1][2]
    whole = [row for row in candles if row[0] > first and row[0] + 60 <= last]
    rows = query(
        database,
        "SELECT extract(epoch FROM start)::bigint, open, high, low, close, volume, trades"
        " FROM candles_between(1, '1m', to_timestamp(%s), to_timestamp(%s))",
        (whole[0][0], whole[-1][0] + 60),
    )
    ours = {start: tuple(values) for start, *values in rows}
    equal = 0
    for start, opened, high, low, close, _, volume, count in whole:
        theirs = (*map(Decimal, (opened, high, low, close, volume)), count)
        equal += ours.get(start) == theirs
    assert (equal, len(whole)) == (409, 409)
