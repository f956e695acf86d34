"""`tools reconcile` against the drainer's work: nothing to say where it is right, and whatever is changed is named."""

import contextlib
import json
import re

import psycopg2
import pytest
import pytest_asyncio

from persistence.config import Config
from persistence.migrate import migrate
from tests.persistence.databases import drain
from tests.persistence.journals import CrowdJournal
from tests.postgres import create_database, drop_database, fresh_database, query, url_of
from tools.__main__ import main
from tools.journal.prune import prunable, remove
from tools.reconcile import DEPTH_LEVELS, DEPTH_SECONDS
from tools.reconcile.comparison import TABLES
from tools.snapshot import take_snapshot

COMMANDS = 3_000
MASTER = "reconcile_master"


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    made = CrowdJournal(tmp_path_factory.mktemp("reconcile"), seed=24).add(COMMANDS)
    yield made
    made.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def master(postgres, crowd):
    """Name of a database that the journal was drained into."""
    create_database(postgres, MASTER, "template0")
    migrate(url_of(postgres, MASTER))
    # every trade of a funded instrument waits to be settled
    await drain(crowd.directory, url_of(postgres, MASTER), crowd.exchange.seq - 1, wallet_url="http://nowhere")
    yield MASTER
    drop_database(postgres, MASTER)


@pytest.fixture
def drained(postgres, master):
    """Address of a copy of it."""
    name = fresh_database(postgres, master)
    yield url_of(postgres, name)
    drop_database(postgres, name)


def change(url, statement, parameters=None):
    """Without triggers: what an append-only table refuses is done all the same. -> what the statement returns."""
    with contextlib.closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement, parameters)
        assert cursor.rowcount > 0, "nothing was changed"
        return cursor.fetchall() if cursor.description else []


def reconcile(crowd, url, capsys):
    """-> (exit code, report)"""
    capsys.readouterr()
    code = main(["reconcile", crowd.directory, "--database", url, "--json"])
    out = capsys.readouterr()
    assert out.err == "", out.err
    return code, json.loads(out.out)


def test_what_the_drainer_wrote_is_the_same(crowd, drained, capsys):
    code, report = reconcile(crowd, drained, capsys)
    assert report["differences"] == []
    assert (code, report["first"], report["seq"]) == (0, None, crowd.exchange.seq - 1)
    compared = {name: table["compared"] for name, table in report["tables"].items()}
    assert list(compared) == list(TABLES)
    assert all(compared.values()), compared
    assert compared["trades"] == crowd.exchange.trade_count
    assert compared["orders"] == query(drained, "SELECT count(*) FROM orders")[0][0]
    assert main(["reconcile", crowd.directory, "--database", drained]) == 0
    assert "Postgres says what the journal says." in capsys.readouterr().out


