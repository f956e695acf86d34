"""The public feed of each instrument: trades, depth and state, made from the events of a flush. Pure.

Depth is conflated: however often a flush touched a price, one new total goes out. Numbers (feed_seq) are per
instrument, start at 1 when the core starts, and have no gaps; a snapshot carries the number of the last change in it.
"""

from engine.queries import level_rows
from protocol import codec
from protocol.messages import (
    SNAPSHOT_LEVELS_MAX,
    DepthChanged,
    FeedSnapshot,
    InstrumentStateChanged,
    Liquidity,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderTriggered,
    SelfTradePrevented,
    Side,
    StateChanged,
    Traded,
)

ALL_LEVELS = 2**31


class Feed:
    def __init__(self, exchange):
        self.exchange = exchange
        self.feed_seq = {}  # instrument -> number of its last message
        self._latest = None  # the Snapshot made last

    def changes(self, events):
        """-> {instrument: [messages]} of one flush: trades and states in their order, then the depth they left."""
        messages = {}
        touched = {}  # (instrument, side, price) -> None; a dict, for its order
        for event in events:
            kind = type(event)
            if kind is OrderFilled:
                if event.liquidity == Liquidity.MAKER:
                    touched[(event.instrument, event.side, event.price)] = None
                else:
                    self._append(messages, event.instrument, _traded(event))
            elif kind is OrderAccepted:
                if event.open_quantity:
                    touched[(event.instrument, event.side, event.price)] = None
            elif kind is OrderCancelled:
                touched[(event.instrument, event.side, event.price)] = None
            elif kind is OrderAmended:
                touched[(event.instrument, event.side, event.previous_price)] = None
                touched[(event.instrument, event.side, event.price)] = None
            elif kind is OrderTriggered:
                if event.open_quantity:
                    touched[(event.instrument, event.side, event.price)] = None
            elif kind is SelfTradePrevented:
                maker_side = Side.BUY + Side.SELL - event.taker_side
                touched[(event.instrument, maker_side, event.price)] = None
            elif kind is InstrumentStateChanged:
                self._append(messages, event.instrument, StateChanged(event.instrument, 0, event.state, event.reason))
        depth = {}  # instrument -> level rows
        for instrument, side, price in touched:
            if price:
                quantity, count = self.exchange.books[instrument].side(side).level_at(price)
                depth.setdefault(instrument, []).append([side, price, quantity, count])
        for instrument, levels in depth.items():
            for start in range(0, len(levels), SNAPSHOT_LEVELS_MAX):
                part = levels[start : start + SNAPSHOT_LEVELS_MAX]
                self._append(messages, instrument, DepthChanged(instrument, 0, part))
        return messages

    def _append(self, messages, instrument, message):
        message.feed_seq = self.feed_seq[instrument] = self.feed_seq.get(instrument, 0) + 1
        messages.setdefault(instrument, []).append(message)

    def pass_over(self):
        """To be called instead of changes() where nobody wants to know: feed_seq stays, and yet the books change."""
        self._latest = None

    def snapshot(self, instrument):
        """-> Snapshot of the whole book as it is, to be followed by the changes after it. The latest is kept: until the
        next change of its instrument it is made once, however often it is asked for."""
        feed_seq = self.feed_seq.get(instrument, 0)
        latest = self._latest
        if latest is None or (latest.instrument, latest.feed_seq) != (instrument, feed_seq):
            latest = self._latest = Snapshot(self.exchange.books[instrument], feed_seq)
        return latest


class Snapshot:
    """A book by levels, as `count` frames of FeedSnapshot, each encoded when it is first wanted."""

    def __init__(self, book, feed_seq):
        levels = level_rows(book, ALL_LEVELS)
        parts = [levels[at : at + SNAPSHOT_LEVELS_MAX] for at in range(0, len(levels), SNAPSHOT_LEVELS_MAX)] or [[]]
        self.instrument = book.instrument.number
        self.feed_seq = feed_seq
        self.state = book.instrument.state
        self.count = len(parts)
        self._parts = parts
        self._frames = []

    def frame(self, index, request_id):
        """-> frame of the part; the parts before it have been asked for."""
        if index == len(self._frames):
            more = 1 if index < self.count - 1 else 0
            part = FeedSnapshot(self.instrument, self.feed_seq, self.state, more, self._parts[index])
            self._frames.append(codec.encode(part))
            self._parts[index] = None
        return codec.with_request_id(self._frames[index], request_id)


def _traded(event):
    """The taker's OrderFilled as the public sees it."""
    taker_side = event.side
    assert taker_side in (Side.BUY, Side.SELL)
    return Traded(event.instrument, 0, event.time_ns, event.trade_id, event.price, event.quantity, taker_side)
