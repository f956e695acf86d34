"""The state at the end: reference data, balances, candles, settlement, and what should not be there."""

from decimal import Decimal

from protocol.messages import INSTRUMENT_STATES
from tools.reconcile.comparison import UNKNOWN, decimal, read
from tools.reconcile.entries import OUTSIDE_ACCOUNT
from tools.reconcile.expected import limit

CANDLES = ("open", "high", "low", "close", "volume", "quote_volume", "trades")


def compare_reference(comparison, replay):
    """Assets, instruments, fees, accounts and limits: as the exchange has them now."""
    exchange = replay.exchange
    ledger = exchange.ledger
    assets = {asset.number: (asset.symbol, asset.scale) for asset in ledger.assets.values()}
    _compare_values(comparison, "assets", ("asset",), ("symbol", "scale"), assets)
    instruments, fees = {}, {}
    for number, book in exchange.books.items():
        i = book.instrument
        limits = (limit(i.quantity_min, i.quantity_scale), limit(i.quantity_max, i.quantity_scale))
        instruments[number] = (
            i.symbol, i.base or None, i.quote or None, i.price_scale, i.quantity_scale, decimal(i.tick, i.price_scale),
            decimal(i.lot, i.quantity_scale), i.collar_bps, INSTRUMENT_STATES[i.state], *limits,
            limit(i.notional_min, i.price_scale + i.quantity_scale), i.band_bps or None,
            limit(book.last_price, i.price_scale),
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
            opened_at = replay.opened_at.get(account.number, UNKNOWN)
            row = (account.user, account.tier, bool(account.is_blocked), account.open_orders_max or None, rate)
            accounts[account.number] = (*row, opened_at)
        for asset, of in account.limits.items():
            scale = ledger.assets[asset].scale
            amounts = (of.order_notional_max, of.daily_notional_max, of.second_factor_above)
            limits_of[account.number, asset] = tuple(limit(amount, scale) for amount in amounts)
    columns = ("user_id", "tier", "is_blocked", "open_orders_max", "commands_per_second", "opened_at")
    _compare_values(comparison, "accounts", ("account",), columns, accounts)
    columns = ("order_notional_max", "daily_notional_max", "second_factor_above")
    _compare_values(comparison, "limits", ("account", "asset"), columns, limits_of, may_be_empty=True)


def _compare_values(comparison, table, keys, columns, expected, may_be_empty=False):
    """`expected`: {key, a tuple where it is two columns: values}. `may_be_empty`: a row of nulls is as good as none."""
    names = ", ".join(read(column) for column in keys + columns)
    rows = comparison.rows("SELECT %s, event_seq FROM %s" % (names, table))
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
            if journal != postgres and journal is not UNKNOWN:
                comparison.differ(table, event_seq, None, key, column, journal, postgres)


def compare_balances(comparison, replay):
    """Of every account and asset; and that they are the sums of the ledger's entries, as of the last of these."""
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
    for account, asset, event_seq, available, reserved, last, entered, held in comparison.rows(
        """SELECT account, asset, b.event_seq, b.available, b.reserved, e.event_seq, e.available, e.reserved
        FROM balances b
        FULL JOIN (
            SELECT account, asset, max(event_seq) AS event_seq, sum(available_change) AS available,
                sum(reserved_change) AS reserved
            FROM ledger_entries GROUP BY account, asset
        ) e USING (account, asset)
        WHERE coalesce(b.available, 0) <> coalesce(e.available, 0)
            OR coalesce(b.reserved, 0) <> coalesce(e.reserved, 0) OR b.event_seq IS DISTINCT FROM e.event_seq"""
    ):
        row = "account %d asset %d" % (account, asset)
        if (available or 0, reserved or 0) != (entered or 0, held or 0):
            sums = "%s and %s" % (available, reserved), "entries come to %s and %s" % (entered, held)
            comparison.differ("balances", event_seq, None, row, "(sum of entries)", sums[1], sums[0])
        if event_seq != last:
            comparison.differ("balances", last, None, row, "event_seq", last, event_seq)


def compare_candles(comparison, replay):
    """Of those that began before a snapshot from which the replay begins, a part is not known: they are left out."""
    expected = {}
    for key, candle in replay.candles.items():
        if key[2] <= replay.start_us:
            continue
        instrument = replay.exchange.books[key[0]].instrument
        row = {"event_seq": candle["event_seq"], "seq": candle["seq"], "trades": candle["trades"]}
        for column in ("open", "high", "low", "close"):
            row[column] = decimal(candle[column], instrument.price_scale)
        row["volume"] = decimal(candle["volume"], instrument.quantity_scale)
        row["quote_volume"] = decimal(candle["quote_volume"], instrument.price_scale + instrument.quantity_scale)
        expected[key] = row
    found = {}
    names = ", ".join(read(column) for column in ("instrument", "timeframe", "start", *CANDLES))
    for row in comparison.rows("SELECT %s FROM candles" % names):
        if row[2] <= replay.start_us:
            continue
        found.setdefault(row[:3], []).append(dict(zip(CANDLES, row[3:])))
    comparison.compare_rows("candles", (None, *CANDLES), expected, found)


def compare_settlement(comparison):
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


def compare_beyond(comparison, replay):
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
