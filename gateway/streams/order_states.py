"""The user's view of each order after each event of the core: status, filled, remaining. Pure, bounded.

An order is followed from its OrderAccepted, or from where it is adopted as the core knows it, until it ends. What
happens to one that is not followed is told too, without what only its beginning would tell.
"""

import attrs

from gateway.recent import CANCELLED, EXPIRED, FILLED, OPEN, PARTIALLY_FILLED, PENDING, REJECTED
from protocol.messages import (
    CANCEL_REASONS,
    CODES,
    CancelReason,
    CommandRejected,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderTriggered,
    OrderType,
    SelfTradePrevented,
    SelfTradePrevention,
)

FOLLOWED_MAX = 500_000  # open orders; beyond, the oldest is not followed any more

_STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)


@attrs.define
class _Order:
    client_order_id: str
    side: int
    status: str
    open_quantity: int
    filled_quantity: int = 0
    filled_notional: int | None = 0  # None: what it was filled at before it was adopted is not known


@attrs.frozen
class Update:
    """An order as one event has left it, in units of its market."""

    event_seq: int
    time_ns: int
    account: int
    order_id: int  # 0: rejected
    instrument: int
    client_order_id: str
    side: int  # 0: not known
    status: str
    open_quantity: int
    filled_quantity: int | None
    filled_notional: int | None
    reason: str = ""
    fill: OrderFilled | None = None


class OrderStates:
    """take(event) of every account, in their order."""

    def __init__(self, followed_max=FOLLOWED_MAX):
        self._max = followed_max
        self._orders = {}  # order_id -> _Order, the oldest first

    def clear(self):
        """Events were missed."""
        self._orders.clear()

    def take(self, event):
        """-> Update, or None for what changes no order that goes on. Raises KeyError for an event of another kind."""
        return _CHANGES[type(event)](self, event)

    def knows(self, order_id):
        """-> whether an order is followed, and what it was filled at is known."""
        order = self._orders.get(order_id)
        return order is not None and order.filled_notional is not None

    def adopt(self, row, filled_notional):
        """Follow an order from now on, as protocol.calls.Order tells it; one that is followed already gets
        `filled_notional`, which is of its fills so far, where it had none. None: that is not known."""
        order = self._orders.get(row.order_id)
        filled = row.quantity - row.open_quantity
        if order is not None:
            if order.filled_notional is None and order.filled_quantity == filled:
                order.filled_notional = filled_notional
        else:
            status = PENDING if row.is_waiting else PARTIALLY_FILLED if filled else OPEN
            order = _Order(row.client_order_id, row.side, status, row.open_quantity, filled, filled_notional)
            self._follow(row.order_id, order)

    def update_of(self, row, filled_notional, event_seq, time_ns):
        """-> Update of an open order as it is, which is followed from now on; as adopt()."""
        self.adopt(row, filled_notional)
        order = self._orders[row.order_id]
        return Update(
            event_seq, time_ns, row.account, row.order_id, row.instrument, order.client_order_id, order.side,
            order.status, order.open_quantity, order.filled_quantity, order.filled_notional,
        )  # fmt: skip

    # --- what each event does ---

    def _accepted(self, event):
        status = PENDING if event.order_type in _STOPS else OPEN
        order = _Order(event.client_order_id, event.side, status, event.quantity)
        self._follow(event.order_id, order)
        return _update(event, order)

    def _filled(self, event):
        order = self._order(event)
        order.open_quantity = event.open_quantity
        if order.filled_quantity is not None:
            order.filled_quantity += event.quantity
            if order.filled_notional is not None:
                order.filled_notional += event.price * event.quantity
        if event.open_quantity:
            order.status = PARTIALLY_FILLED
        else:
            order.status = FILLED
            self._orders.pop(event.order_id, None)
        return _update(event, order, fill=event)

    def _cancelled(self, event):
        order = self._order(event)
        order.open_quantity = 0
        order.status = EXPIRED if event.reason == CancelReason.EXPIRED else CANCELLED
        self._orders.pop(event.order_id, None)
        return _update(event, order, CANCEL_REASONS[event.reason])

    def _amended(self, event):
        order = self._order(event)
        order.open_quantity = event.open_quantity + event.filled_quantity  # fills are still to come
        return _update(event, order)

    def _triggered(self, event):
        order = self._order(event)
        if order.filled_quantity is None:  # not followed; what is left of it is cancelled after its fills
            order.open_quantity = event.open_quantity + event.filled_quantity
        order.status = OPEN
        return _update(event, order)

    def _prevented(self, event):
        """With DECREMENT one of the two has nothing left, and an OrderCancelled follows: the other goes on."""
        if event.mode != SelfTradePrevention.DECREMENT:
            return None
        going_on = None
        maker_side = 3 - event.taker_side
        for order_id, left, side in (
            (event.maker_order_id, event.maker_open_quantity, maker_side),
            (event.taker_order_id, event.taker_open_quantity, event.taker_side),
        ):
            order = self._orders.get(order_id)
            if order is None:
                order = _unknown(side)
            order.open_quantity = left
            if left:
                going_on = (order_id, order)
        if going_on is None:
            return None
        return _update(event, going_on[1], order_id=going_on[0])

    def _rejected(self, event):
        """Of a PlaceOrder that had a client_order_id: nothing else was to become an order."""
        if event.order_id or not event.client_order_id:
            return None
        order = _Order(event.client_order_id, 0, REJECTED, 0)
        return _update(event, order, CODES.get(event.code, "code_%d" % event.code), order_id=0)

    def _order(self, event):
        order = self._orders.get(event.order_id)
        return order if order is not None else _unknown(event.side)

    def _follow(self, order_id, order):
        self._orders[order_id] = order
        if len(self._orders) > self._max:
            del self._orders[next(iter(self._orders))]


def _unknown(side):
    return _Order("", side, OPEN, 0, None, None)


def _update(event, order, reason="", fill=None, order_id=None):
    return Update(
        event.event_seq,
        event.time_ns,
        event.account,
        event.order_id if order_id is None else order_id,
        event.instrument,
        order.client_order_id,
        order.side,
        order.status,
        order.open_quantity,
        order.filled_quantity,
        order.filled_notional,
        reason,
        fill,
    )


_CHANGES = {
    OrderAccepted: OrderStates._accepted,
    OrderFilled: OrderStates._filled,
    OrderCancelled: OrderStates._cancelled,
    OrderAmended: OrderStates._amended,
    OrderTriggered: OrderStates._triggered,
    SelfTradePrevented: OrderStates._prevented,
    CommandRejected: OrderStates._rejected,
}
#: The events that take() is for.
ORDER_EVENTS = frozenset(_CHANGES)
