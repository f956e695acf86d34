"""A naive exchange, the oracle of engine/: a list of order objects, searched and sorted anew every time.

Written from the rules (docs/conventions.md and the docstrings of protocol/messages.py), not from the fast code: where
the two differ, one of them has misread the rules. It is slow, and nothing here is to be made faster.
"""

import math
from fractions import Fraction

import attrs

from protocol.messages import (
    CLIENT_ORDER_ID_MAX,
    AllCancelled,
    CancelReason,
    Code,
    CommandRejected,
    InstrumentDefined,
    InstrumentState,
    InstrumentStateChanged,
    Liquidity,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderType,
    Side,
    TimeInForce,
)

UNITS_MAX = 10**15
NOTIONAL_MAX = 2**62


class OrderIds:
    """The one piece that is not naive, because ids are in the events: `number << 22 | slot`.

    The number counts accepted orders from 1. The slot is the one given back last, else the lowest never used, from 1.
    Every accepted order takes an id, and gives the slot back when it ends, be it at once.
    """

    def __init__(self, slots_max):
        self.slots_max = slots_max
        self.number = 0
        self.slots_used = 0
        self.given_back = []

    def is_full(self):
        return not self.given_back and self.slots_used == self.slots_max

    def take(self):
        if self.given_back:
            slot = self.given_back.pop()
        else:
            self.slots_used += 1
            slot = self.slots_used
        self.number += 1
        return self.number << 22 | slot

    def give_back(self, order_id):
        self.given_back.append(order_id % 2**22)


@attrs.define(eq=False)
class Order:
    order_id: int
    account: int
    instrument: int
    side: int
    post_only: int
    price: int  # the limit: of a market order, its collar
    quantity: int
    open_quantity: int
    client_order_id: str
    place: int  # when it took its place in the queue: a smaller number is older


@attrs.define
class Market:
    definition: InstrumentDefined
    state: int = InstrumentState.OPEN


