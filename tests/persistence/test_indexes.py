"""Each query that the gateway makes is answered from an index: held by EXPLAIN on tables with enough in them."""

import json
import re

import pytest

from gateway.streams.archive import UPDATES
from tests.postgres import drop_database, fresh_database, query, url_of

FILL = """
    SELECT make_partitions('2026-01-15', '2026-02-15');
    INSERT INTO orders (order_id, account, instrument, created_event_seq, event_seq, created_at, updated_at, ended_at,
        post_only, side, type, time_in_force, self_trade_prevention, status, client_order_id, price, stop_price,
        quantity, filled_quantity, open_quantity, filled_notional, fee, reserved)
    SELECT i, i % 997, i % 5, i, i, timestamptz '2026-01-15 00:00:00Z' + i * interval '1 minute', now(),
        CASE WHEN i % 50 > 0 THEN now() END, false, CASE i % 2 WHEN 0 THEN 'buy' ELSE 'sell' END, 'limit', 'GTC',
        'none', CASE WHEN i % 50 > 0 THEN 'FILLED' ELSE 'OPEN' END, 'c' || i, i % 1009,
        CASE WHEN i % 500 = 0 THEN i % 1013 END, 1, 0, 1, 0, 0, 0
    FROM generate_series(1, 60000) i;
    INSERT INTO order_events (event_seq, time, order_id, account, instrument, type, trade_id)
    SELECT i, timestamptz '2026-01-15 00:00:00Z' + i * interval '1 minute', i / 3, i % 997, i % 5,
        CASE i % 3 WHEN 0 THEN 'accepted' ELSE 'filled' END, i
    FROM generate_series(1, 60000) i;
    INSERT INTO trades (trade_id, time, event_seq, instrument, maker_order_id, taker_order_id, maker_account,
        taker_account, taker_side, price, quantity, maker_fee, taker_fee)
    SELECT i, timestamptz '2026-01-15 00:00:00Z' + i * interval '1 minute', i, i % 5, i, i + 1, i % 997, (i + 1) % 997,
        'buy', 1, 1, 0, 0
    FROM generate_series(1, 60000) i;
    INSERT INTO ledger_entries
    SELECT i, now(), i % 997, i % 7, NULL, NULL, 'trade', 1, 0 FROM generate_series(1, 60000) i;
    INSERT INTO candles
    SELECT i % 5, (ARRAY['1m', '5m', '15m', '1h', '4h', '1d'])[1 + i % 6],
        timestamptz '2026-01-15 00:00:00Z' + i * interval '1 minute', 1, 1, 1, 1, 1, 1, 1
    FROM generate_series(1, 60000) i;
    INSERT INTO depth_snapshots
    SELECT i % 5, timestamptz '2026-01-15 00:00:00Z' + i * interval '1 minute', i, '[]', '[]'
    FROM generate_series(1, 30000) i;
    INSERT INTO audit_logs
    SELECT i, timestamptz '2026-01-15 00:00:00Z' + i * interval '1 minute', i % 3001, 'deposit', i % 997, NULL, NULL,
        NULL, '{}' FROM generate_series(1, 30000) i;
    INSERT INTO settlement_queue (trade_id, time) SELECT i, now() FROM generate_series(1, 30000) i;
    INSERT INTO accounts (account, user_id, opened_at, event_seq)
    SELECT i, 'user-' || i, now(), i FROM generate_series(1, 30000) i;
    ANALYZE
"""