#: (table it is seen in, change; the event that it is from is returned, and has to be the first that is named)
CHANGES = [
    ("orders", "UPDATE orders SET open_quantity = open_quantity + 1 WHERE order_id = (SELECT max(order_id) FROM"
     " open_orders) RETURNING event_seq"),
    ("orders", "UPDATE orders SET status = 'CANCELLED' WHERE order_id = (SELECT min(order_id) FROM orders WHERE status"
     " = 'FILLED') RETURNING event_seq"),
    ("orders", "UPDATE orders SET reserved = reserved + 0.01 WHERE order_id = (SELECT min(order_id) FROM open_orders"
     " WHERE reserved > 0) RETURNING event_seq"),
    ("orders", "UPDATE orders SET reason = 'user' WHERE order_id = (SELECT max(order_id) FROM orders WHERE status ="
     " 'REJECTED') RETURNING event_seq"),
    ("orders", "DELETE FROM orders WHERE order_id = (SELECT min(order_id) FROM orders WHERE status = 'CANCELLED')"
     " RETURNING event_seq"),
    ("orders", "UPDATE orders SET created_at = created_at + interval '1 microsecond' WHERE order_id = (SELECT"
     " min(order_id) FROM orders WHERE order_id > 0) RETURNING event_seq"),
    ("orders", "UPDATE orders SET average_price = round(average_price, 8) + 0.00000001 WHERE order_id = (SELECT"
     " min(order_id) FROM orders WHERE status = 'FILLED') RETURNING event_seq"),
    ("orders", "UPDATE orders SET average_price = 0 WHERE order_id = (SELECT max(order_id) FROM open_orders WHERE"
     " filled_quantity = 0) RETURNING event_seq"),
    *(("orders", "UPDATE orders SET %s = %s + 1 WHERE order_id = (SELECT min(order_id) FROM orders WHERE %s)"
       " RETURNING event_seq" % (column, column, which))
      for column in ("maker_ppm", "taker_ppm", "fee_ppm_max", "fee_surplus")
      for which in ("ended_at IS NULL AND fee_surplus > 0", "status = 'FILLED' AND fee_surplus > 0",
                    "status = 'REJECTED'")),
    ("orders", "UPDATE orders SET order_id = order_id + 1 WHERE order_id = (SELECT min(order_id) FROM open_orders)"
     " RETURNING event_seq"),
    ("orders", "UPDATE orders SET ended_at = NULL WHERE order_id = (SELECT max(order_id) FROM orders WHERE status ="
     " 'FILLED') RETURNING event_seq"),
    ("order_events", "UPDATE order_events SET quantity = quantity + 1 WHERE event_seq = (SELECT min(event_seq) FROM"
     " order_events WHERE type = 'cancelled') RETURNING event_seq"),
    ("order_events", "DELETE FROM order_events WHERE event_seq = (SELECT min(event_seq) FROM order_events WHERE type ="
     " 'self_trade_prevented') RETURNING event_seq"),
    ("trades", "UPDATE trades SET price = price + 0.01 WHERE trade_id = 7 RETURNING event_seq"),
    ("trades", "UPDATE trades SET maker_fee = maker_fee + 1 WHERE trade_id = 8 RETURNING event_seq"),
    ("trades", "DELETE FROM trades WHERE trade_id = 9 RETURNING event_seq"),
    ("trades", "INSERT INTO trades SELECT (jsonb_populate_record(t, jsonb_build_object('time', time + interval"
     " '1 microsecond'))).* FROM trades t WHERE trade_id = 10 RETURNING event_seq"),
    ("settlement", "UPDATE trades SET settlement_status = 'SETTLED' WHERE trade_id = (SELECT min(trade_id) FROM"
     " settlement_queue) RETURNING event_seq"),
    ("settlement", "WITH gone AS (DELETE FROM settlement_queue WHERE trade_id = (SELECT max(trade_id) FROM"
     " settlement_queue) RETURNING trade_id) SELECT event_seq FROM trades JOIN gone USING (trade_id)"),
    ("ledger_entries", "UPDATE ledger_entries SET available_change = available_change + 1 WHERE ctid = (SELECT ctid"
     " FROM ledger_entries WHERE type = 'deposit' ORDER BY event_seq LIMIT 1) RETURNING event_seq"),
    ("ledger_entries", "DELETE FROM ledger_entries WHERE event_seq = (SELECT min(event_seq) FROM ledger_entries WHERE"
     " type = 'reserve') RETURNING event_seq"),
    *(("ledger_entries", "UPDATE ledger_entries SET %s WHERE ctid = (SELECT ctid FROM ledger_entries WHERE type = '%s'"
       " ORDER BY event_seq LIMIT 1) RETURNING event_seq" % pair) for pair in (
        ("time = time + interval '1 microsecond'", "reserve"),
        ("time = '2020-01-01'", "trade"),
        ("type = 'reserve'", "release"),
        ("type = 'withdrawal'", "deposit"),
        ("order_id = order_id + 1", "release"),
        ("order_id = NULL", "trade"),
        ("order_id = 1", "deposit"),
        ("trade_id = trade_id + 1", "trade"),
        ("trade_id = NULL", "fee"),
        ("trade_id = 1", "reserve"),
        ("account = 3 - account", "trade"),
        ("available_change = available_change + 1, reserved_change = reserved_change - 1", "deposit"),
    )),
    ("ledger_entries", "UPDATE ledger_entries SET available_change = available_change + 1, reserved_change ="
     " reserved_change - 1 WHERE ctid = (SELECT ctid FROM ledger_entries WHERE type = 'trade' ORDER BY event_seq LIMIT"
     " 1) RETURNING NULL"),  # the first event of its command is named
    ("ledger_entries", "INSERT INTO ledger_entries SELECT event_seq, time, account, asset, order_id, trade_id, type, 0,"
     " 0 FROM ledger_entries WHERE event_seq = (SELECT max(event_seq) FROM ledger_entries WHERE type = 'trade')"
     " RETURNING event_seq"),  # doubled, and yet the sums are the same
    ("balances", "UPDATE balances b SET event_seq = 1 FROM balances was WHERE b.account = 2 AND b.asset = 2 AND"
     " (was.account, was.asset) = (b.account, b.asset) RETURNING was.event_seq"),
    ("balances", "UPDATE balances SET available = available + 0.001 WHERE account = 2 AND asset = 2 RETURNING"
     " event_seq"),
    ("balances", "UPDATE balances SET reserved = reserved + 0.001 WHERE account = 1 AND asset = 1 RETURNING event_seq"),
    ("balances", "DELETE FROM balances WHERE account = 4294967295 AND asset = 2 RETURNING NULL"),
    ("assets", "UPDATE assets SET symbol = 'OTHER-' || symbol WHERE asset = 1 RETURNING event_seq"),
    ("instruments", "UPDATE instruments SET last_price = last_price + 0.01 WHERE instrument = 4 RETURNING event_seq"),
    ("instruments", "UPDATE instruments SET state = 'halted' WHERE instrument = (SELECT min(instrument) FROM"
     " instruments WHERE state <> 'halted') RETURNING event_seq"),
    ("fees", "UPDATE fees SET maker_ppm = maker_ppm + 1 WHERE instrument = 4 AND tier = 0 RETURNING event_seq"),
    ("accounts", "UPDATE accounts SET tier = tier + 1 WHERE account = 2 RETURNING event_seq"),
    ("accounts", "UPDATE accounts SET opened_at = opened_at - interval '1 microsecond' WHERE account = 3 RETURNING"
     " event_seq"),
    ("limits", "UPDATE limits SET daily_notional_max = coalesce(daily_notional_max, 0) + 1 WHERE account = 1 AND"
     " asset = 2 RETURNING event_seq"),
    ("candles", "UPDATE candles SET high = high + 0.01 WHERE (instrument, timeframe, start) = (SELECT instrument,"
     " timeframe, max(start) FROM candles WHERE timeframe = '1m' GROUP BY 1, 2 LIMIT 1) RETURNING NULL"),
    ("candles", "DELETE FROM candles WHERE timeframe = '1d' RETURNING NULL"),
    ("audit_logs", "UPDATE audit_logs SET reason = 'another' WHERE event_seq = (SELECT min(event_seq) FROM audit_logs"
     " WHERE action = 'set_instrument_state') RETURNING event_seq"),
    ("audit_logs", "UPDATE audit_logs SET admin = admin + 1 WHERE event_seq = (SELECT max(event_seq) FROM audit_logs)"
     " RETURNING event_seq"),
    ("audit_logs", "UPDATE audit_logs SET details = jsonb_set(details, '{amount}', '\"1.0000\"') WHERE event_seq ="
     " (SELECT min(event_seq) FROM audit_logs WHERE action = 'deposit' AND asset = 2) RETURNING event_seq"),
    ("audit_logs", "DELETE FROM audit_logs WHERE event_seq = (SELECT min(event_seq) FROM audit_logs WHERE action ="
     " 'unblock_account') RETURNING event_seq"),
    ("audit_logs", "INSERT INTO audit_logs SELECT event_seq, time, 1, 'set_fees', NULL, 1, NULL, NULL, '{}' FROM"
     " order_events WHERE event_seq = (SELECT min(event_seq) FROM order_events) RETURNING event_seq"),
    ("depth_snapshots", "UPDATE depth_snapshots SET bids = jsonb_set(bids, '{0,1}', '\"7\"') WHERE (instrument, time) ="
     " (SELECT instrument, time FROM depth_snapshots WHERE bids <> '[]' ORDER BY time, instrument LIMIT 1)"
     " RETURNING event_seq"),
    ("depth_snapshots", "UPDATE depth_snapshots SET asks = asks - 0 WHERE (instrument, time) = (SELECT instrument, time"
     " FROM depth_snapshots WHERE jsonb_array_length(asks) > 1 ORDER BY time DESC, instrument LIMIT 1)"
     " RETURNING event_seq"),
    ("depth_snapshots", "WITH gone AS (DELETE FROM depth_snapshots WHERE instrument = 1 AND time = (SELECT max(time)"
     " FROM depth_snapshots WHERE instrument = 1) RETURNING event_seq) SELECT event_seq FROM gone"),
    ("depth_snapshots", "UPDATE depth_snapshots SET time = time - interval '10 seconds' WHERE (instrument, time) ="
     " (SELECT instrument, max(time) FROM depth_snapshots WHERE instrument = 3 GROUP BY 1) RETURNING NULL"),
    ("depth_snapshots", "INSERT INTO depth_snapshots SELECT 1, p.time + interval '1 minute', p.event_seq, '[]', '[]'"
     " FROM position p RETURNING event_seq"),
]  # fmt: skip


