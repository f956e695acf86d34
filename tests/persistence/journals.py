"""Journals of a crowd of random traders and administrators, made by the core's own sequencer and files; and what their
exchange holds, in the words of the database."""

import random

from engine.disk import Disk
from engine.exchange import RULES_VERSION, Exchange
from engine.journal import Journal
from engine.sequencer import Sequencer
from protocol import codec
from protocol.content import record_events
from protocol.journal import End
from protocol.messages import ORDER_TYPES, SIDES, OrderAccepted, Tick
from protocol.records import CLEAN
from tests.commands import definitions, next_command

VENUE_ID = 2**63 + 11  # a u64
SEGMENT_BYTES = 64 << 10
START_NS = 1_764_547_140_123_456_789  # 51 s before a month ends
STEP_NS = 1_700_000_000
KEY = 3


class CrowdJournal:
    """add() random commands, in records of up to 9; every record is on the disk at once, and the last is a Tick."""

    def __init__(self, directory, seed=1, money=3_000_000, venue_id=VENUE_ID, step_ns=STEP_NS, request_ids=2**62):
        self.directory = str(directory)
        self.random = random.Random(seed)
        self.time_ns = START_NS
        self.step_ns = step_ns
        self.exchange = Exchange()
        self.sequencer = Sequencer(self.exchange, self._now_ns)
        self.events = []
        self.order_ids = []
        self.request_ids = request_ids  # that there are; then they begin again
        self.request_id = 0
        end = End("", 0, CLEAN, "", 0, 1, 1, 0, 0)
        self.journal = Journal(self.directory, Disk(), end, venue_id, RULES_VERSION, SEGMENT_BYTES)
        self.batch(definitions(money))

    def _now_ns(self):
        self.time_ns += self.random.randint(1, 2 * self.step_ns)
        return self.time_ns

    def batch(self, commands):
        """One record. -> its events"""
        for command in commands:
            self.request_id = self.request_id % self.request_ids + 1
            command.request_id = self.request_id
            try:
                frame = codec.encode(command)
                codec.decode(frame, 4)
            except Exception:
                continue  # so spoilt that no codec lets it through
            self.sequencer.submit(KEY, 0, frame, 0, len(frame), command)
        if not self.sequencer.count:
            return []
        record = self.sequencer.take().record
        self.journal.append(record)
        events = record_events(record)
        self.events += events
        self.order_ids += [(event.account, event.order_id) for event in events if type(event) is OrderAccepted]
        return events

    def add(self, commands):
        last = self.exchange.seq + commands
        while self.exchange.seq < last:
            # ids of open orders are not looked up for every command: some of a record have ended in it
            open_orders = open_order_ids(self.exchange)
            size = self.random.randint(1, 9)
            self.batch([next_command(self.random, self.time_ns, open_orders, self.order_ids) for _ in range(size)])
        self.batch([Tick(0)])
        return self

    def close(self):
        self.journal.close()


def open_order_ids(exchange):
    orders = exchange.orders
    return [(orders.account[slot], orders.order_id[slot]) for slot in range(1, orders.used) if orders.order_id[slot]]


def open_orders(exchange):
    """-> {order id: what a row of orders says of it, in units}"""
    orders = exchange.orders
    found = {}
    for slot in range(1, orders.used):
        if orders.order_id[slot]:
            found[orders.order_id[slot]] = dict(
                account=orders.account[slot],
                instrument=orders.instrument[slot],
                side=SIDES[orders.side[slot]],
                type=ORDER_TYPES[orders.order_type[slot]],
                price=orders.price[slot],
                stop_price=orders.stop_price[slot],
                quantity=orders.quantity[slot],
                open_quantity=orders.open_quantity[slot],
                reserved=orders.reserved[slot],
                is_waiting=bool(orders.is_waiting[slot]),
            )
    return found


def balances(exchange):
    """-> {(account, asset): (available, reserved)}, in units; zeros left out"""
    found = {}
    for account in exchange.ledger.accounts.values():
        for asset in exchange.ledger.assets.values():
            amounts = asset.available[account.index], asset.reserved[account.index]
            if amounts != (0, 0):
                found[account.number, asset.number] = amounts
    return found
