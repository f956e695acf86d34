"""Orders of a file through an exchange, each event a row of CSV: what `tools match` does between its two files."""

from engine.exchange import Exchange
from protocol.messages import (
    CANCEL_REASONS,
    CODES,
    SIDES,
    AmendOrder,
    CancelOrder,
    CommandRejected,
    DefineInstrument,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    PlaceOrder,
    Side,
)
from tools.match_input import CANCEL, NEW

EVENT_HEADER = "line,event,order_id,side,price,quantity,maker_id,taker_id,reason\n"
BOOK_HEADER = "side,price,quantity,orders\n"
INSTRUMENT = 1
SYMBOL = "MATCH"
LINES_PER_WRITE = 10_000


class MatchRun:
    """One instrument, and the names its open orders have in the file. Memory: the open orders, nothing that ended."""

    def __init__(self, price_scale, quantity_scale, collar_bps, write):
        """`write(text)` is called with whole lines, many at a time."""
        self.exchange = Exchange()
        self.price_text = price_scale.text
        self.quantity_text = quantity_scale.text
        self.write = write
        self.lines = [EVENT_HEADER]
        self.id_of = {}  # name in the file -> order id, of open orders
        self.name_of = {}  # order id -> name in the file
        self.rows = self.accepted = self.rejected = self.traded = self.cancelled = self.amended = 0
        definition = DefineInstrument(
            0,
            INSTRUMENT,
            price_scale.digits,
            quantity_scale.digits,
            tick=1,
            lot=1,
            collar_bps=collar_bps,
            symbol=SYMBOL,
        )
        self._apply(definition)

    def _apply(self, command):
        return self.exchange.apply(self.exchange.seq + 1, 0, command)

    def row(self, row, action, name, account, side, order_type, time_in_force, post_only, price, quantity):
        """Run one row of the file and keep what it gave; the arguments are those of match_input.OrderFile."""
        self.rows += 1
        order_id = self.id_of.get(name, 0)
        if action == NEW:
            if order_id:
                self._rejected(row, name, "duplicate_order_id")
                return
            command = PlaceOrder(
                account, INSTRUMENT, side, order_type, time_in_force, post_only, price, quantity
            )  # fmt: skip
        elif not order_id:
            self._rejected(row, name, "unknown_order")
            return
        elif action == CANCEL:
            command = CancelOrder(account, order_id)
        else:
            command = AmendOrder(account, order_id, price, quantity)
        self._events(row, name, self._apply(command))
        if len(self.lines) >= LINES_PER_WRITE:
            self.flush()

    def _rejected(self, row, name, reason):
        self.rejected += 1
        self.lines.append("%d,rejected,%s,,,,,,%s\n" % (row, cell(name), reason))

    def _events(self, row, name, events):
        """A line for each event, and one for each trade: its two fills, the maker's first, are one."""
        lines = self.lines
        own = cell(name)
        maker = None
        for event in events:
            kind = type(event)
            if kind is OrderFilled:
                if maker is None:
                    maker = event
                    continue
                self.traded += 1
                maker_name = self.name_of[maker.order_id]
                lines.append(
                    "%d,traded,%s,%s,%s,%s,%s,%s,\n"
                    % (
                        row,
                        own,
                        SIDES[event.side],
                        self.price_text(event.price),
                        self.quantity_text(event.quantity),
                        cell(maker_name),
                        own,
                    )
                )
                if maker.open_quantity == 0:
                    self._ended(maker.order_id, maker_name)
                maker = None
            elif kind is OrderAccepted:
                self.accepted += 1
                lines.append(self._order_line(row, "accepted", own, event, ""))
                if event.open_quantity:
                    self.id_of[name] = event.order_id
                    self.name_of[event.order_id] = name
            elif kind is OrderCancelled:
                self.cancelled += 1
                lines.append(self._order_line(row, "cancelled", own, event, CANCEL_REASONS[event.reason]))
                if event.order_id in self.name_of:
                    self._ended(event.order_id, name)
            elif kind is OrderAmended:
                self.amended += 1
                lines.append(self._order_line(row, "amended", own, event, ""))
                if event.open_quantity == 0:
                    self._ended(event.order_id, name)
            else:
                assert kind is CommandRejected, event
                self._rejected(row, name, CODES[event.code])

    def _order_line(self, row, word, own, event, reason):
        price = self.price_text(event.price) if event.price else ""  # a market order has none
        quantity = self.quantity_text(event.quantity)
        return "%d,%s,%s,%s,%s,%s,,,%s\n" % (row, word, own, SIDES[event.side], price, quantity, reason)

    def _ended(self, order_id, name):
        del self.name_of[order_id]
        del self.id_of[name]

    def flush(self):
        """Write the lines kept so far."""
        self.write("".join(self.lines))
        self.lines = []

    def book_text(self):
        """-> the book as CSV: bids from the highest, then asks from the lowest."""
        book = self.exchange.books[INSTRUMENT]
        lines = [BOOK_HEADER]
        for side, half in ((Side.BUY, book.bids), (Side.SELL, book.asks)):
            for price, quantity, orders in half.depth(len(half.keys)):
                values = (SIDES[side], self.price_text(price), self.quantity_text(quantity), orders)
                lines.append("%s,%s,%s,%d\n" % values)
        return "".join(lines)


def cell(text):
    """-> the text as one cell of CSV, quoted where it must be."""
    if "," in text or '"' in text or "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text
