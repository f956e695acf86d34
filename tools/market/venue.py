"""What the venue's events say: which order is whose, what an aggressor got, and the book they make. Pure.

Commands are answered in the order of sending, and a row's place among them says which events belong before it: so the
book is looked at exactly where the exchange's row was taken, however many commands are on their way.
"""

from collections import deque

import attrs
from sortedcontainers import SortedDict

from protocol.messages import (
    CODES,
    CancelReason,
    CommandRejected,
    Liquidity,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    Side,
)
from tools.market.steps import Place


class OutOfStep(Exception):
    """An event that answers nothing of ours: somebody else uses this account, or the venue lost its order."""


class VenueBook:
    """Depth by price, from the events of the one account that trades."""

    def __init__(self):
        self.sides = {Side.BUY: SortedDict(), Side.SELL: SortedDict()}  # price, bids negated -> quantity
        self._open = {}  # order id -> open quantity

    def add(self, side, price, quantity):
        """Change a level's quantity by `quantity`."""
        levels = self.sides[side]
        key = -price if side == Side.BUY else price
        total = levels.get(key, 0) + quantity
        if total:
            levels[key] = total
        else:
            del levels[key]

    def top(self, side, count):
        """-> [(price, quantity), ...] of the best `count` levels."""
        return [(abs(key), quantity) for key, quantity in self.sides[side].items()[:count]]

    def apply(self, event):
        """An event of an order that rests; fills of makers are taken apart by the caller, see Follower."""
        kind = type(event)
        if kind is OrderAccepted and event.open_quantity:
            self._open[event.order_id] = event.open_quantity
            self.add(event.side, event.price, event.open_quantity)
        elif kind is OrderAmended:
            self.add(event.side, event.previous_price, -self._open[event.order_id])
            self._open[event.order_id] = event.open_quantity
            self.add(event.side, event.price, event.open_quantity)
        elif kind is OrderCancelled and event.reason != CancelReason.IOC_REMAINDER:
            self.add(event.side, event.price, -self._open.pop(event.order_id))

    def filled(self, event):
        """A maker's fill, as far as the order is concerned; the level is the caller's."""
        if event.open_quantity:
            self._open[event.order_id] = event.open_quantity
        else:
            self._open.pop(event.order_id, None)


@attrs.define
class _Sent:
    request_id: int
    step: object
    rows: deque  # of a Take: (cumulative quantity, row number) still to be looked at on the way
    is_answered: bool = False
    missing: int = 0  # quantity of taker fills still to come
    has_remainder: bool = False  # an OrderCancelled is still to come
    taken: int = 0
    fills: list = attrs.field(factory=list)  # [(order, price, quantity), ...]


class Follower:
    """sent() and row() in the order of the record, take() each event; `on_row(number, book)` and
    `on_done(step, fills)` are called in that order too."""

    def __init__(self, on_row, on_done):
        self.book = VenueBook()
        self.order_ids = {}  # record's order -> the venue's order id
        self.in_flight = 0
        self.rejected = []  # (step, name of the code)
        self._orders = {}  # the venue's order id -> record's order
        self._waiting = deque()  # _Sent, or a row's number
        self._on_row = on_row
        self._on_done = on_done

    def sent(self, request_id, step, rows=()):
        """A step is on its way. `rows` of a Take: (quantity executed by then, row number)."""
        self._waiting.append(_Sent(request_id, step, deque(rows)))
        self.in_flight += 1
        if type(step) is Place:
            self.order_ids.pop(step.order, None)

    def row(self, number):
        """The book after what was sent so far is to be looked at."""
        self._waiting.append(number)
        self._advance()

    def take(self, event):
        """An event of our account. Raises OutOfStep."""
        sent = self._waiting[0] if self._waiting else None
        if sent is None or event.request_id != sent.request_id:
            raise OutOfStep("%s of request %d" % (type(event).__name__, event.request_id))
        kind = type(event)
        if kind is CommandRejected:
            self.rejected.append((sent.step, CODES[event.code]))
            if type(sent.step) is Place:
                self.order_ids[sent.step.order] = 0  # what cancels it will be rejected too
        elif kind is OrderAccepted:
            sent.missing = event.filled_quantity
            sent.has_remainder = event.filled_quantity + event.open_quantity < event.quantity
            if type(sent.step) is Place:
                self.order_ids[sent.step.order] = event.order_id
                self._orders[event.order_id] = sent.step.order
            self.book.apply(event)
        elif kind is OrderFilled:
            self._fill(sent, event)
        else:
            sent.has_remainder = False
            self.book.apply(event)
        if not sent.missing and not sent.has_remainder:
            self._waiting.popleft()
            self.in_flight -= 1
            while sent.rows:
                self._on_row(sent.rows.popleft()[1], self.book)
            self._on_done(sent.step, sent.fills)
            self._advance()

    def _fill(self, sent, event):
        """A maker's fill moves the book, stopping at each row the exchange took on the way."""
        if event.liquidity == Liquidity.TAKER:
            sent.missing -= event.quantity
            return
        order = self._orders.get(event.order_id)
        if order is None:
            raise OutOfStep("fill of order %d, which was here before" % event.order_id)
        sent.fills.append((order, event.price, event.quantity))
        self.book.filled(event)
        left = event.quantity
        while sent.rows and sent.rows[0][0] <= sent.taken + left:
            until, number = sent.rows.popleft()
            part = until - sent.taken
            if part:
                self.book.add(event.side, event.price, -part)
            sent.taken += part
            left -= part
            self._on_row(number, self.book)
        if left:
            self.book.add(event.side, event.price, -left)
            sent.taken += left

    def _advance(self):
        while self._waiting and type(self._waiting[0]) is int:
            self._on_row(self._waiting.popleft(), self.book)
