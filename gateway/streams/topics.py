"""What can be subscribed to, and the requests that clients send. Pure."""

from typing import Annotated, Literal

import attrs
import msgspec

from gateway.errors import ApiError
from gateway.order_schema import Symbol
from gateway.validation import invalid_field, refuse_duplicate_keys

ORDERS, TRADES, ORDERBOOK, TICKER, DEPTH, CANDLES = "orders", "trades", "orderbook", "ticker", "depth", "candles"
CHANNELS = (ORDERS, TRADES, ORDERBOOK, TICKER, DEPTH, CANDLES)
#: Name of a timeframe -> its seconds.
TIMEFRAMES = {"1m": 60, "5m": 300, "15m": 900, "1h": 3_600, "4h": 14_400, "1d": 86_400}
EVERY_MARKET = 0  # instrument of the trades of all markets


@attrs.frozen
class Topic:
    """One stream: a channel, of a market (0: of every one, or of none), of a timeframe."""

    channel: str
    instrument: int = EVERY_MARKET
    timeframe: str = ""


# --- what clients send ---------------------------------------------------------------------------------------------

_Channel = Literal["orders", "trades", "orderbook", "ticker", "depth", "candles"]
_Timeframe = Literal["1m", "5m", "15m", "1h", "4h", "1d"]
Sequence = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Id = Annotated[str, msgspec.Meta(max_length=64)] | Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None
assert _Channel.__args__ == CHANNELS and _Timeframe.__args__ == tuple(TIMEFRAMES)  # type: ignore[attr-defined]


class _Request(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag=str.lower):
    id: _Id = None  # comes back in what answers the request


class Authenticate(_Request, kw_only=True):
    token: str


class _OfTopic(_Request, kw_only=True):
    channel: _Channel
    symbol: Symbol | None = None
    timeframe: _Timeframe | None = None


class Subscribe(_OfTopic):
    pass


class Unsubscribe(_OfTopic):
    pass


class Resume(_OfTopic, kw_only=True):
    """Subscribe to what came after `sequence`, the last that the client has seen of the stream."""

    sequence: Sequence


class Ping(_Request):
    """For clients that cannot send a WebSocket ping, browsers above all."""


_decoder = msgspec.json.Decoder(Authenticate | Subscribe | Unsubscribe | Resume | Ping)


def request_of(text):
    """The text of a message -> one of the classes above. Raises ApiError 400 or 422."""
    try:
        request = _decoder.decode(text)
    except msgspec.ValidationError as error:
        raise invalid_field(error, 422) from None
    except (msgspec.DecodeError, RecursionError):
        raise ApiError(400, "invalid_json", "a message is one JSON object") from None
    refuse_duplicate_keys(text)
    return request


def id_of(text):
    """-> the `id` of a request that could not be understood, or None: the answer names it where it can."""
    try:
        found = msgspec.json.decode(text)
        return msgspec.convert(found.get("id"), _Id) if isinstance(found, dict) else None
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError):
        return None


def topic_of(request, market_of, default_symbol=None):
    """`market_of(symbol)` -> its catalogue.Market (Core.market). -> Topic. Raises ApiError 404 or 422, or 503 while the
    core may know more markets."""
    channel, symbol = request.channel, request.symbol
    if channel == ORDERS:
        if symbol is not None:
            raise ApiError(422, "invalid_field", "the channel orders is of all markets", "symbol")
    elif symbol is None:
        symbol = default_symbol
        if symbol is None and channel != TRADES:
            raise ApiError(422, "invalid_field", "the channel %s needs a symbol" % channel, "symbol")
    if (request.timeframe is not None) != (channel == CANDLES):
        text = "needs a timeframe" if channel == CANDLES else "has no timeframe"
        raise ApiError(422, "invalid_field", "the channel %s %s" % (channel, text), "timeframe")
    instrument = market_of(symbol).instrument if symbol is not None else EVERY_MARKET
    return Topic(channel, instrument, request.timeframe or "")
