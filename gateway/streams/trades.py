"""The newest trades of all markets, for clients that come back. Pure, bounded."""

from collections import deque

TRADES_MAX = 20_000


class Trades:
    """Pairs of OrderFilled, (maker, taker), in the order of the taker's event_seq."""

    def __init__(self, trades_max=TRADES_MAX):
        self._max = trades_max
        self._trades = deque()
        self.floor_seq = 0  # all trades of later events are here

    def begin(self, event_seq):
        """Nothing up to this event is known, whatever was before."""
        self._trades.clear()
        self.floor_seq = event_seq

    def add(self, maker, taker):
        self._trades.append((maker, taker))
        if len(self._trades) > self._max:
            self.floor_seq = self._trades.popleft()[1].event_seq

    def after(self, event_seq, instrument=0):
        """-> the later trades, of one instrument or (0) of all; None where some are forgotten."""
        if event_seq < self.floor_seq:
            return None
        found = []
        for trade in reversed(self._trades):
            if trade[1].event_seq <= event_seq:
                break
            if instrument in (0, trade[1].instrument):
                found.append(trade)
        found.reverse()
        return found
