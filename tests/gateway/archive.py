"""A gateway whose history is written by the test itself, row by row: what the drainer would write of another day. The
core behind it is the shared one."""

from datetime import datetime, timedelta, timezone

import attrs
import psycopg2.extras

from tests.postgres import query

#: An event that no core of a test comes to: a position there has seen everything.
CAUGHT_UP = 10**15


def utc(text):
    """ "2026-03-01 10:00" -> datetime."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@attrs.define
class Archive:
    url: str  # of the gateway
    database: str
    trades: int = 10**12  # ids given so far

    def position(self, time, event_seq=CAUGHT_UP):
        """How far the drainer is."""
        query(self.database, "DELETE FROM position")
        query(self.database, "INSERT INTO position VALUES (true, 1, 1, 1, %s, 0, %s)", (event_seq, time))

    def trade(self, market, time, price, quantity, taker_side="buy", maker=1, taker=2):
        """-> trade_id."""
        self.trades += 1
        query(self.database, "SELECT make_partitions(%s, %s)", (time, time))
        query(
            self.database,
            "INSERT INTO trades (trade_id, time, event_seq, instrument, maker_order_id, taker_order_id, maker_account, "
            "taker_account, taker_side, price, quantity, maker_fee, taker_fee) "
            "VALUES (%s, %s, %s, %s, 1, 2, %s, %s, %s, %s, %s, '0.00100000', '0.00200000')",
            (self.trades, time, 2 * self.trades, market.instrument, maker, taker, taker_side, price, quantity),
        )
        return self.trades

    def candle(self, market, timeframe, start, prices, volume="1.000000", quote_volume="100.00000000", trades=1):
        """`prices`: open, high, low, close."""
        query(
            self.database,
            "INSERT INTO candles VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (market.instrument, timeframe, start, *prices, volume, quote_volume, trades),
        )

    def snapshot(self, market, time, event_seq, bids, asks):
        """`bids`, `asks`: [[price, quantity, orders], ...]."""
        query(
            self.database,
            "INSERT INTO depth_snapshots VALUES (%s, %s, %s, %s, %s)",
            (market.instrument, time, event_seq, psycopg2.extras.Json(bids), psycopg2.extras.Json(asks)),
        )


def minutes(count):
    return timedelta(minutes=count)
