"""The commands of traders, and time."""

from protocol.messages import (
    DUPLICATE_FIELDS,
    AllCancelled,
    CancelReason,
    Code,
    OrderAccepted,
    OrderAmended,
    OrderDuplicate,
    OrderType,
    Side,
)
from tests.model.matching import Matching
from tests.model.orders import MATCHING, WAITING, Order
from tests.model.rules import faults_of_amend, faults_of_place

CLIENT_ORDER_IDS_MAX = 1_000


class Trading(Matching):
    def __init__(self, slots_max=2**22 - 1):
        super().__init__(slots_max)
        self.placed = {}  # account -> [(PlaceOrder, OrderAccepted), ...] of those with a client order id

    # --- place -------------------------------------------------------------------------------------------------------

    def on_PlaceOrder(self, command):
        for first, accepted in self.placed.get(command.account, [])[-CLIENT_ORDER_IDS_MAX:]:
            if first.client_order_id == command.client_order_id:
                self.events.append(self.duplicate(command, first, accepted))
                return
        code = next(faults_of_place(self, command), 0)
        if code:
            self.reject(command, code)
            return
        quantity = self.lots_for_amount(command) if command.quote_quantity else command.quantity
        maker_ppm, taker_ppm = self.rates_of(self.markets[command.instrument], command.account)
        order = Order(
            order_id=self.ids.take(),
            account=command.account,
            instrument=command.instrument,
            side=command.side,
            order_type=command.order_type,
            time_in_force=command.time_in_force,
            post_only=command.post_only,
            price=command.price,
            stop_price=command.stop_price,
            quantity=quantity,
            open_quantity=quantity,
            self_trade_prevention=command.self_trade_prevention,
            expire_time_ns=command.expire_time_ns,
            client_order_id=command.client_order_id,
            status=MATCHING,
            place=self.next_place(),
            maker_ppm=maker_ppm,
            taker_ppm=taker_ppm,
        )
        accepted = OrderAccepted(
            account=order.account,
            order_id=order.order_id,
            instrument=order.instrument,
            side=order.side,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            post_only=order.post_only,
            price=order.price,
            quantity=quantity,
            filled_quantity=0,
            open_quantity=quantity,
            self_trade_prevention=order.self_trade_prevention,
            stop_price=order.stop_price,
            expire_time_ns=order.expire_time_ns,
            client_order_id=order.client_order_id,
        )
        self.orders.append(order)
        self.events.append(accepted)
        if command.client_order_id:
            self.placed.setdefault(command.account, []).append((command, accepted))
        if order.order_type in (OrderType.STOP, OrderType.STOP_LIMIT):
            order.status = WAITING
        else:
            self.enter(order, accepted)

    def duplicate(self, command, first, accepted):
        order = self.find(command.account, accepted.order_id)
        differs = 0
        for bit, name in enumerate(DUPLICATE_FIELDS):
            if getattr(command, name) != getattr(first, name):
                differs += 2**bit
        return OrderDuplicate(
            account=command.account,
            order_id=accepted.order_id,
            instrument=accepted.instrument,
            is_open=1 if order else 0,
            quantity=accepted.quantity,
            open_quantity=order.open_quantity if order else 0,
            differs=differs,
            client_order_id=command.client_order_id,
        )

    # --- cancel, time ------------------------------------------------------------------------------------------------

    def on_CancelOrder(self, command):
        order = self.find(command.account, command.order_id)
        if order is None:
            self.reject(command, Code.UNKNOWN_ORDER)
        else:
            self.end(order, CancelReason.USER)

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
        count = self.end_all(command.reason, command.account, command.instrument, command.side)
        self.events.append(AllCancelled(account=command.account, instrument=command.instrument, count=count))

    def end_all(self, reason, account=0, instrument=0, side=0):
        """In order-id order; 0: any. -> how many."""
        named = [
            order
            for order in self.orders
            if account in (0, order.account) and instrument in (0, order.instrument) and side in (0, order.side)
        ]
        for order in sorted(named, key=lambda order: order.order_id):
            self.end(order, reason)
        return len(named)

    def on_Tick(self, command):
        due = [order for order in self.orders if 0 < order.expire_time_ns <= self.now_ns]
        for order in sorted(due, key=lambda order: (order.expire_time_ns, order.order_id)):
            self.end(order, CancelReason.EXPIRED)

    # --- amend -------------------------------------------------------------------------------------------------------

    def on_AmendOrder(self, command):
        order = self.find(command.account, command.order_id)
        if order is None:
            self.reject(command, Code.UNKNOWN_ORDER)
            return
        price = command.price if command.price != 0 else order.price
        quantity = command.quantity if command.quantity != 0 else order.quantity
        stop_price = command.stop_price if command.stop_price != 0 else order.stop_price
        code = next(faults_of_amend(self, order, command, price, quantity, stop_price), 0)
        if code:
            self.reject(command, code, order)
            return
        same_prices = (price, stop_price) == (order.price, order.stop_price)
        only_smaller = same_prices and quantity < order.quantity
        previous_price = order.price
        order.open_quantity += quantity - order.quantity
        order.price, order.quantity, order.stop_price = price, quantity, stop_price
        outcome = OrderAmended(
            account=order.account,
            order_id=order.order_id,
            instrument=order.instrument,
            side=order.side,
            kept_priority=1 if only_smaller else 0,
            previous_price=previous_price,
            price=order.price,
            quantity=order.quantity,
            stop_price=order.stop_price,
            filled_quantity=0,
            open_quantity=order.open_quantity,
        )
        self.events.append(outcome)
        if only_smaller:
            return
        order.place = self.next_place()
        if order.status != WAITING:
            self.enter(order, outcome)
