"""The newest orders of all accounts as the core's events tell them: complete answers for what has just happened, and
what Postgres may not have yet. Pure: fed with events, bounded; beyond the bound the oldest order is forgotten."""

from collections import OrderedDict, deque

import attrs

from protocol.messages import (
    CANCEL_REASONS,
    CancelReason,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderTriggered,
    OrderType,
    SelfTradePrevented,
    SelfTradePrevention,
)

REMEMBERED_MAX = 200_000  # orders and their fills together, and once more fills by account

PENDING, OPEN, PARTIALLY_FILLED = "PENDING", "OPEN", "PARTIALLY_FILLED"
FILLED, CANCELLED, REJECTED, EXPIRED = "FILLED", "CANCELLED", "REJECTED", "EXPIRED"
OPEN_STATUSES = (PENDING, OPEN, PARTIALLY_FILLED)
STATUSES = (*OPEN_STATUSES, FILLED, CANCELLED, REJECTED, EXPIRED)

_STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)


@attrs.define
class RecentOrder:
    """An order in units of its market, as of `event_seq`."""

    order_id: int
    account: int
    instrument: int
    client_order_id: str
    side: int
    order_type: int
    time_in_force: int
    post_only: int
    self_trade_prevention: int
    price: int
    stop_price: int
    expire_time_ns: int
    quantity: int
    open_quantity: int
    status: str
    created_ns: int
    updated_ns: int
    created_event_seq: int
    event_seq: int
    filled_quantity: int = 0
    filled_notional: int = 0
    reason: str = ""  # why it ended, where it was not filled
    fills: list = attrs.field(factory=list)  # of OrderFilled

    @property
    def is_open(self):
        return self.status in OPEN_STATUSES


