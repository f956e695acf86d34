"""Commands as a hostile and lucky crowd would send them: few prices, so that much matches; an eighth of them spoilt.

`random` is anything with the methods of random.Random: a seeded one for long runs, hypothesis's for runs that shrink.
"""

import attrs

from protocol.messages import (
    INTEGER_MAX,
    TEXT,
    AmendOrder,
    CancelAll,
    CancelOrder,
    CancelReason,
    DefineInstrument,
    InstrumentState,
    OrderType,
    PlaceOrder,
    SetInstrumentState,
    Side,
    Tick,
    TimeInForce,
)

ACCOUNTS = (1, 2, 3)
#: number, tick, lot, collar_bps. Narrow and wide collars; ticks and lots that orders may miss.
INSTRUMENTS = ((1, 1, 1, 300), (2, 5, 10, 10_000), (3, 1, 1, 0))
PRICE_MIDDLE = 100
UNITS_MAX = 10**15
TEXTS = ("", "a", "x" * 32, "x" * 33, "x" * 36, "x" * 37, "a b", "\x00", "é", "~!")


def definitions():
    """-> the commands a venue starts with."""
    return [
        DefineInstrument(0, number, 2, 0, tick, lot, collar_bps, "SYMBOL-%d" % number)
        for number, tick, lot, collar_bps in INSTRUMENTS
    ]


def next_command(random, open_orders, ended_orders):
    """-> one command. What orders it may name: two lists of (account, order id)."""
    kind = random.choice(KINDS)
    orders = ended_orders[-20:] if random.randint(0, 9) == 0 else open_orders
    command = kind(random, orders or [(1, 1 << 22 | 1)])
    if random.randint(0, 7) == 0:
        spoil(random, command)
    return command


def place(random, orders):
    instrument, tick, lot, _ = random.choice(INSTRUMENTS)
    side = random.choice((Side.BUY, Side.SELL))
    towards_own_side = -3 if side == Side.BUY else 3  # more that rests than that matches, so that books grow deep
    market = random.randint(0, 9) == 0
    if market:
        time_in_force = random.choice((TimeInForce.IOC,) * 5 + (TimeInForce.FOK,) * 2 + (TimeInForce.GTC,))
    else:
        time_in_force = random.choice((TimeInForce.GTC,) * 6 + (TimeInForce.IOC, TimeInForce.FOK))
    price = 0 if market else PRICE_MIDDLE + tick * (random.randint(-5, 5) + towards_own_side)
    quantity = lot * random.randint(1, 12)
    if random.randint(0, 99) == 0:
        price, quantity = UNITS_MAX, random.choice((4_610, 4_620))  # on either side of the largest notional
    return PlaceOrder(
        account=random.choice(ACCOUNTS),
        instrument=instrument,
        side=side,
        order_type=OrderType.MARKET if market else OrderType.LIMIT,
        time_in_force=time_in_force,
        post_only=1 if not market and random.randint(0, 7) == 0 else 0,
        price=price,
        quantity=quantity,
        client_order_id=random.choice(("", "", "mine")),
    )


def an_order(random, orders):
    """-> (account, order id), one in twenty times not the owner's account."""
    account, order_id = random.choice(orders)
    if random.randint(0, 19) == 0:
        account = random.choice(ACCOUNTS)
    return account, order_id


def cancel(random, orders):
    account, order_id = an_order(random, orders)
    return CancelOrder(account, order_id)


def amend(random, orders):
    account, order_id = an_order(random, orders)
    price = random.choice((0, 0, PRICE_MIDDLE + random.randint(-8, 8)))
    return AmendOrder(account, order_id, price, random.choice((0, random.randint(1, 15), 10 * random.randint(1, 12))))


def cancel_all(random, orders):
    reason = random.choice((CancelReason.USER_ALL, CancelReason.DISCONNECT))
    return CancelAll(random.choice(ACCOUNTS), random.randint(0, 3), random.randint(0, 2), reason)


def define(random, orders):
    number = random.randint(1, 5)
    return DefineInstrument(0, number, 0, 0, 1, 1, 100, "SYMBOL-%d" % random.randint(1, 5))


def set_state(random, orders):
    states = (InstrumentState.OPEN,) * 5 + (InstrumentState.HALTED, InstrumentState.POST_ONLY)
    return SetInstrumentState(0, random.randint(1, 3), random.choice(states), "because")


def tick(random, orders):
    return Tick(0)


KINDS = (place,) * 60 + (cancel,) * 12 + (amend,) * 20 + (set_state,) * 3 + (cancel_all, define, tick)


def spoil(random, command):
    """Put one field of the command at an edge of what it may be, or beyond."""
    name, wire = random.choice([(field.name, field.metadata["wire"]) for field in attrs.fields(type(command))])
    if wire == TEXT:
        setattr(command, name, random.choice(TEXTS))
        return
    largest = INTEGER_MAX[wire]
    edges = [0, 1, 2, 3, 4, 7, -1, largest, largest + 1, UNITS_MAX, UNITS_MAX + 1, -(2**63)]
    setattr(command, name, random.choice(edges))
