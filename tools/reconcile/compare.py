"""Compares what Postgres has with what it should have (expected.py), in one snapshot of the database."""

from decimal import Decimal

import attrs

from protocol.journal import read_header, segment_paths
from protocol.messages import INSTRUMENT_STATES
from tools.console import Failed, progress
from tools.reconcile.expected import OUTSIDE_ACCOUNT, Replay, decimal

#: Differences that are kept, of each table; all are counted.
TABLES = (
    "position", "assets", "instruments", "fees", "accounts", "limits", "orders", "order_events", "trades", "settlement",
    "ledger_entries", "balances", "candles",
)  # fmt: skip

TIMES = {"time", "created_at", "updated_at", "triggered_at", "ended_at", "expire_time", "start"}
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
CANDLES = ("open", "high", "low", "close", "volume", "quote_volume", "trades")


@attrs.define
class Table:
    compared: int = 0
    differ: int = 0


class Comparison:
    def __init__(self, connection, shown):
        self._connection = connection
        self._shown = shown
        self.tables = {name: Table() for name in TABLES}
        self.differences = []

    def rows(self, statement, parameters=None):
        with self._connection.cursor() as cursor:
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
        names = ", ".join(_read(column) for column in columns)
        for values in self.rows("SELECT %s FROM %s WHERE %s" % (names, table, condition), parameters):
            found.setdefault(values[0], []).append(dict(zip(columns, values)))
        return found

    def compare_rows(self, table, columns, expected, found):
        """`expected`: {key: row with event_seq and seq}; `found`: {key: [row, ...]}."""
        self.tables[table].compared += len(expected)
        for key, row in expected.items():
            rows = found.get(key, [])
            place = (table, row["event_seq"], row["seq"], key)
            if len(rows) != 1:
                self.differ(*place, "(rows)", 1, len(rows))
                continue
            for column in columns[1:]:
                if row[column] != rows[0][column]:
                    self.differ(*place, column, row[column], rows[0][column])
        for key, rows in found.items():
            if key not in expected:
                self.differ(table, rows[0].get("event_seq"), None, key, "(rows)", 0, len(rows))


