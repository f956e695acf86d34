"""The statements that write a batch: for each table its columns, filled from arrays by `unnest`, one array a column.
Pure. A column of type `us` comes in microseconds and is a timestamptz; a double carries those of our times exactly. One
of type `any_us` is exact for whatever time a client may name, and costs more. A column of type `derived` has no array:
it is computed from the others of its row."""

ORDER_TERMS = (
    "order_id bigint, account bigint, instrument bigint, created_event_seq bigint, created_at us, expire_time any_us, "
    "maker_ppm integer, taker_ppm integer, fee_ppm_max integer, post_only boolean, side text, type text, "
    "time_in_force text, self_trade_prevention text, client_order_id text"
)
ORDER_STATE = (
    "event_seq bigint, updated_at us, triggered_at us, ended_at us, fee_surplus integer, status text, reason text, "
    "price numeric, stop_price numeric, quantity numeric, filled_quantity numeric, open_quantity numeric, "
    "filled_notional numeric, fee numeric, reserved numeric, average_price derived"
)
ORDER_EVENTS = (
    "event_seq bigint, time us, order_id bigint, account bigint, instrument bigint, type text, side text, "
    "liquidity text, reason text, trade_id bigint, price numeric, quantity numeric, open_quantity numeric, fee numeric"
)
TRADES = (
    "trade_id bigint, time us, event_seq bigint, instrument bigint, maker_order_id bigint, taker_order_id bigint, "
    "maker_account bigint, taker_account bigint, taker_side text, price numeric, quantity numeric, maker_fee numeric, "
    "taker_fee numeric, settlement_status text"
)
LEDGER_ENTRIES = (
    "event_seq bigint, time us, account bigint, asset bigint, order_id bigint, trade_id bigint, type text, "
    "available_change numeric, reserved_change numeric"
)
BALANCES = "account bigint, asset bigint, available numeric, reserved numeric, event_seq bigint"
CANDLES = (
    "instrument bigint, timeframe text, start us, open numeric, high numeric, low numeric, close numeric, "
    "volume numeric, quote_volume numeric, trades bigint"
)
DEPTH_SNAPSHOTS = "instrument bigint, time us, event_seq bigint, bids jsonb, asks jsonb"
AUDIT_LOGS = (
    "event_seq bigint, time us, admin bigint, action text, account bigint, instrument bigint, asset bigint, "
    "reason text, details jsonb"
)
MARKETS = "instrument bigint, last_price numeric, book_changed_at us"


#: Kinds whose arrays are of ints; those of the others are of text.
INTS = ("bigint", "integer", "boolean", "us", "any_us")


def columns_of(specification):
    """-> [(name, type), ...]"""
    return [tuple(column.split()) for column in specification.split(", ")]


def names_of(specification):
    return [name for name, _ in columns_of(specification)]


_EXPRESSIONS = {
    "us": "to_timestamp(r.{0}::float8 / 1000000)",
    "any_us": "to_timestamp(r.{0} / 1000000) + mod(r.{0}, 1000000) * interval '1 microsecond'",
    "jsonb": "r.{0}::jsonb",
}
_DERIVED = {"average_price": "r.filled_notional / NULLIF(r.filled_quantity, 0)"}


def rows_of(specification):
    """-> "SELECT ... FROM (SELECT unnest(...), ...)": the rows, each column under its own name, of one parameter a
    column. In the list of a SELECT, since FROM unnest(...) writes all rows to a store first, at twice the cost."""
    arrays, values = [], []
    for name, kind in columns_of(specification):
        if kind == "derived":
            values.append(_DERIVED[name] + " AS " + name)
            continue
        array_of = {"us": "bigint", "any_us": "bigint", "jsonb": "text"}.get(kind, kind)
        arrays.append("unnest(%%s::%s[]) AS %s" % (array_of, name))
        values.append(_EXPRESSIONS.get(kind, "r.{0}").format(name) + " AS " + name)
    return "SELECT %s FROM (SELECT %s) AS r" % (", ".join(values), ", ".join(arrays))


def _insert(table, specification, end=""):
    return "INSERT INTO %s (%s) %s%s" % (table, ", ".join(names_of(specification)), rows_of(specification), end)


def _update(table, key, specification):
    changed = [name for name in names_of(specification) if name not in key]
    text = "UPDATE %s AS t SET %s FROM (%s) AS n WHERE %s"
    assignments = ", ".join("%s = n.%s" % (name, name) for name in changed)
    return text % (table, assignments, rows_of(specification), " AND ".join("t.%s = n.%s" % (k, k) for k in key))


