"""The commands of traders: place, cancel, cancel-all, amend; and what time does to orders. Pure."""

from engine.funds import amend_funding_problem, funding, needed
from engine.matching import NEVER_NS, Matching
from engine.orders import NIL
from engine.rules import amend_problem, place_problem
from protocol.messages import (
    CLIENT_ORDER_IDS_MAX,
    DUPLICATE_FIELDS,
    AllCancelled,
    CancelReason,
    Code,
    CommandRejected,
    OrderAccepted,
    OrderAmended,
    OrderDuplicate,
    OrderType,
    Side,
)

NO_IDS = {}


class Trading(Matching):
    """Matching, and the commands that lead to it."""

    def __init__(self, orders, ledger):
        super().__init__(orders, ledger)
        self.client_order_ids = {}  # account -> {client order id: (order id, *terms)}, the newest CLIENT_ORDER_IDS_MAX

    # --- place -------------------------------------------------------------------------------------------------------

    def place(self, now_ns, command, events):
        if command.client_order_id:
            first = self.client_order_ids.get(command.account, NO_IDS).get(command.client_order_id)
            if first is not None:
                events.append(self._duplicate(command, first))
                return
        code, quantity, notional = place_problem(self, now_ns, command)
        account = amount = None
        if code == 0:
            code, account, amount = funding(self, command, quantity, notional)
        if code:
            events.append(CommandRejected(command.account, code, command.instrument, 0, command.client_order_id))
            return
        orders = self.orders
        book = self.books[command.instrument]
        slot = orders.add(command, quantity)
        accepted = OrderAccepted(
            command.account,
            orders.order_id[slot],
            command.instrument,
            command.side,
            command.order_type,
            command.time_in_force,
            command.post_only,
            command.price,
            quantity,
            0,
            0,
            command.self_trade_prevention,
            command.stop_price,
            command.expire_time_ns,
            command.client_order_id,
        )
        events.append(accepted)
        if command.client_order_id:
            self._remember(command, orders.order_id[slot], quantity)
        if command.expire_time_ns:
            self.expiries.add((command.expire_time_ns, orders.order_id[slot]))
            self.next_due_ns = self.expiries[0][0]
        if account is not None:
            self._fund(slot, book.instrument, account, amount)
        if command.order_type >= OrderType.STOP:
            accepted.open_quantity = quantity
            orders.is_waiting[slot] = 1
            book.stops(command.side).add(slot)
        else:
            self._enter(book, slot, accepted, events)

    def _remember(self, command, order_id, quantity):
        known = self.client_order_ids.setdefault(command.account, {})
        if len(known) >= CLIENT_ORDER_IDS_MAX:
            del known[next(iter(known))]
        terms = [getattr(command, name) for name in DUPLICATE_FIELDS]
        known[command.client_order_id] = (order_id, quantity, *terms)

    def _duplicate(self, command, first):
        order_id, quantity, *terms = first
        orders = self.orders
        slot = orders.find(order_id)
        differs = 0
        for bit, name in enumerate(DUPLICATE_FIELDS):
            if getattr(command, name) != terms[bit]:
                differs |= 1 << bit
        open_quantity = orders.open_quantity[slot] if slot else 0
        return OrderDuplicate(
            command.account,
            order_id,
            terms[0],
            1 if slot else 0,
            quantity,
            open_quantity,
            differs,
            command.client_order_id,
        )

    # --- cancel, expire ----------------------------------------------------------------------------------------------

    def cancel(self, now_ns, command, events):
        slot = self._find(command)
        if slot == NIL:
            events.append(CommandRejected(command.account, Code.UNKNOWN_ORDER, 0, command.order_id))
        else:
            self.end(slot, CancelReason.USER, events)

    def _find(self, command):
        """-> slot of the open order the command names, or NIL; somebody else's order counts as unknown."""
        slot = self.orders.find(command.order_id)
        return slot if self.orders.account[slot] == command.account else NIL

    def cancel_all(self, now_ns, command, events):
        is_valid = command.reason in (CancelReason.USER_ALL, CancelReason.DISCONNECT)
        self.cancel_all_for(command, command.reason if is_valid else 0, events)

    def cancel_all_for(self, command, reason, events):
        """A CancelAll or CancelAccount, for this CancelReason (0: one that there is not). In order-id order. O(the
        account's orders accepted since the last for the same instrument and side)."""
        code = 0
        if command.account == 0:
            code = Code.INVALID_ACCOUNT
        elif command.instrument and command.instrument not in self.books:
            code = Code.UNKNOWN_INSTRUMENT
        elif command.side not in (0, Side.BUY, Side.SELL):
            code = Code.INVALID_SIDE
        elif not reason:
            code = Code.INVALID_CANCEL_REASON
        if code:
            events.append(CommandRejected(command.account, code, command.instrument))
            return
        orders = self.orders
        if command.instrument or command.side:
            slots = orders.take_of(command.account, command.instrument, command.side)
        else:
            slots = orders.of_account(command.account)
        for slot in slots:
            self.end(slot, reason, events)
        events.append(AllCancelled(command.account, command.instrument, len(events)))

    def expire(self, now_ns, events):
        """End the orders whose date has come, earliest first, then in order-id order. O(log dated orders) each."""
        while self.expiries and self.expiries[0][0] <= now_ns:
            self.end(self.orders.find(self.expiries[0][1]), CancelReason.EXPIRED, events)

    # --- amend -------------------------------------------------------------------------------------------------------

    def amend(self, now_ns, command, events):
        slot = self._find(command)
        code = Code.UNKNOWN_ORDER if slot == NIL else self._amend_problem(slot, command)
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
        else:
            half.remove(slot)
            orders.open_quantity[slot] += quantity - previous_quantity
            orders.price[slot] = price
            orders.quantity[slot] = quantity
            orders.stop_price[slot] = stop_price
        if book.instrument.base:
            self._reserve(slot, book.instrument)
        if keeps_priority:
            amended.open_quantity = orders.open_quantity[slot]
        elif orders.is_waiting[slot]:
            amended.open_quantity = orders.open_quantity[slot]
            half.add(slot)
        else:
            self._enter(book, slot, amended, events)

    def _amend_problem(self, slot, command):
        orders = self.orders
        code = amend_problem(self, slot, command)
        if code:
            return code
        instrument = self.books[orders.instrument[slot]].instrument
        price = command.price or orders.price[slot]
        quantity = command.quantity or orders.quantity[slot]
        stop_price = command.stop_price or orders.stop_price[slot]
        return amend_funding_problem(self.ledger, slot, instrument, price, quantity, stop_price)

    # --- invariants --------------------------------------------------------------------------------------------------

    def check(self):
        """Assert every invariant of orders, books and reserves. O(orders)."""
        orders = self.orders
        orders.check()
        placed = []
        reserved = {}  # (asset number, account index) -> amount
        for number, book in self.books.items():
            instrument = book.instrument
            assert number == instrument.number
            book.check()
            for side in (Side.BUY, Side.SELL):
                for is_waiting, half in enumerate((book.side(side), book.stops(side))):
                    for slot in half.slots():
                        assert (orders.instrument[slot], orders.side[slot]) == (number, side)
                        assert orders.is_waiting[slot] == is_waiting
                        placed.append(slot)
                        if not instrument.base:
                            assert orders.reserved[slot] == 0
                            continue
                        terms = (orders.price[slot], orders.open_quantity[slot], orders.stop_price[slot])
                        assert orders.reserved[slot] == needed(orders, slot, instrument, *terms)
                        asset = instrument.quote if side == Side.BUY else instrument.base
                        key = (asset, orders.account_index[slot])
                        reserved[key] = reserved.get(key, 0) + orders.reserved[slot]
        assert len(placed) == orders.open_count, "an open order is in no book, or in two"
        dated = sorted((orders.expire_time_ns[s], orders.order_id[s]) for s in placed if orders.expire_time_ns[s])
        assert dated == list(self.expiries)
        assert self.next_due_ns == (dated[0][0] if dated else NEVER_NS)
        assert not self.elected, "a stop order was elected and did not run"
        for asset in self.ledger.assets.values():
            for index, amount in enumerate(asset.reserved):
                assert amount == reserved.get((asset.number, index), 0), "reserved is not what open orders need"
        assert all(0 < len(known) <= CLIENT_ORDER_IDS_MAX for known in self.client_order_ids.values())
