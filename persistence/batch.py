"""What one transaction writes: rows of whole records, on their way to be array literals. Pure."""

import attrs

from persistence import tables
from persistence.literals import texts_of_ints, texts_of_texts

PACK_ROWS = 1_000  # made text of at a time, while they are still in the processor's caches


class Rows:
    """Rows of one table: append() tuples in the order of `columns`, a specification of tables.py; then arrays()."""

    def __init__(self, columns):
        kinds = [kind for _, kind in tables.columns_of(columns) if kind != "derived"]
        self._texts_of = [texts_of_ints if kind in tables.INTS else texts_of_texts for kind in kinds]
        self._rows = []
        self._packed = []  # for every PACK_ROWS or so a list of texts, one a column
        self._packed_rows = 0
        self.append = self._rows.append

    def __len__(self):
        return self._packed_rows + len(self._rows)

    def pack(self):
        """Bring the rows so far into the shorter form: they take a fifth of the memory then."""
        rows = self._rows
        for first in range(0, len(rows), PACK_ROWS):
            columns = zip(*rows[first : first + PACK_ROWS], strict=True)
            self._packed.append([texts_of(column) for texts_of, column in zip(self._texts_of, columns, strict=True)])
        self._packed_rows += len(rows)
        rows.clear()

    def drop(self):
        """Forget the rows, but not how many they were."""
        self.pack()
        self._packed.clear()

    def arrays(self):
        """-> the array literal of each column; as many for no rows as for any."""
        self.pack()
        return ["{%s}" % ",".join(texts) for texts in zip(*self._packed)] or ["{}"] * len(self._texts_of)


def _rows(columns):
    return attrs.field(factory=lambda: Rows(columns))


@attrs.define
class Batch:
    """Rows of whole records, for one transaction."""

    seq: int = 0  # last command, event and record that they are of
    event_seq: int = 0
    chain: int = 0
    time_ns: int = 0
    months: dict = attrs.field(factory=dict)  # MONTH_NS since 1970 that rows are of -> True
    venue_id: int = 0
    rules_version: int = 0
    commands: int = 0
    events: int = 0
    changes: list = attrs.field(factory=list)  # (what, {column: value}) of what administrators did
    new_orders: Rows = _rows(tables.NEW_ORDERS)
    changed_orders: Rows = _rows(tables.CHANGED_ORDERS)
    order_events: Rows = _rows(tables.ORDER_EVENTS)
    trades: Rows = _rows(tables.TRADES)
    unsettled: Rows = _rows(tables.UNSETTLED)  # trades for the wallet of record
    ledger_entries: Rows = _rows(tables.LEDGER_ENTRIES)
    balances: Rows = _rows(tables.BALANCES)
    candles: Rows = _rows(tables.CANDLES)
    depth_snapshots: Rows = _rows(tables.DEPTH_SNAPSHOTS)
    audit_logs: Rows = _rows(tables.AUDIT_LOGS)
    markets: Rows = _rows(tables.MARKETS)  # last price and the like of the instruments that changed

    def tables(self):
        """-> [Rows, ...]"""
        return [value for value in attrs.astuple(self, recurse=False) if type(value) is Rows]

    def drop_rows(self):
        """When they are in a statement; what remains tells of the batch."""
        for rows in self.tables():
            rows.drop()

    def row_count(self):
        return len(self.changes) + sum(map(len, self.tables()))
