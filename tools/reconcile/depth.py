"""Depth snapshots held against the exchange's own books, at the moments that they are of.

Each row has to be the book as it was before its time. And at the end of every interval in which orders came or went,
the newest row has to be the book as it is then: else one is missing.
"""

from tools.console import utc
from tools.decimals import Scale

SECOND_NS = 10**9
ROWS_AT_ONCE = 500
_ROWS = (
    "SELECT instrument, round(extract(epoch FROM time) * 1000000)::bigint * 1000 AS time_ns, event_seq, bids, asks"
    " FROM depth_snapshots"
)


class DepthSnapshots:
    """Told of every record before() it is applied, and of the instruments that it touched(). `seconds` and `levels`:
    the settings `depth_seconds` and `depth_levels` of persistence. Rows are read as time goes on."""

    def __init__(self, comparison, seconds, levels):
        self._comparison = comparison
        self._interval_ns = seconds * SECOND_NS
        self._levels = levels
        self._newest = {}  # instrument -> (bids, asks) of the newest row, or of what it should have been
        self._changed_ns = {}  # instrument -> when orders of it came or went first, since the last end of an interval
        self._rows = iter(())
        self._next = None

    def begin(self, time_ns):
        """After this time: 0 for all. What is shown until then is taken as it is."""
        time = (time_ns / SECOND_NS,)
        before = _ROWS.replace("SELECT", "SELECT DISTINCT ON (instrument)", 1) + " WHERE time <= to_timestamp(%s)"
        for instrument, _, _, bids, asks in self._comparison.rows(before + " ORDER BY instrument, time DESC", time):
            self._newest[instrument] = bids, asks
        cursor = self._comparison.connection.cursor(name="depth_snapshots")  # of the server: they may be many
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(_ROWS + " WHERE time > to_timestamp(%s) ORDER BY time, instrument", time)
        self._rows = iter(cursor)
        self._next = next(self._rows, None)

    def before(self, time_ns, exchange, event_seq):
        """Before anything of `time_ns` is applied; `event_seq`: of the last event that is."""
        while self._next is not None and self._next[1] <= time_ns:
            self._compare(self._next, exchange, event_seq)
            self._next = next(self._rows, None)
        for instrument, changed_ns in list(self._changed_ns.items()):
            end_ns = (changed_ns // self._interval_ns + 1) * self._interval_ns
            if time_ns >= end_ns:
                del self._changed_ns[instrument]
                self._compare_newest(instrument, end_ns, exchange, event_seq)

    def touched(self, instrument, time_ns):
        self._changed_ns.setdefault(instrument, time_ns)

    def end(self):
        """Whatever is left is of a time that the database has not come to."""
        while self._next is not None:
            instrument, time_ns, event_seq, _, _ = self._next
            self._differ(instrument, time_ns, event_seq, None, "(rows)", 0, "beyond the position")
            self._next = next(self._rows, None)

    def _compare(self, row, exchange, event_seq):
        instrument, time_ns, from_event_seq, bids, asks = row
        self._comparison.tables["depth_snapshots"].compared += 1
        place = (instrument, time_ns, event_seq, exchange.seq)
        if instrument not in exchange.books:
            self._differ(*place, "(rows)", 0, 1)
            return
        book = self._book(exchange, instrument)
        self._newest[instrument] = book
        journal = (event_seq, *book)
        for column, ours, theirs in zip(("event_seq", "bids", "asks"), journal, (from_event_seq, bids, asks)):
            if ours != theirs:
                self._differ(*place, column, ours, theirs)

    def _compare_newest(self, instrument, end_ns, exchange, event_seq):
        book = self._book(exchange, instrument)
        if book != self._newest.get(instrument, ([], [])):
            self._differ(instrument, end_ns, event_seq, exchange.seq, "(rows)", 1, 0)
            self._newest[instrument] = book

    def _book(self, exchange, instrument):
        """-> (bids, asks) as Postgres has them: [[price, quantity, orders], ...], the best first."""
        book = exchange.books[instrument]
        price, quantity = Scale(book.instrument.price_scale), Scale(book.instrument.quantity_scale)
        return tuple(
            [[price.text(level[0]), quantity.text(level[1]), level[2]] for level in side.depth(self._levels)]
            for side in (book.bids, book.asks)
        )

    def _differ(self, instrument, time_ns, event_seq, seq, column, journal, postgres):
        row = "instrument %d at %s" % (instrument, utc(time_ns))
        self._comparison.differ("depth_snapshots", event_seq, seq, row, column, journal, postgres)
