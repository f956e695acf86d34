"""`/markets`, `/orderbook`: what is traded here and at what prices, from the core alone."""

from typing import Annotated, Literal

import msgspec

from gateway.amounts import text_of
from gateway.books import BOOKS
from gateway.core import CORE
from gateway.order_schema import DecimalText
from gateway.replies import Reply
from gateway.routes import ANYBODY, Example, RouteTable, Strict
from protocol.messages import DEPTH_LEVELS_MAX, INSTRUMENT_STATES

routes = RouteTable("markets")

SYMBOL = {"symbol": (r"[!-~]{1,64}", "BTC-USDT")}
StateName = Literal["open", "halted", "post_only", "cancel_only"]


class Market(msgspec.Struct):
    symbol: str
    instrument: int
    base_asset: str | None  # null: traded without funds
    quote_asset: str | None
    state: StateName
    price_scale: int
    quantity_scale: int
    tick_size: str
    lot_size: str
    min_quantity: str | None  # null: no limit
    max_quantity: str | None
    min_notional: str | None
    price_band_bps: int | None
    collar_bps: int
    maker_fee_rate: str  # of the notional; below 0: a rebate
    taker_fee_rate: str
    last_price: str | None  # null: nothing was traded yet


class Level(msgspec.Struct):
    price: DecimalText
    quantity: DecimalText
    orders: int


class OrderBook(msgspec.Struct):
    symbol: str
    sequence: int  # event_seq: the newest event it shows
    bids: list[Level]  # from the highest
    asks: list[Level]  # from the lowest


class BookQuery(Strict):
    depth: Annotated[int, msgspec.Meta(ge=1, le=DEPTH_LEVELS_MAX)] = 50


@routes.add(
    "GET",
    "/api/v1/markets",
    summary="Every market",
    response=list[Market],
    role=ANYBODY,
    errors=(503,),
    examples=(Example("/api/v1/markets"),),
)
async def get_markets(call):
    core = call[CORE]
    core.client  # noqa: B018 - 503 while the core is gone: states may have changed
    return [market_of(market) for _, market in sorted(core.catalogue.markets.items())]


def market_of(market):
    """catalogue.Market -> Market."""
    return Market(
        symbol=market.symbol,
        instrument=market.instrument,
        base_asset=market.base or None,
        quote_asset=market.quote or None,
        state=INSTRUMENT_STATES[market.state],
        price_scale=market.price_scale,
        quantity_scale=market.quantity_scale,
        tick_size=market.price(market.tick),
        lot_size=market.quantity(market.lot),
        min_quantity=market.quantity(market.quantity_min) if market.quantity_min else None,
        max_quantity=market.quantity(market.quantity_max) if market.quantity_max else None,
        min_notional=market.notional(market.notional_min) if market.notional_min else None,
        price_band_bps=market.band_bps or None,
        collar_bps=market.collar_bps,
        maker_fee_rate=_rate(market.maker_ppm),
        taker_fee_rate=_rate(market.taker_ppm),
        last_price=market.price(market.last_price) if market.last_price else None,
    )


def _rate(ppm):
    return text_of(ppm, 6)


@routes.add(
    "GET",
    "/api/v1/orderbook/{symbol}",
    summary="The order book by price levels",
    query=BookQuery,
    response=OrderBook,
    role=ANYBODY,
    errors=(404, 503),
    parameters=SYMBOL,
    examples=(Example("/api/v1/orderbook/BTC-USDT?depth=5"), Example("/api/v1/orderbook/BTC%2FUSDT")),
)
async def get_book(call):
    market = call[CORE].market(call.path("symbol"))
    return Reply(await call[BOOKS].get(market, call.query.depth))
