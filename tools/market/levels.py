"""An order-by-order book that is told what happened and matches nothing; each change gives the step that makes the
same change at the venue. Pure."""

from sortedcontainers import SortedList

from protocol.messages import Side
from tools.market.steps import Amend, Cancel, Place


class Order:
    __slots__ = ("number", "open", "price", "side", "total")

    def __init__(self, number, side, price, quantity):
        self.number = number
        self.side = side
        self.price = price
        self.total = quantity  # what an amend states: open quantity, and what was filled
        self.open = quantity


class Level:
    __slots__ = ("orders", "quantity")

    def __init__(self):
        self.orders = {}  # number -> Order, oldest first
        self.quantity = 0


class Half:
    """One side. A key is a price with the sign that makes better prices smaller."""

    def __init__(self, side):
        self.sign = -1 if side == Side.BUY else 1
        self.levels = {}  # price -> Level
        self.keys = SortedList()

    def top(self, count):
        """-> [(price, quantity), ...] of the best `count` levels."""
        prices = [key * self.sign for key in self.keys.islice(0, count)]
        return [(price, self.levels[price].quantity) for price in prices]

    def quantity(self, price):
        level = self.levels.get(price)
        return level.quantity if level is not None else 0

    def orders(self, price):
        """-> [Order, ...] of a level, oldest first."""
        level = self.levels.get(price)
        return list(level.orders.values()) if level is not None else []

    def prices(self, worst=None):
        """-> prices with a level, the best first, up to `worst`."""
        return [key * self.sign for key in self.keys.irange(maximum=None if worst is None else worst * self.sign)]


class RecordBook:
    def __init__(self):
        self.halves = {Side.BUY: Half(Side.BUY), Side.SELL: Half(Side.SELL)}
        self._orders = {}
        self._anonymous = 0

    def named(self, message):
        """-> the open order a message names, or None where it is not known at that price."""
        order = self._orders.get(message.order_id)
        return order if order is not None and (order.side, order.price) == (message.side, message.price) else None

    def anonymous(self, side, price):
        """-> [Order, ...]: the anonymous ones of a level, oldest first."""
        return [order for order in self.halves[side].orders(price) if order.number < 0]

    def place(self, number, side, price, quantity):
        """-> Place, at the end of its level's queue."""
        half = self.halves[side]
        level = half.levels.get(price)
        if level is None:
            level = half.levels[price] = Level()
            half.keys.add(price * half.sign)
        level.orders[number] = self._orders[number] = Order(number, side, price, quantity)
        level.quantity += quantity
        return Place(number, side, price, quantity)

    def place_anonymous(self, side, price, quantity):
        self._anonymous -= 1
        return self.place(self._anonymous, side, price, quantity)

    def reduce(self, order, quantity):
        """Take `quantity`, at most what is open, off an order. -> Amend, or Cancel where nothing is left."""
        self._lower(order, quantity)
        order.total -= quantity
        return Amend(order.number, order.total) if order.open else Cancel(order.number)

    def remove(self, side, price, quantity):
        """Take `quantity`, or as much as there is, off a level. -> [Amend or Cancel, ...]"""
        steps = []
        for order in self._least_known_first(side, price):
            part = min(quantity, order.open)
            if part:
                steps.append(self.reduce(order, part))
                quantity -= part
        return steps

    def execute(self, message):
        """The level has enough. -> [(order, price, quantity), ...] of the order named, and where that is not known or
        too small, of the others."""
        order = self.named(message)
        candidates = [order] if order is not None else []
        if order is None or order.open < message.size:
            candidates += self._least_known_first(message.side, message.price)
        fills = []
        left = message.size
        for candidate in candidates:
            part = min(left, candidate.open)
            if part:
                fills.append((candidate.number, message.price, part))
                left -= part
                self._lower(candidate, part)
        assert left == 0, message
        return fills

    def _least_known_first(self, side, price):
        """Anonymous orders, oldest first, then known ones, newest first: whom to take from what nobody named had."""
        known = [order for order in self.halves[side].orders(price) if order.number > 0]
        return self.anonymous(side, price) + known[::-1]

    def _lower(self, order, quantity):
        half = self.halves[order.side]
        level = half.levels[order.price]
        order.open -= quantity
        level.quantity -= quantity
        assert order.open >= 0, order.number
        if not order.open:
            del level.orders[order.number], self._orders[order.number]
            if not level.orders:
                del half.levels[order.price]
                half.keys.remove(order.price * half.sign)
