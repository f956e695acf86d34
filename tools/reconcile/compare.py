"""Compares what Postgres has with what it should have (expected.py), in one snapshot of the database."""

from decimal import Decimal

import attrs

from protocol.journal import read_header, segment_paths
from tools.console import Failed, progress
from tools.reconcile import final
from tools.reconcile.audit import AUDIT_LOGS
from tools.reconcile.comparison import Comparison
from tools.reconcile.depth import DepthSnapshots
from tools.reconcile.expected import Replay, decimal

ORDERS = (
    "order_id", "account", "instrument", "created_event_seq", "event_seq", "created_at", "updated_at", "triggered_at",
    "ended_at", "expire_time", "post_only", "side", "type", "time_in_force", "self_trade_prevention", "status",
    "reason", "client_order_id", "price", "stop_price", "quantity", "filled_quantity", "open_quantity",
    "filled_notional", "fee", "reserved",
)  # fmt: skip
ORDER_EVENTS = (
    "event_seq", "time", "order_id", "account", "instrument", "type", "side", "liquidity", "reason", "trade_id",
    "price", "quantity", "open_quantity", "fee",
)  # fmt: skip
TRADES = (
    "trade_id", "time", "event_seq", "instrument", "maker_order_id", "taker_order_id", "maker_account",
    "taker_account", "taker_side", "price", "quantity", "maker_fee", "taker_fee",
)  # fmt: skip


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
    _compare_moves(comparison, chunk.moves, bounds)


def _compare_orders(comparison, expected):
    found = comparison.rows_by_key("orders", ORDERS, "order_id = ANY(%s)", (list(expected),))
    comparison.compare_rows("orders", ORDERS, expected, found)


def _compare_orders_left(comparison, replay):
    """Those still open, and then whether there are any that the journal does not know."""
    expected = {order_id: replay.orders.row_of(order) for order_id, order in replay.orders.open.items()}
    _compare_orders(comparison, expected)
    for order_id, event_seq in comparison.rows(
        "SELECT order_id, event_seq FROM orders WHERE ended_at IS NULL AND NOT order_id = ANY(%s)", (list(expected),)
    ):
        comparison.differ("orders", event_seq, None, order_id, "status", "ended, or never there", "open")
    ((count,),) = comparison.rows("SELECT count(*) FROM orders WHERE created_event_seq > %s", (replay.start_event_seq,))
    if count != replay.orders.count:
        comparison.differ("orders", None, None, "all", "(rows)", replay.orders.count, count)


def _compare_moves(comparison, moves, bounds):
    """The entries of each command come to what it moved, and those of each event to nothing, over all accounts."""
    assets = dict(comparison.rows("SELECT asset, scale FROM assets"))
    sums = {}
    for move in moves:
        for key, (available, reserved) in move.changes.items():
            before = sums.get(key, (0, 0))
            sums[key] = before[0] + available, before[1] + reserved
    expected = _in_decimals(sums, assets)
    found = {
        (account, asset): (available, reserved)
        for account, asset, available, reserved in comparison.rows(
            "SELECT account, asset, sum(available_change), sum(reserved_change) FROM ledger_entries"
            " WHERE event_seq BETWEEN %s AND %s GROUP BY account, asset"
            " HAVING (sum(available_change), sum(reserved_change)) <> (0, 0)",
            bounds,
        )
    }
    comparison.tables["ledger_entries"].compared += len(moves)
    if expected != found:
        _find_moves(comparison, moves, bounds, assets)
    for event_seq, asset, total in comparison.rows(
        "SELECT event_seq, asset, sum(available_change + reserved_change) FROM ledger_entries"
        " WHERE event_seq BETWEEN %s AND %s GROUP BY event_seq, asset"
        " HAVING sum(available_change + reserved_change) <> 0",
        bounds,
    ):
        comparison.differ("ledger_entries", event_seq, None, "asset %d" % asset, "(sum)", 0, total)


def _find_moves(comparison, moves, bounds, assets):
    """Say which commands of a chunk the entries do not come to."""
    entries = comparison.rows(
        "SELECT event_seq, account, asset, available_change, reserved_change FROM ledger_entries"
        " WHERE event_seq BETWEEN %s AND %s ORDER BY event_seq",
        bounds,
    )
    place = 0
    nothing = (Decimal(0), Decimal(0))
    for move in [*moves, None]:
        sums = {}
        last = move.last_event_seq if move else bounds[1]
        while place < len(entries) and entries[place][0] <= last:
            event_seq, account, asset, available, reserved = entries[place]
            if move is None or event_seq < move.first_event_seq:
                row = "account %d asset %d" % (account, asset)
                comparison.differ("ledger_entries", event_seq, None, row, "(rows)", 0, 1)
            else:
                before = sums.get((account, asset), nothing)
                sums[account, asset] = before[0] + available, before[1] + reserved
            place += 1
        expected = _in_decimals(move.changes, assets) if move else {}
        for key in {**expected, **sums}:
            pairs = zip(expected.get(key, nothing), sums.get(key, nothing), ("available_change", "reserved_change"))
            for journal, postgres, column in pairs:
                if journal != postgres:
                    row = "account %d asset %d" % key
                    comparison.differ("ledger_entries", move.first_event_seq, move.seq, row, column, journal, postgres)


def _in_decimals(sums, assets):
    return {
        key: (decimal(available, assets.get(key[1], 0)), decimal(reserved, assets.get(key[1], 0)))
        for key, (available, reserved) in sums.items()
        if (available, reserved) != (0, 0)
    }
