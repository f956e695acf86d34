"""Commands as a hostile and lucky crowd would send them: few prices, so that much matches and stop orders cascade;
little money, so that it runs out; some of the commands spoilt.

`random` is anything with the methods of random.Random: a seeded one for long runs, hypothesis's for runs that shrink.
The commands of administrators are drawn in tests/administrators.py.
"""

import attrs

from protocol.messages import (
    I64,
    INTEGER_MAX,
    TEXT,
    AmendOrder,
    CancelAll,
    CancelOrder,
    CancelReason,
    DefineAsset,
    DefineInstrument,
    Deposit,
    OpenAccount,
    OrderType,
    PlaceOrder,
    SelfTradePrevention,
    Side,
    Tick,
    TimeInForce,
)
from tests import administrators

ACCOUNTS = (1, 1, 1, 2, 2, 2, 3, 4)  # 4 is not opened: it trades where no funds are needed
#: number, tick, lot, collar_bps, price scale, quantity scale, base, quote. Narrow and wide collars; ticks and lots that
#: orders may miss; with funds and without; a ledger as fine as the instrument, and finer.
INSTRUMENTS = (
    (1, 1, 1, 300, 2, 0, 0, 0),
    (2, 5, 10, 9_990, 1, 1, 1, 2),
    (3, 1, 1, 200, 2, 0, 0, 0),
    (4, 1, 1, 0, 2, 2, 1, 2),
)
PRICE_MIDDLE = 100
UNITS_MAX = 10**15
SECOND_NS = 10**9
TEXTS = ("", "a", "x" * 32, "x" * 33, "x" * 36, "x" * 37, "x" * 65, "a b", "\x00", "é", "~!")


def definitions(money=10**9):
    """-> the commands a venue starts with: assets, instruments, accounts 1 to 3 and `money` for each of them."""
    found = [DefineAsset(0, 1, 3, 0, "BASE"), DefineAsset(0, 2, 4, 0, "QUOTE")]
    for number, tick, lot, collar_bps, price_scale, quantity_scale, base, quote in INSTRUMENTS:
        symbol = "SYMBOL-%d" % number
        found.append(
            DefineInstrument(
                0, number, price_scale, quantity_scale, tick, lot, collar_bps, base, quote, admin=0, symbol=symbol
            )
        )
    for account in (1, 2, 3):
        found.append(OpenAccount(account, 0, "user-%d" % account))
        found.append(Deposit(account, 1, 100_000, 0, "base-%d" % account))
        found.append(Deposit(account, 2, money, 0, "quote-%d" % account))
    return found


def next_command(random, now_ns, open_orders, ended_orders):
    """-> one command. What orders it may name: two lists of (account, order id)."""
    if random.randint(0, 14) == 0:
        command = administrators.next_command(random)
        one_in = 4
    else:
        one_in = 12
        orders = ended_orders[-20:] if random.randint(0, 9) == 0 else open_orders
        command = random.choice(KINDS)(random, now_ns, orders or [(1, 1 << 22 | 1)])
    if random.randint(1, one_in) == 1:
        spoil(random, command)
    return command