class RecentOrders:
    """take(events) of every account; `floor_seq` is the event up to which something may have been forgotten."""

    def __init__(self, remembered_max=REMEMBERED_MAX):
        self._max = remembered_max
        # of an OrderedDict the first is found at once; a dict that loses its first again and again looks for it
        self._orders: OrderedDict = OrderedDict()  # order_id -> RecentOrder, or _Touched; the oldest first
        self._by_account = {}  # account -> {order_id: the same}
        self._by_client_order_id = {}  # (account, client_order_id) -> order_id
        self._count = 0
        self._fills = {}  # account -> deque of OrderFilled
        self._fill_accounts = deque()  # whose the fills are, the oldest first
        self.floor_seq = 0
        self.stored_seq = 0  # up to which event Postgres is known to have everything

    def begin(self, event_seq):
        """Nothing up to this event is known, whatever was before."""
        self.__dict__.update(RecentOrders(self._max).__dict__)
        self.floor_seq = event_seq

    def order(self, account, order_id):
        """-> RecentOrder, or None where it is somebody else's or not known whole."""
        found = self._orders.get(order_id)
        return found if type(found) is RecentOrder and found.account == account else None

    def by_client_order_id(self, account, client_order_id):
        return self.order(account, self._by_client_order_id.get((account, client_order_id), 0))

    def changed_seq(self, order_id):
        """-> the newest event of an order that was seen, or 0."""
        found = self._orders.get(order_id)
        return found.event_seq if found is not None else 0

    def changed_after(self, account, event_seq):
        """-> (the account's RecentOrders that changed after this event, the newest event of other orders of it)."""
        known, unknown_seq = [], 0
        for entry in self._by_account.get(account, {}).values():
            if entry.event_seq > event_seq:
                if type(entry) is RecentOrder:
                    known.append(entry)
                else:
                    unknown_seq = max(unknown_seq, entry.event_seq)
        return known, unknown_seq

    def fills(self, account):
        """-> the account's OrderFilled events, the oldest first."""
        return self._fills.get(account, ())

    def take(self, events):
        for event in events:
            change = _CHANGES.get(type(event))
            if change is not None:
                change(self, event)

    # --- what each event does ---

    def _accepted(self, event):
        order = RecentOrder(
            order_id=event.order_id,
            account=event.account,
            instrument=event.instrument,
            client_order_id=event.client_order_id,
            side=event.side,
            order_type=event.order_type,
            time_in_force=event.time_in_force,
            post_only=event.post_only,
            self_trade_prevention=event.self_trade_prevention,
            price=event.price,
            stop_price=event.stop_price,
            expire_time_ns=event.expire_time_ns,
            quantity=event.quantity,
            open_quantity=event.quantity,
            status=PENDING if event.order_type in _STOPS else OPEN,
            created_ns=event.time_ns,
            updated_ns=event.time_ns,
            created_event_seq=event.event_seq,
            event_seq=event.event_seq,
        )
        self._remember(order)
        if event.client_order_id:
            self._by_client_order_id[(event.account, event.client_order_id)] = event.order_id

    def _filled(self, event):
        self._fills.setdefault(event.account, deque()).append(event)
        self._fill_accounts.append(event.account)
        if len(self._fill_accounts) > self._max:
            account = self._fill_accounts.popleft()
            fills = self._fills[account]
            self.floor_seq = max(self.floor_seq, fills.popleft().event_seq)
            if not fills:
                del self._fills[account]
        order = self._touch(event)
        if type(order) is RecentOrder:
            order.open_quantity = event.open_quantity
            order.filled_quantity += event.quantity
            order.filled_notional += event.price * event.quantity
            order.status = PARTIALLY_FILLED if event.open_quantity else FILLED
            order.fills.append(event)
            self._count += 1
            self._forget()

    def _cancelled(self, event):
        order = self._touch(event)
        if type(order) is RecentOrder:
            order.open_quantity = 0
            order.status = EXPIRED if event.reason == CancelReason.EXPIRED else CANCELLED
            order.reason = CANCEL_REASONS[event.reason]

    def _amended(self, event):
        order = self._touch(event)
        if type(order) is RecentOrder:
            order.price, order.quantity, order.stop_price = event.price, event.quantity, event.stop_price
            order.open_quantity = event.open_quantity + event.filled_quantity  # fills are still to come

    def _triggered(self, event):
        order = self._touch(event)
        if type(order) is RecentOrder:
            order.status = OPEN

    def _prevented(self, event):
        if event.mode != SelfTradePrevention.DECREMENT:
            return
        for order_id, left in (
            (event.maker_order_id, event.maker_open_quantity),
            (event.taker_order_id, event.taker_open_quantity),
        ):
            order = self._touch(event, order_id)
            if type(order) is RecentOrder:
                order.quantity -= event.quantity
                order.open_quantity = left

    def _touch(self, event, order_id=0):
        """-> the entry of the event's order, which it has changed."""
        entry = self._orders.get(order_id or event.order_id)
        if entry is None:
            entry = _Touched(order_id or event.order_id, event.account, 0)
            self._remember(entry)
        entry.event_seq = event.event_seq
        entry.updated_ns = event.time_ns
        return entry

    def _remember(self, entry):
        self._orders[entry.order_id] = entry
        self._by_account.setdefault(entry.account, {})[entry.order_id] = entry
        self._count += 1
        self._forget()

    def _forget(self):
        while self._count > self._max:
            order_id = next(iter(self._orders))
            entry = self._orders.pop(order_id)
            self._count -= 1 + len(entry.fills)
            self.floor_seq = max(self.floor_seq, entry.event_seq)
            of_account = self._by_account[entry.account]
            del of_account[order_id]
            if not of_account:
                del self._by_account[entry.account]
            key = (entry.account, entry.client_order_id)
            if self._by_client_order_id.get(key) == order_id:
                del self._by_client_order_id[key]


@attrs.define
class _Touched:
    """An order that something happened to, and whose beginning was not seen."""

    order_id: int
    account: int
    event_seq: int
    updated_ns: int = 0
    fills: tuple = ()
    client_order_id: str = ""


_CHANGES = {
    OrderAccepted: RecentOrders._accepted,
    OrderFilled: RecentOrders._filled,
    OrderCancelled: RecentOrders._cancelled,
    OrderAmended: RecentOrders._amended,
    OrderTriggered: RecentOrders._triggered,
    SelfTradePrevented: RecentOrders._prevented,
}
