"""What requests become for their callers: the events of one command gathered into one result, and the errors. Pure."""

import attrs

from protocol.messages import (
    ACCOUNT_COLUMNS,
    BALANCE_COLUMNS,
    CANCEL_REASONS,
    CODES,
    DUPLICATE_FIELDS,
    INSTRUMENT_COLUMNS,
    ORDER_COLUMNS,
    AccountBlocked,
    AllCancelled,
    CommandRejected,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderDuplicate,
    OrderFilled,
    SelfTradePrevented,
)


class RequestFailed(Exception):
    """What all failures of a call share: `code` (messages.Code), its `name`, such as "unknown_order", and `text`."""

    def __init__(self, code, text=""):
        self.code = code
        self.name = CODES.get(code, "code_%d" % code)
        self.text = text
        super().__init__("%s: %s" % (self.name, text) if text else self.name)


class Rejected(RequestFailed):
    """The exchange decided against the command; nothing was changed. `event` is the CommandRejected."""

    def __init__(self, event):
        super().__init__(event.code)
        self.event = event


class RequestRefused(RequestFailed):
    """The core did not take the request: no permission, a field out of range, or no space for the journal."""


class ConnectionClosed(RequestFailed):
    """The session has ended for good. Whether a command that was on its way was executed is not known."""


@attrs.frozen
class Placed:
    """An order as its own command left it: filled, open in the book or waiting, or cancelled for the rest.

    What the four quantities leave of `quantity`, self-trade prevention took (decrement). With `is_duplicate` the order
    was placed before under this client_order_id, and nothing was done now: open_quantity is what is open of it today,
    the fills are not told again, and `differs` names the fields in which this command was another.
    """

    order_id: int
    client_order_id: str
    quantity: int
    filled_quantity: int
    open_quantity: int
    cancel_reason: str  # a name of messages.CancelReason, or "" where nothing was cancelled
    fills: list  # of OrderFilled
    event_seq: int  # of OrderAccepted, or of OrderDuplicate
    time_ns: int
    cancelled_quantity: int = 0
    is_duplicate: bool = False
    differs: tuple = ()  # names of messages.DUPLICATE_FIELDS


@attrs.frozen
class Amended:
    """An order as an AmendOrder left it; filled_quantity and fills are of this command's matching only."""

    order_id: int
    kept_priority: bool
    price: int
    quantity: int
    filled_quantity: int
    open_quantity: int
    fills: list  # of OrderFilled
    event_seq: int  # of OrderAmended
    time_ns: int
    stop_price: int = 0  # of an order that waits
    cancel_reason: str = ""  # self-trade prevention may end an order that an amend lets match
    cancelled_quantity: int = 0


@attrs.frozen
class CancelledAll:
    count: int
    orders: list  # of OrderCancelled, in order_id order; empty after CancelInstrument: they are other accounts' events


@attrs.frozen
class Level:
    price: int
    quantity: int
    orders: int


@attrs.frozen
class Book:
    """The depth of one instrument as of event_seq: bids from the highest, asks from the lowest."""

    instrument: int
    event_seq: int
    bids: list  # of Level
    asks: list


#: One row of an answer, with its columns as attributes.
Order = attrs.make_class("Order", ORDER_COLUMNS, frozen=True, slots=True)
Instrument = attrs.make_class("Instrument", INSTRUMENT_COLUMNS, frozen=True, slots=True)
Balance = attrs.make_class("Balance", BALANCE_COLUMNS, frozen=True, slots=True)
Account = attrs.make_class("Account", ACCOUNT_COLUMNS, frozen=True, slots=True)


class MatchingCall:
    """Gathers what PlaceOrder or AmendOrder yields. The first event promises the fills. Then the order rests or waits,
    or its last fill has left nothing open, or it is ended by an OrderCancelled, which is still to come."""

    def __init__(self):
        self._first = None
        self._fills = []
        self._fills_missing = 0  # quantity
        self._has_ended = False
        self._cancelled = None  # its OrderCancelled

    def take(self, event):
        """An event of the command -> the result, or None where more is to come. Raises Rejected."""
        cls = type(event)
        if cls is CommandRejected:
            raise Rejected(event)
        if cls is OrderDuplicate:
            return _duplicate(event)
        if cls is OrderAccepted or cls is OrderAmended:
            self._first = event
            self._fills_missing = event.filled_quantity
        elif cls is SelfTradePrevented or event.order_id != self._first.order_id:
            return None  # what follows from it is told; another order of ours, met or elected
        elif cls is OrderFilled:
            self._fills.append(event)
            self._fills_missing -= event.quantity
            self._has_ended = event.open_quantity == 0
        elif cls is OrderCancelled:
            self._has_ended = True
            self._cancelled = event
        if self._fills_missing or not (self._has_ended or self._first.open_quantity):
            return None
        return self._result()

    def _result(self):
        first = self._first
        cancelled = self._cancelled
        common = {
            "order_id": first.order_id,
            "quantity": first.quantity,
            "filled_quantity": first.filled_quantity,
            "open_quantity": first.open_quantity,
            "fills": self._fills,
            "event_seq": first.event_seq,
            "time_ns": first.time_ns,
            "cancel_reason": CANCEL_REASONS[cancelled.reason] if cancelled is not None else "",
            "cancelled_quantity": cancelled.quantity if cancelled is not None else 0,
        }
        if type(first) is OrderAccepted:
            return Placed(client_order_id=first.client_order_id, **common)
        return Amended(
            kept_priority=bool(first.kept_priority), price=first.price, stop_price=first.stop_price, **common
        )


def _duplicate(event):
    return Placed(
        order_id=event.order_id,
        client_order_id=event.client_order_id,
        quantity=event.quantity,
        filled_quantity=0,
        open_quantity=event.open_quantity,
        cancel_reason="",
        fills=[],
        event_seq=event.event_seq,
        time_ns=event.time_ns,
        is_duplicate=True,
        differs=tuple(name for bit, name in enumerate(DUPLICATE_FIELDS) if event.differs >> bit & 1),
    )


class CancelAllCall:
    """Gathers the OrderCancelled events of a mass cancel, or of BlockAccount, until the event that follows."""

    def __init__(self):
        self._orders = []

    def take(self, event):
        """As MatchingCall.take."""
        if type(event) is CommandRejected:
            raise Rejected(event)
        if type(event) is AllCancelled or type(event) is AccountBlocked:
            return CancelledAll(event.count, self._orders)
        self._orders.append(event)
        return None


class SingleCall:
    """For a command that yields exactly one event, which is the result."""

    def take(self, event):
        """As MatchingCall.take."""
        if type(event) is CommandRejected:
            raise Rejected(event)
        return event


def book_of(depth):
    """Depth -> Book."""
    sides = {1: [], 2: []}
    for side, price, quantity, orders in depth.levels:
        sides[side].append(Level(price, quantity, orders))
    return Book(depth.instrument, depth.event_seq, sides[1], sides[2])


def number_of(names, value, what):
    """A number, or its name in any case -> the number. `names` is one of messages.SIDES and its like; ValueError."""
    if isinstance(value, int):
        return value
    for number, name in names.items():
        if name == value.lower():
            return number
    raise ValueError("%s %r; one of %s" % (what, value, ", ".join(names.values())))