def reconcile(directory, connection, shown=20):
    """-> the report, as a dict. Raises Failed, JournalCorrupt, psycopg2.Error."""
    comparison = Comparison(connection, shown)
    position = comparison.rows("SELECT venue_id, seq, event_seq FROM position")
    if not position:
        raise Failed("nothing was drained into this database yet")
    ((venue_id, seq, event_seq),) = position
    paths = segment_paths(directory)
    if paths and read_header(paths[-1]).venue_id != int(venue_id):
        raise Failed("%s is the journal of another venue than the database's" % directory)
    with progress("reconciling", seq) as advance:
        replay = Replay(directory, seq, advance)
        for chunk in replay:
            _compare_chunk(comparison, chunk)
    comparison.tables["position"].compared = 1
    if replay.event_seq != event_seq:
        comparison.differ("position", replay.event_seq, seq, seq, "event_seq", replay.event_seq, event_seq)
    _compare_orders_left(comparison, replay)
    _compare_reference(comparison, replay)
    _compare_balances(comparison, replay)
    _compare_candles(comparison, replay)
    _compare_settlement(comparison)
    _compare_beyond(comparison, replay)
    # what is known to an event comes first; a row that the journal knows nothing of is after all of them
    comparison.differences.sort(key=lambda found: (found["event_seq"] is None, found["event_seq"] or 0))
    return {
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
    _compare_orders(comparison, chunk.orders)
    _compare_moves(comparison, chunk.moves, bounds)


def _compare_orders(comparison, expected):
    found = comparison.rows_by_key("orders", ORDERS, "order_id = ANY(%s)", (list(expected),))
    comparison.compare_rows("orders", ORDERS, expected, found)


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


# --- the state at the end ------------------------------------------------------------------------------------------


def _compare_orders_left(comparison, replay):
    """Those still open, and then whether there are any that the journal does not know."""
    expected = {order_id: replay.orders.row_of(order) for order_id, order in replay.orders.open.items()}
    _compare_orders(comparison, expected)
    for order_id, event_seq in comparison.rows(
        "SELECT order_id, event_seq FROM orders WHERE ended_at IS NULL AND NOT order_id = ANY(%s)", (list(expected),)
    ):
        comparison.differ("orders", event_seq, None, order_id, "status", "ended, or never there", "open")
    ((count,),) = comparison.rows("SELECT count(*) FROM orders")
    if count != replay.orders.count:
        comparison.differ("orders", None, None, "all", "(rows)", replay.orders.count, count)


def _compare_reference(comparison, replay):
    """Assets, instruments, fees, accounts and limits: as the exchange has them now."""
    exchange = replay.exchange
    ledger = exchange.ledger
    assets = {asset.number: (asset.symbol, asset.scale) for asset in ledger.assets.values()}
    _compare_values(comparison, "assets", ("asset",), ("symbol", "scale"), assets)
    instruments, fees = {}, {}
    for number, book in exchange.books.items():
        i = book.instrument
        limits = (_amount(i.quantity_min, i.quantity_scale), _amount(i.quantity_max, i.quantity_scale))
        instruments[number] = (
            i.symbol, i.base or None, i.quote or None, i.price_scale, i.quantity_scale, decimal(i.tick, i.price_scale),
            decimal(i.lot, i.quantity_scale), i.collar_bps, INSTRUMENT_STATES[i.state], *limits,
            _amount(i.notional_min, i.price_scale + i.quantity_scale), i.band_bps or None,
            _amount(book.last_price, i.price_scale),
        )  # fmt: skip
        fees.update({(number, tier): tuple(rates[:2]) for tier, rates in i.fees.items()})
    columns = (
        "symbol", "base", "quote", "price_scale", "quantity_scale", "tick", "lot", "collar_bps", "state",
        "quantity_min", "quantity_max", "notional_min", "band_bps", "last_price",
    )  # fmt: skip
    _compare_values(comparison, "instruments", ("instrument",), columns, instruments)
    _compare_values(comparison, "fees", ("instrument", "tier"), ("maker_ppm", "taker_ppm"), fees)
    accounts = {}
    limits_of = {}
    for account in ledger.accounts.values():
        if account.user:
            rate = account.commands_per_second or None
            row = (account.user, account.tier, bool(account.is_blocked), account.open_orders_max or None, rate)
            accounts[account.number] = row
        for asset, of in account.limits.items():
            scale = ledger.assets[asset].scale
            amounts = (of.order_notional_max, of.daily_notional_max, of.second_factor_above)
            limits_of[account.number, asset] = tuple(_amount(amount, scale) for amount in amounts)
    columns = ("user_id", "tier", "is_blocked", "open_orders_max", "commands_per_second")
    _compare_values(comparison, "accounts", ("account",), columns, accounts)
    columns = ("order_notional_max", "daily_notional_max", "second_factor_above")
    _compare_values(comparison, "limits", ("account", "asset"), columns, limits_of, may_be_empty=True)


def _compare_values(comparison, table, keys, columns, expected, may_be_empty=False):
    """`expected`: {key, a tuple where it is two columns: values}. `may_be_empty`: a row of nulls is as good as none."""
    rows = comparison.rows("SELECT %s, event_seq FROM %s" % (", ".join(keys + columns), table))
    comparison.tables[table].compared += len(expected)
    found = {}
    for row in rows:
        key = row[: len(keys)] if len(keys) > 1 else row[0]
        found[key] = row[len(keys) : -1], row[-1]
    for key in {**expected, **found}:
        values, event_seq = found.get(key, (None, None))
        wanted = expected.get(key)
        if may_be_empty and not any(value is not None for value in (*(wanted or ()), *(values or ()))):
            continue
        if values is None or wanted is None:
            comparison.differ(table, event_seq, None, key, "(rows)", int(wanted is not None), int(values is not None))
            continue
        for column, journal, postgres in zip(columns, wanted, values):
            if journal != postgres:
                comparison.differ(table, event_seq, None, key, column, journal, postgres)


def _compare_balances(comparison, replay):
    """Of every account and asset; and that they are the sums of the ledger's entries."""
    ledger = replay.exchange.ledger
    rows = comparison.rows("SELECT account, asset, available, reserved, event_seq FROM balances")
    found = {
        (account, asset): (available, reserved, event_seq) for account, asset, available, reserved, event_seq in rows
    }
    scales = {asset.number: asset.scale for asset in ledger.assets.values()}
    expected = {(account, asset): True for account in (OUTSIDE_ACCOUNT, *ledger.accounts) for asset in scales}
    comparison.tables["balances"].compared += len(found)
    for account, asset in {**expected, **found}:
        amounts = replay.balance(account, asset) if asset in scales else (0, 0)
        moved_at, seq = replay.moved_at.get((account, asset), (None, None))
        *columns, event_seq = found.get((account, asset), (Decimal(0), Decimal(0), moved_at))
        for name, units, postgres in zip(("available", "reserved"), amounts, columns):
            journal = decimal(units, scales.get(asset, 0))
            if journal != postgres:
                row = "account %d asset %d" % (account, asset)
                comparison.differ("balances", event_seq, seq, row, name, journal, postgres)
    for account, asset, event_seq, available, reserved, entered, held in comparison.rows(
        """SELECT account, asset, b.event_seq, b.available, b.reserved, e.available, e.reserved FROM balances b
        FULL JOIN (
            SELECT account, asset, sum(available_change) AS available, sum(reserved_change) AS reserved
            FROM ledger_entries GROUP BY account, asset
        ) e USING (account, asset)
        WHERE coalesce(b.available, 0) <> coalesce(e.available, 0)
            OR coalesce(b.reserved, 0) <> coalesce(e.reserved, 0)"""
    ):
        row = "account %d asset %d" % (account, asset)
        text = "%s and %s", "entries come to %s and %s"
        sums = text[0] % (available, reserved), text[1] % (entered, held)
        comparison.differ("balances", event_seq, None, row, "(sum of entries)", sums[1], sums[0])


def _compare_candles(comparison, replay):
    expected = {}
    for key, candle in replay.candles.items():
        instrument = replay.exchange.books[key[0]].instrument
        row = {"event_seq": candle["event_seq"], "seq": candle["seq"], "trades": candle["trades"]}
        for column in ("open", "high", "low", "close"):
            row[column] = decimal(candle[column], instrument.price_scale)
        row["volume"] = decimal(candle["volume"], instrument.quantity_scale)
        row["quote_volume"] = decimal(candle["quote_volume"], instrument.price_scale + instrument.quantity_scale)
        expected[key] = row
    found = {}
    names = ", ".join(_read(column) for column in ("instrument", "timeframe", "start", *CANDLES))
    for row in comparison.rows("SELECT %s FROM candles" % names):
        found.setdefault(row[:3], []).append(dict(zip(CANDLES, row[3:])))
    comparison.compare_rows("candles", (None, *CANDLES), expected, found)


def _compare_settlement(comparison):
    """A trade's settlement status says where it is: in the queue, among the dead letters, or in neither."""
    table = comparison.tables["settlement"]
    ((table.compared,),) = comparison.rows("SELECT count(*) FROM trades WHERE settlement_status <> 'NONE'")
    for trade_id, event_seq, status, queued, dead in comparison.rows(
        """SELECT trade_id, t.event_seq, t.settlement_status, q.trade_id IS NOT NULL, d.trade_id IS NOT NULL
        FROM trades t FULL JOIN settlement_queue q USING (trade_id) FULL JOIN dead_letters d USING (trade_id)
        WHERE (q.trade_id IS NOT NULL, d.trade_id IS NOT NULL)
            IS DISTINCT FROM (t.settlement_status = 'PENDING', t.settlement_status = 'FAILED')"""
    ):
        places = " and ".join(name for name, is_there in (("queue", queued), ("dead letters", dead)) if is_there)
        wanted = {"PENDING": "queue", "FAILED": "dead letters"}.get(status, "neither")
        comparison.differ("settlement", event_seq, None, "trade %d" % trade_id, status, wanted, places or "neither")


def _compare_beyond(comparison, replay):
    """Rows of events that the position says are not there yet."""
    for table, column, key in (
        ("order_events", "event_seq", "order_id"),
        ("trades", "event_seq", "trade_id"),
        ("orders", "created_event_seq", "order_id"),
        ("ledger_entries", "event_seq", "account"),
    ):
        statement = "SELECT %s, %s FROM %s WHERE %s > %%s ORDER BY %s LIMIT 1" % (column, key, table, column, column)
        for event_seq, row in comparison.rows(statement, (replay.event_seq,)):
            comparison.differ(table, event_seq, None, row, "(rows)", 0, "beyond the position")
    ((count,),) = comparison.rows("SELECT count(*) FROM trades")
    if count != replay.exchange.trade_count:
        comparison.differ("trades", None, None, "all", "(rows)", replay.exchange.trade_count, count)


def _read(column):
    if column in TIMES:
        return "round(extract(epoch FROM %s) * 1000000)::bigint AS %s" % (column, column)
    return column


def _amount(units, scale):
    """-> the amount; None where 0 stands for no limit, or no price."""
    return decimal(units, scale) if units else None


def _text(value):
    if isinstance(value, Decimal):
        return "{:f}".format(value)
    return value if isinstance(value, int) else str(value)
