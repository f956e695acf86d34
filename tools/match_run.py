"""Orders of a file through an exchange, each event a row of CSV: what `tools match` does between its two files."""

import attrs

from engine.exchange import Exchange
from protocol.messages import (
    CANCEL_REASONS,
    CODES,
    SIDES,
    AmendOrder,
    CancelOrder,
    CancelReason,
    CommandRejected,
    DefineInstrument,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderTriggered,
    PlaceOrder,
    SelfTradePrevented,
    SelfTradePrevention,
    Side,
)
from tools.match_input import CANCEL, NEW

EVENT_HEADER = "line,event,order_id,side,price,quantity,maker_id,taker_id,reason\n"
BOOK_HEADER = "side,price,quantity,orders\n"
INSTRUMENT = 1
SYMBOL = "MATCH"
LINES_PER_WRITE = 10_000


@attrs.define
class OpenOrder:
    name: str  # in the file
    side: int
    price: int  # 0: a market or stop order
    quantity: int  # in all


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
        self.open_orders = {}  # order id -> OpenOrder
        self.rows = self.accepted = self.rejected = self.traded = self.cancelled = self.amended = self.triggered = 0
        self._lost = {}  # order id -> what self-trade prevention took last from an order that it is about to end
        definition = DefineInstrument(
            0,
            INSTRUMENT,
            price_scale.digits,
            quantity_scale.digits,
            tick=1,
            lot=1,
            collar_bps=collar_bps,
            base=0,
            quote=0,
            admin=0,
            symbol=SYMBOL,
        )
        self._apply(definition)

    def _apply(self, command):
        return self.exchange.apply(self.exchange.seq + 1, 0, command)

    def row(
        self, row, action, name, account, side, order_type, time_in_force, post_only, price, quantity, stop_price, stp
    ):
        """Run one row of the file and keep what it gave; the arguments are those of match_input.OrderFile."""
        self.rows += 1
        order_id = self.id_of.get(name, 0)
        if action == NEW:
            if order_id:
                self._rejected(row, name, "duplicate_order_id")
                return
            command = PlaceOrder(
                account, INSTRUMENT, side, order_type, time_in_force, post_only, price, quantity, stp, stop_price
            )  # fmt: skip
        elif not order_id:
            self._rejected(row, name, "unknown_order")
            return
        elif action == CANCEL:
            command = CancelOrder(account, order_id)
        else:
            command = AmendOrder(account, order_id, price, quantity, stop_price)
        self._events(row, name, self._apply(command))
        if len(self.lines) >= LINES_PER_WRITE:
            self.flush()

    def _rejected(self, row, name, reason):
        self.rejected += 1
        self.lines.append("%d,rejected,%s,,,,,,%s\n" % (row, cell(name), reason))

    def _events(self, row, name, events):
        """A line for each event, and one for each trade: its two fills, the maker's first, are one."""
        lines = self.lines
        open_orders = self.open_orders
        maker = None
        for event in events:
            kind = type(event)
            if kind is OrderFilled:
                if maker is None:
                    maker = event
                    continue
                self.traded += 1
                taker_name = cell(open_orders[event.order_id].name)
                lines.append(
                    "%d,traded,%s,%s,%s,%s,%s,%s,\n"
                    % (
                        row,
                        taker_name,
                        SIDES[event.side],
                        self.price_text(event.price),
                        self.quantity_text(event.quantity),
                        cell(open_orders[maker.order_id].name),
                        taker_name,
                    )
                )
                for fill in (maker, event):
                    if fill.open_quantity == 0:
                        self._ended(fill.order_id)
                maker = None
            elif kind is OrderAccepted:
                self.accepted += 1
                self.id_of[name] = event.order_id
                order = open_orders[event.order_id] = OpenOrder(name, event.side, event.price, event.quantity)
                lines.append(self._line(row, "accepted", order, event.price, event.quantity))
            elif kind is OrderCancelled:
                self.cancelled += 1
                quantity = event.quantity or self._lost.pop(event.order_id)
                order, reason = open_orders[event.order_id], CANCEL_REASONS[event.reason]
                lines.append(self._line(row, "cancelled", order, event.price, quantity, reason))
                self._ended(event.order_id)
            elif kind is OrderAmended:
                order = open_orders[event.order_id]
                order.price, order.quantity = event.price, event.quantity
                self._amended(row, order)
            elif kind is OrderTriggered:
                self.triggered += 1
                order = open_orders[event.order_id]
                lines.append(self._line(row, "triggered", order, event.stop_price, order.quantity))
            elif kind is SelfTradePrevented:
                if event.mode == SelfTradePrevention.DECREMENT:
                    self._decremented(row, event.maker_order_id, event.quantity, event.maker_open_quantity)
                    self._decremented(row, event.taker_order_id, event.quantity, event.taker_open_quantity)
            else:
                assert kind is CommandRejected, event
                self._rejected(row, name, CODES[event.code])

    def _decremented(self, row, order_id, quantity, left):
        """Self-trade prevention took `quantity` off an order: it is amended, or the cancel that follows says so."""
        if left == 0:
            self._lost[order_id] = quantity
        else:
            order = self.open_orders[order_id]
            order.quantity -= quantity
            self._amended(row, order, CANCEL_REASONS[CancelReason.SELF_TRADE])

    def _amended(self, row, order, reason=""):
        self.amended += 1
        self.lines.append(self._line(row, "amended", order, order.price, order.quantity, reason))

    def _line(self, row, word, order, price, quantity, reason=""):
        price = self.price_text(price) if price else ""  # a market order has none
        quantity = self.quantity_text(quantity)
        return "%d,%s,%s,%s,%s,%s,,,%s\n" % (row, word, cell(order.name), SIDES[order.side], price, quantity, reason)

    def _ended(self, order_id):
        del self.id_of[self.open_orders.pop(order_id).name]

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
