"""The vocabulary: every message as an attrs class of int, str, bytes and rows of ints. codec.py makes them bytes.

Commands are imperative and change the exchange, events are past and are journaled; queries, answers, feed and
session messages are neither. Prices, quantities and times are plain ints: price in units of 10^-price_scale,
quantity in units of 10^-quantity_scale, times in nanoseconds since 1970 UTC.
"""

from typing import Any, ClassVar

import attrs

PROTOCOL_VERSION = 1

U8, U32, I64, TEXT, BYTES, ROWS = "u8", "u32", "i64", "text", "bytes", "rows"

#: Largest value each integer field type can carry. u8 is msgpack's positive fixint, one byte.
INTEGER_MAX = {U8: 127, U32: 2**32 - 1, I64: 2**63 - 1}
INTEGER_MIN = {U8: 0, U32: 0, I64: -(2**63)}

TEXT_BYTES_MAX = 255  # of UTF-8, per text field
BYTES_MAX = 255  # per bytes field
CLIENT_ORDER_ID_MAX = 36  # characters, printable ASCII without space

#: type number -> class, filled by @message.
MESSAGES = {}


def message(type_number):
    """Register an attrs class as the message of this type number (1 to 127; never reused)."""

    def register(cls):
        cls = attrs.define(cls)
        assert 0 < type_number < 128 and type_number not in MESSAGES, type_number
        cls.TYPE = type_number
        MESSAGES[type_number] = cls
        return cls

    return register


# annotated, so that mypy knows the constructors of all messages (tools/mypy_messages.py)
def _field(wire: str, default: Any = attrs.NOTHING, kw_only: bool = False) -> Any:
    return attrs.field(default=default, kw_only=kw_only, metadata={"wire": wire})


def u8(default: Any = attrs.NOTHING) -> Any:
    return _field(U8, default)


def u32(default: Any = attrs.NOTHING) -> Any:
    return _field(U32, default)


def i64(default: Any = attrs.NOTHING) -> Any:
    return _field(I64, default)


def text(default: Any = attrs.NOTHING) -> Any:
    return _field(TEXT, default)


def binary(default: Any = attrs.NOTHING) -> Any:
    return _field(BYTES, default)


def rows() -> Any:
    return _field(ROWS)


# --- the words -----------------------------------------------------------------------------------------------------


def names_of(cls):
    """{1: "buy", ...} for one of the classes of int constants below."""
    return {value: name.lower() for name, value in vars(cls).items() if name.isupper()}


class Side:
    BUY = 1
    SELL = 2


class OrderType:
    LIMIT = 1
    MARKET = 2
    STOP = 3  # waits for its stop price, then is a market order
    STOP_LIMIT = 4  # waits for its stop price, then is a limit order


class TimeInForce:
    GTC = 1
    IOC = 2
    FOK = 3
    GTD = 4  # until expire_time_ns


class SelfTradePrevention:
    """What happens where an order would trade with one of the same account; the incoming order's mode decides."""

    CANCEL_TAKER = 1  # the incoming order's rest is cancelled
    CANCEL_MAKER = 2  # the resting order is cancelled, and matching goes on
    CANCEL_BOTH = 3
    DECREMENT = 4  # both lose the smaller quantity without a trade; which has none left is cancelled
    NONE = 5  # they trade


class Liquidity:
    MAKER = 1
    TAKER = 2


class InstrumentState:
    OPEN = 1
    HALTED = 2  # cancels only
    POST_ONLY = 3  # cancels and orders that add liquidity
    CANCEL_ONLY = 4  # cancels, and amends that only make an order smaller


class Durability:
    """What an acknowledgement means: SYNC, on the disk; WRITE, with the kernel (survives a kill, not a power cut)."""

    SYNC = 1
    WRITE = 2


class CancelReason:
    """Why an order ended without being filled."""

    USER = 1  # CancelOrder
    USER_ALL = 2  # CancelAll
    DISCONNECT = 3  # cancel-on-disconnect
    IOC_REMAINDER = 4  # immediate-or-cancel: nothing more to match at the limit
    MARKET_NO_LIQUIDITY = 5  # market order: the opposite side ran out
    MARKET_COLLAR = 6  # market order: the next price lies beyond the collar
    SELF_TRADE = 7  # self-trade prevention
    EXPIRED = 8  # good-till-date: the date has come
    INSUFFICIENT_FUNDS = 10  # a stop order to buy: what it was elected to costs more than the account has
    KILL_SWITCH = 11  # the account was blocked
    ADMIN = 12  # CancelInstrument, CancelAccount
    FOK_UNFILLABLE = 9  # a stop-limit order, fill-or-kill once elected: the whole quantity was not there


