"""One market's order book by levels, as the core's public feed tells it, ready to be written. Pure."""

from bisect import bisect_left, insort

from protocol.messages import Side


class _Levels:
    """One side. A level is kept as its JSON, so that a snapshot is a join."""

    def __init__(self):
        self.prices = []  # ascending
        self.rows = {}  # price -> JSON of [price, quantity]
        self.quantities = {}  # price -> units

    def set(self, price, quantity, row):
        if quantity:
            if price not in self.rows:
                insort(self.prices, price)
            self.rows[price] = row
            self.quantities[price] = quantity
        elif price in self.rows:
            del self.prices[bisect_left(self.prices, price)]
            del self.rows[price]
            del self.quantities[price]


class LevelBook:
    """replace() by a snapshot, then change() by what follows. `sequence` is the feed_seq of the last."""

    def __init__(self, market):
        self._market = market
        self._sides = {Side.BUY: _Levels(), Side.SELL: _Levels()}
        self.sequence = 0

    def replace(self, sequence, levels):
        """`levels`: rows of messages.LEVEL_COLUMNS."""
        self._sides = {Side.BUY: _Levels(), Side.SELL: _Levels()}
        self.sequence = sequence
        for side, price, quantity, _ in levels:
            self._sides[side].set(price, quantity, self._row(price, quantity))

    def change(self, sequence, levels):
        """-> {(side, price): JSON row} of the new totals."""
        self.sequence = sequence
        changed = {}
        for side, price, quantity, _ in levels:
            row = changed[(side, price)] = self._row(price, quantity)
            self._sides[side].set(price, quantity, row)
        return changed

    def best(self):
        """-> (best bid, its quantity, best ask, its quantity), a None for each that there is not."""
        bids, asks = self._sides[Side.BUY], self._sides[Side.SELL]
        bid = bids.prices[-1] if bids.prices else None
        ask = asks.prices[0] if asks.prices else None
        return bid, bids.quantities.get(bid), ask, asks.quantities.get(ask)

    def rows(self):
        """-> JSON arrays of the bids from the highest and the asks from the lowest. O(levels)."""
        bids, asks = self._sides[Side.BUY], self._sides[Side.SELL]
        return array([bids.rows[price] for price in reversed(bids.prices)]), array(
            [asks.rows[price] for price in asks.prices]
        )

    def _row(self, price, quantity):
        market = self._market
        return b'["%s","%s"]' % (market.price(price).encode(), market.quantity(quantity).encode())


def array(rows):
    """JSON texts -> JSON text of an array of them."""
    return b"[" + b",".join(rows) + b"]"
