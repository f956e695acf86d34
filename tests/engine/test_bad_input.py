"""Bad input: every number at its edges and beyond, words that are none, other people's orders. Each is a reject with a
code, leaves the state as it was, and the venue goes on.

What the exchange says must fit the wire: an answer that cannot be encoded would end the core. What does not fit
the wire does not come in.
"""

import attrs
import pytest

from engine import snapshot
from protocol import codec
from protocol.errors import FieldError
from protocol.messages import (
    BYTES,
    I64,
    INTEGER_MAX,
    MESSAGES,
    TEXT,
    AmendOrder,
    BlockAccount,
    CancelAccount,
    CancelAll,
    CancelInstrument,
    CancelOrder,
    Code,
    Command,
    CommandRejected,
    DefineAsset,
    DefineInstrument,
    Deposit,
    OpenAccount,
    OrderType,
    PlaceOrder,
    SelfTradePrevention,
    SetAccountLimits,
    SetAccountRate,
    SetAccountTier,
    SetFees,
    SetInstrumentLimits,
    SetInstrumentState,
    Tick,
    TimeInForce,
    Withdraw,
    wire_fields,
)
from tests.funds import CASH, METAL, FundedTrading
from tests.trading import ADMIN, ALICE, BOB, GOLD, SILVER

SIGNED = (0, -1, 1, 10**15, 10**15 + 1, 2**62, 2**62 + 1, 2**63 - 1, -(2**63))
BEYOND = (2**63, 2**64 - 1, 2**64, 2**64 + 1, -(2**63) - 1)
BEYOND_TEXT = ("x" * 256, "é" * 128, 7, "\ud800")
LENGTH_BYTES = 4  # before the payload of a frame
WORDS = ("", "x" * 36, "x" * 37, "x" * 64, "x" * 65, "x" * 255, "a b", "\x00", "\n", "\x7f", "é", "\u202e", "💥")


def commands(order_id):
    """-> one of each kind, which a venue with an order of ALICE of this id takes."""
    reference = {"admin": ADMIN, "reference": "new"}
    limit = {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC, "post_only": 0}
    stop = {"order_type": OrderType.STOP_LIMIT, "time_in_force": TimeInForce.GTD, "post_only": 0}
    market = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.IOC, "post_only": 0}
    return [
        PlaceOrder(ALICE, GOLD, 1, price=100, quantity=5, **limit),
        PlaceOrder(ALICE, GOLD, 2, price=100, quantity=5, stop_price=90, expire_time_ns=9_000, **stop),
        PlaceOrder(ALICE, GOLD, 1, price=0, quantity=0, quote_quantity=500, self_trade_prevention=5, **market),
        CancelOrder(ALICE, order_id),
        AmendOrder(ALICE, order_id, 95, 4),
        CancelAll(ALICE),
        Tick(0),
        DefineInstrument(0, SILVER, 0, 0, 1, 1, 100, METAL, CASH, ADMIN, "SILVER"),
        SetInstrumentState(0, GOLD, 1, ADMIN, "because"),
        SetInstrumentLimits(0, GOLD, 1, 100, 1, 100, ADMIN, "because"),
        SetFees(0, GOLD, 0, 1, 1, ADMIN, "because"),
        CancelInstrument(0, GOLD, 0, ADMIN, "because"),
        DefineAsset(0, 3, 2, ADMIN, "THIRD"),
        OpenAccount(9, ADMIN, "nine"),
        Deposit(ALICE, CASH, 5, **reference),
        Withdraw(ALICE, CASH, 5, **reference),
        SetAccountTier(ALICE, 1, ADMIN, "because"),
        SetAccountLimits(ALICE, CASH, 1, 1, 1, 1, ADMIN, "because"),
        BlockAccount(ALICE, 1, ADMIN, "because"),
        CancelAccount(ALICE, GOLD, 0, ADMIN, "because"),
        SetAccountRate(ALICE, 5, ADMIN, "because"),
    ]


def venue():
    """-> (FundedTrading, order id): one order of ALICE rests, BOB sells, and nobody has traded yet."""
    trading = FundedTrading()
    trading.sell(5, 100, account=BOB)
    return trading, trading.buy(5, 90).order_id


def test_there_is_a_command_of_each_kind_and_all_are_taken():
    kinds = [message for message in MESSAGES.values() if issubclass(message, Command)]
    assert [kind for kind in kinds if kind not in map(type, commands(1))] == []
    for number in range(len(commands(0))):
        trading, order_id = venue()
        assert not any(isinstance(event, CommandRejected) for event in trading.do(commands(order_id)[number]))


def give(trading, command):
    """Apply, and hold what comes of it: do() holds that rejects leave no trace, the rest is held here."""
    before = snapshot.dump(trading.exchange)
    events = trading.do(command)
    for event in events:
        assert codec.decode(codec.encode(event), LENGTH_BYTES) == event
    if events and isinstance(events[0], CommandRejected):
        assert 0 < events[0].code < Code.UNKNOWN_MESSAGE_TYPE and snapshot.dump(trading.exchange) == before


