"""Accounts and their money: open, block, cancel all, deposit, withdraw. Money moves once for each reference."""

from typing import Annotated

import msgspec

from gateway.admin.acts import USER, Reason, User, account_of_user, admin_of, reason_of
from gateway.core import CORE
from gateway.order_schema import CancelledOrders, DecimalText, Id, SideName, Symbol, Time, cancelled_order
from gateway.routes import ADMIN, Example, Reply, RouteTable, Strict
from gateway.times import text_of_ns

routes = RouteTable("admin")

Reference = Annotated[str, msgspec.Meta(pattern="^[!-~]{1,64}$", examples=["wire-2041"])]
AssetSymbol = Annotated[str, msgspec.Meta(min_length=1, max_length=32, examples=["USDT"])]


class NewAccount(Strict):
    user: User


class OpenedAccount(msgspec.Struct):
    user: str
    account: Id
    is_new: bool  # false: the user had it already
    sequence: int  # event_seq
    timestamp: Time


@routes.add(
    "POST",
    "/api/v1/admin/accounts",
    summary="Open a user's account",
    body=NewAccount,
    response=OpenedAccount,
    role=ADMIN,
    status=201,
    others=(200,),
    errors=(503,),
    examples=(Example("/api/v1/admin/accounts", {"user": "alice"}, 201),),
)
async def open_account(call):
    """A user has one account; asked for again it is the same, status 200. Users open theirs by their first request."""
    admin = await admin_of(call)
    event = await call[CORE].command(lambda client: client.open_account(call.body.user, admin=admin))
    opened = OpenedAccount(
        user=event.user,
        account=str(event.account),
        is_new=bool(event.is_new),
        sequence=event.event_seq,
        timestamp=text_of_ns(event.time_ns),
    )
    return Reply(opened, 201 if event.is_new else 200)


# --- orders, block -------------------------------------------------------------------------------------------------


class Why(Strict):
    reason: Reason


class CancelAll(Strict):
    reason: Reason
    symbol: Symbol | None = None
    side: SideName | None = None


@routes.add(
    "POST",
    "/api/v1/admin/orders/cancel-all/{user}",
    summary="Cancel a user's open orders, of one market or side if given",
    body=CancelAll,
    response=CancelledOrders,
    role=ADMIN,
    errors=(404, 503),
    parameters=USER,
    examples=(Example("/api/v1/admin/orders/cancel-all/alice", {"reason": "asked by phone, ticket 4711"}),),
)
async def cancel_all(call):
    """In the order in which they were placed. The user may go on trading; to stop that, block the account."""
    core, body, reason = call[CORE], call.body, reason_of(call)
    instrument = core.market(body.symbol).instrument if body.symbol is not None else 0
    account, admin = (await account_of_user(call, call.path("user"))).account, await admin_of(call)
    done = await core.command(
        lambda client: client.cancel_account(
            account, instrument=instrument, side=body.side or 0, admin=admin, reason=reason
        )
    )
    return _cancelled(core, done)


def _cancelled(core, done):
    return CancelledOrders(
        done.count, [cancelled_order(event, core.catalogue.markets[event.instrument]) for event in done.orders]
    )


class BlockedAccount(msgspec.Struct):
    user: str
    is_blocked: bool
    cancelled: CancelledOrders


@routes.add(
    "POST",
    "/api/v1/admin/accounts/{user}/block",
    summary="Cancel all a user's orders and take no more",
    body=Why,
    response=BlockedAccount,
    role=ADMIN,
    errors=(404, 503),
    parameters=USER,
    examples=(Example("/api/v1/admin/accounts/alice/block", {"reason": "her key has leaked"}),),
)
async def block(call):
    core, user, reason = call[CORE], call.path("user"), reason_of(call)
    account, admin = (await account_of_user(call, user)).account, await admin_of(call)
    done = await core.command(lambda client: client.block_account(account, reason, admin=admin))
    return BlockedAccount(user, True, _cancelled(core, done))


@routes.add(
    "POST",
    "/api/v1/admin/accounts/{user}/unblock",
    summary="Take a user's orders again",
    body=Why,
    response=BlockedAccount,
    role=ADMIN,
    errors=(404, 503),
    parameters=USER,
    examples=(Example("/api/v1/admin/accounts/alice/unblock", {"reason": "she has a new key"}),),
)
async def unblock(call):
    core, user, reason = call[CORE], call.path("user"), reason_of(call)
    account, admin = (await account_of_user(call, user)).account, await admin_of(call)
    done = await core.command(lambda client: client.unblock_account(account, reason, admin=admin))
    return BlockedAccount(user, False, _cancelled(core, done))


# --- money ---------------------------------------------------------------------------------------------------------


class Movement(Strict):
    user: User
    asset: AssetSymbol
    amount: DecimalText
    reference: Reference  # names the movement, and says why: a ticket, the transaction of a wallet


class Moved(msgspec.Struct):
    user: str
    asset: str
    amount: DecimalText
    available: DecimalText  # after it
    reference: str
    duplicate: bool  # the reference was used for this before, and nothing was done now
    sequence: int  # event_seq
    timestamp: Time


_MOVEMENT = {"user": "alice", "asset": "USDT", "amount": "100.00"}


@routes.add(
    "POST",
    "/api/v1/admin/deposits",
    summary="Credit a user",
    body=Movement,
    response=Moved,
    role=ADMIN,
    status=201,
    others=(200,),
    errors=(404, 409, 503),
    examples=(Example("/api/v1/admin/deposits", {**_MOVEMENT, "reference": "wire-2041"}, 201),),
)
async def deposit(call):
    """Once for each reference: sent again it is answered with `duplicate` true, status 200, and not done again. The
    venue's newest 100,000 references are known."""
    return await _move(call, "deposit")


@routes.add(
    "POST",
    "/api/v1/admin/withdrawals",
    summary="Debit a user, of what is available",
    body=Movement,
    response=Moved,
    role=ADMIN,
    status=201,
    others=(200,),
    errors=(404, 409, 503),
    examples=(Example("/api/v1/admin/withdrawals", {**_MOVEMENT, "reference": "wire-2042"}, 201),),
)
async def withdraw(call):
    """Once for each reference, as deposits."""
    return await _move(call, "withdraw")


async def _move(call, kind):
    core, body = call[CORE], call.body
    asset = core.catalogue.asset(body.asset)
    amount = asset.amount_units(body.amount)
    account, admin = (await account_of_user(call, body.user)).account, await admin_of(call)
    event = await core.command(
        lambda client: getattr(client, kind)(account, asset.asset, amount, body.reference, admin=admin)
    )
    moved = Moved(
        user=body.user,
        asset=asset.symbol,
        amount=asset.amount(event.amount),
        available=asset.amount(event.available),
        reference=event.reference,
        duplicate=bool(event.is_duplicate),
        sequence=event.event_seq,
        timestamp=text_of_ns(event.time_ns),
    )
    return Reply(moved, 200 if event.is_duplicate else 201)