class Code:
    """Why a command was rejected, a message refused or a session closed. Numbers are never reused."""

    # rejects of the exchange: journaled, state untouched
    UNKNOWN_INSTRUMENT = 1
    UNKNOWN_ORDER = 2  # never existed, has ended, or belongs to somebody else
    INVALID_SIDE = 3
    INVALID_ORDER_TYPE = 4
    INVALID_TIME_IN_FORCE = 5
    INVALID_PRICE = 6  # not positive, above the maximum, or given for a market order
    INVALID_QUANTITY = 7  # not positive, or above the maximum
    PRICE_NOT_ON_TICK = 8
    QUANTITY_NOT_ON_LOT = 9
    NOTIONAL_TOO_LARGE = 10  # price x quantity above the maximum
    POST_ONLY_WOULD_MATCH = 11
    POST_ONLY_INVALID = 12  # post-only with market, IOC or FOK
    MARKET_NEEDS_IMMEDIATE = 13  # a market order is IOC or FOK
    NO_LIQUIDITY = 14  # market order, and the opposite side is empty
    INSTRUMENT_HALTED = 15
    INSTRUMENT_POST_ONLY = 16
    INVALID_CLIENT_ORDER_ID = 17
    AMEND_NO_CHANGE = 18
    AMEND_BELOW_FILLED = 19
    BOOK_FULL = 20  # total open quantity of the side would exceed the maximum
    VENUE_FULL = 21  # no free order slot
    INVALID_INSTRUMENT = 22  # definition out of range, symbol or number taken, or assets the same or too coarse
    INVALID_INSTRUMENT_STATE = 23
    INVALID_ACCOUNT = 24  # 0, where a command is for one account
    FOK_UNFILLABLE = 25  # fill-or-kill: the whole quantity cannot be had at the limit, or within the collar
    INVALID_CANCEL_REASON = 26
    INVALID_SELF_TRADE_PREVENTION = 27
    INVALID_STOP_PRICE = 28  # not positive, above the maximum, off the tick, or given for what is no stop order
    STOP_WOULD_TRIGGER = 29  # the last trade's price has reached it already
    INVALID_EXPIRE_TIME = 30  # good-till-date without a time to come, or a time without good-till-date
    STOP_NEEDS_TO_WAIT = 31  # a stop order (market) is GTC or GTD
    INSTRUMENT_CANCEL_ONLY = 32
    UNKNOWN_ASSET = 33
    UNKNOWN_ACCOUNT = 34
    INVALID_ASSET = 35  # definition out of range, or the symbol or number is taken
    INVALID_AMOUNT = 36  # not positive, or more than the asset's supply may come to
    INSUFFICIENT_FUNDS = 37
    INVALID_REFERENCE = 38
    REFERENCE_CONFLICT = 39  # the same reference was used for something else
    INVALID_FEES = 40  # out of range, or a rebate that a taker's fee does not cover
    INVALID_LIMITS = 41
    INVALID_USER = 42
    ACCOUNT_BLOCKED = 43
    QUANTITY_BELOW_MINIMUM = 44
    QUANTITY_ABOVE_MAXIMUM = 45
    NOTIONAL_BELOW_MINIMUM = 46
    PRICE_OUTSIDE_BAND = 47
    ORDER_NOTIONAL_LIMIT = 48  # the account's, per order
    DAILY_NOTIONAL_LIMIT = 49  # the account's, per UTC day: what it has traded and this order
    OPEN_ORDERS_LIMIT = 50  # the account's
    SECOND_FACTOR_REQUIRED = 51
    INVALID_QUOTE_QUANTITY = 52  # given for what is no market order, or beside a quantity, or not positive
    QUOTE_QUANTITY_TOO_SMALL = 53  # does not pay for one lot
    # refusals: answered before the exchange saw anything, not journaled
    UNKNOWN_MESSAGE_TYPE = 60
    INVALID_FIELD = 61  # wrong number of fields, wrong type or out of range; the text names the field
    NOT_ALLOWED = 62  # this session may not send this message, or not for this account
    JOURNAL_FULL = 63  # no space on the journal's disk: commands are refused, queries answered
    TOO_MANY_SUBSCRIPTIONS = 64
    TOO_MANY_QUERIES = 65  # sent at one time; ask again when the answers have come
    RATE_LIMITED = 66  # more commands a second than the core takes from a session
    # reasons a session is closed
    MALFORMED = 80
    FRAME_TOO_LARGE = 81
    LOGIN_REQUIRED = 82
    LOGIN_FAILED = 83
    VERSION_UNSUPPORTED = 84
    LOGIN_TIMEOUT = 85
    HEARTBEAT_TIMEOUT = 86
    SLOW_CONSUMER = 87
    SUPERSEDED = 88  # the same key logged in again
    RESUME_UNAVAILABLE = 89  # the journal no longer holds the sequence asked for, or never did
    KEY_REVOKED = 90
    TOO_MANY_SESSIONS = 91
    LOGOUT = 92
    SHUTDOWN = 93