class Model:
    """Same interface as engine.exchange.Exchange: apply(seq, now_ns, command) -> events."""

    def __init__(self, slots_max=2**22 - 1):
        self.ids = OrderIds(slots_max)
        self.markets = {}
        self.orders = []
        self.trade_count = 0
        self.places = 0
        self.events = []

    def apply(self, seq, now_ns, command):
        self.events = []
        handler = getattr(self, "on_" + type(command).__name__)
        handler(command)
        return self.events

    def reject(self, command, code, order_id=0):
        """`order_id` 0: the command names none. The instrument is the command's, or the one of the order it names."""
        order = self.find(command.account, order_id)
        instrument = order.instrument if order else getattr(command, "instrument", 0)
        client_order_id = getattr(command, "client_order_id", "")
        self.events.append(CommandRejected(command.account, code, instrument, order_id, client_order_id))

    # --- views -------------------------------------------------------------------------------------------------------

    def queue(self, instrument, side):
        """-> open orders of one side of a book: best price first, at one price the oldest first."""
        orders = [order for order in self.orders if (order.instrument, order.side) == (instrument, side)]
        sign = 1 if side == Side.SELL else -1
        return sorted(orders, key=lambda order: (sign * order.price, order.place))

    def find(self, account, order_id):
        for order in self.orders:
            if order.order_id == order_id and order.account == account:
                return order
        return None

    def at_or_better(self, instrument, taker_side, limit):
        """-> orders that one of `taker_side` would match at this limit, in the order in which it would."""
        makers = self.queue(instrument, opposite(taker_side))
        if taker_side == Side.BUY:
            return [maker for maker in makers if maker.price <= limit]
        return [maker for maker in makers if maker.price >= limit]

    def open_quantity(self, instrument, side):
        return sum(order.open_quantity for order in self.queue(instrument, side))

    def collar(self, instrument, taker_side):
        """-> the worst whole price within collar_bps of the best opposite price; 0 where that side is empty."""
        makers = self.queue(instrument, opposite(taker_side))
        best = makers[0].price if makers else 0
        share = Fraction(self.markets[instrument].definition.collar_bps, 10_000)
        return math.floor(best * (1 + share)) if taker_side == Side.BUY else math.ceil(best * (1 - share))

    # --- place -------------------------------------------------------------------------------------------------------

    def on_PlaceOrder(self, command):
        code = next(self.faults_of_place(command), 0)
        if code:
            self.reject(command, code)
            return
        is_market = command.order_type == OrderType.MARKET
        limit = self.collar(command.instrument, command.side) if is_market else command.price
        order = Order(
            order_id=self.ids.take(),
            account=command.account,
            instrument=command.instrument,
            side=command.side,
            post_only=command.post_only,
            price=limit,
            quantity=command.quantity,
            open_quantity=command.quantity,
            client_order_id=command.client_order_id,
            place=self.next_place(),
        )
        fills = self.match(order)
        rests = order.open_quantity > 0 and command.time_in_force == TimeInForce.GTC
        self.events.append(
            OrderAccepted(
                account=command.account,
                order_id=order.order_id,
                instrument=command.instrument,
                side=command.side,
                order_type=command.order_type,
                time_in_force=command.time_in_force,
                post_only=command.post_only,
                price=command.price,
                quantity=command.quantity,
                filled_quantity=command.quantity - order.open_quantity,
                open_quantity=order.open_quantity if rests else 0,
                client_order_id=command.client_order_id,
            )
        )
        self.events += fills
        if rests:
            self.orders.append(order)
            return
        self.ids.give_back(order.order_id)
        if order.open_quantity:
            reason = CancelReason.IOC_REMAINDER
            if is_market and self.queue(command.instrument, opposite(command.side)):
                reason = CancelReason.MARKET_COLLAR
            elif is_market:
                reason = CancelReason.MARKET_NO_LIQUIDITY
            self.events.append(
                OrderCancelled(
                    account=command.account,
                    order_id=order.order_id,
                    instrument=command.instrument,
                    side=command.side,
                    reason=reason,
                    price=command.price,
                    quantity=order.open_quantity,
                )
            )

    def faults_of_place(self, command):
        """Yield the code of each rule the order breaks, the one to report first."""
        market = self.markets.get(command.instrument)
        if market is None:
            yield Code.UNKNOWN_INSTRUMENT
        if command.account == 0:
            yield Code.INVALID_ACCOUNT
        if command.side not in (Side.BUY, Side.SELL):
            yield Code.INVALID_SIDE
        if len(command.client_order_id) > CLIENT_ORDER_ID_MAX or not is_printable_ascii(command.client_order_id):
            yield Code.INVALID_CLIENT_ORDER_ID
        yield from faults_of_quantity(market, command.quantity)
        if command.time_in_force not in (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK):
            yield Code.INVALID_TIME_IN_FORCE
        immediate = command.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
        if command.order_type == OrderType.LIMIT:
            yield from faults_of_price(market, command.price)
            if command.post_only and immediate:
                yield Code.POST_ONLY_INVALID
            limit = command.price
        elif command.order_type == OrderType.MARKET:
            if command.price != 0:
                yield Code.INVALID_PRICE
            if command.post_only:
                yield Code.POST_ONLY_INVALID
            if not immediate:
                yield Code.MARKET_NEEDS_IMMEDIATE
            if market.state == InstrumentState.OPEN and not self.queue(command.instrument, opposite(command.side)):
                yield Code.NO_LIQUIDITY
            limit = self.collar(command.instrument, command.side)
        else:
            yield Code.INVALID_ORDER_TYPE
        if limit * command.quantity > NOTIONAL_MAX:
            yield Code.NOTIONAL_TOO_LARGE
        matches = self.at_or_better(command.instrument, command.side, limit)
        if market.state == InstrumentState.HALTED:
            yield Code.INSTRUMENT_HALTED
        if market.state == InstrumentState.POST_ONLY and (immediate or matches):
            yield Code.INSTRUMENT_POST_ONLY
        if command.post_only and matches:
            yield Code.POST_ONLY_WOULD_MATCH
        if command.time_in_force == TimeInForce.FOK:
            if sum(maker.open_quantity for maker in matches) < command.quantity:
                yield Code.FOK_UNFILLABLE
        if self.open_quantity(command.instrument, command.side) + command.quantity > NOTIONAL_MAX:
            yield Code.BOOK_FULL
        if self.ids.is_full():
            yield Code.VENUE_FULL

    def match(self, taker):
        """Fill the order as far as its limit goes, each trade at the maker's price. -> the fills."""
        fills = []
        while taker.open_quantity:
            makers = self.at_or_better(taker.instrument, taker.side, taker.price)
            if not makers:
                break
            maker = makers[0]
            quantity = min(maker.open_quantity, taker.open_quantity)
            self.trade_count += 1
            for order, liquidity in ((maker, Liquidity.MAKER), (taker, Liquidity.TAKER)):
                order.open_quantity -= quantity
                fills.append(
                    OrderFilled(
                        account=order.account,
                        order_id=order.order_id,
                        instrument=order.instrument,
                        side=order.side,
                        liquidity=liquidity,
                        trade_id=self.trade_count,
                        price=maker.price,
                        quantity=quantity,
                        open_quantity=order.open_quantity,
                    )
                )
            if maker.open_quantity == 0:
                self.end(maker)
        return fills

    def next_place(self):
        self.places += 1
        return self.places

    def end(self, order):
        self.orders.remove(order)
        self.ids.give_back(order.order_id)

    # --- cancel ------------------------------------------------------------------------------------------------------

    def on_CancelOrder(self, command):
        order = self.find(command.account, command.order_id)
        if order is None:
            self.reject(command, Code.UNKNOWN_ORDER, command.order_id)
        else:
            self.cancel(order, CancelReason.USER)

    def cancel(self, order, reason):
        self.events.append(
            OrderCancelled(
                account=order.account,
                order_id=order.order_id,
                instrument=order.instrument,
                side=order.side,
                reason=reason,
                price=order.price,
                quantity=order.open_quantity,
            )
        )
        self.end(order)

    def on_CancelAll(self, command):
        code = 0
        if command.account == 0:
            code = Code.INVALID_ACCOUNT
        elif command.instrument != 0 and command.instrument not in self.markets:
            code = Code.UNKNOWN_INSTRUMENT
        elif command.side not in (0, Side.BUY, Side.SELL):
            code = Code.INVALID_SIDE
        elif command.reason not in (CancelReason.USER_ALL, CancelReason.DISCONNECT):
            code = Code.INVALID_CANCEL_REASON
        if code:
            self.reject(command, code)
            return
        named = [
            order
            for order in self.orders
            if order.account == command.account
            and (command.instrument == 0 or order.instrument == command.instrument)
            and (command.side == 0 or order.side == command.side)
        ]
        for order in sorted(named, key=lambda order: order.order_id):
            self.cancel(order, command.reason)
        self.events.append(AllCancelled(account=command.account, instrument=command.instrument, count=len(named)))

    # --- amend -------------------------------------------------------------------------------------------------------

    def on_AmendOrder(self, command):
        order = self.find(command.account, command.order_id)
        if order is None:
            self.reject(command, Code.UNKNOWN_ORDER, command.order_id)
            return
        price = command.price if command.price != 0 else order.price
        quantity = command.quantity if command.quantity != 0 else order.quantity
        code = next(self.faults_of_amend(order, price, quantity), 0)
        if code:
            self.reject(command, code, command.order_id)
            return
        previous_price = order.price
        keeps_priority = price == order.price and quantity < order.quantity
        filled_before = order.quantity - order.open_quantity
        order.price = price
        order.quantity = quantity
        order.open_quantity = quantity - filled_before
        fills = []
        if not keeps_priority:
            order.place = self.next_place()
            fills = self.match(order)
        self.events.append(
            OrderAmended(
                account=order.account,
                order_id=order.order_id,
                instrument=order.instrument,
                side=order.side,
                kept_priority=1 if keeps_priority else 0,
                previous_price=previous_price,
                price=price,
                quantity=quantity,
                filled_quantity=quantity - filled_before - order.open_quantity,
                open_quantity=order.open_quantity,
            )
        )
        self.events += fills
        if order.open_quantity == 0:
            self.end(order)

    def faults_of_amend(self, order, price, quantity):
        """Yield the code of each rule the amended order would break, the one to report first."""
        market = self.markets[order.instrument]
        yield from faults_of_price(market, price)
        yield from faults_of_quantity(market, quantity)
        if price * quantity > NOTIONAL_MAX:
            yield Code.NOTIONAL_TOO_LARGE
        if market.state == InstrumentState.HALTED:
            yield Code.INSTRUMENT_HALTED
        if price == order.price and quantity == order.quantity:
            yield Code.AMEND_NO_CHANGE
        if quantity <= order.quantity - order.open_quantity:
            yield Code.AMEND_BELOW_FILLED
        matches = self.at_or_better(order.instrument, order.side, price)
        if matches and market.state == InstrumentState.POST_ONLY:
            yield Code.INSTRUMENT_POST_ONLY
        if matches and order.post_only:
            yield Code.POST_ONLY_WOULD_MATCH
        if self.open_quantity(order.instrument, order.side) - order.quantity + quantity > NOTIONAL_MAX:
            yield Code.BOOK_FULL

    # --- instruments -------------------------------------------------------------------------------------------------

    def on_DefineInstrument(self, command):
        taken = [market.definition.symbol for market in self.markets.values()]
        fits = (
            command.instrument != 0
            and command.instrument not in self.markets
            and command.symbol not in taken
            and 0 <= command.price_scale <= 18
            and 0 <= command.quantity_scale <= 18
            and 1 <= command.tick <= UNITS_MAX
            and 1 <= command.lot <= UNITS_MAX
            and 0 <= command.collar_bps <= 10_000
            and 1 <= len(command.symbol) <= 32
            and is_printable_ascii(command.symbol)
        )
        if not fits:
            self.reject(command, Code.INVALID_INSTRUMENT)
            return
        defined = InstrumentDefined(
            account=command.account,
            instrument=command.instrument,
            price_scale=command.price_scale,
            quantity_scale=command.quantity_scale,
            tick=command.tick,
            lot=command.lot,
            collar_bps=command.collar_bps,
            symbol=command.symbol,
        )
        self.markets[command.instrument] = Market(defined)
        self.events.append(defined)

    def on_SetInstrumentState(self, command):
        if command.instrument not in self.markets:
            self.reject(command, Code.UNKNOWN_INSTRUMENT)
        elif command.state not in (InstrumentState.OPEN, InstrumentState.HALTED, InstrumentState.POST_ONLY):
            self.reject(command, Code.INVALID_INSTRUMENT_STATE)
        else:
            self.markets[command.instrument].state = command.state
            self.events.append(
                InstrumentStateChanged(
                    account=command.account,
                    instrument=command.instrument,
                    state=command.state,
                    reason=command.reason,
                )
            )

    def on_Tick(self, command):
        pass


def opposite(side):
    return Side.SELL if side == Side.BUY else Side.BUY


def faults_of_price(market, price):
    if price <= 0 or price > UNITS_MAX:
        yield Code.INVALID_PRICE
    if price % market.definition.tick != 0:
        yield Code.PRICE_NOT_ON_TICK


def faults_of_quantity(market, quantity):
    if quantity <= 0 or quantity > UNITS_MAX:
        yield Code.INVALID_QUANTITY
    if quantity % market.definition.lot != 0:
        yield Code.QUANTITY_NOT_ON_LOT


def is_printable_ascii(text):
    return all(33 <= ord(character) <= 126 for character in text)