@pytest.mark.parametrize("table, statement", CHANGES, ids=["%s-%d" % (pair[0], i) for i, pair in enumerate(CHANGES)])
def test_a_change_is_named(crowd, drained, capsys, table, statement):
    event_seq = change(drained, statement)[0][0]
    code, report = reconcile(crowd, drained, capsys)
    assert code == 1
    assert report["tables"][table]["differ"] >= 1
    assert table in {difference["table"] for difference in report["differences"]}
    if event_seq is not None:
        assert report["first"]["event_seq"] == event_seq
    assert main(["reconcile", crowd.directory, "--database", drained]) == 1
    assert re.search("THEY DIFFER, first at event", capsys.readouterr().out)


def test_of_many_changes_the_first_is_named(crowd, drained, capsys):
    change(drained, "UPDATE trades SET quantity = quantity + 1 WHERE trade_id > 20")
    first = change(drained, "UPDATE trades SET quantity = quantity + 1 WHERE trade_id = 5 RETURNING event_seq")
    _, report = reconcile(crowd, drained, capsys)
    assert report["first"]["table"] == "trades"
    assert (report["first"]["row"], report["first"]["event_seq"]) == ("5", first[0][0])
    assert report["first"]["seq"] is not None
    assert report["tables"]["trades"]["differ"] > 20
    assert len([row for row in report["differences"] if row["table"] == "trades"]) == 20  # the others are counted


