"""Ledger entries: each held against the event that it names, and those of a command against what it moved.

What an event moves of an account is in its fields. How much of that was reserved before, or is afterwards, the exchange
tells only as of the command.
"""

from decimal import Decimal

import attrs

from protocol.messages import (
    FEES_ACCOUNT,
    Deposited,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderTriggered,
    SelfTradePrevented,
    Withdrawn,
)
from tools.reconcile.comparison import decimal, read

#: Of the ledger: the other end of deposits and withdrawals.
OUTSIDE_ACCOUNT = 0
ZERO = Decimal(0)
_OF_ONE_ORDER = (OrderAccepted, OrderAmended, OrderTriggered, OrderCancelled)
_COLUMNS = (
    "event_seq", "time", "account", "asset", "order_id", "trade_id", "type", "available_change", "reserved_change",
)  # fmt: skip


@attrs.frozen
class Moves:
    """What one command changed in the ledger: (account, asset) -> (available, reserved)."""

    seq: int
    first_event_seq: int
    changes: dict


@attrs.frozen
class Entries:
    """Of one event: (account, asset, order_id, trade_id) -> (type, what available and reserved change by together).
    Type None: one that reserves or releases, which need not be there."""

    seq: int
    time: int
    by_key: dict


def entries_of(event, row, exchange):
    """-> `by_key` of an event that is no fill; `row`: its row of order_events, or None."""
    if type(event) in (Deposited, Withdrawn):
        if event.is_duplicate:
            return {}
        kind = "deposit" if type(event) is Deposited else "withdrawal"
        amount = decimal(event.amount, exchange.ledger.assets[event.asset].scale)
        change = amount if type(event) is Deposited else -amount
        return {
            (event.account, event.asset, None, None): (kind, change),
            (OUTSIDE_ACCOUNT, event.asset, None, None): (kind, -change),
        }
    if type(event) in _OF_ONE_ORDER:
        orders = [(row["order_id"], row["side"] == "buy")]
    elif type(event) is SelfTradePrevented:
        taker_buys = row["side"] == "buy"
        orders = [(event.maker_order_id, not taker_buys), (event.taker_order_id, taker_buys)]
    else:
        return {}
    instrument = exchange.books[event.instrument].instrument
    if not instrument.base:
        return {}
    return {
        (row["account"], instrument.quote if is_buy else instrument.base, order_id, None): (None, ZERO)
        for order_id, is_buy in orders
    }


def entries_of_trade(maker, taker, instrument):
    """-> `by_key` of a trade, by its two fills."""
    if not instrument.base:
        return {}
    notional = decimal(taker.price * taker.quantity, instrument.price_scale + instrument.quantity_scale)
    quantity = decimal(taker.quantity, instrument.quantity_scale)
    entries = {}
    for fill in (maker, taker):
        of_order = fill.order_id, fill.trade_id
        fee = decimal(fill.fee, instrument.quote_asset.scale)
        base, quote = (quantity, -notional - fee) if fill.side == 1 else (-quantity, notional - fee)
        entries[(fill.account, instrument.base, *of_order)] = "trade", base
        entries[(fill.account, instrument.quote, *of_order)] = "trade", quote
    fees = decimal(maker.fee + taker.fee, instrument.quote_asset.scale)
    if fees:
        entries[FEES_ACCOUNT, instrument.quote, None, taker.trade_id] = "fee", fees
    return entries


def compare_entries(comparison, chunk):
    found = {}  # event_seq -> [(time, key, type, available, reserved), ...]
    statement = "SELECT %s FROM ledger_entries WHERE event_seq BETWEEN %%s AND %%s" % ", ".join(map(read, _COLUMNS))
    rows = comparison.rows(statement, (chunk.first_event_seq, chunk.last_event_seq))
    comparison.tables["ledger_entries"].compared += len(rows)
    for event_seq, time, *key, kind, available, reserved in rows:
        found.setdefault(event_seq, []).append((time, tuple(key), kind, available, reserved))
    commands = {moves.seq: (moves, {}) for moves in chunk.moves}  # seq -> what it moved, and what its entries come to
    differing = set()  # commands of which an entry differs: so do the sums
    for event_seq in sorted({*chunk.entries, *found}):
        entries = chunk.entries.get(event_seq)
        of_event = found.get(event_seq, [])
        differs = _event_differs(comparison, event_seq, entries, of_event)
        if entries is None:
            continue
        if differs:
            differing.add(entries.seq)
        _, sums = commands.setdefault(entries.seq, (Moves(entries.seq, event_seq, {}), {}))
        for _, (account, asset, _, _), _, available, reserved in of_event:
            before = sums.get((account, asset), (ZERO, ZERO))
            sums[account, asset] = before[0] + available, before[1] + reserved
    for seq, (moves, sums) in commands.items():
        if seq not in differing:
            _compare_sums(comparison, moves, sums)


def _event_differs(comparison, event_seq, entries, rows):
    """Compare the rows of one event, and note what differs. -> whether anything does."""
    seq, expected = (entries.seq, entries.by_key) if entries else (None, {})
    differences = []
    counts = {key: 0 for key, (kind, _) in expected.items() if kind}
    for time, key, kind, available, reserved in rows:
        counts[key] = counts.get(key, 0) + 1
        if key not in expected:
            continue
        of_kind, change = expected[key]
        of_kind = of_kind or ("reserve" if reserved > 0 else "release")
        pairs = (("time", entries.time, time), ("type", of_kind, kind), ("(change)", change, available + reserved))
        differences += [(key, *pair) for pair in pairs if pair[1] != pair[2]]
    for key, count in counts.items():
        if count != (key in expected):
            differences.append((key, "(rows)", int(key in expected), count))
    for key, column, journal, postgres in differences:
        comparison.differ("ledger_entries", event_seq, seq, _name(*key), column, journal, postgres)
    return bool(differences)


def _compare_sums(comparison, moves, sums):
    for key in {**moves.changes, **sums}:
        pairs = zip(moves.changes.get(key, (ZERO, ZERO)), sums.get(key, (ZERO, ZERO)))
        for column, (journal, postgres) in zip(("available_change", "reserved_change"), pairs):
            if journal != postgres:
                row = _name(*key)
                comparison.differ("ledger_entries", moves.first_event_seq, moves.seq, row, column, journal, postgres)


def _name(account, asset, order_id=None, trade_id=None):
    text = "account %d asset %d" % (account, asset)
    if order_id is not None:
        text += " order %d" % order_id
    return text + (" trade %d" % trade_id if trade_id is not None else "")
