"""Markets and assets: define them, halt and resume trading."""

from typing import Annotated, Literal

import msgspec

from gateway.admin.accounts import AssetSymbol, Why
from gateway.admin.acts import Reason, admin_of, reason_of
from gateway.amounts import units_of
from gateway.core import CORE
from gateway.errors import ApiError
from gateway.markets import SYMBOL, Market, StateName, market_of
from gateway.order_schema import DecimalText, Time
from gateway.routes import ADMIN, Example, RouteTable, Strict
from gateway.times import text_of_ns
from protocol.messages import INSTRUMENT_STATES, INTEGER_MAX, U32

routes = RouteTable("admin")

Number = Annotated[int, msgspec.Meta(ge=1, le=INTEGER_MAX[U32])]
Scale = Annotated[int, msgspec.Meta(ge=0, le=18)]
NewSymbol = Annotated[str, msgspec.Meta(pattern="^[!-~]{1,32}$", examples=["ETH-USDT"])]

_REFUSED = {
    "invalid_instrument": (
        "the symbol or number is taken, the assets are the same, or the scales are finer than those of the assets"
    ),
    "invalid_asset": "the symbol or number is taken, or there are 1,000 assets",
}


# --- halt and resume -----------------------------------------------------------------------------------------------


class Halt(Strict):
    reason: Reason
    state: Literal["halted", "post_only", "cancel_only"] = "halted"


class TradingState(msgspec.Struct):
    symbol: str
    state: StateName
    reason: str
    sequence: int  # event_seq
    timestamp: Time


@routes.add(
    "POST",
    "/api/v1/admin/trading/halt/{symbol}",
    summary="Halt a market: cancels only, or as much as `state` says",
    body=Halt,
    response=TradingState,
    role=ADMIN,
    errors=(404, 503),
    parameters=SYMBOL,
    examples=(Example("/api/v1/admin/trading/halt/BTC-USDT", {"reason": "a price that cannot be"}),),
)
async def halt(call):
    """Orders stay in the book. The reason goes out to everybody on the streams."""
    return await _set_state(call, call.body.state)


@routes.add(
    "POST",
    "/api/v1/admin/trading/resume/{symbol}",
    summary="Open a market again",
    body=Why,
    response=TradingState,
    role=ADMIN,
    errors=(404, 503),
    parameters=SYMBOL,
    examples=(Example("/api/v1/admin/trading/resume/BTC-USDT", {"reason": "prices are right again"}),),
)
async def resume(call):
    return await _set_state(call, "open")


async def _set_state(call, state):
    core, reason = call[CORE], reason_of(call)
    market, admin = core.market(call.path("symbol")), await admin_of(call)
    event = await core.command(
        lambda client: client.set_instrument_state(market.instrument, state, reason, admin=admin)
    )
    await core.caught_up(event.event_seq)
    return TradingState(
        market.symbol, INSTRUMENT_STATES[event.state], event.reason, event.event_seq, text_of_ns(event.time_ns)
    )


# --- definitions ---------------------------------------------------------------------------------------------------


class NewInstrument(Strict):
    """Prices are multiples of the tick, quantities of the lot."""

    symbol: NewSymbol
    base_asset: AssetSymbol
    quote_asset: AssetSymbol
    price_scale: Scale  # decimal places
    quantity_scale: Scale
    tick_size: DecimalText
    lot_size: DecimalText
    reason: Reason
    collar_bps: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 1_000  # of market orders, from the best price
    state: StateName = "open"
    instrument: Number | None = None  # its number; by default the next


@routes.add(
    "POST",
    "/api/v1/admin/instruments",
    summary="Define a market",
    body=NewInstrument,
    response=Market,
    role=ADMIN,
    status=201,
    errors=(404, 409, 503),
    examples=(
        Example(
            "/api/v1/admin/instruments",
            {
                "symbol": "ETH-USDT",
                "base_asset": "ETH",
                "quote_asset": "USDT",
                "price_scale": 2,
                "quantity_scale": 4,
                "tick_size": "0.01",
                "lot_size": "0.0001",
                "reason": "listed as decided on Monday",
            },
            201,
        ),
    ),
)
async def define_instrument(call):
    """It can be neither changed nor removed; halt it instead. The reason is journaled with its first state."""
    core, body, reason = call[CORE], call.body, reason_of(call)
    catalogue = core.catalogue
    base, quote = catalogue.asset(body.base_asset, "base_asset"), catalogue.asset(body.quote_asset, "quote_asset")
    tick = units_of(body.tick_size, body.price_scale, "tick_size")
    lot = units_of(body.lot_size, body.quantity_scale, "lot_size")
    number = body.instrument or max(catalogue.markets, default=0) + 1
    admin = await admin_of(call)
    definition = {"price_scale": body.price_scale, "quantity_scale": body.quantity_scale, "tick": tick, "lot": lot}
    definition |= {"collar_bps": body.collar_bps, "base": base.asset, "quote": quote.asset, "admin": admin}
    await _define(call, lambda client: client.define_instrument(number, body.symbol, **definition))
    event = await core.command(lambda client: client.set_instrument_state(number, body.state, reason, admin=admin))
    await core.caught_up(event.event_seq)
    return market_of(catalogue.markets[number])


class NewAsset(Strict):
    symbol: NewSymbol
    scale: Scale  # decimal places of its amounts
    asset: Number | None = None  # its number; by default the next


class Asset(msgspec.Struct):
    symbol: str
    asset: int
    scale: int


@routes.add(
    "POST",
    "/api/v1/admin/assets",
    summary="Define an asset",
    body=NewAsset,
    response=Asset,
    role=ADMIN,
    status=201,
    errors=(409, 503),
    examples=(Example("/api/v1/admin/assets", {"symbol": "ETH", "scale": 8}, 201),),
)
async def define_asset(call):
    """It can be neither changed nor removed."""
    core, body = call[CORE], call.body
    number = body.asset or max(core.catalogue.assets, default=0) + 1
    admin = await admin_of(call)
    event = await _define(call, lambda client: client.define_asset(number, body.symbol, scale=body.scale, admin=admin))
    await core.caught_up(event.event_seq)
    return Asset(event.symbol, event.asset, event.scale)


async def _define(call, request):
    """Core.command, and more words for what the core says no to: 409 where there can be something already."""
    try:
        return await call[CORE].command(request)
    except ApiError as error:
        if error.code not in _REFUSED:
            raise
        raise ApiError(409, error.code, _REFUSED[error.code], "symbol") from None