#: What is asked -> (query, index; of a partition, what its name ends with).
QUERIES = {
    "open orders of a user": (
        "SELECT * FROM orders WHERE account = 50 AND ended_at IS NULL ORDER BY created_event_seq DESC LIMIT 100",
        "orders_open_of_account",
    ),
    "a page of a user's orders": (
        "SELECT * FROM orders WHERE account = 50 AND created_event_seq < 40000"
        " ORDER BY created_event_seq DESC LIMIT 100",
        "orders_of_account",
    ),
    "an order": ("SELECT * FROM orders WHERE order_id = 5", "orders_pkey"),
    "an order by its client id": (
        "SELECT * FROM orders WHERE account = 50 AND client_order_id = 'c50'",
        "orders_by_client_order_id",
    ),
    "open orders by market, side and price": (
        "SELECT * FROM orders WHERE instrument = 1 AND side = 'buy' AND ended_at IS NULL AND price BETWEEN 100 AND 110",
        "orders_open_in_book",
    ),
    "stop orders that wait": ("SELECT * FROM waiting_stops WHERE instrument = 1 AND side = 'buy'", "orders_waiting"),
    "an order's fills": (
        "SELECT * FROM order_events WHERE order_id = 77 AND type = 'filled' ORDER BY event_seq",
        "order_id_event_seq_idx",
    ),
    "a page of a user's fills": (
        "SELECT * FROM order_events WHERE account = 50 AND type = 'filled' AND event_seq < 40000"
        " ORDER BY event_seq DESC LIMIT 10",
        "account_event_seq_idx",
    ),
    "a page of a market's trades": (
        "SELECT * FROM trades WHERE instrument = 1 AND time >= '2026-01-20' AND time <= '2026-02-20'"
        " AND (time, trade_id) < ('2026-02-10', 30000) ORDER BY time DESC, trade_id DESC LIMIT 100",
        "instrument_time_trade_id_idx",
    ),
    "a trade": ("SELECT * FROM trades WHERE trade_id = 1000", "pkey"),
    "the entries of an event": ("SELECT * FROM ledger_entries WHERE event_seq = 50000", "ledger_entries_by_event"),
    "candles": (
        "SELECT * FROM candles WHERE instrument = 1 AND timeframe = '1h'"
        " AND start BETWEEN '2026-02-01' AND '2026-02-02'",
        "candles_pkey",
    ),
    "the depth at a time": (
        "SELECT * FROM depth_snapshots WHERE instrument = 1 AND time <= '2026-02-01' ORDER BY time DESC LIMIT 1",
        "depth_snapshots_pkey",
    ),
    "the audit log of a day": (
        "SELECT * FROM audit_logs WHERE time >= '2026-01-20' AND time < '2026-01-21'"
        " ORDER BY time DESC, event_seq DESC",
        "audit_logs_by_time",
    ),
    "what an administrator did": (
        "SELECT * FROM audit_logs WHERE admin = 3 ORDER BY event_seq DESC LIMIT 20",
        "audit_logs_of_admin",
    ),
    "an account by its user": ("SELECT * FROM accounts WHERE user_id = 'user-7'", "accounts_user_id_key"),
    "what is to be settled": (
        "SELECT * FROM settlement_queue ORDER BY trade_id LIMIT 10",
        "settlement_queue_pkey",
    ),
}


@pytest.fixture(scope="module")
def filled(postgres):
    name = fresh_database(postgres)
    query(url_of(postgres, name), FILL)
    yield url_of(postgres, name)
    drop_database(postgres, name)


def indexes_of(plan):
    """-> names of the indexes that a plan uses, and the tables that it reads whole."""
    found = [plan["Index Name"]] if "Index Name" in plan else []
    whole = [plan["Relation Name"]] if plan["Node Type"] == "Seq Scan" else []
    for part in plan.get("Plans", ()):
        indexes, tables = indexes_of(part)
        found += indexes
        whole += tables
    return found, whole


@pytest.mark.parametrize("name", QUERIES)
def test_it_is_answered_from_its_index(filled, name):
    statement, index = QUERIES[name]
    ((plan,),) = query(filled, "EXPLAIN (FORMAT JSON) " + statement)
    plan = plan if isinstance(plan, list) else json.loads(plan)
    indexes, whole = indexes_of(plan[0]["Plan"])
    assert whole == []
    assert indexes and all(found.endswith(index) for found in indexes), indexes


def test_what_a_private_stream_has_missed_is_found_by_its_account(filled):
    missed = UPDATES % {"account": 50, "after": 20_000, "up_to": 50_000, "limit": 5_001}
    ((plan,),) = query(filled, "EXPLAIN (FORMAT JSON) " + missed)
    plan = plan if isinstance(plan, list) else json.loads(plan)
    indexes, whole = indexes_of(plan[0]["Plan"])
    assert whole == []
    assert {re.sub(r"^order_events_\d+_\d+_", "", index) for index in indexes} == {
        "account_event_seq_idx",  # of fills
        "account_event_seq_idx1",  # of other events
        "order_id_event_seq_idx",
        "orders_pkey",
    }
    assert len(query(filled, missed)) == 30


def test_a_page_of_trades_reads_the_partitions_of_its_time_alone(filled):
    statement = "EXPLAIN SELECT * FROM trades WHERE instrument = 1 AND time >= '2026-02-03' AND time < '2026-02-04'"
    plan = " ".join(line for (line,) in query(filled, statement))
    assert "trades_2026_02" in plan and "trades_2026_01" not in plan and "trades_2026_03" not in plan


def test_what_is_append_only_cannot_be_changed(filled):
    import psycopg2

    for statement in (
        "UPDATE audit_logs SET admin = 1 WHERE event_seq = 1",
        "DELETE FROM audit_logs",
        "TRUNCATE audit_logs",
        "UPDATE ledger_entries SET account = 1 WHERE event_seq = 1",
        "DELETE FROM ledger_entries WHERE event_seq = 1",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="is append-only"):
            query(filled, statement)
