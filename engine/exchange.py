"""The exchange: commands in, events out. Pure: the same commands give the same events and the same state anywhere.

It knows no clock, no socket and no file; time comes with the command. Each command is decided completely before
anything changes, so that a reject leaves no trace; the rules are in docs/conventions.md.
"""

from engine.book import NO_LEVEL, Book
from engine.instruments import (
    NOTIONAL_MAX,
    Instrument,
    definition_problem,
    is_plain,
    price_problem,
    quantity_problem,
)
from engine.orders import NIL, SLOT_MASK, SLOTS_AT_FIRST, Orders
from protocol.messages import (
    CLIENT_ORDER_ID_MAX,
    AllCancelled,
    AmendOrder,
    CancelAll,
    CancelOrder,
    CancelReason,
    Code,
    CommandRejected,
    DefineInstrument,
    InstrumentDefined,
    InstrumentState,
    InstrumentStateChanged,
    Liquidity,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderType,
    PlaceOrder,
    SetInstrumentState,
    Side,
    Tick,
    TimeInForce,
)

#: Which rules made the events of a journal; a journal is never replayed under others.
RULES_VERSION = 1


class Exchange:
    def __init__(self, order_slots=SLOTS_AT_FIRST):
        self.seq = 0  # of the last command applied
        self.trade_count = 0
        self.orders = Orders(order_slots)
        self.books = {}  # instrument number -> Book, in order of definition
        self.symbols = {}  # symbol -> instrument number
        self._handlers = [None] * 128  # by type number
        self._handlers[PlaceOrder.TYPE] = self._place
        self._handlers[CancelOrder.TYPE] = self._cancel
        self._handlers[AmendOrder.TYPE] = self._amend
        self._handlers[CancelAll.TYPE] = self._cancel_all
        self._handlers[DefineInstrument.TYPE] = self._define_instrument
        self._handlers[SetInstrumentState.TYPE] = self._set_instrument_state
        self._handlers[Tick.TYPE] = self._tick

    def apply(self, seq, now_ns, command):
        """Decide one command. -> list of events, at least one (save for Tick), envelope fields not yet stamped.

        `seq` counts commands from 1 without a gap; `now_ns` is the venue's time. O(log levels) plus O(1) a fill or
        cancel, save where a handler says otherwise.
        """
        assert seq == self.seq + 1, (seq, self.seq)
        self.seq = seq
        events = []
        self._handlers[command.TYPE](command, events)
        return events

    # --- place -------------------------------------------------------------------------------------------------------

    def _place(self, command, events):
        code = self._place_problem(command)
        if code:
            events.append(CommandRejected(command.account, code, command.instrument, 0, command.client_order_id))
            return
        orders = self.orders
        book = self.books[command.instrument]
        side = command.side
        quantity = command.quantity
        is_market = command.order_type == OrderType.MARKET
        limit = collar_price(book, side) if is_market else command.price
        order_id = orders.new_id()
        accepted = OrderAccepted(
            command.account,
            order_id,
            command.instrument,
            side,
            command.order_type,
            command.time_in_force,
            command.post_only,
            command.price,
            quantity,
            0,
            0,
            command.client_order_id,
        )
        events.append(accepted)
        left = self._match(book, order_id, command.account, side, limit, quantity, events)
        accepted.filled_quantity = quantity - left
        if left == 0:
            orders.give_back(order_id)
        elif command.time_in_force == TimeInForce.GTC:
            accepted.open_quantity = left
            slot = orders.add(
                order_id,
                command.account,
                command.instrument,
                side,
                command.post_only,
                limit,
                quantity,
                left,
                command.client_order_id,
            )
            book.side(side).add(slot)
        else:
            orders.give_back(order_id)
            reason = CancelReason.IOC_REMAINDER
            if is_market:
                swept = book.opposite(side).best == NO_LEVEL
                reason = CancelReason.MARKET_NO_LIQUIDITY if swept else CancelReason.MARKET_COLLAR
            events.append(
                OrderCancelled(command.account, order_id, command.instrument, side, reason, command.price, left)
            )

    def _place_problem(self, command):
        """-> Code of why the order is rejected, or 0. The first that applies, in this order."""
        book = self.books.get(command.instrument)
        if book is None:
            return Code.UNKNOWN_INSTRUMENT
        if command.account == 0:
            return Code.INVALID_ACCOUNT
        side = command.side
        if side != Side.BUY and side != Side.SELL:
            return Code.INVALID_SIDE
        if command.client_order_id and (
            len(command.client_order_id) > CLIENT_ORDER_ID_MAX or not is_plain(command.client_order_id)
        ):
            return Code.INVALID_CLIENT_ORDER_ID
        instrument = book.instrument
        code = quantity_problem(instrument, command.quantity)
        if code:
            return code
        time_in_force = command.time_in_force
        if not TimeInForce.GTC <= time_in_force <= TimeInForce.FOK:
            return Code.INVALID_TIME_IN_FORCE
        post_only = command.post_only
        opposite = book.opposite(side)
        if command.order_type == OrderType.LIMIT:
            price = command.price
            code = price_problem(instrument, price)
            if code:
                return code
            if post_only and time_in_force != TimeInForce.GTC:
                return Code.POST_ONLY_INVALID
        elif command.order_type == OrderType.MARKET:
            if command.price:
                return Code.INVALID_PRICE
            if post_only:
                return Code.POST_ONLY_INVALID
            if time_in_force == TimeInForce.GTC:
                return Code.MARKET_NEEDS_IMMEDIATE
            if instrument.state == InstrumentState.OPEN and opposite.best == NO_LEVEL:
                return Code.NO_LIQUIDITY
            price = collar_price(book, side)
        else:
            return Code.INVALID_ORDER_TYPE
        if price * command.quantity > NOTIONAL_MAX:
            return Code.NOTIONAL_TOO_LARGE
        if instrument.state != InstrumentState.OPEN:
            if instrument.state == InstrumentState.HALTED:
                return Code.INSTRUMENT_HALTED
            if time_in_force != TimeInForce.GTC or opposite.crosses(price):
                return Code.INSTRUMENT_POST_ONLY
        if post_only and opposite.crosses(price):
            return Code.POST_ONLY_WOULD_MATCH
        if time_in_force == TimeInForce.FOK and not opposite.can_fill(price, command.quantity):
            return Code.FOK_UNFILLABLE
        if book.side(side).open_quantity + command.quantity > NOTIONAL_MAX:
            return Code.BOOK_FULL
        if self.orders.is_full():
            return Code.VENUE_FULL
        return 0

    def _match(self, book, order_id, account, side, limit, quantity, events):
        """Fill from the opposite side, best price first, oldest first, at the makers' prices. -> quantity left."""
        makers = book.opposite(side)
        orders = self.orders
        instrument = book.instrument.number
        maker_side = Side.BUY + Side.SELL - side
        key_limit = limit * makers.sign
        while quantity:
            level = makers.best
            if level == NO_LEVEL or makers.key[level] > key_limit:
                break
            slot = makers.first[level]
            price = orders.price[slot]
            maker_open = orders.open_quantity[slot]
            filled = maker_open if maker_open < quantity else quantity
            quantity -= filled
            maker_open -= filled
            self.trade_count = trade_id = self.trade_count + 1
            events.append(
                OrderFilled(
                    orders.account[slot],
                    orders.order_id[slot],
                    instrument,
                    maker_side,
                    Liquidity.MAKER,
                    trade_id,
                    price,
                    filled,
                    maker_open,
                )
            )
            events.append(
                OrderFilled(account, order_id, instrument, side, Liquidity.TAKER, trade_id, price, filled, quantity)
            )
            if maker_open:
                makers.reduce(slot, filled)
            else:
                makers.remove(slot)
                orders.remove(slot)
        return quantity

    # --- cancel ------------------------------------------------------------------------------------------------------

    def _cancel(self, command, events):
        slot = self._find(command)
        if slot == NIL:
            events.append(CommandRejected(command.account, Code.UNKNOWN_ORDER, 0, command.order_id))
        else:
            self._end(slot, CancelReason.USER, events)

    def _find(self, command):
        """-> slot of the open order the command names, or NIL; somebody else's order counts as unknown."""
        slot = self.orders.find(command.order_id)
        return slot if self.orders.account[slot] == command.account else NIL

    def _end(self, slot, reason, events):
        orders = self.orders
        side = orders.side[slot]
        events.append(
            OrderCancelled(
                orders.account[slot],
                orders.order_id[slot],
                orders.instrument[slot],
                side,
                reason,
                orders.price[slot],
                orders.open_quantity[slot],
            )
        )
        self.books[orders.instrument[slot]].side(side).remove(slot)
        orders.remove(slot)

    def _cancel_all(self, command, events):
        """In order-id order. O(the account's open orders)."""
        code = 0
        if command.account == 0:
            code = Code.INVALID_ACCOUNT
        elif command.instrument and command.instrument not in self.books:
            code = Code.UNKNOWN_INSTRUMENT
        elif command.side not in (0, Side.BUY, Side.SELL):
            code = Code.INVALID_SIDE
        elif command.reason not in (CancelReason.USER_ALL, CancelReason.DISCONNECT):
            code = Code.INVALID_CANCEL_REASON
        if code:
            events.append(CommandRejected(command.account, code, command.instrument))
            return
        orders = self.orders
        for slot in orders.of_account(command.account):
            if command.instrument in (0, orders.instrument[slot]) and command.side in (0, orders.side[slot]):
                self._end(slot, command.reason, events)
        events.append(AllCancelled(command.account, command.instrument, len(events)))

    # --- amend -------------------------------------------------------------------------------------------------------

    def _amend(self, command, events):
        slot = self._find(command)
        code = Code.UNKNOWN_ORDER if slot == NIL else self._amend_problem(slot, command)
        orders = self.orders
        if code:
            instrument = orders.instrument[slot] if slot else 0
            events.append(CommandRejected(command.account, code, instrument, command.order_id))
            return
        order_id = orders.order_id[slot]
        account = orders.account[slot]
        side = orders.side[slot]
        previous_price = orders.price[slot]
        price = command.price or previous_price
        previous_quantity = orders.quantity[slot]
        quantity = command.quantity or previous_quantity
        book = self.books[orders.instrument[slot]]
        own_side = book.side(side)
        keeps_priority = price == previous_price and quantity < previous_quantity
        amended = OrderAmended(
            account,
            order_id,
            book.instrument.number,
            side,
            1 if keeps_priority else 0,
            previous_price,
            price,
            quantity,
            0,
            0,
        )
        events.append(amended)
        if keeps_priority:
            own_side.reduce(slot, previous_quantity - quantity)
            orders.quantity[slot] = quantity
            amended.open_quantity = orders.open_quantity[slot]
            return
        open_quantity = orders.open_quantity[slot] + quantity - previous_quantity
        own_side.remove(slot)
        left = self._match(book, order_id, account, side, price, open_quantity, events)
        amended.filled_quantity = open_quantity - left
        amended.open_quantity = left
        if left == 0:
            orders.remove(slot)
            return
        orders.price[slot] = price
        orders.quantity[slot] = quantity
        orders.open_quantity[slot] = left
        own_side.add(slot)

    def _amend_problem(self, slot, command):
        """-> Code of why the amend is rejected, or 0. The first that applies, in this order."""
        orders = self.orders
        book = self.books[orders.instrument[slot]]
        instrument = book.instrument
        side = orders.side[slot]
        price = command.price or orders.price[slot]
        quantity = command.quantity or orders.quantity[slot]
        code = price_problem(instrument, price) or quantity_problem(instrument, quantity)
        if code:
            return code
        if price * quantity > NOTIONAL_MAX:
            return Code.NOTIONAL_TOO_LARGE
        if instrument.state == InstrumentState.HALTED:
            return Code.INSTRUMENT_HALTED
        if price == orders.price[slot] and quantity == orders.quantity[slot]:
            return Code.AMEND_NO_CHANGE
        if quantity <= orders.quantity[slot] - orders.open_quantity[slot]:
            return Code.AMEND_BELOW_FILLED
        if book.opposite(side).crosses(price):
            if instrument.state == InstrumentState.POST_ONLY:
                return Code.INSTRUMENT_POST_ONLY
            if orders.post_only[slot]:
                return Code.POST_ONLY_WOULD_MATCH
        if book.side(side).open_quantity + quantity - orders.quantity[slot] > NOTIONAL_MAX:
            return Code.BOOK_FULL
        return 0

    # --- instruments -------------------------------------------------------------------------------------------------

    def _define_instrument(self, command, events):
        code = definition_problem(command)
        if not code and (command.instrument in self.books or command.symbol in self.symbols):
            code = Code.INVALID_INSTRUMENT
        if code:
            events.append(CommandRejected(command.account, code, command.instrument))
            return
        instrument = Instrument(
            command.instrument,
            command.symbol,
            command.price_scale,
            command.quantity_scale,
            command.tick,
            command.lot,
            command.collar_bps,
        )
        self.books[instrument.number] = Book(self.orders, instrument)
        self.symbols[instrument.symbol] = instrument.number
        events.append(
            InstrumentDefined(
                command.account,
                instrument.number,
                instrument.price_scale,
                instrument.quantity_scale,
                instrument.tick,
                instrument.lot,
                instrument.collar_bps,
                instrument.symbol,
            )
        )

    def _set_instrument_state(self, command, events):
        book = self.books.get(command.instrument)
        code = 0
        if book is None:
            code = Code.UNKNOWN_INSTRUMENT
        elif not InstrumentState.OPEN <= command.state <= InstrumentState.POST_ONLY:
            code = Code.INVALID_INSTRUMENT_STATE
        if code:
            events.append(CommandRejected(command.account, code, command.instrument))
            return
        book.instrument.state = command.state
        events.append(InstrumentStateChanged(command.account, command.instrument, command.state, command.reason))

    def _tick(self, command, events):
        """Nothing is due by time yet."""

    # --- invariants --------------------------------------------------------------------------------------------------

    def check(self):
        """Assert every invariant of the whole state. O(orders)."""
        self.orders.check()
        placed = []
        for number, book in self.books.items():
            assert number == book.instrument.number == self.symbols[book.instrument.symbol]
            book.check()
            for side, half in ((Side.BUY, book.bids), (Side.SELL, book.asks)):
                for slot in half.slots():
                    assert self.orders.instrument[slot] == number and self.orders.side[slot] == side
                    placed.append(slot)
        assert len(placed) == self.orders.open_count, "an open order is in no book, or in two"
        assert len(self.symbols) == len(self.books)
        assert self.orders.number <= self.seq and all(slot <= SLOT_MASK for slot in placed)


def collar_price(book, side):
    """The worst price a market order may trade at: collar_bps from the best opposite price, not beyond it."""
    best = book.opposite(side).best_price()
    bps = book.instrument.collar_bps
    if side == Side.BUY:
        return best * (10_000 + bps) // 10_000
    return -(-best * (10_000 - bps) // 10_000)
