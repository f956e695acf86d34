"""How far the venue agreed with the exchange's own record: what is counted, and what known files are known to reach.
Pure."""

import attrs

from protocol.messages import Side
from tools.market.steps import Place, Take

MORE, LESS = 1, -1  # which way a figure is better; 0: neither

#: figure -> (what it counts, which way it is better). In the order of the report.
FIGURES = {
    "messages": ("messages in the file", 0),
    "commands": ("commands sent", 0),
    "rejected": ("commands rejected", LESS),
    "aggressors": ("aggressors", 0),
    "aggressors_right": ("  with the exchange's quantity at every price", MORE),
    "aggressors_same_orders": ("  with the exchange's very orders", MORE),
    "aggressors_anonymous": ("  with a maker known to neither but by its price", 0),
    "crossing_adds": ("limit orders that crossed", LESS),
    "rows": ("rows compared", 0),
    "best_right": ("  best bid and ask right", MORE),
    "rows_right": ("  every level right", MORE),
    "rows_explained": ("  every level right that the row before and the message tell of", MORE),
    "rows_revealed": ("  with a level that came into the file's range", 0),
    "deep_rows": ("deep rows compared", 0),
    "deep_rows_right": ("  every level right", MORE),
    "depth_right": ("the venue's own depth at the end is what its events made (1: yes)", MORE),
    "starting_levels": ("levels of the starting book, an order each", 0),
    "depth_revealed": ("corrections: levels that came into the file's range", 0),
    "levels_unexplained": ("corrections: levels that no message explains", LESS),
    "stale_liquidity": ("corrections: levels an aggressor of the record passed by", 0),
    "missing_liquidity": ("corrections: levels executed beyond what the record had shown", 0),
    "queue_restored": ("corrections: levels queued again in the exchange's order", 0),
    "ends_of_orders_never_shown": ("messages that end an order the record never showed", 0),
}

#: (messages, order id of the first) of a known file -> the figures seen, at least (at most where less is better).
KNOWN = {
    (91_997, 16_113_575): {  # AAPL, 2012-06-21, 09:30 to 10:30
        "aggressors_right": 3290,
        "aggressors_same_orders": 3277,
        "crossing_adds": 0,
        "best_right": 91_907,
        "deep_rows_right": 664,
        "rejected": 0,
        "depth_right": 1,
    },
    (147_916, 15_818_974): {  # GOOG, 2012-06-21
        "aggressors_right": 5931,
        "aggressors_same_orders": 5827,
        "best_right": 147_916,
        "rows_right": 141_430,
        "crossing_adds": 0,
        "rows_explained": 147_916,
        "levels_unexplained": 0,
        "rejected": 0,
        "depth_right": 1,
    },
}


@attrs.define
class Agreement:
    """Figures of one data set; those of a kind the files do not allow stay 0."""

    has_full_rows: bool
    levels: int
    deep_levels: int
    figures: dict = attrs.field(factory=lambda: dict.fromkeys(FIGURES, 0))
    examples: list = attrs.field(factory=list)  # of disagreement, as text
    examples_max: int = 20

    def row(self, number, book, row, known, previous, deep=None):
        """Compare the venue's book with the exchange's row. `known` is the row before the last command, `previous`
        the row before this one; `deep` a row of deep_levels, or None."""
        figures = self.figures
        figures["rows"] += 1
        best = all(book.top(side, 1) == want[:1] for side, want in ((Side.BUY, row.bids), (Side.SELL, row.asks)))
        figures["best_right"] += best
        if not best:
            self._example("message %d: best %s %s, the exchange had %s" % (number, book.top(1, 1), book.top(2, 1), row))
        if self.has_full_rows:
            self._levels(number, book, row, known, previous)
        if deep is not None:
            figures["deep_rows"] += 1
            figures["deep_rows_right"] += (
                book.top(Side.BUY, self.deep_levels) == deep.bids and book.top(Side.SELL, self.deep_levels) == deep.asks
            )

    def _levels(self, number, book, row, known, previous):
        levels = self.levels
        is_right = is_explained = True
        is_revealed = False
        for side, want, known_side, before in (
            (Side.BUY, row.bids, known.bids, previous.bids),
            (Side.SELL, row.asks, known.asks, previous.asks),
        ):
            have = book.top(side, levels)
            if have != want:
                is_right = False
                is_explained &= _within(have, side, known_side, levels) == _within(want, side, known_side, levels)
            is_revealed |= len(_within(want, side, before, levels)) < len(want)
        self.figures["rows_right"] += is_right
        self.figures["rows_explained"] += is_explained
        self.figures["rows_revealed"] += is_revealed
        if not is_explained:
            self._example("message %d: the book differs from the exchange's %d levels" % (number, levels))

    def done(self, step, fills):
        """A command has been answered in full; fills as Take.fills."""
        figures = self.figures
        figures["commands"] += 1
        if type(step) is Place:
            figures["crossing_adds"] += bool(fills)
        elif type(step) is Take:
            figures["aggressors"] += 1
            is_right = _by(fills, 1) == _by(step.fills, 1)
            figures["aggressors_right"] += is_right
            figures["aggressors_same_orders"] += _by(fills, 0) == _by(step.fills, 0)
            figures["aggressors_anonymous"] += any(order < 0 for order, _, _ in step.fills)
            if not is_right:
                self._example("aggressor %s: the venue filled %s" % (step, fills))

    def _example(self, text):
        if len(self.examples) < self.examples_max:
            self.examples.append(text)


def _by(fills, column):
    """-> [(order or price, quantity), ...] in the order of the first fill of each."""
    sums = {}
    for fill in fills:
        sums[fill[column]] = sums.get(fill[column], 0) + fill[2]
    return list(sums.items())


def _within(levels, side, known, count):
    """The levels not worse than the worst of `known`; all where that shows the whole side."""
    if len(known) < count:
        return levels
    worst = known[-1][0]
    return [level for level in levels if (level[0] >= worst if side == Side.BUY else level[0] <= worst)]


def known_minimums(data_set, is_whole, agreement):
    """-> {figure: bound} to hold this run to: of a known file if it was read to its end, else what must always hold."""
    known = KNOWN.get((len(data_set.messages), data_set.messages[0].order_id))
    if known is not None and is_whole:
        return known
    figures = agreement.figures
    bounds = {"aggressors_right": figures["aggressors"], "crossing_adds": 0, "rejected": 0, "depth_right": 1}
    if agreement.has_full_rows:
        bounds.update({"rows_explained": figures["rows"], "levels_unexplained": 0})
    return bounds


def shortfalls(figures, bounds):
    """-> [text, ...], one for each figure that is worse than its bound."""
    found = []
    for name, bound in bounds.items():
        better = FIGURES[name][1]
        value = figures[name]
        if value != bound and not (better and (value - bound) * better > 0):
            words = {MORE: "at least", LESS: "at most", 0: "exactly"}[better]
            found.append("%s is %d, expected %s %d" % (name, value, words, bound))
    return found
