"""The public feed of each instrument: trades, depth and state, made from the events of a flush. Pure.

Depth is conflated: however often a flush touched a price, one new total goes out. Numbers (feed_seq) are per
instrument, start at 1 when the core starts, and have no gaps; a snapshot carries the number of the last change in it.
"""

from engine.queries import level_rows
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

    def snapshot(self, instrument):
        """-> [FeedSnapshot, ...] of the whole book as it is, to be followed by the changes after it."""
        book = self.exchange.books[instrument]
        levels = level_rows(book, ALL_LEVELS)
        feed_seq = self.feed_seq.get(instrument, 0)
        parts = [levels[at : at + SNAPSHOT_LEVELS_MAX] for at in range(0, len(levels), SNAPSHOT_LEVELS_MAX)] or [[]]
        state = book.instrument.state
        return [
            FeedSnapshot(instrument, feed_seq, state, 1 if index < len(parts) - 1 else 0, part)
            for index, part in enumerate(parts)
        ]


def _traded(event):
    """The taker's OrderFilled as the public sees it."""
    taker_side = event.side
    assert taker_side in (Side.BUY, Side.SELL)
    return Traded(event.instrument, 0, event.time_ns, event.trade_id, event.price, event.quantity, taker_side)
