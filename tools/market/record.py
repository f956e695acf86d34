"""What each row of the record is as order entry, and what has to be corrected so that each meets the book the exchange
had. Pure. It looks at the venue's answers in settle() alone, so the commands are the same in each run.
"""

from collections import Counter

from protocol.messages import Side
from tools.market.levels import RecordBook
from tools.market.lobster import DELETED, EXECUTED, HIDDEN_EXECUTED, NEW, REDUCED
from tools.market.steps import Cancel, Place, Take

# what was corrected, counted under these names (docs/market-replay.md)
REVEALED = "depth_revealed"  # levels: came into the rows' range, their quantity is known only from then on
UNEXPLAINED = "levels_unexplained"  # levels: the row has another quantity than the messages make
STALE = "stale_liquidity"  # levels: an aggressor passed their price without taking them, so they were no longer there
MISSING = "missing_liquidity"  # levels: executions of more than the record had shown
QUEUE = "queue_restored"  # levels: the venue filled other orders than the exchange did
NEVER_SHOWN = "ends_of_orders_never_shown"  # messages: reduce or delete what the record has never shown


class Record:
    """The exchange's book as the record tells it. Every method but top() returns steps, in the order to send them."""

    def __init__(self, has_full_rows, levels):
        """`has_full_rows`: agree_with() is called with rows of `levels` a side, so that what left or came out of sight
        is corrected there."""
        self.has_full_rows = has_full_rows
        self.levels = levels
        self.corrections = Counter()
        self._book = RecordBook()

    def top(self, side, count):
        """-> [(price, quantity), ...] of the best `count` levels."""
        return self._book.halves[side].top(count)

    def start(self, row):
        """One anonymous order for each level of the starting book, the worst first."""
        steps = []
        for side, levels in ((Side.BUY, row.bids), (Side.SELL, row.asks)):
            steps += [self._book.place_anonymous(side, price, size) for price, size in reversed(levels)]
        return steps

    def apply(self, message):
        """One message; executions are take()'s, and what is no order entry gives no steps."""
        if message.kind == NEW:
            return [self._book.place(message.order_id, message.side, message.price, message.size)]
        if message.kind not in (REDUCED, DELETED):
            return []
        order = self._book.named(message)
        if self.has_full_rows:
            # The row after it has message.size less at this price. The order may have another size here, where its
            # level was corrected or it was reduced out of sight: then the others of the level make up for it.
            part = min(order.open, message.size) if order is not None else 0
            steps = [self._book.reduce(order, part)] if part else []
            return steps + self._book.remove(message.side, message.price, message.size - part)
        if order is not None:
            is_whole = message.kind == DELETED or message.size >= order.open
            return [self._book.reduce(order, order.open if is_whole else message.size)]
        if sum(order.open for order in self._book.anonymous(message.side, message.price)) >= message.size:
            return self._book.remove(message.side, message.price, message.size)
        self.corrections[NEVER_SHOWN] += 1
        return []

    def take(self, messages):
        """One aggressor's executions, in their order -> (steps that let it meet the book the exchange had, Take).

        The record's own book is then as the exchange's after it.
        """
        maker_side = messages[0].side
        limit = messages[-1].price
        executed = Counter()
        for message in messages:
            executed[message.price] += message.size
        half = self._book.halves[maker_side]
        steps = []
        for price in half.prices(limit):
            excess = half.quantity(price) - executed[price]
            if excess > 0 and price != limit:
                self.corrections[STALE] += 1
                steps += self._book.remove(maker_side, price, excess)
        for price, quantity in executed.items():
            missing = quantity - half.quantity(price)
            if missing > 0:
                self.corrections[MISSING] += 1
                steps.append(self._book.place_anonymous(maker_side, price, missing))
        fills = []
        for message in messages:
            fills += self._book.execute(message)
        return steps, Take(Side.BUY + Side.SELL - maker_side, limit, sum(executed.values()), fills)

    def settle(self, take, fills):
        """What the venue filled, as Take.fills -> where that differs, its level is cancelled at the venue and placed
        again as the record has it."""
        differs = Counter()
        for order, price, quantity in take.fills:
            differs[price, order] += quantity
        for order, price, quantity in fills:
            differs[price, order] -= quantity
        too_much = {}  # price -> {order: quantity the venue has too much of it, negative for too little}
        for (price, order), quantity in differs.items():
            if quantity:
                too_much.setdefault(price, {})[order] = quantity
        steps = []
        for price, by_order in too_much.items():
            self.corrections[QUEUE] += 1
            steps += self._restore(Side.BUY + Side.SELL - take.side, price, by_order)
        return steps

    def _restore(self, side, price, too_much):
        orders = {order.number: order for order in self._book.halves[side].orders(price)}
        steps: list = []
        for number in list(orders) + [number for number in too_much if number not in orders]:
            open_quantity = orders[number].open if number in orders else 0
            if open_quantity + too_much.get(number, 0) > 0:  # what the venue has
                steps.append(Cancel(number))
        for order in orders.values():
            order.total = order.open
            steps.append(Place(order.number, side, price, order.open))
        return steps

    def agree_with(self, row, known):
        """Make the book the exchange's row, as far as that reaches. `known` is the row before the last step: a level
        that lies beyond it has only come into sight."""
        steps = []
        for side, want, before in ((Side.BUY, row.bids, known.bids), (Side.SELL, row.asks, known.asks)):
            half = self._book.halves[side]
            is_whole = len(want) < self.levels  # the row shows the whole side
            if half.top(len(want) + is_whole) == want:
                continue
            sight = before[-1][0] * half.sign if len(before) >= self.levels else None
            wanted = dict(want)
            for price in half.prices(None if is_whole else want[-1][0]):
                excess = half.quantity(price) - wanted.get(price, 0)
                if excess > 0:
                    self._count_level(price * half.sign, sight)
                    steps += self._book.remove(side, price, excess)
            for price, quantity in want:
                missing = quantity - half.quantity(price)
                if missing > 0:
                    self._count_level(price * half.sign, sight)
                    steps.append(self._book.place_anonymous(side, price, missing))
        return steps

    def _count_level(self, key, sight):
        self.corrections[REVEALED if sight is not None and key > sight else UNEXPLAINED] += 1


def groups(messages):
    """-> lists of messages: a run of executions (one timestamp, one side) together with the hidden executions inside
    it, which do not end it; every other message by itself. O(messages)."""
    run = []
    executed = 0  # how many of the run belong together; hidden executions may follow
    for message in messages:
        if run and message.time_ns == run[0].time_ns:
            if message.kind == EXECUTED and message.side == run[0].side:
                run.append(message)
                executed = len(run)
                continue
            if message.kind == HIDDEN_EXECUTED:
                run.append(message)
                continue
        yield from _parts(run, executed)
        run, executed = ([message], 1) if message.kind == EXECUTED else ([], 0)
        if not run:
            yield [message]
    yield from _parts(run, executed)


def _parts(run, executed):
    if run:
        yield run[:executed]
        yield from ([hidden] for hidden in run[executed:])
