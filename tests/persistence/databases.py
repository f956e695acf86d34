"""Draining into a database, and what is in it afterwards."""

import asyncio
import hashlib

from persistence.config import Config
from persistence.drainer import Drainer
from persistence.metrics import Metrics
from tests.harness import SECONDS_MAX
from tests.postgres import query

#: Everything that persistence writes, with the order that makes two of them comparable.
TABLES = {
    "position": "seq", "assets": "asset", "instruments": "instrument", "fees": "instrument, tier",
    "accounts": "account", "limits": "account, asset", "orders": "order_id", "order_events": "event_seq",
    "trades": "trade_id", "ledger_entries": "event_seq, account, asset, type, available_change, order_id",
    "balances": "account, asset", "candles": "instrument, timeframe, start", "depth_snapshots": "instrument, time",
    "audit_logs": "event_seq", "settlement_queue": "trade_id",
}  # fmt: skip


def drainer(journal, database, **settings):
    return Drainer(Config(journal=str(journal), database_url=database, **settings), Metrics())


async def drain(journal, database, seq, **settings):
    """Until the database is at command `seq`. -> the Drainer, stopped."""
    made = drainer(journal, database, **settings)
    task = asyncio.create_task(made.run())
    try:
        async with asyncio.timeout(SECONDS_MAX):
            while made.seq < seq and not task.done():
                await asyncio.sleep(0.005)
    finally:
        made.stop()
        await task
    return made


def contents(database, *tables):
    """-> {table: (rows, digest of all their columns)}: two databases with the same are the same."""
    found = {}
    for table in tables or TABLES:
        columns = "t.*"
        if table == "settlement_queue":
            columns = "t.trade_id, t.time"
        rows = query(database, "SELECT %s FROM %s AS t ORDER BY %s" % (columns, table, TABLES[table]))
        found[table] = len(rows), hashlib.sha256(repr(rows).encode()).hexdigest()
    return found
