"""`tools db report` on a database that was drained into, and on others."""

import contextlib
import json

import psycopg2
import pytest

from tests.harness import eventually
from tests.persistence.databases import drain
from tests.persistence.journals import CrowdJournal
from tests.postgres import drop_database, fresh_database, query, url_of
from tools.__main__ import main
from tools.db.report import INDEX_BYTES_MIN, SECTIONS


def report(capsys, database, *arguments):
    assert main(["db", "report", "--database", database, "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
async def drained(tmp_path, database):
    """(journal's directory, address of the database), of which the last 300 commands are not in it."""
    crowd = CrowdJournal(tmp_path, seed=2).add(1_000)
    await drain(tmp_path, database, crowd.exchange.seq - 1, wallet_url="http://nowhere")
    crowd.add(300)
    yield crowd, database
    crowd.close()


def vacuum(database, statement):
    with contextlib.closing(psycopg2.connect(database)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)


def test_it_has_all_its_parts(drained, capsys):
    _, database = drained
    found = report(capsys, database)
    assert list(found) == list(SECTIONS)
    for name, section in SECTIONS.items():
        for row in found[name]["rows"]:
            assert set(row) == set(section.columns)
    assert main(["db", "report", "--database", database]) == 0
    out = capsys.readouterr().out
    assert [title for title in out.splitlines() if title in {section.title for section in SECTIONS.values()}] == [
        section.title for section in SECTIONS.values()
    ]


def test_lag_is_that_to_the_journal(drained, capsys):
    crowd, database = drained
    (seq,) = query(database, "SELECT seq FROM position")[0]
    (row,) = report(capsys, database, "--journal", crowd.directory)["lag"]["rows"]
    assert (row["seq"], row["journal_seq"]) == (seq, crowd.exchange.seq - 1)
    assert row["lag_commands"] == crowd.exchange.seq - 1 - seq > 0
    assert float(row["lag_seconds"]) > 0


def test_the_settlement_queue_is_counted(drained, capsys):
    _, database = drained
    (queued,) = query(database, "SELECT count(*) FROM settlement_queue")[0]
    query(
        database,
        "UPDATE settlement_queue SET attempts = 2, last_error = 'HTTP 500' WHERE trade_id ="
        " (SELECT min(trade_id) FROM settlement_queue)",
    )
    (row,) = report(capsys, database)["settlement"]["rows"]
    assert (row["queue"], row["retrying"], row["dead_letters"], row["last_error"]) == (queued, 1, 0, "HTTP 500")


def test_sizes_are_of_whole_tables_with_their_partitions(drained, capsys):
    _, database = drained
    vacuum(database, "ANALYZE")
    rows = {row["table"]: row for row in report(capsys, database, "--limit", "50")["tables"]["rows"]}
    (count, size) = query(database, "SELECT count(*), pg_total_relation_size('orders') FROM orders")[0]
    assert (rows["orders"]["rows"], rows["orders"]["total_bytes"]) == (count, size)
    assert rows["trades"]["rows"] == query(database, "SELECT count(*) FROM trades")[0][0]
    assert rows["trades"]["partitions"] >= 2
    assert "trades_2025_11" not in rows


def test_bloat_is_seen_and_gone_after_vacuum_full(database, capsys):
    query(database, "CREATE TABLE padded AS SELECT n, repeat('x', 500) AS text FROM generate_series(1, 4000) n")
    query(database, "DELETE FROM padded WHERE n % 4 <> 0")
    vacuum(database, "VACUUM ANALYZE padded")

    def wasted():
        rows = report(capsys, database, "--limit", "50")["bloat"]["rows"]
        (percent,) = [float(row["wasted_percent"]) for row in rows if row["table"] == "padded"]
        return percent

    assert 65 < wasted() < 85
    vacuum(database, "VACUUM FULL ANALYZE padded")
    assert wasted() < 10


async def test_an_index_nobody_used_is_named_until_somebody_does(database, capsys):
    query(database, "CREATE TABLE padded AS SELECT n FROM generate_series(1, 20000) n")
    query(database, "CREATE INDEX padded_n ON padded (n)")
    unused = report(capsys, database)["unused_indexes"]["rows"]
    assert [(row["table"], row["index"]) for row in unused] == [("padded", "padded_n")]
    assert unused[0]["bytes"] >= INDEX_BYTES_MIN
    query(database, "SET enable_seqscan = off; SELECT n FROM padded WHERE n = 5")
    # Postgres counts it when that connection has ended, or later
    await eventually(lambda: report(capsys, database)["unused_indexes"]["rows"] == [])


def test_slow_queries_where_postgres_counts_them(database, capsys):
    found = report(capsys, database)["slow_queries"]
    assert found["rows"] == []
    assert "CREATE EXTENSION pg_stat_statements" in found["note"]
    available = query(database, "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_stat_statements'")
    if available == [(0,)]:
        pytest.skip("this Postgres is without pg_stat_statements")
    query(database, "CREATE EXTENSION pg_stat_statements")
    query(database, "SELECT pg_sleep(0.2), 'the slow one'")
    found = report(capsys, database)["slow_queries"]
    if found["note"]:
        assert "shared_preload_libraries" in found["note"]
    else:
        assert found["rows"][0]["query"] == "SELECT pg_sleep($1), $2"
        assert float(found["rows"][0]["mean_ms"]) >= 200


def test_a_database_that_was_never_drained_into(database, capsys):
    assert report(capsys, database)["lag"] == {"note": "nothing was drained into this database yet", "rows": []}


def test_what_is_no_database_of_ours(postgres, capsys):
    name = fresh_database(postgres, "template0")
    try:
        assert main(["db", "report", "--database", url_of(postgres, name)]) == 1
        assert "has not been set up" in capsys.readouterr().err
    finally:
        drop_database(postgres, name)


def test_a_journal_that_is_none(drained, tmp_path_factory, capsys):
    _, database = drained
    empty = str(tmp_path_factory.mktemp("empty"))
    assert main(["db", "report", "--database", database, "--journal", empty]) == 1
    assert "holds no journal" in capsys.readouterr().err