def place(random, now_ns, orders):
    instrument, tick, lot = random.choice(INSTRUMENTS)[:3]
    side = random.choice((Side.BUY, Side.SELL))
    order_type = random.choice(
        (OrderType.LIMIT,) * 6 + (OrderType.MARKET,) + (OrderType.STOP,) * 2 + (OrderType.STOP_LIMIT,) * 2
    )
    outwards = -1 if side == Side.BUY else 1  # more that rests than that matches, so that books grow deep
    price = PRICE_MIDDLE + tick * (random.randint(-5, 5) + outwards)
    command = PlaceOrder(
        account=random.choice(ACCOUNTS),
        instrument=instrument,
        side=side,
        order_type=order_type,
        time_in_force=random.choice((TimeInForce.GTC,) * 6 + (TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD)),
        post_only=0,
        price=price,
        quantity=lot * random.randint(1, 12),
        self_trade_prevention=random.randint(SelfTradePrevention.CANCEL_TAKER, SelfTradePrevention.NONE),
        second_factor=random.randint(0, 1),
        client_order_id=random.choice(("",) * 8 + ("mine",) + ("id-%d" % random.randint(1, 500),) * 4),
    )
    if order_type in (OrderType.MARKET, OrderType.STOP):
        command.price = 0
    if order_type == OrderType.MARKET:
        command.time_in_force = random.choice((TimeInForce.IOC,) * 3 + (TimeInForce.FOK,))
        if random.randint(0, 2) == 0:
            command.quote_quantity = random.choice((command.quantity * PRICE_MIDDLE, random.randint(1, 2_000)))
            command.quantity = 0
    if order_type == OrderType.STOP:
        command.time_in_force = random.choice((TimeInForce.GTC, TimeInForce.GTC, TimeInForce.GTD))
    if order_type in (OrderType.STOP, OrderType.STOP_LIMIT):
        command.stop_price = PRICE_MIDDLE - outwards * tick * random.randint(0, 7)
    if order_type == OrderType.STOP_LIMIT and random.randint(0, 2):
        command.price = command.stop_price - outwards * tick * random.randint(0, 3)
    if command.time_in_force == TimeInForce.GTD:
        command.expire_time_ns = now_ns + SECOND_NS * random.randint(0, 60_000)
    if order_type == OrderType.LIMIT and random.randint(0, 7) == 0:
        command.post_only = 1
    if random.randint(0, 49) == 0:
        command.time_in_force = random.randint(TimeInForce.GTC, TimeInForce.GTD)
    if random.randint(0, 99) == 0:
        command.quantity = random.choice((4_610, 4_620))  # on either side of the largest notional
        command.price = UNITS_MAX
    return command


def an_order(random, orders):
    """-> (account, order id), one in twenty times not the owner's account."""
    account, order_id = random.choice(orders)
    if random.randint(0, 19) == 0:
        account = random.choice(ACCOUNTS)
    return account, order_id


def cancel(random, now_ns, orders):
    account, order_id = an_order(random, orders)
    return CancelOrder(account, order_id)


def amend(random, now_ns, orders):
    account, order_id = an_order(random, orders)
    price = random.choice((0, 0, PRICE_MIDDLE + random.randint(-8, 8), PRICE_MIDDLE + 5 * random.randint(-3, 3)))
    quantity = random.choice((0, random.randint(1, 15), 10 * random.randint(1, 12)))
    stop_price = random.choice((0, 0, 0, PRICE_MIDDLE + 5 * random.randint(-3, 3)))
    return AmendOrder(account, order_id, price, quantity, stop_price)


def cancel_all(random, now_ns, orders):
    reason = random.choice((CancelReason.USER_ALL,) * 3 + (CancelReason.DISCONNECT,) * 3 + (CancelReason.USER,))
    return CancelAll(random.choice(ACCOUNTS), random.randint(0, 4), random.randint(0, 2), reason)


def tick(random, now_ns, orders):
    return Tick(0)


KINDS = (place,) * 74 + (cancel,) * 6 + (amend,) * 15 + (tick,) * 3 + (cancel_all,)


def spoil(random, command):
    """Put one field of the command at an edge of what it may be, or beyond."""
    name, wire = random.choice([(field.name, field.metadata["wire"]) for field in attrs.fields(type(command))])
    if name == "request_id":
        return
    if wire == TEXT:
        setattr(command, name, random.choice(TEXTS))
        return
    largest = INTEGER_MAX[wire]
    edges = [0, 1, 2, 3, 4, 7, 99, largest]
    if wire == I64:  # the codec lets no other u8 and u32 in
        edges += [-1, UNITS_MAX, UNITS_MAX + 1, 2**62, 2**62 + 1, 2**63, -(2**63)]
    setattr(command, name, random.choice(edges))