_MERGE_CANDLES = """
    ON CONFLICT (instrument, timeframe, start) DO UPDATE SET high = greatest(candles.high, excluded.high),
        low = least(candles.low, excluded.low), close = excluded.close, volume = candles.volume + excluded.volume,
        quote_volume = candles.quote_volume + excluded.quote_volume, trades = candles.trades + excluded.trades
"""
#: A row has to stand before it is added to: the check on balances would see what is added by itself.
_EMPTY_BALANCES = """
    INSERT INTO balances (account, asset, available, reserved, event_seq)
    SELECT n.account, n.asset, 0, 0, 0 FROM (%s) AS n ON CONFLICT DO NOTHING
""" % rows_of(BALANCES)  # fmt: skip
_ADD_BALANCES = """
    UPDATE balances AS t SET available = t.available + n.available, reserved = t.reserved + n.reserved,
        event_seq = n.event_seq
    FROM (%s) AS n WHERE t.account = n.account AND t.asset = n.asset
""" % rows_of(BALANCES)  # fmt: skip

NEW_ORDERS = ORDER_TERMS + ", " + ORDER_STATE
CHANGED_ORDERS = "order_id bigint, " + ORDER_STATE
UNSETTLED = "trade_id bigint, time us"

#: (rows of a batch.Batch, statement), in the order in which they run.
STATEMENTS = [
    ("new_orders", _insert("orders", NEW_ORDERS)),
    ("changed_orders", _update("orders", ["order_id"], CHANGED_ORDERS)),
    ("order_events", _insert("order_events", ORDER_EVENTS)),
    ("trades", _insert("trades", TRADES)),
    ("unsettled", _insert("settlement_queue", UNSETTLED)),
    ("ledger_entries", _insert("ledger_entries", LEDGER_ENTRIES)),
    ("balances", _EMPTY_BALANCES),
    ("balances", _ADD_BALANCES),
    ("candles", _insert("candles", CANDLES, _MERGE_CANDLES)),
    ("depth_snapshots", _insert("depth_snapshots", DEPTH_SNAPSHOTS)),
    ("audit_logs", _insert("audit_logs", AUDIT_LOGS)),
    ("markets", _update("instruments", ["instrument"], MARKETS)),
]

#: What administrators do -> statement, by the names in administration.py.
CHANGES = {
    "asset": """
        INSERT INTO assets (asset, symbol, scale, event_seq)
        VALUES (%(asset)s, %(symbol)s, %(scale)s, %(event_seq)s)
    """,
    "instrument": """
        INSERT INTO instruments (instrument, symbol, base, quote, price_scale, quantity_scale, tick, lot, collar_bps,
            state, event_seq)
        VALUES (%(instrument)s, %(symbol)s, %(base)s, %(quote)s, %(price_scale)s, %(quantity_scale)s, %(tick)s,
            %(lot)s, %(collar_bps)s, 'open', %(event_seq)s)
    """,
    "instrument_state": """
        UPDATE instruments SET state = %(state)s, event_seq = %(event_seq)s WHERE instrument = %(instrument)s
    """,
    "instrument_limits": """
        UPDATE instruments SET quantity_min = %(quantity_min)s, quantity_max = %(quantity_max)s,
            notional_min = %(notional_min)s, band_bps = %(band_bps)s, event_seq = %(event_seq)s
        WHERE instrument = %(instrument)s
    """,
    "fees": """
        INSERT INTO fees (instrument, tier, maker_ppm, taker_ppm, event_seq)
        VALUES (%(instrument)s, %(tier)s, %(maker_ppm)s, %(taker_ppm)s, %(event_seq)s)
        ON CONFLICT (instrument, tier) DO UPDATE SET maker_ppm = excluded.maker_ppm, taker_ppm = excluded.taker_ppm,
            event_seq = excluded.event_seq
    """,
    "account": """
        INSERT INTO accounts (account, user_id, opened_at, event_seq)
        VALUES (%(account)s, %(user_id)s, to_timestamp(%(opened_us)s::float8 / 1000000), %(event_seq)s)
    """,
    "account_tier": "UPDATE accounts SET tier = %(tier)s, event_seq = %(event_seq)s WHERE account = %(account)s",
    "account_blocked": """
        UPDATE accounts SET is_blocked = %(is_blocked)s, event_seq = %(event_seq)s WHERE account = %(account)s
    """,
    "account_open_orders": """
        UPDATE accounts SET open_orders_max = %(open_orders_max)s, event_seq = %(event_seq)s WHERE account = %(account)s
    """,
    "account_rate": """
        UPDATE accounts SET commands_per_second = %(commands_per_second)s, event_seq = %(event_seq)s
        WHERE account = %(account)s
    """,
    "limits": """
        INSERT INTO limits (account, asset, order_notional_max, daily_notional_max, second_factor_above, event_seq)
        VALUES (%(account)s, %(asset)s, %(order_notional_max)s, %(daily_notional_max)s, %(second_factor_above)s,
            %(event_seq)s)
        ON CONFLICT (account, asset) DO UPDATE SET order_notional_max = excluded.order_notional_max,
            daily_notional_max = excluded.daily_notional_max, second_factor_above = excluded.second_factor_above,
            event_seq = excluded.event_seq
    """,
}
