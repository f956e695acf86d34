"""What requests become for their callers: the events of one command gathered into one result, and the errors. Pure."""

import attrs

from protocol.messages import (
    CANCEL_REASONS,
    CODES,
    INSTRUMENT_COLUMNS,
    ORDER_COLUMNS,
    AllCancelled,
    CommandRejected,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
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
    """An order as its own command left it: filled, open in the book, or cancelled for the rest."""

    order_id: int
    client_order_id: str
    quantity: int
    filled_quantity: int
    open_quantity: int
    cancel_reason: str  # a name of messages.CancelReason, or "" where nothing was cancelled
    fills: list  # of OrderFilled
    event_seq: int  # of OrderAccepted
    time_ns: int


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


@attrs.frozen
class CancelledAll:
    count: int
    orders: list  # of OrderCancelled, in order_id order


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


class MatchingCall:
    """Gathers what PlaceOrder or AmendOrder yields: the first event promises the fills, and a cancel of the rest."""

    def __init__(self):
        self._first = None
        self._fills = []
        self._fills_missing = 0  # quantity
        self._cancel_missing = False
        self._cancel_reason = ""

    def take(self, event):
        """An event of the command -> the result, or None where more is to come. Raises Rejected."""
        cls = type(event)
        if cls is CommandRejected:
            raise Rejected(event)
        if cls is OrderAccepted or cls is OrderAmended:
            self._first = event
            self._fills_missing = event.filled_quantity
            if cls is OrderAccepted:
                self._cancel_missing = event.filled_quantity + event.open_quantity < event.quantity
        elif event.order_id != self._first.order_id:
            return None  # the other side of a trade with ourselves
        elif cls is OrderFilled:
            self._fills.append(event)
            self._fills_missing -= event.quantity
        elif cls is OrderCancelled:
            self._cancel_missing = False
            self._cancel_reason = CANCEL_REASONS[event.reason]
        if self._fills_missing or self._cancel_missing:
            return None
        return self._result()

    def _result(self):
        first = self._first
        if type(first) is OrderAccepted:
            return Placed(
                order_id=first.order_id,
                client_order_id=first.client_order_id,
                quantity=first.quantity,
                filled_quantity=first.filled_quantity,
                open_quantity=first.open_quantity,
                cancel_reason=self._cancel_reason,
                fills=self._fills,
                event_seq=first.event_seq,
                time_ns=first.time_ns,
            )
        return Amended(
            order_id=first.order_id,
            kept_priority=bool(first.kept_priority),
            price=first.price,
            quantity=first.quantity,
            filled_quantity=first.filled_quantity,
            open_quantity=first.open_quantity,
            fills=self._fills,
            event_seq=first.event_seq,
            time_ns=first.time_ns,
        )


class CancelAllCall:
    """Gathers the OrderCancelled events of a CancelAll until its AllCancelled."""

    def __init__(self):
        self._orders = []

    def take(self, event):
        """As MatchingCall.take."""
        if type(event) is CommandRejected:
            raise Rejected(event)
        if type(event) is AllCancelled:
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
