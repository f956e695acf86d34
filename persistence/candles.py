"""Candles of one batch of trades, to be merged into those in the database. Pure."""

#: name -> minutes
TIMEFRAMES = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1440}
MINUTE_NS = 60 * 10**9


class Candles:
    """add() trades in the order they were made; rows() of every timeframe. O(minutes with trades) memory."""

    def __init__(self):
        self._minutes = {}  # (instrument, minute since 1970) -> [open, high, low, close, quantity, notional, trades]

    def add(self, instrument, time_ns, price, quantity):
        """`instrument`: any key; prices and quantities in its units."""
        key = (instrument, time_ns // MINUTE_NS)
        candle = self._minutes.get(key)
        if candle is None:
            self._minutes[key] = [price, price, price, price, quantity, price * quantity, 1]
            return
        if price > candle[1]:
            candle[1] = price
        elif price < candle[2]:
            candle[2] = price
        candle[3] = price
        candle[4] += quantity
        candle[5] += price * quantity
        candle[6] += 1

    def rows(self):
        """-> [(instrument, timeframe, start in seconds, open, high, low, close, quantity, notional, trades), ...]"""
        found = []
        for timeframe, minutes in TIMEFRAMES.items():
            candles = {}
            for (instrument, minute), part in self._minutes.items():  # oldest first: in the order of the trades
                key = (instrument, minute // minutes * minutes)
                candle = candles.get(key)
                if candle is None:
                    candles[key] = list(part)
                    continue
                candle[1] = max(candle[1], part[1])
                candle[2] = min(candle[2], part[2])
                candle[3] = part[3]
                for index in (4, 5, 6):
                    candle[index] += part[index]
            found += [(key[0], timeframe, key[1] * 60, *candle) for key, candle in candles.items()]
        return found
