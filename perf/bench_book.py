"""The exchange alone: adds, cancels and sweeps, no stamping and no encoding. Time is of one command, or of one fill
where the name says so."""

import pyperf

from engine.exchange import Exchange
from protocol.messages import CancelOrder, OrderAccepted, Side, TimeInForce
from tools.load.flow import MIDDLE, definition, place

ACCOUNT = 1
RESTING = 10_000
LEVELS = 1000
BLOCK = 500  # commands timed together


class Venue:
    """An exchange that counts its own commands."""

    def __init__(self):
        self.exchange = Exchange()
        self.apply(definition())

    def apply(self, command):
        return self.exchange.apply(self.exchange.seq + 1, 0, command)

    def timed(self, commands):
        """-> (seconds for all of them, [order id of each acceptance])"""
        apply, seq, made = self.exchange.apply, self.exchange.seq, []
        started_s = pyperf.perf_counter()
        for command in commands:
            seq += 1
            made.append(apply(seq, 0, command))
        seconds = pyperf.perf_counter() - started_s
        return seconds, [event.order_id for events in made for event in events if type(event) is OrderAccepted]


def bid(away, quantity=10, time_in_force=TimeInForce.GTC):
    return place(ACCOUNT, Side.BUY, time_in_force, MIDDLE - away, quantity)


def ask(away, quantity=10, time_in_force=TimeInForce.GTC):
    return place(ACCOUNT, Side.SELL, time_in_force, MIDDLE + away, quantity)


def filled_venue():
    """-> (Venue with RESTING bids over LEVELS prices, below what the benchmarks add)."""
    venue = Venue()
    for index in range(RESTING):
        venue.apply(bid(1000 + index % LEVELS))
    return venue


def add_then_cancel(loops, kind, is_cancel):
    """BLOCK adds, then their cancels; one of the two is timed. `kind`: at the best price, each at a new best one, or
    among what rests."""
    venue = filled_venue()
    away = {"same": lambda n: 500, "new": lambda n: 900 - n, "deep": lambda n: 1000 + n * 7 % LEVELS}[kind]
    total_s = 0.0
    for _ in range(loops):
        add_s, order_ids = venue.timed([bid(away(index)) for index in range(BLOCK)])
        cancel_s, _ = venue.timed([CancelOrder(ACCOUNT, order_id) for order_id in order_ids])
        total_s += cancel_s if is_cancel else add_s
    return total_s


def sweep(loops, levels, orders):
    """One order that takes `levels` levels of `orders` orders each; putting them there is not timed."""
    venue = Venue()
    total_s = 0.0
    for _ in range(loops):
        for index in range(levels * orders):
            venue.apply(ask(1 + index % levels))
        taker = place(ACCOUNT, Side.BUY, TimeInForce.IOC, MIDDLE + levels, 10 * levels * orders)
        total_s += venue.timed([taker])[0]
    return total_s


def fill_or_kill(loops, levels):
    """An order that cannot be filled: `levels` levels are looked at, nothing changes."""
    venue = Venue()
    for index in range(levels):
        venue.apply(ask(1 + index))
    taker = place(ACCOUNT, Side.BUY, TimeInForce.FOK, MIDDLE + levels, 10 * levels + 1)
    return sum(venue.timed([taker] * BLOCK)[0] for _ in range(loops))


def main():
    runner = pyperf.Runner(processes=5)
    for kind in ("same", "new", "deep"):
        for name, is_cancel in (("add", False), ("cancel", True)):
            runner.bench_time_func("%s_%s_level" % (name, kind), add_then_cancel, kind, is_cancel, inner_loops=BLOCK)
    for levels, orders in ((1, 1), (1, 100), (100, 1), (100, 10)):
        name = "sweep_%d_levels_of_%d_per_fill" % (levels, orders)
        runner.bench_time_func(name, sweep, levels, orders, inner_loops=levels * orders)
    runner.bench_time_func("fill_or_kill_looks_at_100_levels", fill_or_kill, 100, inner_loops=BLOCK)


if __name__ == "__main__":
    main()
