"""What Postgres should say, derived from the exchange as it replays the journal: rows by table, a chunk at a time."""

import os

import attrs

from engine.exchange import Exchange
from engine.snapshots import SUFFIX, SnapshotDamaged, read_snapshot, snapshot_paths
from protocol.content import record_commands, record_events
from protocol.errors import JournalCorrupt
from protocol.journal import JournalReader, first_seq_of, segment_paths
from protocol.messages import FEES_ACCOUNT, AccountOpened, Deposited, OrderFilled, Withdrawn
from tools.console import Failed
from tools.journal.state import check_rules
from tools.reconcile.audit import audit_row
from tools.reconcile.comparison import decimal
from tools.reconcile.entries import OUTSIDE_ACCOUNT, Entries, Moves, entries_of, entries_of_trade
from tools.reconcile.orders import Orders

CHUNK_EVENTS = 5_000
TIMEFRAMES = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1440}
MINUTE_NS = 60 * 10**9


def limit(units, scale):
    """-> the amount; None where 0 stands for no limit, or no price."""
    return decimal(units, scale) if units else None


def us(time_ns):
    """-> microseconds, as Postgres keeps them; None for no time."""
    return time_ns // 1000 or None


@attrs.define
class Chunk:
    """Rows of some thousand events. A row is {column: value}, by the key of its table."""

    first_event_seq: int
    last_event_seq: int = 0
    order_events: dict = attrs.field(factory=dict)  # event_seq -> row
    orders: dict = attrs.field(factory=dict)  # order_id -> row of an order that has ended
    trades: dict = attrs.field(factory=dict)  # trade_id -> row
    audit_logs: dict = attrs.field(factory=dict)  # event_seq -> row
    entries: dict = attrs.field(factory=dict)  # event_seq -> Entries of an event that may have any
    moves: list = attrs.field(factory=list)  # Moves of each command that moved anything


