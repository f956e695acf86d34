"""The parts of `tools db report`: each a query over what Postgres keeps of itself, or why it cannot be answered."""

import datetime
from decimal import Decimal

import attrs

from protocol.journal import RecordCursor, segment_paths
from tools.console import Failed

QUERY_CHARACTERS_MAX = 100
#: Indexes that are there for what they enforce, or so small that it does not matter, are never called unused.
INDEX_BYTES_MIN = 64 << 10


@attrs.frozen
class Section:
    title: str
    columns: tuple


SECTIONS = {
    "lag": Section("Lag", ("seq", "event_seq", "time", "seconds_ago", "journal_seq", "lag_commands", "lag_seconds")),
    "settlement": Section(
        "Settlement", ("queue", "retrying", "oldest", "next_attempt_at", "dead_letters", "last_error")
    ),
    "slow_queries": Section("Slow queries", ("mean_ms", "max_ms", "calls", "total_s", "rows", "query")),
    "running": Section("Running for long", ("pid", "application_name", "state", "seconds", "query")),
    "unused_indexes": Section("Indexes that were never used", ("table", "index", "bytes")),
    "bloat": Section(
        "Bloat (estimated)", ("table", "bytes", "wasted_bytes", "wasted_percent", "dead_rows", "vacuumed")
    ),
    "tables": Section("Tables", ("table", "rows", "bytes", "index_bytes", "total_bytes", "partitions")),
}

_POSITION = """
    SELECT seq, event_seq, time, extract(epoch FROM clock_timestamp() - time)::numeric(20, 3) FROM position
"""
_SETTLEMENT = """
    SELECT count(*) AS queue, count(*) FILTER (WHERE attempts > 0 OR stage = 'reversing') AS retrying,
        min(time) AS oldest, min(next_attempt_at) AS next_attempt_at,
        (SELECT count(*) FROM dead_letters) AS dead_letters,
        (SELECT last_error FROM settlement_queue WHERE last_error IS NOT NULL ORDER BY trade_id LIMIT 1) AS last_error
    FROM settlement_queue
"""
_SLOW = """
    SELECT round(mean_exec_time::numeric, 3) AS mean_ms, round(max_exec_time::numeric, 3) AS max_ms, calls,
        round(total_exec_time::numeric / 1000, 3) AS total_s, rows, query
    FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY mean_exec_time DESC LIMIT %s
"""
_RUNNING = """
    SELECT pid, application_name, state, extract(epoch FROM clock_timestamp() - xact_start)::numeric(20, 3) AS seconds,
        query
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND xact_start < clock_timestamp() - interval '1 second'
    ORDER BY xact_start LIMIT %s
"""
_UNUSED = """
    SELECT s.relname AS "table", s.indexrelname AS index, pg_relation_size(s.indexrelid) AS bytes
    FROM pg_stat_user_indexes s JOIN pg_index i USING (indexrelid)
    WHERE s.idx_scan = 0 AND NOT i.indisunique AND pg_relation_size(s.indexrelid) >= {least}
    ORDER BY bytes DESC, index LIMIT %s
""".format(least=INDEX_BYTES_MIN)  # fmt: skip
#: A row's width from the statistics of ANALYZE, 28 bytes of header and pointer, and the fillfactor: what is more than
#: that for the rows there are is waste. Good to a few per cent, where statistics are fresh.
_BLOAT = """
    WITH widths AS (
        SELECT c.oid, c.relname, c.reltuples, pg_relation_size(c.oid) AS bytes,
            28 + sum((1 - s.null_frac) * s.avg_width) AS row_bytes,
            coalesce((SELECT option_value::int FROM pg_options_to_table(c.reloptions)
                WHERE option_name = 'fillfactor'), 100) AS fillfactor
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname
        WHERE c.relkind = 'r' AND n.nspname = 'public' AND c.reltuples > 0
        GROUP BY c.oid, c.relname, c.reltuples, c.reloptions
    ), wasted AS (
        SELECT *,
            greatest(0, bytes - ceil(reltuples * row_bytes * 100 / fillfactor / 8168) * 8192)::bigint AS wasted_bytes
        FROM widths
    )
    SELECT w.relname AS "table", bytes, wasted_bytes,
        round(wasted_bytes * 100.0 / nullif(bytes, 0), 1) AS wasted_percent, t.n_dead_tup AS dead_rows,
        greatest(t.last_vacuum, t.last_autovacuum) AS vacuumed
    FROM wasted w JOIN pg_stat_user_tables t ON t.relid = w.oid
    WHERE bytes > 0 ORDER BY wasted_bytes DESC, 1 LIMIT %s
"""
_TABLES = """
    SELECT coalesce(p.inhparent::regclass::text, c.relname) AS "table", sum(greatest(c.reltuples, 0))::bigint AS rows,
        sum(pg_relation_size(c.oid))::bigint AS bytes, sum(pg_indexes_size(c.oid))::bigint AS index_bytes,
        sum(pg_total_relation_size(c.oid))::bigint AS total_bytes, count(p.inhparent) AS partitions
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_inherits p ON p.inhrelid = c.oid
    WHERE c.relkind = 'r' AND n.nspname = 'public' GROUP BY 1 ORDER BY total_bytes DESC, 1 LIMIT %s
"""


