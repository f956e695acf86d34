"""What Postgres keeps for operators: the audit log, limits, the queue of settlement, counts. All raise ApiError 503
history_unavailable where the database cannot tell."""

from datetime import datetime

import attrs


@attrs.frozen
class AuditRecord:
    """`admin`, `user`: external ids; None where an account has none, or nobody in particular was meant."""

    event_seq: int
    time: datetime
    admin_account: int
    admin: str | None
    action: str
    user: str | None
    symbol: str | None
    asset: str | None
    reason: str | None
    details: dict


_AUDIT = """
    SELECT l.event_seq, l.time, l.admin, who.user_id, l.action, whom.user_id, i.symbol, a.symbol, l.reason, l.details
    FROM audit_logs l
    LEFT JOIN accounts who ON who.account = l.admin
    LEFT JOIN accounts whom ON whom.account = l.account
    LEFT JOIN instruments i ON i.instrument = l.instrument
    LEFT JOIN assets a ON a.asset = l.asset
    WHERE %s ORDER BY l.event_seq DESC LIMIT %%s
"""
_QUEUE = "SELECT trade_id, time, attempts, next_attempt_at, last_error FROM settlement_queue ORDER BY trade_id LIMIT %s"
_DEAD = (
    "SELECT trade_id, time, attempts, failed_at, error FROM dead_letters WHERE trade_id > %s ORDER BY trade_id LIMIT %s"
)


class AdminHistory:
    def __init__(self, database):
        self._database = database

    async def audit(
        self, *, admin=None, account=None, instrument=None, action=None, start=None, end=None, before=None, limit=100
    ):
        """-> [AuditRecord, ...], newest first. `admin` and `account` are numbers, `before` is an event_seq."""
        where, parameters = ["true"], []
        for condition, value in (
            ("l.admin = %s", admin),
            ("l.account = %s", account),
            ("l.instrument = %s", instrument),
            ("l.action = %s", action),
            ("l.time >= %s", start),
            ("l.time < %s", end),
            ("l.event_seq < %s", before),
        ):
            if value is not None:
                where.append(condition)
                parameters.append(value)
        rows = await self._database.rows(_AUDIT % " AND ".join(where), (*parameters, limit))
        return [AuditRecord(*row) for row in rows]

    async def limits(self, account):
        """-> [(asset symbol, order_notional_max, daily_notional_max, second_factor_above), ...]."""
        return await self._database.rows(
            "SELECT a.symbol, l.order_notional_max, l.daily_notional_max, l.second_factor_above "
            "FROM limits l JOIN assets a USING (asset) WHERE l.account = %s ORDER BY a.symbol",
            (account,),
        )

    async def settlement_counts(self):
        """-> (trades waiting, since when the first of them, dead letters)."""
        return await self._database.row(
            "SELECT (SELECT count(*) FROM settlement_queue), (SELECT min(time) FROM settlement_queue), "
            "(SELECT count(*) FROM dead_letters)"
        )

    async def settlement_queue(self, limit):
        """-> [(trade_id, time of the trade, attempts, next attempt, last error), ...], the oldest first."""
        return await self._database.rows(_QUEUE, (limit,))

    async def dead_letters(self, after, limit):
        """-> [(trade_id, time of the trade, attempts, when it was given up, error), ...] with a greater trade_id."""
        return await self._database.rows(_DEAD, (after, limit))

    async def markets_24h(self, since):
        """-> {instrument: (trades, volume, quote_volume)} of whole minutes since then."""
        rows = await self._database.rows(
            "SELECT i.instrument, s.* FROM instruments i CROSS JOIN LATERAL ("  # by the index, market for market
            "SELECT sum(trades)::bigint AS trades, sum(volume), sum(quote_volume) FROM candles c "
            "WHERE c.instrument = i.instrument AND c.timeframe = '1m' AND c.start >= %s"
            ") s WHERE s.trades IS NOT NULL",
            (since,),
        )
        return {row[0]: row[1:] for row in rows}
