"""`/markets/{symbol}/ticker`: a market at one look. Best prices and state are the core's, the 24 hours those that the
`ticker` of the streams tells."""

import msgspec

from gateway.books import BOOKS
from gateway.core import CORE
from gateway.markets import SYMBOL, OrderBook, StateName
from gateway.order_schema import DecimalText, Time
from gateway.routes import ANYBODY, Example, RouteTable
from gateway.streams.hub import STREAMS
from protocol.messages import INSTRUMENT_STATES

routes = RouteTable("markets")

_decode_book = msgspec.json.Decoder(OrderBook).decode


class Ticker(msgspec.Struct):
    """Prices of the 24 hours are null where nothing was traded in them, those of a side of the book that is empty too;
    `last` is null where nothing ever was traded."""

    symbol: str
    timestamp: Time
    state: StateName
    last: str | None
    open: str | None
    high: str | None
    low: str | None
    volume: DecimalText  # of the base asset
    quote_volume: DecimalText
    change: str | None  # last - open
    complete: bool  # false: the history cannot tell; the 24 hours are of what this gateway has seen itself
    best_bid: str | None
    best_ask: str | None
    bid_quantity: str | None
    ask_quantity: str | None


@routes.add(
    "GET",
    "/api/v1/markets/{symbol}/ticker",
    summary="A market's last price, 24 hours, best prices and state",
    response=Ticker,
    role=ANYBODY,
    errors=(404, 503),
    parameters=SYMBOL,
    examples=(Example("/api/v1/markets/BTC-USDT/ticker"), Example("/api/v1/markets/BTC%2FUSDT/ticker")),
)
async def get_ticker(call):
    """The 24 hours are to the minute. They need Postgres once for each market; without it the answer comes all the
    same, with `complete` false."""
    core = call[CORE]
    core.client  # noqa: B018 - 503 at once while the core is gone
    market = core.market(call.path("symbol"))
    message, is_whole = await call[STREAMS].trades.ticker(market)
    book = _decode_book(await call[BOOKS].get(market, 1))
    bid, ask = (side[0] if side else None for side in (book.bids, book.asks))
    return Ticker(
        symbol=market.symbol,
        timestamp=message.timestamp,
        state=INSTRUMENT_STATES[market.state],
        last=message.last,
        open=message.open,
        high=message.high,
        low=message.low,
        volume=message.volume,
        quote_volume=message.quote_volume,
        change=message.change,
        complete=is_whole,
        best_bid=bid.price if bid else None,
        best_ask=ask.price if ask else None,
        bid_quantity=bid.quantity if bid else None,
        ask_quantity=ask.quantity if ask else None,
    )
