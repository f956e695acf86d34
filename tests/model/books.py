"""What stands in the books: queues, stop orders, and whom an order would meet."""

import math
from fractions import Fraction

import attrs

from protocol.messages import InstrumentDefined, InstrumentState, OrderType, SelfTradePrevention, Side
from tests.model.orders import RESTING, WAITING, OrderIds


@attrs.define
class Market:
    definition: InstrumentDefined
    state: int = InstrumentState.OPEN
    last_price: int = 0  # of the last trade; 0 before the first
    quantity_min: int = 0  # limits, 0: none
    quantity_max: int = 0
    notional_min: int = 0
    band_bps: int = 0
    fees: dict = attrs.field(factory=dict)  # tier -> (maker_ppm, taker_ppm)
    base_multiplier: int = 1  # units of the ledger in one unit of quantity
    quote_multiplier: int = 1  # units of the ledger in one unit of price x quantity

    @property
    def is_funded(self):
        return self.definition.base != 0


class Books:
    def __init__(self, slots_max=2**22 - 1):
        self.ids = OrderIds(slots_max)
        self.markets = {}
        self.orders = []  # all that are open, waiting stop orders included
        self.places = 0
        self.trade_count = 0
        self.events = []

    def next_place(self):
        self.places += 1
        return self.places

    def queue(self, instrument, side):
        """-> resting orders of one side of a book: best price first, at one price the oldest first."""
        sign = 1 if side == Side.SELL else -1
        return sorted(self.with_status(RESTING, instrument, side), key=lambda order: (sign * order.price, order.place))

    def stops(self, instrument, side):
        """-> waiting stop orders in the order in which trades elect them: buys from the lowest, sells from the highest
        stop price, at one price the oldest first."""
        sign = 1 if side == Side.BUY else -1
        waiting = self.with_status(WAITING, instrument, side)
        return sorted(waiting, key=lambda order: (sign * order.stop_price, order.place))

    def with_status(self, status, instrument, side):
        key = (status, instrument, side)
        return [order for order in self.orders if (order.status, order.instrument, order.side) == key]

    def find(self, account, order_id):
        for order in self.orders:
            if order.order_id == order_id and order.account == account:
                return order
        return None

    def open_quantity(self, instrument, side):
        """Of one side, stop orders included."""
        return sum(order.open_quantity for order in self.queue(instrument, side) + self.stops(instrument, side))

    def at_or_better(self, instrument, taker_side, limit):
        """-> orders that one of `taker_side` would match at this limit, in the order in which it would."""
        makers = self.queue(instrument, opposite(taker_side))
        if taker_side == Side.BUY:
            return [maker for maker in makers if maker.price <= limit]
        return [maker for maker in makers if maker.price >= limit]

    def collar(self, instrument, taker_side):
        """-> the worst whole price within collar_bps of the best opposite price; 0 where that side is empty."""
        makers = self.queue(instrument, opposite(taker_side))
        best = makers[0].price if makers else 0
        share = Fraction(self.markets[instrument].definition.collar_bps, 10_000)
        return math.floor(best * (1 + share)) if taker_side == Side.BUY else math.ceil(best * (1 - share))

    def has_reached(self, instrument, side, stop_price):
        """True where the last trade would elect such a stop order."""
        last = self.markets[instrument].last_price
        if last == 0:
            return False
        return last >= stop_price if side == Side.BUY else last <= stop_price

    # --- whom an order would meet ------------------------------------------------------------------------------------

    def limit_of(self, order):
        """`order`: an Order or a PlaceOrder. -> the worst price it may trade at now."""
        if order.order_type in (OrderType.MARKET, OrderType.STOP):
            return self.collar(order.instrument, order.side)
        return order.price

    def meetings(self, order, quantity):
        """-> [(maker, overlap, whether they are kept from trading), ...] until nothing is left of `quantity`."""
        found = []
        mode = order.self_trade_prevention
        for maker in self.at_or_better(order.instrument, order.side, self.limit_of(order)):
            if quantity == 0:
                break
            overlap = min(quantity, maker.open_quantity)
            prevented = maker.account == order.account and mode != SelfTradePrevention.NONE
            found.append((maker, overlap, prevented))
            if prevented and mode in (SelfTradePrevention.CANCEL_TAKER, SelfTradePrevention.CANCEL_BOTH):
                break
            if not (prevented and mode == SelfTradePrevention.CANCEL_MAKER):
                quantity -= overlap
        return found

    def would_trade(self, order, quantity):
        """-> (quantity, price x quantity) that an order would trade at once."""
        meetings = self.meetings(order, quantity)
        trades = [(overlap, maker.price) for maker, overlap, prevented in meetings if not prevented]
        return sum(overlap for overlap, _ in trades), sum(overlap * price for overlap, price in trades)

    def lots_for_amount(self, command):
        """-> the quantity a market order by amount is for: lots of others' orders while the amount pays for the next
        one; up to an own order, save that cancel_maker passes over it."""
        quantity = 0
        amount = command.quote_quantity
        lot = self.markets[command.instrument].definition.lot
        for maker in self.at_or_better(command.instrument, command.side, self.limit_of(command)):
            if maker.account == command.account and command.self_trade_prevention != SelfTradePrevention.NONE:
                if command.self_trade_prevention == SelfTradePrevention.CANCEL_MAKER:
                    continue
                break
            lots = min(maker.open_quantity // lot, amount // (maker.price * lot))
            quantity += lots * lot
            amount -= lots * lot * maker.price
            if lots * lot < maker.open_quantity:
                break
        return quantity


def opposite(side):
    return Side.SELL if side == Side.BUY else Side.BUY
