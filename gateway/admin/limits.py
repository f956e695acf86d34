"""Limits of users and of markets. Each command sets all of its kind at once; null is no limit."""

from typing import Annotated

import msgspec

from gateway.admin.accounts import AssetSymbol
from gateway.admin.acts import USER, Reason, account_of_user, admin_of, reason_of
from gateway.core import CORE
from gateway.errors import ApiError
from gateway.history import ADMIN_HISTORY
from gateway.markets import SYMBOL, market_of
from gateway.order_schema import DecimalText, Id
from gateway.routes import ADMIN, Example, RouteTable, Strict
from protocol.messages import INTEGER_MAX, U32

routes = RouteTable("admin")

Count = Annotated[int, msgspec.Meta(ge=1, le=INTEGER_MAX[U32])]
Bps = Annotated[int, msgspec.Meta(ge=1, le=10_000)]


def units_or_none(convert, text, field):
    """null -> 0, which is no limit to the core. Raises ApiError 422, for zero too: it would mean its opposite."""
    if text is None:
        return 0
    units = convert(text, field)
    if not units:
        raise ApiError(422, "invalid_limits", "zero is no limit: use null for none", field)
    return units


# --- of users ------------------------------------------------------------------------------------------------------


class NewUserLimits(Strict):
    asset: AssetSymbol  # the quote asset whose amounts these are
    order_notional_max: DecimalText | None  # of one order
    daily_notional_max: DecimalText | None  # traded in a UTC day
    second_factor_above: DecimalText | None  # an order above it needs a token with a second factor
    open_orders_max: Count | None  # of the whole account, whatever the asset
    reason: Reason


class AssetLimits(msgspec.Struct):
    asset: str
    order_notional_max: DecimalText | None
    daily_notional_max: DecimalText | None
    second_factor_above: DecimalText | None


class UserLimits(msgspec.Struct):
    user: str
    account: Id
    tier: int  # of fees
    is_blocked: bool
    open_orders: int
    open_orders_max: int | None
    commands_per_second: int | None  # of each of the user's own sessions of the core; null: as the core is set up
    assets: list[AssetLimits]


@routes.add(
    "GET",
    "/api/v1/admin/limits/user/{user}",
    summary="A user's limits",
    response=UserLimits,
    role=ADMIN,
    errors=(404, 503),
    parameters=USER,
    examples=(Example("/api/v1/admin/limits/user/alice"),),
)
async def get_user_limits(call):
    """Those by asset come from the history, a moment behind the core."""
    user = call.path("user")
    account = await account_of_user(call, user)
    return UserLimits(
        user=user,
        account=str(account.account),
        tier=account.tier,
        is_blocked=bool(account.is_blocked),
        open_orders=account.open_orders,
        open_orders_max=account.open_orders_max or None,
        commands_per_second=account.commands_per_second or None,
        assets=[AssetLimits(*row) for row in await call[ADMIN_HISTORY].limits(account.account)],
    )


@routes.add(
    "POST",
    "/api/v1/admin/limits/user/{user}",
    summary="Set a user's limits, for one quote asset",
    body=NewUserLimits,
    response=UserLimits,
    role=ADMIN,
    errors=(404, 503),
    parameters=USER,
    examples=(
        Example(
            "/api/v1/admin/limits/user/alice",
            {
                "asset": "USDT",
                "order_notional_max": "100000.00",
                "daily_notional_max": "1000000.00",
                "second_factor_above": None,
                "open_orders_max": 200,
                "reason": "new customer",
            },
        ),
    ),
)
async def set_user_limits(call):
    core, body, user, reason = call[CORE], call.body, call.path("user"), reason_of(call)
    asset = core.catalogue.asset(body.asset)
    names = ("order_notional_max", "daily_notional_max", "second_factor_above")
    units = {name: units_or_none(asset.amount_units, getattr(body, name), name) for name in names}
    account, admin = await account_of_user(call, user), await admin_of(call)
    await core.command(
        lambda client: client.set_account_limits(
            account.account,
            asset.asset,
            **units,
            open_orders_max=body.open_orders_max or 0,
            admin=admin,
            reason=reason,
        )
    )
    amounts = {name: asset.amount(value) if value else None for name, value in units.items()}
    return UserLimits(
        user=user,
        account=str(account.account),
        tier=account.tier,
        is_blocked=bool(account.is_blocked),
        open_orders=account.open_orders,
        open_orders_max=body.open_orders_max,
        commands_per_second=account.commands_per_second or None,
        assets=[AssetLimits(asset.symbol, **amounts)],
    )


