"""What was compared, and what differs: the notes that everything else in here makes, and how it reads tables."""

import json
from decimal import Decimal

import attrs

TABLES = (
    "position", "assets", "instruments", "fees", "accounts", "limits", "orders", "order_events", "trades", "settlement",
    "ledger_entries", "balances", "candles", "depth_snapshots", "audit_logs",
)  # fmt: skip

TIMES = {"time", "created_at", "updated_at", "triggered_at", "ended_at", "expire_time", "opened_at", "start"}


class Unknown:
    """What an order had before the snapshot that a comparison begins from: a value that nothing is held against."""

    def __add__(self, more):
        return self


UNKNOWN = Unknown()


@attrs.define
class Table:
    compared: int = 0
    differ: int = 0


class Comparison:
    """`shown`: differences of each table that are kept; all are counted."""

    def __init__(self, connection, shown):
        self.connection = connection
        self._shown = shown
        self.tables = {name: Table() for name in TABLES}
        self.differences = []

    def rows(self, statement, parameters=None):
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall()

    def differ(self, table, event_seq, seq, row, column, journal, postgres):
        """Note a difference; `event_seq` is where the journal decided it, `seq` the command, None: not known."""
        found = self.tables[table]
        found.differ += 1
        if found.differ <= self._shown:
            values = (table, event_seq, seq, str(row), column, _text(journal), _text(postgres))
            names = ("table", "event_seq", "seq", "row", "column", "journal", "postgres")
            self.differences.append(dict(zip(names, values)))

    def rows_by_key(self, table, columns, condition, parameters):
        """-> {first column: [row as a dict, ...]} of a table."""
        found = {}
        names = ", ".join(read(column) for column in columns)
        for values in self.rows("SELECT %s FROM %s WHERE %s" % (names, table, condition), parameters):
            found.setdefault(values[0], []).append(dict(zip(columns, values)))
        return found

    def compare_rows(self, table, columns, expected, found):
        """`expected`: {key: row with event_seq and seq}; `found`: {key: [row, ...]}."""
        self.tables[table].compared += len(expected)
        for key, row in expected.items():
            rows = found.get(key, [])
            is_known = row["event_seq"] is not UNKNOWN
            event_seq, seq = (row["event_seq"], row["seq"]) if is_known else (None, None)
            if len(rows) != 1:
                self.differ(table, event_seq, seq, key, "(rows)", 1, len(rows))
                continue
            for column in columns[1:]:
                if row[column] != rows[0][column] and row[column] is not UNKNOWN:
                    self.differ(table, event_seq, seq, key, column, row[column], rows[0][column])
        for key, rows in found.items():
            if key not in expected:
                self.differ(table, rows[0].get("event_seq"), None, key, "(rows)", 0, len(rows))


def read(column):
    """-> how a column is selected: times in microseconds since 1970."""
    return _MICROSECONDS.format(column) if column in TIMES else column


#: Exact for any time there is. Before Postgres 14, the seconds since 1970 are a double, and those of some are not.
_MICROSECONDS = (
    "extract(epoch FROM date_trunc('second', {0}))::bigint * 1000000"
    " + mod(extract(microseconds FROM {0})::bigint, 1000000) AS {0}"
)


def decimal(units, scale):
    """-> units x 10^-scale, exactly."""
    return Decimal(units).scaleb(-scale)


def storable(value):
    """-> text as Postgres can hold it: it has no character 0, and U+FFFD stands for it. Other values as they are."""
    return value.replace("\0", "\ufffd") if type(value) is str else value


def _text(value):
    if isinstance(value, Decimal):
        return "{:f}".format(value)
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True)
    return value if isinstance(value, int) else str(value)