def test_rows_beyond_the_position_are_named(crowd, drained, capsys):
    change(
        drained,
        "INSERT INTO ledger_entries SELECT p.event_seq + 5, now(), 1, 1, NULL, NULL, 'deposit', 1, 0 FROM position p",
    )
    code, report = reconcile(crowd, drained, capsys)
    assert code == 1
    assert [row["postgres"] for row in report["differences"] if row["table"] == "ledger_entries"] == [
        "beyond the position"
    ]


def test_the_defaults_are_those_of_persistence():
    assert (Config().depth_seconds, Config().depth_levels) == (DEPTH_SECONDS, DEPTH_LEVELS)


@pytest.mark.asyncio
@pytest.mark.parametrize("seconds, levels", [(1, 2), (60, 500)])
async def test_depth_snapshots_of_other_settings(crowd, database, capsys, seconds, levels):
    settings = {"depth_seconds": seconds, "depth_levels": levels}
    await drain(crowd.directory, database, crowd.exchange.seq - 1, **settings)
    arguments = ["--depth-seconds", str(seconds), "--depth-levels", str(levels)]
    assert main(["reconcile", crowd.directory, "--database", database, *arguments]) == 0
    capsys.readouterr()
    count = query(database, "SELECT count(*) FROM depth_snapshots")[0][0]
    main(["reconcile", crowd.directory, "--database", database, "--json", *arguments])
    assert json.loads(capsys.readouterr().out)["tables"]["depth_snapshots"] == {"compared": count, "differ": 0}


def test_arguments_that_make_no_sense(crowd, drained, capsys):
    arguments = ["reconcile", crowd.directory, "--database", drained]
    assert main([*arguments, "--depth-seconds", "0"]) == 2
    assert "--depth-seconds must be at least 1" in capsys.readouterr().err


# --- a journal that was pruned -------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pruned(postgres, tmp_path_factory):
    """-> (journal that begins in the middle, with a snapshot; name of a database that all of it was drained into)"""
    made = CrowdJournal(tmp_path_factory.mktemp("pruned"), seed=8).add(COMMANDS)
    snapshot = take_snapshot(made.directory)
    made.add(COMMANDS)
    name = "reconcile_pruned"
    create_database(postgres, name, "template0")
    migrate(url_of(postgres, name))
    await drain(made.directory, url_of(postgres, name), made.exchange.seq - 1)
    paths = prunable(made.directory)[1]
    assert paths
    remove(paths, made.directory)
    yield made, name, snapshot
    drop_database(postgres, name)
    made.close()


@pytest.fixture
def drained_before(postgres, pruned):
    name = fresh_database(postgres, pruned[1])
    yield url_of(postgres, name)
    drop_database(postgres, name)


