"""Snapshots of the books at a regular interval of venue time. Pure.

A snapshot for a time T is the book after everything before T. It is written where the book has changed since the one
before, so that the newest at or before any multiple of the interval is the book as it was then.
"""

import json

SECOND_NS = 10**9


class DepthRecorder:
    """`seconds`: the interval, `levels`: at most so many a side."""

    def __init__(self, seconds, levels):
        self.interval_ns = seconds * SECOND_NS
        self.levels = levels

    def due(self, instruments, time_ns):
        """To be asked before what happened at `time_ns` is applied. -> [(instrument, time in ns, bids, asks), ...]
        of the books that have changed in an interval that is over by then, sides as JSON."""
        found = []
        for instrument in instruments:
            changed_ns = instrument.book_changed_ns
            if changed_ns:
                end_ns = (changed_ns // self.interval_ns + 1) * self.interval_ns
                if time_ns >= end_ns:
                    bids = sorted(instrument.bids.items(), reverse=True)
                    sides = [self._side(instrument, levels) for levels in (bids, sorted(instrument.asks.items()))]
                    found.append((instrument, end_ns, *sides))
                    instrument.book_changed_ns = 0
        return found

    def _side(self, instrument, levels):
        price_scale, quantity_scale = instrument.price_scale, instrument.quantity_scale
        rows = []
        for price, (quantity, orders) in levels[: self.levels]:
            rows.append([decimal_text(price, price_scale), decimal_text(quantity, quantity_scale), orders])
        return json.dumps(rows, separators=(",", ":"))


def decimal_text(units, scale):
    """-> units x 10^-scale as text, every digit there."""
    sign, digits = ("-" if units < 0 else ""), str(abs(units)).rjust(scale + 1, "0")
    return sign + digits if not scale else "%s%s.%s" % (sign, digits[:-scale], digits[-scale:])
