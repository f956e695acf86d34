"""The exchange: commands in, events out. Pure: the same commands give the same events and the same state anywhere.

It knows no clock, no socket and no file; time comes with the command. Each command is decided completely (rules.py)
before anything changes, so that a reject leaves no trace; the rules are in docs/conventions.md.
"""

from sortedcontainers import SortedList

from engine.book import NO_LEVEL, Book
from engine.instruments import Instrument, definition_problem
from engine.orders import NIL, SLOT_MASK, SLOTS_AT_FIRST, Orders
from engine.rules import amend_problem, can_fill, collar_price, place_problem
from protocol.messages import (
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
    OrderTriggered,
    OrderType,
    PlaceOrder,
    SelfTradePrevented,
    SelfTradePrevention,
    SetInstrumentState,
    Side,
    Tick,
    TimeInForce,
)

#: Which rules made the events of a journal; a journal is never replayed under others.
RULES_VERSION = 2
#: Later than any time.
NEVER_NS = 2**63 - 1


class Exchange:
    def __init__(self, order_slots=SLOTS_AT_FIRST):
        self.seq = 0  # of the last command applied
        self.trade_count = 0
        self.orders = Orders(order_slots)
        self.books = {}  # instrument number -> Book, in order of definition
        self.symbols = {}  # symbol -> instrument number
        self.expiries = SortedList()  # (expire_time_ns, order id) of every open good-till-date order
        self.next_due_ns = NEVER_NS  # when a Tick will have something to do
        self._elected = []  # slots of stop orders elected by the command under way, in order
        self._stop_reason = 0  # see _match
        self._decremented = 0
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
        cancel, O(log stops) a stop order elected, save where a handler says otherwise.
        """
        assert seq == self.seq + 1, (seq, self.seq)
        self.seq = seq
        events = []
        self._handlers[command.TYPE](now_ns, command, events)
        if self._elected:
            self._run_elected(events)
        return events

    # --- place -------------------------------------------------------------------------------------------------------

    def _place(self, now_ns, command, events):
        code = place_problem(self, now_ns, command)
        if code:
            rejected = CommandRejected(command.account, code, command.instrument, 0, command.client_order_id)
            events.append(rejected)
            return
        orders = self.orders
        slot = orders.add(command)
        accepted = OrderAccepted(
            command.account,
            orders.order_id[slot],
            command.instrument,
            command.side,
            command.order_type,
            command.time_in_force,
            command.post_only,
            command.price,
            command.quantity,
            0,
            0,
            command.self_trade_prevention,
            command.stop_price,
            command.expire_time_ns,
            command.client_order_id,
        )
        events.append(accepted)
        if command.expire_time_ns:
            self.expiries.add((command.expire_time_ns, orders.order_id[slot]))
            self.next_due_ns = self.expiries[0][0]
        book = self.books[command.instrument]
        if command.order_type >= OrderType.STOP:
            accepted.open_quantity = command.quantity
            orders.is_waiting[slot] = 1
            book.stops(command.side).add(slot)
        else:
            self._enter(book, slot, accepted, events)

    def _enter(self, book, slot, outcome, events):
        """An open order that stands in no book matches, and rests where it may, or ends. New, elected and amended
        orders come this way; `outcome` (OrderAccepted, OrderTriggered, OrderAmended) is told what came of it."""
        orders = self.orders
        account = orders.account[slot]
        order_id = orders.order_id[slot]
        side = orders.side[slot]
        quantity = orders.open_quantity[slot]
        order_type = orders.order_type[slot]
        is_market = order_type == OrderType.MARKET or order_type == OrderType.STOP
        limit = collar_price(book, side) if is_market else orders.price[slot]
        stp = orders.self_trade_prevention[slot]
        left = self._match(book, order_id, account, stp, side, limit, quantity, events)
        outcome.filled_quantity = quantity - left - self._decremented
        reason = self._stop_reason
        time_in_force = orders.time_in_force[slot]
        rests = not is_market and (time_in_force == TimeInForce.GTC or time_in_force == TimeInForce.GTD)
        if left and rests and not reason:
            outcome.open_quantity = left
            orders.open_quantity[slot] = left
            orders.quantity[slot] -= self._decremented
            book.side(side).add(slot)
            return
        price = orders.price[slot]
        self._forget(slot)
        if left or reason:
            reason = reason or self._remainder_reason(book, side, is_market)
            events.append(OrderCancelled(account, order_id, book.instrument.number, side, reason, price, left))

    def _remainder_reason(self, book, side, is_market):
        if not is_market:
            return CancelReason.IOC_REMAINDER
        if book.opposite(side).best == NO_LEVEL:
            return CancelReason.MARKET_NO_LIQUIDITY
        return CancelReason.MARKET_COLLAR

    def _match(self, book, order_id, account, stp, side, limit, quantity, events):
        """Fill from the opposite side, best price first, oldest first, at the makers' prices. -> quantity left.

        Afterwards `_stop_reason` says whether self-trade prevention has ended the order, and `_decremented` what it
        took off it; else they are 0.
        """
        self._stop_reason = 0
        self._decremented = 0
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
            maker_account = orders.account[slot]
            if maker_account == account and stp != SelfTradePrevention.NONE:
                quantity = self._prevent(book, slot, order_id, stp, side, quantity, events)
                if self._stop_reason:
                    break
                continue
            price = orders.price[slot]
            maker_open = orders.open_quantity[slot]
            filled = maker_open if maker_open < quantity else quantity
            quantity -= filled
            maker_open -= filled
            self.trade_count = trade_id = self.trade_count + 1
            events.append(
                OrderFilled(
                    maker_account,
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
                self._forget(slot)
            if price != book.last_price:
                book.last_price = price
                self._elect(book, price)
        return quantity

    def _prevent(self, book, slot, order_id, stp, side, quantity, events):
        """Self-trade prevention between the incoming order and the resting one at `slot`. -> quantity left of the
        incoming one; sets _stop_reason where that may not go on."""
        orders = self.orders
        makers = book.opposite(side)
        maker_open = orders.open_quantity[slot]
        overlap = min(maker_open, quantity)
        prevented = SelfTradePrevented(
            orders.account[slot],
            book.instrument.number,
            stp,
            side,
            orders.order_id[slot],
            order_id,
            orders.price[slot],
            overlap,
            maker_open,
            quantity,
        )
        events.append(prevented)
        if stp == SelfTradePrevention.CANCEL_TAKER or stp == SelfTradePrevention.CANCEL_BOTH:
            self._stop_reason = CancelReason.SELF_TRADE
        if stp == SelfTradePrevention.CANCEL_MAKER or stp == SelfTradePrevention.CANCEL_BOTH:
            prevented.maker_open_quantity = 0
            self._end(slot, CancelReason.SELF_TRADE, events)
        elif stp == SelfTradePrevention.DECREMENT:
            prevented.maker_open_quantity = maker_open - overlap
            prevented.taker_open_quantity = quantity = quantity - overlap
            self._decremented += overlap
            if maker_open > overlap:
                makers.reduce(slot, overlap)
                orders.quantity[slot] -= overlap
            else:
                self._end(slot, CancelReason.SELF_TRADE, events)
                events[-1].quantity = 0  # SelfTradePrevented told what it lost
            if quantity == 0:
                self._stop_reason = CancelReason.SELF_TRADE
        return quantity

    # --- stop orders -------------------------------------------------------------------------------------------------

    def _elect(self, book, price):
        """Queue the stop orders that a trade at `price` elects: sell stops from the highest, buy stops from the lowest,
        each price oldest first. O(1), and O(log stop prices) for each elected."""
        for stops in (book.sell_stops, book.buy_stops):
            while stops.crosses(price):
                slot = stops.first[stops.best]
                stops.remove(slot)
                self.orders.is_waiting[slot] = 0
                self._elected.append(slot)

    def _run_elected(self, events):
        """Run the queue, oldest first; what runs may elect more. O(log levels) each, plus its fills."""
        elected = self._elected
        place = 0
        while place < len(elected):
            self._run(elected[place], events)
            place += 1
        elected.clear()

    def _run(self, slot, events):
        orders = self.orders
        side = orders.side[slot]
        account = orders.account[slot]
        order_id = orders.order_id[slot]
        price = orders.price[slot]
        quantity = orders.open_quantity[slot]
        book = self.books[orders.instrument[slot]]
        number = book.instrument.number
        triggered = OrderTriggered(account, order_id, number, side, orders.stop_price[slot], 0, 0)
        events.append(triggered)
        stp = orders.self_trade_prevention[slot]
        if orders.time_in_force[slot] == TimeInForce.FOK and not can_fill(
            self, book.opposite(side), account, stp, price, quantity
        ):
            self._forget(slot)
            reason = CancelReason.FOK_UNFILLABLE
            events.append(OrderCancelled(account, order_id, number, side, reason, price, quantity))
        else:
            self._enter(book, slot, triggered, events)

    # --- time --------------------------------------------------------------------------------------------------------

    def _tick(self, now_ns, command, events):
        """Good-till-date orders whose time has come end, earliest first, then in order-id order. Only a Tick does this,
        so that no other command's events are mixed with theirs."""
        while self.expiries and self.expiries[0][0] <= now_ns:
            self._end(self.orders.find(self.expiries[0][1]), CancelReason.EXPIRED, events)

    def _forget(self, slot):
        """The order has ended and stands in no book any more."""
        orders = self.orders
        expire_time_ns = orders.expire_time_ns[slot]
        if expire_time_ns:
            self.expiries.remove((expire_time_ns, orders.order_id[slot]))
            self.next_due_ns = self.expiries[0][0] if self.expiries else NEVER_NS
        orders.remove(slot)

    # --- cancel ------------------------------------------------------------------------------------------------------

    def _cancel(self, now_ns, command, events):
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
        book = self.books[orders.instrument[slot]]
        half = book.stops(side) if orders.is_waiting[slot] else book.side(side)
        half.remove(slot)
        self._forget(slot)

    def _cancel_all(self, now_ns, command, events):
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

    def _amend(self, now_ns, command, events):
        slot = self._find(command)
        code = Code.UNKNOWN_ORDER if slot == NIL else amend_problem(self, slot, command)
        orders = self.orders
        if code:
            instrument = orders.instrument[slot] if slot else 0
            events.append(CommandRejected(command.account, code, instrument, command.order_id))
            return
        side = orders.side[slot]
        previous_price = orders.price[slot]
        price = command.price or previous_price
        previous_quantity = orders.quantity[slot]
        quantity = command.quantity or previous_quantity
        stop_price = command.stop_price or orders.stop_price[slot]
        book = self.books[orders.instrument[slot]]
        keeps_priority = (
            price == previous_price and quantity < previous_quantity and stop_price == orders.stop_price[slot]
        )
        amended = OrderAmended(
            orders.account[slot],
            orders.order_id[slot],
            book.instrument.number,
            side,
            1 if keeps_priority else 0,
            previous_price,
            price,
            quantity,
            stop_price,
            0,
            0,
        )
        events.append(amended)
        half = book.stops(side) if orders.is_waiting[slot] else book.side(side)
        if keeps_priority:
            half.reduce(slot, previous_quantity - quantity)
            orders.quantity[slot] = quantity
            amended.open_quantity = orders.open_quantity[slot]
            return
        half.remove(slot)
        orders.open_quantity[slot] += quantity - previous_quantity
        orders.price[slot] = price
        orders.quantity[slot] = quantity
        orders.stop_price[slot] = stop_price
        if orders.is_waiting[slot]:
            amended.open_quantity = orders.open_quantity[slot]
            half.add(slot)
        else:
            self._enter(book, slot, amended, events)

    # --- instruments -------------------------------------------------------------------------------------------------

    def _define_instrument(self, now_ns, command, events):
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

    def _set_instrument_state(self, now_ns, command, events):
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

    # --- invariants --------------------------------------------------------------------------------------------------

    def check(self):
        """Assert every invariant of the whole state. O(orders)."""
        orders = self.orders
        orders.check()
        placed = []
        for number, book in self.books.items():
            assert number == book.instrument.number == self.symbols[book.instrument.symbol]
            book.check()
            for side in (Side.BUY, Side.SELL):
                for is_waiting, half in enumerate((book.side(side), book.stops(side))):
                    for slot in half.slots():
                        assert (orders.instrument[slot], orders.side[slot]) == (number, side)
                        assert orders.is_waiting[slot] == is_waiting
                        placed.append(slot)
        assert len(placed) == orders.open_count, "an open order is in no book, or in two"
        assert len(self.symbols) == len(self.books)
        assert orders.number <= self.seq and all(slot <= SLOT_MASK for slot in placed)
        dated = sorted((orders.expire_time_ns[s], orders.order_id[s]) for s in placed if orders.expire_time_ns[s])
        assert dated == list(self.expiries)
        assert self.next_due_ns == (dated[0][0] if dated else NEVER_NS)
        assert not self._elected, "a stop order was elected and did not run"
