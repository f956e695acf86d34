"""What a row of the record becomes as order entry. Orders go by the record's number: LOBSTER's order id, or a negative
one for anonymous depth; the venue's own ids are venue.py's business. Quantities are shares, prices dollars x 10,000."""

import attrs


@attrs.define
class Place:
    """A limit order that rests."""

    order: int
    side: int
    price: int
    quantity: int


@attrs.define
class Amend:
    order: int
    quantity: int  # new total


@attrs.define
class Cancel:
    order: int


@attrs.define
class Take:
    """One aggressor: an IOC order. `fills` is what the exchange did: [(order, price, quantity), ...]."""

    side: int
    price: int
    quantity: int
    fills: list
