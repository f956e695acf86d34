"""The queue of trades to settle, as it lies in Postgres: all the SQL of settlement. Each change is one statement, made
only where the trade still stands as it was read, so that two who work on one trade cannot both decide its fate.

A trade is `posting` its legs, or `reversing` those of a round that was refused. What was given up is a dead letter:
`posting` or `reversing` where the wallet gave no answer, `reversed` where nothing of the trade is left at the wallet.
"""

import attrs

from persistence.legs import Trade
from persistence.store import KEEPALIVES

POSTING, REVERSING, REVERSED = "posting", "reversing", "reversed"
LOCK = 7_305_002  # of pg_try_advisory_lock: whoever holds it settles

_OLDEST = """
    SELECT q.trade_id, q.time, q.round, q.stage, q.attempts, q.posted, q.refusal,
        q.next_attempt_at <= clock_timestamp() AS is_due, p.venue_id,
        t.taker_side = 'buy' AS taker_buys, t.maker_account, maker.user_id, t.taker_account, taker.user_id,
        base.symbol, quote.symbol, t.quantity, t.price * t.quantity, t.maker_fee, t.taker_fee
    FROM (SELECT * FROM settlement_queue ORDER BY trade_id LIMIT %s) q
    JOIN trades t ON t.trade_id = q.trade_id AND t.time = q.time
    JOIN instruments i ON i.instrument = t.instrument
    JOIN assets base ON base.asset = i.base
    JOIN assets quote ON quote.asset = i.quote
    JOIN accounts maker ON maker.account = t.maker_account
    JOIN accounts taker ON taker.account = t.taker_account
    CROSS JOIN position p
    ORDER BY q.trade_id
"""
_IS_AS_READ = """trade_id = %(trade_id)s AND round = %(round)s AND stage = %(stage)s
    AND attempts = %(attempts)s AND posted = %(posted)s"""
_SETTLED = """
    WITH gone AS (
        DELETE FROM settlement_queue q
        USING unnest(%s::bigint[], %s::timestamptz[], %s::integer[]) AS done(trade_id, time, round)
        WHERE q.trade_id = done.trade_id AND q.round = done.round AND q.stage = 'posting'
        RETURNING q.trade_id, q.time
    )
    UPDATE trades t SET settlement_status = 'SETTLED'
    FROM gone WHERE t.trade_id = gone.trade_id AND t.time = gone.time
"""
_DEAD = (
    "WITH gone AS (DELETE FROM settlement_queue WHERE "
    + _IS_AS_READ
    + """ RETURNING *), dead AS (
        INSERT INTO dead_letters (trade_id, time, attempts, error, round, stage, posted, refusal)
        SELECT trade_id, time, %(now_attempts)s, %(error)s, round, %(dead_stage)s, %(now_posted)s, refusal
        FROM gone
    )
    UPDATE trades t SET settlement_status = 'FAILED'
    FROM gone WHERE t.trade_id = gone.trade_id AND t.time = %(time)s"""
)
_REVERSING = (
    "UPDATE settlement_queue SET stage = 'reversing', refusal = %(error)s, last_error = %(error)s, attempts = 0 WHERE "
    + _IS_AS_READ
)
_AGAIN = (
    """UPDATE settlement_queue SET attempts = %(now_attempts)s, posted = %(now_posted)s, last_error = %(error)s,
        next_attempt_at = clock_timestamp() + %(delay)s * interval '1 second' WHERE """
    + _IS_AS_READ
)


@attrs.frozen
class Entry:
    """A trade in the queue, as it was read."""

    trade: Trade
    time: object
    round: int  # 1, 2, ... : a new one, with new keys, after the last was reversed
    stage: str
    attempts: int  # that failed since the last one that brought it forward
    posted: tuple  # names of the legs that are known to be booked in this round
    refusal: str  # why it is reversing
    is_due: bool
    venue_id: int

    def key(self, leg):
        """Of a leg's posting at the wallet: the same however often it is sent in this round."""
        return "%d-%d-%d-%s" % (self.venue_id, self.trade.trade_id, self.round, leg.name)


async def oldest(cursor, limit):
    """-> the entries of the oldest `limit` trades in the queue, oldest first."""
    await cursor.execute(_OLDEST, (limit,))
    return [_entry(row) for row in await cursor.fetchall()]


async def settled(cursor, entries):
    """All legs of these are booked. -> how many of them stood as they were read."""
    columns = zip(*((entry.trade.trade_id, entry.time, entry.round) for entry in entries), strict=True)
    await cursor.execute(_SETTLED, [list(column) for column in columns])
    return cursor.rowcount


async def reversing(cursor, entry, error):
    """A leg was refused: from here on, the round is undone. -> whether the trade stood as it was read."""
    return await _change(cursor, _REVERSING, entry, entry, error=error)


async def again(cursor, entry, now, delay, error):
    """Try once more in `delay` seconds, with the attempts and the posted legs of `now`. -> as reversing()."""
    return await _change(cursor, _AGAIN, entry, now, delay=delay, error=error)


async def dead(cursor, entry, now, stage, error):
    """Give it up, with the attempts and the posted legs of `now`. -> as reversing()."""
    return await _change(cursor, _DEAD, entry, now, dead_stage=stage, error=error)


async def try_lock(cursor):
    await cursor.execute(KEEPALIVES)
    await cursor.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,))
    return (await cursor.fetchone())[0]


async def counts(cursor):
    """-> (trades in the queue, seconds since the oldest was made, dead letters)."""
    await cursor.execute(
        """SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(time)), 0)::float8,
            (SELECT count(*) FROM dead_letters) FROM settlement_queue"""
    )
    return await cursor.fetchone()


async def _change(cursor, statement, entry, now, **more):
    fields = attrs.asdict(entry, recurse=False)
    fields.update(more, trade_id=entry.trade.trade_id, posted=list(entry.posted))
    fields.update(now_attempts=now.attempts, now_posted=list(now.posted))
    await cursor.execute(statement, fields)
    return cursor.rowcount == 1


def _entry(row):
    trade_id, time, number, stage, attempts, posted, refusal, is_due, venue_id, taker_buys, *rest = row
    maker, maker_user, taker, taker_user, base, quote, quantity, notional, maker_fee, taker_fee = rest
    parties = ((maker, maker_user or "", maker_fee), (taker, taker_user or "", taker_fee))
    (seller, seller_user, seller_fee), (buyer, buyer_user, buyer_fee) = parties if taker_buys else parties[::-1]
    trade = Trade(
        trade_id, buyer, buyer_user, seller, seller_user, base, quote, quantity, notional, buyer_fee, seller_fee
    )
    return Entry(trade, time, number, stage, attempts, tuple(posted), refusal, is_due, int(venue_id))
