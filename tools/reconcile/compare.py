"""Compares what Postgres has with what it should have (expected.py), in one snapshot of the database."""

import itertools

import attrs

from protocol.journal import read_header, segment_paths
from tools.console import Failed, progress
from tools.reconcile import final
from tools.reconcile.audit import AUDIT_LOGS
from tools.reconcile.comparison import UNKNOWN, Comparison
from tools.reconcile.depth import DepthSnapshots
from tools.reconcile.entries import compare_entries
from tools.reconcile.expected import Replay

ORDERS = (
    "order_id", "account", "instrument", "created_event_seq", "event_seq", "created_at", "updated_at", "triggered_at",
    "ended_at", "expire_time", "post_only", "side", "type", "time_in_force", "self_trade_prevention", "status",
    "reason", "client_order_id", "price", "stop_price", "quantity", "filled_quantity", "open_quantity",
    "filled_notional", "average_price", "fee", "reserved", "maker_ppm", "taker_ppm", "fee_ppm_max", "fee_surplus",
)  # fmt: skip
ORDER_EVENTS = (
    "event_seq", "time", "order_id", "account", "instrument", "type", "side", "liquidity", "reason", "trade_id",
    "price", "quantity", "open_quantity", "fee",
)  # fmt: skip
TRADES = (
    "trade_id", "time", "event_seq", "instrument", "maker_order_id", "taker_order_id", "maker_account",
    "taker_account", "taker_side", "price", "quantity", "maker_fee", "taker_fee",
)  # fmt: skip
OPEN_ORDERS_AT_ONCE = 5_000


def reconcile(directory, connection, shown=20, depth_seconds=10, depth_levels=50):
    """-> the report, as a dict; `from_seq`: 0, or the command of the snapshot that the replay began from, where the
    journal does not hold the first command any more. Raises Failed, JournalCorrupt, psycopg2.Error."""
    comparison = Comparison(connection, shown)
    position = comparison.rows("SELECT venue_id, seq, event_seq FROM position")
    if not position:
        raise Failed("nothing was drained into this database yet")
    ((venue_id, seq, event_seq),) = position
    paths = segment_paths(directory)
    if paths and read_header(paths[-1]).venue_id != int(venue_id):
        raise Failed("%s is the journal of another venue than the database's" % directory)
    with progress("reconciling", seq) as advance:
        depth = DepthSnapshots(comparison, depth_seconds, depth_levels)
        replay = Replay(directory, seq, advance, depth)
        for chunk in replay:
            _compare_chunk(comparison, chunk)
        depth.end()
    comparison.tables["position"].compared = 1
    if replay.event_seq != event_seq:
        comparison.differ("position", replay.event_seq, seq, seq, "event_seq", replay.event_seq, event_seq)
    _compare_orders_left(comparison, replay)
    final.compare_reference(comparison, replay)
    final.compare_balances(comparison, replay)
    final.compare_candles(comparison, replay)
    final.compare_settlement(comparison)
    final.compare_beyond(comparison, replay)
    # what is known to an event comes first; a row that the journal knows nothing of is after all of them
    comparison.differences.sort(key=lambda found: (found["event_seq"] is None, found["event_seq"] or 0))
    return {
        "from_seq": replay.start_seq,
        "seq": seq,
        "event_seq": replay.event_seq,
        "first": comparison.differences[0] if comparison.differences else None,
        "tables": {name: attrs.asdict(table) for name, table in comparison.tables.items()},
        "differences": comparison.differences,
    }


# --- a chunk of the journal ----------------------------------------------------------------------------------------


def _compare_chunk(comparison, chunk):
    bounds = (chunk.first_event_seq, chunk.last_event_seq)
    found = comparison.rows_by_key("order_events", ORDER_EVENTS, "event_seq BETWEEN %s AND %s", bounds)
    comparison.compare_rows("order_events", ORDER_EVENTS, chunk.order_events, found)
    if chunk.trades:
        found = comparison.rows_by_key(
            "trades", TRADES, "trade_id BETWEEN %s AND %s", (min(chunk.trades), max(chunk.trades))
        )
        comparison.compare_rows("trades", TRADES, chunk.trades, found)
    found = comparison.rows_by_key("audit_logs", AUDIT_LOGS, "event_seq BETWEEN %s AND %s", bounds)
    comparison.compare_rows("audit_logs", AUDIT_LOGS, chunk.audit_logs, found)
    _compare_orders(comparison, chunk.orders)
    compare_entries(comparison, chunk)


def _compare_orders(comparison, expected):
    averages = _average_prices(comparison, expected)
    for order_id, row in expected.items():
        row["average_price"] = UNKNOWN if row["filled_notional"] is UNKNOWN else averages.get(order_id)
    found = comparison.rows_by_key("orders", ORDERS, "order_id = ANY(%s)", (list(expected),))
    comparison.compare_rows("orders", ORDERS, expected, found)


def _average_prices(comparison, expected):
    """-> {order_id: price} of orders that were filled: divided by Postgres, whose number of digits is its own."""
    filled = [
        (order_id, row["filled_notional"], row["filled_quantity"])
        for order_id, row in expected.items()
        if row["filled_quantity"] and row["filled_notional"] is not UNKNOWN
    ]
    if not filled:
        return {}
    rows = comparison.rows(
        "SELECT o.order_id, o.notional / o.quantity"
        " FROM unnest(%s::bigint[], %s::numeric[], %s::numeric[]) AS o (order_id, notional, quantity)",
        [list(column) for column in zip(*filled)],
    )
    return dict(rows)


def _compare_orders_left(comparison, replay):
    """Those still open, and then whether there are any that the journal does not know."""
    still_open = iter(replay.orders.open.items())
    while some := list(itertools.islice(still_open, OPEN_ORDERS_AT_ONCE)):
        _compare_orders(comparison, {order_id: replay.orders.row_of(order) for order_id, order in some})
    for order_id, event_seq in comparison.rows("SELECT order_id, event_seq FROM orders WHERE ended_at IS NULL"):
        if order_id not in replay.orders.open:
            comparison.differ("orders", event_seq, None, order_id, "status", "ended, or never there", "open")
    ((count,),) = comparison.rows("SELECT count(*) FROM orders WHERE created_event_seq > %s", (replay.start_event_seq,))
    if count != replay.orders.count:
        comparison.differ("orders", None, None, "all", "(rows)", replay.orders.count, count)
