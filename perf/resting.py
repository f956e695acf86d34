"""What a deep book costs: add and cancel in a book of 10,000 and of 1,000,000 orders, and the memory it takes.

Orders are added at random prices and cancelled at random, each a walk to another place in memory. A process for each
book; nanoseconds a command, by the exchange alone and with stamping and encoding; medians over many rounds.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time

from engine.collector import PYPY_ENVIRONMENT, Collector
from perf.batches import ACCOUNT, KEY, new_sequencer
from protocol.messages import CancelOrder, Side, TimeInForce
from tools.load.core import ROOT, pinned
from tools.load.flow import place
from tools.load.report import print_figures

MIDDLE = 1_000_000
ROUND = 1000  # commands timed together
WARM_UP_ROUNDS = 30

#: name -> (orders, price levels a side)
CASES = {
    "10,000 orders, 1,000 levels": (10_000, 1000),
    "1,000,000 orders, 1,000 levels": (1_000_000, 1000),
    "1,000,000 orders, 100,000 levels": (1_000_000, 100_000),
}


class DeepBook:
    def __init__(self, orders, levels, seed=1):
        self.random = random.Random(seed)
        self.levels = levels
        self.sequencer = new_sequencer()
        self.sequencer.take()
        self.open_ids = []
        apply, exchange = self.sequencer.exchange.apply, self.sequencer.exchange
        for _ in range(orders):
            (event,) = apply(exchange.seq + 1, 0, self._add())
            self.open_ids.append(event.order_id)

    def _add(self):
        side = self.random.choice((Side.BUY, Side.SELL))
        away = self.random.randint(1, self.levels)
        return place(ACCOUNT, side, TimeInForce.GTC, MIDDLE + (away if side == Side.SELL else -away), 10)

    def _cancel(self):
        ids = self.open_ids
        index = self.random.randrange(len(ids))
        ids[index], ids[-1] = ids[-1], ids[index]
        return CancelOrder(ACCOUNT, ids.pop())

    def round_ns(self, is_add, through_sequencer):
        """-> ns a command of one round of adds or of cancels."""
        commands = [self._add() if is_add else self._cancel() for _ in range(ROUND)]
        events, elapsed_ns = (self._sequence if through_sequencer else self._apply)(commands)
        if is_add:
            self.open_ids += [event.order_id for event in events]
        return elapsed_ns / ROUND

    def _apply(self, commands):
        exchange = self.sequencer.exchange
        apply, seq, made = exchange.apply, exchange.seq, []
        started_ns = time.perf_counter_ns()
        for command in commands:
            seq += 1
            made.append(apply(seq, 0, command))
        elapsed_ns = time.perf_counter_ns() - started_ns
        return [event for events in made for event in events], elapsed_ns

    def _sequence(self, commands):
        sequencer = self.sequencer
        started_ns = time.perf_counter_ns()
        for command in commands:
            sequencer.apply(KEY, command)
        elapsed_ns = time.perf_counter_ns() - started_ns
        sequencer.add_source(KEY, ACCOUNT, b"", len(commands))
        return sequencer.take().events, elapsed_ns


def measure(orders, levels, rounds):
    """-> figures of one book, in this process."""
    before_mib = _resident_mib()
    book = DeepBook(orders, levels)
    Collector().start()
    figures = {"resident_mib": _resident_mib(), "resident_mib_before": before_mib}
    kinds = [(name, is_add, through) for through, suffix in ((False, "exchange"), (True, "sequencer"))
             for is_add, name in ((True, "add_ns_" + suffix), (False, "cancel_ns_" + suffix))]  # fmt: skip
    times = {name: [] for name, _, _ in kinds}
    for index in range(WARM_UP_ROUNDS + rounds):
        for name, is_add, through in kinds:
            elapsed_ns = book.round_ns(is_add, through)
            if index >= WARM_UP_ROUNDS:
                times[name].append(elapsed_ns)
    assert book.sequencer.exchange.orders.open_count == orders
    figures.update({name: round(statistics.median(values), 1) for name, values in times.items()})
    return figures


def _resident_mib():
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) // 1024 for line in file if line.startswith("VmRSS:"))


def run(rounds=200, divide=1, python=sys.executable, cpu=None):
    """Each case in a process of its own; all books `divide` times smaller, for a trial. -> {case: figures}"""
    result = {}
    environment = dict(os.environ, PYTHONPATH=ROOT, **PYPY_ENVIRONMENT)
    for name, (orders, levels) in CASES.items():
        words = [python, "-m", "perf.resting", "--book", str(orders // divide), str(levels // divide)]
        command = pinned(cpu) + words + ["--rounds", str(rounds)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        result[name] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--divide", type=int, default=1, help="make the books this many times smaller, for a trial")
    parser.add_argument("--cpu", type=int, metavar="N")
    parser.add_argument("--book", nargs=2, type=int, metavar=("ORDERS", "LEVELS"), help="one book, in this process")
    given = parser.parse_args()
    if given.book:
        print(json.dumps(measure(*given.book, given.rounds)))
    else:
        print_figures(run(given.rounds, given.divide, cpu=given.cpu))
