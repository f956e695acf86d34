"""Candles of a market from its trades, minute by minute for as long as 24 hours need: what `candle` and `ticker` tell
is made of them. Pure; times are nanoseconds UTC, prices and quantities units of the market."""

import attrs

from gateway.streams.topics import TIMEFRAMES
from gateway.times import SECOND_NS

MINUTE_NS = 60 * SECOND_NS
DAY_NS = 24 * 60 * MINUTE_NS


@attrs.define
class Bar:
    """Trades of [start_ns, start_ns + its timeframe), in their order."""

    start_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    quote_volume: int = 0  # units of price x quantity
    trades: int = 0

    def add(self, later):
        """Take in a Bar of later trades."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.quote_volume += later.quote_volume
        self.trades += later.trades


def bar_of(time_ns, price, quantity):
    """-> the Bar of one trade alone, of its minute."""
    return Bar(time_ns - time_ns % MINUTE_NS, price, price, price, price, quantity, price * quantity, 1)


def sum_of(start_ns, bars):
    """Bars in their order -> one of all of them, or None."""
    total = None
    for bar in bars:
        if total is None:
            total = attrs.evolve(bar, start_ns=start_ns)
        else:
            total.add(bar)
    return total


class Minutes:
    """The Bars of a market's last 24 hours and a minute; minutes without a trade have none."""

    def __init__(self):
        self._bars = {}  # start_ns -> Bar, in their order
        self.sequence = 0  # event of the last trade
        self.last = 0  # its price
        self._seeded_seq = 0  # trades up to this event were in what the history had

    def trade(self, event_seq, time_ns, price, quantity):
        """-> whether it is new: the history may be further than what the core has told."""
        if event_seq <= self._seeded_seq:
            return False
        trade = bar_of(time_ns, price, quantity)
        start_ns = trade.start_ns
        bar = self._bars.get(start_ns)
        if bar is None:
            self._bars[start_ns] = trade
            self._forget(start_ns)
        else:
            bar.add(trade)
        self.sequence = event_seq
        self.last = price
        return True

    def seed(self, bars, last, event_seq, trades):
        """Begin anew with what the history has: Bars of minutes, the price last traded at, the event that they are as
        of, and (event_seq, time_ns, price, quantity) of the later trades."""
        self._bars = {bar.start_ns: bar for bar in bars}
        self.last = last
        self._seeded_seq = event_seq
        for trade in trades:
            self.trade(*trade)

    def since(self, start_ns):
        """-> the Bars from then on, in their order."""
        return [bar for bar in self._bars.values() if bar.start_ns >= start_ns]

    def day(self, now_ns):
        """-> a Bar of the 24 hours up to now, to the minute, or None where nothing was traded."""
        since_ns = now_ns - DAY_NS
        return sum_of(since_ns, self.since(since_ns))

    def candle(self, timeframe, now_ns):
        """-> the Bar of the timeframe that now lies in: flat, at the last price, without a trade in it; None before
        the first trade. Where a trade is later than now, by the core's clock, that is when it is."""
        newest_ns = next(reversed(self._bars), 0)
        start_ns = start_of(timeframe, max(now_ns, newest_ns))
        found = sum_of(start_ns, self.since(start_ns))
        if found is None and self.last:
            found = Bar(start_ns, self.last, self.last, self.last, self.last)
        return found

    def _forget(self, newest_ns):
        oldest_ns = newest_ns - DAY_NS - MINUTE_NS
        while True:
            start_ns = next(iter(self._bars))
            if start_ns >= oldest_ns:
                return
            del self._bars[start_ns]


def start_of(timeframe, time_ns):
    """-> when the candle began that a time lies in."""
    return time_ns - time_ns % (TIMEFRAMES[timeframe] * SECOND_NS)