SIDES = names_of(Side)
ORDER_TYPES = names_of(OrderType)
TIMES_IN_FORCE = names_of(TimeInForce)
INSTRUMENT_STATES = names_of(InstrumentState)
DURABILITIES = names_of(Durability)
SELF_TRADE_PREVENTIONS = names_of(SelfTradePrevention)
CANCEL_REASONS = names_of(CancelReason)
CODES = names_of(Code)


# --- session -------------------------------------------------------------------------------------------------------

#: `Login.resume_after` of a client that wants nothing from before.
RESUME_NOTHING = -1


@attrs.define
class Message:
    """What all messages share. `request_id` is the client's, echoed in what answers it; 0 where nothing was asked."""

    TYPE: ClassVar[int]
    request_id: int = _field(I64, default=0, kw_only=True)


@message(1)
class Login(Message):
    """First message of a connection. SCRAM-SHA-256 (RFC 5802, RFC 7677) with the key as the user name."""

    version: int = u32()
    key: int = u32()
    client_nonce: str = text()
    resume_after: int = i64(RESUME_NOTHING)  # last event_seq the client has seen; RESUME_NOTHING: only what comes
    cancel_on_disconnect: int = u8(0)


@message(2)
class LoginChallenge(Message):
    nonce: str = text()  # client nonce followed by the core's
    salt: bytes = binary()
    iterations: int = u32()


@message(3)
class LoginProof(Message):
    nonce: str = text()
    proof: bytes = binary()


@message(4)
class LoginAccepted(Message):
    server_signature: bytes = binary()
    account: int = u32()  # 0: a trusted session, may act for any account
    durability: int = u8()
    heartbeat_ns: int = i64()  # each end sends something at least this often, and closes after three of silence
    event_seq: int = i64()  # newest durable event when the login was accepted


@message(5)
class Heartbeat(Message):
    pass


@message(6)
class Logout(Message):
    pass


@message(7)
class SessionClosed(Message):
    """Last message of a connection, from the core. Its events can still be had by resuming."""

    code: int = u8()
    text: str = text("")


@message(8)
class Refused(Message):
    """The request was not executed and left no trace in the journal."""

    code: int = u8()
    text: str = text("")


@message(9)
class Resumed(Message):
    """Everything missed has been sent; what follows is live."""

    event_seq: int = i64()


# --- commands ------------------------------------------------------------------------------------------------------


@attrs.define
class Command(Message):
    """`account`: 0 on the traders' listener (the session's own); on the trusted listener, whom it is for."""

    account: int = u32()


@message(10)
class PlaceOrder(Command):
    instrument: int = u32()
    side: int = u8()
    order_type: int = u8()
    time_in_force: int = u8()
    post_only: int = u8()
    price: int = i64()  # limit price; 0 for a market or stop order
    quantity: int = i64()
    self_trade_prevention: int = u8(SelfTradePrevention.CANCEL_TAKER)
    stop_price: int = i64(0)  # of a stop or stop-limit order, else 0
    expire_time_ns: int = i64(0)  # of a good-till-date order, else 0
    quote_quantity: int = i64(0)  # of a market order instead of quantity: spend, or earn, up to this; price x quantity
    second_factor: int = u8(0)  # 1: the trusted session vouches for one; traders cannot
    client_order_id: str = text("")