class Replay:
    """Iterate over it: Chunks, in order, up to command `seq`. Afterwards `exchange`, `orders.open` and `candles` are as
    of then. Where the journal was pruned, it begins from the oldest snapshot that the rest of it continues:
    `start_seq`, `start_event_seq` and `start_us` are the snapshot's, else 0.

    `depth` is told of time and of orders, see depth.py. Raises JournalCorrupt, and Failed where the journal does not
    reach from the first command, or such a snapshot, to `seq`.
    """

    def __init__(self, directory, seq, advance, depth):
        check_rules(directory)
        self.directory = directory
        self.seq = seq
        self.exchange = Exchange()
        self.start_seq = self.start_event_seq = self.start_us = 0
        self.event_seq = 0
        first = first_seq_of(segment_paths(directory)[0])
        if first > 1:
            snapshot = _oldest_snapshot(directory, first - 1, seq)
            self.exchange = snapshot.exchange
            self.start_seq, self.start_event_seq = snapshot.seq, snapshot.event_seq
            self.start_us = us(snapshot.time_ns)
            self.event_seq = snapshot.event_seq
        self.orders = Orders(self.exchange)
        self.opened_at = {}  # account -> time in us, of those that were opened since
        self.candles = {}  # (instrument, timeframe, start in us) -> row, and the event of its last trade
        self._advance = advance
        self._depth = depth
        depth.begin(self.start_us * 1000)
        self._balances = self._balances_now()  # (account, asset) -> (available, reserved), as last seen
        self.moved_at = {}  # (account, asset) -> (event_seq, seq) of the last command that moved it
        self._maker = None

    def __iter__(self):
        reader = JournalReader(self.directory, self.exchange.seq + 1)
        chunk = Chunk(self.event_seq + 1)
        for path, offset, record in reader if self.exchange.seq < self.seq else ():
            self._depth.before(record.time_ns, self.exchange, self.event_seq)
            self._take(record, chunk, path, offset)
            chunk.last_event_seq = self.event_seq
            if self.exchange.seq >= self.seq:
                break
            if chunk.last_event_seq - chunk.first_event_seq >= CHUNK_EVENTS:
                yield chunk
                chunk = Chunk(self.event_seq + 1)
                self._advance(self.exchange.seq)
        if self.exchange.seq != self.seq:
            text = "Postgres is at command %d, and the journal has none of that number as the last of a record"
            raise Failed(text % self.seq)
        yield chunk

    def _take(self, record, chunk, path, offset):
        """Decide a record's commands again, and hold what they give against what they gave."""
        where = "%s at byte %d" % (path, offset)
        if record.first_seq != self.exchange.seq + 1:
            raise JournalCorrupt(path, offset, "the snapshot at command %d ends inside this record" % self.start_seq)
        journaled = iter(record_events(record))
        diverges = "%s: commands give other events now than when they were journaled; see journal verify" % where
        for _, command in record_commands(record):
            events = self.exchange.apply(self.exchange.seq + 1, record.time_ns, command)
            for event, before in zip(events, journaled):
                self.event_seq += 1
                event.event_seq, event.time_ns = self.event_seq, record.time_ns
                event.key, event.request_id = before.key, before.request_id  # whose it was, not what was decided
                if event != before:
                    raise Failed(diverges)
            self._take_command(chunk, command, events)
        if self.event_seq + 1 != record.next_event_seq:
            raise Failed(diverges)

    def _take_command(self, chunk, command, events):
        seq = self.exchange.seq
        touched = {}  # as an ordered set
        for event in events:
            row = self.orders.take(event, command, seq)
            if row is not None:
                chunk.order_events[event.event_seq] = row
            if type(event) is OrderFilled:
                self._take_fill(chunk, event, seq)
            elif type(event) is AccountOpened and event.is_new:
                self.opened_at[event.account] = us(event.time_ns)
            entries = entries_of(event, row, self.exchange)
            if entries:
                chunk.entries[event.event_seq] = Entries(seq, us(event.time_ns), entries)
            if row is not None and event.instrument in self.exchange.books:
                self._depth.touched(event.instrument, event.time_ns)
            for key in self._touched(event):
                touched[key] = True
        chunk.orders.update(self.orders.take_ended())
        row, event = audit_row(self.exchange, command, events)
        if row is not None:
            row.update(event_seq=event.event_seq, seq=seq, time=us(event.time_ns))
            chunk.audit_logs[event.event_seq] = row
        changes = self._changes(touched)
        if changes:
            chunk.moves.append(Moves(seq, events[0].event_seq, self._in_decimals(changes)))
            self.moved_at.update(dict.fromkeys(changes, (events[-1].event_seq, seq)))

    def _take_fill(self, chunk, fill, seq):
        if self._maker is None:
            self._maker = fill
            return
        maker, self._maker = self._maker, None
        instrument = self.exchange.books[fill.instrument].instrument
        price = decimal(fill.price, instrument.price_scale)
        quantity = decimal(fill.quantity, instrument.quantity_scale)
        fee_scale = instrument.quote_asset.scale if instrument.base else 0
        chunk.trades[fill.trade_id] = {
            "event_seq": fill.event_seq,
            "seq": seq,
            "time": us(fill.time_ns),
            "instrument": fill.instrument,
            "maker_order_id": maker.order_id,
            "taker_order_id": fill.order_id,
            "maker_account": maker.account,
            "taker_account": fill.account,
            "taker_side": "buy" if fill.side == 1 else "sell",
            "price": price,
            "quantity": quantity,
            "maker_fee": decimal(maker.fee, fee_scale),
            "taker_fee": decimal(fill.fee, fee_scale),
        }
        entries = entries_of_trade(maker, fill, instrument)
        if entries:
            chunk.entries[fill.event_seq] = Entries(seq, us(fill.time_ns), entries)
        for timeframe, minutes in TIMEFRAMES.items():
            interval_ns = minutes * MINUTE_NS
            self._add_to_candle((fill.instrument, timeframe, us(fill.time_ns // interval_ns * interval_ns)), fill, seq)

    def _add_to_candle(self, key, fill, seq):
        """Prices and quantities in units until they are compared."""
        candle = self.candles.get(key)
        if candle is None:
            self.candles[key] = candle = {"open": fill.price, "high": fill.price, "low": fill.price}
            candle.update(volume=0, quote_volume=0, trades=0)
        candle["high"] = max(candle["high"], fill.price)
        candle["low"] = min(candle["low"], fill.price)
        candle["close"] = fill.price
        candle["volume"] += fill.quantity
        candle["quote_volume"] += fill.price * fill.quantity
        candle["trades"] += 1
        candle.update(event_seq=fill.event_seq, seq=seq)

    # --- money -------------------------------------------------------------------------------------------------------

    def _touched(self, event):
        """Yields (account, asset) of every balance that an event may have changed."""
        if type(event) in (Deposited, Withdrawn):
            yield event.account, event.asset
            yield OUTSIDE_ACCOUNT, event.asset
            return
        book = self.exchange.books.get(getattr(event, "instrument", 0))
        if book is not None and book.instrument.base:
            yield event.account, book.instrument.base
            yield event.account, book.instrument.quote
            yield FEES_ACCOUNT, book.instrument.quote

    def _balances_now(self):
        ledger = self.exchange.ledger
        accounts = (OUTSIDE_ACCOUNT, *ledger.accounts)
        return {(account, asset): self.balance(account, asset) for account in accounts for asset in ledger.assets}

    def _changes(self, touched):
        changes = {}
        for key in touched:
            now, before = self.balance(*key), self._balances.get(key, (0, 0))
            if now != before:
                changes[key] = now[0] - before[0], now[1] - before[1]
                self._balances[key] = now
        return changes

    def _in_decimals(self, changes):
        assets = self.exchange.ledger.assets
        return {key: tuple(decimal(units, assets[key[1]].scale) for units in changes[key]) for key in changes}

    def balance(self, account, asset):
        """-> (available, reserved) as the exchange has it; of the world outside, what it has less what it gave."""
        ledger = self.exchange.ledger
        if account == OUTSIDE_ACCOUNT:
            return ledger.assets[asset].withdrawn - ledger.assets[asset].deposited, 0
        known = ledger.accounts.get(account)
        if known is None:
            return 0, 0
        return ledger.assets[asset].available[known.index], ledger.assets[asset].reserved[known.index]


def _oldest_snapshot(directory, seq_min, seq_max):
    """-> the oldest good Snapshot of these commands. Raises Failed."""
    for path in reversed(snapshot_paths(directory)):
        name = os.path.basename(path)[: -len(SUFFIX)]
        if name.isdecimal() and seq_min <= int(name) <= seq_max:
            try:
                return read_snapshot(path)
            except SnapshotDamaged:
                continue
    text = (
        "the journal starts at command %d, Postgres is at %d, and there is no good snapshot from %d to %d to begin"
        " from: compare with a copy of the journal that is whole, or has one"
    )
    raise Failed(text % (seq_min + 1, seq_max, seq_min, seq_max))
