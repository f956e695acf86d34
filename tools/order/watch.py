"""`tools order watch`: the public feed of one instrument, as a live table on a terminal, else a line a message."""

import contextlib
import sys

from protocol.messages import DepthChanged, FeedSnapshot, Side, StateChanged, Traded
from tools.console import fields_of, named, print_json, utc
from tools.decimals import Scale
from tools.order.actions import book_lines

TRADES_SHOWN = 8


class Market:
    """What the feed says a book is."""

    def __init__(self, instrument):
        self.symbol = instrument.symbol
        self.state = named("state", instrument.state)
        self.prices = Scale(instrument.price_scale)
        self.quantities = Scale(instrument.quantity_scale)
        self.levels = {}  # (side, price) -> quantity
        self.trades = []  # Traded, oldest first

    def take(self, message):
        if type(message) is FeedSnapshot:
            self.levels = {}
            self.state = named("state", message.state)
        if type(message) in (FeedSnapshot, DepthChanged):
            for side, price, quantity, _ in message.levels:
                if quantity:
                    self.levels[side, price] = quantity
                else:
                    self.levels.pop((side, price), None)
        elif type(message) is Traded:
            self.trades = self.trades[1 - TRADES_SHOWN :] + [message]
        elif type(message) is StateChanged:
            self.state = named("state", message.state)

    def side(self, side):
        """[(price, quantity), ...], best first."""
        found = [(price, quantity) for (s, price), quantity in self.levels.items() if s == side]
        return sorted(found, reverse=side == Side.BUY)

    def best(self, side):
        """-> "0.5 100.00", quantity and price, or "none"."""
        for price, quantity in self.side(side)[:1]:
            return "%s %s" % (self.quantities.text(quantity), self.prices.text(price))
        return "none"

    def trade_line(self, trade):
        side = named("taker_side", trade.taker_side)
        quantity, price = self.quantities.text(trade.quantity), self.prices.text(trade.price)
        return "%s %s %s %s at %s" % (utc(trade.time_ns), self.symbol, side, quantity, price)

    def lines(self, levels):
        bids, asks = self.side(Side.BUY)[:levels], self.side(Side.SELL)[:levels]
        head = ["%s (%s)" % (self.symbol, self.state), ""]
        trades = [self.trade_line(trade) for trade in reversed(self.trades)]
        return head + book_lines(bids, asks, self.prices, self.quantities) + [""] + trades


async def watch(trader, arguments):
    """-> 0 after --count messages; Ctrl-C ends it otherwise."""
    instrument = trader.instrument(arguments.symbol)
    market = Market(instrument)
    left = arguments.count
    with trader.client.subscribe(instrument.instrument) as stream, _screen(arguments) as show:
        async for message in stream:
            market.take(message)
            show(market, message)
            if left is not None:
                left -= 1
                if left <= 0:
                    return 0
    return 0


@contextlib.contextmanager
def _screen(arguments):
    """-> show(market, message)."""
    if arguments.json or not sys.stdout.isatty():
        yield _show_json if arguments.json else _show_line
        return
    from rich.live import Live
    from rich.text import Text

    with Live(refresh_per_second=8) as live:
        yield lambda market, message: live.update(Text("\n".join(market.lines(arguments.levels))))


def _show_json(market, message):
    print_json(dict(fields_of(message, leave_out=("request_id",)), type=type(message).__name__))
    sys.stdout.flush()


def _show_line(market, message):
    if type(message) is Traded:
        print(market.trade_line(message))
    elif type(message) is StateChanged:
        print("%s is now %s %s" % (market.symbol, market.state, message.reason))
    else:
        print("%s bid %s, ask %s" % (market.symbol, market.best(Side.BUY), market.best(Side.SELL)))
    sys.stdout.flush()