def test_a_pruned_journal_is_compared_from_its_snapshot_on(pruned, drained_before, capsys):
    journal, _, snapshot = pruned
    code, report = reconcile(journal, drained_before, capsys)
    assert report["differences"] == []
    assert (code, report["from_seq"], report["seq"]) == (0, snapshot["seq"], journal.exchange.seq - 1)
    after = query(drained_before, "SELECT count(*) FROM trades WHERE event_seq > %d" % snapshot["event_seq"])
    assert report["tables"]["trades"]["compared"] == after[0][0] > 0
    assert all(table["compared"] for name, table in report["tables"].items() if name != "settlement")
    assert main(["reconcile", journal.directory, "--database", drained_before]) == 0
    assert "begins from the snapshot at command %d\n" % snapshot["seq"] in capsys.readouterr().out


AFTER = [
    ("trades", "UPDATE trades SET price = price + 1 WHERE trade_id = (SELECT max(trade_id) FROM trades)"),
    ("balances", "UPDATE balances SET available = available + 1 WHERE account = 1 AND asset = 2"),
    ("orders", "UPDATE orders SET filled_quantity = filled_quantity + 1 WHERE order_id = (SELECT min(order_id) FROM"
     " open_orders)"),
    ("orders", "DELETE FROM orders WHERE order_id = (SELECT min(order_id) FROM open_orders)"),
    ("candles", "UPDATE candles SET close = close + 1 WHERE (instrument, timeframe, start) = (SELECT instrument,"
     " timeframe, max(start) FROM candles WHERE timeframe = '1m' GROUP BY 1, 2 LIMIT 1)"),
    ("trades", "DELETE FROM trades WHERE trade_id = 1"),  # long before, and yet they are counted
    ("audit_logs", "DELETE FROM audit_logs WHERE event_seq = (SELECT max(event_seq) FROM audit_logs)"),
    ("depth_snapshots", "DELETE FROM depth_snapshots WHERE (instrument, time) = (SELECT instrument, max(time) FROM"
     " depth_snapshots GROUP BY 1 LIMIT 1)"),
]  # fmt: skip


@pytest.mark.parametrize("table, statement", AFTER, ids=["%s-%d" % (pair[0], i) for i, pair in enumerate(AFTER)])
def test_a_change_is_seen_without_the_beginning(pruned, drained_before, capsys, table, statement):
    change(drained_before, statement)
    code, report = reconcile(pruned[0], drained_before, capsys)
    assert code == 1
    assert table in {difference["table"] for difference in report["differences"]}


def test_a_pruned_journal_without_a_snapshot_that_the_database_has_come_to(pruned, drained_before, capsys):
    journal, _, snapshot = pruned
    change(drained_before, "UPDATE position SET seq = %d" % (snapshot["seq"] - 1))
    error = said([journal.directory, "--database", drained_before], capsys)
    assert re.search("there is no good snapshot from [0-9]+ to %d" % (snapshot["seq"] - 1), error)


# --- what cannot be compared ---------------------------------------------------------------------------------------


def said(arguments, capsys):
    assert main(["reconcile", *arguments]) == 1
    return capsys.readouterr().err


def test_a_database_ahead_of_the_journal(crowd, drained, capsys):
    change(drained, "UPDATE position SET seq = seq + 1000")
    assert "the journal has none of that number" in said([crowd.directory, "--database", drained], capsys)


def test_a_journal_of_another_venue(crowd, drained, capsys):
    change(drained, "UPDATE position SET venue_id = venue_id + 1")
    assert "the journal of another venue" in said([crowd.directory, "--database", drained], capsys)


def test_a_database_that_was_never_drained_into(crowd, database, capsys):
    assert "nothing was drained" in said([crowd.directory, "--database", database], capsys)


def test_no_database(crowd, capsys, monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert "set DATABASE_URL" in said([crowd.directory], capsys)
    url = "postgresql://nobody:very-secret@127.0.0.1:1/none"
    error = said([crowd.directory, "--database", url], capsys)
    assert "Connection refused" in error
    assert "very-secret" not in error


def test_a_database_without_our_tables(crowd, postgres, capsys):
    error = said([crowd.directory, "--database", url_of(postgres, "postgres")], capsys)
    assert "has not been set up" in error


def test_no_journal(tmp_path, drained, capsys):
    assert "holds no journal" in said([str(tmp_path), "--database", drained], capsys)
