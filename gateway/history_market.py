"""What Postgres keeps of markets: candles, 24-hour statistics, depth snapshots. Rows are in the vocabulary of the
tables, amounts as text. All raise ApiError 503 history_unavailable where the database cannot tell."""

from datetime import datetime

import attrs


@attrs.frozen
class Candle:
    start: datetime
    open: str
    high: str
    low: str
    close: str
    volume: str
    quote_volume: str
    trades: int


@attrs.frozen
class Statistics24h:
    """Null where nothing was traded in that time; `last` is the last trade's, however long ago."""

    open: str | None
    high: str | None
    low: str | None
    last: str | None
    volume: str
    quote_volume: str
    trades: int
    change: str | None
    change_percent: str | None


@attrs.frozen
class DepthSnapshot:
    time: datetime
    event_seq: int
    bids: list  # of [price, quantity, orders]
    asks: list


def _columns(cls):
    return ", ".join(field.name for field in attrs.fields(cls))


class MarketHistory:
    def __init__(self, database):
        self._database = database

    async def candles(self, instrument, timeframe, start, end):
        """Candles that start in [start, end), oldest first and without a gap, from the first trade to the position of
        the drainer. -> (event_seq of that position, its time, the last close before `end` or None, [Candle, ...])."""
        rows = await self._database.rows(
            "SELECT p.event_seq, p.time, (SELECT close FROM candles WHERE instrument = %%s AND timeframe = '1m' "
            "AND start < %%s ORDER BY start DESC LIMIT 1), %s FROM position p "
            "LEFT JOIN LATERAL candles_between(%%s, %%s, %%s, %%s) c ON true ORDER BY c.start"
            % ", ".join("c.%s" % field.name for field in attrs.fields(Candle)),
            (instrument, end, instrument, timeframe, start, end),
        )
        if not rows:
            return 0, None, None, []
        event_seq, time, last_close = rows[0][:3]
        return event_seq, time, last_close, [Candle(*row[3:]) for row in rows if row[3] is not None]

    async def statistics_24h(self, instrument, at):
        """-> Statistics24h of the 24 hours before `at`."""
        sql = "SELECT %s FROM statistics_24h(%%s, %%s)" % _columns(Statistics24h)
        return Statistics24h(*await self._database.row(sql, (instrument, at)))

    async def snapshot(self, instrument, at):
        """-> the newest DepthSnapshot at that time or before, or None."""
        sql = "SELECT %s FROM depth_snapshot_at(%%s, %%s)" % _columns(DepthSnapshot)
        row = await self._database.row(sql, (instrument, at))
        return DepthSnapshot(*row) if row else None