@message(11)
class CancelOrder(Command):
    order_id: int = i64()


@message(12)
class AmendOrder(Command):
    """New price, new total quantity (what is filled already included), new stop price; 0 leaves each as it is."""

    order_id: int = i64()
    price: int = i64()
    quantity: int = i64()
    stop_price: int = i64(0)  # of a stop order that still waits


@message(13)
class CancelAll(Command):
    instrument: int = u32(0)  # 0: every instrument
    side: int = u8(0)  # 0: both
    reason: int = u8(CancelReason.USER_ALL)  # clients send USER_ALL; DISCONNECT is the core's own


@message(14)
class DefineInstrument(Command):
    instrument: int = u32()
    price_scale: int = u8()
    quantity_scale: int = u8()
    tick: int = i64()  # prices are multiples of it
    lot: int = i64()  # quantities are multiples of it
    collar_bps: int = u32()  # how far beyond the best price a market order may reach, 1/10,000
    base: int = u32()  # asset number; 0 for both: traded without funds
    quote: int = u32()
    admin: int = u32()  # who acts, for the record: as in every command of an administrator
    symbol: str = text()


@message(15)
class SetInstrumentState(Command):
    instrument: int = u32()
    state: int = u8()
    admin: int = u32(0)
    reason: str = text("")


@message(16)
class Tick(Command):
    """Time passes: journaled by the core when it falls idle, so that a follower can trust the record before it."""


#: The venue's own account: fees go to it.
FEES_ACCOUNT = 2**32 - 1
REFERENCE_CHARACTERS_MAX = 64
USER_CHARACTERS_MAX = 64


@attrs.define
class AdminCommand(Command):
    """Of the trusted listener alone. `admin` and `reason` tell who acted and why: the journal is the audit log."""


@message(17)
class DefineAsset(AdminCommand):
    asset: int = u32()
    scale: int = u8()  # an amount of 1 unit is 10^-scale
    admin: int = u32()
    symbol: str = text()


@message(18)
class OpenAccount(AdminCommand):
    """`account` 0: the next free number. A user has one account: asking again gives the same."""

    admin: int = u32()
    user: str = text()


@message(19)
class Deposit(AdminCommand):
    """Once for each reference, however often it is sent."""

    asset: int = u32()
    amount: int = i64()
    admin: int = u32()
    reference: str = text()


@message(20)
class Withdraw(AdminCommand):
    """Of what is available, not reserved. Once for each reference."""

    asset: int = u32()
    amount: int = i64()
    admin: int = u32()
    reference: str = text()


@message(21)
class SetFees(AdminCommand):
    """For orders placed from now on, by accounts of a tier; tier 0 serves where a tier has none of its own."""

    instrument: int = u32()
    tier: int = u8()
    maker_ppm: int = i64()  # 1/1,000,000 of the notional, of the quote asset; negative: a rebate
    taker_ppm: int = i64()
    admin: int = u32()
    reason: str = text("")


@message(22)
class SetAccountTier(AdminCommand):
    tier: int = u8()
    admin: int = u32()
    reason: str = text("")


@message(23)
class SetAccountLimits(AdminCommand):
    """Notionals in units of the quote asset `asset`; 0: no limit. open_orders_max is of the whole account."""

    asset: int = u32()
    order_notional_max: int = i64()
    daily_notional_max: int = i64()
    second_factor_above: int = i64()
    open_orders_max: int = u32()
    admin: int = u32()
    reason: str = text("")


@message(24)
class SetInstrumentLimits(AdminCommand):
    """0: no limit. The band is around the last trade's price, in 1/10,000."""

    instrument: int = u32()
    quantity_min: int = i64()
    quantity_max: int = i64()
    notional_min: int = i64()  # price x quantity
    band_bps: int = u32()
    admin: int = u32()
    reason: str = text("")


@message(25)
class BlockAccount(AdminCommand):
    """The kill switch: 1 cancels all the account's orders and takes no more; 0 lifts it."""

    is_blocked: int = u8()
    admin: int = u32()
    reason: str = text("")


@message(26)
class CancelInstrument(AdminCommand):
    """Cancel every account's orders of an instrument, or of one side (0: both)."""

    instrument: int = u32()
    side: int = u8()
    admin: int = u32()
    reason: str = text("")