class NewRate(Strict):
    commands_per_second: Count | None  # null: as the core is set up
    reason: Reason


class UserRate(msgspec.Struct):
    user: str
    commands_per_second: int | None


@routes.add(
    "POST",
    "/api/v1/admin/limits/user/{user}/rate",
    summary="Set how many commands a second each of a user's sessions of the core may send",
    body=NewRate,
    response=UserRate,
    role=ADMIN,
    errors=(404, 503),
    parameters=USER,
    examples=(
        Example("/api/v1/admin/limits/user/alice/rate", {"commands_per_second": 500, "reason": "market maker"}),
        Example("/api/v1/admin/limits/user/alice/rate", {"commands_per_second": None, "reason": "no longer one"}),
    ),
)
async def set_rate(call):
    """Of sessions that the user has with a key of the core, from now on. Requests to a gateway have its own limits."""
    user, rate, reason = call.path("user"), call.body.commands_per_second, reason_of(call)
    account, admin = (await account_of_user(call, user)).account, await admin_of(call)
    await call[CORE].command(lambda client: client.set_account_rate(account, rate or 0, admin=admin, reason=reason))
    return UserRate(user, rate)


# --- of markets ----------------------------------------------------------------------------------------------------


class NewSymbolLimits(Strict):
    min_quantity: DecimalText | None
    max_quantity: DecimalText | None
    min_notional: DecimalText | None  # price x quantity
    price_band_bps: Bps | None  # how far from the last price a limit may be, in 1/10,000
    reason: Reason


class SymbolLimits(msgspec.Struct):
    symbol: str
    min_quantity: DecimalText | None
    max_quantity: DecimalText | None
    min_notional: DecimalText | None
    price_band_bps: int | None


def _limits_of(market):
    found = market_of(market)
    return SymbolLimits(found.symbol, found.min_quantity, found.max_quantity, found.min_notional, found.price_band_bps)


@routes.add(
    "GET",
    "/api/v1/admin/limits/symbol/{symbol}",
    summary="A market's limits",
    response=SymbolLimits,
    role=ADMIN,
    errors=(404, 503),
    parameters=SYMBOL,
    examples=(Example("/api/v1/admin/limits/symbol/BTC-USDT"),),
)
async def get_symbol_limits(call):
    core = call[CORE]
    core.client  # noqa: B018 - 503 while the core is gone: limits may have changed
    return _limits_of(core.market(call.path("symbol")))


@routes.add(
    "POST",
    "/api/v1/admin/limits/symbol/{symbol}",
    summary="Set a market's limits",
    body=NewSymbolLimits,
    response=SymbolLimits,
    role=ADMIN,
    errors=(404, 503),
    parameters=SYMBOL,
    examples=(
        Example(
            "/api/v1/admin/limits/symbol/BTC-USDT",
            {
                "min_quantity": "0.0001",
                "max_quantity": None,
                "min_notional": "1.00",
                "price_band_bps": None,
                "reason": "as agreed with the market makers",
            },
        ),
    ),
)
async def set_symbol_limits(call):
    core, body, reason = call[CORE], call.body, reason_of(call)
    market = core.market(call.path("symbol"))
    limits = {
        "quantity_min": units_or_none(market.quantity_units, body.min_quantity, "min_quantity"),
        "quantity_max": units_or_none(market.quantity_units, body.max_quantity, "max_quantity"),
        "notional_min": units_or_none(market.notional_units, body.min_notional, "min_notional"),
        "band_bps": body.price_band_bps or 0,
    }
    admin = await admin_of(call)
    event = await core.command(
        lambda client: client.set_instrument_limits(market.instrument, **limits, admin=admin, reason=reason)
    )
    await core.caught_up(event.event_seq)
    return _limits_of(market)