def make_report(cursor, journal, limit):
    """-> {section: {"note": text, "rows": [{column: value}, ...]}}, for JSON. `journal`: directory, or None."""
    report = {name: {"note": "", "rows": []} for name in SECTIONS}
    _lag(report["lag"], cursor, journal)
    for name, statement, parameters in (
        ("settlement", _SETTLEMENT, ()),
        ("running", _RUNNING, (limit,)),
        ("unused_indexes", _UNUSED, (limit,)),
        ("bloat", _BLOAT, (limit,)),
        ("tables", _TABLES, (limit,)),
    ):
        report[name]["rows"] = _rows(cursor, statement, parameters)
    _slow_queries(report["slow_queries"], cursor, limit)
    if not report["bloat"]["rows"]:
        report["bloat"]["note"] = "no statistics yet: ANALYZE, or wait for autovacuum"
    cursor.execute("SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()")
    since = cursor.fetchone()[0]
    if since is not None:
        report["unused_indexes"]["note"] = "since %s, when statistics were reset" % _json(since)
    return report


def _lag(part, cursor, journal):
    rows = _rows(cursor, _POSITION, (), ("seq", "event_seq", "time", "seconds_ago"))
    if not rows:
        part["note"] = "nothing was drained into this database yet"
        return
    part["rows"] = rows
    rows[0].update(journal_seq=None, lag_commands=None, lag_seconds=None)
    if journal is None:
        part["note"] = "with --journal DIR also how far it is behind the journal"
        return
    seq, time_ns = _newest(journal)
    cursor.execute("SELECT %s::numeric / 1000000000 - extract(epoch FROM time)::numeric FROM position", (time_ns,))
    behind = max(0, seq - rows[0]["seq"])
    seconds = max(cursor.fetchone()[0], Decimal(0)) if behind else Decimal(0)
    rows[0].update(journal_seq=seq, lag_commands=behind, lag_seconds=_json(round(seconds, 3)))


def _newest(journal):
    """-> (sequence, time in ns) of the newest record that another follows: what is known to be durable."""
    paths = segment_paths(journal)
    if not paths:
        raise Failed("%s holds no journal" % journal)
    before = last = None
    for path in paths[-2:]:  # the newest may hold one record, or none
        cursor = RecordCursor(path)
        try:
            record = cursor.next()
            while record is not None and (last is None or record.first_seq > last.first_seq):
                before, last = last, record
                record = cursor.next()
        finally:
            cursor.close()
    return (before.next_seq - 1, before.time_ns) if before is not None else (0, 0)


def _slow_queries(part, cursor, limit):
    """Last of all: where the extension is there and its library is not, the transaction is over."""
    import psycopg2

    cursor.execute("SELECT to_regclass('pg_stat_statements')")
    if cursor.fetchone()[0] is None:
        part["note"] = (
            "not known: CREATE EXTENSION pg_stat_statements (and shared_preload_libraries) makes Postgres count"
        )
        return
    try:
        cursor.execute("SAVEPOINT slow")
        part["rows"] = _rows(cursor, _SLOW, (limit,))
    except psycopg2.errors.ObjectNotInPrerequisiteState:
        cursor.execute("ROLLBACK TO slow")
        part["note"] = "not known: pg_stat_statements is not in shared_preload_libraries"
    for row in part["rows"]:
        row["query"] = " ".join(row["query"].split())[:QUERY_CHARACTERS_MAX]


def _rows(cursor, statement, parameters, names=None):
    cursor.execute(statement, parameters)
    names = names or [column.name for column in cursor.description]
    return [dict(zip(names, map(_json, row))) for row in cursor.fetchall()]


def _json(value):
    """Decimals as text, times as ISO-8601 UTC."""
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return "{:f}".format(value)
    return value