@message(27)
class CancelAccount(AdminCommand):
    """Cancel an account's orders, or those of one instrument (0: every), or side (0: both); it may go on trading."""

    instrument: int = u32()
    side: int = u8()
    admin: int = u32()
    reason: str = text("")


@message(28)
class SetAccountRate(AdminCommand):
    """How many commands a second each session of the account may send; 0: as many as the core is set up with."""

    commands_per_second: int = u32()
    admin: int = u32()
    reason: str = text("")


# --- events --------------------------------------------------------------------------------------------------------


@attrs.define
class Event(Message):
    """What the exchange decided; journaled, sequenced, addressed to one account (0: to the venue as a whole).

    `request_id` and `key` name the command that caused it, where that command was for the same account; else both are
    0. The exchange leaves the first four fields 0; the sequencer stamps them.
    """

    event_seq: int = _field(I64, default=0, kw_only=True)  # 1, 2, 3, ... over the whole life of the venue
    time_ns: int = _field(I64, default=0, kw_only=True)  # when the batch was taken, venue clock
    key: int = _field(U32, default=0, kw_only=True)  # API key that sent the command
    account: int = u32()


@message(40)
class OrderAccepted(Event):
    """Comes before the fills, and tells their sum: filled_quantity at once, open_quantity left in the book (or
    waiting, for a stop order).

    Where the two do not add up to quantity, OrderCancelled or SelfTradePrevented (decrement) for the rest follow.
    """

    order_id: int = i64()
    instrument: int = u32()
    side: int = u8()
    order_type: int = u8()
    time_in_force: int = u8()
    post_only: int = u8()
    price: int = i64()
    quantity: int = i64()
    filled_quantity: int = i64()
    open_quantity: int = i64()
    self_trade_prevention: int = u8()
    stop_price: int = i64()
    expire_time_ns: int = i64()
    client_order_id: str = text("")


@message(41)
class CommandRejected(Event):
    """Nothing was changed. instrument, order_id and client_order_id as far as the command named them."""

    code: int = u8()
    instrument: int = u32(0)
    order_id: int = i64(0)
    client_order_id: str = text("")


@message(42)
class OrderFilled(Event):
    """One side of a trade. A trade is two of them, the maker's first, with one trade_id."""

    order_id: int = i64()
    instrument: int = u32()
    side: int = u8()
    liquidity: int = u8()
    trade_id: int = i64()
    price: int = i64()
    quantity: int = i64()
    open_quantity: int = i64()  # what the order still has to fill
    fee: int = i64()  # in units of the quote asset; negative: a rebate


@message(43)
class OrderCancelled(Event):
    order_id: int = i64()
    instrument: int = u32()
    side: int = u8()
    reason: int = u8()
    price: int = i64()
    quantity: int = i64()  # what was left


@message(44)
class OrderAmended(Event):
    """As OrderAccepted: comes before the fills a new price may bring, and tells their sum."""

    order_id: int = i64()
    instrument: int = u32()
    side: int = u8()
    kept_priority: int = u8()
    previous_price: int = i64()
    price: int = i64()
    quantity: int = i64()
    stop_price: int = i64()
    filled_quantity: int = i64()  # by this command's matching
    open_quantity: int = i64()


@message(45)
class AllCancelled(Event):
    """Follows the OrderCancelled events of a CancelAll, CancelInstrument or CancelAccount."""

    instrument: int = u32()
    count: int = i64()


@message(46)
class InstrumentDefined(Event):
    instrument: int = u32()
    price_scale: int = u8()
    quantity_scale: int = u8()
    tick: int = i64()
    lot: int = i64()
    collar_bps: int = u32()
    base: int = u32()
    quote: int = u32()
    admin: int = u32()
    symbol: str = text()


@message(47)
class InstrumentStateChanged(Event):
    instrument: int = u32()
    state: int = u8()
    admin: int = u32()
    reason: str = text("")


@message(48)
class OrderTriggered(Event):
    """A trade elected a stop order, which has run; as OrderAccepted, comes before its fills and tells their sum."""

    order_id: int = i64()
    instrument: int = u32()
    side: int = u8()
    stop_price: int = i64()
    price: int = i64()  # its limit; 0: a market order now
    filled_quantity: int = i64()
    open_quantity: int = i64()


