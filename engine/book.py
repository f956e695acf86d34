"""One instrument's order book: two sides of price levels, each level a first-in first-out list of slots. Pure.

It keeps places, not orders: what an order is stands in orders.py. A level is a small number too, an index into flat
lists, so that 1,000,000 resting orders are a few dozen lists to a collector.
"""

from sortedcontainers import SortedList

from engine.orders import NIL
from protocol.messages import Side

NO_LEVEL = -1


class BookSide:
    """The bids or the asks, or the stop orders of one side. Levels are sorted by `key`, best first: the price for asks
    and buy stops, minus the price for bids and sell stops."""

    def __init__(self, orders, sign, prices):
        """`prices`: the column of orders that places an order, its limit or its stop price."""
        self.orders = orders
        self.sign = sign
        self.prices = prices
        self.keys = SortedList()
        self.level_of = {}  # key -> level
        self.best = NO_LEVEL
        self.open_quantity = 0  # of all levels
        self.free = []
        # of each level
        self.key = []
        self.quantity = []
        self.count = []
        self.first = []
        self.last = []

    def add(self, slot):
        """Put an open order at the end of its level. O(1) where the level exists, else O(log levels)."""
        orders = self.orders
        key = self.prices[slot] * self.sign
        quantity = orders.open_quantity[slot]
        level = self.level_of.get(key, NO_LEVEL)
        if level == NO_LEVEL:
            level = self._new_level(key)
            orders.previous[slot] = NIL
            self.first[level] = slot
        else:
            last = self.last[level]
            orders.previous[slot] = last
            orders.next[last] = slot
        orders.next[slot] = NIL
        orders.level[slot] = level
        self.last[level] = slot
        self.quantity[level] += quantity
        self.count[level] += 1
        self.open_quantity += quantity

    def remove(self, slot):
        """Take an order out, its open quantity with it. O(1), or O(log levels) where it was the level's last one."""
        orders = self.orders
        level = orders.level[slot]
        quantity = orders.open_quantity[slot]
        self.open_quantity -= quantity
        count = self.count[level] - 1
        if count == 0:
            self._drop_level(level)
            return
        self.count[level] = count
        self.quantity[level] -= quantity
        before = orders.previous[slot]
        after = orders.next[slot]
        if before == NIL:
            self.first[level] = after
        else:
            orders.next[before] = after
        if after == NIL:
            self.last[level] = before
        else:
            orders.previous[after] = before

    def reduce(self, slot, quantity):
        """Take `quantity`, less than all of it, off an order that keeps its place. O(1)."""
        orders = self.orders
        level = orders.level[slot]
        orders.open_quantity[slot] -= quantity
        self.quantity[level] -= quantity
        self.open_quantity -= quantity

    def _new_level(self, key):
        if self.free:
            level = self.free.pop()
            self.key[level] = key
            self.quantity[level] = 0
            self.count[level] = 0
        else:
            level = len(self.key)
            self.key.append(key)
            self.quantity.append(0)
            self.count.append(0)
            self.first.append(NIL)
            self.last.append(NIL)
        self.level_of[key] = level
        self.keys.add(key)
        if self.best == NO_LEVEL or key < self.key[self.best]:
            self.best = level
        return level

    def _drop_level(self, level):
        key = self.key[level]
        del self.level_of[key]
        self.free.append(level)
        if level != self.best:
            self.keys.remove(key)
            return
        self.keys.pop(0)
        self.best = self.level_of[self.keys[0]] if self.keys else NO_LEVEL

    def best_price(self):
        """-> price, or 0 where the side is empty. O(1)."""
        return self.key[self.best] * self.sign if self.best != NO_LEVEL else 0

    def crosses(self, price):
        """True where an order of the other side with this limit would match. O(1)."""
        return self.best != NO_LEVEL and self.key[self.best] <= price * self.sign

    def level_at(self, price):
        """-> (quantity, orders) at a price; (0, 0) where there is no level. O(1)."""
        level = self.level_of.get(price * self.sign, NO_LEVEL)
        return (self.quantity[level], self.count[level]) if level != NO_LEVEL else (0, 0)

    def depth(self, levels):
        """-> [(price, quantity, orders), ...] of the best `levels`."""
        found = [self.level_of[key] for key in self.keys.islice(0, levels)]
        return [(self.key[level] * self.sign, self.quantity[level], self.count[level]) for level in found]

    def slots(self):
        """Every slot, best level first, within a level oldest first."""
        found = []
        for key in self.keys:
            slot = self.first[self.level_of[key]]
            while slot != NIL:
                found.append(slot)
                slot = self.orders.next[slot]
        return found

    def check(self):
        """Assert every invariant. O(orders)."""
        orders = self.orders
        assert list(self.keys) == sorted(self.level_of)
        assert self.best == (self.level_of[self.keys[0]] if self.keys else NO_LEVEL)
        assert sorted(list(self.level_of.values()) + self.free) == list(range(len(self.key)))
        total = 0
        for key, level in self.level_of.items():
            assert self.key[level] == key
            quantity, count, before, slot = 0, 0, NIL, self.first[level]
            while slot != NIL:
                assert orders.order_id[slot] and orders.level[slot] == level
                assert self.prices[slot] * self.sign == key and orders.previous[slot] == before
                quantity += orders.open_quantity[slot]
                count += 1
                before, slot = slot, orders.next[slot]
            assert before == self.last[level] and count > 0
            assert (quantity, count) == (self.quantity[level], self.count[level])
            total += quantity
        assert total == self.open_quantity


class Book:
    """The bids and asks of one instrument, and its stop orders: buy stops from the lowest, sell stops from the highest
    stop price, which is the order a trade elects them in."""

    def __init__(self, orders, instrument):
        self.instrument = instrument
        self.last_price = 0  # of the last trade; 0 before the first
        self.bids = BookSide(orders, -1, orders.price)
        self.asks = BookSide(orders, 1, orders.price)
        self.buy_stops = BookSide(orders, 1, orders.stop_price)
        self.sell_stops = BookSide(orders, -1, orders.stop_price)

    def side(self, side):
        return self.bids if side == Side.BUY else self.asks

    def opposite(self, side):
        return self.asks if side == Side.BUY else self.bids

    def stops(self, side):
        return self.buy_stops if side == Side.BUY else self.sell_stops

    def slots(self):
        """Every slot, of resting orders and of stop orders."""
        return self.bids.slots() + self.asks.slots() + self.buy_stops.slots() + self.sell_stops.slots()

    def would_trigger(self, side, stop_price):
        """True where the last trade's price has reached a stop price. O(1)."""
        if self.last_price == 0:
            return False
        return self.last_price >= stop_price if side == Side.BUY else self.last_price <= stop_price

    def check(self):
        """Assert every invariant. O(orders)."""
        for half in (self.bids, self.asks, self.buy_stops, self.sell_stops):
            half.check()
        if self.last_price:
            assert not self.buy_stops.crosses(self.last_price), "a buy stop was not elected"
            assert not self.sell_stops.crosses(self.last_price), "a sell stop was not elected"
        if self.bids.keys and self.asks.keys:
            assert self.bids.best_price() < self.asks.best_price(), "the book is crossed"
