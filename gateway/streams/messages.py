"""What clients are sent, as the classes that make the JSON: every one has type, sequence and timestamp. Pure.

Decimals are text with all their places, ids are text. `sequence` is the event of the venue (event_seq) that a message
tells, or the newest one it includes; in `depth`, `depth_update` and `orderbook_update` it is the book's own count.
"""

import msgspec

from gateway.streams.frames import text_frame

_encode = msgspec.json.Encoder().encode


class _Message(msgspec.Struct, tag_field="type", kw_only=True):
    sequence: int
    timestamp: str

    def frame(self):
        """-> bytes of a WebSocket frame."""
        return text_frame(_encode(self))


class Fill(msgspec.Struct):
    """Of one's own order: what an order_update is about, where it was filled."""

    trade_id: str
    price: str
    quantity: str
    liquidity: str
    fee: str  # of the quote asset; below 0: a rebate
    fee_asset: str


class OrderUpdate(_Message, tag="order_update"):
    order_id: str | None  # null: it was rejected, and never was one
    client_order_id: str | None
    symbol: str | None
    side: str | None
    status: str
    filled_quantity: str | None  # null: the beginning of the order is not known any more
    remaining_quantity: str
    average_price: str | None
    reason: str | None
    fill: Fill | msgspec.UnsetType = msgspec.UNSET


class OrderState(msgspec.Struct):
    """An open order in an orders_snapshot."""

    order_id: str
    client_order_id: str | None
    symbol: str
    side: str
    status: str
    filled_quantity: str | None
    remaining_quantity: str
    average_price: str | None
    reason: str | None


class OrdersSnapshot(_Message, tag="orders_snapshot"):
    orders: list[OrderState]


class TradeExecuted(_Message, tag="trade_executed"):
    trade_id: str
    symbol: str
    price: str
    quantity: str
    taker_side: str
    buyer_fee: str
    seller_fee: str


class OrderbookUpdate(_Message, tag="orderbook_update"):
    symbol: str
    best_bid: str | None  # null: this side is empty
    best_ask: str | None
    bid_quantity: str | None
    ask_quantity: str | None
    spread: str | None


class Depth(_Message, tag="depth"):
    """Replaces all that was known of the book."""

    symbol: str
    bids: msgspec.Raw  # [[price, quantity], ...] from the highest
    asks: msgspec.Raw  # from the lowest


class DepthUpdate(_Message, tag="depth_update"):
    previous_sequence: int  # of the depth or depth_update before
    symbol: str
    bids: msgspec.Raw  # new totals; a quantity of 0: the level is gone
    asks: msgspec.Raw


class Ticker(_Message, tag="ticker"):
    symbol: str
    last: str | None
    open: str | None
    high: str | None
    low: str | None
    volume: str
    quote_volume: str
    change: str | None


class Candle(_Message, tag="candle"):
    symbol: str
    timeframe: str
    start: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    quote_volume: str
    trades: int
    is_closed: bool


class MarketState(_Message, tag="market_state"):
    symbol: str
    state: str
    reason: str | None


class VenueStatus(_Message, tag="venue_status"):
    status: str  # live, core_unavailable, shutting_down


# --- answers to requests -------------------------------------------------------------------------------------------

Id = str | int | None


class Authenticated(_Message, tag="authenticated"):
    id: Id
    user: str


class _OfTopic(_Message):
    id: Id
    channel: str
    symbol: str | None
    timeframe: str | None


class Subscribed(_OfTopic, tag="subscribed"):
    pass


class Unsubscribed(_OfTopic, tag="unsubscribed"):
    pass


class Resumed(_OfTopic, tag="resumed"):
    """Everything missed has been sent; what follows is live."""


class ResumeUnavailable(_OfTopic, tag="resume_unavailable"):
    """What was missed cannot be had any more; what follows is live, after a snapshot of one's open orders."""


class Pong(_Message, tag="pong"):
    id: Id


class Error(_Message, tag="error"):
    id: Id
    code: str
    message: str
    field: str | None