@message(49)
class SelfTradePrevented(Event):
    """The record of a trade that did not happen; the cancels it brings follow as OrderCancelled."""

    instrument: int = u32()
    mode: int = u8()
    taker_side: int = u8()
    maker_order_id: int = i64()
    taker_order_id: int = i64()
    price: int = i64()
    quantity: int = i64()  # that would have traded; with DECREMENT, what both have lost
    maker_open_quantity: int = i64()  # after it
    taker_open_quantity: int = i64()


@message(50)
class AssetDefined(Event):
    asset: int = u32()
    scale: int = u8()
    admin: int = u32()
    symbol: str = text()


@message(51)
class AccountOpened(Event):
    is_new: int = u8()
    admin: int = u32()
    user: str = text()


@message(52)
class Deposited(Event):
    asset: int = u32()
    amount: int = i64()
    available: int = i64()  # after it
    is_duplicate: int = u8()  # 1: the reference had been used for this before, and nothing was done now
    admin: int = u32()
    reference: str = text()


@message(53)
class Withdrawn(Event):
    asset: int = u32()
    amount: int = i64()
    available: int = i64()
    is_duplicate: int = u8()
    admin: int = u32()
    reference: str = text()


@message(54)
class FeesSet(Event):
    instrument: int = u32()
    tier: int = u8()
    maker_ppm: int = i64()
    taker_ppm: int = i64()
    admin: int = u32()
    reason: str = text()


@message(55)
class AccountTierSet(Event):
    tier: int = u8()
    admin: int = u32()
    reason: str = text()


@message(56)
class AccountLimitsSet(Event):
    asset: int = u32()
    order_notional_max: int = i64()
    daily_notional_max: int = i64()
    second_factor_above: int = i64()
    open_orders_max: int = u32()
    admin: int = u32()
    reason: str = text()


@message(57)
class InstrumentLimitsSet(Event):
    instrument: int = u32()
    quantity_min: int = i64()
    quantity_max: int = i64()
    notional_min: int = i64()
    band_bps: int = u32()
    admin: int = u32()
    reason: str = text()


@message(58)
class AccountBlocked(Event):
    """Follows the OrderCancelled events of a BlockAccount."""

    is_blocked: int = u8()
    count: int = i64()  # orders cancelled
    admin: int = u32()
    reason: str = text()


@message(59)
class OrderDuplicate(Event):
    """The client_order_id was used before: this is the first order, and there is no second one."""

    order_id: int = i64()
    instrument: int = u32()
    is_open: int = u8()
    quantity: int = i64()  # as first accepted
    open_quantity: int = i64()
    differs: int = u32()  # bit i: the i-th of DUPLICATE_FIELDS is not what it was
    client_order_id: str = text()


@message(90)
class AccountRateSet(Event):
    commands_per_second: int = u32()
    admin: int = u32()
    reason: str = text()


#: What a repeated PlaceOrder is compared in, see OrderDuplicate.differs.
DUPLICATE_FIELDS = (
    "instrument", "side", "order_type", "time_in_force", "post_only", "price", "quantity", "self_trade_prevention",
    "stop_price", "expire_time_ns", "quote_quantity",
)  # fmt: skip
#: How many of an account's newest client order ids are known.
CLIENT_ORDER_IDS_MAX = 1_000
#: How many assets a venue can have: balances of all of them fit one frame.
ASSETS_MAX = 1_000
#: How many of the venue's newest references of deposits and withdrawals are known.
REFERENCES_MAX = 100_000


# --- queries and answers -------------------------------------------------------------------------------------------

OPEN_ORDERS_MAX = 500  # per page
DEPTH_LEVELS_MAX = 500  # per side
INSTRUMENTS_MAX = 500  # per page

