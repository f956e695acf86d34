"""The exchange: commands in, events out. Pure: the same commands give the same events and the same state anywhere.

It knows no clock, no socket and no file; time comes with the command. Each command is decided completely (rules.py,
funds.py) before anything changes, so that a reject leaves no trace; the rules are in docs/conventions.md.
"""

from engine.administration import Administration
from engine.ledger import Ledger
from engine.orders import SLOTS_AT_FIRST, Orders
from engine.trading import Trading
from protocol.messages import (
    AmendOrder,
    BlockAccount,
    CancelAccount,
    CancelAll,
    CancelInstrument,
    CancelOrder,
    DefineAsset,
    DefineInstrument,
    Deposit,
    OpenAccount,
    PlaceOrder,
    SetAccountLimits,
    SetAccountRate,
    SetAccountTier,
    SetFees,
    SetInstrumentLimits,
    SetInstrumentState,
    Tick,
    Withdraw,
)

#: Which rules made the events of a journal; a journal is never replayed under others.
RULES_VERSION = 2
DAY_NS = 86_400 * 10**9


class Exchange:
    def __init__(self, order_slots=SLOTS_AT_FIRST):
        self.seq = 0  # of the last command applied
        self.orders = Orders(order_slots)
        self.ledger = Ledger(self.orders)
        self.trading = trading = Trading(self.orders, self.ledger)
        self.books = trading.books  # instrument number -> Book, in order of definition
        self.administration = administration = Administration(trading)
        handlers = {
            PlaceOrder.TYPE: trading.place,
            CancelOrder.TYPE: trading.cancel,
            AmendOrder.TYPE: trading.amend,
            CancelAll.TYPE: trading.cancel_all,
            Tick.TYPE: self._tick,
            DefineInstrument.TYPE: administration.define_instrument,
            SetInstrumentState.TYPE: administration.set_instrument_state,
            SetInstrumentLimits.TYPE: administration.set_instrument_limits,
            SetFees.TYPE: administration.set_fees,
            CancelInstrument.TYPE: administration.cancel_instrument,
            DefineAsset.TYPE: administration.define_asset,
            OpenAccount.TYPE: administration.open_account,
            Deposit.TYPE: administration.deposit,
            Withdraw.TYPE: administration.withdraw,
            SetAccountTier.TYPE: administration.set_account_tier,
            SetAccountLimits.TYPE: administration.set_account_limits,
            SetAccountRate.TYPE: administration.set_account_rate,
            BlockAccount.TYPE: administration.block_account,
            CancelAccount.TYPE: administration.cancel_account,
        }
        self._handlers = [None] * 128  # by type number
        for type_number, handler in handlers.items():
            self._handlers[type_number] = handler

    @property
    def trade_count(self):
        return self.trading.trade_count

    @property
    def next_due_ns(self):
        """When a Tick will have something to do (trading.NEVER_NS: not in sight)."""
        return self.trading.next_due_ns

    def apply(self, seq, now_ns, command):
        """Decide one command. -> list of events, at least one (save for Tick), envelope fields not yet stamped.

        `seq` counts commands from 1 without a gap; `now_ns` is the venue's time. O(log levels) plus O(1) a fill or
        cancel, O(log stops) a stop order elected, save where a handler says otherwise.
        """
        assert seq == self.seq + 1, (seq, self.seq)
        self.seq = seq
        self.ledger.day = now_ns // DAY_NS
        events = []
        self._handlers[command.TYPE](now_ns, command, events)
        if self.trading.elected:
            self.trading.run_elected(events)
        return events

    def _tick(self, now_ns, command, events):
        """Only a Tick ends orders whose date has come, so that no other command's events are mixed with theirs."""
        self.trading.expire(now_ns, events)

    def check(self):
        """Assert every invariant of the whole state. O(orders)."""
        self.trading.check()
        self.ledger.check()
        symbols = {book.instrument.symbol: number for number, book in self.books.items()}
        assert symbols == self.administration.symbols
        assert self.orders.number <= self.seq
