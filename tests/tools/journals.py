"""Journals to try the tools on, made by the core's own sequencer and files, the same each time."""

import contextlib
import io
import json
import os
import random
from concurrent.futures import ThreadPoolExecutor

from engine.disk import Disk
from engine.exchange import RULES_VERSION, Exchange
from engine.journal import Journal
from engine.sequencer import Sequencer
from engine.snapshots import write_snapshot
from protocol import codec
from protocol.content import record_events
from protocol.journal import End
from protocol.messages import (
    CancelAll,
    CancelOrder,
    DefineInstrument,
    OrderAccepted,
    OrderType,
    PlaceOrder,
    Side,
    Tick,
    TimeInForce,
)
from protocol.records import CLEAN
from tools.__main__ import main

VENUE_ID = 7
SEGMENT_BYTES = 64 << 10
START_NS = 1_700_000_000_000_000_000
SYMBOLS = ("BTC-USDT", "ETH-USDT")


class JournalMaker:
    """A venue without a network: `add` commands in batches, `snapshot` when wanted, `close`."""

    def __init__(self, directory, seed=1):
        self.directory = str(directory)
        os.makedirs(self.directory, exist_ok=True)
        self.random = random.Random(seed)
        self.time_ns = START_NS
        self.sequencer = Sequencer(Exchange(), self._now_ns)
        end = End("", 0, CLEAN, "", 0, 1, 1, 0, 0)
        self.journal = Journal(self.directory, Disk(), end, VENUE_ID, RULES_VERSION, SEGMENT_BYTES)
        self.open_orders = []  # (account, order id), some of them ended
        self.request_id = 0
        self.state_hashes = {}
        self.batch([DefineInstrument(0, i + 1, 2, 3, 1, 1, 500, 0, 0, 0, symbol) for i, symbol in enumerate(SYMBOLS)])

    def _now_ns(self):
        self.time_ns += 1_000_000
        return self.time_ns

    @property
    def seq(self):
        return self.sequencer.exchange.seq

    def batch(self, commands):
        """One record."""
        for command in commands:
            self.request_id += 1
            command.request_id = self.request_id
            frame = codec.encode(command)
            self.sequencer.submit(command.account or 9, command.account, frame, 0, len(frame), command)
        record = self.sequencer.take().record
        self.journal.append(record)
        return record

    def trade(self, commands, size=7):
        """So many random commands, in records of `size`; the last command is a Tick, as of a core that is idle."""
        last = self.seq + commands
        while self.seq < last - 1:
            record = self.batch([self._command() for _ in range(min(size, last - 1 - self.seq))])
            self._remember(record)
        self.batch([Tick(0)])

    def _remember(self, record):
        self.open_orders += [(e.account, e.order_id) for e in record_events(record) if type(e) is OrderAccepted]

    def _command(self):
        chance = self.random.random()
        account = self.random.choice((1, 2))
        if chance < 0.2 and self.open_orders:
            return CancelOrder(*self.open_orders.pop(self.random.randrange(len(self.open_orders))))
        if chance < 0.22:
            return CancelAll(account)
        side = self.random.choice((Side.BUY, Side.SELL))
        price = 10_000 + self.random.randint(-20, 10) * (1 if side == Side.BUY else -1)
        quantity = self.random.randint(1, 50)
        instrument = self.random.choice((1, 2))
        return PlaceOrder(account, instrument, side, OrderType.LIMIT, TimeInForce.GTC, 0, price, quantity, 5)

    def snapshot(self):
        sequencer = self.sequencer
        return write_snapshot(
            self.directory, Disk(), VENUE_ID, sequencer.exchange, sequencer.event_seq, sequencer.time_ns
        )

    def close(self):
        self.journal.close()


def make_journal(directory, commands=2500, snapshots=()):
    """A closed journal of so many commands in several segments, with snapshots after these. -> JournalMaker."""
    maker = JournalMaker(directory)
    for seq in snapshots:
        maker.trade(seq - maker.seq)
        maker.snapshot()
    if commands > maker.seq:
        maker.trade(commands - maker.seq)
    maker.close()
    return maker


def run_tool(*arguments):
    """`python -m tools ARGUMENTS` in this process. -> (exit code, stdout, stderr)."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = in_thread(_exit_code_of, [str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


def _exit_code_of(argv):
    try:
        return main(argv)
    except SystemExit as error:
        return error.code


def in_thread(work, *arguments):
    """-> work(*arguments). Its asyncio.run() would take the main thread's event loop away from the async tests."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work, *arguments).result()


def run_json(*arguments):
    """The same with --json. -> (exit code, the value printed)."""
    code, out, err = run_tool(*arguments, "--json")
    assert out, err
    return code, json.loads(out)


def flip_byte(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x40]))