#: The columns of a row that describes an order.
ORDER_COLUMNS = (
    "order_id", "account", "instrument", "side", "order_type", "time_in_force", "post_only", "price", "quantity",
    "open_quantity", "self_trade_prevention", "stop_price", "expire_time_ns", "is_waiting", "reserved",
    "client_order_id",
)  # fmt: skip
#: The columns of a row that describes a price level.
LEVEL_COLUMNS = ("side", "price", "quantity", "orders")
INSTRUMENT_COLUMNS = (
    "instrument", "price_scale", "quantity_scale", "tick", "lot", "collar_bps", "state", "symbol", "base", "quote",
    "last_price", "quantity_min", "quantity_max", "notional_min", "band_bps", "maker_ppm", "taker_ppm",
)  # fmt: skip
#: Amounts are in units of 10^-scale of the asset.
BALANCE_COLUMNS = ("asset", "symbol", "scale", "available", "reserved")
ACCOUNT_COLUMNS = (
    "account", "user", "tier", "is_blocked", "open_orders", "open_orders_max", "commands_per_second",
)  # fmt: skip


@attrs.define
class Query(Message):
    """Answered from memory, not journaled. `account` as for commands."""

    account: int = u32()


@message(60)
class QueryOrder(Query):
    """By order_id, or where that is 0 by client_order_id."""

    order_id: int = i64(0)
    client_order_id: str = text("")


@message(61)
class QueryOpenOrders(Query):
    """In order_id order, from the first after `after_order_id`."""

    instrument: int = u32(0)
    after_order_id: int = i64(0)
    limit: int = u32(OPEN_ORDERS_MAX)


@message(62)
class QueryDepth(Query):
    instrument: int = u32()
    levels: int = u32(DEPTH_LEVELS_MAX)


@message(63)
class QueryInstruments(Query):
    """In the order of their numbers, from the first after `after_instrument`."""

    after_instrument: int = u32(0)


@message(64)
class QueryStatistics(Query):
    """Counters and gauges of the core. Trusted sessions only."""

    state_hash: int = u8(0)  # 1: also compute the state hash (walks every order)


@message(65)
class QueryBalances(Query):
    """Every asset, for an account that has been opened."""


@message(66)
class QueryAccount(Query):
    """By number, or where that is 0 by `user`. Trusted sessions ask for any, traders for their own."""

    user: str = text("")


@message(70)
class Orders(Message):
    """Answers QueryOrder (one row or none) and QueryOpenOrders."""

    more: int = u8()
    orders: list = rows()


@message(71)
class Depth(Message):
    """Answers QueryDepth: bids from the highest, then asks from the lowest."""

    instrument: int = u32()
    event_seq: int = i64()
    levels: list = rows()


@message(72)
class Instruments(Message):
    more: int = u8()
    instruments: list = rows()


@message(73)
class Statistics(Message):
    event_seq: int = i64()
    statistics: list = rows()  # [name, value] pairs; values are ints or text


@message(74)
class Balances(Message):
    """Answers QueryBalances; empty for an account that is not known."""

    balances: list = rows()


@message(75)
class Accounts(Message):
    """Answers QueryAccount: one row or none."""

    accounts: list = rows()


# --- public feed ---------------------------------------------------------------------------------------------------

SNAPSHOT_LEVELS_MAX = 1000  # levels per FeedSnapshot message


@message(80)
class Subscribe(Message):
    """Depth, trades and state of one instrument: FeedSnapshot first, then changes without a gap in feed_seq."""

    instrument: int = u32()


@message(81)
class Unsubscribe(Message):
    instrument: int = u32()


@message(82)
class FeedSnapshot(Message):
    """The whole book by level. A deep book takes several, all with the same feed_seq, the last with more = 0."""

    instrument: int = u32()
    feed_seq: int = i64()
    state: int = u8()
    more: int = u8()
    levels: list = rows()


@message(83)
class DepthChanged(Message):
    """New totals of the levels one flush touched; quantity 0 and orders 0: the level is gone."""

    instrument: int = u32()
    feed_seq: int = i64()
    levels: list = rows()


@message(84)
class Traded(Message):
    """The public side of a trade."""

    instrument: int = u32()
    feed_seq: int = i64()
    time_ns: int = i64()
    trade_id: int = i64()
    price: int = i64()
    quantity: int = i64()
    taker_side: int = u8()


@message(85)
class StateChanged(Message):
    """The public side of InstrumentStateChanged."""

    instrument: int = u32()
    feed_seq: int = i64()
    state: int = u8()
    reason: str = text("")


@message(86)
class Unsubscribed(Message):
    instrument: int = u32()


def wire_fields(cls):
    """[(name, wire type), ...] of a message class in wire order, after the type number."""
    return [(a.name, a.metadata["wire"]) for a in attrs.fields(cls)]