CASES = [
    (number, name, wire)
    for number, command in enumerate(commands(1))
    for name, wire in wire_fields(type(command))
    if name != "request_id"
]
IDS = ["%s-%d-%s" % (type(commands(1)[number]).__name__, number, name) for number, name, _ in CASES]


@pytest.mark.parametrize("number, name, wire", CASES, ids=IDS)
def test_every_field_at_its_edges_is_answered_and_the_venue_goes_on(number, name, wire):
    assert wire != BYTES
    values = WORDS if wire == TEXT else SIGNED if wire == I64 else (0, 1, 3, 99, INTEGER_MAX[wire])
    for value in values:
        trading, order_id = venue()
        command = attrs.evolve(commands(order_id)[number], **{name: value})
        assert codec.decode(codec.encode(command), LENGTH_BYTES) == command
        give(trading, command)
        trading.buy(1, 91)


@pytest.mark.parametrize("number, name, wire", CASES, ids=IDS)
def test_what_is_beyond_the_wire_does_not_come_in(number, name, wire):
    values = BEYOND_TEXT if wire == TEXT else BEYOND if wire == I64 else (-1, INTEGER_MAX[wire] + 1, *BEYOND)
    for value in values:
        with pytest.raises((ValueError, FieldError)):
            codec.decode(codec.encode(attrs.evolve(commands(1)[number], **{name: value})), LENGTH_BYTES)


@pytest.mark.parametrize("wrong", [b"\xff", b"\xc3\x28", b"\xed\xa0\x80"])
def test_text_that_is_not_utf_8_does_not_come_in(wrong):
    text = "~" * len(wrong)
    frame = codec.encode(attrs.evolve(commands(1)[0], client_order_id=text)).replace(text.encode(), wrong)
    with pytest.raises(FieldError, match="UTF-8"):
        codec.decode(frame, LENGTH_BYTES)


FIELDS = [
    ("account", 0, Code.INVALID_ACCOUNT),
    ("account", 99, Code.UNKNOWN_ACCOUNT),
    ("instrument", 0, Code.UNKNOWN_INSTRUMENT),
    ("instrument", 99, Code.UNKNOWN_INSTRUMENT),
    ("price", 0, Code.INVALID_PRICE),
    ("price", -100, Code.INVALID_PRICE),
    ("price", 2**63 - 1, Code.INVALID_PRICE),
    ("quantity", 0, Code.INVALID_QUANTITY),
    ("quantity", -5, Code.INVALID_QUANTITY),
    ("quantity", 2**63 - 1, Code.INVALID_QUANTITY),
    ("stop_price", 1, Code.INVALID_STOP_PRICE),
    ("expire_time_ns", 1, Code.INVALID_EXPIRE_TIME),
    ("quote_quantity", 1, Code.INVALID_QUOTE_QUANTITY),
    ("self_trade_prevention", 6, Code.INVALID_SELF_TRADE_PREVENTION),
    ("client_order_id", "a\nb", Code.INVALID_CLIENT_ORDER_ID),
]


@pytest.mark.parametrize("name, value, code", FIELDS)
def test_each_fault_of_an_order_has_its_own_code(name, value, code):
    trading, _ = venue()
    (event,) = trading.do(attrs.evolve(commands(1)[0], **{name: value}))
    assert event.code == code


@pytest.mark.parametrize(
    "price, quantity, code",
    [
        (10**15, 10**15, Code.NOTIONAL_TOO_LARGE),  # the product is beyond 2^62
        (2**31, 2**31, Code.INSUFFICIENT_FUNDS),  # exactly 2^62
        (2**31, 2**31 + 1, Code.NOTIONAL_TOO_LARGE),
    ],
)
def test_no_product_overflows(price, quantity, code):
    trading, _ = venue()
    trading.set_fees(0, 100_000)
    for stop_price in (0, price):
        order = trading.stop(1, quantity, price) if stop_price else trading.buy(quantity, price)
        assert order.events[0].code == code


@pytest.mark.parametrize("digits, code", [(14, Code.INSUFFICIENT_FUNDS), (16, Code.NOTIONAL_TOO_LARGE)])
def test_no_product_overflows_in_the_units_of_a_finer_ledger(digits, code):
    trading = FundedTrading(metal_scale=digits, cash_scale=digits)
    assert trading.buy(100, 100).events[0].code == trading.sell(1_000, 1).events[0].code == code


@pytest.mark.parametrize("kind", [CancelOrder, AmendOrder])
def test_other_peoples_orders_are_unknown_and_so_are_those_that_never_were(kind):
    trading, order_id = venue()
    more = (95, 4) if kind is AmendOrder else ()
    for account, named in ((BOB, order_id), (0, order_id), (99, order_id), (ALICE, order_id + 1), (ALICE, 2**63 - 1)):
        (event,) = trading.do(kind(account, named, *more))
        assert event.code == Code.UNKNOWN_ORDER and (event.account, event.order_id) == (account, named)


def test_a_clock_that_goes_backwards_between_commands_breaks_nothing():
    trading, _ = venue()
    for now_ns in (10**18, 5, 10**18 + 1, 0):
        trading.now_ns = now_ns
        order = trading.buy(1, 91, self_trade_prevention=SelfTradePrevention.NONE)
        assert order.order_id
        assert trading.tick(now_ns) == []
