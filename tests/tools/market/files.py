"""LOBSTER-shaped files of a small exchange of our own: order flow with known answers, for the tests of tools market."""

import random
import zipfile

DUMMY = {"sell": (9999999999, 0), "buy": (-9999999999, 0)}
MIDDLE = 1_000_000  # price units; a tick is 100


class SmallExchange:
    """Price-time priority, as plain as can be. `messages` and `rows` are lines as LOBSTER writes them."""

    def __init__(self, levels, only_in_sight):
        self.levels = levels
        self.only_in_sight = only_in_sight  # leave out what happens beyond the levels, as LOBSTER does
        self.sides = {"buy": {}, "sell": {}}  # price -> [[order id, size], ...], oldest first
        self.messages = []
        self.first_book = None  # a row, after the first message
        self.rows = []
        self.order_id = 100
        self.time_ns = 34_200_000_000_000

    def prices(self, side):
        return sorted(self.sides[side], reverse=side == "buy")

    def row(self, levels):
        fields = []
        for place in range(levels):
            for side in ("sell", "buy"):
                prices = self.prices(side)
                if place < len(prices):
                    price = prices[place]
                    fields += [price, sum(size for _, size in self.sides[side][price])]
                else:
                    fields += DUMMY[side]
        return ",".join(map(str, fields))

    def sees(self, side, price):
        return not self.only_in_sight or price in self.prices(side)[: self.levels]

    def write(self, kind, order_id, size, price, side):
        seconds, fraction = divmod(self.time_ns, 1_000_000_000)
        direction = {"buy": 1, "sell": -1, None: -1}[side]
        line = "%d.%09d,%d,%d,%d,%d,%d" % (seconds, fraction, kind, order_id, size, price, direction)
        if not self.messages:
            self.first_book = self.row(50)
        self.messages.append(line)
        self.rows.append(self.row(self.levels))

    def add(self, side, price, size, is_recorded=True):
        self.order_id += 1
        self.sides[side].setdefault(price, []).append([self.order_id, size])
        if is_recorded and self.sees(side, price):
            self.write(1, self.order_id, size, price, side)

    def reduce(self, side, price, place, size):
        was_seen = self.sees(side, price)
        order_id, have = self.sides[side][price][place]
        if size < have:
            self.sides[side][price][place][1] -= size
        else:
            self.remove(side, price, place)
        if was_seen:
            self.write(2 if size < have else 3, order_id, min(size, have), price, side)

    def execute(self, side, size, hidden=False):
        """An aggressor takes from `side`, whose orders rest."""
        while size and self.sides[side]:
            price = self.prices(side)[0]
            order_id, have = self.sides[side][price][0]
            part = min(size, have)
            size -= part
            if part < have:
                self.sides[side][price][0][1] -= part
            else:
                self.remove(side, price, 0)
            self.write(4, order_id, part, price, side)
            if hidden:
                self.write(5, 0, 7, price, side)

    def remove(self, side, price, place):
        del self.sides[side][price][place]
        if not self.sides[side][price]:
            del self.sides[side][price]


def small_day(messages, levels, only_in_sight, seed=1):
    """-> SmallExchange after it."""
    chance = random.Random(seed)
    exchange = SmallExchange(levels, only_in_sight)
    for distance in range(1, 13):
        for side, sign in (("buy", -1), ("sell", 1)):
            exchange.add(side, MIDDLE + sign * distance * 100, chance.randint(1, 9) * 10, is_recorded=False)
    while len(exchange.messages) < messages:
        exchange.time_ns += 1_000
        side = chance.choice(("buy", "sell"))
        prices = exchange.prices(side)
        kind = chance.random()
        if kind < 0.55 or len(prices) < 3:
            other = exchange.prices("sell" if side == "buy" else "buy")[0]
            toward = -1 if side == "buy" else 1
            exchange.add(side, other + toward * chance.randint(1, 12) * 100, chance.randint(1, 90))
        elif kind < 0.85:
            price = chance.choice(prices)
            exchange.reduce(side, price, chance.randrange(len(exchange.sides[side][price])), chance.choice((5, 1000)))
        elif kind < 0.97 and len(prices) > 6:
            exchange.execute(side, chance.randint(1, 150), hidden=kind < 0.88)
        elif kind >= 0.99:
            exchange.write(7, 0, 0, -1, None)
    del exchange.messages[messages:], exchange.rows[messages:]
    return exchange


def write_full(path, exchange):
    """A zip with every level of every row, as LOBSTER's samples come."""
    path.mkdir()
    with zipfile.ZipFile(str(path / "sample.zip"), "w") as archive:
        name = "T_2012-06-21_34200000_57600000_%%s_%d.csv" % exchange.levels
        archive.writestr(name % "message", "\n".join(exchange.messages) + "\n")
        archive.writestr(name % "orderbook", "\n".join(exchange.rows) + "\n")


def write_best(path, exchange):
    """Messages, the book after the first, and only the best bid and ask after each."""
    path.mkdir()
    (path / "message_50.csv").write_text("\n".join(exchange.messages) + "\n")
    (path / "book_50_after_message_1.csv").write_text(exchange.first_book + "\n")
    best = [",".join(row.split(",")[:4]) for row in exchange.rows]
    (path / "bbo_expected_per_message.csv").write_text("\n".join(best) + "\n")
