"""What the drainer has to know of the past to understand the next event: assets, instruments with their books,
accounts, open orders. Pure. Read from the database when it starts, kept up by rows.py; as large as what is open in the
venue.

Amounts are ints in the units of the protocol. One of SUFFIXES such as "e-8" behind an int makes it the decimal that
Postgres reads, with exactly so many digits.
"""

import attrs

from protocol.messages import FEES_ACCOUNT, Side

PPM = 1_000_000
SUFFIXES = tuple("e-%d" % scale for scale in range(2 * 256))  # by scale, of which a product's is two bytes' sum
NO_FEES = (0, 0, 0)
#: The other end of deposits and withdrawals.
OUTSIDE_ACCOUNT = 0


class JournalDisagrees(Exception):
    """An event of the journal does not follow from what is in the database; the text names it."""


@attrs.define
class Instrument:
    number: int
    symbol: str
    price_scale: int
    quantity_scale: int
    collar_bps: int
    base: int  # assets; 0: traded without funds
    quote: int
    base_scale: int
    quote_scale: int
    fees: dict = attrs.field(factory=dict)  # tier -> (maker_ppm, taker_ppm, the larger of them and 0)
    bids: dict = attrs.field(factory=dict)  # price -> [open quantity, orders]
    asks: dict = attrs.field(factory=dict)
    book_changed_ns: int = 0  # first change that no depth snapshot shows yet; 0: none
    last_price: int = 0
    price_suffix: str = attrs.field(init=False)
    quantity_suffix: str = attrs.field(init=False)
    notional_suffix: str = attrs.field(init=False)  # of price x quantity
    fee_suffix: str = attrs.field(init=False)
    base_multiplier: int = attrs.field(init=False)  # one unit of quantity in units of the base asset
    quote_multiplier: int = attrs.field(init=False)  # one unit of price x quantity in units of the quote asset

    def __attrs_post_init__(self):
        notional_scale = self.price_scale + self.quantity_scale
        if not self.base:
            self.base_scale, self.quote_scale = self.quantity_scale, notional_scale
        self.price_suffix = SUFFIXES[self.price_scale]
        self.quantity_suffix = SUFFIXES[self.quantity_scale]
        self.notional_suffix = SUFFIXES[notional_scale]
        self.fee_suffix = SUFFIXES[self.quote_scale]
        self.base_multiplier = 10 ** (self.base_scale - self.quantity_scale)
        self.quote_multiplier = 10 ** (self.quote_scale - notional_scale)

    def fees_of(self, tier):
        return self.fees.get(tier) or self.fees.get(0, NO_FEES)

    def levels(self, side):
        return self.bids if side == Side.BUY else self.asks

    def reserved_suffix(self, side):
        return SUFFIXES[self.quote_scale if side == Side.BUY else self.base_scale]


@attrs.define
class Order:
    """An open or waiting order. `created` holds the first half of its row until that is in the database."""

    order_id: int
    account: int
    instrument: Instrument
    side: int
    price: int  # 0: a market or stop order
    stop_price: int
    quantity: int
    open_quantity: int
    is_waiting: bool = False  # a stop order that no trade has elected yet
    is_immediate: bool = False  # it came, and ends with the command: its trades are paid from what is available
    book_quantity: int = 0  # what of it stands in the book
    filled_quantity: int = 0
    filled_notional: int = 0
    fee: int = 0
    reserved: int = 0
    maker_ppm: int = 0
    taker_ppm: int = 0
    fee_ppm_max: int = 0
    fee_surplus: int = 0
    event_seq: int = 0  # of the last change, and its time in microseconds
    updated_us: int = 0
    triggered_us: int = 0
    ended_us: int = 0
    status: str = ""
    reason: str = ""
    created: tuple = None

    def needed(self):
        """-> what has to stay reserved for it on its present terms, as the venue's ledger has it between commands."""
        if self.is_immediate:
            return 0
        instrument = self.instrument
        if self.side == Side.SELL:
            return self.open_quantity * instrument.base_multiplier
        if self.price:
            notional = self.price * self.open_quantity * instrument.quote_multiplier
        else:
            worst = -(-self.stop_price * (10_000 + instrument.collar_bps) // 10_000)
            notional = worst * self.open_quantity * instrument.quote_multiplier
        return notional - (self.fee_surplus - self.fee_ppm_max * notional) // PPM

    def enter_book(self, quantity):
        level = self.instrument.levels(self.side).setdefault(self.price, [0, 0])
        level[0] += quantity
        level[1] += 1
        self.book_quantity = quantity

    def leave_book(self, quantity):
        """Take so much of it out of the book; all of it: the order too."""
        levels = self.instrument.levels(self.side)
        level = levels[self.price]
        level[0] -= quantity
        self.book_quantity -= quantity
        if not self.book_quantity:
            level[1] -= 1
            if not level[1]:
                del levels[self.price]


@attrs.define
class State:
    assets: dict = attrs.field(factory=dict)  # number -> scale
    instruments: dict = attrs.field(factory=dict)  # number -> Instrument
    tiers: dict = attrs.field(factory=lambda: {FEES_ACCOUNT: 0})  # account that was opened -> tier
    orders: dict = attrs.field(factory=dict)  # order id -> Order

    def order(self, order_id, event_seq):
        """-> the open order an event is about. Raises JournalDisagrees."""
        order = self.orders.get(order_id)
        if order is None:
            raise JournalDisagrees("event %d is about order %d, which is not open" % (event_seq, order_id))
        return order

    def instrument(self, number, event_seq):
        instrument = self.instruments.get(number)
        if instrument is None:
            raise JournalDisagrees("event %d is about instrument %d, which is not defined" % (event_seq, number))
        return instrument
