"""Fees of markets, and the tiers that users are in: a tier has fees of its own, or those of tier 0."""

from typing import Annotated

import msgspec

from gateway.admin.acts import USER, Reason, account_of_user, admin_of, reason_of
from gateway.core import CORE
from gateway.markets import SYMBOL
from gateway.routes import ADMIN, Example, RouteTable, Strict

routes = RouteTable("admin")

Tier = Annotated[int, msgspec.Meta(ge=0, le=127)]
MakerPpm = Annotated[int, msgspec.Meta(ge=-100_000, le=100_000)]
TakerPpm = Annotated[int, msgspec.Meta(ge=0, le=100_000)]


class NewTier(Strict):
    tier: Tier
    reason: Reason


class UserTier(msgspec.Struct):
    user: str
    tier: int


@routes.add(
    "POST",
    "/api/v1/admin/accounts/{user}/tier",
    summary="Set the tier whose fees a user's orders have from now on",
    body=NewTier,
    response=UserTier,
    role=ADMIN,
    errors=(404, 503),
    parameters=USER,
    examples=(Example("/api/v1/admin/accounts/alice/tier", {"tier": 0, "reason": "volume of last month"}),),
)
async def set_tier(call):
    user, tier, reason = call.path("user"), call.body.tier, reason_of(call)
    account, admin = (await account_of_user(call, user)).account, await admin_of(call)
    await call[CORE].command(lambda client: client.set_account_tier(account, tier, admin=admin, reason=reason))
    return UserTier(user, tier)


class NewFees(Strict):
    maker_ppm: MakerPpm  # 1/1,000,000 of the notional; negative: a rebate, which any taker's fee must cover
    taker_ppm: TakerPpm
    reason: Reason
    tier: Tier = 0  # whose fees; 0: of all tiers that have none of their own


class Fees(msgspec.Struct):
    symbol: str
    tier: int
    maker_ppm: int
    taker_ppm: int


@routes.add(
    "POST",
    "/api/v1/admin/fees/{symbol}",
    summary="Set a market's fees, for orders placed from now on",
    body=NewFees,
    response=Fees,
    role=ADMIN,
    errors=(404, 503),
    parameters=SYMBOL,
    examples=(
        Example("/api/v1/admin/fees/BTC-USDT", {"maker_ppm": 1000, "taker_ppm": 2000, "reason": "new price list"}),
    ),
)
async def set_fees(call):
    core, body, reason = call[CORE], call.body, reason_of(call)
    market, admin = core.market(call.path("symbol")), await admin_of(call)
    event = await core.command(
        lambda client: client.set_fees(
            market.instrument,
            maker_ppm=body.maker_ppm,
            taker_ppm=body.taker_ppm,
            tier=body.tier,
            admin=admin,
            reason=reason,
        )
    )
    return Fees(market.symbol, event.tier, event.maker_ppm, event.taker_ppm)
