"""What the kinds of orders cost, in process: sweeps, stop orders that wait, many elected by one trade.

Through the sequencer, events stamped and encoded; medians over many rounds after the JIT's warm-up, each on an exchange
that is as it was at the start of the one before. With ledger and fees, as all else is when it is for real.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from engine.collector import PYPY_ENVIRONMENT, Collector
from perf.batches import KEY, new_sequencer
from protocol.messages import OrderType, Side, TimeInForce
from tools.load.core import ROOT, pinned
from tools.load.flow import place
from tools.load.report import print_figures

MAKER, TAKER = 1, 2  # accounts
PRICE = 100_000
SWEPT = 10  # makers that a sweep fills
SWEEPS = 100  # in a round
TRADES = 100  # in a round of those that elect nothing
WAITING = 10_000
ELECTED = 1000
WARM_UP_ROUNDS = 30


class Venue:
    def __init__(self):
        self.sequencer = new_sequencer((MAKER, TAKER))
        self.sequencer.take()

    def run(self, commands):
        """-> seconds."""
        apply = self.sequencer.apply
        started_s = time.perf_counter()
        for command in commands:
            apply(KEY, command)
        elapsed_s = time.perf_counter() - started_s
        self.sequencer.add_source(KEY, MAKER, b"", len(commands))
        self.sequencer.take()
        return elapsed_s

    @property
    def exchange(self):
        return self.sequencer.exchange


def stop(account, side, stop_price, quantity):
    """-> a stop order (a market order once it is elected)."""
    command = place(account, side, TimeInForce.GTC, 0, quantity)
    command.order_type, command.stop_price = OrderType.STOP, stop_price
    return command


def sweeps(rounds):
    """Orders that each fill SWEPT resting ones of as many prices. -> trades a second of the sweeps alone."""
    venue = Venue()
    found = []
    for _ in range(WARM_UP_ROUNDS + rounds):
        before = venue.exchange.trade_count
        elapsed_s = 0
        for _ in range(SWEEPS):
            makers = [place(MAKER, Side.SELL, TimeInForce.GTC, PRICE + away, 1) for away in range(SWEPT)]
            venue.run(makers)
            elapsed_s += venue.run([place(TAKER, Side.BUY, TimeInForce.IOC, PRICE + SWEPT, SWEPT)])
        trades = venue.exchange.trade_count - before
        assert trades == SWEEPS * SWEPT and venue.exchange.orders.open_count == 0
        found.append(trades / elapsed_s)
    return round(statistics.median(found[WARM_UP_ROUNDS:]))


def waiting_stops(rounds, waiting):
    """Trades while so many stop orders wait, none of which is elected. -> ns a trade's two commands."""
    venue = Venue()
    half = waiting // 2
    venue.run([stop(TAKER, Side.BUY, PRICE + 1000 + number % 1000, 1) for number in range(half)])
    venue.run([stop(TAKER, Side.SELL, PRICE - 1000 - number % 1000, 1) for number in range(half)])
    found = []
    for _ in range(WARM_UP_ROUNDS + rounds):
        commands = []
        for number in range(TRADES):
            price = PRICE + number % 100 - 50  # another price each time: only then stops are looked at
            commands.append(place(MAKER, Side.SELL, TimeInForce.GTC, price, 1))
            commands.append(place(TAKER, Side.BUY, TimeInForce.IOC, price, 1))
        found.append(venue.run(commands) / TRADES)
    assert venue.exchange.orders.open_count == 2 * half
    return round(statistics.median(found[WARM_UP_ROUNDS:]) * 1e9, 1)


def election(rounds):
    """One trade elects ELECTED stop orders, and each of them trades. -> (us of that command, ns an elected order)"""
    found = []
    venue = Venue()
    for _ in range(WARM_UP_ROUNDS // 3 + rounds):
        # a trade below all stop prices first: the last price of the round before would elect them at once
        venue.run([place(MAKER, Side.SELL, TimeInForce.GTC, PRICE - 1, 1)])
        venue.run([place(TAKER, Side.BUY, TimeInForce.IOC, PRICE, 1)])
        venue.run([place(MAKER, Side.SELL, TimeInForce.GTC, PRICE, ELECTED + 1)])
        venue.run([stop(TAKER, Side.BUY, PRICE, 1) for _ in range(ELECTED)])
        before = venue.exchange.trade_count
        found.append(venue.run([place(TAKER, Side.BUY, TimeInForce.IOC, PRICE, 1)]))
        assert venue.exchange.trade_count == before + ELECTED + 1 and venue.exchange.orders.open_count == 0
    median_s = statistics.median(found[WARM_UP_ROUNDS // 3 :])
    return round(median_s * 1e6, 1), round(median_s * 1e9 / ELECTED, 1)


def measure(rounds):
    """-> figures, in this process."""
    Collector().start()
    elected_us, elected_ns = election(max(rounds // 3, 1))
    return {
        "sweep_trades_per_second": sweeps(rounds),
        "trade_ns_no_stops": waiting_stops(rounds, 0),
        "trade_ns_10,000_waiting_stops": waiting_stops(rounds, WAITING),
        "election_of_1,000_us": elected_us,
        "election_ns_each": elected_ns,
    }


def run(rounds=200, python=sys.executable, cpu=None):
    """In a process of its own. -> figures"""
    environment = dict(os.environ, PYTHONPATH=ROOT, **PYPY_ENVIRONMENT)
    command = pinned(cpu) + [python, "-m", "perf.orders", "--here", "--rounds", str(rounds)]
    return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--cpu", type=int, metavar="N")
    parser.add_argument("--here", action="store_true", help="in this process; prints JSON")
    given = parser.parse_args()
    if given.here:
        print(json.dumps(measure(given.rounds)))
    else:
        print_figures(run(given.rounds, cpu=given.cpu))
